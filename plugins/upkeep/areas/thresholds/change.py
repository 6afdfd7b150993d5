"""What apply asks of an action that puts thresholds in force: it adds a row to the ledger and changes no target.

Such an action's ``schema`` is the target, ``table`` the metric, ``oid`` the version that the metric's bands came from
when it was planned (1: the file), ``shape`` those bands as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upkeep.areas.thresholds.force import in_force, parse, statement
from upkeep.core.text import visible
from upkeep.gate.plans.model import Action
from upkeep.settings.load import settings
from upkeep.wires import queries
from upkeep.wires.database import Row, Session


def state(session: Session, action: Action) -> Row:
    """What is in force for the action's metric, and which of the action's own rows there are; never None."""
    config = settings().thresholds
    now = in_force(session, config, action.schema)
    rows = session.rows(queries.load("thresholds/thresholds"), {"target": action.schema})
    own = [row["version"] for row in rows if (row["action_id"], row["statement"]) == (action.id, action.statement)]
    known = action.table in now.versions
    return {
        "version": now.versions.get(action.table, 0),
        "bands": statement(action.table, now.thresholds.metrics[action.table]) if known else "",
        "newest": max(own, default=0),
    }


def obstacle(action: Action, now: Row | None) -> str:
    """Why the planned bands may not be put in force; empty when they may."""
    try:
        metric, _ = parse(action.statement, settings().thresholds)
    except ValueError as why:
        return str(why)
    if metric != action.table:
        return f"its statement is about {metric}, its precondition about {visible(action.table)}"
    if now is None or now["version"] != action.oid:
        return (
            f"version {now and now['version']} is in force for {metric} by now, the plan was drawn up on {action.oid}"
        )
    if now["bands"] != action.shape:
        return f"config/thresholds.yaml was changed since the plan was drawn up: {now['bands']}"
    return ""


def write(session: Session, action: Action, digest: str) -> None:
    """Add the next version; once for each action, however often it is called."""
    row = {
        "target": action.schema,
        "metric": action.table,
        "statement": action.statement,
        "digest": digest,
        "action_id": action.id,
    }
    session.rows(queries.load("thresholds/add_thresholds"), row)


def was_done(action: Action, before: Mapping[str, Any], after: Row | None) -> bool:
    """Whether a row of this action's was added since ``before``. It is in force once its receipt says so too."""
    return after is not None and after["newest"] > before["newest"]
