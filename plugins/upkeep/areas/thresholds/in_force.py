"""What a target is judged by: config's settings with the thresholds in force (DESIGN, Configuration in force)."""

from __future__ import annotations

from upkeep.areas.thresholds import force
from upkeep.areas.thresholds.force import InForce
from upkeep.ledger.versions import of_this_version
from upkeep.settings.load import Settings, settings
from upkeep.wires.database import Session


def in_force(session: Session, target: str) -> InForce:
    """The thresholds that a target is judged by now, with their version and where it comes from."""
    with of_this_version("upkeep.thresholds"):
        return force.in_force(session, settings().thresholds, target)


def settings_for(session: Session, target: str) -> Settings:
    """All settings with those thresholds and their version; ``session`` is on the ledger, which must be there."""
    return in_force(session, target).over(settings())
