"""The session on a real server: both clocks, read only, notices kept, cancelled, and gone when its client is."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from sandbox.postgres import Cluster
from tests.stages import hostile
from tests.stages.sessions import PATIENCE_SECONDS, running, to, until
from upkeep.areas.look import Check, Look, carry_out
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.settings.maintenance import Sql
from upkeep.wires import database
from upkeep.wires.database import ServerNotice

CONFIG = settings(ROOT / "config")
CLOCKS = CONFIG.maintenance.sql
QUICK = CLOCKS.model_copy(update={"statement_timeout_seconds": 0.3, "lock_timeout_seconds": 0.3})


def one_by_one(session: database.Session, *statements: str, pause: float = 0) -> None:
    """Run statements in one transaction, the caller idle before each."""
    for statement in statements:
        time.sleep(pause)
        session.rows(statement)


@pytest.fixture
def somebody(cluster: Cluster, empty_database: str) -> Iterator[str]:
    """The conninfo of a role that owns nothing in the empty database but may create."""
    name, password = f"somebody_{secrets.token_hex(4)}", secrets.token_urlsafe(12)
    role = sql.Identifier(name)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
        connection.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(role))
        yield cluster.dsn(connection.info.dbname, name, password)
        connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


# Clocks (X11, X13) ----------------------------------------------------------------------------------------------


@pytest.mark.guide("X11", "holds")
def test_statement_timeout_ends_a_statement_on_the_server(empty_database: str) -> None:
    """The server itself ends a sleep that is too long, and the sentence names the setting."""
    marker = secrets.token_hex(8)
    opened = database.session(to(empty_database), QUICK, read_only=True)
    with pytest.raises(psycopg.errors.QueryCanceled) as caught, opened as session:
        session.rows(f'SELECT pg_sleep(600) AS "{marker}"')
    assert running(empty_database, marker) == []
    told = database.explain(caught.value, "upkeep_target_read")
    assert told.startswith("Connection 'upkeep_target_read': ")
    assert "sql.statement_timeout_seconds" in told
    assert "canceling statement due to statement timeout" in told


@pytest.mark.guide("X11", "holds")
def test_lock_timeout_ends_the_wait_for_a_lock(empty_database: str) -> None:
    """A lock that somebody else holds is waited for no longer than lock_timeout, and the sentence names it."""
    with psycopg.connect(empty_database) as holder:
        holder.execute("CREATE TABLE held (id int)")
        holder.commit()
        holder.execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
        clocks = QUICK.model_copy(update={"statement_timeout_seconds": 600})
        opened = database.session(to(empty_database), clocks, read_only=False)
        with pytest.raises(psycopg.errors.LockNotAvailable) as caught, opened as session:
            session.rows("ALTER TABLE public.held ADD COLUMN more int")
    assert "sql.lock_timeout_seconds" in database.explain(caught.value, "any")


def test_an_error_is_said_without_the_line_of_our_statement(empty_database: str) -> None:
    """What the server says, its detail, hint and context stand in one line; the excerpt with its caret helps nobody."""
    opened = database.session(to(empty_database), CLOCKS, read_only=False)
    with pytest.raises(psycopg.errors.UndefinedColumn) as wrong, opened as session:
        session.rows("SELECT\n relnames\nFROM pg_catalog.pg_class")
    assert "LINE 2" in str(wrong.value)
    said = 'column "relnames" does not exist; Perhaps you meant to reference the column "pg_class.relname".'
    assert database.error_words(wrong.value) == said
    with database.session(to(empty_database), CLOCKS, read_only=False) as session:
        session.rows("CREATE TABLE public.one (id int PRIMARY KEY)")
    opened = database.session(to(empty_database), CLOCKS, read_only=False)
    with pytest.raises(psycopg.errors.UniqueViolation) as twice, opened as session:
        session.rows("INSERT INTO public.one VALUES (1), (1)")
    assert database.error_words(twice.value).endswith("; Key (id)=(1) already exists.")
    opened = database.session(to(empty_database), CLOCKS, read_only=False)
    with pytest.raises(psycopg.errors.DivisionByZero) as inside, opened as session:
        session.rows("DO $$ BEGIN PERFORM 1 / 0; END $$")
    assert 'division by zero; SQL statement "SELECT 1 / 0" PL/pgSQL function' in database.error_words(inside.value)


@pytest.mark.guide("X11", "holds")
def test_a_transaction_left_alone_is_ended_by_the_server(empty_database: str) -> None:
    """A task that hangs between two statements does not hold back vacuum for longer than the clock."""
    opened = database.session(to(empty_database), QUICK, read_only=True)
    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout) as caught, opened as session:
        one_by_one(session, "SELECT 1", "SELECT 1", pause=1)
    assert "idle-in-transaction timeout" in database.explain(caught.value, "any")


@pytest.mark.guide("X11", "holds")
@pytest.mark.parametrize(("seconds", "shown"), [(30, "30s"), (3.3, "3300ms"), (3600, "1h")])
def test_the_clocks_are_what_config_says(empty_database: str, seconds: float, shown: str) -> None:
    """Both clocks stand inside the transaction, and names are looked up where only the server's own are."""
    clocks = Sql(connect_timeout_seconds=5, statement_timeout_seconds=seconds, lock_timeout_seconds=min(seconds, 60))
    query = """
        SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock,
               current_setting('search_path') AS path, current_setting('timezone') AS zone
    """
    with database.session(to(empty_database), clocks, read_only=True) as session:
        found = session.row(query)
    lock = "1min" if seconds > 60 else shown
    assert found == {"statement": shown, "lock": lock, "path": "pg_catalog", "zone": "UTC"}


def test_the_shortest_clock_is_not_none_at_all(empty_database: str) -> None:
    """A tenth of a millisecond, which config allows, is not rounded to 0: that would wait for ever."""
    clocks = CLOCKS.model_copy(update={"lock_timeout_seconds": 0.0001})
    with database.session(to(empty_database), clocks, read_only=True) as session:
        assert session.row("SELECT current_setting('lock_timeout') AS lock") == {"lock": "1ms"}


@contextmanager
def migrating(dsn: str) -> Iterator[database.Session]:
    """A connection as the ledger's migrations get it."""
    with database.pinned(to(dsn))() as connection:
        yield database.Session(connection)


#: Every way in which the product holds a connection.
WAYS: dict[str, Callable[[str], AbstractContextManager[database.Session]]] = {
    "to look": lambda dsn: database.session(to(dsn), CLOCKS, read_only=True),
    "to write": lambda dsn: database.session(to(dsn), CLOCKS, read_only=False),
    "standing": lambda dsn: database.standing(to(dsn), CLOCKS),
    "migrating": migrating,
}


@pytest.mark.parametrize("way", WAYS)
def test_no_default_of_a_database_is_a_sessions(empty_database: str, way: str) -> None:
    """Whatever a database sets for who comes to it, a session of ours has what it pins, and BEGIN means the same."""
    names = ["transaction_isolation", "transaction_deferrable", *database.PINNED]
    query = "SELECT name, current_setting(name, true) AS value FROM unnest(%(names)s::pg_catalog.text[]) AS name"
    expected = {**database.PINNED, "transaction_isolation": "read committed", "transaction_deferrable": "off"}
    with hostile.defaults(empty_database), WAYS[way](empty_database) as session:
        values = {row["name"]: row["value"] for row in session.rows(query, {"names": names})}
    known = {name: value for name, value in values.items() if value is not None}
    assert known == {name: expected[name] for name in known}
    assert len(known) >= len(names) - 4  # what older servers do not have


class Pooled(psycopg.Connection[Any]):
    """What a pooler in transaction mode is to its clients: closing it does not close the server's session."""

    def close(self) -> None:
        """Keep the session for the next client."""


@pytest.mark.guide("X13", "holds")
def test_no_clock_leaks_to_the_next_transaction_of_the_same_connection(empty_database: str) -> None:
    """Behind a pooler the next client's transaction starts with the server's own settings (X13)."""
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "search_path", "timezone")
    names = [*names, "client_connection_check_interval", "transaction_read_only"]
    query = "SELECT name, current_setting(name) FROM unnest(%(names)s::text[]) AS name"

    def now() -> dict[str, str]:
        return dict(pooled.execute(query, {"names": names}).fetchall())

    pooled = Pooled.connect(empty_database, autocommit=True, options="-c default_transaction_read_only=off")
    try:
        before = now()
        for fails in (False, True):
            try:
                with database.session(lambda: pooled, CLOCKS, read_only=True) as session:
                    found = session.rows(query, {"names": names})
                    inside = {row["name"]: row["current_setting"] for row in found}
                    assert all(inside[name] != before[name] for name in names if name != "timezone")
                    if fails:
                        session.rows("SELECT 1 / 0")
            except psycopg.errors.DivisionByZero:
                assert fails
            assert now() == before
    finally:
        psycopg.Connection.close(pooled)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO public.kept VALUES (1)",
        "UPDATE public.kept SET id = 2",
        "DELETE FROM public.kept",
        "TRUNCATE public.kept",
        "DROP TABLE public.kept",
        "CREATE TABLE public.more (id int)",
        "SELECT setval('public.numbers', 7)",
    ],
)
def test_a_read_only_session_writes_nothing(empty_database: str, statement: str) -> None:
    """Whatever the role may do (here: everything), a session for looking refuses to change anything."""
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE TABLE kept (id int)")
        connection.execute("CREATE SEQUENCE numbers")
    opened = database.session(to(empty_database), CLOCKS, read_only=True)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), opened as session:
        session.rows(statement)
    with database.session(to(empty_database), CLOCKS, read_only=False) as session:
        session.rows(statement)


def test_a_session_that_writes_commits_at_its_end_and_only_then(empty_database: str) -> None:
    """What was written is there after the block, and none of it is when the block fails."""
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    opened = database.session(to(empty_database), CLOCKS, read_only=False)
    with pytest.raises(psycopg.errors.DivisionByZero), opened as session:
        one_by_one(session, "INSERT INTO public.kept VALUES (1)", "SELECT 1 / 0")
    with database.session(to(empty_database), CLOCKS, read_only=False) as session:
        assert session.rows("SELECT id FROM public.kept") == []
        assert session.rows("INSERT INTO public.kept VALUES (2)") == []
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT id FROM kept").fetchall() == [(2,)]


# Notices (X10) --------------------------------------------------------------------------------------------------


def analyze(look: Look) -> LookResult:
    """A look that runs ANALYZE, as a later check will."""
    look.session.rows("ANALYZE public.owned")
    return LookResult((Finding("analyzed", Level.OK, "ANALYZE", "done"),))


ANALYZE = Check("analyze", "G52", "Statistics", analyze)


@pytest.mark.guide("X10", "fires", "silent")
def test_a_statement_that_only_warned_becomes_a_finding_until_the_owner_runs_it(
    empty_database: str, somebody: str
) -> None:
    """ANALYZE by another than the owner succeeds and does nothing: the warning is a finding, the owner's has none."""

    def analyzed(dsn: str) -> tuple[list[ServerNotice], tuple[Finding, ...]]:
        with database.session(to(dsn), CLOCKS, read_only=False) as session:
            looked = carry_out(ANALYZE, Look(session, CONFIG, datetime.now(UTC)))
            return session.notices, looked.findings

    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE TABLE owned AS SELECT generate_series(1, 1000) AS n")
    notices, findings = analyzed(somebody)
    assert [notice.severity for notice in notices] == ["WARNING"]
    assert 'permission denied to analyze "owned", skipping it' in notices[0].message
    done, warned = findings
    assert done.level is Level.OK
    assert (warned.level, warned.guide, warned.detail) == (Level.WARNING, "G52", notices[0].message)
    assert warned.key.startswith("analyze:server_warning:")
    assert analyzed(somebody)[1] == findings
    assert analyzed(empty_database) == ([], (done,))


@pytest.mark.guide("X10", "silent")
def test_a_notice_that_is_no_warning_is_kept_and_no_finding(empty_database: str) -> None:
    """DROP … IF EXISTS of nothing is told as a NOTICE; it stays with the session and alarms nobody."""
    check = Check(
        "drop", "G0", "Drop", lambda look: LookResult(tuple(look.session.rows("DROP TABLE IF EXISTS public.nothing")))
    )
    with database.session(to(empty_database), CLOCKS, read_only=False) as session:
        looked = carry_out(check, Look(session, CONFIG, datetime.now(UTC)))
        assert session.notices == [ServerNotice("NOTICE", 'table "nothing" does not exist, skipping')]
    assert looked.findings == ()


# Ending (X11) ---------------------------------------------------------------------------------------------------


@pytest.mark.guide("X11", "holds")
def test_cancel_from_another_thread_ends_the_statement_on_the_server(empty_database: str) -> None:
    """What a task's on_kill does: the waiting call raises, and the server no longer works on it."""
    marker = secrets.token_hex(8)
    sessions: list[database.Session] = []

    def cancel() -> None:
        until(lambda: running(empty_database, marker))
        sessions[0].cancel()

    def sleep() -> None:
        with database.session(to(empty_database), CLOCKS, read_only=True) as session:
            sessions.append(session)
            session.rows(f'SELECT pg_sleep(600) AS "{marker}"')

    killer = threading.Thread(target=cancel)
    killer.start()
    with pytest.raises(psycopg.errors.QueryCanceled) as caught:
        sleep()
    killer.join(PATIENCE_SECONDS)
    assert running(empty_database, marker) == []
    assert sessions[0].connection.closed
    assert "canceling statement due to user request" in database.explain(caught.value, "any")


def test_cancelling_what_is_over_is_harmless(empty_database: str) -> None:
    """A signal may come when nothing runs any more, or after the end of the session."""
    with database.session(to(empty_database), CLOCKS, read_only=True) as session:
        session.cancel()
        assert session.row("SELECT 1 AS one") == {"one": 1}
    session.cancel()


SLEEPER = """
import sys
import psycopg
from upkeep.wires import database
from upkeep.settings.maintenance import Sql

dsn, marker, guarded = sys.argv[1:]
statement = f'SELECT pg_sleep(600) AS "{marker}"'
if guarded == "guarded":
    clocks = Sql(connect_timeout_seconds=5, statement_timeout_seconds=3600, lock_timeout_seconds=2)
    with database.session(lambda: psycopg.connect(dsn), clocks, read_only=True) as session:
        session.rows(statement)
else:
    plain = psycopg.connect(dsn, autocommit=True)
    ends = "('statement_timeout', 'transaction_timeout')"  # of the database, with make hostile
    plain.execute(f"SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN {ends}")
    plain.execute(statement)
"""


@pytest.mark.guide("X11", "holds")
def test_a_client_that_is_killed_leaves_no_statement_running(empty_database: str) -> None:
    """After SIGKILL of its process a session's statement ends within seconds; that of a plain connection goes on."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "plugins")}
    markers = {"guarded": secrets.token_hex(8), "plain": secrets.token_hex(8)}
    for kind, marker in markers.items():
        argv = [sys.executable, "-c", SLEEPER, empty_database, marker, kind]
        child = subprocess.Popen(argv, env=environment, cwd=Path("/"))
        try:
            until(lambda marker=marker: running(empty_database, marker))
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait(PATIENCE_SECONDS)
    until(lambda: running(empty_database, markers["guarded"]) == [])
    (plain,) = running(empty_database, markers["plain"])
    with psycopg.connect(empty_database) as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", [plain])


@pytest.mark.parametrize(
    ("statement", "error"),
    [("SELECT FROM nowhere", psycopg.errors.UndefinedTable), ("SELECT 1 WHERE false", LookupError)],
)
def test_the_connection_is_closed_after_an_error(empty_database: str, statement: str, error: type[Exception]) -> None:
    """Neither an error of the server nor one of the caller leaves a session behind."""
    opened = database.session(
        lambda: psycopg.connect(empty_database, application_name="failing"), CLOCKS, read_only=True
    )
    with pytest.raises(error), opened as session:
        session.row(statement)
    assert session.connection.closed
    with psycopg.connect(empty_database, autocommit=True) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'failing'"
        until(lambda: connection.execute(query).fetchone() == (0,))


def test_a_session_whose_backend_was_terminated_explains_itself(empty_database: str) -> None:
    """When an administrator ends the session, the driver's own error comes through and the connection is closed."""
    opened = database.session(to(empty_database), CLOCKS, read_only=True)
    with pytest.raises(psycopg.OperationalError) as caught, opened as session:
        session.rows("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(10)")
    assert session.connection.closed
    assert "terminating connection due to administrator command" in database.explain(caught.value, "any")


@pytest.mark.parametrize("rows", [0, 2])
def test_one_row_means_one(empty_database: str, rows: int) -> None:
    """`row` says how many it found when it is not one."""
    with database.session(to(empty_database), CLOCKS, read_only=True) as session:
        with pytest.raises(LookupError, match=f"found {rows} rows, expected exactly one from: SELECT n"):
            session.row("SELECT n FROM generate_series(1, %(rows)s) AS n", {"rows": rows})
        assert session.row("SELECT 7 AS seven") == {"seven": 7}


# Sentences ------------------------------------------------------------------------------------------------------


def refused(dsn: str) -> psycopg.Error:
    """The error of a login that fails."""
    with pytest.raises(psycopg.Error) as caught, database.session(to(dsn), CLOCKS, read_only=True):
        pass
    return caught.value


def test_a_port_where_nobody_listens_is_explained(cluster: Cluster, port: int) -> None:
    """The sentence says which Connection could not be reached and what the driver said, on one line."""
    told = database.explain(refused(psycopg.conninfo.make_conninfo(cluster.dsn("postgres"), port=port)), "the_ledger")
    assert told.startswith("Connection 'the_ledger': the database could not be reached or the login was refused.")
    assert "Connection refused" in told
    assert "\n" not in told


def test_a_wrong_password_is_explained_and_not_repeated(cluster: Cluster) -> None:
    """The sentence names the user that was refused, and holds neither password."""
    told = database.explain(refused(cluster.dsn("postgres", password="S3CRETMARKER")), "the_ledger")
    assert 'password authentication failed for user "postgres"' in told
    assert "S3CRETMARKER" not in told
    assert cluster.password not in told


def test_a_database_that_does_not_exist_is_explained(cluster: Cluster) -> None:
    """A typing error in the Connection's schema field is told as the server tells it."""
    told = database.explain(refused(cluster.dsn("no_such_database")), "the_ledger")
    assert 'database "no_such_database" does not exist' in told


def test_a_missing_permission_is_explained_with_its_remedy(empty_database: str, somebody: str) -> None:
    """The sentence names the object and the command that prints the GRANTs."""
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE TABLE hidden (id int)")
    opened = database.session(to(somebody), CLOCKS, read_only=True)
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught, opened as session:
        session.rows("SELECT FROM public.hidden")
    told = database.explain(caught.value, "any")
    assert "python -m upkeep grants" in told
    assert "permission denied for table hidden" in told


def test_any_other_error_is_explained_by_its_code(empty_database: str) -> None:
    """Whatever has no sentence of its own is given with its SQLSTATE, which can be looked up."""
    opened = database.session(to(empty_database), CLOCKS, read_only=True)
    with pytest.raises(psycopg.Error) as caught, opened as session:
        session.rows("SELECT 1 / 0")
    assert "SQLSTATE 22012" in database.explain(caught.value, "any")


def test_scripts_quote_their_identifiers(empty_database: str) -> None:
    """A role's name with quotes and a semicolon stays one name, in each statement of a script."""
    hostile = 'x"; DROP ROLE postgres; --'
    text = database.script("setup/target_grants", role=hostile, database="d")
    assert text.count('"x""; DROP ROLE postgres; --"') == text.count("DROP ROLE postgres") == 6
