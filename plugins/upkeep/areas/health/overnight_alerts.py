"""The platform's own alerts since the last window (G118): what a person reviews first in the morning."""

from __future__ import annotations

from upkeep.areas.logs import Log, named
from upkeep.areas.look import Check, Look
from upkeep.core.findings import Level, Sample, Topic
from upkeep.ledger.write import LookResult

#: Groups of alerts that a finding's metadata names; the sums are of all.
SHOWN = 50


def overnight_alerts(look: Look) -> LookResult:
    """Alerts of the period that nobody has acknowledged; critical ones are a warning, others an advisory."""
    log = Log(look, "alerts", Topic("overnight_alerts", "Overnight alerts", "G118"))
    if hidden := log.hidden():
        return LookResult((hidden,))
    rows = log.rows("health/overnight_alerts", {"shown": SHOWN})
    if not rows and not log.rows("logs/ever_written", {})[0]["written"]:
        reason = f"{log.config.table} has never held an alert"
        return LookResult((log.unknown(reason, "See where alerts are written, and name that table in logs.alerts."),))
    total, unseen, groups = (rows[0][of] if rows else 0 for of in ("all_alerts", "all_open", "open_groups"))
    still_open = [row for row in rows if row["open_alerts"]]
    level = Level.OK
    if still_open:  # the worst comes first
        level = Level.WARNING if still_open[0]["severity"].lower() == "critical" else Level.ADVISORY
    each = [f"{row['open_alerts']} {row['severity']} of {row['metric']}" for row in still_open]
    finding = log.topic.finding(
        level,
        f"{total} alerts in the period, {unseen} not acknowledged" + (f": {named(each, groups)}" if each else ""),
        "every alert acknowledged",
        "Look at each in the platform's alert list, find what it was about, then acknowledge it there.",
        {"alerts": [{of: row[of] for of in ("metric", "severity", "alerts", "open_alerts")} for row in rows]},
    )
    return LookResult((finding,), (Sample("alerts_open", float(unseen), "alerts"),))


CHECKS = (Check("health/overnight_alerts", "G118", "Overnight alerts", overnight_alerts),)
