"""A stage whose plan validates constraints."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.stages.stage import Stage
from upkeep.areas import proposals
from upkeep.areas.tables import constraints
from upkeep.gate.plan_store import StoredPlan
from upkeep.gate.plans.model import Action, Proposal, numbered
from upkeep.gate.proposing import ProposalSources
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

SHIPPED = settings(ROOT / "config")


def collected(stage: Stage, *taken: Action, cadence: str = "monthly") -> list[Proposal]:
    """The validations that the plan's task would plan."""
    asked = SHIPPED.model_copy(update={"maintenance": stage.config})
    about = (stage.name, cadence, stage.session, stage.ledger.session, asked, datetime.now(UTC), taken)
    found, _, failed = proposals.collect(ProposalSources(*about))
    assert failed == ()
    return [one for one in found if one.action.kind == constraints.KIND]


def approved(stage: Stage) -> StoredPlan:
    """A plan of all validations that both roles approved."""
    actions, measured = numbered(collected(stage))
    return stage.decide(stage.plan(actions=actions, measured=measured, cadence="monthly"))
