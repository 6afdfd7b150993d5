"""Which rows of a class are due and in no archive: by whole partitions, and by months with others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import sql

from upkeep.areas import retained
from upkeep.areas.retention import partitions, rows
from upkeep.areas.retention.archives import UNREAD, Manifests
from upkeep.areas.retention.deletable import period_of
from upkeep.areas.retention.look import asked
from upkeep.areas.retention.partitions import Partition
from upkeep.areas.retention.rows import Period
from upkeep.settings.retention import Retention
from upkeep.wires.database import Row, Session


def periods(
    session: Session, retention: Retention, name: str, archives: Manifests, now: datetime
) -> Iterator[tuple[Period, Row]]:
    """The months of a class with rows that are due and in no archive of these; a month ends with its last whole day.

    Of a class whose rows may be deleted a partition that is due as a whole is a period of its own. A month of such a
    log is due by the rows that are in no such partition; its archive is of all its rows.
    """
    whole = partitions.midnight(retained.cutoff(retention, name, now))
    one = retention.classes[name]
    found = partitions.due(session, retention, name, partitions.tree(session, one) if one.delete else (), whole, now)
    for part, row in found.whole:
        if not _is_archived(archives, part, name):
            yield (
                part.period(name),
                row | {"rows": row["due"], "bytes": partitions.size(session, part), "partition": part},
            )
    apart = [*found.waiting, *(part.oid for part, _ in found.whole)]
    for row in _months(session, retention, Period(name, rows.FIRST, whole), now, apart):
        month = row["month"].astimezone(UTC)
        end = min((month + timedelta(days=32)).replace(day=1), whole)
        period = Period(name, _archived_until(archives, month), end)
        for left in _months(session, retention, period, now, []) if period.start < end else ():
            yield period, left


def _months(session: Session, retention: Retention, period: Period, now: datetime, apart: list[int]) -> list[Row]:
    one, due = retention.classes[period.name], rows.due(retention, period, now)
    if apart:
        due = sql.SQL("{} AND t.tableoid <> ALL ({}::oid[])").format(due, sql.Literal(apart))
    columns = rows.columns(session, session.row(session.load("retention/table"), asked(one))["oid"])
    statement = sql.SQL(session.load("retention/months_due")).format(
        table=sql.Identifier(*one.table), time=sql.Identifier(one.time), due=due, size=rows.size(columns)
    )
    return session.rows(statement.as_string(session.connection))


def _of_month(archives: Manifests, month: str) -> list[Mapping[str, Any]]:
    return [one for name, one in archives.items() if name.startswith(f"{month}_")]


def _archived_until(archives: Manifests, month: datetime) -> datetime:
    """Up to which day a month is in archives already; one whose manifest was not read may hold all of it."""
    found = _of_month(archives, month.date().isoformat()[:7])
    if any(one is UNREAD for one in found):
        return month + timedelta(days=32)
    known = (period_of(one) for one in found)
    return max([month, *(period.end for period in known if period and not period.partition)])


def _is_archived(archives: Manifests, part: Partition, name: str) -> bool:
    """Whether a partition, as it hangs now, is in an archive; one whose manifest was not read may be it."""
    found = _of_month(archives, part.period(name).month)
    return any(one is UNREAD or one.get("partition") == part.identity for one in found)
