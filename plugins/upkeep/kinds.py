"""The kinds of action, by name: what apply asks of each before it runs and after. One room each knows the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from upkeep import baselines, indexes, optimise, thresholds
from upkeep.database import Row, Session
from upkeep.plans import Action


@dataclass(frozen=True)
class Kind:
    """``state`` is the thing as the catalogue has it now, None when it is gone; it holds the counters that
    ``was_done`` compares. ``obstacle`` says why the planned thing is not there any more, empty when it is.

    With ``write`` (session, action, the plan's digest) an action changes the ledger and not the target: all three
    sessions are then the ledger's, and writing twice is the same as once.
    """

    state: Callable[[Session, Action], Row | None]
    obstacle: Callable[[Action, Row | None], str]
    was_done: Callable[[Action, Mapping[str, Any], Row | None], bool]
    write: Callable[[Session, Action, str], None] | None = None


KINDS: Mapping[str, Kind] = {
    baselines.KIND: Kind(baselines.state, baselines.obstacle, baselines.was_done, baselines.write),
    indexes.KIND: Kind(indexes.state, indexes.obstacle, indexes.was_done),
    optimise.KIND: Kind(optimise.state, optimise.obstacle, optimise.was_done),
    thresholds.KIND: Kind(thresholds.state, thresholds.obstacle, thresholds.was_done, thresholds.write),
}


def of(action: Action) -> Kind:
    """The kind of an action. Raises LookupError naming the known ones."""
    try:
        return KINDS[action.kind]
    except KeyError:
        raise LookupError(f"found kind {action.kind!r}, expected one of: {', '.join(sorted(KINDS))}") from None
