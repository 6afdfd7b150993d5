"""Why rows of a log that are archived are not deleted all the same: by config, catalogue and legal holds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from upkeep.areas import retained
from upkeep.areas.retention.rows import Column, Period, parse_period
from upkeep.core.findings import Level
from upkeep.core.text import visible
from upkeep.core.units import listed
from upkeep.settings.retention import Hold, LogClass, Retention
from upkeep.wires.database import Row

#: Names that one sentence spells out.
NAMED = 5
#: What a manifest says of the partition that it is of: of that one, and of no other that comes to its place.
IDENTITY = ("oid", "schema", "name", "bound")


@dataclass(frozen=True)
class Hazard:
    """What a deletion from a table would meet; while it is so, its rows are archived and stay."""

    part: str
    subject: str
    level: Level
    detail: str
    expected: str
    remedy: str


def hazards(one: LogClass, row: Row) -> Iterator[Hazard]:
    """What a deletion of a class's rows would meet, by the table as the catalogue has it."""
    table, warning = one.table, Level.WARNING
    if referenced := row["referenced_by"]:
        yield Hazard(
            "referenced",
            f"Other tables refer to {table}",
            warning,
            visible(listed(referenced, NAMED)),
            "no foreign key refers to a log",
            "Nothing is deleted from it while they do: rows would go with it that no archive holds, or it would fail.",
        )
    if triggers := [*row["delete_triggers"], *(["a rule ON DELETE"] if row["delete_rules"] else [])]:
        yield Hazard(
            "triggers",
            f"Triggers run when rows of {table} are deleted",
            warning,
            visible(listed(triggers, NAMED)),
            "no trigger and no rule on DELETE",
            "Nothing is deleted from it while there are: nobody knows what they do.",
        )
    if row["is_partition"]:
        yield Hazard(
            "partition",
            f"{table} is a partition",
            Level.ADVISORY,
            "keys, triggers and classes of the whole are not looked at",
            "a class of the partitioned table",
            "It can be archived and is never deleted from: name the table that it is a partition of.",
        )
    if row["time_type"] != "timestamp with time zone":
        yield Hazard(
            "zone",
            f"Times of {table} have no zone",
            Level.ADVISORY,
            f"{one.time} is {row['time_type']}, and is read as UTC",
            "timestamp with time zone",
            "It can be archived and is never deleted from: a row at the edge of a hold or of its age may be hours off.",
        )
    if not row["has_key"] or row["inherited"]:
        what = "tables that inherit from it keep keys of their own" if row["inherited"] else ""
        yield Hazard(
            "key",
            f"{table} has no primary key",
            Level.ADVISORY,
            what or "its rows cannot be told apart",
            "a primary key",
            "It can be archived and is never deleted from: add a primary key.",
        )


def holds_on(retention: Retention, period: Period) -> list[Hold]:
    """The legal holds that a row of a class and its period may be under.

    One of a class that keeps its rows longer is about rows that are not of this class.
    """
    mine, longer = retention.classes[period.name], retention.outlasting(period.name)
    return [
        hold
        for hold in retention.holds
        if hold.log not in longer
        and (one := retention.classes[hold.log]).table == mine.table
        and one.meets(mine.where)
        and (hold.start is None or hold.start < period.end)
        and (hold.end is None or hold.end > period.start)
    ]


def why_kept(retention: Retention, period: Period, row: Row, now: datetime) -> str:
    """Why no row of a class's period may be deleted now; empty when those that are archived may."""
    one = retention.classes[period.name]
    if not one.deletable:
        return "an audit log is never deleted by Upkeep (G68)"
    if not one.delete:
        return f"config/retention.yaml: classes.{period.name}.delete is not true"
    if period.end > retained.cutoff(retention, period.name, now):
        return f"its rows are kept {one.days} days, and some are not that old"
    if found := holds_on(retention, period):
        return f"a legal hold is on {found[0].log}: {visible(found[0].reason)}"
    if row["kind"] == "p" and not period.partition:
        return f"{one.table} is partitioned: its rows leave it by whole partitions, and no others"
    return next((f"{hazard.subject}: {hazard.detail}" for hazard in hazards(one, row)), "")


def period_of(manifest: Mapping[str, Any]) -> Period | None:
    """The period of a manifest, None when it says none: a manifest is a file, and may say anything."""
    try:
        start, end = (datetime.fromisoformat(manifest[key]).astimezone(UTC) for key in ("start", "end"))
        period = Period(str(manifest.get("class")), start, end, _partition_of(manifest))
        return period if parse_period(f"any/{period}") == ("any", period) else None
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _partition_of(manifest: Mapping[str, Any]) -> int:
    """The OID of the partition of a manifest, 0 when it is of none. Raises KeyError, TypeError, ValueError."""
    if "partition" not in manifest:
        return 0
    oid, *names = (manifest["partition"][key] for key in IDENTITY)
    if type(oid) is not int or oid <= 0 or not all(isinstance(name, str) for name in names):
        raise ValueError
    return oid


def unlike(manifest: Mapping[str, Any], name: str, one: LogClass, oid: int, found: Sequence[Column]) -> str:
    """Why a manifest is not of the class and its table as it is now; empty when it is.

    The md5 of a row is over all its columns, so that with others no row would be the archived one.
    """
    if (manifest.get("class"), manifest.get("table"), manifest.get("oid")) != (name, list(one.table), oid):
        return "the table was created anew since it was archived, or its class has another"
    columns = [{"name": column.name, "type": column.type} for column in found]
    key = [column.name for column in found if column.key]
    if (manifest.get("columns"), manifest.get("key")) != (columns, key):
        return "the table's columns or its key were changed since it was archived"
    return ""
