"""A log's rows as they are archived: each value as PostgreSQL's own text, its type's name in the manifest.

Nothing is bent to another type and none is refused: NaN, infinities, ranges, composites and times of any year are the
text that COPY writes and reads. A row is told by its md5, over ``length:text`` of each column, of a null over ``:``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import sql

from upkeep.areas import retained
from upkeep.settings.retention import Retention
from upkeep.settings.values import TableName
from upkeep.wires.database import Row, Session

_PERIOD = re.compile(r"([a-z0-9_]+)/([a-z0-9_]+) (\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)(?: partition (\d{1,10}))?")
#: Rows before it are not archived: a period is in years that have four digits.
FIRST = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Column:
    """A column as the catalogue has it; ``plain`` is text already, ``key`` is of the primary key.

    ``by_cast``: a cast to text is its type's own output.
    """

    name: str
    type: str
    plain: bool
    by_cast: bool
    key: bool


@dataclass(frozen=True)
class Period:
    """The rows of a class from ``start`` up to ``end``, in whole days, UTC; of this ``partition`` alone, by its OID."""

    name: str
    start: datetime
    end: datetime
    partition: int = 0

    def __str__(self) -> str:
        days = f"{self.name} {self.start.date().isoformat()}..{self.end.date().isoformat()}"
        return f"{days} partition {self.partition}" if self.partition else days

    @property
    def month(self) -> str:
        """The month that it begins in, with which names of its archives begin."""
        return self.start.date().isoformat()[:7]


def parse_period(text: str) -> tuple[str, Period]:
    """Target and period of ``target/class from..to``, of a partition with ``partition OID``. Raises ValueError."""
    match = _PERIOD.fullmatch(text)
    if not match:
        raise ValueError(f"found {text[:100]!r}, expected target/class from..to")
    target, name, *days, oid = match.groups()
    start, end = (datetime.fromisoformat(day).replace(tzinfo=UTC) for day in days)
    return target, Period(name, start, end, int(oid or 0))


def columns(session: Session, oid: int) -> list[Column]:
    """The columns of a table, in their order."""
    return [Column(**row) for row in session.rows(session.load("retention/columns"), {"oid": oid})]


def shape(table: TableName, found: Sequence[Column], retention: Retention, name: str) -> str:
    """What an approval is of: the table's columns, and the class as config has it, as one SHA-256."""
    one = retention.classes[name]
    longer = {other: [kept.days, _plain(kept.where)] for other, kept in retention.outlasting(name).items()}
    about = [
        str(table),
        [[column.name, column.type, column.key] for column in found],
        [one.type, one.time, one.days, _plain(one.where), one.location, *_container(retention, name)],
        longer,
    ]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _container(retention: Retention, name: str) -> list[str]:
    """The container that archives of a class go to, and the Connection that opens it; of a directory nothing."""
    where = retention.locations[retention.classes[name].location].azure
    return [where.url, where.prefix, where.connection] if where else []


def _plain(where: object) -> object:
    return json.loads(json.dumps(where))


def of_period(retention: Retention, period: Period) -> sql.Composable:
    """The condition on a row ``t`` to be of the class and its period."""
    time = sql.SQL("t.{}").format(sql.Identifier(retention.classes[period.name].time))
    days = sql.SQL("{} >= {} AND {} < {} AND {}").format(
        time, sql.Literal(period.start), time, sql.Literal(period.end), retained.belongs(retention, period.name)
    )
    part = sql.SQL(" AND t.tableoid = {}").format(sql.Literal(period.partition)) if period.partition else sql.SQL("")
    return days + part


def due(retention: Retention, period: Period, now: datetime) -> sql.Composable:
    """The condition on a row ``t`` to be of the class and its period, old enough at this moment, and under no hold.

    By this host's clock and by the server's: one that is wrong makes no row due.
    """
    one = retention.classes[period.name]
    return sql.SQL("({} AND t.{} < least({}, now() - make_interval(days => {}))) AND NOT ({})").format(
        of_period(retention, period),
        sql.Identifier(one.time),
        sql.Literal(retained.cutoff(retention, period.name, now)),
        sql.Literal(one.days),
        retained.held(retention, period.name),
    )


def text(column: Column) -> sql.Composable:
    """A value of ``t`` as its type's own output; format() calls that always, a cast to text mostly and faster."""
    found = sql.SQL("t.{}").format(sql.Identifier(column.name))
    if column.plain:
        return found
    if column.by_cast:
        return sql.SQL("{}::text").format(found)
    return sql.SQL("CASE WHEN num_nulls({}) = 0 THEN format('%s', {}) END").format(found, found)


def size(found: Sequence[Column]) -> sql.Composable:
    """The bytes of a row ``t`` as they are stored; ``pg_column_size(t.*)`` would read all that lies outside of it."""
    each = (sql.SQL("coalesce(pg_column_size(t.{}), 0)").format(sql.Identifier(one.name)) for one in found)
    return sql.SQL("({})").format(sql.SQL(" + ").join(each))


def digest(texts: Sequence[sql.Composable]) -> sql.Composable:
    """What a row's md5 is over."""
    return sql.SQL(" || ").join(sql.SQL("coalesce(octet_length({0}) || ':' || {0}, ':')").format(one) for one in texts)


def export(session: Session, table: TableName, found: Sequence[Column], condition: sql.Composable) -> sql.Composable:
    """The statement that reads rows as they are archived, its columns ``c0`` and so on."""
    texts = [
        sql.SQL("{} AS {}").format(text(column), sql.Identifier(f"c{number}")) for number, column in enumerate(found)
    ]
    return sql.SQL(session.load("retention/export")).format(
        texts=sql.SQL(", ").join(texts), table=sql.Identifier(*table), due=condition
    )


def server_digest(session: Session, exported: sql.Composable, columns: int) -> Row:
    """Count and content of the rows of an export of so many columns, as the server computes it."""
    names = [sql.SQL("r.{}").format(sql.Identifier(f"c{number}")) for number in range(columns)]
    statement = sql.SQL(session.load("retention/digest")).format(export=exported, digest=digest(names))
    return session.row(statement.as_string(session.connection))
