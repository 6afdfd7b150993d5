"""The baselines that a target is judged by (DESIGN, Configuration in force)."""

from __future__ import annotations

from datetime import datetime

from upkeep.areas.baselines import force
from upkeep.areas.baselines.force import InForce
from upkeep.ledger.versions import of_this_version
from upkeep.settings.load import settings
from upkeep.wires.database import Session


def baselines_in_force(session: Session, target: str, back_to: datetime | None = None) -> InForce:
    """The baselines in force now; with ``back_to`` also the versions from then on."""
    with of_this_version("upkeep.baselines"):
        return force.in_force(session, settings().thresholds, target, back_to)
