"""``python -m sandbox history``: sixty past daily windows for thresholds and forecasts to learn from.

They are reconstructed, and say so: their run is called ``reconstructed__…``, they were asked for by RECONSTRUCTED, and
each step names the logs that it was computed from. Response time, error rate and overall health of a day are what the
twin would have answered at that day's window, from ``application_logs``. Nobody has measured how large a table was
then: its size is today's, by the share of today's rows that were there, and the database's is today's less what its
tables have grown by. What no log tells (connections, memory,
CPU) has no value. A window that the ledger knows already is left as it is, so a second call adds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from sandbox.processes import SandboxError, running
from sandbox.stack import Sandbox, open_sandbox
from sandbox.twin import answers
from sandbox.twin.target import Target
from upkeep.core.findings import Sample
from upkeep.core.windows import Cadence, Window, WindowKind, calendar_period
from upkeep.ledger.write import LookResult, StepRecord, add_step, open_window, window_id
from upkeep.settings.load import settings
from upkeep.settings.maintenance import Maintenance
from upkeep.wires import database
from upkeep.wires.database import Connect

DAYS = 60
TARGET, DAG = "primary", "maintenance_daily"
RECONSTRUCTED = "the sandbox: reconstructed from logs"

#: The steps of the daily window whose samples these stand for.
STATUS, SIZES = "health.system_status", "database.table_sizes"

#: Tables of schema public with the column that says when a row came.
_TIMED = """
    SELECT c.relname AS "table", min(a.attname) AS "time", pg_total_relation_size(c.oid) AS bytes
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('created_at', 'timestamp')
        AND a.atttypid = 'timestamptz'::regtype
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
    GROUP BY c.oid, c.relname
    ORDER BY c.relname
"""
#: Rows by how many of the due times had come when they did.
_ROWS = sql.SQL("SELECT width_bucket({time}, %(dues)s) AS dues, count(*) AS rows FROM {table} GROUP BY 1")


def write() -> int:
    """Write them into the running sandbox's ledger; returns the exit code."""
    sandbox: Sandbox = open_sandbox()
    if not running(sandbox):
        raise SandboxError("the sandbox is down; `make demo` brings it up")
    config = settings(sandbox.folder / "config").maintenance
    book = sandbox.dsn("upkeep", "upkeep_tasks")
    added = reconstruct(
        sandbox.dsn("platform", "functions_twin"), lambda: psycopg.connect(book), config, datetime.now(UTC)
    )
    print(f"Added {added} daily windows, reconstructed from the target's own logs; {DAYS - added} were there.")
    return 0


def reconstruct(target: str, connect: Connect, config: Maintenance, now: datetime) -> int:
    """Write what is missing of the last ``DAYS`` windows but the newest one, which is Airflow's; returns how many."""
    daily = config.cadences("primary")["daily"]
    dues = _dues(daily, now)
    sizes = _sizes(target, dues)
    added = 0
    with Target.open(target) as platform, database.session(connect, config.sql, read_only=False) as session:
        for number, due in enumerate(dues):
            window = _window(daily, due)
            if _known(session, window):
                continue
            open_window(session, window)
            add_step(session, window, _step(STATUS, "application_logs", due, _status(platform, window)))
            add_step(session, window, _step(SIZES, "the rows there now", due, sizes[number]))
            added += 1
    return added


def _dues(cadence: Cadence, now: datetime) -> list[datetime]:
    """Oldest first."""
    due, found = cadence.at_or_before(now), []
    for _ in range(DAYS):
        due = cadence.before(due)
        found.append(due)
    return found[::-1]


def _window(cadence: Cadence, due: datetime) -> Window:
    start, end = calendar_period(cadence, due)
    run = f"reconstructed__{due.isoformat()}"
    return Window(TARGET, "daily", WindowKind.CALENDAR, due, due + cadence.length, start, end, run, DAG, RECONSTRUCTED)


def _known(session: database.Session, window: Window) -> bool:
    try:
        window_id(session, window)
    except LookupError:
        return False
    return True


def _step(step: str, source: str, due: datetime, samples: tuple[Sample, ...]) -> StepRecord:
    return StepRecord(
        step, "ran", "", f"reconstructed from {source}", due, looked=LookResult((), samples), taken_at=due
    )


def _status(platform: Target, window: Window) -> tuple[Sample, ...]:
    """What the twin answers of a day's requests; a day without any has no value."""
    row = platform.row("requests", start=window.period_start, end=window.period_end, function=None)
    measures = {name: row[name] for name in ("error_rate_percent", "response_time_ms")}
    if None in measures.values():
        return ()
    return (
        Sample("overall_health", answers.overall_health(measures), "%"),
        Sample("response_time", measures["response_time_ms"], "ms"),
        Sample("error_rate", measures["error_rate_percent"], "%"),
    )


def _sizes(target: str, dues: Sequence[datetime]) -> list[tuple[Sample, ...]]:
    """Of each due time the sizes of the tables and of the database then."""
    found: list[list[Sample]] = [[] for _ in dues]
    with psycopg.connect(target, row_factory=dict_row) as opened:
        opened.read_only = True
        tables = opened.execute(_TIMED).fetchall()
        for table in tables:
            shares = _shares(opened, table, dues)
            for samples, share in zip(found, shares, strict=True):
                samples.append(
                    Sample("table_bytes", round(table["bytes"] * share), "bytes", f"public.{table['table']}")
                )
        ((whole,),) = (row.values() for row in opened.execute("SELECT pg_database_size(current_database()) AS bytes"))
    tables_now = sum(table["bytes"] for table in tables)
    for samples in found:
        then = whole - tables_now + sum(sample.value for sample in samples)
        samples.append(Sample("database_bytes", then, "bytes"))
    return [tuple(samples) for samples in found]


def _shares(opened: psycopg.Connection[Any], table: dict[str, Any], dues: Sequence[datetime]) -> list[float]:
    """Of today's rows of a table the share that had come by each due time; all of none, where it has none."""
    query = _ROWS.format(time=sql.Identifier(table["time"]), table=sql.Identifier("public", table["table"]))
    rows = {row["dues"]: row["rows"] for row in opened.execute(query, {"dues": list(dues)}).fetchall()}
    before = list(accumulate(rows.get(number, 0) for number in range(len(dues) + 1)))
    return [count / before[-1] if before[-1] else 1.0 for count in before[:-1]]
