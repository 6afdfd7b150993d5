"""The page of one trend: what its template shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from starlette.exceptions import HTTPException

from upkeep.areas.baselines.subjects import subjects
from upkeep.core.findings import Level, worst
from upkeep.core.units import amount, title
from upkeep.dashboard.trends import drawn
from upkeep.dashboard.trends.choice import OFFERED, Choice, Series, chosen, said
from upkeep.dashboard.trends.compared import before, moved, stretch
from upkeep.dashboard.trends.judged import Standards, standards
from upkeep.dashboard.trends.series import (
    Done,
    Place,
    Values,
    done_meanwhile,
    on_offer,
    unit_of,
    unknown,
    values,
    watched,
)
from upkeep.settings.load import Settings
from upkeep.wires.database import Session

#: Subjects of a metric that the choice lists, beside the one that is shown.
LISTED = 60
#: Windows and actions that are told in words.
TOLD = 15
#: Places of the plot that stand in numbers; with ``numbers=all`` in the address every one does.
NUMBERS, EVERY = 100, "all"


@dataclass(frozen=True)
class Option:
    """A series that can be chosen."""

    series: Series
    says: str
    chosen: bool


@dataclass(frozen=True)
class TableRow:
    """A place of the plot in numbers. ``until`` is empty for a single value."""

    at: str
    until: str
    low: str
    high: str
    samples: int
    odd: int
    level: Level | None


def trend(
    session: Session, config: Settings, targets: Sequence[str], query: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    """All that the page shows. Raises HTTPException 400 or 404 for what cannot be shown."""
    choice = chosen(query, targets, now)
    offered = on_offer(session, choice.target)
    series, unit = _measured(session, config, targets, choice, offered)
    lacks = choice.series if choice.series != series else None
    choice = replace(choice, series=series)
    page = {
        "choice": choice,
        "targets": targets,
        "ranges": [(one, said(one), choice.href(range_=one), choice.words == said(one)) for one in OFFERED],
        "options": list(_options(config, offered, series)),
        "later": choice.later(now),
        "series": series,
        "lacks": name_of(config, lacks) if lacks else "",
        "shown": None,
    }
    if not series:
        return page
    return page | _shown(session, config, choice, series, unit, now, every=query.get("numbers") == EVERY)


def _measured(
    session: Session, config: Settings, targets: Sequence[str], choice: Choice, offered: Mapping[str, list[str]]
) -> tuple[Series | None, str]:
    """What is shown and its unit: the series that is asked for, the target's first where only another target has that.

    Raises HTTPException 404 for what no target of the visitor has.
    """
    asked, first = choice.series, _first(offered)
    if asked and (unit := unit_of(session, config, choice.target, asked, offered)) is not None:
        return asked, unit
    others = (one for one in targets if one != choice.target)
    known = any(
        asked and (watched(config, asked) or unit_of(session, config, one, asked, {}) is not None) for one in others
    )
    if asked and not known:
        raise HTTPException(404, unknown(choice.target, asked, offered))
    return first, (unit_of(session, config, choice.target, first, offered) or "") if first else ""


def name_of(config: Settings, series: Series) -> str:
    """A series in words."""
    known = next((one for one in subjects(config.thresholds).values() if one.sample == _key(series)), None)
    if known:
        return known.title
    words = title(series.metric.replace(":", " "))
    return f"{words} of {series.subject}" if series.subject else words


def _key(series: Series) -> tuple[str, str]:
    return series.metric, series.subject


def _first(offered: Mapping[str, Sequence[str]]) -> Series | None:
    return next((Series(metric, of[0]) for metric, of in offered.items() if of), None)


def _options(
    config: Settings, offered: Mapping[str, Sequence[str]], series: Series | None
) -> Iterator[tuple[str, list[Option], int]]:
    """Of each metric its name, what of it can be chosen, and how many more there are."""
    if series and series.subject not in offered.get(series.metric, ()):
        yield "Not measured any more", [Option(series, name_of(config, series), chosen=True)], 0
    for metric, of in offered.items():
        listed = [one for place, one in enumerate(of) if place < LISTED or Series(metric, one) == series]
        options = [Option(Series(metric, one), one or "the whole", Series(metric, one) == series) for one in listed]
        yield title(metric.replace(":", " ")), options, len(of) - len(listed)


def _shown(
    session: Session, config: Settings, choice: Choice, series: Series, unit: str, now: datetime, *, every: bool
) -> dict[str, Any]:
    found = values(session, config, choice, series, unit, now)
    limits = standards(session, config, choice, series)
    done = done_meanwhile(session, choice)
    earlier = before(choice)
    past = values(session, config, earlier, series, unit, now) if choice.compared else None
    newest = max(found.all, key=lambda one: one.last, default=None)
    sound = [one for one in found.all if one.low is not None and one.high is not None]
    listed = list(reversed(found.all))[: None if every else NUMBERS]
    return {
        "title": name_of(config, series),
        "shown": drawn.drawn(choice, found, limits, done, moved(past, choice.length) if past else None),
        "compared": [stretch(choice, found), stretch(earlier, past)] if past else [],
        "size": (drawn.WIDTH, drawn.HEIGHT, drawn.TOP, drawn.BOTTOM),
        "unit": found.unit,
        "newest": newest,
        "last": _said(newest.newest, found.unit) if newest else "",
        "level": _level(limits, newest.last, newest.newest) if newest else None,
        "low": _said(min((one.low or 0.0 for one in sound), default=None), found.unit),
        "high": _said(max((one.high or 0.0 for one in sound), default=None), found.unit),
        "samples": sum(one.samples for one in found.all),
        "odd": sum(one.odd for one in found.all),
        "silent": bool(choice.now and newest and choice.now - newest.last > newest.following),
        "limits": limits,
        "rows": [_row(one, found, limits) for one in listed],
        "places": len(found.all),
        "opened": every,
        "every": f"{choice.href()}&numbers={EVERY}#numbers",
        "done": _told(done),
        "undone": len(done) - TOLD,
    }


def _told(done: Sequence[Done]) -> list[Done]:
    """The actions before the windows where there is no room for all; the newest first."""
    return sorted(sorted(done, key=lambda one: not one.action)[:TOLD], key=lambda one: one.at, reverse=True)


def _said(value: float | None, unit: str) -> str:
    return "no number" if value is None else amount(value, unit).strip()


def _level(limits: Standards, at: datetime, *values: float | None) -> Level | None:
    """The worst level of some values; None where nothing judges them."""
    levels = [limits.level(value, at) for value in values if value is not None]
    known = [level for level in levels if level]
    return worst(known) if known else None


def _row(one: Place, found: Values, limits: Standards) -> TableRow:
    return TableRow(
        at=f"{one.first:%Y-%m-%d %H:%M}",
        until="" if one.samples == 1 else f"{one.last:%Y-%m-%d %H:%M}",
        low=_said(one.low, found.unit),
        high=_said(one.high, found.unit),
        samples=one.samples,
        odd=one.odd,
        level=_level(limits, one.last, one.low, one.high),
    )
