"""The guide's log tables, empty, what is written into them, and the looks at them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from sandbox.postgres import Cluster
from tests.stages.platform import Platform, grant, login
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import find
from upkeep.core.findings import Finding
from upkeep.ledger.write import LookResult
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings
from upkeep.wires import database

CONFIG = settings(ROOT / "config")
END = datetime(2026, 5, 4, 2, tzinfo=UTC)
PERIOD = END - timedelta(hours=24), END
NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)
SCHEMA = (ROOT / "sandbox/target/schema.sql").read_text()


@pytest.fixture
def platform(cluster: Cluster, empty_database: str) -> Iterator[Platform]:
    """The guide's tables, empty, and a reader with the project's own grants."""
    role = f'Reader "{secrets.token_hex(4)}"'
    with login(cluster, empty_database, role) as reader:
        one = Platform(empty_database, reader, role)
        grant(one)
        one.sql(SCHEMA.replace("{}", "{{}}"))
        yield one


def configured(log: dict[str, Any] | None = None, name: str = "security", **limits: Any) -> Settings:
    """Config with other limits of the section security, and another security (or application) log."""
    main = CONFIG.maintenance
    logs = main.logs.model_copy(update={name: getattr(main.logs, name).model_copy(update=log or {})})
    changed = {"security": main.security.model_copy(update=limits), "logs": logs}
    return CONFIG.model_copy(update={"maintenance": main.model_copy(update=changed)})


def look(
    platform: Platform,
    name: str,
    config: Settings = CONFIG,
    about: tuple[datetime, datetime] = PERIOD,
    remembered: Mapping[tuple[str, str], float] | None = None,
) -> LookResult:
    """Carry out one check as the reader, at the period's end."""
    with database.session(lambda: psycopg.connect(platform.reader), config.maintenance.sql, read_only=True) as session:
        one = Look(session, config, about[1], about=about, remembered=remembered or {})
        return carry_out(find(name), one)


def one(looked: LookResult) -> Finding:
    """The only finding."""
    (finding,) = looked.findings
    return finding


def log_in(
    platform: Platform, event: str, number: int = 1, address: str = "192.0.2.1", account: str = "a", at: datetime = NOON
) -> None:
    """Write events of one kind into the security log."""
    with psycopg.connect(platform.admin) as connection:
        connection.execute(
            """
            INSERT INTO security_logs (created_at, event, account, ip_address)
            SELECT %s, %s, %s, %s FROM generate_series(1, %s)
            """,
            [at, event, account, address, number],
        )


def request(
    platform: Platform,
    number: int = 1,
    status: int = 200,
    role: str = "anon",
    address: str | None = "203.0.113.1",
    at: datetime = NOON,
) -> None:
    """Write requests into the application log."""
    with psycopg.connect(platform.admin) as connection:
        connection.execute(
            """
            INSERT INTO application_logs
                (created_at, function_name, method, path, status, duration_ms, api_role, ip_address)
            SELECT %s, 'f', 'POST', '/f', %s, 1, %s, %s FROM generate_series(1, %s)
            """,
            [at, status, role, address, number],
        )
