"""A database with its superuser and the reader that checks come with."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from sandbox.postgres import Cluster
from tests.stages import hostile
from tests.stages.sessions import until as until  # noqa: PLC0414  # who has a platform waits too
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import find
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings
from upkeep.wires import database

CONFIG = settings(ROOT / "config")
NOW = datetime(2026, 5, 4, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Platform:
    """A database with two logins: its superuser and the role that checks come with."""

    admin: str
    reader: str
    role: str

    def sql(self, statement: str, **identifiers: str) -> list[tuple[Any, ...]]:
        """Run a statement as the superuser, its identifiers filled in; from 15 on it is counted when this returns.

        A session tells its counts when it ends, which nobody waits for: an ANALYZE of the next session came before the
        INSERT's rows, which were then counted twice.
        """
        filled = sql.SQL(statement).format(**{name: sql.Identifier(value) for name, value in identifiers.items()})
        with psycopg.connect(self.admin, autocommit=True) as connection:
            cursor = connection.execute(filled)
            rows = cursor.fetchall() if cursor.description else []
            if connection.info.server_version >= 150000:
                connection.execute("SELECT pg_catalog.pg_stat_force_next_flush()")
            return rows

    def look(
        self,
        name: str,
        earlier: Mapping[tuple[str, str], tuple[float, datetime]] | None = None,
        **limits: float,
    ) -> LookResult:
        """Carry out one check as the reader, with these limits in place of config's."""
        config = limited(**limits)
        with database.session(lambda: psycopg.connect(self.reader), config.maintenance.sql, read_only=True) as session:
            return carry_out(find(name), Look(session, config, NOW, earlier or {}))

    def long_queries(self, seconds: float) -> dict[int, Finding]:
        """The long-running queries by PID; empty when the check says that there are none."""
        findings = self.look("long_running_queries", long_query_minutes=seconds / 60).findings
        if [finding.level for finding in findings] == [Level.OK]:
            return {}
        assert all(finding.level is Level.WARNING for finding in findings)
        return {finding.metadata["pid"]: finding for finding in findings}


def limited(**limits: float) -> Settings:
    """Config with other limits of checks."""
    changed = CONFIG.maintenance.checks.model_copy(update=limits)
    return CONFIG.model_copy(update={"maintenance": CONFIG.maintenance.model_copy(update={"checks": changed})})


@contextmanager
def login(cluster: Cluster, admin: str, name: str) -> Iterator[str]:
    """A role that may log in, dropped at the end with whatever it was given in this database; yields its conninfo."""
    role, password = sql.Identifier(name), secrets.token_urlsafe(12)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
        if hostile.EVERYWHERE:
            hostile.role(connection, name)
    database_name = str(psycopg.conninfo.conninfo_to_dict(admin)["dbname"])
    try:
        yield cluster.dsn(database_name, name, password)
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


@pytest.fixture
def bare(cluster: Cluster, empty_database: str) -> Iterator[Platform]:
    """A fresh database whose reader may do nothing but connect."""
    role = f'Reader "{secrets.token_hex(4)}"'
    with login(cluster, empty_database, role) as reader:
        yield Platform(empty_database, reader, role)


def grant(platform: Platform) -> None:
    """Run the statements that a DBA is told to run."""
    name = str(psycopg.conninfo.conninfo_to_dict(platform.admin)["dbname"])
    with psycopg.connect(platform.admin, autocommit=True) as connection:
        connection.execute(database.script("setup/target_grants", role=platform.role, database=name).encode())


@contextmanager
def started(cluster: Cluster) -> Iterator[Platform]:
    """A server of its own with its reader, who has the project's own grants; stopped at the end."""
    server = cluster.start()
    try:
        with login(cluster, cluster.dsn("postgres"), "Reader") as reader:
            platform = Platform(cluster.dsn("postgres"), reader, "Reader")
            grant(platform)
            yield platform
    finally:
        cluster.stop(server)


@pytest.fixture
def platform(bare: Platform) -> Platform:
    """A fresh database whose reader has the project's own grants."""
    grant(bare)
    return bare
