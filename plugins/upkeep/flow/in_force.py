"""The settings that a target is judged by: config's, with the thresholds in force (DESIGN, Configuration in force)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upkeep.settings import ConfigError, Settings, settings

if TYPE_CHECKING:
    from upkeep.database import Session
    from upkeep.thresholds import InForce


def in_force(session: Session, target: str) -> InForce:
    """The thresholds that a target is judged by now, with their version and where it comes from.

    Raises ConfigError when the ledger is of an older Upkeep, which knows no thresholds.
    """
    from psycopg.errors import UndefinedTable

    from upkeep import thresholds

    try:
        return thresholds.in_force(session, settings().thresholds, target)
    except UndefinedTable:
        raise ConfigError(
            f"Connection {settings().maintenance.ledger.tasks!r}: found a ledger without the table upkeep.thresholds, "
            "expected one of this version: run `python -m upkeep ledger upgrade`"
        ) from None


def settings_for(session: Session, target: str) -> Settings:
    """All settings with those thresholds and their version; ``session`` is on the ledger, which must be there."""
    return in_force(session, target).over(settings())
