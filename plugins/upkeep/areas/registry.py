"""The checks, by name: ``find("connections")``. Each looks through an open session and yields findings.

A check is a function of a ``Look``; its path is that of its SQL below ``include/sql``. Nothing here connects, writes or
knows Airflow.
"""

from __future__ import annotations

from upkeep.areas.compliance import consents
from upkeep.areas.database import expectations, sizes
from upkeep.areas.database.sizes import GROWTH_BASE
from upkeep.areas.health import overnight_alerts, server
from upkeep.areas.indexes import look
from upkeep.areas.look import Check, Look, carry_out
from upkeep.areas.patches import versions
from upkeep.areas.performance import slow_queries
from upkeep.areas.security import access, access_review, logins, permissions
from upkeep.areas.security.audit import checks as audit
from upkeep.areas.tables import bloat, dead_rows

_MODULES = (
    sizes,
    expectations,
    overnight_alerts,
    logins,
    dead_rows,
    server,
    look,
    access,
    permissions,
    versions,
    access_review,
    consents,
    slow_queries,
    audit,
    bloat,
)
CHECKS: dict[str, Check] = {check.name: check for module in _MODULES for check in module.CHECKS}


def find(name: str) -> Check:
    """One check. Raises LookupError naming the known ones."""
    try:
        return CHECKS[name]
    except KeyError:
        raise LookupError(f"found no check {name!r}, expected one of: {', '.join(sorted(CHECKS))}") from None


__all__ = ["CHECKS", "GROWTH_BASE", "Check", "Look", "carry_out", "find"]
