"""The ledger on a real PostgreSQL: its migrations, what each role may do, and what comes back of what was written."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from sandbox.postgres import Cluster
from tests.stages.ledger import (
    DAY,
    DUE,
    Ledger,
    drawn,
    finding,
    later,
    python_m_upkeep,
    record,
    run_as_superuser,
    upgrade,
    write,
)
from tests.stages.ledger import book as book  # noqa: PLC0414  # a fixture
from tests.stages.ledger import fresh as fresh  # noqa: PLC0414  # a fixture
from tests.stages.ledger import window as window  # noqa: PLC0414  # a fixture
from upkeep.areas.patches.scan_age import scan_age
from upkeep.core.findings import Level, Sample, Sighting
from upkeep.core.windows import Window, WindowKind
from upkeep.gate.decision_store import ledger_identity
from upkeep.ledger import read as ledger_read
from upkeep.ledger.migrations import upgrade as migrations_upgrade
from upkeep.ledger.migrations.upgrade import head
from upkeep.ledger.read import earlier_samples, last_scan, latest_steps, samples, verdict_of_run
from upkeep.ledger.write import MAX_KEY, FunctionAnswer, add_interim, add_report, add_step, open_window, window_id
from upkeep.wires import queries


def read(book: Ledger, window: Window) -> dict[str, Any]:
    """The latest tries by step, as the tasks' role."""
    with book.session() as session:
        return {row["step"]: row for row in latest_steps(session, window)}


# Migrations -----------------------------------------------------------------------------------------------------


#: What the gate rests on: rows are added by tasks and never changed by them (docs/gate.md, rule 7).
LATER = ("snapshots", "thresholds", "baselines")
GATE = ("plans", "shown", "decisions", "permits", "receipts")


def tables(found: Ledger) -> set[str]:
    """The ledger's tables."""
    return {name for (name,) in found.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'upkeep'")}


def test_migrations_lead_from_nothing_to_the_head_and_twice_is_harmless(fresh: Ledger, window: Window) -> None:
    """The first upgrade makes every table, the second keeps what was written in between."""
    assert tables(fresh) == set()
    upgrade(fresh)
    expected = {
        "calendars",
        "due_windows",
        "alerts",
        "outbox",
        "tellings",
        "watch_samples",
        "watch_hours",
        "watch_states",
        "windows",
        "steps",
        "findings",
        "samples",
        "answers",
        "reports",
        "interim_reports",
        "checklist_marks",
        "ledger_version",
        "identity",
        *GATE,
        *LATER,
        "signatures",
        "before_signatures",
    }
    assert tables(fresh) == expected
    write(fresh, window, record(finding("kept")))
    identity = fresh.ask(queries.load("ledger/identity"))
    upgrade(fresh)
    assert tables(fresh) == expected
    assert len(identity) == 1
    assert fresh.ask(queries.load("ledger/identity")) == identity
    with fresh.session() as session:
        assert [(ledger_identity(session),)] == identity
    assert fresh.ask(queries.load("ledger/revision")) == [(head(),)]
    assert read(fresh, window)["a.step"]["findings"] == [finding("kept")]


def test_a_migration_that_is_refused_raises_the_drivers_own_error(fresh: Ledger) -> None:
    """A caller that knows psycopg's errors knows those of a migration: no login, and no permission."""
    dsn = psycopg.conninfo.make_conninfo(fresh.dsn("owner"), password="wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        migrations_upgrade.upgrade(lambda: psycopg.connect(dsn))
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for database"):
        migrations_upgrade.upgrade(lambda: psycopg.connect(fresh.dsn("tasks")))
    assert tables(fresh) == set()


def test_the_commands_of_a_first_installation_work_and_can_be_repeated(cluster: Cluster, tmp_path: Path) -> None:
    """Grants for the ledger, its upgrade, once more, and one whose owner cannot log in: said in a sentence."""
    found = drawn(cluster)
    environment = found.environment(tmp_path)
    try:
        printed = python_m_upkeep(environment, "grants", "ledger")
        assert printed.returncode == 0, printed.stderr
        run_as_superuser(found, printed.stdout)
        for _ in range(2):
            done = python_m_upkeep(environment, "ledger", "upgrade")
            assert (done.returncode, done.stderr) == (0, "")
            assert f"'upkeep_ledger_owner' is at revision {head()}." in done.stdout
        with found.session() as session:
            assert session.row(queries.load("ledger/tasks_rights")) == {"inserts": True, "owns": False}
        with found.session("dashboard") as session:
            assert session.rows("SELECT id FROM upkeep.reports") == []
        nobody = environment["AIRFLOW_CONN_UPKEEP_LEDGER_OWNER"].replace(found.passwords["owner"], "S3CRETMARKER")
        refused = python_m_upkeep({**environment, "AIRFLOW_CONN_UPKEEP_LEDGER_OWNER": nobody}, "ledger", "upgrade")
    finally:
        found.drop()
    assert refused.returncode == 1
    assert refused.stderr.startswith("Connection 'upkeep_ledger_owner': ")
    assert "password authentication failed" in refused.stderr
    assert "Traceback" not in refused.stderr
    for text in (printed.stdout, done.stdout, refused.stdout + refused.stderr):
        assert not any(secret in text for secret in (*found.passwords.values(), "S3CRETMARKER"))


def test_the_printed_grants_for_the_target_run_and_let_the_role_look(
    cluster: Cluster, empty_database: str, tmp_path: Path
) -> None:
    """What `python -m upkeep grants target` prints for a Connection makes its role one that reads, and only reads."""
    name = str(psycopg.conninfo.conninfo_to_dict(empty_database)["dbname"])
    role, password = f'Read "only" {secrets.token_hex(3)}', secrets.token_urlsafe(12)
    fields = {"conn_type": "postgres", "schema": name, "login": role, "password": password}
    environment = {**drawn(cluster).environment(tmp_path), "AIRFLOW_CONN_UPKEEP_TARGET_READ": json.dumps(fields)}
    printed = python_m_upkeep(environment, "grants", "target")
    assert printed.returncode == 0, printed.stderr
    assert password not in printed.stdout
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE there (id int)")
        create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
        connection.execute(create.format(sql.Identifier(role), sql.Literal(password)))
        try:
            for _ in range(2):
                connection.execute(printed.stdout.encode())
            connection.execute("CREATE TABLE added_later (id int)")
            with psycopg.connect(cluster.dsn(name, role, password), autocommit=True, options="") as reader:
                reader.execute("SELECT FROM public.there, public.added_later")
                assert reader.execute(queries.load("database/may_see_activity").encode()).fetchone()[:2] == (True, role)
                with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                    reader.execute("CREATE TEMPORARY TABLE mine (id int); INSERT INTO public.there VALUES (1)")
                reader.execute("SET default_transaction_read_only = off")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    reader.execute("INSERT INTO public.there VALUES (1)")
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(role)))
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_grants_for_a_connection_without_a_login_are_refused(cluster: Cluster, tmp_path: Path) -> None:
    """A Connection that names no role yields a sentence, not statements for a role called nothing."""
    fields = json.dumps({"conn_type": "postgres", "schema": "platform"})
    environment = {**drawn(cluster).environment(tmp_path), "AIRFLOW_CONN_UPKEEP_TARGET_READ": fields}
    printed = python_m_upkeep(environment, "grants", "target")
    assert (printed.returncode, printed.stdout) == (2, "")
    assert "Connection 'upkeep_target_read': found no login" in printed.stderr


# Roles ----------------------------------------------------------------------------------------------------------

WRITES = [
    *(f"UPDATE upkeep.{table} SET {column} = {column}" for table, column in (
        ("steps", "reason"), ("findings", "detail"), ("samples", "value"), ("answers", "body"), ("reports", "html"),
        ("windows", "due"), ("windows", "deadline"), ("windows", "requested_by"), ("windows", "kind"),
        ("ledger_version", "version_num"), ("identity", "id"),
        ("plans", "body"), ("plans", "digest"), ("plans", "not_after"), ("plans", "measured"), ("plans", "checklist"),
        ("shown", "action_ids"), ("shown", "asked"), ("shown", "body_digest"),
        ("decisions", "action_ids"), ("decisions", "person"), ("decisions", "responded_at"), ("decisions", "comment"),
        ("permits", "action_id"), ("permits", "attempt"), ("permits", "before"),
        ("receipts", "outcome"), ("receipts", "after"), ("receipts", "reason"),
        ("checklist_marks", "person"), ("checklist_marks", "comment"), ("checklist_marks", "marked_at"),
    )),
    *(f"DELETE FROM upkeep.{table} WHERE false"
      for table in (
          "windows", "steps", "findings", "samples", "answers", "reports", "identity", "checklist_marks", *GATE
      )),
    *(f"TRUNCATE upkeep.{table} CASCADE" for table in ("windows", "findings", "steps", "reports", "identity", *GATE)),
    *(f"DROP TABLE upkeep.{table} CASCADE" for table in GATE),
    *(f"ALTER TABLE upkeep.{table} DISABLE TRIGGER ALL" for table in GATE),
    *(f"CREATE RULE quietly AS ON INSERT TO upkeep.{table} DO INSTEAD NOTHING" for table in GATE),
    "INSERT INTO upkeep.ledger_version VALUES ('9999')",
    "INSERT INTO upkeep.identity DEFAULT VALUES",
    "CREATE TABLE upkeep.mine (id int)",
    "CREATE TABLE public.mine (id int)",
    "CREATE SCHEMA mine",
    "ALTER TABLE upkeep.findings ADD COLUMN mine int",
    "ALTER TABLE upkeep.findings DISABLE TRIGGER ALL",
    "DROP TABLE upkeep.findings",
    "DROP SCHEMA upkeep CASCADE",
    "SET ROLE postgres",
]  # fmt: skip


@pytest.mark.guide("G11", "holds")
@pytest.mark.parametrize("role", ["tasks", "dashboard"])
@pytest.mark.parametrize("statement", WRITES)
def test_what_is_written_can_neither_be_changed_nor_removed(
    book: Ledger, window: Window, role: str, statement: str
) -> None:
    """Neither login may change or remove a row, nor any table; the same is no error for the superuser."""
    write(
        book, window, record(finding("kept"), samples=(Sample("m", 1.0, "u"),), answer=FunctionAnswer("f", "a", "{}"))
    )
    refused = psycopg.errors.InsufficientPrivilege
    with pytest.raises(refused), book.session(role) as session:
        session.rows(statement)
    with psycopg.connect(book.cluster.dsn(book.name)) as connection:
        connection.execute(statement.encode())
        connection.rollback()
    assert read(book, window)["a.step"]["findings"] == [finding("kept")]


def test_tasks_may_write_all_that_a_window_needs_and_change_its_outcome_only(book: Ledger, window: Window) -> None:
    """Inserts into each table, a window's outcome and what became of a due one: the tasks' role may write no more."""
    rights = """
        SELECT t.relname || '.' || a.attname, p FROM pg_class t
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0
        CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE']) AS p
        WHERE t.relnamespace = 'upkeep'::regnamespace AND t.relkind = 'r'
          AND has_column_privilege(%s, t.oid, a.attnum, p)
    """
    found = book.ask(rights, book.login("tasks"))
    assert {column for column, right in found if right == "UPDATE"} == {
        "windows.run_id", "windows.opened_at", "windows.outcome", "windows.closed_at",
        "calendars.since", "calendars.until", "calendars.removed_at",
        "due_windows.state", "due_windows.reason", "due_windows.changed_at",
        *(f"outbox.{name}" for name in ("state", "attempts", "next_attempt", "failed_at", "sent_at", "error")),
        *(f"alerts.{name}" for name in ("level", "cause", "detail", "remedy", "members", "findings", "owner")),
        *(f"alerts.{name}" for name in ("dag_id", "run_id", "reminded", "since", "changed_at", "ended_at", "settled")),
        *(f"alerts.acknowledged_{name}" for name in ("by", "why", "level", "until")),
        *(f"watch_states.{name}" for name in ("level", "since", "last", "towards", "from_", "against", "during")),
        *(f"watch_states.{name}" for name in ("source", "subject", "detail", "expected", "remedy", "guide")),
    }  # fmt: skip
    assert {column.partition(".")[0] for column, right in found if right == "INSERT"} == tables(book) - {
        "ledger_version",
        "identity",
        "before_signatures",
        "checklist_marks",
    }
    # What people say on the pages: rows of a checklist are added, of others a few columns are changed.
    assert {(column, right) for column, right in book.ask(rights, book.login("dashboard"))} == {
        *((f"alerts.acknowledged_{name}", "UPDATE") for name in ("by", "why", "level", "until")),
        *((f"due_windows.{name}", "UPDATE") for name in ("state", "reason", "changed_at")),
        *((f"checklist_marks.{name}", "INSERT") for name in ("report_id", "guide", "person", "role", "comment")),
    }


@pytest.mark.parametrize("table", [*GATE, "signatures"])
def test_of_the_gates_rows_tasks_may_add_and_read_and_nothing_else(book: Ledger, table: str) -> None:
    """The whole matrix of rights on each of the six tables, and whose they are."""
    query = """
        SELECT array_agg(p ORDER BY p), pg_get_userbyid(c.relowner)
        FROM pg_class c CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER',
                                                'REFERENCES']) AS p
        WHERE c.oid = to_regclass(%s) AND (has_table_privilege(%s, c.oid, p)
              OR p IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege(%s, c.oid, p))
        GROUP BY c.relowner
    """
    for role, rights in (("tasks", ["INSERT", "SELECT"]), ("dashboard", ["SELECT"])):
        login = book.login(role)
        assert book.ask(query, f"upkeep.{table}", login, login) == [(rights, book.login("owner"))]


def test_the_dashboard_reads_everything_and_opens_no_window(book: Ledger, window: Window) -> None:
    """SELECT works on each table as the dashboard's role; opening a window is refused."""
    with book.session("dashboard") as session:
        for table in sorted(tables(book)):
            session.rows(f"SELECT FROM upkeep.{table} LIMIT 1")
    with pytest.raises(psycopg.errors.InsufficientPrivilege), book.session("dashboard") as session:
        open_window(session, window)


# Windows --------------------------------------------------------------------------------------------------------


def test_opening_a_window_twice_leaves_one_row_and_takes_back_its_outcome(book: Ledger, window: Window) -> None:
    """A run that is cleared, and a backfill of the same due, are the same window with the newer run."""
    with book.session() as session:
        first = open_window(session, window)
        add_report(session, window, level="ok", headline="h", html="", body={})
    query = "SELECT id, run_id, outcome, closed_at IS NOT NULL FROM upkeep.windows WHERE target = %s"
    assert book.ask(query, window.target) == [(first, "scheduled__1", "ok", True)]
    again = replace(window, run_id="backfill__1")
    with book.session() as session:
        assert open_window(session, again) == first
        assert window_id(session, again) == first
    assert book.ask(query, window.target) == [(first, "backfill__1", None, False)]


def test_manual_windows_of_one_moment_are_told_apart_by_their_runs(book: Ledger, window: Window) -> None:
    """Two people who ask at once get two windows beside the calendar's; each finds its own."""
    runs = [replace(window, kind=WindowKind.MANUAL, run_id=f"manual__{number}") for number in range(2)]
    with book.session() as session:
        ids = [open_window(session, one) for one in (window, *runs)]
        assert len(set(ids)) == 3
        assert [window_id(session, one) for one in (window, *runs)] == ids
    assert book.ask("SELECT count(*) FROM upkeep.windows WHERE target = %s", window.target) == [(3,)]


def test_a_step_of_a_window_that_was_not_opened_is_refused(book: Ledger, window: Window) -> None:
    """A step does not make up its window; the error says what it found."""
    with pytest.raises(LookupError, match="found 0 rows, expected exactly one"), book.session() as session:
        add_step(session, window, record())


# Steps ----------------------------------------------------------------------------------------------------------


def test_a_step_is_written_whole_or_not_at_all(book: Ledger, window: Window) -> None:
    """A sample that PostgreSQL refuses takes the step, its findings and the samples before it with it."""
    write(book, window)
    bad = Sample("bad", None, "unit")  # type: ignore[arg-type]  # what a buggy check might hand over
    one = record(finding("lost"), samples=(Sample("good", 1.0, "unit"), bad))
    with pytest.raises(psycopg.errors.NotNullViolation), book.session() as session:
        add_step(session, window, one)
    assert read(book, window) == {}
    assert book.ask("SELECT count(*) FROM upkeep.findings WHERE key = 'lost'") == [(0,)]
    assert book.ask("SELECT count(*) FROM upkeep.samples WHERE metric IN ('good', 'bad')") == [(0,)]


def test_the_newest_try_of_each_step_counts(book: Ledger, window: Window) -> None:
    """A retry stands in for the try before it; both stay in the ledger."""
    write(
        book,
        window,
        record(finding("first"), state="failed"),
        replace(record(finding("second"), samples=(Sample("m", 2.0, "u"),)), try_number=2),
        record(finding("other"), step="b.step", samples=(Sample("m", 3.0, "u", "s"),)),
    )
    found = read(book, window)
    assert {step: (row["try_number"], row["state"]) for step, row in found.items()} == {
        "a.step": (2, "ran"),
        "b.step": (1, "ran"),
    }
    assert found["a.step"]["findings"] == [finding("second")]
    with book.session() as session:
        assert samples(session, found.values()) == (Sample("m", 2.0, "u"), Sample("m", 3.0, "u", "s"))
    assert book.ask("SELECT count(*) FROM upkeep.findings WHERE key = 'first'") == [(1,)]


def test_ten_thousand_findings_come_back_in_order(book: Ledger, window: Window) -> None:
    """Many findings of one step are all kept, as they were yielded."""
    many = tuple(finding(f"many:{number}", metadata={"number": number}) for number in range(10_000))
    write(book, window, record(*many))
    assert tuple(read(book, window)["a.step"]["findings"]) == many


HOSTILE = {
    "NUL": ("a\0b", "a\N{SYMBOL FOR NULL}b"),
    "lone surrogate": ("a\ud800b", r"a\ud800b"),
    "bidi": ("a\u202eb\u2066", "a\u202eb\u2066"),
    "beyond the first plane": ("a\U0001f4a3b", "a\U0001f4a3b"),
    "escapes": ("\x1b[31m\x07\r\n\t\x7f", "\x1b[31m\x07\r\n\t\x7f"),
    "percent and quotes": ("100%s %(x)s '' \\ $$ {}", "100%s %(x)s '' \\ $$ {}"),
    "a megabyte": ("x" * 1_000_000, "x" * 1_000_000),
    "empty": ("", ""),
}


@pytest.mark.guide("G8", "holds")
@pytest.mark.parametrize(("sent", "kept"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_shown_and_not_lost(book: Ledger, window: Window, sent: str, kept: str) -> None:
    """Text of any kind comes back from each column of a step; what PostgreSQL cannot hold is shown in its place."""
    told = finding(sent, subject=sent, detail=sent, expected=sent, remedy=sent, metadata={sent: [sent, {"k": sent}]})
    answer = FunctionAnswer("function", "action", sent)
    one = replace(record(told, samples=(Sample("m", 1.0, "u", sent),), answer=answer), reason=sent, source=sent)
    write(book, window, one)
    row = read(book, window)["a.step"]
    assert (row["reason"], row["source"]) == (kept, kept)
    (found,) = row["findings"]
    assert found.key == kept[:MAX_KEY]
    assert {found.subject, found.detail, found.expected, found.remedy} == {kept}
    assert found.metadata == {kept: [kept, {"k": kept}]}
    with book.session() as session:
        (sample,) = samples(session, [row])
    assert sample.subject == kept[:MAX_KEY]
    ((body, digest),) = book.ask("SELECT body, digest FROM upkeep.answers WHERE step_id = %s", row["id"])
    assert body == kept
    assert digest == row["digest"] == hashlib.sha256(sent.encode("utf-8", "surrogatepass")).hexdigest()


def test_a_long_subject_of_a_sample_does_not_cost_the_step_its_record(book: Ledger, window: Window) -> None:
    """Names come from functions' answers; one that no index could hold is cut, and the step is kept."""
    subject = "".join(chr(0x4E00 + number % 20_000) for number in range(0, 9_000_000, 997))
    write(book, window, record(finding("kept"), samples=(Sample("errors", 1.0, "errors", subject),)))
    row = read(book, window)["a.step"]
    with book.session() as session:
        (sample,) = samples(session, [row])
    assert sample.subject == subject[:MAX_KEY]


def test_metadata_of_any_type_becomes_json(book: Ledger, window: Window) -> None:
    """Moments, exact numbers, sets of types that JSON lacks, and numbers that it lacks, come back as text."""
    metadata = {
        "moment": DUE,
        "length": timedelta(minutes=5),
        "exact": Decimal("1.50"),
        "nan": float("nan"),
        "deep": [{"infinite": float("inf"), "less": float("-inf")}],
        "bytes": b"\x00\xff",
        "level": Level.WARNING,
        "big": 2**70,
        "float": 1.5,
        "none": None,
        "tuple": (1, "two"),
        7: True,
    }
    write(book, window, record(finding("typed", metadata=metadata)))
    (found,) = read(book, window)["a.step"]["findings"]
    assert found.metadata == {
        "moment": "2026-05-04 02:00:00+00:00",
        "length": "0:05:00",
        "exact": "1.50",
        "nan": "NaN",
        "deep": [{"infinite": "Infinity", "less": "-Infinity"}],
        "bytes": r"b'\x00\xff'",
        "level": "warning",
        "big": 2**70,
        "float": 1.5,
        "none": None,
        "tuple": [1, "two"],
        "7": True,
    }


# Since when, and from where -------------------------------------------------------------------------------------


def since(book: Ledger, window: Window) -> dict[str, datetime]:
    """Since when each finding of a window's latest steps has been there."""
    with book.session() as session:
        found = [one for row in latest_steps(session, window) for one in row["findings"]]
        return {key: seen.since for key, seen in ledger_read.since(session, window, found).items()}


def test_since_is_the_first_window_of_an_unbroken_row(book: Ledger, window: Window) -> None:
    """There in the first window and the second, gone in the third, back in the fourth: since 1, 1, none, 4."""
    seen: list[dict[str, datetime]] = []
    for day, there in enumerate((True, True, False, True, True)):
        one = later(window, day)
        found = finding("it") if there else finding("fine", Level.OK)
        write(book, one, record(found, finding("always", Level.CRITICAL), at=DUE + day * DAY))
        seen.append(since(book, one))
    assert [row.get("it") for row in seen] == [DUE, DUE, None, DUE + 3 * DAY, DUE + 3 * DAY]
    assert [row["always"] for row in seen] == [DUE] * 5
    assert all("fine" not in row for row in seen)


def test_a_sighting_knows_the_last_look_without_it_and_the_first_of_all(book: Ledger, window: Window) -> None:
    """There, gone, gone, there: it began after the third look and was there before; at first nothing is known."""
    seen = []
    for day, there in enumerate((True, False, False, True)):
        one, found = later(window, day), finding("it") if there else finding("fine", Level.OK)
        write(book, one, record(found, at=DUE + day * DAY))
        with book.session() as session:
            seen.append(ledger_read.since(session, one, [found]).get("it"))
    assert seen == [Sighting(DUE, None, DUE), None, None, Sighting(DUE + 3 * DAY, DUE + 2 * DAY, DUE)]
    assert [one and one.before for one in seen] == [None, None, None, DUE]


def test_a_look_of_a_window_that_was_carried_out_late_is_not_what_a_finding_began_after(
    book: Ledger, window: Window
) -> None:
    """The first window looks after the second one: by its due time it comes before, by the clock it does not."""
    write(book, window, record(finding("fine", Level.OK), at=DUE + 3 * DAY))
    write(book, later(window, 1), record(found := finding("it"), at=DUE + DAY))
    with book.session() as session:
        seen = ledger_read.since(session, later(window, 1), [found])
    assert seen == {"it": Sighting(DUE + DAY, None, DUE + DAY)}


@pytest.mark.parametrize("state", ["failed", "superseded", "not collected", "ran"])
def test_a_window_that_could_not_look_does_not_end_the_row(book: Ledger, window: Window, state: str) -> None:
    """Not having looked says nothing: the finding of the day after is as old as the one of the day before.

    Nor does a step that ran and could not see, as one whose extension is missing.
    """
    unknown = (finding("step:a.step", Level.UNKNOWN),) if state in ("failed", "ran") else ()
    for day, one in enumerate((record(finding("it")), record(*unknown, state=state), record(finding("it")))):
        write(book, later(window, day), replace(one, started_at=DUE + day * DAY))
    assert since(book, later(window, 2)) == {"it": DUE}
    if unknown:
        assert since(book, later(window, 1)) == {"step:a.step": DUE + DAY}


def test_a_step_that_fails_again_is_unknown_since_it_did_not_run(book: Ledger, window: Window) -> None:
    """The finding about a failed step begins anew after each window in which the step ran."""
    failed, ran = record(finding("step", Level.UNKNOWN), state="failed"), record(finding("fine", Level.OK))
    for day, one in enumerate((failed, ran, failed, failed)):
        write(book, later(window, day), replace(one, started_at=DUE + day * DAY))
    assert since(book, later(window, 3)) == {"step": DUE + 2 * DAY}


def test_a_worse_level_is_the_same_finding(book: Ledger, window: Window) -> None:
    """A warning that becomes critical began when it was a warning; as ok it is over."""
    for day, level in enumerate((Level.OK, Level.WARNING, Level.CRITICAL)):
        write(book, later(window, day), record(finding("it", level), at=DUE + day * DAY))
    assert since(book, later(window, 2)) == {"it": DUE + DAY}


def test_since_asks_one_target_and_nothing_later(book: Ledger, window: Window) -> None:
    """Neither another target's window nor a later one of the same says since when; nor does having none."""
    other = replace(window, target=f"{window.target}_other")
    write(book, replace(other, due=DUE - DAY), record(finding("it"), at=DUE - DAY))
    write(book, window, record(finding("it"), at=DUE))
    write(book, later(window, 1), record(finding("fine", Level.OK), at=DUE + DAY))
    assert since(book, window) == {"it": DUE}
    assert since(book, later(window, 1)) == {}


def test_the_second_try_of_a_window_that_no_longer_sees_it_ends_the_row(book: Ledger, window: Window) -> None:
    """What a window's steps saw is what their latest tries saw, for since as for the report."""
    write(book, window, record(finding("it")))
    write(
        book,
        later(window, 1),
        record(finding("it"), at=DUE + DAY),
        replace(record(finding("fine", Level.OK), at=DUE + DAY), try_number=2),
    )
    write(book, later(window, 2), record(finding("it"), at=DUE + 2 * DAY))
    assert since(book, later(window, 2)) == {"it": DUE + 2 * DAY}


def test_earlier_samples_are_the_newest_before_the_moment(book: Ledger, window: Window) -> None:
    """Of each metric and subject the newest one not after the moment, of this target and step alone."""
    other = replace(window, target=f"{window.target}_other")
    for value in (1.0, 2.0):
        write(book, window, record(samples=(Sample("m", value, "u"), Sample("m", value * 10, "u", "s"))))
    write(book, window, record(step="b.step", samples=(Sample("m", 7.0, "u"),)))
    write(book, other, record(samples=(Sample("m", 8.0, "u"),)))
    ((between, last),) = book.ask(
        "SELECT min(m.taken_at) FILTER (WHERE value = 10), max(m.taken_at) FROM upkeep.samples m "
        "JOIN upkeep.steps s ON s.id = m.step_id JOIN upkeep.windows w ON w.id = s.window_id "
        "WHERE w.target = %s AND s.step = 'a.step'",
        window.target,
    )

    def values(before: datetime) -> dict[tuple[str, str], float]:
        with book.session() as session:
            found = earlier_samples(session, window.target, "a.step", before)
        assert all(taken_at <= before for _, taken_at in found.values())
        return {key: value for key, (value, _) in found.items()}

    assert values(last) == {("m", ""): 2.0, ("m", "s"): 20.0}
    assert values(between) == {("m", ""): 1.0, ("m", "s"): 10.0}
    assert values(DUE - DAY) == {}


@pytest.mark.guide("G6", "fires", "silent")
def test_the_age_of_the_last_scan_is_that_of_the_last_weekly_window_with_one(book: Ledger, window: Window) -> None:
    """None or a failed one is UNKNOWN, an old one warns, a new one is ok; a weekly window without a scan is none.

    Nor is one whose audit could not be made, or that looked at PostgreSQL's versions only.
    """

    def level() -> Level:
        with book.session() as session:
            last = last_scan(session, window.target)
        return scan_age(last and last[0], DUE + 20 * DAY).level

    weekly, scan = replace(window, cadence="weekly"), "evidence.patches.npm_audit"
    write(book, later(window, 19), record(step=scan))
    write(book, later(weekly, 19), record(step="evidence.optimisation.dead_rows"))
    write(book, later(weekly, 18), record(step=scan, state="failed"))
    write(book, later(weekly, 17), record(finding("npm:audit", Level.UNKNOWN), step=scan))
    write(book, later(weekly, 16), record(step="evidence.patches.version_lag"))
    assert level() is Level.UNKNOWN
    write(book, weekly, record(step=scan))
    assert level() is Level.WARNING
    write(book, later(weekly, 14), record(step=scan))
    assert level() is Level.OK


@pytest.mark.guide("G6", "fires", "silent")
def test_what_the_last_scan_found_is_read_from_its_latest_try_that_answered(book: Ledger, window: Window) -> None:
    """Of its own target's last window; a later one that is clean takes it away."""

    def found() -> list[str]:
        with book.session() as session:
            _, findings = last_scan(session, window.target) or (None, ())
        return [one.key for one in findings]

    weekly, scan = replace(window, cadence="weekly"), "evidence.patches.npm_audit"
    assert found() == []
    write(book, weekly, record(finding("npm:audit:left-pad", Level.WARNING), step=scan))
    write(book, weekly, record(finding("npm:audit", Level.UNKNOWN), step=scan))
    write(
        book, replace(later(weekly, 7), target="another"), record(finding("npm:audit:other", Level.WARNING), step=scan)
    )
    assert found() == ["npm:audit:left-pad"]
    write(book, later(weekly, 7), record(step=scan))
    assert found() == []


# Reports --------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G11", "holds")
def test_reports_are_only_ever_added_and_the_newest_is_the_verdicts(book: Ledger, window: Window) -> None:
    """A run that is cleared and repeated leaves its first page where it was; the window has the last outcome."""
    dag = f"dag_{window.target}"
    window = replace(window, dag_id=dag)
    write(book, window)
    with book.session() as session:
        with pytest.raises(LookupError, match="found 0 rows"):
            verdict_of_run(session, window.run)
        for level, html in (("critical", "<p>first"), ("ok", "<p>second")):
            add_report(session, window, level=level, headline=level, html=html, body={"level": level})
    pages = book.ask(
        "SELECT r.id, html, outcome FROM upkeep.reports r JOIN upkeep.windows w ON w.id = window_id "
        "WHERE r.dag_id = %s ORDER BY r.id",
        dag,
    )
    assert [(html, outcome) for _, html, outcome in pages] == [("<p>first", "ok"), ("<p>second", "ok")]
    with book.session() as session:
        newest = verdict_of_run(session, window.run)
    assert (newest["id"], json.loads(newest["body"]), newest["headline"]) == (pages[1][0], {"level": "ok"}, "ok")


def test_an_interim_report_is_no_verdict(book: Ledger, window: Window) -> None:
    """It is kept, and the window has neither an outcome nor a verdict by it."""
    window = replace(window, dag_id=f"dag_{window.target}")
    write(book, window)
    with book.session() as session:
        number = add_interim(session, window, "<p>so far", {"interim": ["Technical Lead"]})
        with pytest.raises(LookupError, match="found 0 rows"):
            verdict_of_run(session, window.run)
    ((html, outcome),) = book.ask(
        "SELECT html, outcome FROM upkeep.interim_reports i JOIN upkeep.windows w ON w.id = window_id WHERE i.id = %s",
        number,
    )
    assert (html, outcome) == ("<p>so far", None)


@pytest.mark.parametrize(("sent", "kept"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_report_of_hostile_text_is_kept_with_the_digest_of_what_is_kept(
    book: Ledger, window: Window, sent: str, kept: str
) -> None:
    """Page and JSON survive, and the digest is that of the JSON as it can be read back."""
    write(book, window)
    with book.session() as session:
        body = {"detail": sent, "moment": DUE, "value": float("nan")}
        number = add_report(session, window, level="ok", headline=sent, html=sent, body=body)
    ((headline, html, text, digest),) = book.ask(
        "SELECT headline, html, body, digest FROM upkeep.reports WHERE id = %s", number
    )
    assert (headline, html) == (kept, kept)
    assert json.loads(text, parse_constant=pytest.fail)["detail"] in (sent, kept)
    assert digest == hashlib.sha256(text.encode()).hexdigest()
