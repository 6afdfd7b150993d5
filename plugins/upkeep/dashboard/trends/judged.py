"""What a series was judged by, and what was ordinary for it, at each time of a stretch (G19, G26, X12)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from upkeep.areas.baselines import force as baselines
from upkeep.areas.baselines.judged import latency_limit
from upkeep.areas.baselines.subjects import Subject, subjects
from upkeep.areas.thresholds.force import bands_over_time
from upkeep.core.findings import Expectation, Interval, Level
from upkeep.dashboard.trends.choice import Choice, Series
from upkeep.settings.load import Settings
from upkeep.settings.thresholds import Thresholds
from upkeep.wires.database import Session

#: Up to this length a baseline with a value for each weekday is shown by day, beyond it the one for the whole week.
_BY_DAY = timedelta(days=31)

Band = tuple[Level, Interval]


@dataclass(frozen=True)
class Judged:
    """From ``start`` to ``end`` values were judged by these bands; ``words`` says so and where they come from."""

    start: datetime
    end: datetime
    bands: tuple[Band, ...]
    words: str

    def judge(self, value: float) -> Level:
        """The level of a value; outside every band it is UNKNOWN."""
        return next((level for level, band in self.bands if value in band), Level.UNKNOWN)

    @property
    def edges(self) -> tuple[float, ...]:
        """Where one band ends and another begins."""
        ends = {end for _, band in self.bands for end in (band.low, band.high)}
        return tuple(sorted(ends - {min(ends), max(ends)}))


@dataclass(frozen=True)
class Ordinary:
    """From ``start`` to ``end`` this was ordinary: a value, and as far as an ordinary day reaches."""

    start: datetime
    end: datetime
    value: float
    upper: float


@dataclass(frozen=True)
class Standards:
    """All that a series is held against; both may be empty. ``words`` tells the baselines, the newest first."""

    judged: tuple[Judged, ...] = ()
    ordinary: tuple[Ordinary, ...] = ()
    words: tuple[str, ...] = ()

    def level(self, value: float, at: datetime) -> Level | None:
        """The level of a value by what was in force then; None where nothing judges it."""
        return next((one.judge(value) for one in reversed(self.judged) if one.start <= at <= one.end), None)


def standards(session: Session, config: Settings, choice: Choice, series: Series) -> Standards:
    """What people put in force for a series and what the files say, over the stretch of a choice."""
    limits = config.thresholds
    subject = next((one for one in subjects(limits).values() if one.sample == (series.metric, series.subject)), None)
    if subject is None:
        return Standards()
    standing = baselines.in_force(session, limits, choice.target, choice.start, subject.name)
    known = [_as_told(choice, one) for one in standing.versions.get(subject.name, ())]
    if series.metric in limits.metrics:
        judged = _metric(session, limits, choice, series.metric)
    else:
        judged = _expected(limits, choice, subject, known)
    words = tuple(f"{baselines.statement(one.baseline, subject)}, {one.words}" for one in known)
    return Standards(tuple(judged), tuple(_ordinary(choice, known)), words)


def _as_told(choice: Choice, version: baselines.Version) -> baselines.Version:
    return version if choice.length <= _BY_DAY else replace(version, baseline=replace(version.baseline, weekdays=()))


def _spans(choice: Choice, since: Sequence[datetime | None]) -> Iterator[tuple[int, datetime, datetime]]:
    """Of versions that begin at these moments, the oldest first: which one, and where in the stretch it holds."""
    for place, begins in enumerate(since):
        start = max(begins or choice.start, choice.start)
        following = since[place + 1] if place + 1 < len(since) else None
        end = min(following or choice.until, choice.until)
        if start < end:
            yield place, start, end


def _metric(session: Session, limits: Thresholds, choice: Choice, metric: str) -> Iterator[Judged]:
    found = bands_over_time(session, limits, choice.target, metric)
    for place, start, end in _spans(choice, [one.since for one in found]):
        bands, version = found[place].bands, found[place].version
        source = "as config/thresholds.yaml says now" if version == 1 else f"version {version}, which people approved"
        words = f"warning {bands.says(Level.WARNING)}, critical {bands.says(Level.CRITICAL)}, {source}"
        levels = ((Level.OK, bands.ok), (Level.WARNING, bands.warning), (Level.CRITICAL, bands.critical))
        yield Judged(start, end, levels, words)


def _expected(
    limits: Thresholds, choice: Choice, subject: Subject, known: Sequence[baselines.Version]
) -> Iterator[Judged]:
    """A function's response time by its baseline where one was in force, else by the guide's number; so the others."""
    oldest = tuple(reversed(known))
    for place, start, end in _spans(choice, [None, *(one.since for one in oldest)]):
        if not subject.function:
            yield _limit(start, end, limits.expectations[subject.name], "as config/thresholds.yaml says now")
        elif place:
            standing = baselines.BaselinesInForce(choice.target, {subject.name: (oldest[place - 1],)})
            for day, until in _days(oldest[place - 1], start, end):
                if limit := latency_limit(standing, subject.function, limits, day):
                    yield _limit(day, until, limit.expectation, f"by version {limit.version} of its baseline")
        else:
            yield _limit(start, end, limits.latencies[subject.function], "as config/thresholds.yaml says now")


def _limit(start: datetime, end: datetime, limit: Expectation, source: str) -> Judged:
    good, can = limit.expected, limit.possible
    if good.low == can.low:
        bad = Interval(good.high, can.high, not good.high_closed, can.high_closed)
    else:
        bad = Interval(can.low, good.low, can.low_closed, not good.low_closed)
    words = f"expected {limit.words}, {source}"
    return Judged(start, end, ((Level.OK, good), (Level.WARNING, bad)), words)


def _ordinary(choice: Choice, known: Sequence[baselines.Version]) -> Iterator[Ordinary]:
    oldest = tuple(reversed(known))
    for place, start, end in _spans(choice, [one.since for one in oldest]):
        for day, until in _days(oldest[place], start, end):
            usual = oldest[place].baseline.at(day)
            yield Ordinary(day, until, usual.value, usual.upper)


def _days(version: baselines.Version, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The days (UTC) between two moments where weekdays differ; the whole of it elsewhere."""
    while version.baseline.weekdays and start < end:
        midnight = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        yield start, min(midnight, end)
        start = midnight
    if start < end:
        yield start, end
