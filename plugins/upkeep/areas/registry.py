"""The checks, by name: ``find("connections")``. Each looks through an open session and yields findings.

A check is a function of a ``Look``; its SQL is ``include/sql/checks/``, named after it. Nothing here
connects, writes or knows Airflow.
"""

from __future__ import annotations

from upkeep.checks import (
    access,
    access_review,
    alerts,
    audit,
    consents,
    database,
    expectations,
    indexes,
    maintenance,
    patches,
    permissions,
    security,
    server,
    slow,
    tables,
)
from upkeep.checks.database import GROWTH_BASE
from upkeep.checks.look import Check, Look, carry_out

_MODULES = (
    database,
    expectations,
    alerts,
    security,
    tables,
    server,
    indexes,
    access,
    permissions,
    patches,
    access_review,
    consents,
    slow,
    audit,
    maintenance,
)
CHECKS: dict[str, Check] = {check.name: check for module in _MODULES for check in module.CHECKS}


def find(name: str) -> Check:
    """One check. Raises LookupError naming the known ones."""
    try:
        return CHECKS[name]
    except KeyError:
        raise LookupError(f"found no check {name!r}, expected one of: {', '.join(sorted(CHECKS))}") from None


__all__ = ["CHECKS", "GROWTH_BASE", "Check", "Look", "carry_out", "find"]
