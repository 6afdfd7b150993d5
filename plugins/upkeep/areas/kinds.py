"""The kinds of action, in the order in which a plan holds them: one module each knows what may be changed, and how.

Few and quick ones first: an index that goes need not be vacuumed, and one is built or
rebuilt after VACUUM has emptied its table.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from upkeep.settings.approval import DEFAULT
from upkeep.settings.base import ConfigError

if TYPE_CHECKING:
    from upkeep.gate.kind import ActionKind
    from upkeep.settings.maintenance import Maintenance

#: Their names, for whoever has no use for the driver: DAGs are parsed with these.
NAMES = (
    "baselines",
    "thresholds",
    "indexes",
    "validate",
    "canary",
    "optimise",
    "missing_indexes",
    "reindex",
    "archive",
    "delete",
)


@cache
def kinds() -> dict[str, ActionKind]:
    """Each kind by its name."""
    from upkeep.areas.backups import canary
    from upkeep.areas.baselines import change as baselines
    from upkeep.areas.indexes import create, drop, reindex
    from upkeep.areas.retention import archive, delete
    from upkeep.areas.tables import constraints, vacuum
    from upkeep.areas.thresholds import change as thresholds

    ordered = (
        baselines.ACTION_KIND,
        thresholds.ACTION_KIND,
        drop.ACTION_KIND,
        constraints.ACTION_KIND,
        canary.ACTION_KIND,
        vacuum.ACTION_KIND,
        create.ACTION_KIND,
        reindex.ACTION_KIND,
        archive.ACTION_KIND,
        delete.ACTION_KIND,
    )
    return {kind.name: kind for kind in ordered}


def with_roles(config: Maintenance) -> Maintenance:
    """The same config. Raises ConfigError unless it says of each kind who approves it, and of nothing else."""
    found = set(config.approval.roles)
    if found - {DEFAULT} - set(NAMES) or (DEFAULT not in found and found != set(NAMES)):
        raise ConfigError(
            f"config/maintenance.yaml: approval.roles: found {sorted(found)}, "
            f"expected a list of roles for each of {sorted(NAMES)}, or a {DEFAULT} for those that are not named"
        )
    return config
