"""What is in trouble now, as the ledger knows it: findings by cause, missed and overdue windows, silent channels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from upkeep.areas.alerts.episodes import MOST_MEMBERS, Trouble
from upkeep.areas.alerts.sightings import Where, sightings
from upkeep.areas.calendar.due import GRACE, DueWindow, Reconciliation, State
from upkeep.areas.calendar.look import SKEW
from upkeep.areas.calendar.look import findings as calendar_findings
from upkeep.areas.calendar.reconcile import bring_up_to_date
from upkeep.core import redaction
from upkeep.core.findings import Finding, Level
from upkeep.core.stories import Seen, Story, stories
from upkeep.core.units import brief, count, span, utc
from upkeep.core.windows import rounded_down
from upkeep.settings.load import Settings
from upkeep.wires import queries
from upkeep.wires.database import Row, Session
from upkeep.wires.functions.contract import FUNCTIONS

#: Windows that are older say nothing of now.
REACH = timedelta(days=100)
#: A scheduled run has begun by then.
START = timedelta(minutes=5)
#: Characters of what a message says.
MOST_CAUSE, MOST_DETAIL, MOST_REMEDY = 200, 500, 500
#: Characters of a text that are looked at at all, and of one whose safe words are remembered: most come again.
_LOOKED_AT, _REMEMBERED = 20_000, 500
#: Steps whose findings name people out of the target's logs: a message says that there is something, not who.
ABOUT_LOGS = frozenset(
    {"failed_logins", "new_addresses", "service_role_hours", "rate_limits", "access_patterns", "access_review"}
)
#: Steps whose findings are events: they were so, and nothing changes that until the next window.
EVENTS = frozenset({"report", "apply", "plan"})


def calendar(session: Session, config: Settings, now: datetime) -> Reconciliation | None:
    """The calendar, brought up to date; None where this host's clock and the ledger's are too far apart for that.

    A session of its own, and a short one: a daily window waits for the same lock.
    """
    there: datetime = session.row(queries.load("setup/clock"))["at"]
    return bring_up_to_date(session, config, now) if abs(there - datetime.now(UTC)) <= SKEW else None


def current(session: Session, config: Settings, found: Reconciliation | None, now: datetime) -> list[Trouble]:
    """Everything that is not ok now, of all targets; nothing of the calendar where that was not looked through."""
    troubles = [one for target in config.targets for one in _of_target(session, config, target, found, now)]
    return [*troubles, *_of_channels(session.rows(queries.load("alerts/failing")), config, now)]


def _of_target(
    session: Session, config: Settings, target: str, found: Reconciliation | None, now: datetime
) -> Iterator[Trouble]:
    after = rounded_down(now - REACH, timedelta(hours=1))
    seen = sightings(session, config, target, after, now)
    asked = [finding.key for finding, _, _ in seen.placed if finding.level is not Level.OK]
    rows = session.rows(queries.load("alerts/since"), {"target": target, "after": after, "keys": asked})
    since = {row["key"]: row["since"] for row in rows} | seen.since
    places = {finding.key: where for finding, where, _ in seen.placed}
    for story in stories([Seen(finding, source) for finding, _, source in seen.placed], FUNCTIONS):
        if any("acknowledged" not in finding.metadata for finding in story.findings):
            yield _of_story(story, target, places, since, config)
    if found is not None:
        yield from _of_calendar(target, found, config, now)


def _of_story(
    story: Story, target: str, places: Mapping[str, Where], since: Mapping[str, datetime], config: Settings
) -> Trouble:
    first, where = story.findings[0], places[story.findings[0].key]
    begun = [since.get(finding.key, places[finding.key].at) for finding in story.findings]
    hidden = not story.grouped and where.name in ABOUT_LOGS
    return Trouble(
        target=target,
        key=story.key,
        level=story.level,
        cause=safe(where.name.replace("_", " ").capitalize() if hidden else story.cause, MOST_CAUSE),
        detail="Who and from where is in the report." if hidden else safe(_detail(story, first), MOST_DETAIL),
        remedy=safe(story.remedy, MOST_REMEDY),
        members=tuple(finding.key for finding in story.findings[:MOST_MEMBERS]),
        findings=len(story.findings),
        owner=config.maintenance.roles[config.routing.owner_of(where.groups)].title,
        since=min(begun),
        dag_id=where.dag_id,
        run_id=where.run_id,
        reminded=where.name not in EVENTS,
    )


def _detail(story: Story, first: Finding) -> str:
    if not story.grouped:
        return first.detail + (f"; expected: {first.expected}" if first.expected else "")
    return f"{count(len(story.findings), 'finding')}, the worst: {first.subject}: {first.detail}"


def safe(text: str, most: int) -> str:
    """One line without secrets, people, and what is invisible, of at most so many characters."""
    return (_safe if len(text) > _REMEMBERED else _remembered)(text[:_LOOKED_AT], most)


def _safe(text: str, most: int) -> str:
    return brief(redaction.people(text), most)


_remembered = lru_cache(maxsize=4096)(_safe)


# The calendar ---------------------------------------------------------------------------------------------------


def _of_calendar(target: str, found: Reconciliation, config: Settings, now: datetime) -> Iterator[Trouble]:
    """Missed windows, a story for each cadence, and windows that have not begun or not ended in time."""
    missed: dict[str, list[Finding]] = {}
    for finding in calendar_findings(target, found, (), {}, config, now):
        kind, cadence = finding.key.split(":")[1], finding.key.split(":")[3:4]
        if kind == "missed" and cadence:
            missed.setdefault(cadence[0], []).append(finding)
    role = config.maintenance.roles[config.routing.owner].title
    for name, findings in missed.items():
        first = findings[0]
        cause = first.subject if len(findings) == 1 else f"{len(findings)} {name} windows were missed"
        begun = [window.deadline for window in found.standing if _is(window, target, name, State.MISSED)]
        keys = tuple(finding.key for finding in findings[:MOST_MEMBERS])
        words = safe(cause, MOST_CAUSE), safe(first.detail, MOST_DETAIL), safe(first.remedy, MOST_REMEDY)
        yield Trouble(
            target, f"calendar:missed:{target}:{name}", Level.WARNING, *words, keys, len(keys), role, min(begun)
        )
    for window in found.standing:
        if window.target == target and (late := overdue(window, now)):
            key, remedy = (
                f"calendar:overdue:{target}:{window.cadence}",
                "Look at its run in Airflow, and whether its DAG is paused.",
            )
            cause = f"The {window.cadence} window of {utc(window.due)} is overdue"
            yield Trouble(target, key, Level.WARNING, cause, late, remedy, (window.key,), 1, role, window.due)


def _is(window: DueWindow, target: str, cadence: str, state: State) -> bool:
    return (window.target, window.cadence, window.state) == (target, cadence, state)


def overdue(window: DueWindow, now: datetime) -> str:
    """How a window is late that may still be carried out in time or is being carried out; empty when it is not."""
    if window.state is State.DUE and now - window.due > START:
        return f"It was due {span(now - window.due)} ago, and no run has begun."
    if window.state is State.OPEN and now > window.deadline + GRACE:
        return f"Its deadline was {utc(window.deadline)}, and it has no report yet."
    return ""


# Channels -------------------------------------------------------------------------------------------------------


def _of_channels(rows: Iterable[Row], config: Settings, now: datetime) -> Iterator[Trouble]:
    """Channels that have taken nothing for a while; critical where a critical message is among what waits."""
    patience, role = (
        timedelta(minutes=config.routing.retry.down_minutes),
        config.maintenance.roles[config.routing.owner],
    )
    for row in rows:
        name: str = row["channel"]
        if name not in config.routing.channels or now - row["since"] < patience:
            continue
        connection: Any = config.routing.channels[name].connection
        yield Trouble(
            target="",
            key=f"channel:{name}",
            level=Level.CRITICAL if row["critical"] else Level.WARNING,
            cause=f"The channel {name} takes no messages",
            detail=safe(f"{count(row['messages'], 'message')} not delivered; {row['error']}", MOST_DETAIL),
            remedy=f"Look at Connection {connection}; what is due is sent again by itself, dead letters are not.",
            members=(f"channel:{name}",),
            findings=1,
            owner=role.title,
            since=row["since"],
            channel=name,
        )
