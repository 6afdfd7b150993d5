"""How much of a table or of an index is bloat: measured by pgstattuple, else estimated from statistics (G54, G55)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import psycopg

from upkeep.core.text import visible
from upkeep.settings.reindex import Reindex
from upkeep.wires import database, fingerprints
from upkeep.wires.database import Row, Session, error_words

#: How a bloat is known.
MEASURED, ESTIMATED = "measured", "estimated"


@dataclass(frozen=True)
class Bloat:
    """The share that is bloat, None when it is not known; ``why`` says why it was not measured.

    ``rows`` are a measured table's live and dead ones.
    """

    percent: float | None
    how: str = MEASURED
    why: str = ""
    rows: tuple[int, int] | None = None


@dataclass(frozen=True)
class Pgstattuple:
    """pgstattuple here: the schema to call it in, or why it cannot be called and how that is mended."""

    schema: str
    why: str = ""
    remedy: str = ""


def extension(session: Session) -> Pgstattuple:
    """Whether bloat can be measured by this role."""
    row = session.row(session.load("tables/bloat/extension"))
    if row["schema"] and row["may"]:
        return Pgstattuple(row["schema"])
    if row["schema"]:
        why = f"role {row['role']} may not call the functions of extension pgstattuple"
        remedy = f"GRANT pg_stat_scan_tables (or pg_monitor) and USAGE on schema {row['schema']} to it."
        return Pgstattuple("", why, remedy)
    install = "As a superuser, in the maintained database: CREATE EXTENSION pgstattuple;"
    package = "" if row["available"] else " It comes with the server's contrib package, which is not installed."
    return Pgstattuple("", "extension pgstattuple is not installed", install + package)


def tables(session: Session, config: Reindex) -> list[Row]:
    """Config's tables and their partitions in config's order, ``oid`` None where there is none of that name."""
    names = {"schemas": [name.schema for name in config.tables], "tables": [name.table for name in config.tables]}
    return session.rows(session.load("tables/bloat/tables"), names)


def indexes(session: Session, config: Reindex, found: Iterable[Row]) -> list[Row]:
    """The valid indexes of these tables that are large enough to matter, the largest first."""
    oids = [row["oid"] for row in found if row["oid"] is not None]
    rows = session.rows(session.load("tables/bloat/indexes"), {"tables": oids})
    return fingerprints.with_shapes(session, [row for row in rows if row["bytes"] >= max(1, config.min_bytes)])


def table_bloat(session: Session, config: Reindex, has: Pgstattuple, row: Row) -> Bloat:
    """How much of a table is dead rows and free room: measured, else from the counters and widths of statistics."""
    measured = _measured(session, "tables/bloat/measure_table", has, config, row)
    if isinstance(measured, str):
        return _estimated(row["bytes"], row["needed_bytes"], measured)
    rows = (measured["live_rows"], measured["dead_rows"])
    return Bloat(measured["dead_percent"] + measured["free_percent"], rows=rows)


def measured_rows(session: Session, config: Reindex) -> dict[int, tuple[int, int]]:
    """OID → live and dead rows of those of config's tables that can be measured."""
    has, found = extension(session), {}
    for row in tables(session, config):
        if row["bytes"] and (rows := table_bloat(session, config, has, row).rows):
            found[row["oid"]] = rows
    return found


def index_bloat(session: Session, config: Reindex, has: Pgstattuple, row: Row) -> Bloat:
    """How much of an index a rebuild would give back. Other methods than B-tree are not judged."""
    if row["method"] != "btree":
        return Bloat(None, ESTIMATED, f"bloat of method {row['method']} is not measured")
    measured = _measured(session, "tables/bloat/measure_index", has, config, row)
    if isinstance(measured, str):
        return _estimated(row["bytes"], row["needed_bytes"], measured)
    pages = measured["leaf_pages"] + measured["idle_pages"]
    if not measured["leaf_pages"]:  # its density is no number
        return Bloat(100.0 if pages else 0.0)
    kept = measured["leaf_pages"] * measured["density"] / row["fillfactor"]
    return Bloat(max(0.0, 100 * (1 - kept / pages)))


def _measured(session: Session, statement: str, has: Pgstattuple, config: Reindex, row: Row) -> Row | str:
    """What the extension says, or why it was not asked or did not answer in time."""
    if not has.schema:
        return has.why
    if row["bytes"] > config.measure_max_bytes:
        return "it is larger than reindex.measure_max_bytes"
    try:
        with session.connection.transaction():
            return session.row(database.statement(statement, schema=has.schema), {"oid": row["oid"]})
    except psycopg.Error as error:
        if session.connection.closed:
            raise
        return f"it could not be measured ({visible(error_words(error))[:200]})"


def _estimated(size: int, needed: int | None, why: str) -> Bloat:
    if needed is None:
        return Bloat(None, ESTIMATED, f"{why}, and without ANALYZE it cannot be estimated")
    return Bloat(max(0.0, 100 * (1 - needed / size)) if size else 0.0, ESTIMATED, why)
