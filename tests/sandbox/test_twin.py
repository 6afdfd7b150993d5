"""The functions twin as it runs: a process of its own, over HTTP, on a real PostgreSQL."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import psycopg
import pytest
import requests
from psycopg import sql

from sandbox.postgres import Cluster
from sandbox.twin import keys, openapi
from sandbox.twin.answers import HOST
from upkeep.functions import contract, models
from upkeep.settings import ROOT

SECRET = "a-secret-of-the-tests-that-is-at-least-32-bytes-long"
SECRET_KEY = keys.secret_key()
LEGACY_KEY = keys.legacy_key(SECRET)
LEGACY = {"apikey": LEGACY_KEY, "Authorization": f"Bearer {LEGACY_KEY}"}
NEW = {"apikey": SECRET_KEY}

LONG_AGO = datetime(2019, 3, 1, tzinfo=UTC)  # before anything that the seed holds
DAY_LONG_AGO = (LONG_AGO, LONG_AGO + timedelta(days=1))


@dataclass(frozen=True)
class Twin:
    """A running twin: where it listens, the file its faults are read from, and the log it writes."""

    url: str
    faults: Path
    log: Path

    def post(self, function: str, body: Any, headers: dict[str, str], timeout: float = 30) -> requests.Response:
        """One request as it is given; nothing is raised for a status."""
        data = body if isinstance(body, str) else json.dumps(body)
        sent = {"Content-Type": "application/json", **headers}
        return requests.post(f"{self.url}/functions/v1/{function}", data=data, headers=sent, timeout=timeout)

    def ask(self, function: str, action: str, **arguments: Any) -> Any:
        """The typed result of one call through the contract, with a legacy key."""
        body = contract.request_body(function, action, **{"period": None, **arguments})
        return contract.parse_answer(function, action, self.post(function, body, LEGACY).content).result

    @contextmanager
    def fault(self, function: str, fault: str) -> Iterator[None]:
        """Show a fault until the end of the block."""
        self.faults.write_text(json.dumps({function: fault}), encoding="utf-8")
        try:
            yield
        finally:
            self.faults.unlink()


@contextmanager
def running(dsn: str, folder: Path, **environment: str) -> Iterator[Twin]:
    """A twin process that answers, ended with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    twin = Twin(f"http://127.0.0.1:{port}", folder / "faults.json", folder / "twin.log")
    settings = {
        "UPKEEP_TWIN_PORT": str(port),
        "UPKEEP_TWIN_DSN": dsn,
        "UPKEEP_TWIN_JWT_SECRET": SECRET,
        "UPKEEP_TWIN_SECRET_KEY": SECRET_KEY,
        "UPKEEP_TWIN_FAULTS": str(twin.faults),
    }
    with twin.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.twin"],
            cwd=ROOT,
            env=os.environ | settings | environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(twin, process)
        yield twin
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def _wait_for(twin: Twin, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(f"{twin.url}/openapi.json", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the twin did not start:\n{twin.log.read_text(encoding='utf-8')}")


@pytest.fixture(scope="module")
def platform(cluster: Cluster, seeded_template: str) -> Iterator[str]:
    """The name of one seeded database for the whole module, so that the twin over it starts once."""
    both = {"name": sql.Identifier("twins_platform"), "template": sql.Identifier(seeded_template)}
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {template}").format(**both))
        try:
            yield "twins_platform"
        finally:
            connection.execute(sql.SQL("DROP DATABASE {name} WITH (FORCE)").format(**both))


@pytest.fixture(scope="module")
def twin_dsn(cluster: Cluster, platform: str, role_passwords: dict[str, str]) -> str:
    """How the sandbox's twin logs in: with the role that may read and see all sessions, nothing more."""
    return cluster.dsn(platform, "functions_twin", role_passwords["functions_twin"])


@pytest.fixture(scope="module")
def twin(twin_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    """A twin over the seeded target, with the platform's usual verify_jwt per function."""
    with running(twin_dsn, tmp_path_factory.mktemp("twin")) as started:
        yield started


@pytest.fixture
def target(cluster: Cluster, platform: str) -> Iterator[psycopg.Connection[Any]]:
    """The target database as someone who may write to it; what a test leaves long ago is taken away again."""
    with psycopg.connect(cluster.dsn(platform), autocommit=True) as connection:
        yield connection
        connection.execute("DELETE FROM public.error_logs WHERE \"timestamp\" < '2019-12-31'")


def add_error(target: psycopg.Connection[Any], when: datetime, **columns: str) -> int:
    """Insert one error and return its id."""
    values = {"function": "trust-scorer", "category": "network", "severity": "low", "message": "m", **columns}
    row = target.execute(
        """INSERT INTO public.error_logs ("timestamp", function_name, category, severity, message, ip_address)
           VALUES (%(when)s, %(function)s, %(category)s, %(severity)s, %(message)s, '192.0.2.7') RETURNING id""",
        {"when": when, **values},
    ).fetchone()
    assert row is not None
    return int(row[0])


def add_requests(target: psycopg.Connection[Any], count: int, status: int, milliseconds: int) -> list[int]:
    """Insert requests that have just been answered and return their ids."""
    rows = target.execute(
        """INSERT INTO public.application_logs (function_name, method, path, status, duration_ms, api_role)
           SELECT 'trust-scorer', 'POST', '/', %(status)s, %(ms)s, 'anon' FROM generate_series(1, %(count)s)
           RETURNING id""",
        {"status": status, "ms": milliseconds, "count": count},
    ).fetchall()
    return [int(row[0]) for row in rows]


def delete_requests(target: psycopg.Connection[Any], ids: list[int]) -> None:
    """Take the requests away again."""
    target.execute("DELETE FROM public.application_logs WHERE id = ANY(%(ids)s)", {"ids": ids})


# the answers -----------------------------------------------------------------------------------------------


def test_errors_raise_the_error_rate_and_lower_the_health_until_they_are_gone(
    twin: Twin, target: psycopg.Connection[Any]
) -> None:
    """The twin computes its answers from the data: the finding appears, and then it disappears."""
    before = twin.ask("production-monitoring", "system_status")
    served = twin.ask("production-monitoring", "performance_report", time_window="24h").requests
    ids = add_requests(target, count=served // 10 + 10, status=500, milliseconds=100)
    try:
        during = twin.ask("production-monitoring", "system_status")
    finally:
        delete_requests(target, ids)
    after = twin.ask("production-monitoring", "system_status")
    assert during.metrics.error_rate_percent > before.metrics.error_rate_percent + 5
    assert during.overall_health_percent < 90 < before.overall_health_percent
    assert after.metrics.error_rate_percent == pytest.approx(before.metrics.error_rate_percent, abs=0.5)
    assert after.overall_health_percent > 90


def test_slow_requests_raise_the_response_time_and_lower_the_health(
    twin: Twin, target: psycopg.Connection[Any]
) -> None:
    """Response time is the mean of all requests; the health_check that is polled every 30 s sees it as well."""
    served = twin.ask("production-monitoring", "performance_report", time_window="24h").requests
    ids = add_requests(target, count=served + 10, status=200, milliseconds=5_000)
    try:
        metrics = twin.ask("production-monitoring", "system_status").metrics
        health = twin.ask("production-monitoring", "health_check").overall_health_percent
    finally:
        delete_requests(target, ids)
    assert metrics.response_time_ms > 2_000
    assert health < 90
    assert twin.ask("production-monitoring", "system_status").metrics.response_time_ms < 1_000


def test_client_backends_are_counted_against_the_slots_that_clients_can_have(
    twin: Twin, target: psycopg.Connection[Any]
) -> None:
    """Ten more sessions are ten more of max_connections less the reserved ones."""
    row = target.execute("SELECT 100 / (current_setting('max_connections')::float8 - 3)").fetchone()
    assert row is not None
    before = twin.ask("production-monitoring", "system_status").metrics.database_connections_percent
    with ExitStack() as sessions:
        for _ in range(10):
            sessions.enter_context(psycopg.connect(target.info.dsn, password=target.info.password))
        during = twin.ask("production-monitoring", "system_status").metrics.database_connections_percent
    assert during - before == pytest.approx(10 * row[0], abs=3 * row[0])


def test_the_metrics_are_what_the_database_says(twin: Twin, target: psycopg.Connection[Any]) -> None:
    """The same numbers come out of a statement of the test's own."""
    row = target.execute(
        """SELECT avg(duration_ms)::float8, (avg((status >= 500)::int) * 100)::float8 FROM public.application_logs
           WHERE created_at >= now() - interval '24 hours' AND created_at < now()"""
    ).fetchone()
    assert row is not None
    metrics = twin.ask("production-monitoring", "system_status").metrics
    assert metrics.response_time_ms == pytest.approx(row[0], rel=0.02)
    assert metrics.error_rate_percent == pytest.approx(row[1], abs=0.5)


def test_memory_and_cpu_are_the_sandboxs_own_and_say_so(twin: Twin) -> None:
    """What is measured on the sandbox's machine must not look like the platform's own."""
    status = twin.ask("production-monitoring", "system_status")
    assert status.host.source == HOST
    assert 0 < status.metrics.memory_usage_percent < 100
    assert 0 <= status.metrics.cpu_usage_percent <= 100


def test_the_performance_report_adds_up(twin: Twin) -> None:
    """Functions and days are two ways of looking at the same requests."""
    report = twin.ask("production-monitoring", "performance_report", time_window="7d")
    assert report.requests > 0
    assert sum(function.requests for function in report.by_function) == report.requests
    assert sum(bucket.requests for bucket in report.trend) == report.requests
    assert len(report.trend) in (7, 8)
    assert report.response_time_p95_ms >= report.response_time_ms


def test_a_past_period_is_answered_and_echoed(twin: Twin, target: psycopg.Connection[Any]) -> None:
    """Asked about a day long ago, all three count that day's errors: its start belongs to it, its end does not."""
    add_error(target, LONG_AGO, category="authentication", severity="high", message="bad password")
    add_error(target, LONG_AGO + timedelta(hours=5), function="vibe-analyzer")
    add_error(target, DAY_LONG_AGO[1], severity="critical")
    for action in ("get_error_analytics", "get_error_trends", "get_errors"):
        body = contract.request_body("error-tracking", action, period=DAY_LONG_AGO)
        answer = contract.parse_answer("error-tracking", action, twin.post("error-tracking", body, LEGACY).content)
        assert contract.echoed(answer, DAY_LONG_AGO), action

    analytics: models.ErrorAnalytics = twin.ask("error-tracking", "get_error_analytics", period=DAY_LONG_AGO)
    assert analytics.total_errors == 2
    assert analytics.by_category == {"authentication": 1, "network": 1}
    assert analytics.by_severity == {"high": 1, "low": 1}
    assert analytics.by_function == {"trust-scorer": 1, "vibe-analyzer": 1}
    assert {(top.message, top.count) for top in analytics.top_messages} == {("bad password", 1), ("m", 1)}


def test_errors_appear_in_the_analytics_and_disappear(twin: Twin, target: psycopg.Connection[Any]) -> None:
    """The count follows the rows, in a period that nothing else writes to."""
    assert twin.ask("error-tracking", "get_error_analytics", period=DAY_LONG_AGO).total_errors == 0
    new = add_error(target, LONG_AGO)
    assert twin.ask("error-tracking", "get_error_analytics", period=DAY_LONG_AGO).total_errors == 1
    target.execute("DELETE FROM public.error_logs WHERE id = %(id)s", {"id": new})
    assert twin.ask("error-tracking", "get_error_analytics", period=DAY_LONG_AGO).total_errors == 0


def test_trends_come_by_the_hour_or_by_the_day_with_empty_buckets(twin: Twin, target: psycopg.Connection[Any]) -> None:
    """A silence is a trend too: a bucket without errors is there, with a zero."""
    add_error(target, LONG_AGO + timedelta(hours=5, minutes=30), severity="high")
    add_error(target, LONG_AGO + timedelta(hours=5, minutes=40))
    day = twin.ask("error-tracking", "get_error_trends", period=DAY_LONG_AGO)
    week = twin.ask("error-tracking", "get_error_trends", period=(LONG_AGO, LONG_AGO + timedelta(days=7)))
    assert (day.bucket, len(day.trend), day.total_errors) == ("hour", 24, 2)
    assert [(bucket.start, bucket.by_severity) for bucket in day.trend if bucket.total] == [
        (LONG_AGO + timedelta(hours=5), {"high": 1, "low": 1})
    ]
    assert (week.bucket, [bucket.total for bucket in week.trend]) == ("day", [2, 0, 0, 0, 0, 0, 0])


def test_get_errors_filters_and_counts_beyond_its_hundred_rows(twin: Twin, target: psycopg.Connection[Any]) -> None:
    """The guide's question for failed logins (G69): the newest hundred rows, and how many there are in all."""
    for second in range(103):
        add_error(target, LONG_AGO + timedelta(seconds=second), category="authentication", severity="high")
    add_error(target, LONG_AGO, category="authentication", severity="low")
    add_error(target, LONG_AGO, category="database", severity="high")
    filters = {"category": "authentication", "severity": "high"}
    found = twin.ask("error-tracking", "get_errors", period=DAY_LONG_AGO, filters=filters)
    assert (found.total, len(found.errors)) == (103, 100)
    assert {(error.category, error.severity, error.ip_address) for error in found.errors} == {
        ("authentication", "high", "192.0.2.7")
    }
    assert found.errors[0].timestamp == LONG_AGO + timedelta(seconds=102)
    assert twin.ask("error-tracking", "get_errors", period=DAY_LONG_AGO).total == 105


# keys ------------------------------------------------------------------------------------------------------


def _expired() -> str:
    return keys.legacy_key(SECRET, now=datetime.now(UTC) - keys.TEN_YEARS - timedelta(days=1))


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "UNAUTHORIZED_NO_AUTH_HEADER"),
        (NEW, "UNAUTHORIZED_NO_AUTH_HEADER"),
        ({"Authorization": f"Bearer {SECRET_KEY}"}, "UNAUTHORIZED_INVALID_JWT_FORMAT"),
        ({"Authorization": LEGACY_KEY}, "UNAUTHORIZED_INVALID_JWT_FORMAT"),
        ({"Authorization": f"Bearer {keys.legacy_key(SECRET[::-1])}"}, "UNAUTHORIZED_LEGACY_JWT"),
        ({"Authorization": f"Bearer {_expired()}"}, "UNAUTHORIZED_LEGACY_JWT"),
    ],
)
def test_with_verify_jwt_the_gateway_refuses_all_but_a_valid_legacy_key(
    twin: Twin, headers: dict[str, str], code: str
) -> None:
    """The platform looks at Authorization only, where an sb_secret key, which is no JWT, cannot pass (X2)."""
    answer = twin.post("production-monitoring", {"action": "health_check"}, headers)
    assert (answer.status_code, answer.headers["sb-error-code"], answer.json()["code"]) == (401, code, code)
    assert answer.json()["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"apikey": "sb_secret_of-someone-else"},
        {"Authorization": f"Bearer {SECRET_KEY}"},
        {"apikey": keys.legacy_key(SECRET[::-1])},
        {"apikey": _expired()},
        {"apikey": "", "Authorization": "Bearer "},
    ],
)
def test_without_verify_jwt_the_function_refuses_what_it_does_not_know(twin: Twin, headers: dict[str, str]) -> None:
    """The refusal is the function's own, so it has the function's shape and no sb-error-code."""
    answer = twin.post("error-tracking", {"action": "get_errors"}, headers)
    assert answer.status_code == 401
    assert answer.json()["success"] is False
    assert "sb-error-code" not in answer.headers


@pytest.mark.parametrize("headers", [LEGACY, NEW, {"Authorization": f"Bearer {LEGACY_KEY}"}, {"apikey": LEGACY_KEY}])
def test_without_verify_jwt_both_forms_of_key_pass(twin: Twin, headers: dict[str, str]) -> None:
    """A legacy key in either header, or the secret key in apikey."""
    assert twin.post("error-tracking", {"action": "get_errors"}, headers).status_code == 200


def test_verify_jwt_can_be_set_per_function(twin_dsn: str, tmp_path: Path) -> None:
    """A platform with sb_secret keys only turns it off everywhere; then both forms pass everywhere."""
    with running(twin_dsn, tmp_path, UPKEEP_TWIN_VERIFY_JWT='{"production-monitoring": false}') as twin:
        for headers in (NEW, LEGACY):
            answer = twin.post("production-monitoring", {"action": "health_check"}, headers)
            assert answer.status_code == 200, answer.text


def test_keys_have_supabases_shapes() -> None:
    """A legacy key carries iat and exp ten years apart, from which its age is told; a secret key says nothing."""
    claims = jwt.decode(LEGACY_KEY, options={"verify_signature": False})
    assert (claims["iss"], claims["role"]) == ("supabase", "service_role")
    assert claims["exp"] - claims["iat"] == keys.TEN_YEARS.total_seconds()
    assert SECRET_KEY.startswith("sb_secret_")


def test_no_key_is_written_to_the_log(twin: Twin) -> None:
    """The access log has the request line and nothing of its headers."""
    twin.post("error-tracking", {"action": "get_errors"}, LEGACY | NEW)
    twin.post("production-monitoring", {"action": "health_check"}, LEGACY)
    log = twin.log.read_text(encoding="utf-8")
    assert "POST /functions/v1/error-tracking" in log
    assert LEGACY_KEY not in log
    assert SECRET_KEY not in log


# failures --------------------------------------------------------------------------------------------------


def test_an_unknown_function_is_the_gateways_404(twin: Twin) -> None:
    """A function that is not deployed is not a function that is healthy."""
    answer = twin.post("trust-scorer", {"action": "health_check"}, LEGACY)
    assert (answer.status_code, answer.headers["sb-error-code"], answer.json()["code"]) == (404, *["NOT_FOUND"] * 2)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"action": "reboot"}, "reboot"),
        ({}, "action"),
        ("{", "JSON"),
        ({"action": "get_error_trends"}, "time_window"),
        ({"action": "get_errors", "filters": {"sevrity": "high"}}, "sevrity"),
        ({"action": "get_errors", "start": "2025-01-05T02:00:00Z"}, "both start and end"),
    ],
)
def test_a_request_the_function_does_not_know_is_a_400(twin: Twin, body: Any, said: str) -> None:
    """The body says what was wrong, in the function's own shape."""
    answer = twin.post("error-tracking", body, LEGACY)
    assert answer.status_code == 400
    assert answer.json()["success"] is False
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        ("http_500", 500, "WORKER_ERROR"),
        ("success_false", 200, "the database is not reachable"),
        ("truncated", 200, "found JSON that breaks off"),
        ("html", 200, "found HTML"),
    ],
)
def test_each_fault_is_seen_and_then_gone(twin: Twin, fault: str, status: int, said: str) -> None:
    """Faults are read at each request, hit their function only, and never parse as an answer."""
    with twin.fault("error-tracking", fault):
        answer = twin.post("error-tracking", {"action": "get_errors"}, LEGACY)
        twin.ask("production-monitoring", "health_check")
    assert answer.status_code == status
    with pytest.raises(contract.ContractError, match=said):
        contract.parse_answer("error-tracking", "get_errors", answer.content)
    twin.ask("error-tracking", "get_errors")


def test_the_fault_never_does_not_answer_while_others_are_served(twin: Twin) -> None:
    """The caller's own timeout has to end it, and meanwhile the twin is not blocked."""
    with twin.fault("error-tracking", "never"):
        with pytest.raises(requests.ReadTimeout):
            twin.post("error-tracking", {"action": "get_errors"}, LEGACY, timeout=1)
        twin.ask("production-monitoring", "health_check")


def test_a_misspelt_fault_is_not_silently_none(twin: Twin) -> None:
    """A test that believes it shows a fault must not pass without one."""
    with twin.fault("error-tracking", "http_50"):
        assert twin.post("error-tracking", {"action": "get_errors"}, LEGACY).status_code == 500
    assert "found the fault 'http_50'" in twin.log.read_text(encoding="utf-8")


def test_a_database_that_is_gone_is_a_worker_error(twin_dsn: str, tmp_path: Path) -> None:
    """What breaks inside a function comes out as the platform's 500, and is told in the log."""
    nowhere = psycopg.conninfo.make_conninfo(twin_dsn, dbname="nowhere")
    with running(nowhere, tmp_path) as twin:
        answer = twin.post("production-monitoring", {"action": "health_check"}, LEGACY)
    assert (answer.status_code, answer.json()["code"]) == (500, "WORKER_ERROR")
    assert '"nowhere" does not exist' in twin.log.read_text(encoding="utf-8")


# the contract ----------------------------------------------------------------------------------------------


def test_the_published_contract_has_not_drifted(twin: Twin) -> None:
    """docs/functions.openapi.json is what this twin serves; ``python -m sandbox.twin.openapi`` writes it anew."""
    published = (ROOT / "docs" / "functions.openapi.json").read_text(encoding="utf-8")
    assert published == openapi.document()
    assert json.loads(published) == requests.get(f"{twin.url}/openapi.json", timeout=10).json()


def test_the_published_contract_names_every_action_and_both_keys() -> None:
    """Requests are told apart by their action, and the document says how to authenticate."""
    document = json.loads(openapi.document())
    for function, actions in contract.FUNCTIONS.items():
        operation = document["paths"][f"/functions/v1/{function}"]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert set(schema["discriminator"]["mapping"]) == set(actions)
        assert {name for entry in operation["security"] for name in entry} == {"legacy_key", "apikey"}
        assert {"200", "400", "401", "404", "500", "default"} == set(operation["responses"])
