"""Healthy backups of different shapes: other collations, encodings, sizes of segments, tablespaces, ways to back up."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import psycopg
from psycopg import sql

from sandbox.backups import Store
from sandbox.ports import free_port
from sandbox.postgres import SUPERUSER, Cluster, bin_dir, identity, programs
from upkeep.settings.backups import Backups, Restore

#: What initdb is given, and whether a table lies in a tablespace. Upkeep restores none of those: one without is first.
CLUSTERS = {
    "segments of 64 MB": (("--wal-segsize=64",), False),
    "segments of 1 MB, a tablespace": (("--wal-segsize=1",), True),
    "collation C, LATIN1": (("--locale=C", "--encoding=LATIN1"), False),
    "collation of PostgreSQL's own": (("--locale-provider=builtin", "--builtin-locale=C.UTF-8"), False),
    "collation C, a tablespace": (("--locale=C",), True),
}
#: Which segment such a cluster begins with, where not with initdb's: the first backup begins with the first of a log.
FIRST = {"segments of 64 MB": "00000001000000000000003F"}
WAYS = list(product(("stream", "none", "fetch"), ("SHA256", "CRC32C", "NONE", "SHA512")))


@dataclass(frozen=True)
class Shaped:
    """A running cluster with rows in it, and its backups."""

    cluster: Cluster
    store: Store
    tablespace: Path | None

    def backup(self, number: int) -> str:
        """Take the backup of this number: each in another way, every fourth one incremental; how, in words."""
        folder = self.store.base / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
        method, checksums = WAYS[number % len(WAYS)]
        argv = [str(bin_dir() / "pg_basebackup"), "-h", "127.0.0.1", "-p", str(self.cluster.port), "-U", SUPERUSER]
        argv += ["-D", str(folder), "--checkpoint=fast", f"--wal-method={method}", f"--manifest-checksums={checksums}"]
        if self.tablespace:
            argv.append(f"--tablespace-mapping={self.tablespace}={folder}.tablespace")
        full = sorted(one for one in self.store.base.iterdir() if one.suffix != ".tablespace")
        if incremental := number % 4 == 3 and bool(full):
            argv.append(f"--incremental={full[-1] / 'backup_manifest'}")
        with psycopg.connect(self.cluster.dsn("postgres"), autocommit=True) as admin:
            admin.execute("INSERT INTO healthy SELECT n, repeat('x', 100) FROM generate_series(1, 1000) n")
        environ = {**os.environ, "PGPASSWORD": self.cluster.password}
        done = subprocess.run(argv, env=environ, capture_output=True, text=True, cwd="/", check=False)
        assert done.returncode == 0, done.stderr
        return f"WAL by {method}, checksums {checksums}{', incremental' if incremental else ''}"

    def config(self) -> Backups:
        """The section of config."""
        restore = Restore(scratch=self.store.scratch, programs=programs(), run_as=identity().prefix, timeout_seconds=60)
        verify = str(bin_dir() / "pg_verifybackup")
        return Backups(base=self.store.base, wal=self.store.wal, verify_program=verify, restore=restore)


@contextmanager
def running(folder: Path, name: str) -> Iterator[Shaped]:
    """A cluster of CLUSTERS, gone at the end."""
    options, apart = CLUSTERS[name]
    cluster = Cluster(folder / "data", free_port(), secrets.token_hex(8), folder / "wal", options)
    cluster.init()
    if first := FIRST.get(name):
        argv = [*identity().prefix, str(programs() / "pg_resetwal"), "-l", first, "-D", str(cluster.directory())]
        subprocess.run(argv, check=True, capture_output=True, cwd="/")
    store = Store(folder, cluster.archive_directory())
    store.base.mkdir()
    for place in (store.scratch, tablespace := store.wal.with_name("tablespace")):
        place.mkdir(mode=0o755)
        os.chown(place, identity().uid, identity().gid)
    server = cluster.start()
    try:
        with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET summarize_wal = on")
            admin.execute("SELECT pg_reload_conf()")
            if apart:
                location = sql.Literal(str(tablespace))
                admin.execute(sql.SQL("CREATE TABLESPACE apart LOCATION {}").format(location))
                admin.execute("SET default_tablespace = apart")
            admin.execute("CREATE TABLE healthy (n int, words text)")
            admin.execute("CREATE UNLOGGED TABLE fleeting (n int)")
        yield Shaped(cluster, store, tablespace if apart else None)
    finally:
        cluster.stop(server)
        for place in (cluster.directory(), store.wal, store.scratch, tablespace):
            shutil.rmtree(place)
