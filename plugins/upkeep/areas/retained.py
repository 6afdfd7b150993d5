"""Which rows belong to a class of ``config/retention.yaml``, and from when on they are due, as SQL. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from psycopg import sql

from upkeep.settings.retention import Condition, Retention


def cutoff(retention: Retention, name: str, now: datetime) -> datetime:
    """Rows before this moment are older than the class keeps them."""
    return now - timedelta(days=retention.classes[name].days)


def belongs(retention: Retention, name: str) -> sql.Composable:
    """The condition on a row ``t`` to be of the class: it holds what the class wants, and no longer class has it.

    A row with a null in a column that a longer class asks for is not of that one.
    """
    mine = retention.classes[name]
    longer = retention.outlasting(name).values()
    return sql.SQL(" AND ").join(
        [
            _holds(mine.where),
            *(sql.SQL("({}) IS NOT TRUE").format(_holds(one.where)) for one in longer),
        ]
    )


def held(retention: Retention, name: str) -> sql.Composable:
    """The condition on a row ``t`` to be under a legal hold: of the class it belongs to, or of any that also has it."""
    mine = retention.classes[name]
    spans = [
        sql.SQL("({} AND {})").format(_holds(one.where), _between(one.time, hold.start, hold.end))
        for hold in retention.holds
        if (one := retention.classes[hold.log]).table == mine.table
    ]
    return sql.SQL("({})").format(sql.SQL(" OR ").join(spans)) if spans else sql.SQL("false")


def _holds(where: Condition) -> sql.Composable:
    parts = [
        sql.SQL("t.{}::pg_catalog.text IN ({})").format(
            sql.Identifier(column), sql.SQL(", ").join(sql.Literal(value) for value in values)
        )
        for column, values in where.items()
    ]
    return sql.SQL(" AND ").join(parts) if parts else sql.SQL("true")


def _between(time: str, start: datetime | None, end: datetime | None) -> sql.Composable:
    """A row without a time may be of any."""
    column = sql.SQL("t.{}").format(sql.Identifier(time))
    parts = [sql.SQL("{} >= {}").format(column, sql.Literal(start))] if start else []
    parts += [sql.SQL("{} < {}").format(column, sql.Literal(end))] if end else []
    return sql.SQL("({}) IS NOT FALSE").format(sql.SQL(" AND ").join(parts)) if parts else sql.SQL("true")
