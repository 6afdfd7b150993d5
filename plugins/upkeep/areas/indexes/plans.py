"""The generic plan of a statement, with an index and without it: what it would cost (G53).

``PREPARE`` under ``plan_cache_mode = force_generic_plan`` is known to PostgreSQL 14 as to 18; ``EXPLAIN
(GENERIC_PLAN)`` is 16's. The statement is not executed, but a planner evaluates functions that are marked immutable in
a table's indexes and constraints, and PostgreSQL's own stable ones, to estimate: the session is of a role that may do
little.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from upkeep.wires import queries
from upkeep.wires.database import Row, Session

#: An index is proven by a plan that reads by it at no more than this part of the cost without it.
GAIN = 0.5

#: What stands before the text of a statement.
PREPARE = "PREPARE upkeep_lookup AS "
_PREPARE = sql.SQL(PREPARE + "{}")
#: What is parsed may be an array of a domain, whose check is code that may have set another path.
_HERE = sql.SQL("SET LOCAL search_path = pg_catalog, pg_temp")
_EXPLAIN = sql.SQL("EXPLAIN (FORMAT JSON) EXECUTE upkeep_lookup{}")


@dataclass(frozen=True)
class Planned:
    """A plan: its estimated cost, and whether it reads by the index; ``why`` it is not known, and whether that is this
    host's own.
    """

    cost: float = 0.0
    indexed: bool = False
    why: str = ""
    hosts_own: bool = False


def lookup(key: Row) -> str:
    """How the server itself looks for the rows that refer to one that is deleted."""
    pairs = enumerate(zip(key["types"], key["operators"], key["columns"], strict=True), 1)
    asked = [
        sql.SQL("{}::{} {} x.{}").format(
            sql.SQL(f"${place}"), _catalogue(kind), _catalogue(operator), sql.Identifier(column)
        )
        for place, (kind, operator, column) in pairs
    ]
    text = sql.SQL(queries.load("indexes/key_lookup")).format(
        table=sql.Identifier(key["schema"], key["table"]), conditions=sql.SQL(" AND ").join(asked)
    )
    return text.as_string()


def _catalogue(text: str) -> sql.SQL:
    """A type or an operator as the catalogue writes it, with its schema and its quotes."""
    return sql.SQL(text)


def prepared(session: Session, text: str) -> list[str]:
    """Prepare one statement; the types of its parameters as the catalogue writes them. Raises psycopg.Error."""
    # Only the extended protocol refuses whatever stands behind the first statement: the simple one executes it.
    session.connection.execute(_PREPARE.format(sql.SQL(text)), binary=True)
    session.connection.execute(_HERE)
    types: list[str] = session.row(session.load("indexes/prepared"))["types"]
    return types


def planned(session: Session, text: str, index: str = "") -> Planned:
    """The generic plan of one statement, and whether it reads by an index of this name. Raises psycopg.Error."""
    nulls = [sql.SQL("NULL")] * len(prepared(session, text))
    given = sql.SQL(" ({})").format(sql.SQL(", ").join(nulls)) if nulls else sql.SQL("")
    found = [row["QUERY PLAN"] for row in session.rows(_EXPLAIN.format(given).as_string())]
    match found:
        case [[{"Plan": {"Total Cost": cost} as plan}]]:
            return Planned(float(cost), any(node == index for node in _indexes(plan)))
    return Planned(why="it has no plan, or more than one: a rule rewrites it")


def _indexes(node: Mapping[str, Any]) -> Iterator[str]:
    """The names of the indexes that a plan reads by."""
    if "Index Name" in node:
        yield node["Index Name"]
    for below in node.get("Plans", ()):
        yield from _indexes(below)


def compared(before: Planned, after: Planned) -> Row:
    """What a statement costs without an index and with it, and whether that proves it. Pure."""
    row = {"before": before.cost, "after": after.cost, "indexed": after.indexed, "why": before.why or after.why}
    row |= {"hosts_own": True} if before.hosts_own or after.hosts_own else {}
    return row | {"proven": not row["why"] and after.indexed and after.cost <= GAIN * before.cost}
