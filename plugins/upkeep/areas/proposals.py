"""What a plan is made of: each kind's proposals, in the order in which they would run.

Each kind asks for itself, in sessions of its own: one that fails (a right is missing, a lock is not free, a stored row
is no sense) says so in the plan, and the others propose what they would have without it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import NamedTuple

from upkeep.areas.kinds import kinds, with_roles
from upkeep.core.findings import Finding, Level, Topic
from upkeep.core.text import visible
from upkeep.gate.plans.model import MOST_ACTIONS, Plan, Proposal
from upkeep.gate.proposing import NotAsked, PartlyAsked, ProposalSources

#: Signs of a reason that a plan keeps.
MOST_SIGNS = 500

_log = logging.getLogger(__name__)


class CollectedProposals(NamedTuple):
    """What a plan holds, how many candidates wait for the next one, and of each kind that failed its name and why."""

    proposals: list[Proposal]
    left_out: int
    failed: tuple[str, ...] = ()


def collect(sources: ProposalSources) -> CollectedProposals:
    """Ask each kind of the window's cadence in turn. Raises ConfigError unless config says who approves each."""
    with_roles(sources.settings.maintenance)
    found: list[Proposal] = []
    failed: list[str] = []
    candidates = 0
    for kind in (one for one in kinds().values() if sources.cadence in one.cadences):
        planned = tuple(proposal.action for proposal in found)
        try:
            mine, total = kind.propose(replace(sources, taken=sources.taken + planned))
        except Exception as error:  # whatever it is: one kind's trouble is not the others'
            _log.exception("Kind %s could not propose", kind.name)
            failed.append(f"{kind.name}: {_why(error)}")
            mine, total = error.found if isinstance(error, PartlyAsked) else ([], 0)
        found += mine
        candidates += total
    proposals = found[:MOST_ACTIONS]
    return CollectedProposals(proposals, candidates - len(proposals), tuple(failed))


def _why(error: Exception) -> str:
    said = str(error) if isinstance(error, NotAsked) else f"{type(error).__name__}: {error}"
    return visible(" ".join(said.split()))[:MOST_SIGNS]


def unknowns(plan: Plan) -> tuple[Finding, ...]:
    """An UNKNOWN for each kind that could not propose. Pure."""
    return tuple(
        Topic(f"plan:{kind}", f"Kind {kind} could not propose", "G52").finding(
            Level.UNKNOWN,
            f"{why}; what it would have proposed is missing in the plan",
            "an answer of every kind",
            "Fix the cause; the next window proposes it, or a manual run.",
        )
        for kind, _, why in (said.partition(": ") for said in plan.failed)
    )
