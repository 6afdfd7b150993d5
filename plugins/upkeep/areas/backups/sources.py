"""The kinds of backups that a target can have, of one shape: each is looked at daily, and restored weekly (G99-G101).

A target may have several. One that has a reason not to be looked at is UNKNOWN and hides no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg

from upkeep.areas.backups import dump_look, dump_restoration, look, managed, restoration, room
from upkeep.areas.look import Inspection, Sources
from upkeep.core.findings import Level, NotCollected, Topic
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.settings.maintenance import Target
from upkeep.wires.database import error_words

Way = Callable[[Sources], LookResult]


@dataclass(frozen=True)
class Source:
    """One kind: its name, where config says that it lies (None: there is none), and the daily and the weekly look."""

    title: str
    where: Callable[[Target], object | None]
    verify: Way
    restore: Way


SOURCES = (
    Source(
        "base backup", lambda target: target.backups.base if target.backups else None, look.inspect, restoration.inspect
    ),
    Source(
        "dump",
        lambda target: target.dumps.folder if target.dumps else None,
        dump_look.inspect,
        dump_restoration.inspect,
    ),
    Source(
        "backup of Supabase's own",
        lambda target: target.managed_backups.project if target.managed_backups else None,
        managed.inspect,
        managed.restore,
    ),
)


def verify(sources: Sources) -> LookResult:
    """The newest of each configured kind, and the room for the next. Raises NotCollected where there is none."""
    looked = _together(sources, "backups", [(one, one.verify) for one in _configured(sources)])
    target = sources.config.target(sources.target)
    database = dump_look.database_of(sources) if target.dumps else ""
    found = room.look_at_room(target.backups, target.dumps, database, datetime.now(UTC))
    return replace(looked, findings=(*looked.findings, *found))


def restore(sources: Sources) -> LookResult:
    """The newest of each configured kind, restored. Raises NotCollected where there is none, or no way."""
    return _together(sources, "restoration", [(one, one.restore) for one in _configured(sources)])


def _configured(sources: Sources) -> Iterator[Source]:
    target = sources.config.target(sources.target)
    found = [one for one in SOURCES if one.where(target) is not None]
    if not found:
        raise NotCollected(
            f"no backups are configured (config/maintenance.yaml: targets.{sources.target}.backups, .dumps, or "
            ".managed_backups); "
            "whether there is one is not known"
        )
    yield from found


def _together(sources: Sources, key: str, ways: list[tuple[Source, Way]]) -> LookResult:
    if len(ways) == 1:
        return ways[0][1](sources)
    looked = [_or_why(sources, key, one, way) for one, way in ways]
    findings = tuple(finding for one in looked for finding in one.findings)
    snapshot = next((one.snapshot for one in looked if one.snapshot is not None), None)
    return LookResult(findings, tuple(sample for one in looked for sample in one.samples), snapshot=snapshot)


def _or_why(sources: Sources, key: str, one: Source, way: Way) -> LookResult:
    try:
        return way(sources)
    except (NotCollected, psycopg.Error, OSError) as error:
        why = error_words(error)[:300] if isinstance(error, psycopg.Error) else str(error)
        topic = Topic(f"{key}:not_collected:{one.title}", f"The newest {one.title}", "G99")
        return LookResult((topic.finding(Level.UNKNOWN, f"not collected: {why}"),))


def _described(config: Settings, target: str) -> str:
    found = [f"{one.title} in {where}" for one in SOURCES if (where := one.where(config.target(target))) is not None]
    return f"the newest {' and the newest '.join(found) or 'backup: none is configured'}"


def _restored(config: Settings, target: str) -> str:
    return f"a restored copy of {_described(config, target)}"


INSPECTIONS = (
    Inspection("newest_backup", "the backup folder", _described, verify),
    Inspection("restoration", "a restored copy of the newest backup", _restored, restore),
)
