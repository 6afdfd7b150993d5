"""Whether "no such event" may be believed: by the names that a log's events have in this deployment."""

from __future__ import annotations

from typing import Literal

from upkeep.areas.logs import Log
from upkeep.core.findings import Finding
from upkeep.core.text import visible

Kind = Literal["login_failure", "login_success", "rate_limited", "role_change"]
#: Names that a finding spells out.
SHOWN = 20
#: Where people log in, one of both is seen; a log without either is not the one that logins are written to.
_LOGINS: tuple[Kind, ...] = ("login_failure", "login_success")


def unrecognised(log: Log, kind: Kind) -> Finding | None:
    """Why a period without an event of this kind is not known to be one; None when every name in it is explained."""
    events = log.look.settings.maintenance.security.events
    rows = log.rows("security/event_names", {"known": events.known, "shown": SHOWN})
    unknown = [row for row in rows if row["event"] not in events.known]
    if unknown:
        said = ", ".join(f"{visible(row['event'] or 'no name')} ({row['rows']})" for row in unknown)
        reason = f"no event is called as config names {kind}, and the log has events that config does not know: {said}"
        remedy = "Add each where it belongs in config/maintenance.yaml: security.events; what no check counts to other."
        return log.unknown(reason, remedy)
    if kind in _LOGINS and not any(row["event"] in getattr(events, one) for one in _LOGINS for row in rows):
        said = ", ".join(f"{row['event']} ({row['rows']})" for row in rows)
        reason = f"the log has no login of the period, neither a success nor a failure, only {said}"
        return log.unknown(reason, "See where logins are written, and name that table in logs.security.")
    return None
