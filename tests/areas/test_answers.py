"""What the answers of the functions say: the six metrics, the error analytics, and never the key."""

from __future__ import annotations

import copy
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import requests
from urllib3 import HTTPResponse

from tests.stages.answers import ANALYTICS, HEALTHY, STATUS, status
from upkeep.areas import answers
from upkeep.areas.database import expectations
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult
from upkeep.settings.base import METRICS, ROOT
from upkeep.settings.load import Settings, settings
from upkeep.wires.functions.contract import ContractError, parse_answer
from upkeep.wires.functions.transport import Call, post

SHIPPED = settings(ROOT / "config")
ERRORS: dict[str, Any] = {
    "success": True,
    "result": {
        "total_errors": 7,
        "by_category": {"database": 3, "authentication": 3, "timeout": 1},
        "by_severity": {"high": 2, "low": 5},
    },
}
KEYS = ["sb_secret_Qx7vKp2mTz9wLr4nHs8jBd3f", "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.Vt5gYk1oXe6uMa0c"]


def of(looked: LookResult, metric: str) -> Finding:
    """The one finding about a metric."""
    (finding,) = [finding for finding in looked.findings if finding.key == f"metric:{metric}"]
    return finding


def analytics(**changes: Any) -> dict[str, Any]:
    """Error analytics with other fields."""
    return {"success": True, "result": ERRORS["result"] | changes}


@pytest.mark.guide("G8", "G32-G37", "silent")
def test_a_healthy_answer_is_six_ok_findings_and_six_samples() -> None:
    """G32-G37: each metric once, with its value, its unit and its guide item."""
    looked = answers.read(*STATUS, HEALTHY, SHIPPED)
    assert [finding.key for finding in looked.findings] == [f"metric:{name}" for name in METRICS]
    assert {finding.level for finding in looked.findings} == {Level.OK}
    assert [finding.guide for finding in looked.findings] == ["G32", "G33", "G34", "G35", "G36", "G37"]
    assert [(sample.metric, sample.value, sample.unit) for sample in looked.samples] == [
        ("overall_health", 97.5, "%"),
        ("response_time", 142.5, "ms"),
        ("error_rate", 0.2, "%"),
        ("database_connections", 12.0, "%"),
        ("memory_usage", 41.0, "%"),
        ("cpu_usage", 7.0, "%"),
    ]


@pytest.mark.guide("G2", "G8", "G32-G37", "fires", "silent")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("level", [Level.OK, Level.WARNING, Level.CRITICAL])
def test_each_metric_is_judged_by_its_own_bands_and_by_no_other(metric: str, level: Level) -> None:
    """A value of one metric from one of its bands: that finding alone appears, and disappears when it is ok."""
    bands = SHIPPED.thresholds.metrics[metric]
    band = {Level.OK: bands.ok, Level.WARNING: bands.warning, Level.CRITICAL: bands.critical}[level]
    value = (band.low + min(band.high, band.low + 10)) / 2
    looked = answers.read(*STATUS, status(SHIPPED.maintenance.metrics[metric].path, value), SHIPPED)
    assert {finding.key: finding.level for finding in looked.findings if finding.level is not Level.OK} == (
        {} if level is Level.OK else {f"metric:{metric}": level}
    )
    finding = of(looked, metric)
    assert finding.detail == f"{value:g} {bands.unit}"
    assert finding.expected == f"{bands.says(Level.OK)} (critical: {bands.says(Level.CRITICAL)})"
    assert finding.remedy and finding.subject


@pytest.mark.parametrize("value", [-1, 1e6])
def test_an_absurd_value_is_unknown_and_says_where_to_look(value: float) -> None:
    """It is kept as a sample, for it was measured, but nobody is told to restart anything."""
    looked = answers.read(*STATUS, status("result.metrics.cpu_usage_percent", value), SHIPPED)
    finding = of(looked, "cpu_usage")
    assert finding.level is Level.UNKNOWN
    assert finding.detail == f"{value:g} %, which no such metric can be"
    assert "config: metrics" in finding.remedy
    assert [sample.value for sample in looked.samples if sample.metric == "cpu_usage"] == [value]


@pytest.mark.guide("G32-G37", "X3", "fires")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "found nothing"),
        ("97.5", "found the text '97.5', expected a number"),
        (True, "found the boolean True, expected a number"),
        ([97.5], "found a list [97.5], expected a number"),
        (10**400, "expected a finite number"),
    ],
)
def test_a_metric_that_is_not_there_is_unknown_and_names_the_setting(metric: str, value: Any, said: str) -> None:
    """Missing or mistyped: not collected, never healthy, and the other five are judged all the same."""
    path = SHIPPED.maintenance.metrics[metric].path
    looked = answers.read(*STATUS, status(path, value), SHIPPED)
    finding = of(looked, metric)
    assert finding.level is Level.UNKNOWN
    assert finding.detail.startswith(f"not collected: {path}: ") and said in finding.detail
    assert f"config/maintenance.yaml: metrics.{metric}.path" in finding.remedy
    assert [finding.level for finding in looked.findings].count(Level.OK) == 5
    assert [sample.metric for sample in looked.samples] == [name for name in METRICS if name != metric]


def test_null_is_not_measurable() -> None:
    """A platform that cannot measure its memory says null, which is no zero."""
    body = copy.deepcopy(HEALTHY)
    body["result"]["metrics"]["memory_usage_percent"] = None
    finding = of(answers.read(*STATUS, body, SHIPPED), "memory_usage")
    assert finding.level is Level.UNKNOWN and "found null, which means not measurable" in finding.detail


@pytest.mark.guide("G32-G37", "X3", "fires")
def test_an_answer_without_any_metric_is_six_times_unknown() -> None:
    """Each says for itself what is missing."""
    looked = answers.read(*STATUS, {"success": True, "result": {}}, SHIPPED)
    assert [finding.level for finding in looked.findings] == [Level.UNKNOWN] * 6
    assert looked.samples == ()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Settings:
    """A deployment that reports CPU load under another name, and memory through another call."""
    folder = Path(shutil.copytree(ROOT / "config", tmp_path / "config"))
    file = folder / "maintenance.yaml"
    text = file.read_text()
    for old, new in (
        ("path: result.metrics.cpu_usage_percent", "path: host.load.cpu"),
        (
            "action: system_status, path: result.metrics.memory_usage_percent",
            "action: health_check, path: result.memory",
        ),
    ):
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    return settings(folder)


@pytest.mark.guide("X5", "holds")
def test_another_path_in_the_configuration_is_followed(elsewhere: Settings) -> None:
    """X5: a deployment of another shape adapts without code, and the old place is not looked at any more."""
    body = HEALTHY | {"host": {"load": {"cpu": 79.0}}}
    assert of(answers.read(*STATUS, body, SHIPPED), "cpu_usage").detail == "7 %"
    finding = of(answers.read(*STATUS, body, elsewhere), "cpu_usage")
    assert (finding.level, finding.detail) == (Level.WARNING, "79 %")
    gone = of(answers.read(*STATUS, HEALTHY, elsewhere), "cpu_usage")
    assert gone.level is Level.UNKNOWN and gone.detail.startswith("not collected: host.load.cpu: found nothing")


@pytest.mark.guide("X5", "holds")
def test_a_metric_may_come_from_another_call(elsewhere: Settings) -> None:
    """It is judged where it is configured, and only there."""
    health = answers.read("production-monitoring", "health_check", {"result": {"memory": 86}}, elsewhere)
    assert [(finding.key, finding.level) for finding in health.findings] == [("metric:memory_usage", Level.CRITICAL)]
    looked = answers.read(*STATUS, HEALTHY, elsewhere)
    assert "metric:memory_usage" not in {finding.key for finding in looked.findings}


@pytest.mark.guide("G4", "G10", "fires", "silent")
def test_the_advisory_about_critical_errors_appears_and_disappears() -> None:
    """G10: errors are counted; one of severity critical is worth a person's look, none is ok."""
    keys = set()
    for severities, level in (
        ({"low": 7}, Level.OK),
        ({"low": 6, "critical": 1}, Level.ADVISORY),
        ({"low": 7, "critical": 0}, Level.OK),
        ({}, Level.OK),
    ):
        (finding,) = answers.read(
            *ANALYTICS, analytics(total_errors=sum(severities.values()), by_severity=severities), SHIPPED
        ).findings
        assert finding.level is level
        keys.add(finding.key)
    assert keys == {"error_analytics"}


@pytest.mark.guide("G10", "fires", "silent")
@pytest.mark.parametrize(
    ("total", "severities", "level", "said"),
    [
        (437, {"high": 422, "medium": 15}, Level.CRITICAL, "97 % severe"),
        (100, {"High": 80, "low": 20}, Level.WARNING, "80 % severe"),
        (100, {"HIGH": 81, "low": 19}, Level.CRITICAL, "81 % severe"),
        (100, {"high": 30, "critical": 21, "low": 49}, Level.WARNING, "51 % severe"),
        (100, {"high": 50, "low": 50}, Level.OK, "50 % severe"),
        (19, {"high": 19}, Level.OK, "100 % severe"),
        (20, {"high": 20}, Level.CRITICAL, "100 % severe"),
        (9, {"p3": 9}, Level.UNKNOWN, "not judged: severity p3"),
        (9, {"low": 4}, Level.UNKNOWN, "not judged: 5 without a severity"),
        (9, {"low": 9, "p3": 0}, Level.OK, "9 low"),
        (100, {"high": 81, "p3": 19}, Level.CRITICAL, "81 % severe"),
    ],
)
def test_errors_are_judged_by_how_many_of_them_are_severe(
    total: int, severities: dict[str, int], level: Level, said: str
) -> None:
    """422 of 437 of severity high are no ok; a severity that nobody explained, or none, is not mild."""
    body = analytics(total_errors=total, by_severity=severities)
    (finding,) = answers.read(*ANALYTICS, body, SHIPPED).findings
    assert (finding.level, said in finding.detail) == (level, True)


def test_error_analytics_are_counted_in_words_and_in_samples() -> None:
    """Most first, equal ones by name; the total and each severity are samples."""
    looked = answers.read(*ANALYTICS, ERRORS, SHIPPED)
    (finding,) = looked.findings
    assert finding.detail == (
        "7 errors; by severity: 5 low, 2 high; by category: 3 authentication, 3 database, 1 timeout; 29 % severe"
    )
    assert [(sample.subject, sample.value) for sample in looked.samples] == [("", 7.0), ("high", 2.0), ("low", 5.0)]
    (quiet,) = answers.read(*ANALYTICS, analytics(total_errors=0, by_category={}, by_severity={}), SHIPPED).findings
    assert quiet.detail == "0 errors; by severity: none; by category: none"


def test_what_error_analytics_also_tell_is_kept_when_it_is_told() -> None:
    """By function and the most frequent messages are for the report; a deployment need not have them."""
    messages = [{"message": "no", "count": 3}]
    (finding,) = answers.read(*ANALYTICS, analytics(by_function={"f": 3}, top_messages=messages), SHIPPED).findings
    assert finding.metadata == {"by_function": {"f": 3}, "top_messages": messages}
    (bare,) = answers.read(*ANALYTICS, ERRORS, SHIPPED).findings
    assert bare.metadata == {}


@pytest.mark.parametrize("changes", [{"total_errors": 10**400}, {"by_severity": {"low": 10**400}}])
def test_a_count_beyond_all_numbers_is_refused(changes: dict[str, Any]) -> None:
    """JSON has such integers, floating point has not: a clear refusal and no OverflowError."""
    body = parse_answer(*ANALYTICS, json.dumps(analytics(**changes))).model_dump(mode="json")
    with pytest.raises(ContractError, match="found a count beyond the range of numbers"):
        answers.read(*ANALYTICS, body, SHIPPED)


@pytest.mark.parametrize(
    ("function", "action"),
    [("trust-keeper", "system_status"), (STATUS[0], ANALYTICS[1]), (ANALYTICS[0], STATUS[1])],
)
def test_a_call_that_nothing_judges_is_an_error(function: str, action: str) -> None:
    """Otherwise it would be a step without findings, which looks like health."""
    with pytest.raises(LookupError) as caught:
        answers.read(function, action, HEALTHY, SHIPPED)
    assert str(caught.value) == (
        f"nothing judges {function} {action}: expected a reader, or a metric in config/maintenance.yaml"
    )


# the key ---------------------------------------------------------------------------------------------------

ECHOES = [
    (STATUS, status("result.metrics.cpu_usage_percent", "KEY")),
    (STATUS, status("result.metrics.cpu_usage_percent", {"you sent": "Bearer KEY"})),
    (STATUS, {"success": False, "error": {"message": "KEY is not welcome"}}),
    (STATUS, {"success": True, "result": "KEY"}),
    (ANALYTICS, analytics(by_category={"KEY": 1})),
    (ANALYTICS, analytics(by_severity={"KEY": 1})),
    (ANALYTICS, analytics(top_messages=[{"message": "bad KEY", "count": 1}])),
    (ANALYTICS, analytics(by_severity={"low": "KEY"})),
]


@pytest.mark.guide("X2", "holds")
@pytest.mark.parametrize("key", KEYS, ids=["secret", "legacy"])
@pytest.mark.parametrize(("call", "content"), ECHOES)
def test_a_key_that_a_server_repeats_is_in_no_finding_and_no_message(
    key: str, call: tuple[str, str], content: dict[str, Any]
) -> None:
    """X2: the whole way from the wire to the findings, in every place that a finding or an error quotes."""

    def send(endpoint: str, data: str, headers: dict[str, str], options: dict[str, Any], **_: Any) -> requests.Response:
        response = requests.Response()
        response.status_code = 200
        body = json.dumps(content).replace("KEY", headers["apikey"])
        response.raw = HTTPResponse(io.BytesIO(body.encode()), preload_content=False)
        return response

    try:
        body = post(send, Call(call[0], "{}", "upkeep_functions"), key, SHIPPED.maintenance.http)
        seen = repr(answers.read(*call, parse_answer(*call, body).model_dump(mode="json"), SHIPPED))
    except ContractError as error:
        seen = str(error)
    assert "***" in seen
    assert key not in seen and key[-10:] not in seen


@pytest.mark.guide("X2", "holds")
@pytest.mark.parametrize("key", KEYS, ids=["secret", "legacy"])
def test_any_key_in_a_mistyped_metric_is_taken_out_of_its_quotation(key: str) -> None:
    """Also one that is not ours: a finding that quotes an answer shows no key's form."""
    for value in (key, [key], {"a": key}):
        finding = of(answers.read(*STATUS, status("result.metrics.cpu_usage_percent", value), SHIPPED), "cpu_usage")
        assert "[key]" in finding.detail
        assert key[-10:] not in repr(finding)


@pytest.mark.guide("G9", "fires", "silent")
def test_performance_analysis_fires_and_falls_silent() -> None:
    """G9: a statement of a second on average is an advisory without its literals; quick ones are ok, none UNKNOWN."""

    def level(statements: list[dict[str, Any]] | None) -> Finding:
        (finding,) = answers.performance_analysis({"result": {"slowest_statements": statements}}, SHIPPED).findings
        return finding

    def statement(mean: float) -> dict[str, Any]:
        return {"query": "SELECT 'secret' FROM t", "calls": 3, "mean_ms": mean}

    slow = level([statement(1000.0)])
    assert slow.level is Level.ADVISORY
    assert "secret" not in slow.detail + str(slow.metadata)
    assert level([statement(999.9)]).level is Level.OK
    unseen = level(None)
    assert unseen.level is Level.UNKNOWN and "not collected: the function knows no statements" in unseen.detail


@pytest.mark.guide("G69", "fires", "silent")
def test_authentication_errors_fire_and_fall_silent() -> None:
    """G69: one authentication error of severity high is an advisory, none is ok."""
    levels = [
        answers.authentication_errors({"result": {"total": total}}, SHIPPED).findings[0].level for total in (1, 0)
    ]
    assert levels == [Level.ADVISORY, Level.OK]


@pytest.mark.guide("G44-G48", "fires", "silent")
@pytest.mark.parametrize(
    ("metric", "guide", "bad", "good"),
    [
        ("query_response", "G45", 100, 99.9),
        ("pool_usage", "G46", 60, 59.9),
        ("cache_hit_ratio", "G47", 90, 90.1),
        ("index_usage", "G48", 85, 85.1),
    ],
)
def test_an_expected_metric_by_the_function_fires_and_falls_silent(
    metric: str, guide: str, bad: float, good: float
) -> None:
    """G44: the limit itself is a warning and what is better is ok; null is UNKNOWN, and the other three stay ok."""
    healthy = {"query_response": 12.5, "pool_usage": 4.5, "cache_hit_ratio": 99.0, "index_usage": 97.0}

    def level(value: float | None) -> Level:
        result: dict[str, Any] = {"report_scope": "performance"}
        for name, told in (healthy | {metric: value}).items():
            result[SHIPPED.maintenance.expectations[name].path.removeprefix("result.")] = told
        body = {"success": True, "result": result}
        found = {
            one.key: one for one in answers.read("database-scalability", "scalability_report", body, SHIPPED).findings
        }
        one = found.pop(f"expectation:{metric}:function")
        assert one.guide == guide
        assert {other.level for other in found.values()} == {Level.OK} and len(found) == 3
        return one.level

    assert [level(value) for value in (good, bad, good, None)] == [Level.OK, Level.WARNING, Level.OK, Level.UNKNOWN]


@pytest.mark.guide("G45-G48", "fires", "silent")
@pytest.mark.parametrize(
    ("metric", "by_sql", "agrees", "disagrees"),
    [
        ("query_response", 50, 74.9, 75.1),
        ("query_response", 90, 99.9, 100),
        ("pool_usage", 30, 44.9, 45.1),
        ("pool_usage", 50, 59.9, 60),
        ("cache_hit_ratio", 60, 82.4, 82.6),
        ("cache_hit_ratio", 99, 90.1, 90),
        ("index_usage", 50, 71.2, 71.3),
        ("index_usage", 99, 85.1, 85),
    ],
)
def test_two_halves_that_disagree_are_a_finding_until_they_agree(
    metric: str, by_sql: float, agrees: float, disagrees: float
) -> None:
    """Further apart than a quarter of the guide's limit, or on two sides of it."""
    finding = expectations.disagreement(metric, by_sql, disagrees, SHIPPED)
    assert finding and finding.level is Level.WARNING
    assert finding.guide == SHIPPED.thresholds.expectations[metric].guide
    assert expectations.disagreement(metric, by_sql, agrees, SHIPPED) is None
