"""Carrying out the drop of an index (G53): what apply asks before, how it is bound to the planned one, what it left.

``DROP INDEX CONCURRENTLY`` takes a name, and waits for its lock before it looks what the name stands for. Names that
are swapped meanwhile would let another index go. So the planned one goes under a name that nobody else can have given.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from psycopg import sql

from upkeep.areas.indexes import propose
from upkeep.core.text import visible
from upkeep.gate.attempts import Leftover, ObjectChanged
from upkeep.gate.kind import ActionKind
from upkeep.gate.plans.model import Action
from upkeep.wires import fingerprints
from upkeep.wires.database import Row, Session

#: How a name of ours begins; what follows nobody can guess.
ALIAS = "upkeep_"

_RENAME = sql.SQL("ALTER INDEX {} RENAME TO {}")


def state(session: Session, action: Action) -> Row | None:
    """The index as it is now, None when it is gone; ``supports`` are foreign keys that are looked up by it."""
    rows = session.rows(session.load("indexes/state"), {"oid": action.oid})
    supports = propose.supporting(session, [action.oid]).get(action.oid, [])
    return next((row | {"supports": supports} for row in fingerprints.with_shapes(session, rows)), None)


def obstacle(action: Action, now: Row | None) -> str:
    """Why the planned index must not be dropped any more; empty when it may.

    One that an earlier attempt left invalid may: its drop is finished by dropping it again.
    """
    if now is None:
        return "the index is gone since the plan was drawn up (dropped, or dropped and created again)"
    if (now["schema"], now["index"]) != (action.schema, action.table):
        return f"the index has been renamed to {visible(now['schema'])}.{visible(now['index'])}"
    if now["shape"] != action.shape:
        return "the index's definition was changed since the plan was drawn up"
    if now["needed"]:
        return "a constraint, a replica's identity, CLUSTER or a partitioned index rests on it by now"
    if action.because == propose.UNUSED and now["supports"]:
        return f"foreign key {', '.join(map(visible, now['supports']))} is looked up by it by now"
    if action.because == propose.UNUSED and now["scans"]:
        return "a query has used it since the plan was drawn up"
    if action.because.startswith(propose.DUPLICATE) and not now["twins"]:
        return "no other valid index of its table does the same any more"
    if action.because == propose.INVALID and now["valid"]:
        return "it has become valid since the plan was drawn up"
    return ""


def was_done(action: Action, before: Mapping[str, Any], after: Row | None) -> bool:
    """Whether the catalogue shows that the action was carried out: the index is not there any more."""
    return after is None


def note(action: Action, now: Row, earlier: Mapping[str, Any] | None) -> Row:
    """What the permit says besides: the name under which the index goes, and whether it was valid at first."""
    return {"alias": ALIAS + secrets.token_hex(16), "was_valid": (earlier or now)["valid"]}


def run(session: Session, action: Action, before: Mapping[str, Any]) -> None:
    """Drop the planned index and no other: names swap while a statement waits for its lock, and this one cannot be
    taken back by a rollback. So the name becomes one of ours, which nobody can give to another index, and only then
    is looked whose it was. Raises ObjectChanged when it was another's: it has its name still.
    """
    alias = before["alias"]
    with session.connection.transaction():
        session.rows(_renamed(action.schema, action.table, alias))
        now = state(session, action)
        if now is None or now["index"] != alias:
            raise ObjectChanged("its name stands for another index by now, which has been left alone")
        if why := obstacle(action, now | {"index": action.table}):
            raise ObjectChanged(why)
    session.rows(propose.drop({"schema": action.schema, "index": alias}))


def leftovers(session: Session, action: Action, before: Mapping[str, Any]) -> list[Leftover]:
    """The index under our own name, with the statement that gives its own back: the attempt did not drop it."""
    now, alias = state(session, action), before.get("alias")
    if now is None or now["index"] != alias:
        return []
    back = _renamed(now["schema"], alias, action.table)
    return [Leftover(f"{visible(now['schema'])}.{alias}", back, f"it is the index itself; {back}", always=True)]


def _renamed(schema: str, name: str, to: str) -> str:
    return _RENAME.format(sql.Identifier(schema, name), sql.Identifier(to)).as_string()


def partly(action: Action, before: Mapping[str, Any], after: Row | None) -> str:
    """What happened to an index that is still there; empty when nothing did."""
    if after is not None and before.get("was_valid", before["valid"]) and not after["valid"]:
        return "its drop has begun: it is invalid, no query can use it, and dropping it again ends that"
    return ""


ACTION_KIND = ActionKind(
    propose.KIND,
    "G53",
    ("weekly", "monthly"),
    propose.proposals,
    state,
    obstacle,
    was_done,
    run=run,
    note=note,
    leftovers=leftovers,
    partly=partly,
)
