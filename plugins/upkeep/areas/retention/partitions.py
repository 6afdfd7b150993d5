"""Partitions of a log: which may be archived and dropped as a whole, and why another may not (G15).

Such a one has rows by the log's time alone, up to an end that is past, all of which are due. Of all others rows are
archived by month, as those of any table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import sql

from upkeep.areas.retention import rows
from upkeep.areas.retention.deletable import IDENTITY, NAMED
from upkeep.areas.retention.rows import FIRST, Period
from upkeep.core.text import visible
from upkeep.core.units import listed
from upkeep.settings.retention import LogClass, Retention
from upkeep.settings.values import TableName
from upkeep.wires.database import Row, Session

#: The kind of a relation that has partitions, and of one that has rows.
PARTITIONED, TABLE, FOREIGN = "p", "r", "f"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Partition:
    """A partition as the catalogue has it, ``lower`` and ``upper`` its range, None where it has no such end.

    ``may_drop`` is of ``role``. Names are what a drop would meet. ``of_this_log_alone``: its owner is no superuser, and
    can act for nobody who owns another table.
    """

    oid: int
    schema: str
    name: str
    kind: str
    pending: bool
    is_default: bool
    by_time: bool
    bound: str
    lower: datetime | None
    upper: datetime | None
    owner: str
    of_this_log_alone: bool
    role: str
    may_drop: bool
    referenced_by: Sequence[str]
    own_keys: Sequence[str]
    delete_triggers: Sequence[str]
    event_triggers: Sequence[str]
    views: Sequence[str]
    published: Sequence[str]
    sequences: Sequence[str]
    computed: Sequence[str]
    dependents: Sequence[str]

    @property
    def table(self) -> TableName:
        """Its own name."""
        return TableName(self.schema, self.name)

    @property
    def identity(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {key: getattr(self, key) for key in IDENTITY}

    @property
    def in_part(self) -> str:
        """Why it is never dropped, whatever its rows are; empty when it may be."""
        if self.pending:
            return "its detachment was interrupted (ALTER TABLE … DETACH PARTITION … FINALIZE ends it)"
        if self.kind != TABLE:
            return "it is a foreign table" if self.kind == FOREIGN else "it is no plain table"
        if self.is_default:
            return "it is the default partition"
        if not self.by_time:
            return "it is no range of the log's time alone"
        return "" if self.upper else "its range has no end"

    @property
    def hindrance(self) -> str:
        """What a drop would meet beside its rows and the role's rights; empty when nothing."""
        for names, what in (
            (self.referenced_by, "other tables refer to it"),
            (self.own_keys, "it has foreign keys that the log has not, and a drop locks what they refer to"),
            (self.delete_triggers, "triggers or rules run when its rows are deleted"),
            (self.event_triggers, "event triggers run when a table is dropped"),
            (self.views, "views are of it"),
            (self.published, "it is published, and a drop is not replicated"),
            (self.sequences, "it owns sequences, which go with it"),
            (
                self.computed,
                "it computes columns otherwise than the log, and so never is as its archive",
            ),
            (self.dependents, "others depend on it"),
        ):
            if names:
                return f"{what}: {visible(listed(names, NAMED))}"
        return ""

    @property
    def no_right(self) -> str:
        """That the role may not drop it, and what lets it; empty when it may."""
        if self.may_drop:
            return ""
        role, owner, table = visible(self.role), visible(self.owner), visible(str(self.table))
        grant = f"GRANT {owner} TO {role}, or " if self.of_this_log_alone else ""
        mend = f"{grant}ALTER TABLE {table} OWNER TO {role}, and USAGE on its schema"
        return f"role {role} may not drop {table}, whose owner is {owner} ({mend})"

    def period(self, name: str) -> Period:
        """Its range for a class, in whole days around it."""
        start = midnight(self.lower) if self.lower else FIRST
        end = self.upper or FIRST
        return Period(name, start, end if end == midnight(end) else midnight(end) + _DAY, self.oid)

    def inside(self, one: LogClass) -> sql.Composable:
        """The condition on a row ``t`` of the log to be in it."""
        time = sql.SQL("t.{}").format(sql.Identifier(one.time))
        parts = [sql.SQL("t.tableoid = {}").format(sql.Literal(self.oid))]
        parts += [sql.SQL("{} >= {}").format(time, sql.Literal(self.lower))] if self.lower else []
        parts += [sql.SQL("{} < {}").format(time, sql.Literal(self.upper))] if self.upper else []
        return sql.SQL(" AND ").join(parts)


def midnight(moment: datetime) -> datetime:
    """When the day of a moment began, UTC."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def tree(session: Session, one: LogClass, role: str | None = None) -> list[Partition]:
    """All that is below a class's table, those that have partitions themselves too; ``role`` by default this one."""
    asked = {"schema": one.table.schema, "table": one.table.table, "time": one.time, "role": role}
    return [Partition(**row) for row in session.rows(session.load("retention/partitions"), asked)]


def parts(found: Sequence[Partition]) -> list[Partition]:
    """Those of a tree that have rows."""
    return [part for part in found if part.kind != PARTITIONED]


def of_oid(found: Sequence[Partition], oid: int) -> Partition | None:
    """The one of this OID that hangs in its log."""
    return next((part for part in found if part.oid == oid and not part.pending), None)


def known_name(manifest: Mapping[str, Any]) -> TableName:
    """What a partition was called when it was archived."""
    return TableName(manifest["partition"]["schema"], manifest["partition"]["name"])


def is_there(session: Session, oid: int, known: TableName, log: TableName) -> bool:
    """Whether the table that was a partition of this OID is still there, attached or not.

    After a while PostgreSQL gives an OID to another relation: this one has the name that is ``known``, or the columns
    of the log. One that was renamed and has other columns is not known again.
    """
    names = {"known_schema": known.schema, "known_name": known.table}
    asked = {"oid": oid, "schema": log.schema, "table": log.table} | names
    return bool(session.row(session.load("retention/partition_left"), asked)["left"])


def are_there(session: Session, oids: list[int]) -> bool:
    """Whether there still are relations of all these OIDs."""
    return int(session.row(session.load("retention/relation_there"), {"oids": oids})["there"]) == len(oids)


def above(session: Session, oid: int) -> list[int]:
    """The OIDs of what a partition is below, up to the root."""
    return [row["oid"] for row in session.rows(session.load("retention/partition_above"), {"oid": oid})]


def count(session: Session, table: TableName, condition: sql.Composable) -> int:
    """How many rows ``t`` of a log, or of a partition itself, meet a condition."""
    statement = sql.SQL(session.load("retention/rows_inside")).format(table=sql.Identifier(*table), inside=condition)
    return int(session.row(statement.as_string(session.connection))["rows"])


def size(session: Session, part: Partition) -> int:
    """The bytes of a partition on disk."""
    return int(session.row(session.load("retention/partition_bytes"), {"oid": part.oid})["bytes"])


# Which are due as a whole --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Due:
    """Partitions all of whose rows are due and of the class, and those whose rows wait until that is so, by OID.

    ``rest`` are other parts that have due rows, and why they are not dropped.
    """

    whole: tuple[tuple[Partition, Row], ...] = ()
    waiting: tuple[int, ...] = ()
    rest: tuple[tuple[Partition, int, str], ...] = ()


def due(
    session: Session, retention: Retention, name: str, found: Sequence[Partition], whole: datetime, now: datetime
) -> Due:
    """What of a class's partitions is due up to a midnight, by the rows that are in them now."""
    one = retention.classes[name]
    counted = _counted(session, retention, name, whole, now) if found else {}
    alone = not one.where and len(retention.of_table(one.table)) == 1
    all_due, waiting, rest = [], [], []
    for part in parts(found):
        row = counted.get(part.oid, {"rows": 0, "due": 0})
        why = part.in_part
        if not why and part.period(name).end > whole:
            if alone:  # of a table of several classes rows are archived by month before their partition is due
                waiting.append(part.oid)
            why = "its range has not passed by long enough"
        elif not why and row["due"] < row["rows"]:
            why = f"{row['rows'] - row['due']:,} of its rows are of another class, under a hold, or have no age"
        elif not why and row["due"]:
            all_due.append((part, row))
        if why and row["due"] and part.oid not in waiting:
            rest.append((part, row["due"], why))
    return Due(tuple(all_due), tuple(waiting), tuple(rest))


def _counted(session: Session, retention: Retention, name: str, whole: datetime, now: datetime) -> dict[int, Row]:
    one = retention.classes[name]
    statement = sql.SQL(session.load("retention/partition_rows")).format(
        table=sql.Identifier(*one.table),
        time=sql.Identifier(one.time),
        due=rows.due(retention, Period(name, FIRST, whole), now),
        before=sql.Literal(whole),
    )
    return {row["oid"]: row for row in session.rows(statement.as_string(session.connection))}


# Why one is not dropped ----------------------------------------------------------------------------------------


def named(retention: Retention, found: Sequence[Partition]) -> str:
    """That a class is of a partition of another class's table: rows of both have no longest retention."""
    for part in found:
        if others := retention.of_table(part.table):
            return f"classes.{min(others)} names {visible(str(part.table))}, which is a partition of it"
    return ""


def unlike(manifest: Mapping[str, Any], found: Sequence[Partition], *, there: bool) -> str:
    """Why nothing is dropped by an archive of a partition; empty when it hangs where it hung, or is not ``there``."""
    known = manifest["partition"]
    part = of_oid(found, known["oid"])
    name = visible(f"{known['schema']}.{known['name']}")
    if part is None:
        return f"{name} is no partition any more, and still there: attach it again, or drop it by hand" if there else ""
    return "" if part.identity == known else f"{name} has another name or range since it was archived"


def why_kept(retention: Retention, period: Period, found: Sequence[Partition]) -> str:
    """What a partition's drop would meet in the catalogue, but for rights; empty when nothing, or when it is gone."""
    part = of_oid(found, period.partition)
    if part is None:
        return ""
    why = named(retention, found) or part.in_part or part.hindrance
    return why or ("" if part.period(period.name) == period else "its range is not that of its archive")


def stays(session: Session, retention: Retention, period: Period, known: TableName) -> str:
    """Why a partition, whose name is ``known``, may not be dropped by this role; empty when it may, or it is gone."""
    one = retention.classes[period.name]
    found = tree(session, one)
    part = of_oid(found, period.partition)
    if part is None and is_there(session, period.partition, known, one.table):
        return "its partition was detached since it was archived: attach it again, or drop it by hand"
    return why_kept(retention, period, found) or (part.no_right if part else "")
