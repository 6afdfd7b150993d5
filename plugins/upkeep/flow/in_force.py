"""The settings that a target is judged by: config's, with the thresholds in force (DESIGN, Configuration in force)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upkeep.settings import Settings, settings

if TYPE_CHECKING:
    from upkeep.database import Session
    from upkeep.thresholds import InForce


def in_force(session: Session, target: str) -> InForce:
    """The thresholds that a target is judged by now, with their version and where it comes from."""
    from upkeep import thresholds

    return thresholds.in_force(session, settings().thresholds, target)


def settings_for(session: Session, target: str) -> Settings:
    """All settings with those thresholds and their version; ``session`` is on the ledger, which must be there."""
    return in_force(session, target).over(settings())
