"""What things of the target are, as fingerprints that a plan keeps and apply compares; no lock is waited for."""

from __future__ import annotations

from collections.abc import Iterable

from upkeep.database import Session


def of_indexes(session: Session, oids: Iterable[int]) -> dict[int, str]:
    """What some indexes are, OID → fingerprint; what is gone has none. Nothing waits for a lock."""
    rows = session.rows(session.load("indexes/shape"), {"oids": list(oids)})
    return {row["oid"]: row["shape"] for row in rows}
