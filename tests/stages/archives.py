"""WAL segments that are archived while a test waits."""

import time

import psycopg

from sandbox.backups import Store
from sandbox.postgres import Cluster


def switch(cluster: Cluster, store: Store) -> str:
    """Finish a WAL segment and wait until it is archived; returns its name."""
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as conn:
        conn.execute("SELECT pg_logical_emit_message(true, 'test', 'something')")
        (name,) = conn.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone() or ("",)
    deadline = time.monotonic() + 120
    while not (store.wal / name).exists():
        assert time.monotonic() < deadline, f"{name} was not archived"
        time.sleep(0.05)
    return str(name)
