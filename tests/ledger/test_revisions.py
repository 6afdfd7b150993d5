"""A ledger of any earlier revision is upgraded with what it holds; one of a newer Upkeep is left alone, and said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.stages.ledger import Ledger, python_m_upkeep
from tests.stages.ledger import fresh as fresh  # noqa: PLC0414  # a fixture
from upkeep.ledger.migrations.upgrade import behind, head, revisions, upgrade

#: Filled by the migrations themselves.
THEIRS = {"ledger_version", "identity", "before_signatures"}
#: A column that names a row of another table.
NAMES = {
    "window_id": "windows", "step_id": "steps", "shown_id": "shown", "permit_id": "permits", "report_id": "reports",
    "alert_id": "alerts", "outbox_id": "outbox",
}  # fmt: skip
#: What a CHECK wants of a column's text.
WANTED = {"kind": "calendar", "level": "warning", "outcome": "done", "place": "shown"}
STATES = {"steps": "ran", "due_windows": "done"}
COLUMNS = """
SELECT column_name AS name, data_type AS type FROM information_schema.columns
WHERE table_schema = 'upkeep' AND table_name = %s AND is_identity = 'NO' AND column_default IS NULL
      AND column_name <> 'sent_at'  -- a message of the outbox is due by default
ORDER BY ordinal_position
"""
#: The tables in the order in which they were made: none refers to a later one.
TABLES = """
SELECT c.relname AS name FROM pg_class c
WHERE c.relnamespace = to_regnamespace('upkeep') AND c.relkind = 'r' ORDER BY c.oid
"""


def value(connection: Any, table: str, column: dict[str, str], number: int, place: int) -> Any:
    """What the ``number``-th row of a table has in a column: like no other row's, and the same in a row beside it."""
    name, kind = column["name"], column["type"]
    if name in NAMES:
        newest = sql.SQL("SELECT max(id) AS id FROM upkeep.{}").format(sql.Identifier(NAMES[name]))
        return connection.execute(newest).fetchone()["id"]
    if name == "guide" and table == "checklist_marks":
        return f"G{number}"
    text = STATES.get(table) if name == "state" else WANTED.get(name, f"{name} {number}")
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number, minutes=place)
    values = {"text": text, "ARRAY": [f"{name} {number}"], "jsonb": Jsonb({name: number}), "boolean": False}
    return values.get(kind, moment if kind.startswith("timestamp") else number + 1)


def fill(connection: Any, number: int) -> None:
    """One more row in each table that there is."""
    for table in [row["name"] for row in connection.execute(TABLES) if row["name"] not in THEIRS]:
        columns = connection.execute(COLUMNS, [table]).fetchall()
        row = {one["name"]: value(connection, table, one, number, place) for place, one in enumerate(columns)}
        insert = sql.SQL("INSERT INTO upkeep.{} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder() * len(row)),
        )
        connection.execute(insert, list(row.values()))


def held(connection: Any) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables."""
    names = [row["name"] for row in connection.execute(TABLES) if row["name"] != "ledger_version"]
    every = sql.SQL("SELECT * FROM upkeep.{} t ORDER BY t::text")
    return {name: connection.execute(every.format(sql.Identifier(name))).fetchall() for name in names}


def test_every_earlier_revision_is_upgraded_with_what_it_holds(fresh: Ledger) -> None:
    """Rows are written at each revision; after each step every row of before is there, each column with its value."""
    connect = lambda: psycopg.connect(fresh.dsn("owner"))  # noqa: E731  # the way to the ledger, as a value
    for number, revision in enumerate(revisions(), start=1):
        with psycopg.connect(fresh.cluster.dsn(fresh.name), row_factory=dict_row) as admin:
            before = held(admin)
        upgrade(connect, revision)
        with psycopg.connect(fresh.cluster.dsn(fresh.name), row_factory=dict_row) as admin:
            after = held(admin)
            for table, rows in before.items():
                kept = [{name: row[name] for name in rows[0]} for row in after[table]] if rows else []
                assert all(row in kept for row in rows), (revision, table)
            admin.execute("SET session_replication_role = replica")  # no plan here lets a permit be written
            fill(admin, number)
    assert fresh.ask("SELECT count(*) FROM upkeep.windows") == [(len(revisions()),)]
    upgrade(connect)
    assert revisions()[-1] == head()


def test_a_ledger_of_a_newer_upkeep_is_named_and_left_as_it_is(fresh: Ledger, tmp_path: Path) -> None:
    """By the upgrade and by `check`; an older one is told to be upgraded."""
    upgrade(lambda: psycopg.connect(fresh.dsn("owner")))
    fresh.change("UPDATE upkeep.ledger_version SET version_num = '9999'")
    refused = python_m_upkeep(fresh.environment(tmp_path), "ledger", "upgrade")
    newer = f"found revision 9999, expected {head()}: a newer Upkeep has upgraded this ledger; install that version"
    assert refused.returncode == 1 and "Traceback" not in refused.stdout + refused.stderr
    assert f"The ledger behind Connection 'upkeep_ledger_owner': {newer}" in refused.stderr
    assert fresh.ask("SELECT version_num FROM upkeep.ledger_version") == [("9999",)]
    assert behind("9999").startswith(newer)
    assert behind("0001") == f"found revision 0001, expected {head()}: run `python -m upkeep ledger upgrade`"
    assert behind(head()) == ""
