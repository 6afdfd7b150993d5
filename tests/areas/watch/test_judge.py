"""One poll: every metric and every function is there, judged at the file's boundaries, also when nothing answers."""

from __future__ import annotations

import json

import pytest

from tests.stages.watch import CONFIG, STATUS, body, heard
from upkeep.areas.watch.judge import Heard, Poll, calls, judge
from upkeep.core.findings import Expectation, Interval, Level
from upkeep.core.stories import stories
from upkeep.settings.base import METRICS
from upkeep.wires.functions.contract import FUNCTIONS


def levels(poll: Poll) -> dict[str, Level]:
    """Key → level."""
    return {one.finding.key: one.finding.level for one in poll.seen}


def test_a_poll_asks_each_function_once_and_each_place_of_a_metric_once() -> None:
    """Seven health_checks and one system_status as shipped."""
    asked = calls(CONFIG)
    assert len(asked) == len(set(asked)) == 8
    assert {function for function, action in asked if action == "health_check"} == set(CONFIG.thresholds.latencies)
    assert STATUS in asked


def test_a_healthy_platform_is_thirteen_ok_states() -> None:
    """Six metrics and seven functions, with their numbers."""
    poll = judge(heard(), CONFIG, {})
    assert levels(poll) == {
        **{f"metric:{name}": Level.OK for name in METRICS},
        **{f"latency:{name}": Level.OK for name in CONFIG.thresholds.latencies},
    }
    assert poll.level is Level.OK
    assert poll.metrics["overall_health"] == 99 and poll.latencies["trust-scorer"] == 20


@pytest.mark.parametrize(
    ("name", "value", "level"),
    [
        ("health", 95.01, Level.OK),
        ("health", 95, Level.WARNING),
        ("health", 90, Level.WARNING),
        ("health", 89.99, Level.CRITICAL),
        ("error_rate_percent", 0.49, Level.OK),
        ("error_rate_percent", 0.5, Level.WARNING),
        ("error_rate_percent", 2, Level.WARNING),
        ("error_rate_percent", 2.01, Level.CRITICAL),
        ("response_time_ms", 499.9, Level.OK),
        ("response_time_ms", 500, Level.WARNING),
        ("response_time_ms", 1000, Level.WARNING),
        ("response_time_ms", 1000.1, Level.CRITICAL),
        ("database_connections_percent", 75, Level.OK),
        ("database_connections_percent", 75.1, Level.WARNING),
        ("database_connections_percent", 90, Level.WARNING),
        ("database_connections_percent", 90.1, Level.CRITICAL),
    ],
)
@pytest.mark.guide("G106-G113", "fires", "silent")
def test_the_guides_boundaries_are_the_watchs(name: str, value: float, level: Level) -> None:
    """One finding for a metric: where it is critical there is no warning beside it (X12)."""
    keys = {"health": "overall_health", "error_rate_percent": "error_rate", "response_time_ms": "response_time"}
    key = f"metric:{keys.get(name, 'database_connections')}"
    bad = {one: said for one, said in levels(judge(heard(**{name: value}), CONFIG, {})).items() if said is not Level.OK}
    assert bad == ({} if level is Level.OK else {key: level})


def test_an_approved_baseline_takes_the_place_of_the_guides_time() -> None:
    """The report and the watch do not contradict each other."""
    wider = Expectation(Interval.parse("[0, 400)"), Interval.parse("[0, inf)"), "ms", "G41")
    slow = heard(milliseconds=300)
    assert levels(judge(slow, CONFIG, {}))["latency:trust-scorer"] is Level.WARNING
    assert levels(judge(slow, CONFIG, {"trust-scorer": wider}))["latency:trust-scorer"] is Level.OK


@pytest.mark.parametrize("nothing", [Heard(problem="no answer"), Heard(b"<html>"), Heard(body({"x": 1}))])
def test_no_data_is_a_state_of_its_own_and_one_story(nothing: Heard) -> None:
    """A function that does not answer, or not so that it can be read: unknown, with the looks that depend on it."""
    poll = judge({**heard(), STATUS: nothing, ("production-monitoring", "health_check"): nothing}, CONFIG, {})
    unknown = {key for key, level in levels(poll).items() if level is Level.UNKNOWN}
    assert unknown >= {f"metric:{name}" for name in METRICS}
    (story,) = stories(poll.seen, FUNCTIONS)
    assert story.key == "cause:silent:production-monitoring" and set(poll.metrics) == set()


def test_what_a_function_says_of_itself_stays_text() -> None:
    """A refusal with markup in it is a reason, and nothing is judged."""
    refused = Heard(json.dumps({"success": False, "error": "<script>\\u0000"}).encode())
    poll = judge({**heard(), STATUS: refused}, CONFIG, {})
    assert {levels(poll)[f"metric:{name}"] for name in METRICS} == {Level.UNKNOWN}
