"""The one shape of a kind of action: what it proposes, and what apply asks of it before an action runs and after.

Areas hold the kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from upkeep.gate.attempts import Leftover
from upkeep.gate.plans.model import Action
from upkeep.gate.proposing import Proposals, ProposalSources
from upkeep.settings.maintenance import Maintenance
from upkeep.wires.database import Row, Session


@dataclass(frozen=True)
class ActionKind:
    """``name`` is its word in plans and config, ``guide`` the item that its actions carry out; a plan of one of its
    ``cadences`` holds what ``propose`` finds: the proposals, and how many candidates there are in all.

    ``state`` is the thing as the catalogue has it now, None when it is gone; it holds the counters that
    ``was_done`` compares. ``obstacle`` says why the planned thing is not there any more, empty when it is.

    With ``write`` (session, action, the plan's digest) an action changes the ledger and not the target: all three
    sessions are then the ledger's, and writing twice is the same as once.

    ``run`` (session, action, before) is how the statement is carried out where that is more than running it: bound to
    the thing by a transaction, or only the rest of it. ``steps`` is the same in steps, each of which says what was done
    so far and leaves the target as it may stay: between two, guards and the plan's end are asked. ``note`` (action,
    what it is now, what it was before the first attempt) is what the permit's ``before`` says besides, such as a name
    that ``run`` gives.

    ``no_room`` (action, what it is now, config, the target's name) says why the disk may not hold what is needed.
    ``leftovers`` (session, action, before) are what an attempt left behind that ended early; the thing itself may have
    been changed by then. Of an attempt that was not done ``partly`` says what happened all the same, and ``elsewhere``
    what may have happened to another thing that has the name by now; both are empty when nothing did.
    """

    name: str
    guide: str
    cadences: tuple[str, ...]
    propose: Callable[[ProposalSources], Proposals]
    state: Callable[[Session, Action], Row | None]
    obstacle: Callable[[Action, Row | None], str]
    was_done: Callable[[Action, Mapping[str, Any], Row | None], bool]
    write: Callable[[Session, Action, str], None] | None = None
    run: Callable[[Session, Action, Mapping[str, Any]], None] | None = None
    steps: Callable[[Session, Action, Mapping[str, Any]], Generator[str, None, None]] | None = None
    note: Callable[[Action, Row, Mapping[str, Any] | None], Row] | None = None
    no_room: Callable[[Action, Row, Maintenance, str], str] | None = None
    leftovers: Callable[[Session, Action, Mapping[str, Any]], list[Leftover]] | None = None
    partly: Callable[[Action, Mapping[str, Any], Row | None], str] | None = None
    elsewhere: Callable[[Action, Mapping[str, Any], Row | None], str] | None = None


#: The kinds that there are, by name, in the order in which a plan holds them; whoever calls the gate hands them in.
ActionKinds = Mapping[str, ActionKind]


def kind_of(kinds: ActionKinds, action: Action) -> ActionKind:
    """The kind of an action. Raises LookupError naming the known ones."""
    try:
        return kinds[action.kind]
    except KeyError:
        raise LookupError(f"found kind {action.kind!r}, expected one of: {', '.join(sorted(kinds))}") from None
