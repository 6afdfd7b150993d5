"""Made-up histories of a size for the bench of forecasts: shapes and seeds, fixed before any method was tuned on them.

Each history is one sample a day, some minutes late, and the thirty days after it that a forecast is held against.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

#: A method may be tuned on these …
TUNING = tuple(range(100, 130))
#: … and is judged on these.
JUDGED = tuple(range(9_000, 9_040))
#: Days of history; the seed chooses.
LENGTHS = (30, 45, 60, 90, 180, 365)
#: Days ahead that are held out.
HORIZON = 30

NOW = datetime(2026, 6, 7, 2, tzinfo=UTC)
DAY = timedelta(days=1)
GB = 2.0**30
Shape = Callable[[random.Random, int], list[float]]


@dataclass(frozen=True)
class History:
    """What was known at ``NOW`` and what came: the sizes 1 to ``HORIZON`` days after it."""

    shape: str
    known: tuple[tuple[datetime, float], ...]
    came: tuple[float, ...]

    @property
    def scale(self) -> float:
        """The typical size, so that large histories do not count for more than small ones."""
        return sum(size for _, size in self.known) / len(self.known)


def history(shape: str, seed: int) -> History:
    """One history; the same shape and seed are always the same history."""
    chance = random.Random(f"{shape} {seed}")
    length = chance.choice(LENGTHS)
    sizes = [max(0.0, size) for size in SHAPES[shape](chance, length + HORIZON)]
    days = _kept(chance, length) if shape == "gaps" else list(range(length))
    moments = [NOW - (length - 1 - day) * DAY + timedelta(minutes=chance.uniform(0, 20) - 20) for day in days]
    known = tuple((at, sizes[day]) for at, day in zip(moments, days, strict=True))
    return History(shape, known, tuple(sizes[length:]))


def histories(seeds: Sequence[int]) -> list[History]:
    """One history of each shape and seed."""
    return [history(shape, seed) for shape in SHAPES for seed in seeds]


def _start(chance: random.Random) -> float:
    return chance.uniform(1, 40) * GB


def _noise(chance: random.Random, start: float, most: float = 0.01) -> Callable[[], float]:
    """Noise of a standard deviation up to a share of the size, now and then ten times as much."""
    deviation = start * chance.uniform(0.0005, most)
    return lambda: chance.gauss(0, deviation) * (10 if chance.random() < 0.01 else 1)


def _linear(chance: random.Random, days: int) -> list[float]:
    start, rate = _start(chance), chance.uniform(0.0002, 0.006)
    noise = _noise(chance, start)
    return [start * (1 + rate * day) + noise() for day in range(days)]


def _weekly(chance: random.Random, days: int) -> list[float]:
    """Growth with a weekly season: working days fill what the weekend empties."""
    start, rate, height = _start(chance), chance.uniform(0.0, 0.004), chance.uniform(0.005, 0.06)
    noise, first = _noise(chance, start, 0.005), chance.randrange(7)
    season = [chance.gauss(height if day < 5 else -height, height / 5) for day in range(7)]
    return [start * (1 + rate * day + season[(first + day) % 7]) + noise() for day in range(days)]


def _step(chance: random.Random, days: int) -> list[float]:
    """Growth, and once or twice a load of old rows or a VACUUM FULL, on any day, the held-out ones too."""
    sizes = _linear(chance, days)
    for _ in range(chance.choice((1, 1, 2))):
        at, height = chance.randrange(days), chance.choice((1, -1)) * chance.uniform(0.05, 0.3) * sizes[0]
        sizes = [size + height if day >= at else size for day, size in enumerate(sizes)]
    return sizes


def _noisy(chance: random.Random, days: int) -> list[float]:
    """No growth, and noise that remembers the day before."""
    start, memory = _start(chance), chance.uniform(0, 0.9)
    deviation, off, sizes = start * chance.uniform(0.002, 0.03), 0.0, []
    for _ in range(days):
        off = memory * off + chance.gauss(0, deviation)
        sizes.append(start + off)
    return sizes


def _plateau(chance: random.Random, days: int) -> list[float]:
    """Growth that ended: old rows are archived from some day on."""
    start, rate, ends = _start(chance), chance.uniform(0.001, 0.006), chance.uniform(0.3, 0.9) * (days - HORIZON)
    noise = _noise(chance, start, 0.005)
    return [start * (1 + rate * min(day, ends)) + noise() for day in range(days)]


def _accelerating(chance: random.Random, days: int) -> list[float]:
    """Growth by a share of what is there."""
    start, rate = _start(chance), chance.uniform(0.002, 0.012) * 90 / max(90, days)
    noise = _noise(chance, start, 0.005)
    return [start * math.exp(rate * day) + noise() for day in range(days)]


def _walk(chance: random.Random, days: int) -> list[float]:
    """Each day adds its own amount, mostly little: a size that is a sum."""
    size, mean = _start(chance), chance.uniform(0.0003, 0.004)
    start, sizes = size, []
    for _ in range(days):
        size += start * mean * (chance.gammavariate(0.5, 2) - chance.choice((0, 0, 0.5)))
        sizes.append(size)
    return sizes


def _kept(chance: random.Random, days: int) -> list[int]:
    """The days with a sample: most, without a week or so in a row; the last one is there."""
    share, away = chance.uniform(0.5, 0.9), chance.randrange(max(1, days - 12))
    kept = [day for day in range(days - 1) if chance.random() < share and not away <= day < away + 8]
    return [*kept, days - 1]


SHAPES: dict[str, Shape] = {
    "linear": _linear,
    "weekly": _weekly,
    "step": _step,
    "noise": _noisy,
    "plateau": _plateau,
    "accelerating": _accelerating,
    "walk": _walk,
    "gaps": _linear,
}
