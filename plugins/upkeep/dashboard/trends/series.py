"""What the ledger holds for a trend: which series there are, their values, and what was done meanwhile."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from upkeep.areas.watch.follow import GAP
from upkeep.core.units import listed
from upkeep.core.windows import CADENCES, CHANGING, rounded_down
from upkeep.dashboard.sharing import settled_rows
from upkeep.dashboard.trends.choice import Choice, Series
from upkeep.settings.base import METRICS
from upkeep.settings.load import Settings
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

#: On offer is what so many newest looks of each step have measured, in so many windows of a cadence (some may have left
#: it out); what has ended before can still be asked for.
NEWEST, WINDOWS = 3, 20
#: Up to this length daily windows are marked too; at most so many marks of a kind, and actions told in words.
_DAILY_MARKS, _MARKS, _TOLD = timedelta(days=31), 400, 30
#: Stretches of the watch from this length on are shared where they are over; both ends of one belong to it.
_SHARED, _HOUR, _TICK = timedelta(days=2), timedelta(hours=1), timedelta(microseconds=1)
#: How long after a value of a cadence's window the next one comes.
_BETWEEN = {"daily": timedelta(days=1), "weekly": timedelta(days=7), "monthly": timedelta(days=35)}
#: A line ends where the next value of windows comes later than this many times what it should (the watch: ``GAP``).
_PATIENCE = 1.5
#: Series that the message about an unknown one names.
_NAMED = 12


@dataclass(frozen=True)
class Place:
    """The values of one place of the plot, ``middle`` is the middle of its time.

    ``low`` is None where none of them is on any axis (``odd`` counts those).
    ``newest`` is the value at ``last``, of an hour of the watch its lowest; None where it is on no axis. ``following``
    is how long after it the next value was to come.
    """

    middle: datetime
    first: datetime
    last: datetime
    samples: int
    low: float | None
    high: float | None
    newest: float | None
    odd: int
    following: timedelta


@dataclass(frozen=True)
class Values:
    """A series in a stretch of time, as the windows measured it and as the watch did, the oldest place first."""

    unit: str
    windows: tuple[Place, ...]
    watch: tuple[Place, ...]

    @property
    def all(self) -> tuple[Place, ...]:
        """Every place, whoever measured it, by time."""
        return tuple(sorted((*self.windows, *self.watch), key=lambda one: one.first))


@dataclass(frozen=True)
class Done:
    """A window, or an action that was carried out; ``report`` is whose report tells of it, None without one."""

    at: datetime
    words: str
    report: tuple[str, str] | None
    action: bool


def on_offer(session: Session, target: str) -> dict[str, list[str]]:
    """Metric → its subjects ("" for the whole target), the guide's six first: what is measured of a target by now."""
    asked = {"target": target, "cadences": list(CADENCES), "windows": WINDOWS, "looks": NEWEST}
    rows = session.rows(queries.load("dashboard/trend_names"), asked)
    rows += session.rows(queries.load("dashboard/trend_watched"), {"target": target})
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["metric"], set()).add(row["subject"])
    order = {name: place for place, name in enumerate(METRICS)}
    return {name: sorted(found[name]) for name in sorted(found, key=lambda name: (order.get(name, len(order)), name))}


def unit_of(
    session: Session, config: Settings, target: str, series: Series, offered: Mapping[str, list[str]]
) -> str | None:
    """The unit of a series of a target; None where nobody has ever measured it."""
    if "\0" in series.of:  # no name in PostgreSQL holds it, nor may it be asked for one
        return None
    units = session.rows(queries.load("dashboard/trend_unit"), _asked(target, series))
    if units:
        unit: str = units[0]["unit"]
        return unit
    return (
        _unit(config, series) if watched(config, series) and series.subject in offered.get(series.metric, ()) else None
    )


def _asked(target: str, series: Series) -> dict[str, object]:
    return {"target": target, "metric": series.metric, "subject": series.subject}


def values(session: Session, config: Settings, choice: Choice, series: Series, unit: str, now: datetime) -> Values:
    """A series of a target, which has been measured in that unit."""
    width, every = choice.width, timedelta(seconds=config.maintenance.watch.every_seconds)
    asked = _asked(choice.target, series) | {"width": width}
    stretch = {"start": choice.start, "end": choice.until}
    places = session.rows(queries.load("dashboard/trend_points"), asked | stretch)
    seen = _places_of_watch(session, choice, asked, every, now) if watched(config, series) else []

    def place(row: Row, following: timedelta) -> Place:
        named = {name: row[name] for name in ("first", "last", "samples", "low", "high", "newest", "odd")}
        middle = min(row["place"] + width / 2, choice.until)
        return Place(middle=max(middle, choice.start), following=max(following, _PATIENCE * width), **named)

    return Values(
        unit,
        tuple(place(row, _PATIENCE * min(_BETWEEN.get(one, width) for one in row["cadences"])) for row in places),
        tuple(place(row, GAP * (timedelta(hours=1) if row["hours"] else every)) for row in seen),
    )


def _places_of_watch(
    session: Session, choice: Choice, asked: Mapping[str, object], every: timedelta, now: datetime
) -> list[Row]:
    """The places of the watch, the oldest first. A week is twenty thousand samples, so what is over is shared.

    For that places begin at whole multiples of their width: the first one is cut. Read each time are what lies before
    the first full hour or so, and the rest behind the last one that can get nothing more.
    """
    query, kept = queries.load("dashboard/trend_watch"), queries.load("dashboard/trend_kept")
    step = choice.width * math.ceil(_HOUR / choice.width)
    first = rounded_down(choice.start, step) + step
    rest = rounded_down(min(choice.until, now - max(_HOUR, 2 * every)), step)
    # Since when there are samples: one moment for all, for meanwhile an hour of them may become one row.
    asked = {**asked, "origin": first, "kept": session.row(kept, {"target": choice.target})["since"]}
    if choice.length < _SHARED or rest <= first:
        return session.rows(query, asked | {"start": choice.start, "end": choice.until})
    before = session.rows(query, asked | {"start": choice.start, "end": first - _TICK})
    over = settled_rows(session, query, asked | {"start": first, "end": rest - _TICK})
    return [*before, *over, *session.rows(query, asked | {"start": rest, "end": choice.until})]


def watched(config: Settings, series: Series) -> bool:
    """Whether the watch measures it as well: the six metrics and each function's response time."""
    if series.subject:
        return series.metric == "latency" and series.subject in config.thresholds.latencies
    return series.metric in METRICS


def _unit(config: Settings, series: Series) -> str:
    limits = config.thresholds
    return limits.latencies[series.subject].unit if series.subject else limits.metrics[series.metric].unit


def unknown(target: str, series: Series, offered: Mapping[str, list[str]]) -> str:
    """What is said of a series that nobody has ever measured of a target."""
    found = f"found no trend of {series.metric[:80]!r}" + (f" of {series.subject[:80]!r}" if series.subject else "")
    of = offered.get(series.metric)
    if of:
        known = listed([repr(one) if one else "the whole target" for one in of], _NAMED)
        return f"{found} for the target {target!r}, expected one of: {known}"
    known = listed(list(offered), _NAMED) or "none, for no window has measured anything yet"
    return f"{found} for the target {target!r}, expected a metric that it has: {known}"


def done_meanwhile(session: Session, choice: Choice) -> tuple[Done, ...]:
    """The windows and the actions of a stretch of time, the newest first; of a long one no daily windows."""
    cadences: Sequence[str] = CADENCES if choice.length <= _DAILY_MARKS else CHANGING
    asked = {"target": choice.target, "start": choice.start, "end": choice.until, "most": _MARKS}
    windows = session.rows(queries.load("dashboard/trend_windows"), asked | {"cadences": list(cadences)})
    actions = session.rows(queries.load("dashboard/trend_actions"), asked | {"told": _TOLD})
    found = [*(_action(row) for row in actions), *(_window(row) for row in windows)]
    return tuple(sorted(found, key=lambda one: one.at, reverse=True))


def _action(row: Row) -> Done:
    words = f"{row['verb'].upper()} {row['schema']}.{row['name']}" if row["verb"] else "an action of a plan"
    return Done(row["at"], words, (row["dag_id"], row["run_id"]), action=True)


def _window(row: Row) -> Done:
    words = f"{row['cadence']} window" + (f": {row['outcome']}" if row["outcome"] else "")
    words += "" if row["kind"] == "calendar" else ", by hand"
    return Done(row["due"], words, (row["dag_id"], row["run_id"]) if row["reported"] else None, action=False)
