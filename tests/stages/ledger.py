"""A ledger with its roles, a window, and steps that are written into it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlparse
from psycopg import sql

from sandbox.postgres import HOST, Cluster
from tests.stages import hostile
from upkeep.core.findings import Finding, Level
from upkeep.core.windows import Window, WindowKind
from upkeep.ledger.migrations import upgrade as migrations_upgrade
from upkeep.ledger.write import LookResult, StepRecord, add_step, open_window
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database
from upkeep.wires.database import Session

CLOCKS = settings(ROOT / "config").maintenance.sql
DUE = datetime(2026, 5, 4, 2, tzinfo=UTC)
DAY = timedelta(days=1)
ROLES = ("owner", "tasks", "dashboard")


@dataclass(frozen=True)
class Ledger:
    """A ledger's database and its logins."""

    cluster: Cluster
    name: str
    passwords: dict[str, str]
    #: An idle connection of a role.
    kept: dict[str, Session] = field(default_factory=dict, compare=False, repr=False)

    def login(self, role: str) -> str:
        """The name of one of ROLES in this cluster; it needs quoting."""
        return f"{self.name}-{role}"

    def dsn(self, role: str) -> str:
        """The conninfo of one of ROLES."""
        return self.cluster.dsn(self.name, self.login(role), self.passwords[role])

    @contextmanager
    def session(self, role: str = "tasks") -> Iterator[Session]:
        """A transaction as a task or the dashboard opens it, over a connection that is kept for the next one.

        To connect costs both sides 10 ms, and the tests would do so some ten times each.
        """
        opened = self.kept.pop(role, None)  # whoever asks meanwhile gets another one
        if opened is None or not answers(opened):
            opened = database.opened(lambda: psycopg.connect(self.dsn(role), autocommit=True))
            opened.connection.read_only = False  # whatever the database's default is
        opened.notices.clear()
        try:
            with database.transaction(opened, CLOCKS):
                yield opened
        finally:
            left = self.kept.setdefault(role, opened)
            if left is not opened:
                opened.connection.close()

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows as the superuser sees them."""
        with psycopg.connect(self.cluster.dsn(self.name)) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def change(self, statement: str, *values: object) -> None:
        """What nobody but the superuser may do."""
        with psycopg.connect(self.cluster.dsn(self.name)) as connection:
            connection.execute(statement.encode(), values)

    def environment(self, folder: Path) -> dict[str, str]:
        """The environment of ``python -m upkeep`` with this ledger's Connections and no other."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "UPKEEP"))}
        connections = {
            "AIRFLOW_CONN_UPKEEP_LEDGER_OWNER": "owner",
            "AIRFLOW_CONN_UPKEEP_LEDGER": "tasks",
            "AIRFLOW_CONN_UPKEEP_LEDGER_DASHBOARD": "dashboard",
        }
        return {
            **kept,
            "AIRFLOW_HOME": str(folder),
            "PYTHONPATH": str(ROOT / "plugins"),
            **{
                variable: json.dumps(
                    {
                        "conn_type": "postgres",
                        "host": HOST,
                        "port": self.cluster.port,
                        "schema": self.name,
                        "login": self.login(role),
                        "password": self.passwords[role],
                    }
                )
                for variable, role in connections.items()
            },
        }

    def drop(self) -> None:
        """Forget the database and its roles."""
        for opened in self.kept.values():
            opened.connection.close()
        with psycopg.connect(self.cluster.dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name)))
            for role in ROLES:
                connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(self.login(role))))


def answers(opened: Session) -> bool:
    """Whether the server is still there behind a kept connection."""
    try:
        opened.connection.execute("")
    except psycopg.OperationalError:
        opened.connection.close()
        return False
    return True


def drawn(cluster: Cluster) -> Ledger:
    """A ledger that does not exist yet."""
    return Ledger(cluster, f"Ledger_{secrets.token_hex(4)}", {role: secrets.token_urlsafe(12) for role in ROLES})


def run_as_superuser(found: Ledger, script: str) -> None:
    """Run a script with CREATE DATABASE in it, then give each role its password, as its first line asks."""
    with psycopg.connect(found.cluster.dsn("postgres"), autocommit=True) as connection:
        for statement in sqlparse.split(script):
            connection.execute(statement.encode())
        for role, password in found.passwords.items():
            alter = sql.SQL("ALTER ROLE {} PASSWORD {}")
            connection.execute(alter.format(sql.Identifier(found.login(role)), sql.Literal(password)))
            if hostile.EVERYWHERE:
                hostile.role(connection, found.login(role))
        if hostile.EVERYWHERE:
            hostile.database(connection, found.name)


def create(found: Ledger) -> None:
    """The three roles and the empty database, from the project's own script."""
    names = {role: found.login(role) for role in ROLES}
    run_as_superuser(found, database.script("setup/ledger_roles", database=found.name, **names))


def upgrade(found: Ledger) -> None:
    """What `python -m upkeep ledger upgrade` does, in this process."""
    migrations_upgrade.upgrade(lambda: psycopg.connect(found.dsn("owner")))
    with psycopg.connect(found.dsn("owner")) as connection:
        grants = database.script("setup/ledger_grants", tasks=found.login("tasks"), dashboard=found.login("dashboard"))
        connection.execute(grants.encode())


@contextmanager
def upgraded(cluster: Cluster) -> Iterator[Ledger]:
    """A ledger of this version, dropped at the end."""
    found = drawn(cluster)
    try:
        create(found)
        upgrade(found)
        yield found
    finally:
        found.drop()


@pytest.fixture
def fresh(cluster: Cluster) -> Iterator[Ledger]:
    """A ledger of the test's own with its roles and an empty database."""
    found = drawn(cluster)
    try:
        create(found)
        yield found
    finally:
        found.drop()


@pytest.fixture(scope="module")
def book(cluster: Cluster) -> Iterator[Ledger]:
    """One upgraded ledger for the module; each test writes under a target of its own."""
    with upgraded(cluster) as found:
        yield found


def daily(target: str, due: datetime) -> Window:
    """A daily window of the calendar, half an hour long, about the day before it."""
    return Window(
        target=target,
        cadence="daily",
        kind=WindowKind.CALENDAR,
        due=due,
        deadline=due + timedelta(minutes=30),
        period_start=due - DAY,
        period_end=due,
        run_id="scheduled__1",
        dag_id="maintenance_daily",
        requested_by="the schedule",
        instance="1",
    )


@pytest.fixture
def window() -> Window:
    """A calendar window of a target that no other test has."""
    return daily(f"target_{secrets.token_hex(4)}", DUE)


def later(window: Window, days: int) -> Window:
    """The same target's window some days later."""
    shift = days * DAY
    return replace(
        window,
        due=window.due + shift,
        deadline=window.deadline + shift,
        period_start=window.period_start + shift,
        period_end=window.period_end + shift,
        run_id=f"scheduled__{days + 1}",
    )


def finding(key: str, level: Level = Level.WARNING, **fields: Any) -> Finding:
    """A finding that says as little as one may."""
    return Finding(key, level, **{"subject": "subject", "detail": "detail", **fields})


def record(
    *findings: Finding, step: str = "a.step", state: str = "ran", at: datetime = DUE, **looked: Any
) -> StepRecord:
    """One try of a step that saw these findings."""
    return StepRecord(step, state, "", "source", at, looked=LookResult(findings, **looked))


def write(book: Ledger, window: Window, *records: StepRecord) -> None:
    """Open the window and add these steps, as the tasks' role."""
    with book.session() as session:
        open_window(session, window)
        for one in records:
            add_step(session, window, one)


def python_m_upkeep(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as an operator does."""
    argv = [sys.executable, "-m", "upkeep", *arguments]
    return subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
