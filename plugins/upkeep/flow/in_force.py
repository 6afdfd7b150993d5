"""What a target is judged by: config's settings with the thresholds in force, and the baselines in force.

DESIGN, Configuration in force. Whatever is asked of the ledger here raises ConfigError when the ledger is of an older
Upkeep, which knows no such table.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from upkeep.settings.base import ConfigError
from upkeep.settings.load import Settings, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from upkeep.areas.baselines.force import InForce as Baselines
    from upkeep.areas.thresholds.force import InForce
    from upkeep.wires.database import Session


def in_force(session: Session, target: str) -> InForce:
    """The thresholds that a target is judged by now, with their version and where it comes from."""
    from upkeep.areas.thresholds import force

    with _of_this_version("upkeep.thresholds"):
        return force.in_force(session, settings().thresholds, target)


def baselines_in_force(session: Session, target: str, back_to: datetime | None = None) -> Baselines:
    """The baselines that a target is judged by now; with ``back_to`` also the versions from then on."""
    from upkeep.areas.baselines import force as baselines_force

    with _of_this_version("upkeep.baselines"):
        return baselines_force.in_force(session, settings().thresholds, target, back_to)


@contextmanager
def _of_this_version(table: str) -> Iterator[None]:
    from psycopg.errors import UndefinedTable

    try:
        yield
    except UndefinedTable:
        raise ConfigError(
            f"Connection {settings().maintenance.ledger.tasks!r}: found a ledger without the table {table}, "
            "expected one of this version: run `python -m upkeep ledger upgrade`"
        ) from None


def settings_for(session: Session, target: str) -> Settings:
    """All settings with those thresholds and their version; ``session`` is on the ledger, which must be there."""
    return in_force(session, target).over(settings())
