"""What a plan is made of: each kind's proposals, in the order in which they would run.

Each kind asks for itself, in sessions of its own: one that fails (a right is missing, a lock is not free, a stored row
is no sense) says so in the plan, and the others propose what they would have without it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

import psycopg

from upkeep.areas.baselines.force import KIND
from upkeep.areas.baselines.propose import proposals_from_ledger
from upkeep.areas.indexes import propose as indexes
from upkeep.areas.indexes import reindex
from upkeep.areas.tables import constraints, vacuum
from upkeep.areas.thresholds.force import KIND as THRESHOLDS_KIND
from upkeep.areas.thresholds.propose import proposals_from_ledger as propose_proposals_from_ledger
from upkeep.core.findings import Finding, Level
from upkeep.core.text import visible
from upkeep.gate import predictions
from upkeep.gate.permitted import past_actions
from upkeep.gate.plans.model import MOST_ACTIONS, Action, Plan, Proposal
from upkeep.gate.predictions import Learned
from upkeep.ledger.read import newest_snapshot
from upkeep.settings.load import Settings
from upkeep.settings.reindex import Reindex
from upkeep.wires import database
from upkeep.wires.database import Connect, Session

#: Signs of a reason that a plan keeps.
MOST_SIGNS = 500

Open = Callable[[], AbstractContextManager[Session]]

_log = logging.getLogger(__name__)


class NotAsked(Exception):
    """A database that did not answer a kind's question; its text names the Connection and the cause."""


@dataclass(frozen=True)
class Sources:
    """Where proposals come from: the target and its standbys, the ledger, what config says, and when it is asked.

    ``target`` and ``ledger`` open a session each time: one that stays open idles while the other is asked, and is ended
    by its own clock. ``name`` is the target's in config, ``cadence`` the window's; ``taken`` are actions that people
    have approved elsewhere and are still to run, or that this plan holds already.
    """

    name: str
    cadence: str
    target: Open
    ledger: Open
    settings: Settings
    now: datetime
    taken: tuple[Action, ...] = ()
    replicas: Mapping[str, Connect] = field(default_factory=dict)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session on the target. Raises NotAsked."""
        known = self.settings.maintenance.targets.get(self.name)
        with _explained(self.target, known.connections.read if known else self.name) as session:
            yield session

    @contextmanager
    def remembering(self) -> Iterator[Session]:
        """A session on the ledger. Raises NotAsked."""
        with _explained(self.ledger, self.settings.maintenance.ledger.tasks) as session:
            yield session

    def taken_of(self, kind: str) -> list[int]:
        """The OIDs that approved actions of a kind are about."""
        return [action.oid for action in self.taken if action.kind == kind]

    def roles(self, kind: str) -> tuple[str, ...]:
        """Who has to approve a kind."""
        return self.settings.maintenance.approval.roles[kind]

    def learned(self, kind: str) -> Learned:
        """What predictions of a kind are corrected by."""
        with self.remembering() as session:
            past = past_actions(session, self.name, kind, self.now - predictions.REACH)
        return predictions.learned(past, self.settings.maintenance.optimise.least_receipts)


@contextmanager
def _explained(opened: Open, connection_id: str) -> Iterator[Session]:
    try:
        with opened() as session:
            yield session
    except psycopg.Error as error:
        raise NotAsked(database.explain(error, connection_id)) from error


#: A kind's proposals, and how many candidates there are in all.
Found = tuple[list[Proposal], int]


def _baselines(sources: Sources) -> Found:
    with sources.remembering() as session:
        found = proposals_from_ledger(session, sources.name, sources.settings, sources.taken, sources.now)
    return found, len(found)


def _thresholds(sources: Sources) -> Found:
    with sources.remembering() as session:
        found = propose_proposals_from_ledger(session, sources.name, sources.settings, sources.taken, sources.now)
    return found, len(found)


def _indexes(sources: Sources) -> Found:
    config, taken = sources.settings.maintenance, sources.taken_of(indexes.KIND)
    with sources.remembering() as session:
        known = indexes.known_since(newest_snapshot(session, sources.name, indexes.AGES))
    with sources.reading() as target:
        seen = indexes.usage(target, config.indexes, sources.replicas, config.sql, sources.now)
        rows = indexes.candidates(target, config, seen, known, sources.now, taken)
    return indexes.propose(rows[: indexes.MOST_DROPS], sources.roles(indexes.KIND)), len(rows)


def _optimise(sources: Sources) -> Found:
    main, known = sources.settings.maintenance, sources.learned(vacuum.KIND)
    config, taken = main.optimise, sources.taken_of(vacuum.KIND)
    with sources.reading() as target:
        rows = vacuum.candidates(target, config, taken, _measured_rows(target, main.reindex))
        proposals = vacuum.propose(rows, config, sources.roles(vacuum.KIND), target.version, known)
    return proposals, rows[0]["candidates"] if rows else 0


def _measured_rows(target: Session, config: Reindex) -> dict[int, tuple[int, int]]:
    """OID → live and dead rows of those of config's tables that can be measured."""
    has, found = reindex.extension(target), {}
    for row in reindex.tables(target, config):
        if row["bytes"] and (rows := reindex.table_bloat(target, config, has, row).rows):
            found[row["oid"]] = rows
    return found


def _validate(sources: Sources) -> Found:
    speed, known = sources.settings.maintenance.optimise.megabytes_per_second, sources.learned(constraints.KIND)
    with sources.reading() as target:
        rows = constraints.candidates(target, sources.taken_of(constraints.KIND))
    return constraints.propose(rows, speed, sources.roles(constraints.KIND), known), len(rows)


def _reindex(sources: Sources) -> Found:
    config, known = sources.settings.maintenance, sources.learned(reindex.KIND)
    taken = sources.taken_of(reindex.KIND) + sources.taken_of(indexes.KIND)  # what goes is not rebuilt first
    with sources.reading() as target:
        rows = reindex.candidates(target, config, sources.name, taken)
    return reindex.propose(rows, config, sources.roles(reindex.KIND), known), len(rows)


Kinds = tuple[tuple[str, Callable[[Sources], Found]], ...]

_WEEKLY: Kinds = ((THRESHOLDS_KIND, _thresholds), (indexes.KIND, _indexes), (vacuum.KIND, _optimise))
#: By cadence; few and quick first: an index that goes need not be vacuumed, and one is rebuilt after VACUUM has emptied
#: it.
_KINDS: Mapping[str, Kinds] = {
    "weekly": _WEEKLY,
    "monthly": (
        (KIND, _baselines),
        (THRESHOLDS_KIND, _thresholds),
        (indexes.KIND, _indexes),
        (constraints.KIND, _validate),
        (vacuum.KIND, _optimise),
        (reindex.KIND, _reindex),
    ),
}


class Collected(NamedTuple):
    """What a plan holds, how many candidates wait for the next one, and of each kind that failed its name and why."""

    proposals: list[Proposal]
    left_out: int
    failed: tuple[str, ...] = ()


def collect(sources: Sources) -> Collected:
    """Ask each kind of the window's cadence in turn."""
    found: list[Proposal] = []
    failed: list[str] = []
    candidates = 0
    for kind, propose in _KINDS[sources.cadence]:
        planned = tuple(proposal.action for proposal in found)
        try:
            mine, total = propose(replace(sources, taken=sources.taken + planned))
        except Exception as error:  # whatever it is: one kind's trouble is not the others'
            _log.exception("Kind %s could not propose", kind)
            failed.append(f"{kind}: {_why(error)}")
            continue
        found += mine
        candidates += total
    proposals = found[:MOST_ACTIONS]
    return Collected(proposals, candidates - len(proposals), tuple(failed))


def _why(error: Exception) -> str:
    said = str(error) if isinstance(error, NotAsked) else f"{type(error).__name__}: {error}"
    return visible(" ".join(said.split()))[:MOST_SIGNS]


def unknowns(plan: Plan) -> tuple[Finding, ...]:
    """An UNKNOWN for each kind that could not propose. Pure."""
    return tuple(
        Finding(
            key=f"plan:{kind}",
            level=Level.UNKNOWN,
            subject=f"Kind {kind} could not propose",
            detail=f"{why}; what it would have proposed is missing in the plan",
            expected="an answer of every kind",
            remedy="Mend the cause; the next window proposes it, or a run by hand.",
            guide="G52",
        )
        for kind, _, why in (said.partition(": ") for said in plan.failed)
    )
