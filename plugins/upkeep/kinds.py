"""The kinds of action, by name: what apply asks of each before it runs and after. One room each knows the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from upkeep import baselines, constraints, indexes, optimise, reindex, thresholds
from upkeep.database import Row, Session
from upkeep.plans import Action
from upkeep.settings import Maintenance


@dataclass(frozen=True)
class Kind:
    """``state`` is the thing as the catalogue has it now, None when it is gone; it holds the counters that
    ``was_done`` compares. ``obstacle`` says why the planned thing is not there any more, empty when it is.

    With ``write`` (session, action, the plan's digest) an action changes the ledger and not the target: all three
    sessions are then the ledger's, and writing twice is the same as once.

    With ``lock`` (what it is now) an action is transactional: that statement locks it, it is looked at once more, and
    changed in the same transaction. ``no_room`` (action, what it is now, config, the target's name) says why the disk
    may not hold what the action needs. ``leftovers`` (session, action, before) are what an attempt left behind that
    ended early, each with the statement that removes it; the thing itself may have been changed by then.
    """

    state: Callable[[Session, Action], Row | None]
    obstacle: Callable[[Action, Row | None], str]
    was_done: Callable[[Action, Mapping[str, Any], Row | None], bool]
    write: Callable[[Session, Action, str], None] | None = None
    lock: Callable[[Row], str] | None = None
    no_room: Callable[[Action, Row, Maintenance, str], str] | None = None
    leftovers: Callable[[Session, Action, Mapping[str, Any]], dict[str, str]] | None = None


KINDS: Mapping[str, Kind] = {
    baselines.KIND: Kind(baselines.state, baselines.obstacle, baselines.was_done, baselines.write),
    constraints.KIND: Kind(constraints.state, constraints.obstacle, constraints.was_done, lock=constraints.lock),
    indexes.KIND: Kind(indexes.state, indexes.obstacle, indexes.was_done),
    optimise.KIND: Kind(optimise.state, optimise.obstacle, optimise.was_done),
    reindex.KIND: Kind(
        reindex.state, reindex.obstacle, reindex.was_done, no_room=reindex.no_room, leftovers=reindex.leftovers
    ),
    thresholds.KIND: Kind(thresholds.state, thresholds.obstacle, thresholds.was_done, thresholds.write),
}


def of(action: Action) -> Kind:
    """The kind of an action. Raises LookupError naming the known ones."""
    try:
        return KINDS[action.kind]
    except KeyError:
        raise LookupError(f"found kind {action.kind!r}, expected one of: {', '.join(sorted(KINDS))}") from None
