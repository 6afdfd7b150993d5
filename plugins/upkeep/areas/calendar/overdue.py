"""What is overdue now: the answer of a witness that stands outside Airflow. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from upkeep.areas.calendar.due import GRACE, DueWindow, State
from upkeep.areas.calendar.reconcile import LedgerState, rhythms
from upkeep.core.units import count, span, utc
from upkeep.settings.calendar import CalendarSettings

#: A scheduled run has begun by then: Airflow's scheduler takes seconds, a busy one half a minute.
START = timedelta(minutes=1)


@dataclass(frozen=True)
class CadenceStatus:
    """How one cadence of one target stands: ``word`` is ok, overdue, missed or unknown."""

    target: str
    cadence: str
    word: str
    detail: str


def standings(
    known: LedgerState, last: Mapping[tuple[str, str], datetime], config: CalendarSettings, now: datetime
) -> Iterator[CadenceStatus]:
    """One for each target and cadence of config, in its order. ``last``: when the last ended one was due."""
    watched = {(one.target, one.cadence) for one in known.watched}
    standing = known.compare(config, now).standing
    for (target, cadence), rhythm in rhythms(config.maintenance).items():
        mine = [window for window in standing if (window.target, window.cadence) == (target, cadence)]
        following = f"the next one is due at {utc(rhythm.cadence.after(now))}"
        if (target, cadence) not in watched:
            yield CadenceStatus(target, cadence, "unknown", f"no window has run yet, so nothing is known; {following}")
        elif late := [said for window in mine if (said := _overdue(window, now))]:
            yield CadenceStatus(target, cadence, "overdue", late[-1])
        elif missed := [window for window in mine if window.state is State.MISSED]:
            newest = max(missed, key=lambda window: window.due)
            detail = f"{count(len(missed), 'window')}, the last due at {utc(newest.due)}: {newest.reason}"
            yield CadenceStatus(target, cadence, "missed", detail)
        else:
            due = last.get((target, cadence))
            ended = f"the last one that ended was due at {utc(due)}; " if due else ""
            yield CadenceStatus(target, cadence, "ok", ended + following)


def _overdue(window: DueWindow, now: datetime) -> str:
    if window.state is State.DUE and now - window.due > START:
        return f"due at {utc(window.due)}, {span(now - window.due)} ago, and no run has begun"
    if window.state is State.OPEN and now > window.deadline + GRACE:
        return (
            f"due at {utc(window.due)}, its deadline was {utc(window.deadline)}: {window.reason} and has no report yet"
        )
    return ""
