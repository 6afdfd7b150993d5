"""New bands from a metric's history: the method, its bounds, and what is not proposed (G19)."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import Any

import pytest

from upkeep.areas.thresholds import force
from upkeep.areas.thresholds import propose as thresholds_propose
from upkeep.areas.thresholds.force import ThresholdsInForce, parse, statement
from upkeep.areas.thresholds.propose import propose
from upkeep.core.findings import Bands, Level
from upkeep.core.text import prose
from upkeep.settings.base import METRICS, ROOT
from upkeep.settings.load import settings
from upkeep.settings.thresholds import Thresholds

CONFIG = settings(ROOT / "config").thresholds
LEAST = CONFIG.proposals.least_windows
ERRORS = "error_rate"
#: 28 days of 0.2 to 0.3 %: median 0.25, MAD 0.025.
QUIET = [0.2, 0.225, 0.25, 0.25, 0.25, 0.275, 0.3] * 4


def shipped(**changed: Any) -> ThresholdsInForce:
    """The file's bands in force, some fields replaced."""
    return replace(ThresholdsInForce("primary", CONFIG, dict.fromkeys(METRICS, 1)), **changed)


def proposed(values: list[float], metric: str = ERRORS, config: Thresholds = CONFIG) -> str:
    """What is proposed for one metric from these values; empty when nothing is."""
    now = shipped(thresholds=config)
    return "".join(one.action.statement for one in propose({metric: values}, now, config, ("lead",)))


def told(values: list[float], metric: str = ERRORS) -> tuple[Level, str]:
    """What the weekly look says of one metric."""
    found = {finding.key: finding for finding in thresholds_propose.found({metric: values}, shipped(), CONFIG)}
    assert set(found) == {f"thresholds:{name}" for name in METRICS}
    return found[f"thresholds:{metric}"].level, found[f"thresholds:{metric}"].detail


# The method -----------------------------------------------------------------------------------------------------


@pytest.mark.guide("G19", "holds")
def test_the_edge_is_the_median_and_three_robust_deviations() -> None:
    """0.25 + 3 × 1.4826 × 0.025 = 0.361 is further than the quantile 0.3: 0.37, and critical keeps its ratio of 4."""
    assert proposed(QUIET) == "error_rate: ok [0, 0.37), warning [0.37, 1.5], critical (1.5, 100]"


def test_a_skewed_metric_is_ruled_by_its_quantile() -> None:
    """Nine days of ten at 0.1 and one at 0.8 have no MAD at all; the quantile lets the tenth day be ordinary."""
    assert proposed(([0.1] * 9 + [0.8]) * 4).startswith("error_rate: ok [0, 0.8), warning [0.8, 2]")


def test_one_terrible_day_moves_nothing() -> None:
    """An outage at 60 % among 56 quiet days leaves the proposal as it was."""
    assert proposed([*QUIET, *QUIET, 60.0]) == proposed([*QUIET, *QUIET])


def test_a_metric_whose_low_values_are_bad_is_measured_from_its_best() -> None:
    """Health of 98.5 to 99 %: warning begins 1.7 below 100, and critical twice as far, as in the file."""
    values = [98.5, 98.7, 98.8, 98.8, 98.8, 98.9, 99.0] * 4
    health = proposed(values, "overall_health")
    assert health == "overall_health: ok (98.3, 100], warning [96.6, 98.3], critical [0, 96.6)"


def test_rounding_leaves_an_ordinary_day_ordinary() -> None:
    """152.4 becomes 160 and not 150, for days of up to 152 are ordinary; what has two digits already stays."""
    for wanted, rounded in ((152.4, "160"), (150.0, "150"), (151.0, "160"), (996.0, "900"), (420.0, "420")):
        assert proposed([wanted] * 30, "response_time").startswith(f"response_time: ok [0, {rounded})"), wanted


def test_the_order_of_the_days_does_not_matter() -> None:
    """Quantile, median and MAD know no order."""
    dice = random.Random(7)
    values = [dice.lognormvariate(5, 0.3) for _ in range(60)]
    assert proposed(values, "response_time") == proposed(sorted(values), "response_time") != ""


# Bounds ---------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G19", "holds")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("where", ["best", "worst", "middle"])
def test_whatever_history_says_the_bands_stay_inside_the_bounds(metric: str, where: str) -> None:
    """Days at the best or the worst possible value, or all over the range: the edges stop at the bounds, in order."""
    bands = CONFIG.metrics[metric]
    low, high = (0.0, 100.0) if bands.unit == "%" else (0.0, 60_000.0)
    best, worst = (low, high) if bands.rises else (high, low)
    days = {"best": [best] * 30, "worst": [worst] * 30, "middle": [low + (high - low) * day / 30 for day in range(31)]}
    text = proposed(days[where], metric)
    assert text, "it moves from the guide's edge to a bound"
    name, found = parse(text, CONFIG)
    assert name == metric
    assert CONFIG.bounds[metric].outside(found) == ""
    warning, critical = found.edges
    assert warning < critical if found.rises else warning > critical
    guide = bands.edges[1]
    assert critical <= guide if found.rises else critical >= guide, "critical never begins later than the guide says"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "error_rate: ok [0, 3), warning [3, 5], critical (5, 100]",
            "found the edge of warning at 3, expected one from",
        ),
        ("error_rate: ok [0, 1), warning [1, 5], critical (5, 100]", "found the edge of critical at 5, expected one"),
        ("error_rate: ok (2, 100], warning [0.5, 2], critical [0, 0.5)", "in more than their edges"),
        ("error_rate: ok [0, 0.4], warning (0.4, 1.6], critical (1.6, 100]", "in more than their edges"),
        ("error_rate: ok [0, 0.4), warning [0.4, 1.6], critical (1.6, 99]", "in more than their edges"),
        ("error_rate: ok [0, 0.4), warning [0.5, 1.6], critical (1.6, 100]", "bands with a gap"),
        ("error_rate: ok [0, 1.6), warning [1.6, 0.4], critical (0.4, 100]", "expected low end <= high end"),
        ("error_rate: ok [0, 0.40), warning [0.40, 1.6], critical (1.6, 100]", "expected it written as"),
        ("error_rate: ok [0, 0.4),  warning [0.4, 1.6], critical (1.6, 100]", "expected bands of one of"),
        ("error_rate: ok [0, 0.4), warning [0.4, 1.6], critical (1.6, 100]; DROP", "expected bands of one of"),
        ("gpu_usage: ok [0, 0.4), warning [0.4, 1.6], critical (1.6, 100]", "expected bands of one of"),
        ("error_rate: ok [nan, 0.4), warning [0.4, 1.6], critical (1.6, 100]", "expected an interval"),
        ("", "expected bands of one of"),
    ],
)
def test_a_statement_that_config_does_not_allow_is_refused(text: str, why: str) -> None:
    """Outside the bounds, turned round, with other ends, or written in another way than the one that is hashed."""
    with pytest.raises(ValueError, match=re.escape(why)):
        parse(text, CONFIG)


@pytest.mark.parametrize("metric", METRICS)
def test_a_statement_is_read_back_as_it_was_written(metric: str) -> None:
    """The file's own bands, and numbers of any size."""
    bands = CONFIG.metrics[metric]
    assert parse(statement(metric, bands), CONFIG) == (metric, bands)
    assert bands.moved(*bands.edges) == bands


def test_large_numbers_are_written_out() -> None:
    """A power of ten would not be read back."""
    slow = CONFIG.metrics["response_time"].moved(12_345_678.5, 23_456_789.25)
    said = "response_time: ok [0, 12345678.5), warning [12345678.5, 23456789.25], critical (23456789.25, inf)"
    assert statement("response_time", slow) == said


# What is not proposed -------------------------------------------------------------------------------------------


@pytest.mark.guide("G19", "fires", "silent")
def test_too_little_history_is_said_and_gone_with_enough_of_it() -> None:
    """No window, one less than enough, and enough: how many are missing is said, then there is a proposal."""
    assert told([]) == (
        Level.ADVISORY,
        "in force (version 1): warning from 0.5, critical from 2 %; no proposal: 0 of 28 daily windows; 28 more needed",
    )
    level, said = told(QUIET[: LEAST - 1])
    assert (level, proposed(QUIET[: LEAST - 1])) == (Level.ADVISORY, "")
    assert said.endswith("no proposal: 27 of 28 daily windows; 1 more needed")
    level, said = told(QUIET)
    assert level is Level.ADVISORY
    assert said.endswith(
        "proposed: warning from 0.5, critical from 2 % → warning from 0.37, critical from 1.5 % "
        "(28 windows, median 0.25, MAD 0.025)"
    )


def test_a_value_that_such_a_metric_cannot_have_is_no_history() -> None:
    """NaN, negative and more than 100 % are left out of the count and of the method."""
    absurd = [float("nan"), float("inf"), -1.0, 300.0]
    assert proposed(QUIET + absurd) == proposed(QUIET)
    assert "27 of 28 daily windows" in told(QUIET[1:] + absurd)[1]


@pytest.mark.guide("G19", "fires", "silent")
def test_a_small_move_is_no_news() -> None:
    """From 0.5 to 0.46 is 8 % and nothing; to 0.44 is 12 % and a proposal."""
    assert told([0.46] * 30) == (
        Level.OK,
        "in force (version 1): warning from 0.5, critical from 2 %; "
        "no proposal: history would move it by 8 %, less than 10 % (30 windows)",
    )
    assert proposed([0.46] * 30) == ""
    assert told([0.44] * 30)[0] is Level.ADVISORY
    assert "[0.44, " in proposed([0.44] * 30)


def test_what_is_in_force_is_not_proposed_again() -> None:
    """Once approved, the same history agrees: the finding is gone."""
    _, bands = parse(proposed(QUIET), CONFIG)
    approved = CONFIG.model_copy(update={"metrics": {**CONFIG.metrics, ERRORS: bands}})
    now = shipped(thresholds=approved, versions={**dict.fromkeys(METRICS, 1), ERRORS: 2})
    assert propose({ERRORS: QUIET}, now, CONFIG, ("lead",)) == []
    (finding,) = [
        one for one in thresholds_propose.found({ERRORS: QUIET}, now, CONFIG) if one.key == "thresholds:error_rate"
    ]
    assert (finding.level, finding.metadata["thresholds"]) == (Level.OK, 2)
    assert finding.detail.startswith("in force (version 2): warning from 0.37, critical from 1.5 %; no proposal: ")


# The action -----------------------------------------------------------------------------------------------------


def test_the_action_says_what_people_approve() -> None:
    """Target, metric, version and bands in force are its preconditions; what takes it back is the old statement."""
    (one,) = propose({ERRORS: QUIET}, shipped(), CONFIG, ("lead", "devops"))
    action, old = one.action, "error_rate: ok [0, 0.5), warning [0.5, 2], critical (2, 100]"
    assert (action.kind, action.verb, action.schema, action.table) == ("thresholds", "set", "primary", ERRORS)
    assert (action.oid, action.shape, action.undo, action.roles) == (1, old, old, ("lead", "devops"))
    assert prose(action.because) == action.because
    assert one.measured == {
        "windows": 28,
        "median": 0.25,
        "MAD": 0.025,
        "distance from the best at the 0.95 quantile": 0.3,
    }
    assert {prose(name) for name in one.measured} == set(one.measured)


def test_the_version_is_told_with_its_people() -> None:
    """The file's, and what is ignored beside it."""
    assert shipped().words == "version 1, as config/thresholds.yaml"
    one = force.IgnoredThreshold(2, ERRORS, "why")
    assert shipped(ignored=(one,)).words.endswith("; 1 newer row that does not verify left out")
    assert shipped(ignored=(one, one)).words.endswith("; 2 newer rows that do not verify left out")


def test_bands_know_which_way_is_worse() -> None:
    """Health falls, all others rise; moved, they still tile."""
    assert [name for name in METRICS if not CONFIG.metrics[name].rises] == ["overall_health"]
    health: Bands = CONFIG.metrics["overall_health"].moved(97, 94)
    assert (health.edges, health.judge(97), health.judge(94), health.judge(93.9)) == (
        (97, 94),
        Level.WARNING,
        Level.WARNING,
        Level.CRITICAL,
    )
    with pytest.raises(ValueError, match="expected"):
        health.moved(94, 97)
