"""The proof for people: what comes, what overlaps and how that is resolved, freezes, leap days, a line a year."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from upkeep.areas.calendar.occurrences import Occurrence
from upkeep.areas.calendar.proof import RULES, Calendar, Proof
from upkeep.core.windows import CHANGING
from upkeep.settings.approval import Freeze

#: So many special occurrences are listed one by one.
LISTED = 20
_SUNDAY = 6


def summary(proof: Proof, freezes: Sequence[Freeze], cadences: Sequence[str]) -> Iterator[str]:
    """The lines for these cadences; of many occurrences their number, of special ones their dates."""
    leap = ", ".join(map(str, proof.leap_years)) or "none"
    yield f"From {_moment(proof.start)} to {_moment(proof.end)} UTC. Leap years: {leap}."
    for found in proof.calendars:
        yield ""
        yield f"{'Target' if len(found.targets) == 1 else 'Targets'} {', '.join(found.targets)}"
        yield from _cadences(found, cadences)
        yield ""
        yield from _overlaps(found, cadences)
        yield from _freezes(found, freezes, cadences)
        yield from _leap_days(found, cadences)
        yield ""
        yield from _years(found, cadences)
    yield ""
    if proof.queue:
        yield (
            f"Windows of up to {proof.queue.count} targets are open for changes at once, first "
            f"{_moment(proof.queue.first)}:"
        )
        yield "  One target is changed at a time, whoever comes first, and each must be done by its own deadline."
    yield from problems(proof)


def problems(proof: Proof) -> Iterator[str]:
    """What is refused, or that nothing is."""
    yield from map(str, proof.problems)
    if not proof.problems:
        yield "Everything fits."


def each_one(proof: Proof, cadences: Sequence[str]) -> Iterator[str]:
    """A line for each occurrence."""
    for found in proof.calendars:
        yield f"{', '.join(found.targets)}:"
        yield from (_line(each) for each in found.occurrences if each.cadence in cadences)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _line(each: Occurrence) -> str:
    until = f"{each.deadline:%H:%M}" if each.deadline.date() == each.due.date() else _moment(each.deadline)
    return f"  {each.due:%a %Y-%m-%d %H:%M} to {until}  {each.cadence:7}  {each.note}".rstrip()


def _cadences(found: Calendar, cadences: Sequence[str]) -> Iterator[str]:
    yield f"  {'cadence':8} {'cron, UTC':14} {'open':>9} {'windows':>8}  {'first':16}  {'last':16}  apart"
    for name in cadences:
        cadence, due = found.cadences[name], [each.due for each in found.of(name)]
        first, last = (_moment(due[0]), _moment(due[-1])) if due else ("none", "")
        length = f"{cadence.length_minutes} min"
        gaps = _gaps(due)
        yield f"  {name:8} {cadence.cron:14} {length:>9} {len(due):>8}  {first:16}  {last:16}  {gaps}".rstrip()


def _gaps(due: Sequence[datetime]) -> str:
    """The shortest and the longest time between two, with where each comes first."""
    gaps = [(following - each, each) for each, following in itertools.pairwise(due)]
    if not gaps:
        return ""
    shortest, longest = min(gaps, key=lambda gap: gap[0]), max(gaps, key=lambda gap: gap[0])
    if shortest[0] == longest[0]:
        return _length(shortest[0])
    return (
        f"{_length(shortest[0])} (first after {shortest[1]:%Y-%m-%d}) to "
        f"{_length(longest[0])} (first after {longest[1]:%Y-%m-%d})"
    )


def _length(gap: timedelta) -> str:
    return f"{gap.days} day{'s' * (gap.days != 1)}" if gap >= timedelta(days=1) and not gap.seconds else str(gap)[:-3]


def _overlaps(found: Calendar, cadences: Sequence[str]) -> Iterator[str]:
    for pair, rule in RULES.items():
        if not set(pair) & set(cadences):
            continue
        overlaps, names = found.overlaps_of(*pair), " and ".join(pair)
        if not overlaps:
            yield f"  {names}: never open at once."
            continue
        sundays = sum(each.later.due.weekday() == _SUNDAY and each.later.due.day <= 7 for each in overlaps)
        on = f", {sundays} of them on a first Sunday" if sundays else ""
        times = f"{len(overlaps)} time{'s' * (len(overlaps) != 1)}"
        yield f"  {names}: open at once {times}{on}, first {_moment(overlaps[0].later.due)}."
        yield f"    {rule}"
    if found.same_day and set(CHANGING) & set(cadences):
        yield (
            f"  weekly and monthly: {len(found.same_day)} times on one day without being open at once, first "
            f"{found.same_day[0]:%Y-%m-%d}: each has a plan of its own, and people are asked twice."
        )


def _freezes(found: Calendar, freezes: Sequence[Freeze], cadences: Sequence[str]) -> Iterator[str]:
    if not freezes:
        yield "  No freezes."
    for freeze in freezes:
        touched = [each for each in found.occurrences if each.cadence in cadences and _touches(freeze, each)]
        yield (
            f"  Freeze from {_moment(freeze.start)} to {_moment(freeze.end)} UTC ({freeze.reason}): "
            f"{len(touched)} windows that would change something."
        )
        yield from _listed(touched)


def _touches(freeze: Freeze, each: Occurrence) -> bool:
    return each.cadence in CHANGING and freeze.start < each.deadline and each.due < freeze.end


def _listed(found: Sequence[Occurrence]) -> Iterator[str]:
    yield from (f"  {_line(each)}" for each in found[:LISTED])
    if len(found) > LISTED:
        yield f"    … and {len(found) - LISTED} more; --all lists every window"


def _leap_days(found: Calendar, cadences: Sequence[str]) -> Iterator[str]:
    parts = []
    for name in cadences:
        years = [str(each.due.year) for each in found.of(name) if (each.due.month, each.due.day) == (2, 29)]
        parts.append(f"{name} {', '.join(dict.fromkeys(years)) or 'never'}")
    yield f"  On 29 February: {'; '.join(parts)}."


def _years(found: Calendar, cadences: Sequence[str]) -> Iterator[str]:
    yield f"  year {''.join(f'{name:>9}' for name in cadences)}  covered by monthly  frozen"
    by_year = itertools.groupby(found.occurrences, key=lambda each: each.due.year)
    for year, each_of_year in by_year:
        of_year = [each for each in each_of_year if each.cadence in cadences]
        counts = "".join(f"{sum(each.cadence == name for each in of_year):>9}" for name in cadences)
        covered, frozen = (
            sum(each.covered_by is not None for each in of_year),
            sum(bool(each.freeze) for each in of_year),
        )
        yield f"  {year} {counts}  {covered:>18}  {frozen:>6}"
