"""Transaction pooling (X13) behind a real pgbouncer: it is detected, and all checks go through it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from sandbox.ports import free_port
from sandbox.postgres import Cluster
from tests.stages.pgbouncer import pooler, program, through
from tests.stages.platform import until
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import CHECKS
from upkeep.core.findings import Finding
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database, pooling

CONFIG = settings(ROOT / "config")
CLOCKS = CONFIG.maintenance.sql
NAMES = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "search_path", "enable_seqscan")

Pooled = Callable[..., str]


@pytest.fixture
def reader(cluster: Cluster, target_dsn: str, role_passwords: dict[str, str]) -> str:
    """The read role's conninfo in the seeded target, with the project's own grants."""
    with psycopg.connect(target_dsn, autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute(database.script("setup/target_grants", role="upkeep_read", database=name).encode())
    return cluster.dsn(name, "upkeep_read", role_passwords["upkeep_read"])


@pytest.fixture
def pooled(cluster: Cluster, reader: str, role_passwords: dict[str, str]) -> Iterator[Pooled]:
    """Puts a pgbouncer of some mode before the target until the test ends; gives the read role's conninfo."""
    program()
    with ExitStack() as stack:

        def at(mode: str, **options: object) -> str:
            port = free_port()
            logins = {"upkeep_read": role_passwords["upkeep_read"]}
            stack.enter_context(pooler(cluster, port, mode, logins, **options))
            return through(reader, port)

        yield at


def to(dsn: str) -> database.Connect:
    """How to connect there."""
    return lambda: psycopg.connect(dsn)


@pytest.mark.guide("X13", "fires")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"default_pool_size": 1},
        {"server_round_robin": 1},
        {"server_round_robin": 1, "min_pool_size": 4},
        {"server_reset_query_always": 1},
    ],
    ids=str,
)
def test_transaction_mode_is_detected(pooled: Pooled, options: Mapping[str, object]) -> None:
    """Whether the pool has one backend or several, the last or the next in turn: detection fires, with its reason."""
    found = pooling.detect(to(pooled("transaction", **options)))
    assert found.kind == "transaction"
    assert not found.keeps_sessions
    assert "backend" in found.reason


@pytest.mark.guide("X13", "fires")
def test_transaction_mode_is_detected_while_others_use_the_pool(pooled: Pooled) -> None:
    """Other clients take and give back backends all the time: the verdict is the same."""
    dsn = pooled("transaction", default_pool_size=5)
    over = threading.Event()

    def work() -> None:
        with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as other:
            while not over.is_set():
                other.execute("SELECT pg_sleep(0.002)")

    others = [threading.Thread(target=work) for _ in range(4)]
    for other in others:
        other.start()
    try:
        kinds = {pooling.detect(to(dsn)).kind for _ in range(5)}
    finally:
        over.set()
        for other in others:
            other.join()
    assert kinds == {"transaction"}


@pytest.mark.guide("X13", "fires")
def test_statement_mode_is_detected(pooled: Pooled) -> None:
    """A pooler that refuses transactions is a kind of its own: not even checks go through it."""
    found = pooling.detect(to(pooled("statement")))
    assert found.kind == "statement"
    assert "transaction was refused" in found.reason


@pytest.mark.guide("X13", "silent")
def test_session_mode_and_no_pooler_are_silent(pooled: Pooled, reader: str) -> None:
    """A pooler that gives each client a backend of its own breaks nothing, and neither does none."""
    for dsn in (pooled("session"), reader):
        found = pooling.detect(to(dsn))
        assert found == pooling.Pooling("none", "two clients kept their own backends and settings")
        assert found.keeps_sessions


def test_a_pool_that_is_too_small_ends_the_wait(pooled: Pooled) -> None:
    """A pooler in session mode with one backend lets the second client wait: detection says so instead of waiting."""
    dsn = pooled("session", default_pool_size=1)
    with pytest.raises(psycopg.OperationalError, match=r"no answer within 0.5 s, .* the pool is too small"):
        pooling.detect(to(dsn), patience_seconds=0.5)


def test_detection_leaves_nothing_behind(pooled: Pooled) -> None:
    """The setting it compares by is taken back, and no client stays."""
    dsn = pooled("transaction", default_pool_size=1)
    pooling.detect(to(dsn))
    with psycopg.connect(dsn, autocommit=True) as next_client:
        assert next_client.execute("SELECT current_setting('upkeep.pooling_probe', true)").fetchone() == ("",)


def found_by_all(dsn: str, now: datetime) -> dict[str, list[Finding]]:
    """The findings of every check, without what changes from one moment to the next."""
    found = {}
    for name, check in CHECKS.items():
        with database.session(to(dsn), CLOCKS, read_only=True) as session:
            findings = carry_out(check, Look(session, CONFIG, now)).findings
        found[name] = [_steady(finding) for finding in findings]
    return found


def _steady(finding: Finding) -> Finding:
    moving = finding.key.startswith(("connections", "expectation:", "server:clock"))
    return replace(finding, detail="", metadata={}) if moving else finding


@pytest.mark.guide("X13", "holds")
def test_all_checks_find_the_same_through_transaction_pooling(pooled: Pooled, reader: str) -> None:
    """Twice each, on one backend that all of them share: the same findings as directly, and no error."""
    now = datetime.now(UTC)
    dsn = pooled("transaction", default_pool_size=1)
    directly = found_by_all(reader, now)
    assert found_by_all(dsn, now) == directly
    assert found_by_all(dsn, now) == directly


@pytest.mark.guide("X11", "X13", "holds")
def test_the_clocks_hold_and_do_not_leak(pooled: Pooled) -> None:
    """A statement is ended by its clock through the pooler too; the next client of that backend knows none of it."""
    dsn = pooled("transaction", default_pool_size=1)
    query = "SELECT name, current_setting(name) FROM unnest(%(names)s::text[]) AS name"

    def now() -> dict[str, str]:
        with psycopg.connect(dsn, autocommit=True) as client:
            return dict(client.execute(query, {"names": list(NAMES)}).fetchall())

    before = now()
    clocks = CLOCKS.model_copy(update={"statement_timeout_seconds": 3.3})
    with database.session(to(dsn), clocks, read_only=True) as session:
        inside = session.row("SELECT current_setting('statement_timeout') AS clock, pg_backend_pid() AS pid")
    assert inside["clock"] == "3300ms"
    with psycopg.connect(dsn, autocommit=True) as client:
        assert client.execute("SELECT pg_backend_pid()").fetchone() == (inside["pid"],)
    quick = CLOCKS.model_copy(update={"statement_timeout_seconds": 0.3})
    opened = database.session(to(dsn), quick, read_only=True)
    with pytest.raises(psycopg.errors.QueryCanceled), opened as session:
        session.rows("SELECT pg_sleep(600)")
    assert now() == before


@contextmanager
def running(session: database.Session) -> Iterator[list[BaseException]]:
    """A statement that lasts, in another thread; yields what it ended with."""
    ended: list[BaseException] = []

    def run() -> None:
        try:
            session.rows("SELECT pg_sleep(600) AS lasting")
        except psycopg.Error as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield ended
    thread.join(30)


@pytest.mark.guide("X11", "X13", "holds")
def test_a_session_is_cancelled_through_the_pooler(pooled: Pooled, target_dsn: str) -> None:
    """Cancelling by the protocol's own way reaches the right backend although its PID is not the client's (X11)."""
    dsn = pooled("transaction", default_pool_size=2)
    query = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%AS lasting' AND state = 'active'"
    with psycopg.connect(target_dsn, autocommit=True) as admin:

        def lasting() -> list[Any]:
            return admin.execute(query).fetchall()

        with pytest.raises(psycopg.errors.InFailedSqlTransaction):  # how the block ends is not what is asked here
            _cancelled(dsn, lasting)
        until(lasting, lambda found: not found)


def _cancelled(dsn: str, lasting: Callable[[], list[Any]]) -> None:
    with database.session(to(dsn), CLOCKS, read_only=True) as session:
        with running(session) as ended:
            until(lasting)
            session.cancel()
        assert isinstance(ended[0], psycopg.errors.QueryCanceled)
        session.rows("SELECT 1")
