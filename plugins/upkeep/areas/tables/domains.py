"""CHECKs of domains that do not hold for all values (G60): how many values break each. Only looks.

Counted is every column of a table or materialized view whose type is the domain, or a domain over it. Values inside
arrays, composites and ranges are not: the server itself refuses to validate while a column has such a type, and the
constraint is UNKNOWN. No plan proposes to validate one: ALTER DOMAIN … VALIDATE CONSTRAINT locks all tables with such a
column against writing (SHARE, before PostgreSQL 18) while it reads one after the other, which nobody could foresee by
one action's lock.
"""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg import sql

from upkeep.areas.tables.constraints import MOST, ViolationCount
from upkeep.core.findings import Finding, Level
from upkeep.core.text import visible
from upkeep.core.units import listed
from upkeep.gate.plans.statements import copyable
from upkeep.wires.database import Row, Session, error_words

_VALIDATE = sql.SQL("ALTER DOMAIN {} VALIDATE CONSTRAINT {}")
#: Columns that a sentence names.
NAMED = 5


def unvalidated(session: Session) -> list[Row]:
    """The CHECKs of domains that were never held against the values that were there before them."""
    return session.rows(session.load("tables/constraints/unvalidated_domains"))


def violators(session: Session, row: Row) -> ViolationCount:
    """Count the values that break one, over all columns of its domain; what cannot be counted ends with a reason."""
    counted = 0
    for column in row["columns"]:
        try:
            with session.connection.transaction():
                session.rows(session.load("tables/constraints/all_rows"))
                counted += int(session.row(_counting(session, row, column))["violators"])
        except psycopg.Error as error:
            if session.connection.closed:
                raise
            return ViolationCount(None, visible(f"{'.'.join(column)}: {error_words(error)}")[:300])
    if row["inside"] and not counted:
        return ViolationCount(
            None, f"values inside arrays, composites and ranges are not counted ({_names(row['inside'])})"
        )
    return ViolationCount(min(counted, MOST))


def _counting(session: Session, row: Row, column: list[str]) -> str:
    schema, table, name = column
    # Type, collation and expression are the catalogue's own text, deparsed for this search_path.
    template = sql.SQL(session.load("tables/constraints/count_domain"))
    filled = template.format(
        column=sql.Identifier(name),
        table=sql.Identifier(schema, table),
        base=sql.SQL(row["base"]),
        collation=sql.SQL(row["collation"]),
        expression=sql.SQL(row["expression"]),
        most=sql.Literal(MOST),
    )
    return filled.as_string(session.connection)


def validate(row: Row) -> str:
    """The statement that validates one."""
    domain = sql.Identifier(row["schema"], row["domain"])
    return copyable(_VALIDATE.format(domain, sql.Identifier(row["name"])).as_string())


def finding(row: Row, count: ViolationCount) -> Finding:
    """What was counted, and what to do. Pure."""
    subject = f"{name(row)} of a domain"
    by_hand = (
        f"By hand, at a quiet hour: {validate(row)}; nobody can write to a table with a column of it meanwhile "
        "(before PostgreSQL 18), so that no plan proposes it."
    )
    level, remedy = {
        None: (Level.UNKNOWN, "Count its values by hand; the read role must see all of them, and have the time."),
        0: (Level.ADVISORY, by_hand),
    }.get(count.violators, (Level.WARNING, f"Correct these values. {by_hand}"))
    if row["inside"]:
        remedy = (
            f"The server refuses to validate it while a column has it inside its type ({_names(row['inside'])}): give"
            " these columns another type, or make the constraint anew."
        )
    where = f" in {len(row['columns'])} columns ({_names(row['columns'])})" if row["columns"] else ", it has no column"
    return Finding(
        key=f"constraints:domain:{name(row)}",
        level=level,
        subject=f"{subject} {'does not hold for all values' if count.violators else 'is not validated'}",
        detail=f"values that break it: {count}{where}; {row['definition']}",
        expected="every constraint valid",
        remedy=remedy,
        guide="G60",
        metadata={"violators": count.violators},
    )


def name(row: Row) -> str:
    """Schema, domain and constraint."""
    return f"{row['schema']}.{row['domain']}.{row['name']}"


def _names(columns: Iterable[list[str]]) -> str:
    return listed([".".join(column) for column in columns], NAMED)
