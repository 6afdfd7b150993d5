"""A dump restored into an empty server in the scratch folder, by pg_restore.

The server is of the target's major and encoding, with roles of the same names that nobody can log in as: a dump holds
none. Tablespaces, publications and subscriptions are left out: a copy lies in its folder and follows nobody.
"""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from psycopg import sql

from upkeep.areas.backups.copies import ROOM, check_programs, held
from upkeep.areas.backups.dump_files import Dump
from upkeep.areas.backups.server import RestoreError, Server, SetUpError, environment, run_as
from upkeep.core.units import roughly
from upkeep.settings.backups import Scratch

log = logging.getLogger(__name__)

#: Bytes of a server with nothing in it.
_EMPTY = 100 * 2**20
DATABASE = "restored"
_KEPT_SAID = 1 << 16
_NOTHING_ELSE = ("--no-tablespaces", "--no-publications", "--no-subscriptions", "--no-password")
_ERROR = "pg_restore: error: "
#: What the host is at fault for, and not the dump.
_HOSTS_OWN = ("Permission denied", "No space left", "Disk quota", "is not available", "could not access file")
_ROLE_GONE = 'ERROR:  role "'


@dataclass(frozen=True)
class Shape:
    """What a server must be like to take a target's dump.

    ``size`` is that of the target's database, in bytes; ``roles`` are names, and whether each is a superuser.
    """

    major: str
    encoding: str
    size: int
    roles: Sequence[tuple[str, bool]]


@dataclass(frozen=True)
class Errors:
    """What pg_restore could not do: for want of something on this host, of a role that the target has no more, else."""

    hosts_own: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@contextmanager
def restored(
    dump: Dump, shape: Shape, restore: Scratch, ending: list[Callable[[], None]]
) -> Iterator[tuple[Server, Errors]]:
    """A server that holds a dump, and what could not be restored of it; gone at the end, whatever happens.

    Raises SetUpError for what says nothing of the dump, RestoreError where the server ends.
    """
    check_programs(restore, shape.major, "the target's")
    needed = ROOM * shape.size + _EMPTY
    with held(restore, needed, partial(Server, restore=restore, dbname="postgres"), ending) as server:
        _began_empty(server, shape)
        yield server, _filled(server, dump)


def _began_empty(server: Server, shape: Shape) -> None:
    began = time.monotonic()
    words = ["--encoding", shape.encoding, "--locale=C", "--auth=trust", "--data-checksums", "--no-sync"]
    initdb, where = str(server.restore.programs / "initdb"), ["-D", str(server.data)]
    run_as(server.restore, initdb, *where, "--username", server.restore.superuser, *words)
    server.start({"max_locks_per_transaction": "1024"})
    server.until(lambda connection: True, "the start of an empty server")
    with server.connect() as connection:
        connection.autocommit = True
        for name, superuser in shape.roles:
            if name != server.restore.superuser:
                can = sql.SQL("SUPERUSER" if superuser else "NOSUPERUSER")
                connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN {}").format(sql.Identifier(name), can))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(DATABASE)))
    server.dbname = DATABASE
    server.seconds["an empty server"] = time.monotonic() - began


def _filled(server: Server, dump: Dump) -> Errors:
    """Restore all that can be restored."""
    began, limit = time.monotonic(), server.restore.timeout_seconds
    login = [f"--host={server.socket}", "--port=5432", f"--username={server.restore.superuser}"]
    program = str(server.restore.programs / "pg_restore")
    argv = [*server.restore.run_as, program, *login, f"--dbname={DATABASE}", *_NOTHING_ELSE, str(dump.path)]
    with server.nameless() as output:
        try:
            done = subprocess.run(
                argv,
                cwd="/",
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise SetUpError(f"pg_restore did not end within {limit:g} s (restore.timeout_seconds)") from error
        except OSError as error:
            raise SetUpError(f"pg_restore could not be run: {error}") from error
        output.seek(0)
        lines = output.read(_KEPT_SAID).decode(errors="replace").splitlines()
    if done.returncode not in (0, 1):
        raise SetUpError(f"pg_restore ended with {done.returncode}: {' / '.join(lines[-3:])[:500]}")
    server.seconds["pg_restore"] = time.monotonic() - began
    log.info("restored %s in %.1f s", roughly(dump.size), server.seconds["pg_restore"])
    return _sorted(lines) if done.returncode else Errors()


def _sorted(lines: Sequence[str]) -> Errors:
    """By whose fault each is. Where the host lacks something, what fails after it may be for want of that."""
    errors = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
    if not errors:
        raise RestoreError(f"pg_restore failed: {' / '.join(lines[-3:])[:500]}")
    hosts_own = [error for error in errors if any(word in error for word in _HOSTS_OWN)]
    roles = [error for error in errors if _ROLE_GONE in error]
    others = [error for error in errors if error not in hosts_own and error not in roles]
    return Errors(tuple(hosts_own), tuple(roles), tuple(others))
