"""Which indexes a foreign key is looked up by (G53), on a real PostgreSQL."""

from __future__ import annotations

import psycopg
import pytest

from upkeep.areas.indexes import propose
from upkeep.wires.database import Session

TABLES = (
    "CREATE TABLE referenced (a int, b int, PRIMARY KEY (a, b))",
    "CREATE TABLE t (a int, b int, c int, CONSTRAINT key FOREIGN KEY (a, b) REFERENCES referenced)",
)

CASES = {
    "its columns": ("ON t (a, b)", True),
    "in another order": ("ON t (b, a)", True),
    "its columns first": ("ON t (b, a, c)", True),
    "a column of it": ("ON t (b)", True),
    "hash": ("ON t USING hash (a)", True),
    "where it is not null": ("ON t (a, b) WHERE a IS NOT NULL", True),
    "included only": ("ON t (c) INCLUDE (a, b)", False),
    "another column first": ("ON t (c, a, b)", False),
    "another column between": ("ON t (a, c)", False),
    "where it is null": ("ON t (a, b) WHERE a IS NULL", False),
    "a part of the rows": ("ON t (a, b) WHERE c > 0", False),
    "an expression": ("ON t ((a + 1), b)", False),
    "the referenced table's": ("ON referenced (a, b)", False),
}


@pytest.mark.parametrize(("where", "supports"), CASES.values(), ids=CASES.keys())
def test_an_index_that_a_foreign_key_is_looked_up_by(empty_database: str, where: str, supports: bool) -> None:
    """It is named with the constraint, whoever else locks the tables; another one is not."""
    with (
        psycopg.connect(empty_database, autocommit=True) as owner,
        psycopg.connect(empty_database, autocommit=True) as reader,
    ):
        for statement in (*TABLES, f"CREATE INDEX i {where}", "SET lock_timeout = '1s'"):
            owner.execute(statement.encode())
        reader.execute("SET lock_timeout = '1s'")
        (oid,) = reader.execute("SELECT 'i'::regclass::oid::bigint").fetchone() or ()
        with owner.transaction():
            owner.execute("LOCK TABLE t, referenced")
            found = propose.supporting(Session(reader), [oid])
    assert found == ({oid: ["key"]} if supports else {})
