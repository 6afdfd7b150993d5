"""Week against week: what is worse fires, noise does not, and a week that is missing is said."""

from __future__ import annotations

import pytest

from upkeep.areas.performance import trends
from upkeep.areas.performance.trends import METRICS, TrendMetric
from upkeep.core.findings import Finding, Level

BY_NAME = {metric.name: metric for metric in METRICS}
RESPONSE = BY_NAME["week_response_time"]


def one(values: dict[int, float], metric: TrendMetric = RESPONSE, **parts: dict[int, float]) -> Finding:
    """The finding of a metric with these weeks; parts are its functions."""
    weeks = ({"": values} if values else {}) | {name.replace("_", "-"): found for name, found in parts.items()}
    return trends.compare(metric, weeks, 20)


@pytest.mark.guide("G17", "G21", "fires", "silent")
def test_a_worse_week_is_an_advisory_and_a_better_one_is_ok() -> None:
    """More than a fifth above last week; exactly a fifth, less, and falling are in order."""
    worse = one({0: 220.0, 1: 180.0})
    assert worse.level is Level.ADVISORY and worse.detail == "220 ms, last week 180 ms (+22 %)"
    assert [one({0: now, 1: 180.0}).level for now in (216.0, 180.0, 50.0)] == [Level.OK] * 3
    assert worse.key == one({0: 1.0}).key == "trend:week_response_time"


@pytest.mark.guide("G17", "holds")
def test_a_change_within_noise_and_what_is_only_watched_never_fire() -> None:
    """Three milliseconds instead of one are nothing; twice the requests are no fault."""
    assert one({0: 3.0, 1: 1.0}).level is Level.OK
    assert one({0: 11.0, 1: 1.0}).level is Level.ADVISORY
    for name in ("week_requests", "week_database_bytes"):
        assert one({0: 1e12, 1: 1.0}, BY_NAME[name]).level is Level.OK


@pytest.mark.guide("G17", "holds")
def test_without_history_there_is_nothing_to_compare_and_without_a_sample_nothing_is_known() -> None:
    """The first week is in order; a week that measured nothing is UNKNOWN and says what was last known."""
    first = one({0: 210.0})
    assert (first.level, first.detail) == (Level.OK, "210 ms; first week, nothing to compare with")
    gone = one({2: 180.0})
    assert (gone.level, gone.detail) == (Level.UNKNOWN, "not collected this week; last known 2 weeks ago: 180 ms")
    unseen = one({})
    assert unseen.level is Level.UNKNOWN and "not collected this week" in unseen.detail


@pytest.mark.guide("G17", "holds")
def test_a_missing_week_is_said_and_the_newest_before_it_compared_with() -> None:
    """With the median of the weeks that are known."""
    told = one({0: 210.0, 3: 180.0, 5: 170.0})
    assert told.detail == (
        "210 ms, 3 weeks ago 180 ms (+17 %); median of 2 weeks 175 ms; "
        "without a sample: last week, 2 weeks ago, 4 weeks ago"
    )


@pytest.mark.guide("G17", "holds")
def test_growth_from_nothing_has_no_percent() -> None:
    """It counts from the least difference on."""
    errors = BY_NAME["week_errors"]
    assert one({0: 9.0, 1: 0.0}, errors).level is Level.OK
    fired = one({0: 10.0, 1: 0.0}, errors)
    assert (fired.level, fired.detail) == (Level.ADVISORY, "10 errors, last week 0 errors")


@pytest.mark.guide("G86", "G88", "G89", "fires", "silent")
@pytest.mark.parametrize("name", ["latency_cold", "week_response_time", "week_error_rate"])
def test_one_function_that_is_worse_fires_where_the_whole_does_not(name: str) -> None:
    """G86, G88, G89: the functions that are worse are named, the worst first."""
    whole = {} if name == "latency_cold" else {0: 50.0, 1: 50.0}
    calm = one(whole, BY_NAME[name], trust_scorer={0: 90.0, 1: 90.0}, new={0: 5.0})
    assert calm.level is Level.OK and "none of 1 by function is worse by more than 20 %" in calm.detail
    fired = one(whole, BY_NAME[name], calm={0: 90.0, 1: 90.0}, bad={0: 190.0, 1: 90.0}, worst={0: 990.0, 1: 90.0})
    assert fired.level is Level.ADVISORY and "function calm" not in fired.detail
    assert fired.detail.index("function worst: 990") < fired.detail.index("function bad: 190")


@pytest.mark.guide("G91", "holds")
def test_the_use_of_functions_is_told_and_is_no_finding() -> None:
    """G91: requests this week and last, and which functions are asked more; more use is not worse."""
    used = BY_NAME["week_requests"]
    assert used.guide == "G91"
    grown = one({0: 1_200_000.0, 1: 900.0}, used, trust_scorer={0: 1_100_000.0, 1: 450.0})
    assert grown.level is Level.OK
    assert grown.detail.startswith("1,200,000 requests, last week 900 requests")


@pytest.mark.guide("G92", "fires", "silent")
def test_requests_refused_for_their_rate_fire_and_fall_silent() -> None:
    """G92: the share answered with 429, twice last week's, is told; as much as last week is not."""
    limited = BY_NAME["rate_limited_requests"]
    assert limited.guide == "G92"
    assert one({0: 2.0, 1: 1.0}, limited).level is Level.ADVISORY
    assert one({0: 1.0, 1: 1.0}, limited).level is Level.OK


@pytest.mark.guide("G93", "holds")
def test_the_size_of_the_database_is_told_in_words() -> None:
    """G93: nobody reads ten digits."""
    stored = BY_NAME["week_database_bytes"]
    assert stored.guide == "G93"
    told = one({0: 3 * 2.0**30, 1: 2.0**30}, stored)
    assert told.detail == "3 GB, last week 1 GB (+200 %)"


def test_many_functions_stay_short() -> None:
    """Ten are named and the rest counted; a hostile name is a name."""
    parts = {f"f{number}": {0: 900.0, 1: 90.0} for number in range(500)}
    told = one({}, RESPONSE, **parts)
    assert "and 490 more that are worse" in told.detail and len(told.detail) < 1_000
    hostile = trends.compare(RESPONSE, {"%s'; DROP --": {0: 900.0, 1: 90.0}}, 20)
    assert "function %s'; DROP --: 900 ms" in hostile.detail and hostile.key == "trend:week_response_time"
