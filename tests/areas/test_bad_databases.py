"""Databases that are not as one would wish: every check answers, or says UNKNOWN with its reason; none fails."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sandbox.ports import free_port
from sandbox.postgres import Cluster
from tests.conftest import database as fresh_database
from tests.stages.platform import Platform, bare, grant, login, platform  # noqa: F401  # two are fixtures
from tests.stages.readers import CLOCKS, CONFIG, found_by_all, reader_of
from tests.stages.standby import standby
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import find
from upkeep.core.findings import Finding, Level
from upkeep.settings.load import Settings
from upkeep.wires import database, pooling, queries

#: Tables of the seed's logs, whose findings depend on the rows alone.
OF_LOGS = (
    "access_patterns",
    "failed_logins",
    "new_addresses",
    "rate_limits",
    "service_role_hours",
    "overnight_alerts",
)


def unknown(found: dict[str, tuple[Finding, ...]]) -> set[str]:
    """Keys of what could not be judged."""
    return {finding.key for each in found.values() for finding in each if finding.level is Level.UNKNOWN}


@pytest.fixture
def reader(cluster: Cluster, target_dsn: str, role_passwords: dict[str, str]) -> str:
    """The read role in a seeded target."""
    return reader_of(cluster, target_dsn, role_passwords)


# In recovery ----------------------------------------------------------------------------------------------------


@pytest.fixture
def follower(cluster: Cluster, reader: str) -> Iterator[str]:
    """The read role's conninfo on a standby of the seeded target's server."""
    with standby(cluster, free_port()) as one:
        yield make_conninfo(**{**conninfo_to_dict(reader), "port": one.port})


def test_a_database_in_recovery_is_looked_at_as_it_is(reader: str, follower: str) -> None:
    """On a standby the logs say the same as on the primary; what it has no counters for is UNKNOWN, with the reason."""
    now = datetime.now(UTC)
    there, here = found_by_all(reader, now), found_by_all(follower, now)
    assert {name: here[name] for name in OF_LOGS} == {name: there[name] for name in OF_LOGS}
    for name in ("table_sizes", "long_running_queries", "connections"):
        assert [finding.level for finding in here[name]] == [finding.level for finding in there[name]]
    may_be = {"expectation:index_usage:sql", "expectation:cache_hit_ratio:sql", "unused_indexes", "dead_rows:uncounted"}
    may_be |= {"missing_indexes:reads", "missing_indexes:uncounted"}
    assert unknown(here) <= may_be | {"audit:pg_hba", "audit:password_md5"}
    assert pooling.detect(lambda: psycopg.connect(follower)).kind == "none"


def test_a_database_in_recovery_is_known_as_one_and_refuses_to_be_written(
    reader: str, follower: str, cluster: Cluster
) -> None:
    """The standby says that it is one, the primary that it is not; a session that would write is refused."""
    for dsn, expected in ((reader, False), (follower, True)):
        with database.session(lambda dsn=dsn: psycopg.connect(dsn), CLOCKS, read_only=True) as session:
            assert session.row(queries.load("setup/recovery"))["in_recovery"] is expected
    admin = make_conninfo(**{**conninfo_to_dict(cluster.dsn("postgres")), "port": conninfo_to_dict(follower)["port"]})
    opened = database.session(lambda: psycopg.connect(admin), CLOCKS, read_only=False)
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="during recovery"), opened:
        pytest.fail("a transaction that would write was begun")


def server(dsn: str, now: datetime) -> dict[str, Finding]:
    """What is found of the server itself, when this host's clock says so."""
    with database.session(lambda: psycopg.connect(dsn), CLOCKS, read_only=True) as session:
        looked = carry_out(find("server"), Look(session, CONFIG, now))
    return {finding.key: finding for finding in looked.findings}


@pytest.mark.guide("G5", "fires", "silent")
def test_a_standby_is_an_advisory_and_its_primary_is_not(reader: str, follower: str) -> None:
    """The report of a window says that all it found is a standby's, and how old what that one has is."""
    now = datetime.now(UTC)
    assert {finding.level for finding in server(reader, now).values()} == {Level.OK}
    found = server(follower, now)["server:recovery"]
    assert found.level is Level.ADVISORY
    assert found.detail.startswith("a standby, in recovery: it")
    assert "not of the primary" in found.remedy


@pytest.mark.guide("G5", "X6", "fires", "silent")
@pytest.mark.parametrize(
    ("seconds", "level"), [(-90, Level.WARNING), (-30, Level.OK), (30, Level.OK), (90, Level.WARNING)]
)
def test_a_clock_that_is_a_minute_off_is_found(reader: str, seconds: float, level: Level) -> None:
    """In either direction; half a minute misleads nobody."""
    found = server(reader, datetime.now(UTC) - timedelta(seconds=seconds))["server:clock"]
    assert found.level is level
    assert f" s {'ahead of' if seconds > 0 else 'behind'} this host's" in found.detail


# Empty ----------------------------------------------------------------------------------------------------------


def test_an_empty_database_is_unknown_and_not_healthy(platform: Platform) -> None:  # noqa: F811
    """Without a table and the extension nothing that is about them is ok; what is about the server still is."""
    found = found_by_all(platform.reader, datetime.now(UTC))
    levels = {name: {finding.level for finding in findings} for name, findings in found.items()}
    assert levels["long_running_queries"] == {Level.OK}
    assert levels["connections"] == {Level.OK}
    for name in ("table_sizes", *OF_LOGS):
        assert levels[name] == {Level.UNKNOWN}, name
    assert {"expectation:query_response:sql", "expectation:index_usage:sql"} <= unknown(found)


# Names ----------------------------------------------------------------------------------------------------------

STRANGE = {
    "security": {
        "table": ("Log Schema", 'Sec "Logs" 100%'),
        "columns": {"time": "Created At", "event": 'Ev"ent', "account": "user", "address": "IP.Addr %s"},
    },
    "application": {
        "table": ("Log Schema", "o'clock; SELECT"),
        "columns": {"time": "größe", "status": "select", "role": "{role}", "address": "%(address)s"},
    },
    "alerts": {
        "table": ("Log Schema", "Alérts; --"),
        "columns": {"time": "%(end)s", "metric": "{metric}", "severity": 'Sev"erity', "acknowledged": "is not true"},
    },
}


def renamed(admin: psycopg.Connection[Any]) -> Settings:
    """Give the log tables and their columns strange names, and config that says so."""
    logs: dict[str, Any] = {}
    admin.execute('CREATE SCHEMA "Log Schema"')
    admin.execute('GRANT USAGE ON SCHEMA "Log Schema" TO upkeep_read')
    for kind, names in STRANGE.items():
        log = getattr(CONFIG.maintenance.logs, kind)
        schema, table = names["table"]
        moved = sql.SQL("ALTER TABLE {} SET SCHEMA {}")
        admin.execute(moved.format(sql.Identifier(*log.table), sql.Identifier(schema)))
        for column, name in names["columns"].items():
            rename = sql.SQL("ALTER TABLE {} RENAME COLUMN {} TO {}")
            old = sql.Identifier(getattr(log, column))
            admin.execute(rename.format(sql.Identifier(schema, log.table[1]), old, sql.Identifier(name)))
        rename = sql.SQL("ALTER TABLE {} RENAME TO {}")
        admin.execute(rename.format(sql.Identifier(schema, log.table[1]), sql.Identifier(table)))
        logs[kind] = log.model_copy(update={"table": type(log.table)(schema, table), **names["columns"]})
    main, moved_to = (
        CONFIG.maintenance,
        {getattr(CONFIG.maintenance.logs, kind).table: logs[kind].table for kind in logs},
    )
    rebuilt = tuple(moved_to.get(table, table) for table in main.reindex.tables)
    sections = {
        "logs": main.logs.model_copy(update=logs),
        "reindex": main.reindex.model_copy(update={"tables": rebuilt}),
    }
    changed = main.model_copy(update=sections)
    return CONFIG.model_copy(update={"maintenance": changed})


def test_names_of_any_kind_change_no_finding(
    cluster: Cluster, seeded_template: str, role_passwords: dict[str, str]
) -> None:
    """A database, a schema, tables and columns with blanks, quotes, dots, percent signs and braces: as before."""
    with fresh_database(cluster, f'Mixed "Case" 100% o\'{secrets.token_hex(3)}', seeded_template) as dsn:
        reader = reader_of(cluster, dsn, role_passwords)
        now = datetime.now(UTC)
        plain = found_by_all(reader, now)
        with psycopg.connect(dsn, autocommit=True) as admin:
            config = renamed(admin)
        strange = found_by_all(reader, now, config)
    for name in OF_LOGS:
        assert [(f.key, f.level, f.detail) for f in strange[name]] == [(f.key, f.level, f.detail) for f in plain[name]]
    assert unknown(strange) == unknown(plain)


# Extensions -----------------------------------------------------------------------------------------------------


@pytest.mark.guide("G45", "fires", "silent")
def test_an_absent_extension_is_unknown_and_disturbs_no_other(reader: str, target_dsn: str) -> None:
    """Without pg_stat_statements what it counts is not collected, and why is said; with it, it is back."""
    now = datetime.now(UTC)
    with psycopg.connect(target_dsn, autocommit=True) as admin:
        admin.execute("ANALYZE")
        before = unknown(found_by_all(reader, now))
        admin.execute("DROP EXTENSION pg_stat_statements")
        without = found_by_all(reader, now)
        admin.execute("CREATE EXTENSION pg_stat_statements")
        after = unknown(found_by_all(reader, now))
    assert unknown(without) - before == {"expectation:query_response:sql", "new_queries", "slow_queries"}
    (missing,) = (f for each in without.values() for f in each if f.key == "expectation:query_response:sql")
    assert "pg_stat_statements is not in this database" in missing.detail
    assert not {"expectation:query_response:sql", "new_queries", "slow_queries"} & (before | after)
