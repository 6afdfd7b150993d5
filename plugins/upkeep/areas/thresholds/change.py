"""What apply asks of an action that puts thresholds in force (see ``versioned``); version 1 is the file."""

from __future__ import annotations

from functools import partial

from upkeep.areas import versioned
from upkeep.areas.thresholds.force import KIND, in_force, parse, statement
from upkeep.areas.thresholds.propose import proposals_from_ledger
from upkeep.gate.kind import ActionKind
from upkeep.gate.plans.model import Action
from upkeep.settings.load import settings
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

write = partial(versioned.write, "thresholds/add_thresholds")


def state(session: Session, action: Action) -> Row:
    """What is in force for the action's metric, and which of the action's own rows there are; never None."""
    config = settings().thresholds
    now = in_force(session, config, action.schema)
    rows = session.rows(queries.load("thresholds/thresholds"), {"target": action.schema})
    known = action.table in now.versions
    return {
        "version": now.versions.get(action.table, 0),
        "bands": statement(action.table, now.thresholds.metrics[action.table]) if known else "",
        "newest": versioned.newest(rows, action),
    }


def obstacle(action: Action, now: Row | None) -> str:
    """Why the planned bands may not be put in force; empty when they may."""
    try:
        metric, _ = parse(action.statement, settings().thresholds)
    except ValueError as why:
        return str(why)
    if now and (now["version"], action.table) == (action.oid, metric) and now["bands"] != action.shape:
        return f"config/thresholds.yaml was changed since the plan was drawn up: {now['bands']}"
    return versioned.obstacle(action, metric, now)


ACTION_KIND = ActionKind(
    KIND,
    "G19",
    ("weekly", "monthly"),
    partial(versioned.proposals, proposals_from_ledger),
    state,
    obstacle,
    versioned.was_done,
    write=write,
)
