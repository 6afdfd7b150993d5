"""What a restored copy is asked: whether all of it can be read, and its indexes and sequences are sound (G101)."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from psycopg import sql

from upkeep.core.findings import Finding, Level, Topic
from upkeep.core.units import count, listed
from upkeep.wires import queries
from upkeep.wires.database import Session, error_words

NAMED = 5
#: Also what PostgreSQL says where a library cannot be loaded, which is no damage.
_INTERNAL = "XX000"
_ASKED = "See the task's log for what PostgreSQL said, and repeat it."
_BAD = "Do not rely on this backup: take another one now, then find what bent it: a disk, its controller, memory."


def look_through(session: Session, topic: Topic) -> Iterator[Finding]:
    """Findings of a copy that is open for writing; each is part of ``topic``."""
    yield readable(session, topic.part("readable", "Every table of the restored copy"))
    yield in_order(session, topic.part("indexes", "Every index of the restored copy"))
    yield ahead(session, topic.part("sequences", "Sequences of the restored copy"))
    yield collated(session, topic.part("collations", "Collations of the restored copy"))


def readable(session: Session, topic: Topic) -> Finding:
    """Read each row of each table: a page whose checksum is wrong is an error of the server."""
    session.rows(queries.load("backups/heap_only"))
    tables, rows = session.rows(queries.load("backups/tables")), 0
    wrong: list[str] = []
    blind: list[str] = []
    for table in tables:
        statement = sql.SQL(queries.load("backups/all_rows")).format(
            table=sql.Identifier(table["schema"], table["table"])
        )
        try:
            with session.connection.transaction():
                rows += session.row(statement.as_string(session.connection))["rows"]
        except psycopg.Error as error:
            (wrong if is_damage(error) else blind).append(f"{table['schema']}.{table['table']}: {_said(error)}")
    expected = "every page of every table can be read"
    if bad := wrong or blind:
        detail = f"{len(bad)} of {count(len(tables), 'table')} cannot be read whole: {listed(bad, NAMED, '; ')}"
        return topic.finding(Level.CRITICAL if wrong else Level.UNKNOWN, detail, expected, _BAD if wrong else _ASKED)
    detail = f"{count(len(tables), 'table')} with {count(rows, 'row')}, read from the first page to the last"
    if session.row(queries.load("backups/checksums"))["data_checksums"] == "on":
        return topic.finding(Level.OK, detail, expected)
    remedy = "Switch them on while the server is stopped (pg_checksums --enable)."
    return topic.finding(Level.ADVISORY, f"{detail}; without data checksums few bent bytes show", expected, remedy)


def in_order(session: Session, topic: Topic) -> Finding:
    """Check each B-tree index with amcheck; an invalid one is the original's, and serves no query there either."""
    expected = "amcheck finds each B-tree index in order"
    try:
        with session.connection.transaction():
            session.rows("DROP EXTENSION IF EXISTS amcheck CASCADE")  # the target's may lie in another schema
            session.rows("CREATE EXTENSION amcheck SCHEMA pg_catalog")
    except psycopg.Error as error:
        if is_damage(error) and error.sqlstate != _INTERNAL:
            detail = f"amcheck cannot be used, for the copy is damaged: {_said(error)}"
            return topic.finding(Level.CRITICAL, detail, expected, _BAD)
        remedy = "Install PostgreSQL's contrib modules, of its own version, beside restore.programs."
        return topic.finding(Level.UNKNOWN, f"not collected: amcheck cannot be used: {_said(error)}", expected, remedy)
    found = session.rows(queries.load("backups/indexes"))
    invalid = [index["name"] for index in found if not index["valid"]]
    wrong: list[str] = []
    blind: list[str] = []
    for index in found:
        if index["valid"]:
            try:
                with session.connection.transaction():
                    session.rows(queries.load("backups/check_index"), {"oid": index["oid"]})
            except psycopg.Error as error:
                (wrong if is_damage(error) else blind).append(f"{index['name']}: {_said(error)}")
    detail = f"{count(len(found) - len(invalid), 'index')} checked"
    if invalid:
        detail += f"; marked invalid: {listed(invalid, NAMED)}"
    if blind and not wrong:
        detail = f"{len(blind)} could not be checked: {listed(blind, NAMED, '; ')}"
        return topic.finding(Level.UNKNOWN, detail, expected, _ASKED)
    if wrong:
        detail = f"{len(wrong)} out of order: {listed(wrong, NAMED, '; ')}"
    remedy = "REINDEX would mend the copy; see whether the original has the same fault (amcheck's bt_index_check)."
    return topic.judged(Level.CRITICAL if wrong else Level.OK, detail, expected, remedy)


def ahead(session: Session, topic: Topic) -> Finding:
    """Whether each sequence stands at or beyond the greatest number of its column: the next one must be free."""
    found, behind = session.rows(queries.load("backups/sequences")), []
    for one in found:
        statement = sql.SQL(queries.load("backups/greatest")).format(
            column=sql.Identifier(one["column"]), table=sql.Identifier(one["schema"], one["table"])
        )
        greatest = session.row(statement.as_string(session.connection))["greatest"]
        if greatest is not None and greatest > (one["last_value"] or 0):
            behind.append(f"{one['schema']}.{one['table']}.{one['column']} holds {greatest}, {one['last_value']} drawn")
    detail = f"{count(len(found), 'sequence')}, none behind its column"
    if behind:
        detail = f"{len(behind)} behind: {listed(behind, NAMED, '; ')}"
    remedy = (
        "Numbers were given that the sequence does not know, as in the target, perhaps: look there, and setval() it."
    )
    return topic.judged(Level.WARNING if behind else Level.OK, detail, "no sequence behind its column", remedy)


def collated(session: Session, topic: Topic) -> Finding:
    """Whether text sorts here as it did where the indexes were built."""
    found = [
        f"{row['name']}: built by {row['built_by']}, here {row['here']}"
        for row in session.rows(session.load("backups/collations"))
    ]
    detail = listed(found, NAMED, "; ") or "as where the indexes were built"
    remedy = (
        "Indexes on text may be out of order on such a host: plan REINDEX and ALTER DATABASE … REFRESH COLLATION "
        "VERSION into the recovery, or restore where the operating system's version is the same."
    )
    return topic.judged(Level.WARNING if found else Level.OK, detail, "the collation versions of the original", remedy)


def is_damage(error: psycopg.Error) -> bool:
    """Whether the server says that bytes are not as they must be (class XX), or was gone amid the question."""
    code = error.sqlstate or ""
    return code.startswith("XX") or (not code and isinstance(error, psycopg.OperationalError))


def _said(error: psycopg.Error) -> str:
    return error_words(error)[:200]
