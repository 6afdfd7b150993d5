"""A dump restored into an empty server in the scratch folder, by pg_restore.

The server is of the target's major, encoding and locale, with roles of the same names that nobody can log in as: a
dump holds none. Tablespaces, publications and subscriptions are left out: a copy lies in its folder and follows nobody.
"""

from __future__ import annotations

import logging
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO, LiteralString

import psycopg
from psycopg import sql

from upkeep.areas.backups import dump_reading
from upkeep.areas.backups.copies import ROOM, check_programs, held
from upkeep.areas.backups.dump_files import Dump
from upkeep.areas.backups.pace import Pace
from upkeep.areas.backups.server import RestoreError, Server, SetUpError, environment, run_as
from upkeep.core.units import roughly
from upkeep.settings.backups import Scratch
from upkeep.wires.database import error_words

log = logging.getLogger(__name__)

#: Bytes of a server with nothing in it.
_EMPTY = 100 * 2**20
DATABASE = "restored"
#: Of each kind of error so many are kept; bytes of a line that are read at once.
_KEPT, _LONGEST = 20, 1 << 16
#: How long the server may take to say how far pg_restore is.
_ASKED = "5s"
_NOTHING_ELSE = ("--no-tablespaces", "--no-publications", "--no-subscriptions", "--no-password")
_ERROR = b"pg_restore: error: "
#: What the host is at fault for, and not the dump: as pg_restore ends its own words, and as the server begins.
_HOSTS_DISK = re.compile(
    r": (Permission denied|No space left on device|Disk quota exceeded)$|does not support compression|not built with"
    r"|^connection to server |server closed the connection"
)
_HOSTS_OWN = re.compile(
    r'extension "[^"]+" (is not available|must be preloaded)'
    r"|could not (access|open|extend|write to|create|load) (file|directory|extension control file|library|locale) "
    r"|\S+ (can only be|must be) (pre)?loaded |security label provider |no security label providers"
    r'|ICU is not supported in this build|could not connect to server "'
)
_EXECUTED = "could not execute query: "
#: What a later major's words are to an earlier one; and what is not there after them may be for want of these.
_LATER_FORMAT = re.compile(r"unsupported version \(")
_NOT_PARSED = "syntax error at or near "
_LATER_WORDS = re.compile(rf"{_NOT_PARSED}|unrecognized (configuration )?parameter ")
_NOT_MADE = re.compile(r'[a-z ]+"[^"]+"( of relation "[^"]+")? does not exist$')
_ROLE_GONE = re.compile(r'role "[^"]+" does not exist')


@dataclass(frozen=True)
class Shape:
    """What a server must be like to take a target's dump.

    ``size`` is that of the target's database, in bytes; ``roles`` are names, and whether each is a superuser.
    ``locale`` are words and values of CREATE DATABASE by which text sorts and has its classes as there.
    """

    major: str
    encoding: str
    size: int
    roles: Sequence[tuple[str, bool]]
    locale: Mapping[LiteralString, str]


@dataclass(frozen=True)
class Errors:
    """What pg_restore could not do: read the archive, or for want of something on this host, of a role that the target
    has no more, of words that only a later major knows, else. ``total`` counts all; of each kind some are kept.
    """

    total: int = 0
    damaged: tuple[str, ...] = ()
    hosts_own: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
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
        yield server, _filled(server, dump, shape)


def server_major(dump: Dump) -> int:
    """The major of the server that was dumped; 0 where it does not say."""
    found = re.match(r"\d+", dump.header.server if dump.header else "")
    return int(found[0]) if found else 0


def of_other_major(dump: Dump, shape: Shape) -> str:
    """Of which PostgreSQL a dump is, where the target is of another one."""
    if server_major(dump) in {0, int(shape.major)} or dump.header is None:
        return ""
    return f"of a server of PostgreSQL {dump.header.server}, the target is of {shape.major}"


def _began_empty(server: Server, shape: Shape) -> None:
    began = time.monotonic()
    options = ["--encoding", shape.encoding, "--locale=C", "--auth=trust", "--data-checksums", "--no-sync"]
    initdb, where = str(server.restore.programs / "initdb"), ["-D", str(server.data)]
    run_as(server.restore, initdb, *where, "--username", server.restore.superuser, *options)
    server.start({"max_locks_per_transaction": "1024"})
    server.until(lambda connection: True, "the start of an empty server")
    with server.connect() as connection:
        connection.autocommit = True
        for name, superuser in shape.roles:
            if name != server.restore.superuser:
                can = sql.SQL("SUPERUSER" if superuser else "NOSUPERUSER")
                connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN {}").format(sql.Identifier(name), can))
        words = [sql.SQL("{} {}").format(sql.SQL(word), sql.Literal(value)) for word, value in shape.locale.items()]
        make = sql.SQL("CREATE DATABASE {} TEMPLATE template0 {}")
        try:
            connection.execute(make.format(sql.Identifier(DATABASE), sql.SQL(" ").join(words)))
        except psycopg.Error as error:
            found = ", ".join(shape.locale.values())
            raise SetUpError(
                f"no database with the target's locale ({found}) can be made here, expected this host to have it: "
                f"{error_words(error)[:300]}"
            ) from error
    server.dbname = DATABASE
    server.seconds["an empty server"] = time.monotonic() - began


def _filled(server: Server, dump: Dump, shape: Shape) -> Errors:
    """Restore all that can be restored, into a database that will have about so many bytes."""
    began, limit = time.monotonic(), server.restore.timeout_seconds
    login = [f"--host={server.socket}", "--port=5432", f"--username={server.restore.superuser}"]
    program = str(server.restore.programs / "pg_restore")
    argv = [*server.restore.run_as, program, *login, f"--dbname={DATABASE}", *_NOTHING_ELSE, str(dump.path)]
    with server.nameless() as output:
        try:
            code = _run_pg_restore(server, argv, output, shape.size)
        except subprocess.TimeoutExpired as error:
            raise SetUpError(f"pg_restore did not end within {limit:g} s (restore.timeout_seconds)") from error
        except OSError as error:
            raise SetUpError(f"pg_restore could not be run: {error}") from error
        output.seek(0)
        if code not in (0, 1):
            said = output.read(_LONGEST).decode(errors="replace")
            raise SetUpError(f"pg_restore ended with {code}: {' '.join(said.split())[-500:]}")
        server.seconds["pg_restore"] = time.monotonic() - began
        log.info("restored %s in %.1f s", roughly(dump.size), server.seconds["pg_restore"])
        return _sorted(output, later=dump_reading.major(dump) > int(shape.major)) if code else Errors()


def _run_pg_restore(server: Server, argv: Sequence[str], output: IO[bytes], size: int) -> int:
    """Its exit code; how far it has come is told. Raises TimeoutExpired and OSError, and leaves no process behind."""
    nothing, pace = subprocess.DEVNULL, Pace("pg_restore", done=None)
    deadline = time.monotonic() + server.restore.timeout_seconds
    with subprocess.Popen(argv, cwd="/", env=environment(), stdin=nothing, stdout=output, stderr=output) as restoring:
        try:
            while True:
                try:
                    return restoring.wait(max(min(pace.every, deadline - time.monotonic()), 0))
                except subprocess.TimeoutExpired:
                    if time.monotonic() >= deadline:
                        raise
                    pace.tell(lambda: (_restored_bytes(server), size))
        finally:
            restoring.kill()


def _restored_bytes(server: Server) -> int:
    """The size of the database that is being filled. Raises psycopg.Error and SetUpError."""
    with server.connect() as connection:
        # The restoration's own clock goes on meanwhile.
        connection.execute("SELECT set_config('statement_timeout', %s, false)", [_ASKED])
        (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
        return int(size)


def _sorted(output: IO[bytes], *, later: bool) -> Errors:
    """By whose fault each error is, through all that pg_restore said; ``later``: of what a later pg_dump wrote."""
    kinds: dict[str, list[str]] = {"damaged": [], "hosts_own": [], "roles": [], "later": [], "others": []}
    total, last, not_made = 0, b"", False
    for line in iter(partial(output.readline, _LONGEST), b""):
        last = line
        if not line.startswith(_ERROR):
            continue
        total += 1
        error = line.removeprefix(_ERROR).decode(errors="replace").strip()
        found = kind(error, later=later, after_later=not_made)
        not_made |= found == "later" and _NOT_PARSED in error  # a setting that is not known keeps nothing away
        kept = kinds[found]
        if len(kept) < _KEPT:
            kept.append(error)
    if not total:
        raise RestoreError(f"pg_restore failed: {last.decode(errors='replace').strip()[:500]}")
    return Errors(total, **{name: tuple(errors) for name, errors in kinds.items()})


def kind(error: str, *, later: bool = False, after_later: bool = False) -> str:
    """Pg_restore's own words are of the archive, unless they name the host's disk, rights or age; else the server's.

    ``later``: the dump was written by a later pg_dump; ``after_later``: a statement in words of its own failed before.
    """
    asking, asked, said = error.partition("ERROR:  ")
    if not asked:
        if _LATER_FORMAT.match(error):
            return "later"
        return "hosts_own" if _HOSTS_DISK.search(error) else "damaged"
    if _HOSTS_OWN.match(said):
        return "hosts_own"
    if _ROLE_GONE.match(said):
        return "roles"
    words = later and asking == _EXECUTED and (_LATER_WORDS.match(said) or (after_later and _NOT_MADE.match(said)))
    return "later" if words else "others"
