"""Which items of the guide have had a result, as the ledger tells it."""

from __future__ import annotations

from datetime import datetime, timedelta

from upkeep.wires import queries
from upkeep.wires.database import Row, Session

#: How far back an item is known by having been reported.
REACH = timedelta(days=400)


def guide_results(session: Session, target: str, period: tuple[datetime, datetime]) -> list[Row]:
    """Rows of ``guide``, ``last`` and ``inside``: each item with a result before the period's end, not too long ago.

    ``last`` is when its last window was due, ``inside`` whether one of the period had a result.
    """
    start, end = period
    parameters = {"target": target, "since": end - REACH, "start": start, "end": end}
    return session.rows(queries.load("ledger/guide_results"), parameters)
