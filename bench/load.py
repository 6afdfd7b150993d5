"""What the checks cost a large target: buffers, locks, scans. 2,000 tables and 5 million log rows."""

from __future__ import annotations

import secrets
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from bench.measure import Result, free_port
from sandbox import target
from sandbox.postgres import Cluster
from upkeep import checks, database
from upkeep.settings import settings

GOAL = 5.0
LOGS = ("application_logs", "error_logs", "security_logs", "performance_alerts")

#: Rows by table, over 90 days; the seed's own come on top.
GROWN: tuple[LiteralString, ...] = (
    """
    INSERT INTO application_logs (created_at, function_name, method, path, status, duration_ms, api_role, ip_address)
    SELECT now() - n * interval '2.5 seconds', 'trust-scorer', 'POST', '/', CASE WHEN n % 400 = 0 THEN 500 ELSE 200 END,
           100 + n % 90, 'anon', '198.51.100.0'::inet + n % 250
    FROM generate_series(1, 3000000) n
    """,
    """
    INSERT INTO security_logs (created_at, event, account, ip_address)
    SELECT now() - n * interval '7 seconds', CASE WHEN n % 20 = 0 THEN 'login_failure' ELSE 'login_success' END,
           'user' || n % 5000, '198.51.100.0'::inet + n % 250
    FROM generate_series(1, 1000000) n
    """,
    """
    INSERT INTO error_logs ("timestamp", function_name, category, severity, message)
    SELECT now() - n * interval '7 seconds', 'trust-scorer', 'internal', 'low', 'grown ' || n
    FROM generate_series(1, 1000000) n
    """,
)


def run() -> Result:
    """A server of its own; the read role has the project's grants; each check once."""
    with tempfile.TemporaryDirectory() as name:
        cluster = Cluster(Path(name) / "data", free_port(), secrets.token_hex(8))
        cluster.init()
        server = cluster.start()
        try:
            return _measure(cluster)
        finally:
            cluster.stop(server)


def _measure(cluster: Cluster) -> Result:
    passwords = {role: secrets.token_hex(8) for role in target.ROLES}
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as admin:
        target.load(admin, passwords)
        admin.execute(database.script("setup/target_grants", role="upkeep_read", database="postgres").encode())
        for statement in GROWN:
            admin.execute(statement)
        for number in range(2000):
            grown = sql.Identifier(f"grown_{number}")
            admin.execute(sql.SQL("CREATE TABLE {} (id bigint PRIMARY KEY, text text)").format(grown))
        admin.execute("VACUUM ANALYZE")
        admin.execute("SELECT pg_stat_statements_reset()")
        before = _sequential(admin)
        locks = _look(cluster, passwords["upkeep_read"])
        (blocks,) = admin.execute(
            "SELECT sum(shared_blks_hit + shared_blks_read)::bigint FROM pg_stat_statements s"
            " JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = 'upkeep_read'"
        ).fetchone() or (0,)
        costly = admin.execute(
            "SELECT shared_blks_hit + shared_blks_read, left(regexp_replace(s.query, '\\s+', ' ', 'g'), 60)"
            " FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = 'upkeep_read'"
            " ORDER BY 1 DESC LIMIT 4"
        ).fetchall()
        (pages,) = admin.execute("SELECT pg_database_size(current_database()) / 8192").fetchone() or (0,)
        scanned = [table for table, scans in _sequential(admin).items() if scans > before[table]]
    percent = 100 * blocks / pages
    above = sorted(locks - {"AccessShareLock"})
    return Result(
        "buffers that all SQL checks touch, by the pages of a target with 2,000 tables and 5 million log rows",
        f"{percent:.1f} %",
        f"at most {GOAL:g} %, no lock above ACCESS SHARE, no sequential scan of a log table",
        percent <= GOAL and not above and not scanned,
        (
            f"{blocks} buffers of {pages} pages in {len(checks.CHECKS)} checks",
            f"locks on relations above ACCESS SHARE: {', '.join(above) or 'none'}",
            f"log tables read sequentially: {', '.join(scanned) or 'none'}",
            *(f"{buffers} buffers: {text} …" for buffers, text in costly),
        ),
    )


def _look(cluster: Cluster, password: str) -> set[str]:
    """Carry out every check; returns the modes of all locks on relations that were held at its end."""
    modes: set[str] = set()
    config = settings()
    dsn = cluster.dsn("postgres", "upkeep_read", password)
    for check in checks.CHECKS.values():
        with database.session(lambda: psycopg.connect(dsn), config.maintenance.sql, read_only=True) as session:
            checks.carry_out(check, checks.Look(session, config, datetime.now(UTC)))
            held = "SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'"
            modes |= {row["mode"] for row in session.rows(held)}
    return modes


def _sequential(admin: psycopg.Connection[Any]) -> dict[str, int]:
    """How often each log table has been read sequentially."""
    admin.execute("SELECT pg_stat_clear_snapshot()")
    rows = admin.execute("SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname = ANY (%s)", [list(LOGS)])
    return dict(rows.fetchall())
