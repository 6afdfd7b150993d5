"""What a plan is made of: each kind's proposals, in the order in which they would run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from upkeep import baselines, constraints, gate, indexes, ledger, optimise, plans, predictions, reindex, thresholds
from upkeep.database import Connect, Session
from upkeep.plans import Action, Proposal
from upkeep.predictions import Learned
from upkeep.settings import Settings


@dataclass(frozen=True)
class Sources:
    """Where proposals come from: the target and its standbys, the ledger, what config says, and when it is asked.

    ``name`` is the target's in config, ``cadence`` the window's; ``taken`` are actions that people have approved
    elsewhere and are still to run, or that this plan holds already.
    """

    name: str
    cadence: str
    target: Session
    ledger: Session
    settings: Settings
    now: datetime
    taken: tuple[Action, ...] = ()
    replicas: Mapping[str, Connect] = field(default_factory=dict)

    def taken_of(self, kind: str) -> list[int]:
        """The OIDs that approved actions of a kind are about."""
        return [action.oid for action in self.taken if action.kind == kind]

    def roles(self, kind: str) -> tuple[str, ...]:
        """Who has to approve a kind."""
        return self.settings.maintenance.approval.roles[kind]

    def learned(self, kind: str) -> Learned:
        """What predictions of a kind are corrected by."""
        past = gate.past_actions(self.ledger, self.name, kind, self.now - predictions.REACH)
        return predictions.learned(past, self.settings.maintenance.optimise.least_receipts)


#: A kind's proposals, and how many candidates there are in all.
Found = tuple[list[Proposal], int]


def _baselines(sources: Sources) -> Found:
    found = baselines.proposals_from_ledger(sources.ledger, sources.name, sources.settings, sources.taken, sources.now)
    return found, len(found)


def _thresholds(sources: Sources) -> Found:
    found = thresholds.proposals_from_ledger(sources.ledger, sources.name, sources.settings, sources.taken, sources.now)
    return found, len(found)


def _indexes(sources: Sources) -> Found:
    config = sources.settings.maintenance
    seen = indexes.usage(sources.target, config.indexes, sources.replicas, config.sql, sources.now)
    known = indexes.known_since(ledger.newest_snapshot(sources.ledger, sources.name, indexes.AGES))
    taken = sources.taken_of(indexes.KIND)
    rows = indexes.candidates(sources.target, config, seen, known, sources.now, taken)
    return indexes.propose(rows[: indexes.MOST_DROPS], sources.roles(indexes.KIND)), len(rows)


def _optimise(sources: Sources) -> Found:
    config = sources.settings.maintenance.optimise
    rows = optimise.candidates(sources.target, config, sources.taken_of(optimise.KIND))
    known = sources.learned(optimise.KIND)
    proposals = optimise.propose(rows, config, sources.roles(optimise.KIND), sources.target.version, known)
    return proposals, rows[0]["candidates"] if rows else 0


def _validate(sources: Sources) -> Found:
    speed = sources.settings.maintenance.optimise.megabytes_per_second
    rows = constraints.candidates(sources.target, sources.taken_of(constraints.KIND))
    known = sources.learned(constraints.KIND)
    return constraints.propose(rows, speed, sources.roles(constraints.KIND), known), len(rows)


def _reindex(sources: Sources) -> Found:
    config = sources.settings.maintenance
    taken = sources.taken_of(reindex.KIND) + sources.taken_of(indexes.KIND)  # what goes is not rebuilt first
    rows = reindex.candidates(sources.target, config, sources.name, taken)
    known = sources.learned(reindex.KIND)
    return reindex.propose(rows, config, sources.roles(reindex.KIND), known), len(rows)


#: By cadence; few and quick first: an index that goes need not be vacuumed, and one is rebuilt after VACUUM has emptied
#: it.
_KINDS: Mapping[str, tuple[Callable[[Sources], Found], ...]] = {
    "weekly": (_thresholds, _indexes, _optimise),
    "monthly": (_baselines, _thresholds, _indexes, _validate, _optimise, _reindex),
}


def collect(sources: Sources) -> tuple[list[Proposal], int]:
    """What a plan holds, and how many candidates wait for the next one."""
    found: list[Proposal] = []
    candidates = 0
    for propose in _KINDS[sources.cadence]:
        planned = tuple(proposal.action for proposal in found)
        mine, total = propose(replace(sources, taken=sources.taken + planned))
        found += mine
        candidates += total
    proposals = found[: plans.MOST_ACTIONS]
    return proposals, candidates - len(proposals)
