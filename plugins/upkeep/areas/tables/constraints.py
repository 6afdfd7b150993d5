"""Constraints that hold for new rows only (G60): how many rows break each, and validating those that none does.

The rows are counted through the read Connection in a read-only transaction. A CHECK's expression may call functions,
which then run with the reading role's rights, and not with their caller's at the time of the INSERT: give that role
nothing to lose. A policy that would hide rows makes the count fail instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from upkeep.core.text import visible
from upkeep.gate import predictions
from upkeep.gate.attempts import ObjectChanged
from upkeep.gate.kind import ActionKind
from upkeep.gate.plans.model import Action, Proposal
from upkeep.gate.plans.statements import copyable
from upkeep.gate.predictions import Corrections
from upkeep.gate.proposing import Proposals, ProposalSources
from upkeep.wires.database import Row, Session, error_words

KIND, VERB = "validate", "validate"

#: Rows that are counted at most: beyond it the number says nothing more.
MOST = 1_000_000

_CHECK = "c"
_VALIDATE = sql.SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}")
_LOCK = sql.SQL("LOCK TABLE ONLY {} IN SHARE UPDATE EXCLUSIVE MODE")
_LOCKS = {_CHECK: "SHARE UPDATE EXCLUSIVE", "f": "SHARE UPDATE EXCLUSIVE, and ROW SHARE on the table it refers to"}


@dataclass(frozen=True)
class ViolationCount:
    """How many rows break a constraint, at ``MOST`` or more; None when it is not known, for the reason ``why``."""

    violators: int | None
    why: str = ""

    def __str__(self) -> str:
        if self.violators is None:
            return f"not known: {self.why}"
        return f"at least {MOST:,}" if self.violators >= MOST else f"{self.violators:,}"


# Looking ------------------------------------------------------------------------------------------------------


def unvalidated(session: Session) -> list[Row]:
    """The constraints that were never held against the rows that were there before them."""
    return session.rows(session.load("tables/constraints/unvalidated"))


def violators(session: Session, row: Row) -> ViolationCount:
    """Count the rows that break a constraint; one that cannot be counted ends with a reason."""
    if row["definition"] is None:
        return ViolationCount(None, "somebody has or wants ACCESS EXCLUSIVE on its table")
    try:
        with session.connection.transaction():
            session.rows(session.load("tables/constraints/all_rows"))
            return ViolationCount(int(session.row(counting(session, row))["violators"]))
    except psycopg.errors.QueryCanceled:
        return ViolationCount(
            None, "counting them took longer than sql.statement_timeout_seconds, or somebody cancelled it"
        )
    except psycopg.Error as error:
        if session.connection.closed:
            raise
        return ViolationCount(None, visible(error_words(error))[:300])


def counting(session: Session, row: Row) -> str:
    """The statement that counts the rows that break a constraint."""
    table = _relation(row["schema"], row["table"], only=row["only_here"])
    if row["type"] == _CHECK:
        # The expression is the catalogue's own text, deparsed for this search_path: there is no name for it to be.
        parts: dict[str, sql.Composable] = {"expression": sql.SQL(row["expression"])}
        return _filled(session, "tables/constraints/count_check", table=table, **parts)
    asked = [sql.SQL("t.{} IS NOT NULL").format(sql.Identifier(column)) for column in row["columns"]]
    pairs = zip(row["referenced_columns"], row["operators"], row["columns"], row["collations"], strict=True)
    same = [  # where the two differ the server compares by the referenced column's collation
        sql.SQL("r.{} {} t.{}{}").format(
            sql.Identifier(there), sql.SQL(operator), sql.Identifier(here), sql.SQL(collation)
        )
        for there, operator, here, collation in pairs
    ]
    return _filled(
        session,
        "tables/constraints/count_key",
        table=table,
        referenced=_relation(row["referenced_schema"], row["referenced"], only=row["referenced_only"]),
        # MATCH FULL excuses a row whose columns are all null, MATCH SIMPLE one with any.
        asked=sql.SQL("({})").format(sql.SQL(" OR " if row["match_full"] else " AND ").join(asked)),
        same=sql.SQL(" AND ").join(same),
    )


def _relation(schema: str, name: str, *, only: bool) -> sql.Composable:
    return sql.SQL("ONLY {}" if only else "{}").format(sql.Identifier(schema, name))


def _filled(session: Session, name: str, **parts: sql.Composable) -> str:
    template = sql.SQL(session.load(name))
    return template.format(most=sql.Literal(MOST), **parts).as_string(session.connection)


# Candidates ---------------------------------------------------------------------------------------------------


def candidates(session: Session, taken: Iterable[int]) -> list[Row]:
    """Constraints that no row breaks; ``taken`` are OIDs to leave out."""
    left_out = set(taken)
    rows = [row for row in unvalidated(session) if row["oid"] not in left_out]
    return [row for row in rows if violators(session, row).violators == 0]


def proposals(sources: ProposalSources) -> Proposals:
    """What a plan would validate. Raises NotAsked."""
    speed, known = sources.settings.maintenance.optimise.megabytes_per_second, sources.learned(KIND)
    with sources.reading() as target:
        rows = candidates(target, sources.taken_of(KIND))
    return propose(rows, speed, sources.roles(KIND), known), len(rows)


def propose(
    rows: Iterable[Row],
    megabytes_per_second: float,
    roles: tuple[str, ...],
    known: Corrections | None = None,
) -> list[Proposal]:
    """An action for each candidate, its prediction corrected by what earlier ones took. Pure."""
    found = []
    for row in rows:
        base = max(predictions.AT_ONCE_MS, round(row["table_bytes"] / (megabytes_per_second * 1024**2) * 1000))
        predicted, note = predictions.corrected(VERB, base, row["oid"], known or Corrections())
        seen: dict[str, Any] = {"bytes": row["table_bytes"], "definition": row["definition"], "violators": 0}
        found.append(Proposal(_action(row, roles, predicted), seen | note))
    return found


def _action(row: Row, roles: tuple[str, ...], predicted: int) -> Action:
    return Action(
        id="",
        kind=KIND,
        verb=VERB,
        statement=validate(row),
        schema=row["schema"],
        table=_name(row),
        oid=row["oid"],
        shape=row["shape"],
        roles=roles,
        because="no row breaks it",
        lock=_LOCKS[row["type"]],
        predicted_ms=predicted,
        predicted_bytes=0,
    )


def validate(row: Row) -> str:
    """The statement that validates a constraint."""
    table = sql.Identifier(row["schema"], row["table"])
    return copyable(_VALIDATE.format(table, sql.Identifier(row["name"])).as_string())


def _name(row: Mapping[str, Any]) -> str:
    """What stands where other kinds have a table: a constraint's name is its table's alone."""
    return f"{row['table']}.{row['name']}"


# What apply asks of a kind ------------------------------------------------------------------------------------


def state(session: Session, action: Action) -> Row | None:
    """The constraint as it is now, None when it is gone."""
    rows = session.rows(session.load("tables/constraints/state"), {"oid": action.oid})
    return rows[0] if rows else None


def run(session: Session, action: Action, before: Mapping[str, Any]) -> None:
    """Validate it in a transaction that locks its table, looks whether it is still the planned one, and afterwards
    whether it is what was validated. Raises ObjectChanged.
    """
    with session.connection.transaction():
        session.rows(_LOCK.format(sql.Identifier(before["schema"], before["table"])).as_string())
        if why := obstacle(action, state(session, action)):
            raise ObjectChanged(why)
        session.rows(action.statement)
        if not was_done(action, before, state(session, action)):
            raise ObjectChanged("the names stood for another constraint, which has been left as it was")


def obstacle(action: Action, now: Row | None) -> str:
    """Why the planned constraint must not be validated any more; empty when it may."""
    if now is None:
        return "the constraint is gone since the plan was drawn up (dropped, or dropped and created again)"
    if (now["schema"], _name(now)) != (action.schema, action.table):
        return f"it has been renamed to {visible(now['schema'])}.{visible(_name(now))}"
    if now["validated"]:
        return "somebody has validated it since the plan was drawn up"
    return "" if now["shape"] == action.shape else "its definition was changed since the plan was drawn up"


def was_done(action: Action, before: Mapping[str, Any], after: Row | None) -> bool:
    """Whether the catalogue shows that the action was carried out: the constraint holds for all rows."""
    return after is not None and bool(after["validated"])


ACTION_KIND = ActionKind(KIND, "G60", ("monthly",), proposals, state, obstacle, was_done, run=run)
