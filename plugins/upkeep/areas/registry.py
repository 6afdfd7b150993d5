"""The checks and the inspections, by name. A check looks through an open session and yields findings.

A check is a function of a ``Look``; its path is that of its SQL below ``include/sql``. Nothing here connects, writes or
knows Airflow.
"""

from __future__ import annotations

from upkeep.areas.backups import canary, contents, drill, rollback
from upkeep.areas.backups import sources as backups
from upkeep.areas.baselines import look as baselines
from upkeep.areas.calendar import look as calendar
from upkeep.areas.capacity import assessment
from upkeep.areas.compliance import consents
from upkeep.areas.costs import look as costs
from upkeep.areas.database import expectations, sizes
from upkeep.areas.documents import look as documents
from upkeep.areas.health import latencies, overnight_alerts, server
from upkeep.areas.indexes import look as indexes
from upkeep.areas.integrations import look as integrations
from upkeep.areas.look import Check, Inspection
from upkeep.areas.patches import npm, scan_age, versions
from upkeep.areas.performance import slow_queries, trends
from upkeep.areas.retention import look as retention
from upkeep.areas.security import access, access_review, keys, logins, permissions
from upkeep.areas.security.audit import ask as audit
from upkeep.areas.tables import bloat, dead_rows, freeze_age
from upkeep.areas.thresholds import look as thresholds

_MODULES = (
    sizes,
    expectations,
    overnight_alerts,
    logins,
    dead_rows,
    freeze_age,
    server,
    indexes,
    access,
    permissions,
    versions,
    access_review,
    consents,
    slow_queries,
    audit,
    bloat,
    contents,
)
CHECKS: dict[str, Check] = {check.name: check for module in _MODULES for check in module.CHECKS}


_LOOKING = (
    latencies,
    backups,
    canary,
    drill,
    rollback,
    keys,
    npm,
    scan_age,
    trends,
    assessment,
    costs,
    documents,
    integrations,
    thresholds,
    baselines,
    calendar,
    retention,
)
INSPECTIONS: dict[str, Inspection] = {one.name: one for module in _LOOKING for one in module.INSPECTIONS}


def find(name: str) -> Check:
    """One check. Raises LookupError naming the known ones."""
    try:
        return CHECKS[name]
    except KeyError:
        raise LookupError(f"found no check {name!r}, expected one of: {', '.join(sorted(CHECKS))}") from None
