"""What an action's thing is like now, and whether it is still the planned one with room for the action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upkeep.gate.apply.execution import inspecting
from upkeep.gate.apply.ledger_session import LedgerSession
from upkeep.gate.apply.outcomes import sizes
from upkeep.gate.attempts import outgrown
from upkeep.gate.kind import ActionKind
from upkeep.gate.plans.model import Action
from upkeep.settings.maintenance import Maintenance
from upkeep.wires.database import Row, Session


def state_of(
    kind: ActionKind, action: Action, ledger: LedgerSession, target: Session, config: Maintenance
) -> Row | None:
    """The thing as it is now, in the target or for an action that changes the ledger there. Raises LookFailed."""
    if kind.write is not None:
        return ledger.once(lambda session: kind.state(session, action))
    with inspecting(target, config.sql):
        return kind.state(target, action)


def obstacle_to(
    kind: ActionKind, action: Action, now: Row | None, planned: Mapping[str, Any], config: Maintenance, target: str
) -> str:
    """Why an action must not run by what the catalogue says: it is another thing, or there is no room for it.

    ``planned`` is what was measured when the plan was drawn up.
    """
    why = kind.obstacle(action, now)
    if why or now is None:
        return why
    why = outgrown(*sizes(planned, now))
    return why or (kind.no_room(action, now, config, target) if kind.no_room else "")
