"""Where a daily metric goes: quantiles of the days ahead, and when they cross a limit. Pure.

The middle is a line through the newest samples with an offset for each weekday. Its slope is the median of the slopes
between all pairs (Theil-Sen), its height the median of the newest residuals, and a step (a load of old rows, VACUUM
FULL) is lifted out before, so that it moves the line at once and does not tilt it. Slopes between samples of the same
weekday only (Hirsch, Slack & Smith, Water Resources Research 18, 1982) did no better: the offsets take the season out.

How far back the slope looks is not decided beforehand: the same lines are drawn at earlier days from what was known
then (rolling origins: Tashman, "Out-of-sample tests of forecasting accuracy", Int. J. Forecasting 16, 2000), and are
mixed by how little they were wrong by. The same errors are the interval: each is divided by the deviation that one
sample's noise, daily moves that stay and the slope's doubt have at its distance, and their quantiles are scaled with
it again (normalised conformal prediction: Lei et al., "Distribution-free predictive inference for regression", JASA
113, 2018). A slope's own interval knows neither noise nor a change of pace. Errors of following days are not
independent, and where origins are few normal ones fill in, so the share that it holds is measured (``bench
forecast``) and not promised.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from upkeep.core.statistics import theil_sen

Point = tuple[datetime, float]
#: Day → value; day 0 is the newest sample's, those before are negative, in order.
Days = Mapping[int, float]

#: Days that a slope may look back.
REACHES = (14, 28, 56, 112, 224)
#: Days of the newest residuals whose median is the line's height.
_HEIGHT = 5
#: Days that a line is tried on, and origins that it is tried from.
_AHEAD, _ORIGINS = 30, 24
#: Days of history before the first origin, and days with a sample that a line needs.
_BEFORE, _LEAST = 10, 4
#: A move of the level by this many deviations of all moves is a step.
_STEP = 8
#: Normal errors that are added for each day ahead: they count much where few were seen.
_PRIOR = 20
#: Weeks that a weekday's offset needs, and days that it looks back.
_WEEKS, _SEASON = 3, 112
#: Days ahead beyond which nothing is foreseen.
_FAR = 36_500

_DAY = timedelta(days=1)
_NORMAL = statistics.NormalDist()
#: A standard deviation by the median of absolute deviations.
_BY_MEDIAN = 1.4826


@dataclass(frozen=True)
class TrendLine:
    """A line with ``height`` on day ``end``, and deviations: of its slope, of one sample, of what a day adds for good.

    ``season`` is what a weekday (the day modulo 7) adds.
    """

    end: int
    height: float
    rate: float
    doubt: float
    noise: float
    walk: float
    season: tuple[float, ...]

    def at(self, day: int) -> float:
        """The value on a day."""
        return self.height + self.rate * (day - self.end) + self.season[day % 7]

    def scale(self, ahead: float) -> float:
        """The deviation so many days ahead of the line's end."""
        return math.hypot(self.noise, self.doubt * ahead, self.walk * math.sqrt(ahead)) or math.ulp(1.0)


@dataclass(frozen=True)
class Projection:
    """Quantiles of a metric after its newest sample, taken at ``since``; ``errors`` are in deviations, in order."""

    since: datetime
    line: TrendLine
    errors: tuple[float, ...]

    def at(self, moment: datetime, probability: float) -> float:
        """The value that a sample then does not exceed with this probability; 0.5 is the middle."""
        return self._ahead((moment - self.since) / _DAY, probability)

    def _ahead(self, days: float, probability: float) -> float:
        middle = self.line.height + self.line.rate * days + self.line.season[(self.line.end + round(days)) % 7]
        return middle + _quantile(self.errors, probability) * self.line.scale(days)

    def crosses(self, limit: float, probability: float) -> float:
        """Days after the newest sample at which this quantile reaches a limit above it, infinity where it does not."""
        before, value = 0.0, self._ahead(0.0, probability)
        if value >= limit:
            return 0.0
        while before < _FAR:
            days = before + max(1.0, before / 50)
            reached = self._ahead(days, probability)
            if reached >= limit:
                return before + (days - before) * (limit - value) / (reached - value)
            before, value = days, reached
        return math.inf


def project(history: Sequence[Point]) -> Projection:
    """What samples of at least two days, in order, say of the days after the last of them."""
    days = daily(history)
    tried = [(origin, _lines({day: days[day] for day in days if day <= origin})) for origin in _origins(days)]
    now = _lines(days)
    weights = _weights(days, tried, len(now))
    errors = [
        (days[day] - line.at(day)) / line.scale(day - origin)
        for origin, line in ((origin, _mixed(lines, weights)) for origin, lines in tried)
        for day in _held_out(days, origin)
    ]
    return Projection(history[-1][0], _mixed(now, weights), _with_normal(errors, len(tried)))


def daily(history: Sequence[Point]) -> dict[int, float]:
    """The median of each day's samples, days counted back from the newest."""
    since, found = history[-1][0], dict[int, list[float]]()
    for at, value in history:
        found.setdefault(round((at - since) / _DAY), []).append(value)
    return {day: statistics.median(values) for day, values in found.items()}


def _lines(days: Days) -> list[TrendLine]:
    """One line for each reach, and a level one."""
    days = _without_steps(days)
    season = _season({day: value for day, value in days.items() if day > max(days) - _SEASON})
    lines = [_line(days, reach, season) for reach in REACHES]
    first = lines[0]
    return [*lines, TrendLine(first.end, first.height, 0.0, first.doubt, first.noise, first.walk, first.season)]


def _without_steps(days: Days) -> dict[int, float]:
    """What lies before a step, lifted to the level after it: it happened once, and is no growth."""
    order, values = list(days), list(days.values())
    moved = {
        place: statistics.median(values[place : place + 3]) - statistics.median(values[place - 3 : place])
        for place in range(3, len(values) - 2)
    }
    if len(moved) < 8:
        return dict(days)
    usual = statistics.median(moved.values())
    limit = _STEP * _BY_MEDIAN * statistics.median(abs(one - usual) for one in moved.values())
    for place, height in moved.items():
        near = max(abs(moved.get(other, usual) - usual) for other in range(place - 3, place + 4))
        if limit < abs(height - usual) == near:
            at = max(range(place - 1, place + 2), key=lambda one: abs(values[one] - values[one - 1]))
            values[:at] = [value + height - usual for value in values[:at]]
    return dict(zip(order, values, strict=True))


def _line(days: Days, reach: int, season: tuple[float, ...]) -> TrendLine:
    end = max(days)
    near = {day: value for day, value in days.items() if day > end - reach}
    if len(near) < _LEAST:
        near = dict(list(days.items())[-_LEAST:])
    near = {day: value - season[day % 7] for day, value in near.items()}
    rate, doubt = _slope(near)
    level = {day: value - rate * (day - end) for day, value in near.items()}
    newest = [value for day, value in level.items() if day > end - _HEIGHT]
    return TrendLine(end, statistics.median(newest), rate, doubt, *_noise(level), season)


def _slope(days: Days) -> tuple[float, float]:
    """The median slope and its deviation: order statistics at the ranks of Kendall's statistic."""
    pairs = itertools.combinations(days.items(), 2)
    slopes = ((later - earlier) / (day - before) for (before, earlier), (day, later) in pairs)
    rate, low, high = theil_sen(slopes, len(days), 1)
    return rate, (high - low) / 2


def _noise(level: Days) -> tuple[float, float]:
    """The deviations of one sample, and of what a day adds for good: by the latter a week moves more than a day."""
    day, week = _moved(level, 1), _moved(level, 7)
    walk = math.sqrt(max(0.0, week**2 - day**2) / 6)
    return math.sqrt(max(day**2 - walk**2, day**2 / 10) / 2), walk


def _moved(level: Days, apart: int) -> float:
    """The deviation of how the level moves in so many days, 0 where no two samples are so far apart."""
    moved = [abs(value - level[day - apart]) for day, value in level.items() if day - apart in level]
    return _BY_MEDIAN * statistics.median(moved) if moved else 0.0


def _season(days: Days) -> tuple[float, ...]:
    """Each weekday's offset from the week around it, shrunk by what noise alone would make of it."""
    off: dict[int, list[float]] = {}
    for day, value in days.items():
        around = [days[near] for near in range(day - 3, day + 4) if near in days]
        if len(around) >= 5:
            off.setdefault(day % 7, []).append(value - statistics.fmean(around))
    weeks = min(map(len, off.values())) if len(off) == 7 else 0
    if weeks < _WEEKS:
        return (0.0,) * 7
    offsets = [statistics.median(off[weekday]) for weekday in range(7)]
    apart = [abs(one - offsets[weekday]) for weekday, values in off.items() for one in values]
    noise = (_BY_MEDIAN * statistics.median(apart)) ** 2 * math.pi / 2 / weeks  # the variance of a median
    between = statistics.pvariance(offsets)
    share = max(0.0, 1 - noise / between) if between else 0.0
    return tuple(share * (one - statistics.fmean(offsets)) for one in offsets)


def _origins(days: Days) -> list[int]:
    """Days to forecast from as if each were today, newest first, spread over the last months."""
    known = list(days)
    possible = [
        day for place, day in enumerate(known) if place + 1 >= _LEAST and known[0] + _BEFORE <= day < known[-1]
    ][-4 * _ORIGINS :]
    return possible[:: -max(1, math.ceil(len(possible) / _ORIGINS))]


def _held_out(days: Days, origin: int) -> list[int]:
    return [day for day in range(origin + 1, origin + _AHEAD + 1) if day in days]


def _weights(days: Days, tried: Sequence[tuple[int, list[TrendLine]]], lines: int) -> list[float]:
    """What each line counts: the less, the more it was wrong by; a power that lets a good one count most."""
    wrong = [
        sum(abs(days[day] - drawn[place].at(day)) for origin, drawn in tried for day in _held_out(days, origin))
        for place in range(lines)
    ]
    most = max(wrong)
    shares = [max(one / most, 1e-9) ** -3 if most else 1.0 for one in wrong]
    return [share / sum(shares) for share in shares]


def _mixed(lines: Sequence[TrendLine], weights: Sequence[float]) -> TrendLine:
    """One line for several; that they disagree about the slope is a doubt too."""

    def mean(values: Sequence[float]) -> float:
        return sum(weight * value for weight, value in zip(weights, values, strict=True))

    rate = mean([line.rate for line in lines])
    apart = math.sqrt(mean([(line.rate - rate) ** 2 for line in lines]))
    return TrendLine(
        lines[0].end,
        mean([line.height for line in lines]),
        rate,
        math.hypot(mean([line.doubt for line in lines]), apart),
        mean([line.noise for line in lines]),
        mean([line.walk for line in lines]),
        tuple(mean([line.season[weekday] for line in lines]) for weekday in range(7)),
    )


def _with_normal(seen: Sequence[float], origins: int) -> tuple[float, ...]:
    """The errors in order, with normal ones among them."""
    filled = max(1, round(_PRIOR * len(seen) / max(1, origins))) if seen else _PRIOR
    normal = [_NORMAL.inv_cdf((place + 0.5) / filled) for place in range(filled)]
    return tuple(sorted([*seen, *normal]))


def _quantile(ordered: Sequence[float], probability: float) -> float:
    place = probability * (len(ordered) - 1)
    low = math.floor(place)
    return ordered[low] + (place - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])
