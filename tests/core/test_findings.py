"""X12 in numbers: each metric at, just below and just above each boundary, from the file that is shipped."""

from __future__ import annotations

import itertools
import math

import pytest

from upkeep.core.findings import SHOWN, Bands, Expectation, Finding, Interval, Level, each, worst
from upkeep.settings.base import METRICS, ROOT
from upkeep.settings.load import settings

OK, WARNING, CRITICAL, UNKNOWN = Level.OK, Level.WARNING, Level.CRITICAL, Level.UNKNOWN
BANDS = settings(ROOT / "config").thresholds.metrics

#: For each metric its boundaries, each with the level just below it, at it and just above it.
BOUNDARIES: dict[str, list[tuple[float, Level, Level, Level]]] = {
    "overall_health": [
        (0, UNKNOWN, CRITICAL, CRITICAL),
        (90, CRITICAL, WARNING, WARNING),
        (95, WARNING, WARNING, OK),
        (100, OK, OK, UNKNOWN),
    ],
    "response_time": [
        (0, UNKNOWN, OK, OK),
        (500, OK, WARNING, WARNING),
        (1000, WARNING, WARNING, CRITICAL),
    ],
    "error_rate": [
        (0, UNKNOWN, OK, OK),
        (0.5, OK, WARNING, WARNING),
        (2, WARNING, WARNING, CRITICAL),
        (100, CRITICAL, CRITICAL, UNKNOWN),
    ],
    "database_connections": [
        (0, UNKNOWN, OK, OK),
        (75, OK, OK, WARNING),
        (90, WARNING, WARNING, CRITICAL),
        (100, CRITICAL, CRITICAL, CRITICAL),  # reserved connections count, the limit does not hold them
    ],
    "memory_usage": [
        (0, UNKNOWN, OK, OK),
        (70, OK, WARNING, WARNING),
        (85, WARNING, WARNING, CRITICAL),
        (100, CRITICAL, CRITICAL, UNKNOWN),
    ],
    "cpu_usage": [
        (0, UNKNOWN, OK, OK),
        (60, OK, WARNING, WARNING),
        (80, WARNING, WARNING, CRITICAL),
        (100, CRITICAL, CRITICAL, UNKNOWN),
    ],
}


@pytest.mark.guide("X12", "holds")
def test_every_metric_has_its_boundaries_here() -> None:
    """A seventh metric would have to be judged here too, and no end of a band is left out."""
    assert set(BOUNDARIES) == set(METRICS) == set(BANDS)
    for name, bands in BANDS.items():
        ends = {end for band in (bands.ok, bands.warning, bands.critical) for end in (band.low, band.high)}
        assert ends - {math.inf} <= {at for at, *_ in BOUNDARIES[name]}


@pytest.mark.guide("G32-G37", "fires", "silent")
@pytest.mark.guide("X12", "holds")
@pytest.mark.parametrize(
    ("metric", "at", "levels"), [(name, at, levels) for name, all_of in BOUNDARIES.items() for at, *levels in all_of]
)
def test_the_level_below_at_and_above_a_boundary(metric: str, at: float, levels: list[Level]) -> None:
    """To the last bit: the neighbouring floating-point numbers of each boundary."""
    values = math.nextafter(at, -math.inf), at, math.nextafter(at, math.inf)
    assert [BANDS[metric].judge(value) for value in values] == levels


@pytest.mark.parametrize(
    ("value", "metrics"),
    [
        (math.nan, METRICS),
        (-math.inf, METRICS),
        (math.inf, METRICS),
        (-1.0, METRICS),
        (-0.0001, METRICS),
        (1e308, set(METRICS) - {"response_time", "database_connections"}),
        (300.0, {"overall_health", "error_rate", "memory_usage", "cpu_usage"}),
    ],
)
def test_a_value_that_cannot_be_is_unknown(value: float, metrics: set[str]) -> None:
    """Neither healthy nor critical: nobody is woken and nobody is reassured."""
    assert {name for name, bands in BANDS.items() if bands.judge(value) is UNKNOWN} == set(metrics)


@pytest.mark.guide("X12", "holds")
@pytest.mark.parametrize(
    ("metric", "guide", "ok", "warning", "critical"),
    [
        ("overall_health", "G32", "above 95 %", "90 to 95 %", "below 90 %"),
        ("response_time", "G33", "below 500 ms", "500 to 1000 ms", "above 1000 ms"),
        ("error_rate", "G34", "below 0.5 %", "0.5 to 2 %", "above 2 %"),
        ("database_connections", "G35", "at most 75 %", "75 to 90 %", "above 90 %"),
        ("memory_usage", "G36", "below 70 %", "70 to 85 %", "above 85 %"),
        ("cpu_usage", "G37", "below 60 %", "60 to 80 %", "above 80 %"),
    ],
)
def test_bands_in_words(metric: str, guide: str, ok: str, warning: str, critical: str) -> None:
    """What a report says was expected is what was judged."""
    bands = BANDS[metric]
    assert [bands.says(level) for level in (OK, WARNING, CRITICAL)] == [ok, warning, critical]
    assert bands.guide == guide


def test_a_closed_lower_end_is_said_too() -> None:
    """An end that belongs to its band is "at least", not "above"."""
    parse = Interval.parse
    bands = Bands(parse("[9, 10]"), parse("[5, 9)"), parse("[0, 5)"), "points", "G0")
    assert bands.says(OK) == "at least 9 points"


def test_the_worst_level_comes_first_in_every_order() -> None:
    """Critical, unknown, warning, advisory, ok: UNKNOWN is worse than a warning, for it may hide anything."""
    order = [CRITICAL, UNKNOWN, WARNING, Level.ADVISORY, OK]
    assert sorted(Level, key=lambda level: level.rank) == order
    for length in range(1, len(order) + 1):
        for levels in itertools.permutations(order, length):
            assert worst(list(levels)) is min(levels, key=order.index)


def test_no_level_at_all_is_unknown() -> None:
    """Nothing was looked at, which is never ok."""
    assert worst([]) is UNKNOWN


BELOW_100 = Expectation(Interval.parse("[0, 100)"), Interval.parse("[0, inf)"), "ms", "G0")


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (0.0, OK),
        (99.9, OK),
        (100.0, WARNING),
        (1e9, WARNING),
        (-0.1, UNKNOWN),
        (math.nan, UNKNOWN),
        (math.inf, UNKNOWN),
    ],
)
def test_an_expected_number_that_cannot_be_is_unknown(value: float, level: Level) -> None:
    """Inside is ok, outside a warning, and what no such number can be is neither."""
    assert BELOW_100.judge(value) is level


@pytest.mark.parametrize("expected", ["[-1, 50]", "[50, 101]"])
def test_nothing_impossible_is_expected(expected: str) -> None:
    """On either side."""
    with pytest.raises(ValueError, match=r"beyond possible \[0, 100\]"):
        Expectation(Interval.parse(expected), Interval.parse("[0, 100]"), "%", "G0")


@pytest.mark.parametrize("text", ["(5, 5]", "[5, 5)", "[6, 5]", "[0, inf]", "0, 5", "[a, 5]", "[0, 5] ms"])
def test_what_is_no_interval_is_refused(text: str) -> None:
    """Empty, the wrong way round, with an end at infinity, or not an interval at all."""
    with pytest.raises(ValueError, match="expected"):
        Interval.parse(text)


@pytest.mark.parametrize(
    ("ok", "warning", "critical", "said"),
    [
        ("[0, 60]", "[60, 80]", "(80, 100]", "share values"),
        ("[0, 65)", "[60, 80]", "(80, 100]", "share values"),
        ("[0, 60)", "[60, 80]", "(70, 100]", "share values"),
        ("[0, 60)", "(60, 80]", "(80, 100]", "do not touch"),
        ("[0, 59]", "[60, 80]", "(80, 100]", "do not touch"),
        ("[60, 80)", "[0, 60)", "[80, 100]", "expected it between ok and critical"),
    ],
)
def test_bands_tile_one_range(ok: str, warning: str, critical: str, said: str) -> None:
    """X12: no value has two levels, none in between has none, and a warning is between ok and critical."""
    with pytest.raises(ValueError, match=said):
        Bands(Interval.parse(ok), Interval.parse(warning), Interval.parse(critical), "%", "G0")


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("[1, 2]", [1, 1.5, 2], [0.999, 2.001]),
        ("(1, 2)", [1.5], [1, 2]),
        ("[-5, -0.5)", [-5, -1], [-0.5, 0]),
        (" ( 1000 , inf ) ", [1000.1, 1e300], [1000, math.inf, math.nan]),
        ("[5, 5]", [5], [4.999, 5.001]),
    ],
)
def test_an_interval_holds_what_its_brackets_say(text: str, inside: list[float], outside: list[float]) -> None:
    """A square bracket includes its end, a round one does not; it is written as it is read."""
    interval = Interval.parse(text)
    assert [value in interval for value in inside + outside] == [True] * len(inside) + [False] * len(outside)
    assert Interval.parse(str(interval)) == interval


@pytest.mark.parametrize(("rows", "more"), [(1, []), (SHOWN, []), (SHOWN + 1, ["1 more; the largest are shown"])])
def test_what_is_not_shown_is_counted(rows: int, more: list[str]) -> None:
    """As many as are shown need no line that counts the rest."""
    good = Finding("many", OK, "Many", "none")
    found = each(range(rows), lambda row: Finding(f"many:{row}", WARNING, "One", "of them"), good)
    assert len(found) == min(rows, SHOWN) + len(more)
    assert [one.detail for one in found if one.key == "many:more" and one.level is Level.ADVISORY] == more
    assert each([], lambda _: good, good) == (good,)
