"""The contract of the functions: every request that may be sent, and every answer that may not be used."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import yaml

from tests.stages.examples import example
from upkeep.settings.base import ROOT
from upkeep.wires.functions.contract import FUNCTIONS, ContractError, echoed, metric, parse_answer, request_body

PERIOD = datetime(2025, 1, 5, 2, tzinfo=UTC), datetime(2025, 1, 6, 2, tzinfo=UTC)
ECHO = {"start": "2025-01-05T02:00:00Z", "end": "2025-01-06T02:00:00Z"}
#: What tests spoil; of an action that is not here, the least that its model accepts is the good answer.
RESULTS: dict[str, dict[str, Any]] = {
    "system_status": {
        "overall_health_percent": 97.5,
        "metrics": {
            "response_time_ms": 142.5,
            "error_rate_percent": 0.2,
            "database_connections_percent": 12,
            "memory_usage_percent": None,
            "cpu_usage_percent": 7.0,
        },
    },
    "health_check": {"overall_health_percent": 97.5},
    "performance_report": {"requests": 0, "error_rate_percent": None, "response_time_ms": None},
    "get_error_analytics": {
        "period": ECHO,
        "total_errors": 3,
        "by_category": {"authentication": 3},
        "by_severity": {"high": 1, "low": 2},
    },
    "get_error_trends": {"period": ECHO, "total_errors": 0, "trend": []},
    "get_errors": {
        "period": ECHO,
        "total": 101,
        "errors": [
            {
                "timestamp": "2025-01-05T03:00:00.123Z",
                "category": "authentication",
                "severity": "high",
                "message": "login failed",
            }
        ],
    },
    "performance_analysis": {
        "query_response_ms": 12.5,
        "cache_hit_ratio_percent": 99,
        "connections_percent": 4.5,
        "dead_rows": 17,
        "slowest_statements": [{"query": "SELECT $1", "calls": 3, "mean_ms": 0.5}],
    },
    "index_recommendations": {
        "missing": [{"table": "public.error_logs", "reason": "read whole 200 times"}],
        "unused": [{"table": "public.error_logs", "index": "error_logs_idx", "size_bytes": 8192}],
    },
    "scalability_report": {
        "query_response_ms": 12.5,
        "pool_usage_percent": 4.5,
        "cache_hit_ratio_percent": 99,
        "index_usage_percent": None,
    },
    "query_optimization": {"total": 1, "statements": [{"query": "SELECT $1", "calls": 3, "mean_ms": 1500}]},
    "database_metrics": {
        "database_size_bytes": 30_000_000,
        "table_sizes": [{"table": "public.error_logs", "total_bytes": 8192}],
        "connections": 5,
        "max_connections": 100,
    },
    "compliance_report": {
        "period": ECHO,
        "consents": {"marketing": {"granted": 3, "withdrawn": 1}},
        "processing_without_legal_basis": 0,
        "oldest_rows": {"public.audit_logs": "2017-01-05T03:00:00Z", "public.error_logs": None},
        "findings": [],
    },
}
ACTIONS = [(function, action) for function, actions in FUNCTIONS.items() for action in actions]


def _body(action: str, **changes: Any) -> str:
    return json.dumps({"success": True, "result": RESULTS[action] | changes})


def _arguments(function: str, action: str) -> dict[str, Any]:
    """What must be sent beside the action, but the time window, which follows from the period."""
    body = example(FUNCTIONS[function][action].request)
    return {name: value for name, value in body.items() if name not in ("action", "time_window")}


def _refusal(function: str, action: str, body: bytes | str) -> str:
    with pytest.raises(ContractError) as caught:
        parse_answer(function, action, body)
    return str(caught.value)


@pytest.mark.parametrize(("function", "action"), ACTIONS)
def test_the_least_that_is_published_is_read(function: str, action: str) -> None:
    """Of every action: its required fields are enough, and one that requires none says at least something."""
    least = example(FUNCTIONS[function][action].answer)
    body = least | {"result": least["result"] | {"of_tomorrow": 3}}
    answer = parse_answer(function, action, json.dumps(body))
    assert answer.model_dump(mode="json") == body


@pytest.mark.guide("X5", "holds")
@pytest.mark.parametrize(("function", "action"), [one for one in ACTIONS if one[1] in RESULTS])
def test_a_good_answer_is_read_and_keeps_fields_that_we_do_not_know(function: str, action: str) -> None:
    """A deployment may answer more than we know, and a metric's path may lead to it."""
    answer = parse_answer(function, action, _body(action, load={"of_tomorrow": 3}).encode())
    assert metric(answer.model_dump(mode="json"), "result.load.of_tomorrow") == 3.0


@pytest.mark.guide("X5", "holds")
@pytest.mark.parametrize(("function", "action"), ACTIONS)
def test_what_is_required_is_required_of_every_action(function: str, action: str) -> None:
    """An empty result is a success of nothing; actions whose fields may lie elsewhere miss at least one of them."""
    refusal = _refusal(function, action, '{"success": true, "result": {}}')
    assert "result." in refusal or "found an empty result, expected at least one field" in refusal


@pytest.mark.guide("X3", "holds")
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "found an empty answer"),
        (b"\xff\xfe", "found bytes that are not UTF-8 at 0"),
        ('{"success": true, "resu', "found JSON that breaks off after 23 characters"),
        ('{"success": true, "result": {"a": 1', "found JSON that breaks off after 35 characters"),
        ("<!DOCTYPE html><title>502\x1b[31m</title>", r"found HTML or XML, expected a JSON object: '<!DOCTYPE html>"),
        ("<html>\x1b[31m", r"'<html>\x1b[31m'"),
        ("upstream timed out", "found text that is not JSON (Expecting value at character 0)"),
        ("[1, 2]", "found a list, expected a JSON object: '[1, 2]'"),
        ("null", "found null, expected a JSON object"),
        ('"fine"', "found the text, expected a JSON object"),
        ("[" * 100_000, "found JSON that cannot be read"),
        ('{"n": ' + "9" * 5000 + "}", "found JSON that cannot be read"),
        ('{"success": false, "error": "no database"}', "the function reports an error: 'no database'"),
        ('{"success": false}', "success is false, and no message"),
        ('{"success": false, "message": "later"}', "the function reports an error: 'later'"),
        ('{"success": true, "error": {"message": "half"}, "result": {}}', "the function reports an error: 'half'"),
        ('{"code": "WORKER_ERROR", "message": "exited"}', "the function reports an error: 'WORKER_ERROR': 'exited'"),
        ('{"error": "a\\u001bb"}', r"'a\x1bb'"),
        ('{"success": true, "result": {"overall_health_percent": NaN}}', "found NaN, which is no JSON number"),
        ('{"success": true, "result": {"overall_health_percent": -Infinity}}', "found -Infinity"),
        ('{"success": true, "result": {"overall_health_percent": 1e999}}', "found '1e999', a number beyond all range"),
        ('{"success": true, "result": {"x": NaN, "overall_health_percent": 99}}', "found NaN"),
        ('{"result": {"overall_health_percent": 99}}', "success: found nothing, expected this field"),
        ('{"success": "true", "result": {"overall_health_percent": 99}}', "success: found the text 'true'"),
        ('{"success": true}', "result: found nothing, expected this field"),
        ('{"success": true, "result": []}', "result: found a list [], expected an object"),
        ('{"success": true, "result": {"overall_health_percent": "\\ud800"}}', "Invalid JSON"),
    ],
)
def test_an_answer_that_cannot_be_used_says_why(body: bytes | str, said: str) -> None:
    """Each way of being wrong has its own message, which names the function and the action."""
    message = _refusal("production-monitoring", "system_status", body)
    assert said in message
    assert message.startswith("production-monitoring system_status: ")
    assert message.isprintable()


@pytest.mark.guide("X3", "holds")
@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("97", "the text '97'"),
        (True, "the boolean True"),
        (None, "null"),
        ([97], "a list [97]"),
        ({"value": 97}, "an object {'value': 97}"),
    ],
)
def test_a_mistyped_field_names_its_path_what_was_found_and_what_was_expected(value: Any, found: str) -> None:
    """Numbers in quotes, booleans and null are not numbers: nothing is converted."""
    message = _refusal("production-monitoring", "health_check", _body("health_check", overall_health_percent=value))
    assert message == (
        f"production-monitoring health_check: result.overall_health_percent: found {found}, expected a valid number"
    )


def test_a_metric_outside_its_bounds_is_read_for_the_judging_to_refuse() -> None:
    """300 % health is a number; that it cannot be is said by the bands, as UNKNOWN."""
    answer = parse_answer("production-monitoring", "health_check", _body("health_check", overall_health_percent=300))
    assert metric(answer.model_dump(mode="json"), "result.overall_health_percent") == 300.0


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("total_errors", -1, "result.total_errors: found the number -1, expected greater than or equal to 0"),
        ("total_errors", 1.5, "result.total_errors: found the number 1.5, expected a valid integer"),
        ("by_category", {"network": -2}, "result.by_category.network: found the number -2"),
        ("period", "24h", "result.period: found the text '24h', expected an object"),
        ("period", ECHO | {"start": "2025-01-05T02:00:00"}, "result.period.start: found the text"),
    ],
)
def test_counts_and_periods_are_strict(field: str, value: Any, said: str) -> None:
    """A negative or broken count and a time without a zone are refused by their path."""
    assert said in _refusal("error-tracking", "get_error_analytics", _body("get_error_analytics", **{field: value}))


def test_a_total_smaller_than_the_rows_shown_is_refused() -> None:
    """A total of 0 beside rows would read as healthy."""
    message = _refusal("error-tracking", "get_errors", _body("get_errors", total=0))
    assert "found total 0 beside 1 rows" in message


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"total": 0}, "found total 0 beside 1 statements"),
        ({"total": None}, "found total None beside 1 statements"),
        ({"statements": None}, "found total 1 beside 0 statements"),
    ],
)
def test_statements_and_their_total_go_together(changes: dict[str, Any], said: str) -> None:
    """Null for both says that nothing is known about statements; one of them alone contradicts the other."""
    assert said in _refusal("database-scalability", "query_optimization", _body("query_optimization", **changes))
    unknown = _body("query_optimization", total=None, statements=None)
    answer = parse_answer("database-scalability", "query_optimization", unknown)
    assert answer.model_dump(mode="json")["result"] == {"total": None, "statements": None}


@pytest.mark.parametrize(
    ("function", "action", "field", "value", "said"),
    [
        (
            "trust-scorer",
            "health_check",
            "overall_health_percent",
            "97",
            "result.overall_health_percent: found the text",
        ),
        ("database-scalability", "scalability_report", "pool_usage_percent", "4", "result.pool_usage_percent: found"),
        ("database-scalability", "performance_analysis", "dead_rows", -1, "result.dead_rows: found the number -1"),
        ("database-scalability", "index_recommendations", "unused", None, "result.unused: found null"),
        ("database-scalability", "database_metrics", "connections", 1.5, "result.connections: found the number 1.5"),
        ("gdpr-compliance", "compliance_report", "consents", {"a": 1}, "result.consents.a: found the number 1"),
        (
            "gdpr-compliance",
            "compliance_report",
            "oldest_rows",
            {"a": "2017-01-05"},
            "result.oldest_rows.a: found the text",
        ),
    ],
)
def test_what_the_other_functions_say_is_strict_too(
    function: str, action: str, field: str, value: Any, said: str
) -> None:
    """A judged field of another type is refused by its path."""
    assert said in _refusal(function, action, _body(action, **{field: value}))


def test_a_metric_that_the_scope_does_not_tell_is_not_null() -> None:
    """A capacity report says nothing of the cache; a null in a performance report says that nobody knows."""
    body = _body("scalability_report", report_scope="performance")
    answer = parse_answer("database-scalability", "scalability_report", body).model_dump(mode="json")
    with pytest.raises(ContractError, match="found null, which means not measurable"):
        metric(answer, "result.index_usage_percent")
    with pytest.raises(ContractError, match="found nothing"):
        metric(answer, "result.storage_used_percent")


def test_many_problems_are_told_in_one_short_message() -> None:
    """A large answer of another shape must not fill the report."""
    message = _refusal("error-tracking", "get_errors", _body("get_errors", errors=[{} for _ in range(500)]))
    assert message.endswith("; and 1995 more")
    assert len(message) < 600


@pytest.mark.guide("X2", "holds")
def test_keys_never_reach_a_message() -> None:
    """A proxy's error page may repeat the request's headers (X2)."""
    page = "<p>apikey: eyJhbGciOiJI.eyJyb2xlIjoi.c2ln sb_secret_0123abc"
    message = _refusal("production-monitoring", "health_check", page)
    assert "eyJ" not in message
    assert "0123abc" not in message


@pytest.mark.parametrize(
    ("answer", "path", "said"),
    [
        ({"a": {}}, "a.b", "a.b: found nothing (a is []), expected a number"),
        ({"a": {"x": 1}}, "a.b", "a.b: found nothing (a is ['x']), expected a number"),
        ({"a": 3}, "a.b", "a.b: found nothing (a is the number), expected a number"),
        ({}, "a.b", "a.b: found nothing (answer is []), expected a number"),
        ({"a": {"b": None}}, "a.b", "a.b: found null, which means not measurable, expected a number"),
        ({"a": {"b": True}}, "a.b", "a.b: found the boolean True, expected a number"),
        ({"a": {"b": "9"}}, "a.b", "a.b: found the text '9', expected a number"),
        ({"a": [1]}, "a", "a: found a list [1], expected a number"),
        ({"a": float("nan")}, "a", "a: found nan, expected a finite number"),
        ({"a": float("inf")}, "a", "a: found inf, expected a finite number"),
        ({"a": 10**400}, "a", "expected a finite number"),
    ],
)
def test_a_metric_that_is_not_a_finite_number_says_what_is_there(answer: Any, path: str, said: str) -> None:
    """The path of a metric is configuration: its message must let a person correct it."""
    with pytest.raises(ContractError) as caught:
        metric(answer, path)
    assert said in str(caught.value)


def test_a_metric_that_was_not_told_is_not_null() -> None:
    """Null says "not measurable"; silence may mean that the metric is reported elsewhere."""
    body = '{"success": true, "result": {"overall_health_percent": 97}}'
    answer = parse_answer("production-monitoring", "system_status", body)
    with pytest.raises(ContractError, match="found nothing"):
        metric(answer.model_dump(mode="json"), "result.metrics.response_time_ms")


@pytest.mark.guide("X5", "holds")
def test_the_configured_paths_lead_to_metrics() -> None:
    """Each metric of config/maintenance.yaml is found in an answer of the shape that the contract publishes."""
    config = yaml.safe_load((ROOT / "config" / "maintenance.yaml").read_text(encoding="utf-8"))
    complete = RESULTS["system_status"]["metrics"] | {"memory_usage_percent": 40.0}
    for source in (*config["metrics"].values(), *config["expectations"].values()):
        body = _body(source["action"], metrics=complete, index_usage_percent=97.5)
        answer = parse_answer(source["function"], source["action"], body)
        assert metric(answer.model_dump(mode="json"), source["path"]) >= 0


@pytest.mark.guide("X6", "holds")
@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (timedelta(hours=24), "24h"),
        (timedelta(days=7), "7d"),
        (timedelta(days=28), "672h"),
        (timedelta(days=35), "840h"),
        (timedelta(minutes=61), "2h"),
        (timedelta(seconds=1), "1h"),
    ],
)
def test_the_time_window_follows_from_the_period(length: timedelta, expected: str) -> None:
    """The guide's "24h" and "7d" come from the window's own period, any other length in hours (X6)."""
    body = request_body("error-tracking", "get_error_trends", period=(PERIOD[0], PERIOD[0] + length))
    assert json.loads(body)["time_window"] == expected


@pytest.mark.guide("X6", "holds")
def test_only_actions_that_echo_are_told_a_period() -> None:
    """The others are asked about now, whatever window asks."""
    for function, action in ACTIONS:
        sent = json.loads(request_body(function, action, period=PERIOD, **_arguments(function, action)))
        found = FUNCTIONS[function][action]
        assert ("start" in sent and "end" in sent) is found.echoes_period, action
        result: Any = found.answer.model_fields["result"].annotation
        assert found.echoes_period is ("period" in result.model_fields), action


@pytest.mark.guide("G8", "G69", "holds")
def test_the_guides_requests_come_out_as_json() -> None:
    """The guide's fields stay as it writes them; start and end stand beside them in UTC."""
    east = timezone(timedelta(hours=2))
    period = PERIOD[0].astimezone(east), PERIOD[1].astimezone(east)
    filters = {"category": "authentication", "severity": "high"}
    assert json.loads(request_body("error-tracking", "get_errors", period=period, filters=filters)) == {
        "action": "get_errors",
        "filters": filters,
        "time_window": "24h",
        **ECHO,
    }
    assert json.loads(request_body("production-monitoring", "system_status", period=period)) == {
        "action": "system_status"
    }


@pytest.mark.guide("G9", "G44", "holds")
@pytest.mark.parametrize(
    ("function", "sent"),
    [
        ("database-scalability", {"action": "performance_analysis", "time_window": "24h"}),
        ("database-scalability", {"action": "scalability_report", "report_scope": "performance"}),
        ("database-scalability", {"action": "scalability_report", "report_scope": "capacity"}),
        ("database-scalability", {"action": "index_recommendations", "table_filters": {}}),
        (
            "database-scalability",
            {"action": "index_recommendations", "table_filters": {"include_tables": ["user_consents", "error_logs"]}},
        ),
        ("database-scalability", {"action": "query_optimization", "query_filters": {"min_duration": 1000}}),
        ("database-scalability", {"action": "database_metrics", "metrics_type": "capacity"}),
        ("gdpr-compliance", {"action": "compliance_report", "report_type": "monthly", **ECHO}),
        ("vibe-analyzer", {"action": "health_check"}),
    ],
)
def test_the_guides_other_requests_come_out_as_it_writes_them(function: str, sent: dict[str, Any]) -> None:
    """In a window of a day only compliance_report is told the period, and time_window follows from it."""
    arguments = {name: sent[name] for name in set(sent) - {"action", "time_window", "start", "end"}}
    assert json.loads(request_body(function, sent["action"], period=PERIOD, **arguments)) == sent


def test_without_a_period_the_question_is_about_the_last_day() -> None:
    """What no window asks for, such as ``python -m upkeep check``, uses the guide's own "24h" unless it says else."""
    action = "get_error_analytics"
    sent = json.loads(request_body("error-tracking", action, period=None))
    assert sent == {"action": action, "time_window": "24h"}
    sent = json.loads(request_body("error-tracking", action, period=None, time_window="7d"))
    assert sent == {"action": action, "time_window": "7d"}


@pytest.mark.parametrize(
    ("function", "action", "arguments", "said"),
    [
        ("error-trackin", "get_errors", {}, "found no function 'error-trackin', expected one of ['agent-"),
        ("error-tracking", "get_error", {}, "error-tracking: found no action 'get_error', expected one of"),
        ("error-tracking", "get_errors", {"filter": {}}, "found the argument 'filter', expected one of ['filters'"),
        ("error-tracking", "get_errors", {"filters": {"sevrity": "high"}}, "filters.sevrity"),
        ("error-tracking", "get_errors", {"start": "now"}, "found the argument 'start'"),
        ("error-tracking", "get_error_trends", {"time_window": "soon"}, "time_window: found the text 'soon'"),
        ("database-scalability", "scalability_report", {}, "report_scope: found nothing"),
        ("database-scalability", "scalability_report", {"report_scope": "cost"}, "report_scope: found the text 'cost'"),
        ("database-scalability", "index_recommendations", {"table_filters": {"tables": ["a"]}}, "table_filters.tables"),
        ("database-scalability", "index_recommendations", {"table_filters": {"include_tables": []}}, "at least 1 item"),
        (
            "database-scalability",
            "query_optimization",
            {"query_filters": {}},
            "query_filters.min_duration: found nothing",
        ),
        ("database-scalability", "query_optimization", {"query_filters": {"min_duration": -1}}, "min_duration: found"),
        ("gdpr-compliance", "compliance_report", {"report_type": "yearly"}, "report_type: found the text 'yearly'"),
        ("error-tracking", "get_errors", {"period": PERIOD, "time_window": "24h"}, "expected one of the two"),
        ("error-tracking", "get_errors", {"period": PERIOD[::-1]}, "expected start before end"),
        ("error-tracking", "get_errors", {"period": (datetime(2025, 1, 1), PERIOD[1])}, "without a time zone"),
    ],
)
def test_a_request_that_means_nothing_is_not_built(
    function: str, action: str, arguments: dict[str, Any], said: str
) -> None:
    """A misspelt filter would let every error through: it is refused before it is sent."""
    with pytest.raises(ContractError) as caught:
        request_body(function, action, **{"period": None, **arguments})
    assert said in str(caught.value)


@pytest.mark.guide("X6", "holds")
@pytest.mark.parametrize(
    ("period", "expected"),
    [
        (ECHO, True),
        ({"start": "2025-01-05T03:00:00+01:00", "end": "2025-01-06T02:00:00.000Z"}, True),
        (ECHO | {"end": "2025-01-06T02:00:00.001Z"}, False),
        (ECHO | {"start": "2025-01-04T02:00:00Z"}, False),
        (None, False),
    ],
)
def test_an_answer_counts_only_for_the_period_it_echoes(period: Any, expected: bool) -> None:
    """Another zone is the same instant, another instant is another period, and silence is no echo (X6)."""
    answer = parse_answer("error-tracking", "get_error_analytics", _body("get_error_analytics", period=period))
    assert echoed(answer, PERIOD) is expected


def test_javascript_may_cut_the_echo_to_milliseconds() -> None:
    """A manual window's period has microseconds; a function that parses dates with Date loses them."""
    start = PERIOD[0].replace(microsecond=123_456)
    echo = ECHO | {"start": "2025-01-05T02:00:00.123Z"}
    answer = parse_answer("error-tracking", "get_errors", _body("get_errors", period=echo))
    assert echoed(answer, (start, PERIOD[1]))


def test_an_answer_without_any_period_echoes_none() -> None:
    """An action that looks at now cannot stand for a past period."""
    answer = parse_answer("production-monitoring", "health_check", _body("health_check", period=ECHO))
    assert not echoed(answer, PERIOD)
