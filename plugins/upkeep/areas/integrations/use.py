"""When the steps of earlier windows last used each kind of Connection, as the ledger tells it."""

from __future__ import annotations

from datetime import datetime

from upkeep.wires import queries
from upkeep.wires.database import Session


def last_use(session: Session, target: str, since: datetime) -> dict[str, datetime]:
    """Kind of use → when a step last used such a Connection with success; kinds that none has used are left out."""
    rows = session.rows(queries.load("ledger/last_use"), {"target": target, "since": since})
    return {row["used"]: row["at"] for row in rows if row["at"] is not None}
