"""The monthly scaling assessment: a forecast for each trigger, seasons that are no growth, and back-tests."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from bench import forecast as bench
from bench.histories import SHAPES, TUNING, histories, history
from tests.stages.capacities import DAY, GB, HEALTHY, MB, NOW, SETTING, SHIPPED
from tests.stages.capacities import history as growing
from upkeep.areas.capacity import scaling
from upkeep.core import forecast
from upkeep.core.findings import Finding, Level
from upkeep.core.forecast import Point
from upkeep.ledger.write import LookResult
from upkeep.wires.functions.database_models import ScalabilityReport

REPORT: dict[str, Any] = HEALTHY | {"response_time_baseline_ms": 200.0}


def metric(days: int, start: float, per_day: float, *, noise: float = 0.0, week: float = 0.0) -> list[Point]:
    """A metric every day up to today; on two days of seven it is lower by ``week``."""
    chance = random.Random(11)
    return [
        (NOW - (days - day) * DAY, start + per_day * day - (week if day % 7 < 2 else 0) + chance.gauss(0, noise))
        for day in range(days + 1)
    ]


def look(histories: dict[str, list[Point]], report: dict[str, Any] | None = REPORT) -> LookResult:
    """One assessment of these histories."""
    told = None if report is None else ScalabilityReport(**report)
    return scaling.look(told, histories, SETTING, int(10 * GB), SHIPPED, NOW)


def found(histories: dict[str, list[Point]], report: dict[str, Any] | None = REPORT) -> dict[str, Finding]:
    """The findings by key: each once."""
    findings = look(histories, report).findings
    by_key = {finding.key: finding for finding in findings}
    assert len(by_key) == len(findings) == 9
    return by_key


@pytest.mark.guide("G27", "fires", "silent")
@pytest.mark.parametrize(
    ("key", "name", "near", "far", "days"),
    [
        ("connections", "connections_used", (30.0, 0.5), (30.0, 0.01), 15 / 0.5),
        ("response_time", "response_time", (100.0, 2.0), (100.0, 0.01), 80 / 2),
        ("error_rate", "error_rate", (0.1, 0.01), (0.1, 0.0001), 0.3 / 0.01),
    ],
)
def test_each_trigger_has_days_until_it_is_reached(
    key: str, name: str, near: tuple[float, float], far: tuple[float, float], days: float
) -> None:
    """Within the horizon an advisory that names the day; a slower one is silent; no history is UNKNOWN."""
    fired = found({name: metric(60, *near)})[f"scaling:{key}"]
    assert fired.level is Level.ADVISORY and fired.metadata["days"] == pytest.approx(days)
    assert f" in {days:.0f} days (from {days:.0f} days to {days:.0f} days, 95 %)" in fired.detail
    assert found({name: metric(60, *far)})[f"scaling:{key}"].level is Level.OK
    over = found({name: metric(60, near[0] * 20, 0.0)})[f"scaling:{key}"]
    assert over.level is Level.ADVISORY and "has reached" in over.detail
    never = found({name: metric(60, near[0], 0.0)})[f"scaling:{key}"]
    assert never.level is Level.OK and "is not foreseen to reach" in never.detail
    unseen = found({})[f"scaling:{key}"]
    assert unseen.level is Level.UNKNOWN and "from so little: 0 samples, at least 8 are needed" in unseen.detail


@pytest.mark.guide("G27", "holds")
def test_a_week_of_history_and_a_metric_never_collected_are_unknown_with_the_reason() -> None:
    """Nothing is forecast from so little, nothing is looked back on, and no finding is ok by it."""
    week = {name: metric(6, 10.0, 0.1) for name in scaling.WANTED}
    findings = found(week)
    for key in ("connections", "response_time", "error_rate"):
        assert findings[f"scaling:{key}"].level is Level.UNKNOWN
        assert "from so little: 7 samples, at least 8 are needed" in findings[f"scaling:{key}"].detail
    unseen = findings["scaling:backtest"]
    assert (
        unseen.level is Level.UNKNOWN
        and "no metric has the history that a forecast of 30 days ago would have needed" in unseen.detail
    )
    assert "connections_used from so little: 0 samples" in found({})["scaling:connections"].detail
    for report in (None, HEALTHY, HEALTHY | {"response_time_baseline_ms": 0.0}):
        finding = found({"response_time": metric(60, 100.0, 1.0)}, report)["scaling:response_time"]
        assert finding.level is Level.UNKNOWN and "did not report the baseline" in finding.detail


@pytest.mark.guide("G27", "holds")
def test_numbers_that_are_no_measurement_do_not_count() -> None:
    """NaN, infinities and what has no square, as a function may answer them, are left out; the rest is forecast."""
    wild = [
        (NOW - (number + 0.5) * DAY, value) for number, value in enumerate((float("nan"), float("inf"), 1e300, -1e300))
    ]
    plain = metric(60, 100.0, 2.0)
    expected = found({"response_time": plain})["scaling:response_time"]
    assert found({"response_time": [*plain, *wild]})["scaling:response_time"] == expected


@pytest.mark.guide("G27", "holds")
def test_the_weekly_findings_are_among_them_with_their_keys() -> None:
    """The monthly window runs this in place of the weekly look: no key twice, none missing."""
    keys = set(found({"database_bytes": growing(60, 50 * MB)}))
    weekly = {f"capacity:{name}" for name in ("connections", "response_time", "error_rate", "storage", "forecast")}
    more = {f"scaling:{name}" for name in ("connections", "response_time", "error_rate", "backtest")}
    assert keys == weekly | more


@pytest.mark.guide("G27", "holds")
def test_weekends_are_no_growth_whatever_day_it_is() -> None:
    """Thirty points less on two days of seven: on each day of the week nothing is foreseen to reach the limit."""
    for shift in range(7):
        points = [(at - shift * DAY, value) for at, value in metric(63, 60.0, 0.0, noise=0.5, week=30.0)]
        moved = [(at + shift * DAY, value) for (at, _), (_, value) in zip(points, points[shift:], strict=False)]
        ahead = forecast.project(moved)
        assert abs(ahead.line.rate) < 0.05
        spread = [ahead.at(ahead.since + day * DAY, 0.5) for day in range(1, 8)]
        assert min(spread) == pytest.approx(30, abs=2) and max(spread) == pytest.approx(60, abs=2)
        assert sum(value < 45 for value in spread) == 2


@pytest.mark.guide("G27", "holds")
def test_a_step_moves_the_line_and_does_not_tilt_it() -> None:
    """Two gigabytes loaded at once ten days ago: the forecast goes on from there at the old pace."""
    points = [(at, size + (2 * GB if at > NOW - 10 * DAY else 0)) for at, size in growing(60, MB, noise=MB)]
    ahead = forecast.project(points)
    assert ahead.line.rate == pytest.approx(MB, rel=0.2)
    assert ahead.at(NOW + 30 * DAY, 0.5) == pytest.approx(3 * GB + 90 * MB, rel=0.01)


# Back-tests -----------------------------------------------------------------------------------------------------


@pytest.mark.guide("G27", "fires", "silent")
def test_forecasts_of_the_last_months_are_held_against_what_came() -> None:
    """Steady growth holds; a pace of eleven times a month ago does not, and the report says what was said and came."""
    steady = growing(180, 10 * MB, noise=5 * MB)
    quiet = found({"database_bytes": steady})["scaling:backtest"]
    assert quiet.level is Level.OK and quiet.detail.startswith("3 of 3 forecasts of 30, 60, 90 days ago held what came")
    assert [row["days"] for row in quiet.metadata["tests"]] == [30, 60, 90]
    assert all(row["inside"] and abs(row["error_percent"]) < 2 for row in quiet.metadata["tests"])
    faster = [(at, size + max(0.0, (at - NOW) / DAY + 29) * 100 * MB) for at, size in steady]
    loud = found({"database_bytes": faster})["scaling:backtest"]
    assert loud.level is Level.ADVISORY and loud.detail.startswith("0 of 3")
    assert "database_bytes of 30 days ago: " in loud.detail and not any(row["inside"] for row in loud.metadata["tests"])
    assert all(row["error_percent"] < -30 for row in loud.metadata["tests"])


@pytest.mark.guide("G27", "holds")
def test_a_back_test_knows_nothing_of_what_came_after() -> None:
    """Whatever happened in the last thirty days, the forecast of thirty days ago says the same."""
    steady = growing(120, 10 * MB, noise=5 * MB)
    wild = [(at, size * (7 if NOW - 30 * DAY < at < NOW else 1)) for at, size in steady]
    first, second = (next(scaling.back_tests({"database_bytes": points}, SHIPPED, NOW)) for points in (steady, wild))
    assert first == second and first.days == 30


@pytest.mark.guide("G27", "holds")
def test_only_forecasts_with_enough_history_then_are_looked_back_on() -> None:
    """Fifty days are one forecast of thirty days ago, a hundred are three; a metric that ended is not looked at."""
    days = {
        length: [
            one.days for one in scaling.back_tests({"error_rate": metric(length, 0.2, 0.0, noise=0.01)}, SHIPPED, NOW)
        ]
        for length in (40, 50, 80, 120)
    }
    assert days == {40: [], 50: [30], 80: [30, 60], 120: [30, 60, 90]}
    ended = [(at - timedelta(days=20), value) for at, value in metric(120, 0.2, 0.0)]
    assert list(scaling.back_tests({"error_rate": ended}, SHIPPED, NOW)) == []


@pytest.mark.guide("G27", "holds")
def test_what_forecasts_were_wrong_by_is_kept_as_a_sample() -> None:
    """By metric, in percent; of a metric that came to nothing there is none."""
    looked = look({"database_bytes": growing(120, 10 * MB), "error_rate": metric(120, 0.0, 0.0)})
    errors = {sample.subject: sample.value for sample in looked.samples if sample.metric == "forecast_error"}
    assert set(errors) == {"database_bytes"} and errors["database_bytes"] < 0.01


# The method -----------------------------------------------------------------------------------------------------


def test_a_seed_is_always_the_same_history_and_all_shapes_are_there() -> None:
    """What the bench judges by does not change under a method."""
    assert history("gaps", 100) == history("gaps", 100) != history("gaps", 101)
    assert {one.shape for one in histories((100,))} == set(SHAPES) and len(SHAPES) == 8
    assert all(len(one.came) == 30 and len(one.known) >= 8 for one in histories(TUNING[:5]))


def test_quantiles_are_in_order_for_every_shape() -> None:
    """A greater probability is never a smaller size, on any day."""
    for one in histories(TUNING[:2]):
        ahead = forecast.project(one.known)
        for day in (1, 10, 30, 300):
            told = [ahead.at(ahead.since + day * DAY, p) for p in (0.025, 0.1, 0.5, 0.9, 0.975)]
            assert told == sorted(told)


def test_the_bench_counts_loss_by_the_pinball() -> None:
    """Of 0.9 a size above costs nine times what one below does; a sure and right forecast costs nothing."""
    said = dict.fromkeys(bench.QUANTILES, 10.0)
    assert bench._pinball(said, 11.0) == pytest.approx([0.1, 0.5, 0.9])
    assert bench._pinball(said, 9.0) == pytest.approx([0.9, 0.5, 0.1])
    assert bench._pinball(said, 10.0) == [0, 0, 0]


@pytest.mark.parametrize(
    "points",
    [
        [(NOW - (14 if number % 2 else 0) * DAY, 5.0 + number) for number in range(10)],
        [(NOW - number * 9 * DAY, 0.0) for number in range(8)],
        [(NOW - number * DAY, 1e100 * (number % 2)) for number in range(30)],
        [(NOW - number * DAY, -5.0) for number in range(60)],
        [(NOW - number * DAY, 1e-300) for number in range(20)],
        [(NOW - timedelta(hours=number), float(number)) for number in range(400)],
    ],
    ids=["two days", "zeros", "huge", "negative", "tiny", "by the hour"],
)
def test_a_strange_history_has_an_outlook_and_no_error(points: list[Point]) -> None:
    """Whatever was measured: quantiles in order, and a limit that is crossed at some time or never."""
    ahead = forecast.project(sorted(points))
    told = [ahead.at(NOW + 30 * DAY, p) for p in (0.025, 0.5, 0.975)]
    assert told == sorted(told)
    assert 0 <= ahead.crosses(10.0, 0.975) <= ahead.crosses(10.0, 0.025)
