"""What a target's logs hold, with the position of its WAL: a restored copy is compared with it (G101).

Each log of ``config/retention.yaml`` is taken over one period that is over, so that what is still being written plays
no part. A copy that is rolled forward to the position must hold the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

from psycopg import sql

from upkeep.areas.look import Check, Look
from upkeep.core.findings import Finding, Level, Topic
from upkeep.core.units import count, listed, utc
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

#: What came less than this ago may still be written by a transaction that began then.
SETTLED = timedelta(hours=1)
#: How much of a log is taken.
TAKEN = timedelta(days=7)
NAMED = 5
_TOPIC = Topic("backups:contents", "What a restored copy is compared with", "G101")


@dataclass(frozen=True)
class Log:
    """A log by schema, name and the column that says when a row came."""

    schema: str
    table: str
    time: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


def contents(look: Look) -> LookResult:
    """Count and content of each log's last settled week; kept as a snapshot."""
    session, end = look.session, look.now - SETTLED
    found = logs(session, look.settings)
    readable, blind = [log for log, seen in found if seen], [str(log) for log, seen in found if not seen]
    here = session.row(queries.load("backups/moment"))
    position, seen = measured(session, readable, end - TAKEN, end, here=_WRITTEN)
    taken = [asdict(log) | numbers for log, numbers in zip(readable, seen, strict=True)]
    body = {
        **{name: str(value) for name, value in here.items()},
        "lsn": position or here["lsn"],
        "start": (end - TAKEN).isoformat(),
        "end": end.isoformat(),
        "logs": taken,
    }
    return LookResult((_finding(taken, blind),), snapshot=body)


def logs(session: Session, settings: Settings) -> list[tuple[Log, bool]]:
    """The logs of config that are there, and whether this role may read all of each."""
    known = {(one.table, one.time) for one in settings.retention.classes.values()}
    wanted = sorted((table.schema, table.table, time) for table, time in known)
    schemas, tables, times = ([one[part] for one in wanted] for part in range(3))
    rows = session.rows(queries.load("backups/logs"), {"schemas": schemas, "tables": tables, "times": times})
    return [(Log(row["schema"], row["table"], row["time"]), bool(row["readable"])) for row in rows]


#: How far the WAL has been written; a copy in recovery has none of its own.
_WRITTEN: LiteralString = (
    "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END"
)
_NOWHERE: LiteralString = "'0/0'::pg_lsn"


def measured(
    session: Session, found: Sequence[Log], start: datetime, end: datetime, *, here: LiteralString = _NOWHERE
) -> tuple[str, list[Row]]:
    """How many rows each log has from ``start`` up to ``end``, and their content as two numbers; of one moment.

    ``here`` is the position of that moment, which comes first, as text.
    """
    if not found:
        return "", []
    branch = sql.SQL(queries.load("backups/contents"))
    branches = [
        branch.format(
            number=sql.Literal(number),
            table=sql.Identifier(log.schema, log.table),
            time=sql.Identifier(log.time),
            start=sql.Literal(start),
            end=sql.Literal(end),
        )
        for number, log in enumerate(found)
    ]
    of_one_moment = sql.SQL("WITH here AS MATERIALIZED (SELECT {} AS lsn)\n").format(sql.SQL(here))
    statement = (of_one_moment + sql.SQL("\nUNION ALL\n").join(branches)).as_string(session.connection)
    rows = sorted(session.rows(statement), key=lambda row: int(row["number"]))
    return str(rows[0]["lsn"]), [{name: row[name] for name in ("rows", "high", "low")} for row in rows]


def _finding(taken: Sequence[Mapping[str, Any]], blind: Sequence[str]) -> Finding:
    expected = "each log of config/retention.yaml that is in the target"
    if blind or not taken:
        what = f"not read: {listed(blind, NAMED)}" if blind else "found none of the logs of config/retention.yaml"
        remedy = "Let the read role see every row of them (`python -m upkeep grants target` prints the statements)."
        return _TOPIC.finding(Level.UNKNOWN, f"not collected: {what}", expected, remedy)
    rows = sum(int(one["rows"]) for one in taken)
    return _TOPIC.finding(Level.OK, f"{count(rows, 'row')} of {count(len(taken), 'log')}", expected)


def differing(session: Session, body: Mapping[str, Any]) -> Iterator[str]:
    """The logs of a snapshot that hold something else here, each with what was found and what was there then."""
    start, end = (datetime.fromisoformat(body[name]) for name in ("start", "end"))
    found = [Log(one["schema"], one["table"], one["time"]) for one in body["logs"]]
    _, seen = measured(session, found, start, end)
    for log, then, now in zip(found, body["logs"], seen, strict=True):
        if now["rows"] != then["rows"]:
            yield f"{log}: {count(now['rows'], 'row')}, expected {then['rows']:,}"
        elif (now["high"], now["low"]) != (then["high"], then["low"]):
            yield f"{log}: {count(now['rows'], 'row')}, of which some hold something else"


def described(body: Mapping[str, Any]) -> str:
    """A snapshot in words: how much it holds, and of when it is."""
    rows = sum(int(one["rows"]) for one in body["logs"])
    when = utc(datetime.fromisoformat(body["moment"]))
    return f"{count(rows, 'row')} of {count(len(body['logs']), 'log')} as they were at {when}"


CHECKS = (Check("backups/contents", "G101", "What a restored copy is compared with", contents),)
