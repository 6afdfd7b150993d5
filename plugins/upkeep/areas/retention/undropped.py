"""What the check of retention says of a log's partitions: which are not dropped as a whole, and why (G15, G67)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from upkeep.areas import retained
from upkeep.areas.retention import partitions
from upkeep.areas.retention.deletable import NAMED, period_of
from upkeep.areas.retention.partitions import Partition
from upkeep.core.findings import Finding, Level, Topic
from upkeep.core.text import visible
from upkeep.core.units import listed
from upkeep.settings.load import Settings
from upkeep.settings.retention import LogClass
from upkeep.wires.database import Session

#: What keeps partitions: what it is said of, how bad it is, what is expected, and what to do.
_KEPT = {
    "detaching": (
        "Partitions of {table} that are half detached",
        Level.WARNING,
        "each attached, or a table of its own",
        "ALTER TABLE … DETACH PARTITION … FINALIZE, or drop it: its rows are neither archived nor counted as due.",
    ),
    "named": (
        "Partitions of {table} with classes of their own",
        Level.WARNING,
        "one table of a log",
        "Nothing is dropped from it: name the log alone.",
    ),
    "hindered": (
        "Partitions of {table} that something hangs in",
        Level.WARNING,
        "nothing that a drop would meet",
        "They are archived and not dropped while it is so.",
    ),
    "owner": (
        "Rights to drop partitions of {table}",
        Level.WARNING,
        "a role that may drop them",
        "A partition is dropped by its owner alone; or take delete: true out of the class.",
    ),
    "partitions": (
        "Partitions of {table} that are not dropped",
        Level.ADVISORY,
        "rows that are due as a whole",
        "Their due rows are archived by month and stay: rows leave a partitioned log by whole partitions alone.",
    ),
}


def findings(
    session: Session, config: Settings, topic: Topic, name: str, now: datetime, maintain: str | None
) -> Iterator[Finding]:
    """Of a class whose rows may be deleted. What keeps a partition is said before its rows are due."""
    retention = config.retention
    one = retention.classes[name]
    found = partitions.tree(session, one, maintain) if one.delete else []
    if not found:
        return
    droppable = [part for part in found if not part.in_part]
    whole = partitions.midnight(retained.cutoff(retention, name, now))
    rest = partitions.due(session, retention, name, found, whole, now).rest
    named = partitions.named(retention, found)
    said = {
        "detaching": [_name(part) for part in partitions.parts(found) if part.pending],
        "named": [named] if named else [],
        "hindered": [f"{_name(part)}: {part.hindrance}" for part in droppable if part.hindrance],
        "owner": [part.no_right for part in droppable if part.no_right] if maintain else [],
        "partitions": [f"{_name(part)} ({rows:,} rows due): {why}" for part, rows, why in rest],
    }
    for part, (subject, level, expected, remedy) in _KEPT.items():
        if said[part]:
            about = topic.part(part, subject.format(table=one.table))
            between = ", " if part == "detaching" else "; "
            yield about.finding(level, listed(said[part], NAMED, between), expected, remedy)


def unlike(session: Session, one: LogClass, manifest: Mapping[str, Any]) -> str:
    """Why nothing will be dropped by an archive of a partition; empty of any other archive."""
    period = period_of(manifest)
    if period is None or not period.partition:
        return ""
    there = partitions.is_there(session, period.partition, partitions.known_name(manifest), one.table)
    return partitions.unlike(manifest, partitions.tree(session, one), there=there)


def _name(part: Partition) -> str:
    return visible(str(part.table))
