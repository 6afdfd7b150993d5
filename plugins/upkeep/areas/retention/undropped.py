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


def findings(
    session: Session, config: Settings, topic: Topic, name: str, now: datetime, maintain: str | None
) -> Iterator[Finding]:
    """Of a class whose rows may be deleted. What keeps a partition is said before its rows are due."""
    retention = config.retention
    one = retention.classes[name]
    found = partitions.tree(session, one, maintain) if one.delete else []
    if not found:
        return
    if pending := [_name(part) for part in partitions.parts(found) if part.pending]:
        about = topic.part("detaching", f"Partitions of {one.table} that are half detached")
        remedy = (
            "ALTER TABLE … DETACH PARTITION … FINALIZE, or drop it: its rows are neither archived nor counted as due."
        )
        yield about.finding(Level.WARNING, listed(pending, NAMED), "each attached, or a table of its own", remedy)
    if why := partitions.named(retention, found):
        about = topic.part("named", f"Partitions of {one.table} with classes of their own")
        yield about.finding(Level.WARNING, why, "one table of a log", "Nothing is dropped from it: name the log alone.")
    droppable = [part for part in found if not part.in_part]
    if hindered := [f"{_name(part)}: {part.hindrance}" for part in droppable if part.hindrance]:
        about = topic.part("hindered", f"Partitions of {one.table} that something hangs in")
        remedy = "They are archived and not dropped while it is so."
        yield about.finding(Level.WARNING, listed(hindered, NAMED, "; "), "nothing that a drop would meet", remedy)
    if maintain and (lacking := [part.no_right for part in droppable if part.no_right]):
        about = topic.part("owner", f"Rights to drop partitions of {one.table}")
        remedy = "A partition is dropped by its owner alone; or take delete: true out of the class."
        yield about.finding(Level.WARNING, listed(lacking, NAMED, "; "), "a role that may drop them", remedy)
    whole = partitions.midnight(retained.cutoff(retention, name, now))
    rest = partitions.due(session, retention, name, found, whole, now).rest
    if said := [f"{_name(part)} ({rows:,} rows due): {why}" for part, rows, why in rest]:
        about = topic.part("partitions", f"Partitions of {one.table} that are not dropped")
        remedy = (
            "Their due rows are archived by month and stay: rows leave a partitioned log by whole partitions alone."
        )
        yield about.finding(Level.ADVISORY, listed(said, NAMED, "; "), "rows that are due as a whole", remedy)


def unlike(session: Session, one: LogClass, manifest: Mapping[str, Any]) -> str:
    """Why nothing will be dropped by an archive of a partition; empty of any other archive."""
    period = period_of(manifest)
    if period is None or not period.partition:
        return ""
    there = partitions.is_there(session, period.partition)
    return partitions.unlike(manifest, partitions.tree(session, one), there=there)


def _name(part: Partition) -> str:
    return visible(str(part.table))
