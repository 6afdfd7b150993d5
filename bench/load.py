"""What the checks cost a large target: buffers, locks, scans. 2,000 tables and 5 million log rows.

Measured is a day like any other: what a check remembers of the day before it has from its own look at that day, as the
ledger would give it. What that first look cost, which remembered nothing, has a line of its own.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from bench.measure import Result, size
from bench.platform import running_server
from sandbox import target
from sandbox.postgres import Cluster
from upkeep.areas.look import Check, Look, carry_out
from upkeep.areas.registry import find
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database

GOAL = 5.0
#: A fifth of the log rows, and the tables beside them.
ROWS, TABLES = size((1_000_000, 2_000), (2_000, 20))
LOGS = ("application_logs", "error_logs", "security_logs", "performance_alerts")

#: Rows by table, over 90 days; the seed's own come on top.
GROWN: tuple[LiteralString, ...] = (
    """
    INSERT INTO application_logs (created_at, function_name, method, path, status, duration_ms, api_role, ip_address)
    SELECT now() - n * interval '2.5 seconds', 'trust-scorer', 'POST', '/', CASE WHEN n % 400 = 0 THEN 500 ELSE 200 END,
           100 + n % 90, 'anon', '198.51.100.0'::inet + n % 250
    FROM generate_series(1, {rows} * 3) n
    """,
    """
    INSERT INTO security_logs (created_at, event, account, ip_address)
    SELECT now() - n * interval '7 seconds', CASE WHEN n % 20 = 0 THEN 'login_failure' ELSE 'login_success' END,
           'user' || n % 5000, '198.51.100.0'::inet + n % 250
    FROM generate_series(1, {rows}) n
    """,
    """
    INSERT INTO error_logs ("timestamp", function_name, category, severity, message)
    SELECT now() - n * interval '7 seconds', 'trust-scorer', 'internal', 'low', 'grown ' || n
    FROM generate_series(1, {rows}) n
    """,
)


def run() -> Result:
    """A server of its own; the read role has the project's grants; each check once."""
    with running_server() as cluster:
        return _measure(cluster)


def _measure(cluster: Cluster) -> Result:
    passwords = {role: secrets.token_hex(8) for role in target.ROLES}
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as admin:
        target.load(admin, passwords)
        admin.execute(database.script("setup/target_grants", role="upkeep_read", database="postgres").encode())
        for statement in GROWN:
            admin.execute(sql.SQL(statement).format(rows=sql.Literal(ROWS)))
        for number in range(TABLES):
            grown = sql.Identifier(f"grown_{number}")
            admin.execute(sql.SQL("CREATE TABLE {} (id bigint PRIMARY KEY, text text)").format(grown))
        admin.execute("VACUUM ANALYZE")
        before, today = _sequential(admin), datetime.now(UTC)
        dsn = cluster.dsn("postgres", "upkeep_read", passwords["upkeep_read"])
        remembering = [check for check in daily() if check.remembers]
        admin.execute("SELECT pg_stat_statements_reset()")
        first_locks, memory = _look(dsn, remembering, today - timedelta(days=1), {})
        first = _buffers(admin)
        admin.execute("SELECT pg_stat_statements_reset()")
        chosen = daily()
        locks, _ = _look(dsn, chosen, today, memory)
        blocks = _buffers(admin)
        costly = admin.execute(
            "SELECT shared_blks_hit + shared_blks_read, left(regexp_replace(s.query, '\\s+', ' ', 'g'), 60)"
            " FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = 'upkeep_read'"
            " ORDER BY 1 DESC LIMIT 4"
        ).fetchall()
        (pages,) = admin.execute("SELECT pg_database_size(current_database()) / 8192").fetchone() or (0,)
        scanned = [table for table, scans in _sequential(admin).items() if scans > before[table]]
    percent = 100 * blocks / pages
    above = sorted((locks | first_locks) - {"AccessShareLock"})
    return Result(
        f"buffers that all daily SQL checks touch, by the pages of a target with {TABLES:,} tables "
        f"and {5 * ROWS:,} log rows",
        f"{percent:.1f} %",
        f"at most {GOAL:g} %, no lock above ACCESS SHARE, no sequential scan of a log table",
        percent <= GOAL and not above and not scanned,
        (
            f"{blocks} buffers of {pages} pages in {len(chosen)} checks",
            f"not in it, once: {first} buffers ({100 * first / pages:.1f} %) the first time that "
            f"{', '.join(check.name for check in remembering)} looks, which remembers the days before from then on",
            f"locks on relations above ACCESS SHARE: {', '.join(above) or 'none'}",
            f"log tables read sequentially: {', '.join(scanned) or 'none'}",
            *(f"{buffers} buffers: {text} …" for buffers, text in costly),
        ),
    )


def daily() -> list[Check]:
    """The SQL checks that the daily DAG names."""
    text = (ROOT / "dags" / "maintenance_daily.py").read_text(encoding="utf-8")
    found = [find(name) for name in re.findall(r'flow\.check\("(?:\w+/)*(\w+)"', text)]
    assert found, "found no check in dags/maintenance_daily.py"
    return found


Memory = Mapping[str, Mapping[tuple[str, str], float]]


def _look(dsn: str, chosen: list[Check], now: datetime, memory: Memory) -> tuple[set[str], Memory]:
    """Carry out checks on the day before a moment, with what each remembers.

    Returns the modes of all locks on relations that were held at their ends, and what each measured.
    """
    modes: set[str] = set()
    measured: dict[str, dict[tuple[str, str], float]] = {}
    config = settings()
    about = (now - timedelta(days=1), now)
    for check in chosen:
        remembered = memory.get(check.name, {})
        with database.session(lambda: psycopg.connect(dsn), config.maintenance.sql, read_only=True) as session:
            look = Look(session, config, now, about=about, remembered=remembered)
            samples = carry_out(check, look).samples
            measured[check.name] = {(sample.metric, sample.subject): sample.value for sample in samples}
            held = "SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'"
            modes |= {row["mode"] for row in session.rows(held)}
    return modes, measured


def _buffers(admin: psycopg.Connection[Any]) -> int:
    """What the read role's statements have touched since the counts began."""
    (blocks,) = admin.execute(
        "SELECT coalesce(sum(shared_blks_hit + shared_blks_read), 0)::bigint FROM pg_stat_statements s"
        " JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = 'upkeep_read'"
    ).fetchone() or (0,)
    return int(blocks)


def _sequential(admin: psycopg.Connection[Any]) -> dict[str, int]:
    """How often each log table has been read sequentially."""
    admin.execute("SELECT pg_stat_clear_snapshot()")
    rows = admin.execute("SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname = ANY (%s)", [list(LOGS)])
    return dict(rows.fetchall())
