"""Response times from the client (G38-G43): the first call apart, each function on its own."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from upkeep.areas.health.latencies import ResponseTimes, judge, last_called, measure
from upkeep.core.findings import Finding, Level
from upkeep.settings.load import settings
from upkeep.wires.functions.transport import WireError

NOW = datetime(2026, 1, 4, 2, tzinfo=UTC)


def judged(function: str, *milliseconds: float, problem: str = "", called: datetime | None = None) -> Finding:
    """The one finding about these times."""
    last = {function: called} if called else {}
    (finding,) = judge({function: ResponseTimes(milliseconds, problem)}, last, (), NOW, settings()).findings
    return finding


@pytest.mark.guide("G3", "G38-G43", "fires", "silent")
@pytest.mark.parametrize(
    ("function", "limit", "guide"),
    [
        ("gdpr-compliance", 200, "G39"),
        ("database-scalability", 300, "G40"),
        ("trust-scorer", 150, "G41"),
        ("vibe-analyzer", 150, "G42"),
        ("agent-recommender", 200, "G43"),
        ("production-monitoring", 500, "G38"),
        ("error-tracking", 500, "G38"),
    ],
)
def test_the_guides_limits_are_strict(function: str, limit: float, guide: str) -> None:
    """Just below the expected time is ok, the time itself is a warning."""
    slow, fast = judged(function, 1, limit), judged(function, 1, limit - 0.001)
    assert (slow.level, slow.guide) == (Level.WARNING, guide)
    assert fast.level is Level.OK


@pytest.mark.guide("G38", "silent", "holds")
def test_the_first_call_is_not_judged() -> None:
    """A cold start of five seconds beside quick warm calls is ok, and is said."""
    finding = judged("trust-scorer", 5000, 20, 30, 25)
    assert finding.level is Level.OK
    assert "the first took 5000 ms (cold)" in finding.detail
    assert "median 25 ms of 3 warm calls" in finding.detail


@pytest.mark.guide("G38", "holds")
@pytest.mark.parametrize(("minutes", "cold"), [(9.9, False), (10, True)])
def test_cold_is_after_ten_minutes_of_silence(minutes: float, cold: bool) -> None:
    """A first call sooner after our last one says nothing about cold starts, and goes into another sample."""
    called = NOW - timedelta(minutes=minutes)
    looked = judge({"trust-scorer": ResponseTimes((900.0, 20.0))}, {"trust-scorer": called}, (), NOW, settings())
    assert looked.findings[0].metadata["cold"] is cold
    assert {sample.metric for sample in looked.samples} == {"latency", "latency_cold" if cold else "latency_first"}


@pytest.mark.guide("G38", "holds")
def test_any_earlier_call_of_ours_ends_the_silence() -> None:
    """Also a first one after which the function failed, cold or not: the newest of its samples counts."""
    old, new = NOW - timedelta(hours=24), NOW - timedelta(minutes=3)
    for metric in ("latency", "latency_first", "latency_cold"):
        earlier = dict.fromkeys((("latency", "f"), ("latency_first", "f"), ("latency_cold", "f")), (1.0, old))
        assert last_called(earlier | {(metric, "f"): (1.0, new), ("other", "g"): (1.0, new)}) == {"f": new}
    assert last_called({}) == {}


@pytest.mark.guide("G38", "holds")
def test_a_function_that_the_window_asks_beside_is_never_called_cold() -> None:
    """Its first timed call may have come second; the others are cold after the same silence."""
    timed = {name: ResponseTimes((900.0, 20.0)) for name in ("production-monitoring", "trust-scorer")}
    looked = judge(timed, {}, {"production-monitoring"}, NOW, settings())
    assert {finding.key: finding.metadata["cold"] for finding in looked.findings} == {
        "latency:production-monitoring": False,
        "latency:trust-scorer": True,
    }
    first = {sample.subject: sample.metric for sample in looked.samples if sample.value == 900}
    assert first == {"production-monitoring": "latency_first", "trust-scorer": "latency_cold"}


@pytest.mark.guide("G38", "fires", "silent", "holds")
def test_a_function_that_fails_is_unknown_and_the_others_are_measured() -> None:
    """One function's error ends its own calls only, and it is measured again once it answers."""
    asked: list[str] = []
    broken = {"trust-scorer"}

    def call(function: str) -> None:
        asked.append(function)
        if function in broken:
            raise WireError("found status 500")

    timed = measure(call, ["trust-scorer", "vibe-analyzer"], 4, 60)
    assert asked.count("trust-scorer") == 1
    assert asked.count("vibe-analyzer") == 4
    levels = {finding.key: finding for finding in judge(timed, {}, (), NOW, settings()).findings}
    assert levels["latency:trust-scorer"].level is Level.UNKNOWN
    assert "found status 500" in levels["latency:trust-scorer"].detail
    assert levels["latency:vibe-analyzer"].level is not Level.UNKNOWN
    broken.clear()
    (healed,) = judge(measure(call, ["trust-scorer"], 4, 60), {}, (), NOW, settings()).findings
    assert healed.level is Level.OK


@pytest.mark.guide("G38", "fires", "silent", "holds")
def test_a_function_that_trickles_ends_with_the_budget_and_the_others_are_judged() -> None:
    """No call begins after it; what is short is UNKNOWN with the reason, and the others have all their calls."""
    slow, asked = {"trust-scorer": 0.6}, list[str]()

    def call(function: str) -> None:
        asked.append(function)
        time.sleep(slow.get(function, 0))

    def found() -> dict[str, Finding]:
        timed = measure(call, ["trust-scorer", "vibe-analyzer"], 5, 1.8)
        return {finding.key: finding for finding in judge(timed, {}, (), NOW, settings()).findings}

    levels = found()
    calls = asked.count("trust-scorer")
    assert 1 <= calls < 5
    assert levels["latency:trust-scorer"].level is Level.UNKNOWN
    assert levels["latency:trust-scorer"].detail.endswith(f"1.8 s were over after {calls} of 5 calls")
    assert levels["latency:vibe-analyzer"].level is Level.OK
    slow.clear()
    assert found()["latency:trust-scorer"].level is Level.OK


@pytest.mark.guide("G38", "fires")
def test_one_call_alone_is_not_enough() -> None:
    """With only a first call there is no warm one to judge."""
    unseen = judged("trust-scorer", 20, problem="found status 500")
    assert unseen.level is Level.UNKNOWN and "then no more: found status 500" in unseen.detail
