"""The deviations of a line: one sample's noise, what a day adds for good, and how far ahead each of them counts."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from tests.stages.capacities import DAY, NOW
from upkeep.core import forecast
from upkeep.core.forecast import Point, TrendLine

LEVEL = (0.0,) * 7


@pytest.mark.guide("G27", "holds")
@pytest.mark.parametrize(
    ("noise", "doubt", "walk", "at_4", "at_25"),
    [(2.0, 0.0, 0.0, 2.0, 2.0), (0.0, 0.5, 0.0, 2.0, 12.5), (0.0, 0.0, 1.5, 3.0, 7.5), (3.0, 0.0, 2.0, 5.0, 109**0.5)],
    ids=["noise stays", "a slope's doubt grows with the days", "a random walk with their root", "together"],
)
def test_each_deviation_grows_in_its_own_way(
    noise: float, doubt: float, walk: float, at_4: float, at_25: float
) -> None:
    """Independent deviations add as squares; none of them is left out."""
    line = TrendLine(0, 100.0, 0.0, doubt, noise, walk, LEVEL)
    assert (line.scale(4), line.scale(25)) == (pytest.approx(at_4), pytest.approx(at_25))


def noisy(days: int, seed: int) -> list[float]:
    """Values that forget the day before."""
    chance = random.Random(seed)
    return [1000 + chance.gauss(0, 10) for _ in range(days)]


def walked(days: int, seed: int) -> list[float]:
    """Values of which each begins where the day before ended."""
    chance, values = random.Random(seed), [1000.0]
    while len(values) < days:
        values.append(values[-1] + chance.gauss(0, 10))
    return values


def medians(values: list[list[float]]) -> tuple[float, float]:
    """The middle of the deviations that are found: of one sample, of what a day adds for good."""
    found = [forecast._noise(dict(enumerate(one, 1 - len(one)))) for one in values]
    middle = len(found) // 2
    return sorted(noise for noise, _ in found)[middle], sorted(walk for _, walk in found)[middle]


@pytest.mark.guide("G27", "holds")
def test_what_stays_is_told_from_what_is_forgotten() -> None:
    """Over fifty histories of each kind: a day's move of 10 is a walk in the one and noise in the other."""
    noise, walk = medians([walked(120, seed) for seed in range(50)])
    assert walk == pytest.approx(10, rel=0.3)
    assert noise < 5
    noise, walk = medians([noisy(120, seed) for seed in range(50)])
    assert noise == pytest.approx(10, rel=0.3)
    assert walk < 3


def width(values: list[float], ahead: float) -> float:
    """Between the tenth and the ninetieth part of what is foreseen so many days ahead."""
    history: list[Point] = [(NOW - (len(values) - 1 - day) * DAY, value) for day, value in enumerate(values)]
    seen, then = forecast.project(history), NOW + timedelta(days=ahead)
    return seen.at(then, 0.9) - seen.at(then, 0.1)


@pytest.mark.guide("G27", "holds")
def test_a_random_walk_is_foreseen_the_less_the_farther_ahead() -> None:
    """The interval of a walk is several times as wide in a month as tomorrow; that of mere noise hardly."""
    assert width(walked(180, 3), 30) > 3 * width(walked(180, 3), 1)
    assert width(noisy(180, 3), 30) < 2 * width(noisy(180, 3), 1)
