"""Statements that config names (``indexes.statements``), read on a restored copy before they are planned there (G53).

Their texts are the team's and are reviewed with the config, but what they name is the target's, and may be code: a
view, a function, an operator, a type. A planner evaluates functions, so a statement that names any of these is not
planned. A server that has parsed a text into a procedure knows what it names. To parse a literal of a domain's array
runs the domain's check already: so that is done by a role that may only read, is taken back, and of what the server
says to it the SQLSTATE is told and the place in the team's own text.
"""

from __future__ import annotations

import re

import psycopg
from psycopg import sql

from upkeep.areas.indexes import plans, refusals
from upkeep.areas.indexes.refusals import RefusedError
from upkeep.core.units import listed
from upkeep.wires.database import Session

#: What is asked of a statement, as a finding says it.
EXPECTED = (
    "one SELECT, alone or behind WITH, of tables that the copy has, named with their schemas, by functions, operators "
    "and types of PostgreSQL's own (and enumerations) alone"
)
#: The first minor of each major that can be told to refuse views and foreign tables (restrict_nonsystem_relation_kind).
_RESTRICTS = {14: 140_013, 15: 150_008, 16: 160_004}
_NAMED = 3
#: What the commonest SQLSTATEs mean of a text.
_MEANING = {
    "42601": "it is no grammar of a server's, or more than one statement",
    "42P01": "there is no such table",
    "42703": "there is no such column",
    "42704": "there is no such type",
    "42883": "there is no such function or operator among PostgreSQL's own",
    "42P18": "the type of a parameter is not known: write $1::pg_catalog.int4",
    "55000": "it reads a view or a foreign table",
}
#: A name behind its schema.
_QUALIFIED = re.compile(r'("[^"]*"|[\w$]+)\s*\.')

_NAMING = sql.SQL("CREATE PROCEDURE pg_temp.upkeep_named ({}) LANGUAGE sql BEGIN ATOMIC {}\n; END")
_HERE = sql.SQL("SET LOCAL search_path = pg_catalog, pg_temp")


def tables(session: Session, text: str) -> dict[tuple[str, str], set[str]]:
    """Schema and name of the tables that a statement names, each with the columns that it names of it; what the session
    did for that is taken back.

    Raises RefusedError, and psycopg.Error for what is the host's own.
    """
    if session.version < _RESTRICTS.get(session.version // 10_000, 0):
        minors = ", ".join(f"{at // 10_000}.{at % 10_000}" for at in _RESTRICTS.values())
        raise RefusedError(
            f"found PostgreSQL {session.version // 10_000}.{session.version % 10_000}, which cannot be told to refuse "
            f"views and foreign tables, expected {minors} or later"
        )
    try:
        with session.connection.transaction(force_rollback=True):
            types = sql.SQL(", ").join(map(sql.SQL, plans.prepared(session, text)))
            session.connection.execute(_NAMING.format(types, sql.SQL(text)), binary=True)
            session.connection.execute(_HERE)
            found = session.rows(session.load("indexes/named_by"))
    except psycopg.Error as error:
        if refusals.hosts_own(error):
            raise
        raise _refused(error, text) from error
    if strangers := [row["stranger"] for row in found if row["stranger"]]:
        raise RefusedError(f"it names {listed(strangers, _NAMED)}")
    columns: dict[tuple[str, str], set[str]] = {(row["schema"], row["table"]): set() for row in found}
    for row in found:
        columns[row["schema"], row["table"]] |= {row["column"]} - {None}
    return columns


def _refused(error: psycopg.Error, text: str) -> RefusedError:
    """What the server has against a text, by the SQLSTATE and the place: its words may be rows of the target's."""
    state = error.sqlstate or ""
    rest = text[max(int(error.diag.statement_position or 0) - len(plans.PREPARE) - 1, 0) :]
    at_one = bool(error.diag.statement_position) and bool(rest.strip())
    near = f" at {rest.split()[0][:60]!r}" if at_one else ""
    meaning = f": {_MEANING[state]}" if state in _MEANING else ""
    missing = state == "42P01" and at_one and bool(_QUALIFIED.match(rest))
    return RefusedError(f"the server does not take it{near} (SQLSTATE {state}){meaning}", missing=missing)
