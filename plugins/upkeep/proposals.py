"""What a plan is made of: each kind's proposals, in the order in which they would run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from upkeep import indexes, optimise, plans
from upkeep.database import Connect, Session
from upkeep.plans import Action, Proposal
from upkeep.settings import Maintenance


@dataclass(frozen=True)
class Sources:
    """Where proposals come from: the target and its standbys, the ledger, what config says, and when it is asked.

    ``taken`` are actions that people have approved elsewhere and that are still to run.
    """

    target: Session
    ledger: Session
    config: Maintenance
    now: datetime
    taken: tuple[Action, ...] = ()
    replicas: Mapping[str, Connect] = field(default_factory=dict)

    def taken_of(self, kind: str) -> list[int]:
        """The OIDs that approved actions of a kind are about."""
        return [action.oid for action in self.taken if action.kind == kind]

    def roles(self, kind: str) -> tuple[str, ...]:
        """Who has to approve a kind."""
        return self.config.approval.roles[kind]


#: A kind's proposals, and how many candidates there are in all.
Found = tuple[list[Proposal], int]


def _indexes(sources: Sources) -> Found:
    config = sources.config
    seen = indexes.usage(sources.target, config.indexes, sources.replicas, config.sql, sources.now)
    rows = indexes.candidates(sources.target, config.indexes, seen, sources.taken_of(indexes.KIND))
    return indexes.propose(rows[: indexes.MOST_DROPS], sources.roles(indexes.KIND)), len(rows)


def _optimise(sources: Sources) -> Found:
    config = sources.config.optimise
    rows = optimise.candidates(sources.target, config, sources.taken_of(optimise.KIND))
    return optimise.propose(rows, config, sources.roles(optimise.KIND)), rows[0]["candidates"] if rows else 0


#: An index that goes need not be vacuumed first.
_KINDS: tuple[Callable[[Sources], Found], ...] = (_indexes, _optimise)


def collect(sources: Sources) -> tuple[list[Proposal], int]:
    """What a plan holds, and how many candidates wait for the next one."""
    found = [propose(sources) for propose in _KINDS]
    proposals = [proposal for mine, _ in found for proposal in mine][: plans.MOST_ACTIONS]
    return proposals, sum(total for _, total in found) - len(proposals)
