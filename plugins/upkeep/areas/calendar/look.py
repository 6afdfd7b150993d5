"""What the calendar says in a daily report: windows that were missed, targets that are silent or gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from upkeep.areas.calendar.due import DueWindow, Reconciliation, State
from upkeep.areas.calendar.reconcile import bring_up_to_date, removed_targets
from upkeep.areas.look import Inspection, Sources
from upkeep.core.findings import Finding, Level, Topic
from upkeep.core.units import count, listed, span, utc
from upkeep.ledger.acknowledgements import in_force
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.wires import queries
from upkeep.wires.database import Row

#: The guide's item of each cadence.
GUIDE = {"daily": "G1", "weekly": "G12", "monthly": "G23"}
#: Missed windows of a cadence that have a finding each; one more finding counts the older ones.
MOST = 10
#: How long a target that config no longer names is mentioned.
REMEMBERED = timedelta(days=31)
#: With clocks further apart than this, windows could be missed that were not due.
SKEW = timedelta(minutes=5)


def inspect(sources: Sources, now: datetime | None = None) -> LookResult:
    """Bring the calendar up to date, and say what of it concerns this target's report; ``now`` is this host's clock."""
    now = now or datetime.now(UTC)
    with sources.writing() as session:
        there: datetime = session.row(queries.load("setup/clock"))["at"]
        if abs(there - now) > SKEW:
            return LookResult((_clocks_disagree(now, there),))
        found = bring_up_to_date(session, sources.config, now)
        tallies = session.rows(queries.load("calendar/tallies"), {"target": sources.target})
        removed = removed_targets(session)
    return LookResult(tuple(findings(sources.target, found, tallies, removed, sources.config, now)))


def findings(
    target: str,
    found: Reconciliation,
    tallies: Iterable[Row],
    removed: Mapping[str, datetime],
    config: Settings,
    now: datetime,
) -> Iterator[Finding]:
    """Each missed window of the target, other targets whose daily window is missed, and targets that are gone. Pure."""
    mine = [window for window in found.standing if window.target == target]
    missed = [window for window in mine if window.state is State.MISSED]
    for cadence in GUIDE:
        yield from _missed(target, cadence, [window for window in missed if window.cadence == cadence], config, now)
    yield from _silent(target, found.standing, config, now)
    for name, at in removed.items():
        if name not in config.targets and target == config.targets[0] and now - at < REMEMBERED:
            yield _gone(name, at, found.standing)
    if not missed:
        ended = ", ".join(f"{count(row['windows'], row['cadence'] + ' window')} {row['state']}" for row in tallies)
        topic = Topic("calendar:missed", "Windows of the calendar", GUIDE["daily"])
        yield topic.finding(Level.OK, ended or "none was due yet", "each is carried out, waived or frozen")


def _missed(target: str, cadence: str, missed: list[DueWindow], config: Settings, now: datetime) -> Iterator[Finding]:
    newest = sorted(missed, key=lambda window: window.due, reverse=True)
    backfill = f"python -m upkeep backfill {cadence} --target {target}"
    for window in newest[:MOST]:
        unheard = [one.by for one in in_force(config.exceptions, now) if one.covers(window.key, Level.WARNING)]
        held = f" ({unheard[0]}, who waived it in config/exceptions.yaml, holds no role)" if unheard else ""
        yield Topic(window.key, f"The {cadence} window of {utc(window.due)} was missed", GUIDE[cadence]).finding(
            Level.WARNING,
            window.reason + held,
            f"a report by {utc(window.deadline)}",
            f"Carry it out late: {backfill}. Or waive it: an entry in config/exceptions.yaml with this finding's key, "
            "a reason, and as its `by` somebody who holds a role.",
            {"due": window.due.isoformat()},
        )
    if older := newest[MOST:]:
        topic = Topic(
            f"calendar:missed:{target}:{cadence}:older", f"Older {cadence} windows that were missed", GUIDE[cadence]
        )
        detail = f"{len(older)}, from {utc(older[-1].due)} to {utc(older[0].due)}"
        yield topic.finding(Level.WARNING, detail, "each is carried out or waived", f"List them: {backfill} --dry-run.")


def _silent(target: str, standing: tuple[DueWindow, ...], config: Settings, now: datetime) -> Iterator[Finding]:
    """Other targets that cannot say it themselves: their last daily window was missed."""
    for other in config.targets:
        daily = config.maintenance.cadences(other)["daily"]
        latest = daily.at_or_before(now - daily.length)
        missed = [
            window.due
            for window in standing
            if (window.target, window.cadence, window.state) == (other, "daily", State.MISSED)
        ]
        if other == target or latest not in missed:
            continue
        topic = Topic(f"calendar:silent:{other}", f"The daily windows of {other} are missed", GUIDE["daily"])
        yield topic.finding(
            Level.WARNING,
            f"{count(len(missed), 'window')} without a report that could say so, the last due at {utc(latest)}",
            "a daily report of each target",
            "See whether its DAG is paused; then python -m upkeep overdue.",
        )


def _gone(name: str, at: datetime, standing: Iterable[DueWindow]) -> Finding:
    left = sorted(f"{window.cadence} of {utc(window.due)}" for window in standing if window.target == name)
    topic = Topic(f"calendar:removed:{name}", f"The target {name} is no longer in config", GUIDE["daily"])
    detail = f"seen at {utc(at)}; its reports stay readable in the ledger"
    if left:
        detail += f"; windows that have no end: {listed(left, 5)}"
    return topic.finding(
        Level.ADVISORY,
        detail,
        "",
        "Nothing, if that was meant. Renamed? Give it its old name in config/maintenance.yaml.",
    )


def _clocks_disagree(here: datetime, there: datetime) -> Finding:
    topic = Topic("calendar:clock", "The clocks of this host and of the ledger's server", GUIDE["daily"])
    detail = f"here it is {utc(here)}, there {utc(there)}: the calendar was not looked through"
    return topic.finding(Level.UNKNOWN, detail, f"at most {span(SKEW)} apart", "Set the clock that is wrong (NTP).")


def _described(_: Settings, target: str) -> str:
    return f"the calendar of {target} beside the ledger's runs"


INSPECTIONS = (Inspection("due_windows", "include/sql/calendar", _described, inspect),)
