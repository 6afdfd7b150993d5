"""A ledger set back to what the previous version of Upkeep would have kept of it: its tables, with the rows of now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import sql

from upkeep.ledger.migrations.upgrade import revisions, upgrade

NOW = "upkeep_now"
TABLES = """
SELECT c.relname, array_agg(a.attname ORDER BY a.attnum), max(a.attname) FILTER (WHERE a.attidentity <> '')
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = to_regnamespace('upkeep') AND c.relkind = 'r' AND c.relname <> 'ledger_version'
GROUP BY c.relname
"""

#: A superuser's session of a database of the server.
Connect = Callable[[str], psycopg.Connection[Any]]


def set_back(connect: Connect, as_owner: Callable[[], psycopg.Connection[Any]], owner: str) -> tuple[str, int]:
    """Put a ledger of the revision before this version's in place of ``upkeep``; that revision, and the rows in it.

    The one of now stays beside it under another name. Nobody else may be connected.
    """
    with connect("postgres") as server:
        server.autocommit = True
        server.execute(sql.SQL("ALTER DATABASE upkeep RENAME TO {}").format(sql.Identifier(NOW)))
        server.execute(sql.SQL("CREATE DATABASE upkeep OWNER {}").format(sql.Identifier(owner)))
    revision = revisions()[-2]
    upgrade(as_owner, revision)
    rows = 0
    with connect(NOW) as now, connect("upkeep") as earlier:
        earlier.execute("SET session_replication_role = replica")  # what was permitted is not permitted anew
        for table, columns, number in earlier.execute(TABLES.encode()).fetchall():
            rows += _copy(now, earlier, table, columns)
            if number:
                newest = "SELECT setval(pg_get_serial_sequence({}, {}), max({}) + 1, false) FROM {} HAVING count(*) > 0"
                name = sql.Identifier("upkeep", table)
                earlier.execute(
                    sql.SQL(newest).format(f"upkeep.{table}", sql.Literal(number), sql.Identifier(number), name)
                )
    return revision, rows


def _copy(now: psycopg.Connection[Any], earlier: psycopg.Connection[Any], table: str, columns: list[str]) -> int:
    """The rows of a table, in the columns that it had then, in place of what the migrations wrote."""
    name, listed = sql.Identifier("upkeep", table), sql.SQL(", ").join(map(sql.Identifier, columns))
    earlier.execute(sql.SQL("DELETE FROM {}").format(name))
    taken = now.cursor().copy(sql.SQL("COPY {} ({}) TO STDOUT").format(name, listed))
    with taken as source, earlier.cursor() as cursor:
        with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(name, listed)) as sink:
            for data in source:
                sink.write(data)
        return cursor.rowcount
