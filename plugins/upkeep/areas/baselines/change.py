"""What apply asks of an action that puts a baseline in force: it adds a row to the ledger and changes no target.

Such an action's ``schema`` is the target, ``table`` the subject, ``oid`` the version in force when it was planned (0:
none), ``shape`` that version's statement.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upkeep.areas.baselines.force import in_force, parse
from upkeep.core.text import visible
from upkeep.gate.plans.model import Action
from upkeep.settings.load import settings
from upkeep.wires import queries
from upkeep.wires.database import Row, Session


def state(session: Session, action: Action) -> Row:
    """Which version of the action's subject is in force, and which of the action's own rows there are; never None."""
    version = in_force(session, settings().thresholds, action.schema, only=action.table).of(action.table)
    rows = session.rows(queries.load("baselines/baselines"), {"target": action.schema, "only": action.table})
    own = [row["version"] for row in rows if (row["action_id"], row["statement"]) == (action.id, action.statement)]
    return {"version": version.number if version else 0, "newest": max(own, default=0)}


def obstacle(action: Action, now: Row | None) -> str:
    """Why the planned baseline may not be put in force; empty when it may."""
    try:
        subject = parse(action.statement, settings().thresholds).subject
    except ValueError as why:
        return str(why)
    if subject != action.table:
        return f"its statement is about {subject}, its precondition about {visible(action.table)}"
    if now is None or now["version"] != action.oid:
        return (
            f"version {now and now['version']} is in force for {subject} by now, the plan was drawn up on {action.oid}"
        )
    return ""


def write(session: Session, action: Action, digest: str) -> None:
    """Add the next version; once for each action, however often it is called."""
    row = {
        "target": action.schema,
        "subject": action.table,
        "statement": action.statement,
        "digest": digest,
        "action_id": action.id,
    }
    session.rows(queries.load("baselines/add_baseline"), row)


def was_done(action: Action, before: Mapping[str, Any], after: Row | None) -> bool:
    """Whether a row of this action's was added since ``before``. It is in force once its receipt says so too."""
    return after is not None and after["newest"] > before["newest"]
