"""A real pgbouncer, from the distribution, in front of a test's cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sandbox import postgres
from sandbox.postgres import HOST, Cluster

PATIENCE_SECONDS = 30


def program() -> str:
    """Where pgbouncer is. CI requires it; elsewhere its absence is said and the tests count as not run."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None and os.environ.get("CI") != "true":
        pytest.skip("found no pgbouncer. For these tests: sudo apt-get install pgbouncer")
    assert found, "CI requires pgbouncer: apt-get install pgbouncer"
    return found


@contextmanager
def pooler(cluster: Cluster, port: int, mode: str, logins: Mapping[str, str], **settings: object) -> Iterator[None]:
    """Run it on a port in this pool mode for these logins (role → password), ended with the block."""
    who = postgres.identity()  # it refuses root as PostgreSQL does
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-", dir=cluster.directory().parent))
    folder.chmod(0o755)
    users = "".join(f'"{_doubled(role)}" "{_doubled(password)}"\n' for role, password in logins.items())
    options = {
        "listen_addr": HOST,
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": folder / "users.txt",
        "pool_mode": mode,
        **settings,
    }
    lines = [
        f"* = host={HOST} port={cluster.port}",
        "[pgbouncer]",
        *(f"{key} = {value}" for key, value in options.items()),
    ]
    for name, text in {"users.txt": users, "pgbouncer.ini": "\n".join(["[databases]", *lines, ""])}.items():
        _private(folder / name, text, who)
    log = folder / "log"
    with log.open("wb") as output:
        argv = [*who.prefix, program(), str(folder / "pgbouncer.ini")]
        process = subprocess.Popen(argv, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        role, password = next(iter(logins.items()))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _answers(cluster.dsn("postgres", role, password), port):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.05)
        yield
    finally:
        process.kill()  # it keeps no state, and newer ones wait for their clients on SIGTERM
        process.wait(PATIENCE_SECONDS)


def _doubled(text: str) -> str:
    return text.replace('"', '""')


def _private(file: Path, text: str, who: postgres.Identity) -> None:
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    os.chown(file, who.uid, who.gid)


def through(dsn: str, port: int) -> str:
    """The same login on another port."""
    return make_conninfo(**{**conninfo_to_dict(dsn), "port": port})


def _answers(dsn: str, port: int) -> bool:
    try:
        psycopg.connect(through(dsn, port), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
