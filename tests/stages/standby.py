"""A real standby: a base backup of a test's cluster that goes on in recovery and follows it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from sandbox import postgres
from sandbox.postgres import HOST, SUPERUSER, Cluster

PATIENCE_SECONDS = 120


@contextmanager
def standby(cluster: Cluster, port: int) -> Iterator[Cluster]:
    """Run one with the same logins and databases, caught up with the cluster as it is now; ended with the block."""
    one = Cluster(Path(tempfile.mkdtemp(dir=cluster.data.parent)) / "data", port, cluster.password)
    who, data = postgres.identity(), one.directory()
    data.mkdir(parents=True, mode=0o700)
    os.chown(data, who.uid, who.gid)
    argv = [str(postgres.bin_dir() / "pg_basebackup"), "-h", HOST, "-p", str(cluster.port), "-U", SUPERUSER, "-w"]
    done = subprocess.run(
        [*argv, "-D", str(data), "--checkpoint=fast", "--no-sync", "--write-recovery-conf"],
        env={**os.environ, "PGPASSWORD": cluster.password},
        cwd="/",
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    subprocess.run(["chown", "-R", f"{who.uid}:{who.gid}", str(data)], check=True)
    server = one.start()
    try:
        _catch_up(cluster, one)
        yield one
    finally:
        one.stop(server)
        shutil.rmtree(data.parent)


def _catch_up(primary: Cluster, follower: Cluster) -> None:
    with psycopg.connect(primary.dsn("postgres"), autocommit=True) as there:
        (wanted,) = there.execute("SELECT pg_current_wal_lsn()::text").fetchone() or ("",)
    deadline = time.monotonic() + PATIENCE_SECONDS
    with psycopg.connect(follower.dsn("postgres"), autocommit=True) as here:
        while here.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [wanted]).fetchone() != (True,):
            assert time.monotonic() < deadline, f"not at {wanted} yet"
            time.sleep(0.05)
