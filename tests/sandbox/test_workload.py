"""The living workload as a process: it writes, it survives a restart of its server, it ends when told to."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from sandbox import target, workload
from sandbox.postgres import Cluster

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 30


@contextmanager
def running(dsn: str, log_file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The workload as a child process, killed at the end if the test did not end it."""
    with log_file.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "sandbox.workload"],
            cwd=ROOT,
            env={**os.environ, workload.DSN: dsn},
            stdout=output,
            stderr=output,
        )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def wait_for_rows(dsn: str, more_than: int) -> int:
    """The number of logged requests as soon as it is larger; fails when it stays as it was."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with psycopg.connect(dsn) as conn:
            (count,) = conn.execute("SELECT count(*) FROM application_logs").fetchone() or (0,)
        if count > more_than:
            return int(count)
        time.sleep(0.1)
    raise AssertionError(f"still {more_than} requests after {PATIENCE_SECONDS} s")


def test_the_workload_writes_and_survives_a_restart_of_its_server(
    new_cluster: Callable[[], Cluster], role_passwords: dict[str, str], tmp_path: Path
) -> None:
    """It goes on after the server was stopped and started, with its idle connections, and exits 0 on SIGTERM."""
    cluster = new_cluster()
    server = cluster.start()
    try:
        with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as conn:
            target.load(conn, role_passwords)
        count = wait_for_rows(cluster.dsn("postgres"), 0)
        with running(cluster.dsn("postgres", "app", role_passwords["app"]), tmp_path / "workload.log") as child:
            count = wait_for_rows(cluster.dsn("postgres"), count)
            cluster.stop(server)
            server = cluster.start()
            wait_for_rows(cluster.dsn("postgres"), count)
            with psycopg.connect(cluster.dsn("postgres")) as conn:
                query = (
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'workload idle' AND state = 'idle'"
                )
                assert conn.execute(query).fetchone() == (workload.IDLE_CONNECTIONS,)
            child.send_signal(signal.SIGTERM)
            assert child.wait(PATIENCE_SECONDS) == 0
    finally:
        cluster.stop(server)
    assert "the server is away" in (tmp_path / "workload.log").read_text()


def test_an_hour_of_work_grows_little_and_fails_within_the_target(target_dsn: str) -> None:
    """3,600 seconds add at most 3 requests each, and under 0.5 % of those failed."""
    with psycopg.connect(target_dsn) as conn:
        conn.execute("CREATE TEMPORARY TABLE before AS SELECT coalesce(max(id), 0) AS id FROM application_logs")
        for tick in range(1, 3601):
            if tick % workload.SLOW_EVERY:
                workload.second(conn, tick)
        query = """
            SELECT count(*), 100.0 * count(*) FILTER (WHERE status >= 500) / count(*)
            FROM application_logs WHERE id > (SELECT id FROM before)
        """
        rows, failed = conn.execute(query).fetchone() or (0, 100)
    assert 0 < rows <= 3 * 3600
    assert 0 < failed < 0.5


def test_consents_leave_dead_rows_and_nobody_reads_by_policy_version(target_dsn: str) -> None:
    """A few seconds of work give VACUUM something to do, and leave the unused index unused."""
    with psycopg.connect(target_dsn, autocommit=True) as conn:
        for tick in range(1, 6):
            workload.second(conn, tick)
        conn.execute("SELECT pg_stat_force_next_flush()")
        query = "SELECT n_dead_tup > 0 FROM pg_stat_user_tables WHERE relname = 'user_consents'"
        assert conn.execute(query).fetchone() == (True,)
        query = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'user_consents_policy_version_idx'"
        assert conn.execute(query).fetchone() == (0,)
        query = "SELECT idx_scan > 0 FROM pg_stat_user_indexes WHERE indexrelname = 'user_consents_user_id_idx'"
        assert conn.execute(query).fetchone() == (True,)


def test_the_slow_query_is_slow_and_real(target_dsn: str) -> None:
    """The tick that is slow takes over a second, so that it is seen in activity and statistics."""
    slowest = (
        "SELECT max(max_exec_time) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid AND datname = %s"
    )
    with psycopg.connect(target_dsn) as conn:
        workload.second(conn, workload.SLOW_EVERY)
        found = conn.execute(slowest, [conn.info.dbname]).fetchone()
    assert found is not None and found[0] > 1500
