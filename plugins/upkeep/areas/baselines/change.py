"""What apply asks of an action that puts a baseline in force (see ``versioned``); version 0 is none."""

from __future__ import annotations

from functools import partial

from upkeep.areas import versioned
from upkeep.areas.baselines.force import KIND, in_force, parse
from upkeep.areas.baselines.propose import proposals_from_ledger
from upkeep.gate.kind import ActionKind
from upkeep.gate.plans.model import Action
from upkeep.settings.load import settings
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

write = partial(versioned.write, "baselines/add_baseline")


def state(session: Session, action: Action) -> Row:
    """Which version of the action's subject is in force, and which of the action's own rows there are; never None."""
    version = in_force(session, settings().thresholds, action.schema, only=action.table).of(action.table)
    rows = session.rows(queries.load("baselines/baselines"), {"target": action.schema, "only": action.table})
    return {"version": version.number if version else 0, "newest": versioned.newest(rows, action)}


def obstacle(action: Action, now: Row | None) -> str:
    """Why the planned baseline may not be put in force; empty when it may."""
    try:
        subject = parse(action.statement, settings().thresholds).subject
    except ValueError as why:
        return str(why)
    return versioned.obstacle(action, subject, now)


ACTION_KIND = ActionKind(
    KIND,
    "G26",
    ("monthly",),
    partial(versioned.proposals, proposals_from_ledger),
    state,
    obstacle,
    versioned.was_done,
    write=write,
)
