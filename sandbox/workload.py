"""The living workload of the sandbox's target: `python -m sandbox.workload`.

Once a second it does what an application does: logs requests, fails now and then, renews consents (which leaves dead
rows), reads by its indexes (never by user_consents.policy_version), and is slow once a minute. It holds a few idle
connections, comes back after the server was away, and ends on SIGTERM. It connects as `app`, with the conninfo in
UPKEEP_SANDBOX_WORKLOAD_DSN.
"""

import logging
import os
import signal
from contextlib import ExitStack
from threading import Event
from types import FrameType
from typing import Any

import psycopg

log = logging.getLogger(__name__)

DSN = "UPKEEP_SANDBOX_WORKLOAD_DSN"
PAUSE_SECONDS = 1.0
IDLE_CONNECTIONS = 4
FAILS_EVERY = 200  # ticks of two requests: 0.25 % failed, within the guide's 0.5 % in any window (G34)
REFUSES_EVERY = 300  # ticks: 12 refused tokens an hour
SLOW_EVERY = 60  # ticks

FUNCTIONS = (
    "agent-recommender",
    "vibe-analyzer",
    "trust-scorer",
    "gdpr-compliance",
    "database-scalability",
    "error-tracking",
    "production-monitoring",
)

REQUEST = """
    INSERT INTO application_logs (function_name, method, path, status, duration_ms, api_role, ip_address)
    VALUES (%s, 'POST', '/functions/v1/' || %s, %s, greatest(8, 120 * exp(random_normal(0, 0.6)))::integer,
            'authenticated', '203.0.113.7')
"""
ERROR = """
    INSERT INTO error_logs (function_name, category, severity, message, ip_address)
    VALUES (%s, %s, 'medium', %s, '198.51.100.9')
"""
LOGIN_FAILURE = """
    INSERT INTO security_logs (event, account, ip_address, detail)
    SELECT 'login_failure', 'user' || n || '@example.org', ('192.0.2.' || 1 + n %% 200)::inet,
           '{"reason": "invalid_credentials"}'
    FROM (VALUES (%s::integer)) AS one (n)
"""
# Changes an indexed column, so that the dead row and its index entries wait for VACUUM.
RENEW_CONSENT = """
    UPDATE user_consents
    SET policy_version = CASE policy_version WHEN '2024-2' THEN '2025-1' ELSE '2024-2' END, updated_at = now()
    WHERE user_id = md5('user' || %s::integer %% 4000)::uuid
"""
READS = (
    "SELECT count(*) FROM application_logs WHERE created_at > now() - interval '5 minutes'",
    'SELECT function_name, message FROM error_logs ORDER BY "timestamp" DESC LIMIT 20',
    "SELECT event, count(*) FROM security_logs WHERE created_at > now() - interval '1 hour' GROUP BY event",
)
SLOW = """
    SELECT pg_sleep(1.5), count(*), avg(percentile)
    FROM (SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms) AS percentile
          FROM application_logs GROUP BY function_name, date_trunc('day', created_at)) AS days
"""


def second(conn: psycopg.Connection[Any], tick: int) -> None:
    """What the application does in its tick-th second, counted from 1; each statement commits by itself."""
    for number in (2 * tick, 2 * tick + 1):
        function = FUNCTIONS[number % len(FUNCTIONS)]
        conn.execute(REQUEST, [function, function, 200])
    function = FUNCTIONS[tick % len(FUNCTIONS)]
    if tick % FAILS_EVERY == 0:
        conn.execute(REQUEST, [function, function, 500])
        conn.execute(ERROR, [function, "database", "canceling statement due to statement timeout"])
    if tick % REFUSES_EVERY == 0:
        conn.execute(REQUEST, [function, function, 401])
        conn.execute(ERROR, [function, "authentication", "JWT expired"])
        conn.execute(LOGIN_FAILURE, [tick])
    conn.execute(RENEW_CONSENT, [tick])
    conn.execute(READS[tick % len(READS)])
    if tick % SLOW_EVERY == 0:
        conn.execute(SLOW)


def work(dsn: str, stop: Event, first: int) -> int:
    """Connect and work until told to stop or until the server goes; returns the next tick."""
    tick = first
    with ExitStack() as connections:
        try:
            conn = connections.enter_context(psycopg.connect(dsn, autocommit=True, application_name="workload"))
            for _ in range(IDLE_CONNECTIONS):
                connections.enter_context(psycopg.connect(dsn, autocommit=True, application_name="workload idle"))
            log.info("connected")
            while not stop.is_set():
                second(conn, tick)
                tick += 1
                stop.wait(PAUSE_SECONDS)
        except psycopg.OperationalError as error:
            log.warning("the server is away, trying again: %s", error)
    return tick


def main() -> None:
    """Work on the target, through restarts of its server, until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = Event()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)
    tick = 1
    while not stop.is_set():
        tick = work(os.environ[DSN], stop, tick)
        stop.wait(PAUSE_SECONDS)
    log.info("stopped after %s seconds of work", tick - 1)


if __name__ == "__main__":
    main()
