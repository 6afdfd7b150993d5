"""The functions twin as it runs: a process of its own, over HTTP, on a real PostgreSQL."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import psycopg
import pytest
import requests

from sandbox.twin import keys, openapi
from sandbox.twin.answers import HOST
from tests.stages.examples import example
from tests.stages.twin import (
    LEGACY,
    LEGACY_KEY,
    LONG_AGO,
    SECRET,
    SECRET_KEY,
    Twin,
    add_consent,
    add_requests,
    delete_requests,
    running,
)
from tests.stages.twin import platform as platform  # noqa: PLC0414  # a fixture
from tests.stages.twin import target as target  # noqa: PLC0414  # a fixture
from tests.stages.twin import twin as twin  # noqa: PLC0414  # a fixture
from tests.stages.twin import twin_dsn as twin_dsn  # noqa: PLC0414  # a fixture
from upkeep.settings.base import ROOT
from upkeep.wires.functions import contract, database_models, models

NEW = {"apikey": SECRET_KEY}

DAY_LONG_AGO = (LONG_AGO, LONG_AGO + timedelta(days=1))


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


@pytest.mark.guide("G10", "X6", "holds")
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


@pytest.mark.guide("G69", "holds")
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


@pytest.mark.parametrize("function", [name for name in contract.FUNCTIONS if name != "production-monitoring"])
def test_a_functions_own_health_follows_its_own_requests(
    twin: Twin, target: psycopg.Connection[Any], function: str
) -> None:
    """What fails in one function is that function's illness, until it is gone."""
    others = set(contract.FUNCTIONS) - {function, "production-monitoring"}
    before = twin.ask(function, "health_check").overall_health_percent
    beside = twin.ask(min(others), "health_check").overall_health_percent
    ids = add_requests(target, count=2_000, status=500, milliseconds=100, function=function)
    try:
        assert twin.ask(function, "health_check").overall_health_percent < 50 < before
        assert twin.ask(min(others), "health_check").overall_health_percent == pytest.approx(beside, abs=1)
    finally:
        delete_requests(target, ids)
    assert twin.ask(function, "health_check").overall_health_percent == pytest.approx(before, abs=1)


# database-scalability --------------------------------------------------------------------------------------


def number(target: psycopg.Connection[Any], statement: str) -> float:
    """The one number that a statement gives."""
    row = target.execute(statement.encode()).fetchone()
    assert row is not None
    return float(row[0])


def tell_statistics(target: psycopg.Connection[Any]) -> None:
    """PostgreSQL tells others only once in a second what a session did; now it does at once."""
    target.execute("SELECT pg_stat_force_next_flush()")


def scalability(twin: Twin, scope: str) -> models.AnswerPart:
    """The scalability report of one scope."""
    report: models.AnswerPart = twin.ask("database-scalability", "scalability_report", report_scope=scope)
    return report


@contextmanager
def without_statements(target: psycopg.Connection[Any]) -> Iterator[None]:
    """A database that has not the extension pg_stat_statements."""
    target.execute("DROP EXTENSION pg_stat_statements")
    try:
        yield
    finally:
        target.execute("CREATE EXTENSION pg_stat_statements")


RESET = "SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()), 0)"


def test_the_expected_metrics_are_what_the_database_says(twin: Twin, target: psycopg.Connection[Any]) -> None:
    """G45-G48 from statements of the test's own; the report of one scope tells nothing of the other."""
    tell_statistics(target)
    report = scalability(twin, "performance")
    assert report.model_fields_set == {
        "report_scope",
        "query_response_ms",
        "pool_usage_percent",
        "cache_hit_ratio_percent",
        "index_usage_percent",
    }
    own = "dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
    mean = number(target, f"SELECT sum(total_exec_time) / sum(calls) FROM pg_stat_statements WHERE {own}")
    hits = number(
        target,
        "SELECT 100.0 * blks_hit / (blks_hit + blks_read) FROM pg_stat_database WHERE datname = current_database()",
    )
    usage = number(
        target,
        "SELECT 100 * sum(idx_scan) / sum(idx_scan + seq_scan) FROM pg_stat_user_tables WHERE n_live_tup >= 1000",
    )
    assert report.query_response_ms == pytest.approx(mean, rel=0.2)
    assert report.cache_hit_ratio_percent == pytest.approx(hits, abs=2)
    assert report.index_usage_percent == pytest.approx(usage, abs=2)


def test_a_slow_statement_raises_the_mean_until_it_is_forgotten(twin: Twin, target: psycopg.Connection[Any]) -> None:
    """The mean, the analysis and the slow statements all see it, with a parameter in the place of its literal."""
    target.execute(RESET)
    before = scalability(twin, "performance").query_response_ms
    target.execute("SELECT pg_sleep(3), 'a secret'")
    analysis = twin.ask("database-scalability", "performance_analysis", time_window="24h")
    slow = twin.ask("database-scalability", "query_optimization", query_filters={"min_duration": 2500})
    assert scalability(twin, "performance").query_response_ms > before
    assert analysis.query_response_ms > before
    assert analysis.slowest_statements[0].query == slow.statements[0].query == "SELECT pg_sleep($1), $2"
    assert (slow.total, slow.statements[0].calls) == (1, 1)
    assert slow.statements[0].mean_ms >= 3000
    above = twin.ask("database-scalability", "query_optimization", query_filters={"min_duration": 60_000})
    assert (above.total, above.statements) == (0, [])
    target.execute(RESET)
    forgotten = twin.ask("database-scalability", "query_optimization", query_filters={"min_duration": 2500})
    assert forgotten.total == 0


def test_no_literal_of_any_statement_is_told(twin: Twin, target: psycopg.Connection[Any]) -> None:
    """Utility statements keep their literals in pg_stat_statements: a password is one of them."""
    target.execute(RESET)
    target.execute("COMMENT ON TABLE public.error_logs IS 'hunter2 /* of */ someone@example.org'")
    kept = "SELECT count(*) FROM pg_stat_statements WHERE query LIKE 'COMMENT%hunter2%'"
    assert number(target, kept) == 1
    told = twin.ask("database-scalability", "query_optimization", query_filters={"min_duration": 0})
    assert "COMMENT ON TABLE public.error_logs IS ?" in [statement.query for statement in told.statements]
    assert "hunter2" not in told.model_dump_json()


def test_without_the_extension_statements_are_null_and_the_rest_is_told(
    twin: Twin, target: psycopg.Connection[Any]
) -> None:
    """Not measurable is not zero, and comes back with the extension."""
    with without_statements(target):
        report = scalability(twin, "performance")
        analysis = twin.ask("database-scalability", "performance_analysis", time_window="24h")
        slow = twin.ask("database-scalability", "query_optimization", query_filters={"min_duration": 0})
    assert report.query_response_ms is None
    assert report.cache_hit_ratio_percent > 0
    assert (analysis.query_response_ms, analysis.slowest_statements, analysis.statistics_since) == (None, None, None)
    assert analysis.connections_percent > 0
    assert (slow.total, slow.statements) == (None, None)
    target.execute("SELECT 1")
    assert scalability(twin, "performance").query_response_ms is not None


def test_index_usage_falls_with_tables_that_are_read_whole(twin: Twin, target: psycopg.Connection[Any]) -> None:
    """Enough scans of one table make it a recommendation; small tables are rightly read whole and count nowhere."""
    before = scalability(twin, "performance").index_usage_percent
    target.execute("CREATE TABLE public.read_whole AS SELECT i FROM generate_series(1, 2000) AS i")
    target.execute("CREATE TABLE public.small AS SELECT i FROM generate_series(1, 900) AS i")
    try:
        for _ in range(150):
            target.execute("SELECT count(*) FROM public.read_whole")
            target.execute("SELECT count(*) FROM public.small")
        tell_statistics(target)
        during = scalability(twin, "performance").index_usage_percent
        missing = recommended(twin).missing
    finally:
        target.execute("DROP TABLE public.read_whole, public.small")
    assert during < before
    [found] = [one for one in missing if one.table in ("public.read_whole", "public.small")]
    assert (found.table, found.seq_scans, found.live_rows) == ("public.read_whole", 150, 2000)
    assert "read whole 150 times" in found.reason
    assert scalability(twin, "performance").index_usage_percent > during
    assert "public.read_whole" not in {one.table for one in recommended(twin).missing}


def recommended(twin: Twin, *tables: str) -> database_models.IndexRecommendations:
    """The recommendations for some tables, or for all."""
    filters = {"include_tables": list(tables)} if tables else {}
    answer: database_models.IndexRecommendations = twin.ask(
        "database-scalability", "index_recommendations", table_filters=filters
    )
    return answer


def test_a_foreign_key_without_index_is_recommended_until_it_has_one(
    twin: Twin, target: psycopg.Connection[Any]
) -> None:
    """An index led by other columns, or one of some rows only, does not serve it; its own order is free."""
    target.execute("CREATE TABLE public.a (x int, y int, PRIMARY KEY (x, y))")
    target.execute('CREATE TABLE public."B" (z int, y int, x int, FOREIGN KEY (x, y) REFERENCES public.a)')
    try:
        [missing] = recommended(twin, "B").missing
        assert (missing.table, missing.columns) == ("public.B", ["x", "y"])
        assert "foreign key" in missing.reason
        target.execute('CREATE INDEX ON public."B" (z, x, y)')
        target.execute('CREATE INDEX ON public."B" (x, y) WHERE z > 0')
        target.execute('CREATE INDEX ON public."B" (x) INCLUDE (y)')
        assert len(recommended(twin, "B").missing) == 1
        target.execute('CREATE INDEX ON public."B" (y, x, z)')
        assert recommended(twin, "public.B").missing == []
    finally:
        target.execute('DROP TABLE public."B", public.a')


def test_an_unused_index_is_told_until_it_is_used(twin: Twin, target: psycopg.Connection[Any]) -> None:
    """Keys are never recommended to go, and what was not asked about is not told."""
    answer = recommended(twin, "user_consents")
    assert answer.tables == ["public.user_consents"]
    [unused] = [one for one in answer.unused if one.index == "user_consents_policy_version_idx"]
    assert unused.size_bytes > 0
    assert not [one for one in recommended(twin).unused if one.index.endswith("_pkey")]
    assert recommended(twin, "error_logs", "no_such_table").tables == ["public.error_logs"]
    with target.transaction():
        target.execute("SET LOCAL enable_seqscan = off")
        target.execute("SELECT count(*) FROM public.user_consents WHERE policy_version = '2023-1'")
    tell_statistics(target)
    assert unused.index not in {one.index for one in recommended(twin, "user_consents").unused}


def test_dead_rows_appear_and_are_gone_after_vacuum(twin: Twin, target: psycopg.Connection[Any]) -> None:
    """A table whose rows are all dead is the worst case and must not be missing."""

    def dead() -> tuple[int, dict[str, int]]:
        analysis = twin.ask("database-scalability", "performance_analysis", time_window="24h")
        return analysis.dead_rows, {table.table: table.dead_rows for table in analysis.tables}

    target.execute("CREATE TABLE public.all_dead (i int) WITH (autovacuum_enabled = false)")
    try:
        target.execute("INSERT INTO public.all_dead SELECT generate_series(1, 5000)")
        target.execute("DELETE FROM public.all_dead")
        tell_statistics(target)
        total, tables = dead()
        assert total >= tables["public.all_dead"] == 5000
        target.execute("VACUUM public.all_dead")
        tell_statistics(target)
        assert dead()[1].get("public.all_dead", 0) == 0
    finally:
        target.execute("DROP TABLE public.all_dead")


def test_connections_are_counted_in_every_answer_that_tells_them(twin: Twin, target: psycopg.Connection[Any]) -> None:
    """Four answers, one number; above three quarters the platform advises pooling, and then no more (G95)."""

    def told() -> list[float]:
        metrics = twin.ask("database-scalability", "database_metrics", metrics_type="capacity")
        return [
            scalability(twin, "performance").pool_usage_percent,
            scalability(twin, "capacity").connections_percent,
            twin.ask("database-scalability", "performance_analysis", time_window="24h").connections_percent,
            100 * metrics.connections / metrics.available_connections,
        ]

    metrics = twin.ask("database-scalability", "database_metrics", metrics_type="capacity")
    assert metrics.max_connections == number(target, "SELECT current_setting('max_connections')::int")
    assert metrics.available_connections == metrics.max_connections - 3
    before = told()
    with ExitStack() as sessions:
        for _ in range(75):
            sessions.enter_context(psycopg.connect(target.info.dsn, password=target.info.password))
        during = told()
        advised = advice(scalability(twin, "capacity"))
    assert [high - low for low, high in zip(before, during, strict=True)] == pytest.approx([75 / 0.97] * 4, abs=5)
    assert "connection pooling" in advised["connections"]
    assert "connections" not in advice(scalability(twin, "capacity"))


def advice(report: models.AnswerPart) -> dict[str, str]:
    """What a report advises, by trigger."""
    return {one.trigger: one.advice for one in report.recommendations}


def test_slow_and_failing_requests_are_advised_about_until_they_are_gone(
    twin: Twin, target: psycopg.Connection[Any]
) -> None:
    """G96, G97: response time against the four weeks before, error rate over 1 %."""
    quiet = scalability(twin, "capacity")
    assert advice(quiet).keys().isdisjoint({"response_time", "error_rate"})
    assert quiet.response_time_percent_of_baseline == pytest.approx(
        100 * quiet.response_time_ms / quiet.response_time_baseline_ms
    )
    ids = add_requests(target, count=5_000, status=500, milliseconds=2_000)
    try:
        loud = scalability(twin, "capacity")
    finally:
        delete_requests(target, ids)
    assert advice(loud).keys() >= {"response_time", "error_rate"}
    assert loud.response_time_percent_of_baseline > 150
    assert loud.response_time_baseline_ms == pytest.approx(quiet.response_time_baseline_ms, rel=0.02)
    assert loud.error_rate_percent > 1
    assert advice(scalability(twin, "capacity")).keys().isdisjoint({"response_time", "error_rate"})


def test_sizes_follow_the_data(twin: Twin, target: psycopg.Connection[Any]) -> None:
    """G90: a table that grows is in its own size and in the database's."""

    def sizes() -> tuple[int, dict[str, tuple[int, int]]]:
        metrics = twin.ask("database-scalability", "database_metrics", metrics_type="capacity")
        tables = {table.table: (table.total_bytes, table.index_bytes) for table in metrics.table_sizes}
        return metrics.database_size_bytes, tables

    before, tables = sizes()
    assert "public.Grown" not in tables
    target.execute('CREATE TABLE public."Grown" AS SELECT repeat(md5(i::text), 9) FROM generate_series(1, 9000) AS i')
    try:
        during, tables = sizes()
    finally:
        target.execute('DROP TABLE public."Grown"')
    total, index = tables["public.Grown"]
    assert (total > 2_000_000, index) == (True, 0)
    assert list(tables.values()) == sorted(tables.values(), key=lambda pair: -pair[0])
    assert during - before >= total
    assert "public.Grown" not in sizes()[1]


def test_the_share_of_the_storage_needs_a_configured_size(twin: Twin, twin_dsn: str, tmp_path: Path) -> None:
    """G98: no database knows what its plan allows; the share is null, or advised about above 80 %."""
    unknown = scalability(twin, "capacity")
    assert unknown.storage_used_bytes > 0
    assert (unknown.storage_capacity_bytes, unknown.storage_used_percent) == (None, None)
    assert "storage" not in advice(unknown)
    for share, advised in ((95, True), (60, False)):  # far from 80: the database lives, autovacuum may shrink it
        capacity = unknown.storage_used_bytes * 100 // share
        with running(twin_dsn, tmp_path, UPKEEP_TWIN_STORAGE_BYTES=str(capacity)) as known:
            report = scalability(known, "capacity")
        assert report.storage_capacity_bytes == capacity
        assert report.storage_used_percent == pytest.approx(100 * report.storage_used_bytes / capacity, abs=0.01)
        assert ("storage" in advice(report)) is advised


# gdpr-compliance -------------------------------------------------------------------------------------------


def compliance(twin: Twin, **arguments: Any) -> database_models.ComplianceReport:
    """The compliance report of a period."""
    report: database_models.ComplianceReport = twin.ask(
        "gdpr-compliance", "compliance_report", report_type="monthly", **arguments
    )
    return report


def test_consents_are_counted_in_the_period_and_the_period_is_echoed(
    twin: Twin, target: psycopg.Connection[Any]
) -> None:
    """Given in the period, taken back in the period: two different things; its end does not belong to it."""
    body = contract.request_body("gdpr-compliance", "compliance_report", period=DAY_LONG_AGO, report_type="monthly")
    content = twin.post("gdpr-compliance", body, LEGACY).content
    assert contract.echoed(contract.parse_answer("gdpr-compliance", "compliance_report", content), DAY_LONG_AGO)

    nothing = compliance(twin, period=DAY_LONG_AGO)
    assert set(nothing.consents) == {"analytics", "marketing", "processing", "third_party"}
    assert {(counts.granted, counts.withdrawn) for counts in nothing.consents.values()} == {(0, 0)}
    add_consent(target, granted=True, given=LONG_AGO, taken=None)
    add_consent(target, granted=False, given=LONG_AGO, taken=LONG_AGO + timedelta(hours=1))
    add_consent(target, granted=False, given=LONG_AGO - timedelta(days=9), taken=DAY_LONG_AGO[1])
    counts = compliance(twin, period=DAY_LONG_AGO).consents["marketing"]
    assert (counts.granted, counts.withdrawn) == (2, 1)


def test_without_a_period_the_report_is_about_the_last_thirty_days(twin: Twin) -> None:
    """The guide's own request names no time at all."""
    report = compliance(twin)
    assert report.period is not None
    assert report.period.end - report.period.start == timedelta(days=30)
    assert report.period.end - datetime.now(UTC) < timedelta(minutes=1)
    assert sum(counts.granted for counts in report.consents.values()) > 0
    assert report.processing_records is not None
    assert report.processing_records > 1_000


@pytest.mark.parametrize("basis", ["", "  "])
def test_processing_without_legal_basis_is_found_until_it_is_gone(
    twin: Twin, target: psycopg.Connection[Any], basis: str
) -> None:
    """A blank basis passes NOT NULL and is none all the same."""
    assert compliance(twin, period=DAY_LONG_AGO).processing_records == 0
    for value in (basis, "consent"):
        target.execute(
            """INSERT INTO public.data_processing_logs (operation, legal_basis, data_categories, processor, created_at)
               VALUES ('export', %(basis)s, '{profile}', 'trust-scorer', %(when)s)""",
            {"basis": value, "when": LONG_AGO},
        )
    report = compliance(twin, period=DAY_LONG_AGO)
    assert (report.processing_records, report.processing_without_legal_basis) == (2, 1)
    [found] = report.findings
    assert (found.rule, found.count, found.detail) == ("processing_without_legal_basis", 1, "by trust-scorer")
    target.execute("DELETE FROM public.data_processing_logs WHERE created_at < '2019-12-31'")
    report = compliance(twin, period=DAY_LONG_AGO)
    assert (report.processing_without_legal_basis, report.findings) == (0, [])


def test_a_consent_that_holds_though_withdrawn_is_found_until_it_is_gone(
    twin: Twin, target: psycopg.Connection[Any]
) -> None:
    """Such a row contradicts itself whatever the period."""
    assert compliance(twin).findings == []
    add_consent(target, granted=True, given=LONG_AGO, taken=LONG_AGO)
    [found] = compliance(twin).findings
    assert (found.rule, found.count, found.detail) == ("granted_though_withdrawn", 1, "of type marketing")
    target.execute("DELETE FROM public.user_consents WHERE created_at < '2019-12-31'")
    assert compliance(twin).findings == []


def test_the_oldest_row_of_each_log_table_is_told(twin: Twin, target: psycopg.Connection[Any]) -> None:
    """How far back they reach, also for a table that holds nothing."""
    before = compliance(twin).oldest_rows
    assert len(before) == 7
    add_error(target, LONG_AGO)
    assert compliance(twin).oldest_rows == before | {"public.error_logs": LONG_AGO}
    target.execute("DELETE FROM public.error_logs WHERE \"timestamp\" < '2019-12-31'")
    target.execute("ALTER TABLE public.performance_logs RENAME TO kept_away")
    target.execute("CREATE TABLE public.performance_logs (created_at timestamptz)")
    target.execute("GRANT SELECT ON public.performance_logs TO functions_twin")
    try:
        assert compliance(twin).oldest_rows == before | {"public.performance_logs": None}
    finally:
        target.execute("DROP TABLE public.performance_logs")
        target.execute("ALTER TABLE public.kept_away RENAME TO performance_logs")


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


@pytest.mark.guide("X2", "holds")
@pytest.mark.parametrize("headers", [LEGACY, NEW, {"Authorization": f"Bearer {LEGACY_KEY}"}, {"apikey": LEGACY_KEY}])
def test_without_verify_jwt_both_forms_of_key_pass(twin: Twin, headers: dict[str, str]) -> None:
    """A legacy key in either header, or the secret key in apikey."""
    assert twin.post("error-tracking", {"action": "get_errors"}, headers).status_code == 200


@pytest.mark.guide("X2", "holds")
@pytest.mark.parametrize("function", contract.FUNCTIONS)
def test_three_functions_let_the_gateway_check_the_key(twin: Twin, function: str) -> None:
    """There the secret key cannot pass; all take a legacy key."""
    strict = function in ("production-monitoring", "database-scalability", "gdpr-compliance")
    assert twin.post(function, {"action": "health_check"}, NEW).status_code == (401 if strict else 200)
    assert twin.post(function, {"action": "health_check"}, LEGACY).status_code == 200


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
    answer = twin.post("trust-keeper", {"action": "health_check"}, LEGACY)
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


@pytest.mark.guide("X3", "holds")
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


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("http_50", "found the fault 'http_50'"),
        ({"fault": "slow_when_cold", "secnds": 1}, "found the fault {'fault': 'slow_when_cold', 'secnds': 1}"),
        ({"seconds": 1}, "found the fault {'seconds': 1}"),
    ],
)
def test_a_misspelt_fault_is_not_silently_none(twin: Twin, fault: str | dict[str, Any], said: str) -> None:
    """A test that believes it shows a fault must not pass without one."""
    with twin.fault("error-tracking", fault):
        assert twin.post("error-tracking", {"action": "get_errors"}, LEGACY).status_code == 500
    assert said in twin.log.read_text(encoding="utf-8")


def test_a_fault_may_be_an_object(twin: Twin) -> None:
    """With or without options it is the same fault."""
    with twin.fault("error-tracking", {"fault": "http_500"}):
        assert twin.post("error-tracking", {"action": "get_errors"}, LEGACY).status_code == 500


COLD = 3.0  # seconds that the fault adds; what takes less had none of it
NEVER = 600.0  # seconds that no call here lasts: what had none of it answers, on a busy machine too


def test_the_first_call_after_silence_is_slow_and_the_next_is_not(twin: Twin) -> None:
    """A cold start: calls of other functions keep nothing warm, and each silence makes it cold again."""

    def seconds() -> float:
        began = time.monotonic()
        twin.ask("vibe-analyzer", "health_check")
        return time.monotonic() - began

    cold = {"fault": "slow_when_cold", "seconds": COLD, "after_seconds": 3}
    for _ in range(2):
        time.sleep(3.1)
        twin.ask("trust-scorer", "health_check")
        with twin.fault("vibe-analyzer", cold):
            assert seconds() >= COLD
        with twin.fault("vibe-analyzer", cold | {"seconds": NEVER}):
            assert seconds() < NEVER
    time.sleep(3.1)
    assert seconds() < NEVER


def test_slow_when_cold_has_the_guides_ten_minutes_by_default(twin: Twin) -> None:
    """A function that has just been called is warm."""
    twin.ask("vibe-analyzer", "health_check")
    with twin.fault("vibe-analyzer", {"fault": "slow_when_cold", "seconds": NEVER}):
        began = time.monotonic()
        twin.ask("vibe-analyzer", "health_check")
    assert time.monotonic() - began < NEVER


@pytest.mark.parametrize("function", ["database-scalability", "trust-scorer"])
def test_a_key_that_is_shown_as_expired_is_refused_like_one_that_is(twin: Twin, function: str) -> None:
    """Same status, same header, same body as for a key whose time is over; then it passes again."""
    body = {"action": "health_check"}
    real = twin.post(function, body, {"apikey": _expired(), "Authorization": f"Bearer {_expired()}"})
    with twin.fault(function, "expired_key"):
        shown = twin.post(function, body, LEGACY)
    assert (shown.status_code, shown.content) == (real.status_code, real.content)
    assert shown.headers.get("sb-error-code") == real.headers.get("sb-error-code")
    assert shown.status_code == 401
    twin.ask(function, "health_check")


def test_a_database_that_is_gone_is_a_worker_error(twin_dsn: str, tmp_path: Path) -> None:
    """What breaks inside a function comes out as the platform's 500, and is told in the log."""
    nowhere = psycopg.conninfo.make_conninfo(twin_dsn, dbname="nowhere")
    with running(nowhere, tmp_path) as twin:
        answer = twin.post("production-monitoring", {"action": "health_check"}, LEGACY)
    assert (answer.status_code, answer.json()["code"]) == (500, "WORKER_ERROR")
    assert '"nowhere" does not exist' in twin.log.read_text(encoding="utf-8")


# the contract ----------------------------------------------------------------------------------------------


def test_every_action_of_the_contract_is_answered(twin: Twin) -> None:
    """What the guide names anywhere parses with the contract, also after its way over JSON."""
    for function, actions in contract.FUNCTIONS.items():
        for action, shapes in actions.items():
            arguments = {name: value for name, value in example(shapes.request).items() if name != "action"}
            assert twin.ask(function, action, **arguments).model_fields_set, action


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
        if len(actions) == 1:
            assert schema == {"$ref": "#/components/schemas/HealthCheckRequest"}
        else:
            assert set(schema["discriminator"]["mapping"]) == set(actions)
        assert {name for entry in operation["security"] for name in entry} == {"legacy_key", "apikey"}
        assert {"200", "400", "401", "404", "500", "default"} == set(operation["responses"])
