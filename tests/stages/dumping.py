"""Real dumps by pg_dump of a database with a log, in the formats that Upkeep reads and in those that it does not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from sandbox.postgres import Cluster, bin_dir
from tests.conftest import database
from tests.stages.restoring import LOGS

MORE = """
CREATE TABLE payloads (id int PRIMARY KEY, body text);
INSERT INTO payloads SELECT n, md5(n::text) FROM generate_series(1, 5000) n;
CREATE TABLE empty_one (id int);
"""


@contextmanager
def dumpable(cluster: Cluster, name: str) -> Iterator[str]:
    """A database with a log and some rows more, gone at the end; yields the superuser's conninfo."""
    with database(cluster, name) as dsn:
        with psycopg.connect(dsn, autocommit=True) as admin:
            admin.execute(LOGS)
            admin.execute(MORE)
        yield dsn


@dataclass(frozen=True)
class Dumped:
    """A database, where its dumps go, and where pg_dump is, if it is another one than the sandbox's."""

    dsn: str
    folder: Path
    programs: Path | None = None

    def begin(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """Start pg_dump, on a host in UTC."""
        argv = [str((self.programs or bin_dir()) / "pg_dump"), *words, f"--file={self.folder / name}", self.dsn]
        return subprocess.Popen(argv, env=os.environ | {"TZ": "UTC"}, stderr=subprocess.PIPE, cwd="/")

    def take(self, name: str, *words: str) -> Path:
        """Make a dump; its path."""
        dumping = self.begin(name, *words)
        _, said = dumping.communicate()
        assert dumping.returncode == 0, said
        return self.folder / name
