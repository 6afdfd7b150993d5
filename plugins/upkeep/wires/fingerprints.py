"""What things of the target are, as fingerprints that a plan keeps and apply compares; no lock is waited for."""

from __future__ import annotations

from collections.abc import Iterable

from upkeep.wires.database import Row, Session


def with_shapes(session: Session, rows: Iterable[Row]) -> list[Row]:
    """Rows of indexes with the ``shape`` that each one has; what is gone by now is left out."""
    kept = list(rows)
    found = session.rows(session.load("wires/shape"), {"oids": [row["oid"] for row in kept]})
    shapes = {row["oid"]: row["shape"] for row in found}
    return [row | {"shape": shapes[row["oid"]]} for row in kept if row["oid"] in shapes]
