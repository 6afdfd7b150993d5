"""What the answers of the weekly window say, that hostile text in them stays text, and both scopes of one report."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from upkeep.areas import answers
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires.functions.contract import ContractError, parse_answer

SHIPPED = settings(ROOT / "config")
PERFORMANCE = ("production-monitoring", "performance_report")
TRENDS = ("error-tracking", "get_error_trends")
INDEXES = ("database-scalability", "index_recommendations")
SLOW = ("database-scalability", "query_optimization")
ROOM = ("database-scalability", "database_metrics")
SCALABILITY = ("database-scalability", "scalability_report")
HOSTILE = "'; DROP TABLE x; -- <script>alert(1)</script> ${7*7} \u202e%s {0}"

GOOD: dict[tuple[str, str], dict[str, Any]] = {
    PERFORMANCE: {
        "requests": 1200,
        "error_rate_percent": 0.2,
        "response_time_ms": 142.5,
        "response_time_p95_ms": 300.0,
        "by_function": [{"function_name": "trust-scorer", "requests": 700, "response_time_ms": 90.0}],
    },
    TRENDS: {
        "total_errors": 3,
        "trend": [
            {"start": "2026-05-01T00:00:00Z", "total": 1, "by_severity": {"low": 1}},
            {"start": "2026-05-02T00:00:00Z", "total": 2, "by_severity": {"low": 1, "high": 1}},
        ],
    },
    INDEXES: {"tables": ["public.error_logs"], "missing": [], "unused": []},
    SLOW: {"total": 0, "statements": []},
    ROOM: {
        "database_size_bytes": 8_000_000,
        "storage_capacity_bytes": 80_000_000,
        "table_sizes": [],
        "connections": 9,
        "max_connections": 100,
        "available_connections": 90,
    },
    SCALABILITY: {
        "report_scope": "capacity",
        "connections_percent": 10,
        "storage_used_percent": 10,
        "response_time_percent_of_baseline": 101,
        "error_rate_percent": 0.1,
        "recommendations": [{"trigger": "storage", "advice": "Plan for storage expansion."}],
    },
}
MISSING = {"table": "public.error_logs", "columns": ["user_id"], "reason": "a foreign key without an index"}
UNUSED = {"table": "public.error_logs", "index": "error_logs_old_idx", "size_bytes": 8192}
STATEMENT = {"query": "SELECT * FROM t WHERE secret = 'hunter2'", "calls": 4, "mean_ms": 1500.0}


def look(call: tuple[str, str], asked: dict[str, Any] | None = None, **changes: Any) -> LookResult:
    """Read an answer through the contract, as the task does; ``changes`` are other fields of the good one."""
    content = {"success": True, "result": copy.deepcopy(GOOD[call]) | changes}
    body = parse_answer(*call, json.dumps(content)).model_dump(mode="json")
    return answers.read(*call, body, SHIPPED, asked if asked is not None else _asked(call))


def _asked(call: tuple[str, str]) -> dict[str, Any]:
    return {"report_scope": "capacity"} if call == SCALABILITY else {}


def one(call: tuple[str, str], asked: dict[str, Any] | None = None, **changes: Any) -> Finding:
    """The one finding of an answer."""
    (finding,) = look(call, asked, **changes).findings
    return finding


def sampled(looked: LookResult) -> dict[tuple[str, str], float]:
    """(metric, subject) → value."""
    return {(sample.metric, sample.subject): sample.value for sample in looked.samples}


@pytest.mark.guide("G20-G22", "G84", "G85", "G90", "G94", "silent")
@pytest.mark.parametrize("call", GOOD)
def test_a_good_answer_is_one_ok_finding(call: tuple[str, str]) -> None:
    """Each says what it saw, also when there is nothing to do."""
    finding = one(call)
    assert finding.level is Level.OK and finding.detail and finding.expected


@pytest.mark.guide("G21", "fires", "silent")
@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({"error_rate_percent": 0.5}, Level.ADVISORY),
        ({"response_time_ms": 500.0}, Level.ADVISORY),
        ({"response_time_ms": 499.9, "error_rate_percent": 0.49}, Level.OK),
        ({"requests": 0, "error_rate_percent": None, "response_time_ms": None}, Level.UNKNOWN),
        ({"response_time_ms": -1.0}, Level.UNKNOWN),
    ],
)
def test_the_performance_of_a_week_is_held_against_the_good_bands(changes: dict[str, Any], level: Level) -> None:
    """G21: outside ok is an advisory, for the six metrics have the alert; what is not measurable is UNKNOWN."""
    assert one(PERFORMANCE, **changes).level is level


@pytest.mark.guide("G21", "holds")
def test_a_weeks_numbers_are_samples_in_all_and_by_function() -> None:
    """What a function does not tell of itself is no sample."""
    assert sampled(look(PERFORMANCE)) == {
        ("week_requests", ""): 1200.0,
        ("week_error_rate", ""): 0.2,
        ("week_response_time", ""): 142.5,
        ("week_response_time_p95", ""): 300.0,
        ("week_requests", "trust-scorer"): 700.0,
        ("week_response_time", "trust-scorer"): 90.0,
    }


@pytest.mark.guide("G22", "fires", "silent")
def test_critical_errors_in_a_week_fire_and_fall_silent() -> None:
    """G22: by severity over all buckets, with the bucket that had most."""
    trend = copy.deepcopy(GOOD[TRENDS]["trend"])
    trend[1]["by_severity"] = {"critical": 2}
    finding = one(TRENDS, trend=trend)
    assert finding.level is Level.ADVISORY and "2 critical, 1 low" in finding.detail
    quiet = look(TRENDS)
    assert quiet.findings[0].detail.startswith("3 errors; by severity: 2 low, 1 high; most from 2026-05-02")
    assert sampled(quiet) == {("week_errors", ""): 3.0, ("week_errors", "high"): 1.0, ("week_errors", "low"): 2.0}
    assert one(TRENDS, total_errors=0, trend=[]).detail == "0 errors; by severity: none"


@pytest.mark.guide("G20", "G85", "fires", "silent")
def test_index_advice_fires_and_falls_silent_once_for_each_of_two_calls() -> None:
    """G20, G85: missing and unused are told apart; the call about some tables has a key of its own."""
    included = {"table_filters": {"include_tables": ["error_logs"]}}
    for asked, key, guide in (
        ({"table_filters": {}}, "index_advice", "G20"),
        (included, "index_advice:included", "G85"),
    ):
        told = one(INDEXES, asked, missing=[MISSING], unused=[UNUSED])
        assert (told.key, told.guide, told.level) == (key, guide, Level.ADVISORY)
        assert "1 missing (public.error_logs (user_id): a foreign key without an index)" in told.detail
        assert "1 unused (error_logs_old_idx on public.error_logs (8,192 bytes))" in told.detail
        assert "nothing is carried out from it" in told.remedy
        assert one(INDEXES, asked).level is Level.OK


@pytest.mark.guide("G20", "holds")
def test_much_advice_stays_short_and_whole() -> None:
    """Ten pieces are told and the rest counted; the metadata has all."""
    told = one(INDEXES, missing=[{**MISSING, "reason": "r" * 5_000}] * 500)
    assert "500 missing" in told.detail and "and 490 more" in told.detail and len(told.detail) < 5_000
    assert len(told.metadata["missing"]) == 500


@pytest.mark.guide("G84", "fires", "silent")
def test_slow_statements_fire_and_fall_silent_without_their_literals() -> None:
    """G84: without pg_stat_statements nothing is known, which is not none."""
    asked = {"query_filters": {"min_duration": 1000}}
    slow = look(SLOW, asked, total=1, statements=[STATEMENT])
    (finding,) = slow.findings
    assert finding.level is Level.ADVISORY and "1 statements take 1000 ms or more" in finding.detail
    assert "hunter2" not in repr(finding) and "secret = ?" in finding.detail
    assert sampled(slow) == {("slow_statements", ""): 1.0}
    assert one(SLOW, asked).level is Level.OK
    unseen = one(SLOW, asked, total=None, statements=None)
    assert unseen.level is Level.UNKNOWN and "not collected: the function knows no statements" in unseen.detail


@pytest.mark.guide("G90", "fires", "silent")
def test_database_metrics_that_cannot_be_are_unknown() -> None:
    """G90: more connections than there are, or a database larger than its disk, is somebody else's answer."""
    unseen = one(ROOM, connections=101)
    assert unseen.level is Level.UNKNOWN and "101 of 90 connections, which no database can have" in unseen.detail
    unseen = one(ROOM, database_size_bytes=80_000_001)
    assert unseen.level is Level.UNKNOWN and "80,000,001 bytes of 80,000,000" in unseen.detail
    unseen = one(ROOM, max_connections=0, available_connections=0, connections=0)
    assert unseen.level is Level.UNKNOWN and "0 of 0 connections, which no database can have" in unseen.detail
    assert one(ROOM, storage_capacity_bytes=None).detail.startswith("8,000,000 bytes of unknown room")
    assert sampled(look(ROOM)) == {("week_database_bytes", ""): 8e6, ("week_connections", ""): 10.0}


@pytest.mark.guide("G94", "fires", "silent")
def test_the_capacity_report_tells_advice_that_no_trigger_of_the_guide_stands_for() -> None:
    """G94: what belongs to a trigger is counted here and told there; an answer without numbers is UNKNOWN."""
    finding = one(SCALABILITY)
    assert "1 pieces of advice stand with their triggers; 0 others" in finding.detail
    odd = one(SCALABILITY, recommendations=[{"trigger": "karma", "advice": "Be kind."}])
    assert odd.level is Level.ADVISORY and "1 others (karma: Be kind.)" in odd.detail
    bare = {name: None for name in GOOD[SCALABILITY] if name.endswith(("percent", "baseline"))}
    unseen = one(SCALABILITY, **bare)
    assert unseen.level is Level.UNKNOWN and "the answer holds none of the four numbers" in unseen.detail


@pytest.mark.guide("G44", "G94", "holds")
def test_both_scopes_of_the_scalability_report_are_read_each_for_itself() -> None:
    """The capacity scope says nothing of the expected metrics, and the performance scope nothing of capacity."""
    assert [finding.key for finding in look(SCALABILITY).findings] == ["capacity_report"]
    performance = {"query_response_ms": 12.5, "report_scope": "performance"}
    looked = look(SCALABILITY, {"report_scope": "performance"}, **performance)
    assert {finding.key.split(":")[0] for finding in looked.findings} == {"expectation"}


@pytest.mark.guide("G20-G22", "G84", "G94", "holds")
@pytest.mark.parametrize(
    ("call", "changes"),
    [
        (PERFORMANCE, {"by_function": [{"function_name": HOSTILE, "requests": 1}]}),
        (TRENDS, {"trend": [{"start": "2026-05-01T00:00:00Z", "total": 1, "by_severity": {HOSTILE: 1}}]}),
        (INDEXES, {"missing": [{"table": HOSTILE, "columns": [HOSTILE], "reason": HOSTILE}]}),
        (INDEXES, {"unused": [{"table": HOSTILE, "index": HOSTILE, "size_bytes": 1}]}),
        (SCALABILITY, {"recommendations": [{"trigger": HOSTILE, "advice": HOSTILE}]}),
    ],
)
def test_hostile_text_in_an_answer_stays_text(call: tuple[str, str], changes: dict[str, Any]) -> None:
    """It is told as it came, in no key and no field that anything acts on."""
    looked = look(call, **changes)
    (finding,) = looked.findings
    assert HOSTILE not in finding.key + finding.remedy + finding.expected + finding.subject
    assert HOSTILE in finding.detail or HOSTILE in {sample.subject for sample in looked.samples}


def test_a_count_beyond_all_numbers_is_refused() -> None:
    """A clear refusal and no OverflowError."""
    with pytest.raises(ContractError, match="beyond the range of numbers"):
        look(PERFORMANCE, requests=10**400)
