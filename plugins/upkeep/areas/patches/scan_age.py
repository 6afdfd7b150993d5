"""The age of the last weekly scan (G6): its results are reviewed every day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from upkeep.areas.look import Inspection, Sources
from upkeep.core.findings import Finding, Level, Topic
from upkeep.ledger.read import last_scan
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings

#: A weekly scan and a day's grace.
SCAN_AGE = timedelta(days=8)
#: A scan that seems to lie further ahead than this is not one: clocks disagree.
SKEW = timedelta(minutes=5)


def scan_age(last: datetime | None, now: datetime) -> Finding:
    """The age of the last weekly scan, whose results are to be reviewed daily. Pure."""
    if last is None:
        level, detail = Level.UNKNOWN, "not collected: no weekly scan has been recorded yet"
    elif last > now + SKEW:
        level, detail = Level.UNKNOWN, f"the last weekly scan is of {last:%Y-%m-%d %H:%M} UTC, which is still to come"
    else:
        age = max(now - last, timedelta(0))
        level = Level.OK if age <= SCAN_AGE else Level.WARNING
        detail = f"the last weekly scan is of {last:%Y-%m-%d %H:%M} UTC, {age / timedelta(days=1):.1f} days ago"
    return Topic("scan_age", "Age of the last weekly scan", "G6").finding(
        level,
        detail,
        f"at most {SCAN_AGE / timedelta(days=1):g} days",
        "" if level is Level.OK else "Scan by hand (npm audit, npm outdated); see why the weekly window has not.",
    )


def inspect(sources: Sources) -> LookResult:
    """The ledger's last weekly window that scanned."""
    with sources.ledger() as session:
        last = last_scan(session, sources.window.target)
    return LookResult((scan_age(last, datetime.now(UTC)),))


def _described(_: Settings, target: str) -> str:
    return f"the ledger's last weekly window of {target}"


INSPECTIONS = (Inspection("scan_age", "include/sql/ledger/last_scan.sql", _described, inspect),)
