"""Growth and the forecast on made-up histories with a fixed seed; the scaling triggers with the function's advice."""

from __future__ import annotations

import json
import math
import random
import statistics
from typing import Any

import pytest

from tests.stages.capacities import DAY, GB, HEALTHY, MB, NOW, SETTING, SHIPPED, history
from upkeep.areas.capacity import growth
from upkeep.areas.capacity import look as checks
from upkeep.areas.capacity.growth import Forecast, NoForecast
from upkeep.core.findings import Finding, Level
from upkeep.core.forecast import Point
from upkeep.report import forecasts
from upkeep.settings.load import Settings
from upkeep.wires.functions.database_models import ScalabilityReport


def made(points: list[Point], room: float | None = 10 * GB, **limits: Any) -> Forecast:
    """The forecast of a history that is long enough."""
    found = growth.forecast(
        points, None if room is None else 0.8 * room, NOW, **{"least_days": 14, "least_points": 8, **limits}
    )
    assert isinstance(found, Forecast), found
    return found


def refused(points: list[Point]) -> str:
    """Why nothing is forecast."""
    found = growth.forecast(points, 8 * GB, NOW, least_days=14, least_points=8)
    assert isinstance(found, NoForecast), found
    return found.reason


@pytest.mark.guide("G18", "G93", "holds")
def test_even_growth_reaches_eighty_percent_on_the_day() -> None:
    """One gigabyte that grows by 50 MB a day: (8 - size) / 50 MB, with no doubt about it."""
    found = made(history(60, 50 * MB))
    size = GB + 60 * 50 * MB
    assert found.per_day == pytest.approx(50 * MB) == pytest.approx(found.low) == pytest.approx(found.high)
    assert found.days == pytest.approx((8 * GB - size) / (50 * MB)) == pytest.approx(found.earliest)
    assert (found.points, found.span_days, found.size) == (61, 60, pytest.approx(size))


@pytest.mark.guide("G18", "holds")
def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Noise of four days' growth, a thousand histories: the true slope lies inside in at least 93 of 100."""
    inside = 0
    for seed in range(1000):
        found = made(history(30, 5 * MB, noise=20 * MB, seed=seed))
        inside += found.low <= 5 * MB <= found.high
        assert found.low <= found.per_day <= found.high
        if found.earliest is not None and found.days is not None and found.latest is not None:
            assert found.earliest <= found.days <= found.latest
    assert inside >= 930


@pytest.mark.guide("G18", "holds")
def test_a_few_wild_samples_do_not_move_the_slope() -> None:
    """Five of sixty days measured ten times too much: the slope stays within a tenth, least squares would not."""
    points = history(60, 50 * MB, noise=5 * MB)
    chance = random.Random(3)
    for place in chance.sample(range(50), 5):
        points[place] = (points[place][0], points[place][1] * 10)
    assert made(points).per_day == pytest.approx(50 * MB, rel=0.1)


@pytest.mark.guide("G18", "holds")
def test_a_step_does_not_become_growth_and_widens_the_interval() -> None:
    """Two gigabytes loaded at once after 45 of 60 days: a tenth more than steadily; by least squares 25 times."""
    points = [(at, size + (2 * GB if at > NOW - 15 * DAY else 0)) for at, size in history(60, 1 * MB, noise=MB)]
    stepped, plain = made(points), made(history(60, 1 * MB, noise=MB))
    days, sizes = [(at - NOW) / DAY for at, _ in points], [size for _, size in points]
    assert statistics.linear_regression(days, sizes).slope > 25 * MB
    assert stepped.per_day == pytest.approx(MB, rel=0.2)
    assert stepped.high - stepped.low > 2 * (plain.high - plain.low)


@pytest.mark.guide("G18", "silent")
@pytest.mark.parametrize("per_day", [0.0, -5 * MB])
def test_what_does_not_grow_is_never_full(per_day: float) -> None:
    """Flat and shrinking: never, at either end of the interval."""
    found = made(history(60, per_day, start=4 * GB))
    assert found.days == found.earliest == found.latest == math.inf


@pytest.mark.guide("G18", "fires")
def test_what_is_full_already_has_no_days_left() -> None:
    """Also while it shrinks."""
    found = made(history(60, -MB, start=9 * GB))
    assert found.days == found.earliest == found.latest == 0


@pytest.mark.guide("G18", "holds")
def test_gaps_and_order_do_not_matter_and_an_old_sample_is_counted_from_now() -> None:
    """Every third day, shuffled, the last one three days ago: the same day of the calendar is named."""
    whole = history(60, 50 * MB)
    some = [point for number, point in enumerate(whole) if number % 3 == 0 and point[0] <= NOW - 3 * DAY]
    random.Random(5).shuffle(some)
    assert made(some).days == pytest.approx(made(whole).days)


@pytest.mark.guide("G18", "holds")
def test_too_little_history_is_refused_with_its_reason() -> None:
    """No history, few samples, few days, stale samples; what cannot be placed does not count."""
    assert refused([]) == "0 samples, at least 8 are needed (config: capacity.least_points)"
    assert refused(history(6, MB)).startswith("7 samples")
    assert refused(history(13, MB)).startswith("13.0 days of history, at least 14 are needed")
    assert refused([(at - 8 * DAY, size) for at, size in history(60, MB)]).startswith("the newest sample is 8 days old")
    assert refused([(at, math.nan) for at, _ in history(60, MB)]).startswith("0 samples")
    assert refused([(at + 90 * DAY, size) for at, size in history(60, MB)]).startswith("0 samples")
    assert isinstance(growth.forecast(history(14, MB), GB, NOW, least_days=14, least_points=8), Forecast)


def test_growth_is_known_without_room() -> None:
    """And the days are not."""
    found = made(history(60, MB), None)
    assert found.per_day == pytest.approx(MB) and (found.days, found.earliest, found.latest) == (None, None, None)


# The triggers ---------------------------------------------------------------------------------------------------


def triggers(
    report: dict[str, Any] | None = None,
    points: list[Point] | None = None,
    room: int | None = None,
    config: Settings = SHIPPED,
) -> dict[str, Finding]:
    """What the capacity step finds, by key; without a report the function was not asked or did not answer."""
    told = None if report is None else ScalabilityReport(**report)
    looked = checks.look(told, points or [], SETTING, room, config, NOW)
    found = {finding.key: finding for finding in looked.findings}
    assert len(found) == len(looked.findings) == 5
    return found


@pytest.mark.guide("G95-G98", "fires", "silent")
@pytest.mark.parametrize(
    ("key", "field", "guide", "beyond"),
    [
        ("connections", "connections_percent", "G95", 75.01),
        ("response_time", "response_time_percent_of_baseline", "G96", 150.01),
        ("error_rate", "error_rate_percent", "G97", 1.01),
        ("storage", "storage_used_percent", "G98", 80.01),
    ],
)
def test_each_trigger_fires_above_its_limit_alone_and_carries_the_advice(
    key: str, field: str, guide: str, beyond: float
) -> None:
    """G95-G98: the limit itself is in order; beyond it one warning, with the function's words in the same finding."""
    quiet = triggers(HEALTHY)
    assert all(quiet[f"capacity:{name}"].level is Level.OK for name in ("connections", "response_time", "error_rate"))
    assert quiet["capacity:storage"].level is Level.OK
    advice = [{"trigger": key, "advice": "Do <b>something</b>; DROP TABLE x"}, {"trigger": "other", "advice": "no"}]
    loud = triggers(HEALTHY | {field: beyond, "recommendations": advice})
    fired = [one for one in loud.values() if one.level is Level.WARNING]
    assert [(one.key, one.guide) for one in fired] == [(f"capacity:{key}", guide)]
    assert fired[0].remedy.endswith("The function advises: Do <b>something</b>; DROP TABLE x")
    assert fired[0].metadata == {"advice": ["Do <b>something</b>; DROP TABLE x"]}


@pytest.mark.guide("G95-G98", "holds")
def test_advice_without_a_trigger_is_an_advisory_and_a_missing_number_unknown() -> None:
    """The function may see what we do not; what nobody measured is never ok."""
    advised = triggers(HEALTHY | {"recommendations": [{"trigger": "error_rate", "advice": "Look."}]})
    assert advised["capacity:error_rate"].level is Level.ADVISORY
    for report in ({"report_scope": "capacity"}, None, dict.fromkeys(HEALTHY, -1.0)):
        assert {finding.level for finding in triggers(report).values()} == {Level.UNKNOWN}
    assert "there is no capacity report of this window" in triggers(None)["capacity:connections"].detail
    assert "did not report it" in triggers({"report_scope": "capacity"})["capacity:connections"].detail


@pytest.mark.guide("G98", "fires", "silent")
def test_storage_is_judged_by_our_own_size_and_config_where_they_are_known() -> None:
    """The function's share counts without them; that no size is configured is said either way."""
    points = history(60, 0, start=8.1 * GB)
    assert triggers(None, points, int(10 * GB))["capacity:storage"].level is Level.WARNING
    assert triggers(None, points, int(11 * GB))["capacity:storage"].level is Level.OK
    assert (
        triggers(HEALTHY | {"storage_used_percent": 99.0}, points, int(11 * GB))["capacity:storage"].level is Level.OK
    )
    unknown = triggers(None, points)["capacity:storage"]
    assert unknown.level is Level.UNKNOWN
    assert f"no size is configured (config/maintenance.yaml: {SETTING})" in unknown.detail
    theirs = triggers(HEALTHY | {"storage_used_percent": 99.0})["capacity:storage"]
    assert theirs.level is Level.WARNING and SETTING in theirs.detail


@pytest.mark.guide("G98", "fires", "silent")
def test_two_sizes_of_the_storage_that_disagree_are_said() -> None:
    """Further apart than checks.disagreement_percent: an advisory on the same finding, and never less than that."""
    points = history(60, 0, start=2 * GB)
    for told, level in ((10.0, Level.OK), (12.4, Level.OK), (12.6, Level.ADVISORY)):
        finding = triggers({"storage_capacity_bytes": int(told * GB)}, points, int(10 * GB))["capacity:storage"]
        assert finding.level is level
        assert ("they disagree" in finding.detail) is (level is Level.ADVISORY)
    full = history(60, 0, start=9 * GB)
    both = triggers({"storage_capacity_bytes": int(100 * GB)}, full, int(10 * GB))["capacity:storage"]
    assert both.level is Level.WARNING and "they disagree" in both.detail


@pytest.mark.guide("G18", "fires", "silent")
def test_the_forecast_is_an_advisory_when_the_early_end_lies_within_the_horizon() -> None:
    """Ninety days of config: nearer fires, further is silent, too little is UNKNOWN with its reason."""
    near, far = history(60, 50 * MB), history(60, 1 * MB)
    fired = triggers(None, near, int(10 * GB))["capacity:forecast"]
    assert fired.level is Level.ADVISORY
    assert "reaches 80 % in 83 days (from 83 days to 83 days) of 10 GB" in fired.detail
    assert "grows by 50 MB a day (50 MB to 50 MB, 95 %), from 61 samples of 60 days" in fired.detail
    assert triggers(None, far, int(10 * GB))["capacity:forecast"].level is Level.OK
    flat = triggers(None, history(60, 0), int(10 * GB))["capacity:forecast"]
    assert flat.level is Level.OK and "never reaches 80 %" in flat.detail
    shrinks = triggers(None, history(60, -MB), int(10 * GB))["capacity:forecast"]
    assert shrinks.level is Level.OK and "shrinks by 1 MB a day (-1 MB to -1 MB" in shrinks.detail
    young = triggers(None, history(3, MB), int(10 * GB))["capacity:forecast"]
    assert young.level is Level.UNKNOWN and "no forecast from so little: 4 samples" in young.detail
    roomless = triggers(None, near)["capacity:forecast"]
    assert roomless.level is Level.UNKNOWN
    assert "no size is configured" in roomless.detail and "grows by 50 MB a day" in roomless.detail


@pytest.mark.guide("G18", "G93", "holds")
def test_the_forecast_is_drawn_with_its_limit_and_its_interval() -> None:
    """At most 120 samples with the newest; a limit far above the data is named and not drawn."""
    found = triggers(None, history(360, 20 * MB, noise=40 * MB), int(12 * GB))["capacity:forecast"]
    assert len(found.metadata["history"]) <= 121 and found.metadata["history"][-1][0] == 0
    drawn = forecasts.forecast_plot(json.loads(json.dumps(dict(found.metadata))))
    assert drawn is not None and drawn.limit is not None and drawn.limit_says == "80 % is 9.6 GB"
    measured, ahead = ([tuple(map(float, p.split(","))) for p in line.split()] for line in (drawn.line, drawn.middle))
    assert measured[-1] == ahead[0] and measured[-1][0] == pytest.approx(drawn.now, abs=0.2)
    assert measured[0][1] > measured[-1][1] > ahead[1][1] > 0
    start, *ends = (tuple(map(float, p.split(","))) for p in drawn.wedge.split())
    highs, lows = ends[: growth.STEPS], ends[: growth.STEPS - 1 : -1]
    assert start == ahead[0] and len(highs) == len(lows) == len(ahead) - 1 == growth.STEPS
    assert all(high[1] <= middle[1] <= low[1] for high, middle, low in zip(highs, ahead[1:], lows, strict=True))
    old = {name: value for name, value in found.metadata.items() if name != "ahead"}
    assert len(getattr(forecasts.forecast_plot(old), "wedge", "").split()) == 3
    far = triggers(None, history(60, MB), int(900 * GB))["capacity:forecast"]
    drawn = forecasts.forecast_plot(far.metadata)
    assert drawn is not None and drawn.limit is None and drawn.limit_says == "80 % is 720 GB"
    assert forecasts.forecast_plot({}) is None
    flat = forecasts.forecast_plot({"history": [[-1, 0], [0, 0]], "bytes_per_day": [0, 0, 0], "limit_bytes": None})
    assert flat is not None and flat.limit_says == ""


def test_the_newest_capacity_report_of_a_window_is_taken() -> None:
    """Not one of the other scope, and not one that cannot be read."""
    good = json.dumps({"success": True, "result": {"report_scope": "capacity", "error_rate_percent": 3.0}})
    other = json.dumps({"success": True, "result": {"report_scope": "performance", "query_response_ms": 3.0}})
    found = checks.report_of(["no JSON", other, good])
    assert found is not None and found.error_rate_percent == 3.0
    assert checks.report_of([other]) is None and checks.report_of([]) is None
