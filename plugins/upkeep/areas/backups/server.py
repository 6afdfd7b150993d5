"""A server of PostgreSQL in the scratch folder: started with settings of ours, asked, stopped.

It listens on a Unix socket in a folder that only its user may enter, archives nothing, and connects nowhere of itself:
what a dump or a backup defines may, such as a materialized view over a foreign table.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg.conninfo import make_conninfo

from upkeep.settings.backups import Scratch

log = logging.getLogger(__name__)

_POLL = 0.1
_STOP_SECONDS, _END_SECONDS, _REFUSED_SECONDS = 60.0, 10.0, 10.0
_READY = "ready to accept"
_KNOWS_REQUIRE_AUTH, _KNOWS_EVENT_TRIGGERS = 160_000, 17
#: What a session on a copy is, whatever PGHOSTADDR and its like say; no name is looked up in a schema of the target's.
_HERE = {
    "port": "5432",
    "hostaddr": "",
    "target_session_attrs": "any",
    "channel_binding": "disable",
    "gssencmode": "disable",
    "sslmode": "disable",
    "passfile": "/dev/null",
    "options": "-c search_path=pg_catalog",
}
_SETTINGS = {
    "listen_addresses": "",
    "archive_mode": "off",
    "archive_command": "",
    "primary_conninfo": "",
    "shared_preload_libraries": "",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_timezone": "UTC",
    "port": "5432",
    "max_logical_replication_workers": "0",  # a subscription would go on from where the target's own is
    "autovacuum": "off",
    "ssl": "off",
    "fsync": "off",  # it is thrown away
}
_LOCAL_ONLY = "local all all trust\n"  # nobody else can enter the socket's folder


class SetUpError(Exception):
    """A copy cannot be made or asked here, which says nothing of the backup; the message says what is missing."""


class RestoreError(Exception):
    """A backup could not be restored; the message says at which step, and what PostgreSQL said."""


@dataclass
class Server:
    """One server. ``seconds`` is how long each phase took, by its name, in the order in which they were."""

    folder: Path
    socket: Path
    restore: Scratch
    dbname: str
    seconds: dict[str, float] = field(default_factory=dict)
    _server: subprocess.Popen[bytes] | None = None
    _output: IO[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def connect(self) -> psycopg.Connection[Any]:
        """A session of its superuser, over its socket; what the environment says of connections is not for this one."""
        return self.connect_as(self.restore.superuser)

    def free_bytes(self) -> int:
        """How much room there is beside it."""
        return shutil.disk_usage(self.restore.scratch).free

    def connect_as(self, role: str) -> psycopg.Connection[Any]:
        """A session of a role of it, which must be allowed to see where the server's data are."""
        login = {**_HERE, "host": str(self.socket), "dbname": self.dbname, "user": role}
        if psycopg.pq.version() >= _KNOWS_REQUIRE_AUTH:
            login["require_auth"] = "none"
        connection = psycopg.connect(make_conninfo(**login), connect_timeout=10)
        (found,) = connection.execute("SELECT pg_catalog.current_setting('data_directory')").fetchone() or ("",)
        connection.rollback()
        if Path(found) != self.data:
            connection.close()
            raise SetUpError(f"the session is on {found}, expected one on the copy in {self.data}")
        return connection

    def start(self, settings: Mapping[str, str]) -> None:
        """Start it with settings beside those that each has; whether it answers is for the caller to see."""
        settings = {**_SETTINGS, **settings}
        if int((self.data / "PG_VERSION").read_text()) >= _KNOWS_EVENT_TRIGGERS:
            settings["event_triggers"] = "off"  # code of the target's would run as superuser
        settings |= {"unix_socket_directories": str(self.socket), "hba_file": str(self.folder / "pg_hba.conf")}
        settings |= {"config_file": str(self.folder / "postgresql.conf"), "ident_file": str(self.folder / "ident.conf")}
        for name, text in (("postgresql.conf", ""), ("pg_hba.conf", _LOCAL_ONLY), ("ident.conf", "")):
            (self.folder / name).write_text(text, encoding="utf-8")
            (self.folder / name).chmod(0o644)
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._output = self._output or self.nameless()
        self._server = subprocess.Popen(
            [*self.restore.run_as, str(self.restore.programs / "postgres"), "-D", str(self.data), *words],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            cwd="/",
            env=environment(),
            start_new_session=True,
        )

    def nameless(self) -> IO[bytes]:
        """A file beside the copy, without a name: the copy's user owns the folder and could put a link in its place."""
        return tempfile.TemporaryFile(dir=self.folder)

    def until(self, there: Callable[[psycopg.Connection[Any]], bool], what: str) -> None:
        """Wait until it answers, and as ``there`` asks.

        Raises RestoreError where it ends, SetUpError where it refuses, or ``what`` is not done in time.
        """
        deadline = time.monotonic() + self.restore.timeout_seconds
        refused_since, log_before = 0.0, self._log()
        while True:
            if self._server is None or self._server.poll() is not None:
                raise RestoreError(f"PostgreSQL ended: {self.said()}")
            try:
                with self.connect() as connection:
                    if there(connection):
                        return
            except psycopg.OperationalError as error:  # not yet, unless it says that it is ready
                if not refused_since and _READY in self._log().removeprefix(log_before):
                    refused_since = time.monotonic()
                if refused_since and time.monotonic() > refused_since + _REFUSED_SECONDS:
                    raise SetUpError(f"the copy is ready and refuses a session: {error}") from error
            if time.monotonic() > deadline:
                raise SetUpError(
                    f"{what} did not end within {self.restore.timeout_seconds:g} s "
                    f"(restore.timeout_seconds): {self.said()}"
                )
            time.sleep(_POLL)

    def close(self) -> None:
        """Stop it for good."""
        self.stop()
        if self._output is not None:
            self._output.close()
            self._output = None

    def stop(self) -> None:
        """Shut the server down fast and wait; one that will not go is ended by force."""
        server = self._server  # the end of trials may come from a thread of its own
        if server is None:
            return
        if server.poll() is None:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                end_servers(self.data)
        self._server = None

    def _log(self) -> str:
        if self._output is None:
            return ""
        number = self._output.fileno()  # where the server writes next is left as it is
        return os.pread(number, os.fstat(number).st_size, 0).decode(errors="replace")

    def said(self, lines: int = 3) -> str:
        """What the server said last of what went wrong, else its last lines."""
        told = [line for line in self._log().splitlines() if line.strip()]
        wrong = [line for line in told if any(f" {word}: " in line for word in ("FATAL", "PANIC", "ERROR"))]
        return " / ".join((wrong or told)[-lines:]) or "it said nothing"


def environment() -> dict[str, str]:
    """What PostgreSQL's programs are given: nothing of ours that could lead them elsewhere."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def run_as(restore: Scratch, *argv: str) -> str:
    """Run a program as the user of a copy; its output. Raises SetUpError."""
    try:
        done = subprocess.run(
            [*restore.run_as, *argv],
            cwd="/",
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=restore.timeout_seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetUpError(f"{argv[0]} could not be run: {error}") from error
    if done.returncode:
        raise SetUpError(f"{argv[0]} ended with {done.returncode}: {done.stderr.strip()[:500]}")
    return done.stdout


def end_servers(data: Path) -> None:
    """End the server that runs in a copy's data directory, if one does: at once, then by force."""
    for sent in (signal.SIGQUIT, signal.SIGKILL):
        for process in servers(data):
            with suppress(ProcessLookupError):
                os.kill(process, sent)
        deadline = time.monotonic() + _END_SECONDS
        while servers(data) and time.monotonic() < deadline:
            time.sleep(_POLL)


def servers(data: Path) -> list[int]:
    """The processes of PostgreSQL that work in a data directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # ended meanwhile, or another user's
            here = (process / "cwd").resolve(strict=True) == data.resolve()
            if here and (process / "exe").resolve(strict=True).name == "postgres":
                found.append(int(process.name))
    return found
