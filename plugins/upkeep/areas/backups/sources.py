"""The kinds of backups that a target can have, behind one shape: the newest of each is looked at daily (G99, G100).

A target may have several. One that has a reason not to be looked at is UNKNOWN and hides no other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from upkeep.areas.backups import dump_look, look
from upkeep.areas.look import Inspection, Sources
from upkeep.core.findings import NotCollected
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.settings.maintenance import Target


@dataclass(frozen=True)
class Source:
    """One kind: its name, where config says that it lies (None: there is none), and how its newest is looked at."""

    title: str
    where: Callable[[Target], object | None]
    verify: Callable[[Sources], LookResult]


SOURCES = (
    Source("base backup", lambda target: target.backups and target.backups.base, look.inspect),
    Source("dump", lambda target: target.dumps and target.dumps.folder, dump_look.inspect),
)


def inspect(sources: Sources) -> LookResult:
    """What each configured kind shows. Raises NotCollected where there is none."""
    configured = [one for one in SOURCES if one.where(sources.config.target(sources.target)) is not None]
    if not configured:
        raise NotCollected(
            f"no backups are configured (config/maintenance.yaml: targets.{sources.target}.backups, or .dumps); "
            "whether there is one is not known"
        )
    looked = [one.verify(sources) for one in configured]
    findings = tuple(finding for one in looked for finding in one.findings)
    return LookResult(findings, tuple(sample for one in looked for sample in one.samples))


def _described(config: Settings, target: str) -> str:
    found = [f"{one.title} in {where}" for one in SOURCES if (where := one.where(config.target(target))) is not None]
    return f"the newest {' and the newest '.join(found) or 'backup: none is configured'}"


INSPECTIONS = (Inspection("newest_backup", "the backup folder", _described, inspect),)
