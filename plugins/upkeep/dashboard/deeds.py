"""What people do on the pages: acknowledge an alert, waive a missed window. By role, and each with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from starlette.exceptions import HTTPException

from upkeep.areas.alerts import store
from upkeep.areas.alerts.episodes import Alert
from upkeep.core.findings import Level
from upkeep.dashboard.forms import reason
from upkeep.dashboard.visitors import Visitor
from upkeep.settings.load import Settings
from upkeep.wires import queries
from upkeep.wires.database import Session

#: The furthest day until which an alert may be silent; "until it clears" knows no end.
LONGEST = timedelta(days=400)


def acknowledging_roles(config: Settings, owner: str) -> frozenset[str]:
    """Who may acknowledge what somebody owns: the owner, by title, and whoever owns what no line of config names."""
    roles = config.maintenance.roles
    return frozenset(name for name, role in roles.items() if role.title == owner) | {config.routing.owner}


def titles(config: Settings, roles: frozenset[str]) -> str:
    """Roles in words."""
    return " or ".join(role.title for name, role in config.maintenance.roles.items() if name in roles)


def may_acknowledge(config: Settings, visitor: Visitor, target: str, owner: str) -> bool:
    """Whether this visitor may; what is no target's (a channel that takes nothing) needs the role alone."""
    mine = target in visitor.answers if target else bool(visitor.answers)
    return mine and bool(visitor.roles & acknowledging_roles(config, owner))


def acknowledge(
    session: Session, config: Settings, visitor: Visitor, fields: Mapping[str, str], now: datetime
) -> Alert:
    """Silence an open alert as the person who is logged in. Raises HTTPException, and then nothing is changed."""
    why, until = reason(fields), _until(fields, now)
    found = [alert for alert in store.known(session) if str(alert.id) == fields.get("alert") and not alert.ended_at]
    visible = [alert for alert in found if not alert.trouble.target or alert.trouble.target in visitor.targets]
    if not visible:
        raise HTTPException(404, "Nothing was changed: this is not open any more, or not of a target that you may see")
    (alert,) = visible
    if not may_acknowledge(config, visitor, alert.trouble.target, alert.trouble.owner):
        who = titles(config, acknowledging_roles(config, alert.trouble.owner))
        raise HTTPException(403, f"Nothing was changed: expected a {who}, found {visitor.name}, who may not")
    if alert.level.rank < _level(fields).rank:
        raise HTTPException(409, f"Nothing was changed: it is {alert.level} by now, which is worse. Look at it again")
    given = {"target": alert.trouble.target, "key": str(alert.id), "by": visitor.person, "why": why, "until": until}
    session.row(queries.load("alerts/acknowledge"), given)
    return alert


def _level(fields: Mapping[str, str]) -> Level:
    try:
        return Level(fields.get("level", ""))
    except ValueError:
        raise HTTPException(400, "Nothing was changed: expected the level that was shown") from None


def _until(fields: Mapping[str, str], now: datetime) -> datetime | None:
    """The end of the last day, or nothing for until it clears."""
    if not (text := fields.get("until", "")):
        return None
    try:
        end = datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), UTC)
    except (ValueError, OverflowError):
        raise HTTPException(400, "Nothing was changed: expected a day such as 2026-12-31, or none") from None
    if not now < end <= now + LONGEST:
        raise HTTPException(400, f"Nothing was changed: expected a day from today to {LONGEST.days} days from now")
    return end


def waive(session: Session, visitor: Visitor, fields: Mapping[str, str]) -> None:
    """Give a missed window up, as anybody who holds a role. Raises HTTPException, and then nothing is changed."""
    why, target = reason(fields), fields.get("target", "")
    if target not in visitor.targets:
        raise HTTPException(404, "Nothing was changed: expected a window of a target that you may see")
    if target not in visitor.answers or not visitor.roles:
        raise HTTPException(
            403, f"Nothing was changed: expected somebody with a role whom Airflow lets answer, found {visitor.name}"
        )
    try:
        due = datetime.fromisoformat(fields.get("due", "")).astimezone(UTC)
    except (ValueError, OverflowError):
        raise HTTPException(400, "Nothing was changed: expected when the window was due") from None
    session.rows(queries.load("calendar/lock"))
    row = {"target": target, "cadence": fields.get("cadence", ""), "due": due, "reason": f"{visitor.person}: {why}"}
    if not session.rows(queries.load("dashboard/waive"), row):
        raise HTTPException(
            409,
            "Nothing was changed: the ledger does not have this window as missed. It was carried out or waived "
            "meanwhile, or was missed just now: maintenance_alerts brings the calendar up to date every few minutes",
        )
