"""The guide's expected database metrics (G45-G48) on a real PostgreSQL: each fires and falls silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from sandbox.postgres import Cluster
from tests.stages.sessions import until
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import find
from upkeep.core.findings import Finding, Level
from upkeep.settings.load import Settings, settings
from upkeep.wires import database

NOW = datetime(2026, 1, 4, 2, tzinfo=UTC)

LookAt = Callable[..., dict[str, Finding]]


@pytest.fixture
def admin(target_dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """The superuser in the seeded database."""
    with psycopg.connect(target_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def look(cluster: Cluster, role_passwords: dict[str, str], admin: psycopg.Connection[Any]) -> LookAt:
    """Look as the read role with the project's own grants; findings by key."""
    name = admin.info.dbname
    admin.execute(database.script("setup/target_grants", role="upkeep_read", database=name).encode())
    reader = cluster.dsn(name, "upkeep_read", role_passwords["upkeep_read"])

    def at(answered: Mapping[tuple[str, str], float] | None = None, **limits: Any) -> dict[str, Finding]:
        config = limited(**limits)
        with database.session(lambda: psycopg.connect(reader), config.maintenance.sql, read_only=True) as session:
            one = Look(session, config, NOW, answered=answered or {})
            found = carry_out(find("database_expectations"), one)
        return {finding.key: finding for finding in found.findings}

    return at


def limited(**limits: Any) -> Settings:
    """The shipped settings with some limits of single checks replaced."""
    config = settings()
    changed = config.maintenance.checks.model_copy(update=limits)
    return config.model_copy(update={"maintenance": config.maintenance.model_copy(update={"checks": changed})})


def flush(connection: psycopg.Connection[Any]) -> None:
    """Make the statistics of this session's work visible to others now."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    connection.execute("SELECT 1")


@pytest.mark.guide("G5", "G45", "fires", "silent")
def test_query_response_fires_on_slow_statements_and_falls_silent(look: LookAt, admin: psycopg.Connection[Any]) -> None:
    """G45: a mean of more than 100 ms is a warning; after a reset and quick statements it is ok."""
    reset = "SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()), 0)"
    admin.execute(reset)
    admin.execute("SELECT pg_sleep(3)")
    slow = look()["expectation:query_response:sql"]
    assert (slow.level, slow.guide) == (Level.WARNING, "G45")
    admin.execute(reset)
    for _ in range(50):
        admin.execute("SELECT 1")
    assert look()["expectation:query_response:sql"].level is Level.OK


@pytest.mark.guide("G45", "fires", "silent")
def test_query_response_without_the_extension_is_unknown(look: LookAt, admin: psycopg.Connection[Any]) -> None:
    """Without pg_stat_statements nothing is known, and the reason is said; with it the value is back."""
    admin.execute("DROP EXTENSION pg_stat_statements")
    missing = look()["expectation:query_response:sql"]
    assert missing.level is Level.UNKNOWN
    assert "pg_stat_statements" in missing.detail
    admin.execute('CREATE SCHEMA "Some Schema"; CREATE EXTENSION pg_stat_statements SCHEMA "Some Schema"')
    hidden = look()["expectation:query_response:sql"]
    assert hidden.level is Level.UNKNOWN
    assert "'Some Schema'" in hidden.detail
    admin.execute('GRANT USAGE ON SCHEMA "Some Schema" TO upkeep_read')
    assert look()["expectation:query_response:sql"].level is not Level.UNKNOWN


@pytest.mark.guide("G5", "G48", "fires", "silent")
def test_index_usage_fires_on_sequential_scans_and_falls_silent(look: LookAt, admin: psycopg.Connection[Any]) -> None:
    """G48: sequential scans of a large table are a warning, index scans bring it back; small tables do not count."""
    admin.execute("SELECT pg_stat_reset()")
    admin.execute("ANALYZE")  # the reset forgot how many rows are live
    for _ in range(20):
        admin.execute("SELECT count(*) FROM application_logs WHERE path = 'nowhere'")
    flush(admin)
    bad = look()["expectation:index_usage:sql"]
    assert (bad.level, bad.guide) == (Level.WARNING, "G48")
    unseen = look(index_usage_rows=10_000_000)["expectation:index_usage:sql"]
    assert unseen.level is Level.UNKNOWN and "not collected: the server has counted nothing yet" in unseen.detail
    for number in range(400):
        admin.execute("SELECT 1 FROM application_logs WHERE id = %s", [number])
    flush(admin)
    assert look()["expectation:index_usage:sql"].level is Level.OK


@pytest.mark.guide("G47", "fires", "silent")
def test_cache_hit_ratio_fires_on_reads_from_disk_and_falls_silent(
    look: LookAt, admin: psycopg.Connection[Any]
) -> None:
    """G47: a table too large for the cache, read whole, is a warning; reads from memory bring it back."""
    admin.execute("CREATE TABLE wide AS SELECT repeat(md5(n::text), 60) AS text FROM generate_series(1, 20000) AS n")
    (blocks,) = admin.execute("SELECT pg_relation_size('wide') / 8192").fetchone() or (0,)
    (cached,) = admin.execute("SELECT setting::int FROM pg_settings WHERE name = 'shared_buffers'").fetchone() or (0,)
    assert blocks > cached / 4  # from there on a scan keeps next to nothing of the table in the cache
    admin.execute("SELECT pg_stat_reset()")
    for _ in range(5):
        admin.execute("SELECT count(*) FROM wide")
    flush(admin)
    bad = look()["expectation:cache_hit_ratio:sql"]
    assert (bad.level, bad.guide) == (Level.WARNING, "G47")
    row = admin.execute(
        "SELECT 100.0 * blks_hit / (blks_hit + blks_read) FROM pg_stat_database WHERE datname = current_database()"
    ).fetchone()
    assert row is not None
    assert abs(bad.metadata["value"] - float(row[0])) < 5
    admin.execute("SELECT pg_stat_reset()")
    for _ in range(400):
        admin.execute("SELECT count(*) FROM application_logs")
    flush(admin)
    assert look()["expectation:cache_hit_ratio:sql"].level is Level.OK


@pytest.mark.guide("G46", "fires", "silent")
def test_pool_usage_is_not_collected_behind_a_pooler(look: LookAt) -> None:
    """G46: config says that a pooler stands before the server, then SQL cannot know; without one it can."""
    behind = look(pool_usage_sql="none")["expectation:pool_usage:sql"]
    assert behind.level is Level.UNKNOWN
    assert "checks.pool_usage_sql" in behind.detail
    assert look(pool_usage_sql="client_backends")["expectation:pool_usage:sql"].level is Level.OK


@pytest.mark.guide("G46", "fires", "silent")
def test_pool_usage_fires_when_connections_are_held(
    look: LookAt, cluster: Cluster, admin: psycopg.Connection[Any]
) -> None:
    """G46: beyond 60 % of what clients can have is a warning, until they are given back."""
    held = [psycopg.connect(cluster.dsn(admin.info.dbname)) for _ in range(62)]
    try:
        assert look()["expectation:pool_usage:sql"].level is Level.WARNING
    finally:
        for connection in held:
            connection.close()
    until(lambda: look()["expectation:pool_usage:sql"].level is Level.OK)


@pytest.mark.guide("G47", "fires", "silent")
def test_disagreement_fires_and_falls_silent(look: LookAt, admin: psycopg.Connection[Any]) -> None:
    """A difference of 25 % of the limit, or another judgement, is a finding of its own; no answer is none."""
    for _ in range(400):
        admin.execute("SELECT count(*) FROM application_logs")
    flush(admin)
    measured = look()["expectation:cache_hit_ratio:sql"].metadata["value"]
    key = ("expectation:cache_hit_ratio", "function")
    assert "expectation:cache_hit_ratio:disagreement" not in look()
    assert "expectation:cache_hit_ratio:disagreement" not in look({key: measured - 5})
    assert "expectation:cache_hit_ratio:disagreement" in look({key: 89.9})
    finding = look({key: measured - 30})["expectation:cache_hit_ratio:disagreement"]
    assert finding.level is Level.WARNING
    assert "by the function" in finding.detail
