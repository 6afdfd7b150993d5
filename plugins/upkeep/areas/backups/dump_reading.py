"""A dump read from its first byte to its last by PostgreSQL's own pg_restore, which writes it out and restores nothing.

pg_restore alone is fooled by a data file that was cut off where it is not compressed by gzip, and by an empty one
always: each table's data must come to its end mark. Source: the pages of pg_restore and of COPY in PostgreSQL's
documentation.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from upkeep.areas.backups.dump_files import Dump
from upkeep.areas.backups.files import MAJOR
from upkeep.areas.backups.verification import MAX_OUTPUT, run
from upkeep.core.findings import Level
from upkeep.core.units import count

_TABLE_DATA = re.compile(r"^\d+; \d+ \d+ TABLE DATA ", re.MULTILINE)
_LARGE_OBJECT = re.compile(r"^\d+; \d+ \d+ BLOBS? ", re.MULTILINE)
#: What COPY's data begins and ends with; the end is a line of its own, which no row can be.
_BEGIN, _END = b" FROM stdin;\n", b"\n\\.\n"
_HOSTS_OWN = re.compile(r": Permission denied$|not support compression", re.MULTILINE)
_CHUNK = 1 << 20


def read(program: str, dump: Dump, timeout_seconds: float) -> tuple[Level, str]:
    """Read all of a dump: ok, advisory where a bent byte would not show, critical, or UNKNOWN; and what was seen."""
    found = shutil.which(program)
    if found is None:
        return Level.UNKNOWN, f"found no program {program}"
    try:
        version = run([found, "--version"], 30).stdout
        tool, needed = MAJOR.search(version), major(dump)
        if tool is None or int(tool[1]) < needed:
            return Level.UNKNOWN, f"{program} is {version.strip()[:100]!r}, expected one of major {needed} or later"
        listed = run([found, "--list", str(dump.path)], timeout_seconds)
        if listed.returncode:
            return _blamed(f"its table of contents cannot be read: {_brief(listed.stderr)}")
        tables = len(_TABLE_DATA.findall(listed.stdout))
        level, said = _judged(dump, tables, *_written_out(found, dump.path, timeout_seconds))
    except subprocess.TimeoutExpired:
        return Level.UNKNOWN, f"{program} did not end within {timeout_seconds:g} s"
    except OSError as error:
        return Level.UNKNOWN, f"{program} could not be run: {error.strerror}"
    if level is Level.OK and _LARGE_OBJECT.search(listed.stdout):
        return Level.ADVISORY, f"{said}; large objects have no end mark: one without its bytes would not show"
    return level, said


def major(dump: Dump) -> int:
    """The major of the pg_dump that wrote it; 0 where it does not say."""
    found = re.match(r"\d+", dump.header.dumped_by if dump.header else "")
    return int(found[0]) if found else 0


def _blamed(said: str) -> tuple[Level, str]:
    """What pg_restore failed at: the dump, unless it says that it may not or cannot read such a one."""
    return (Level.UNKNOWN if _HOSTS_OWN.search(said) else Level.CRITICAL), said


def _judged(dump: Dump, tables: int, code: int, said: str, begun: int, ends: int) -> tuple[Level, str]:
    if code not in (0, 1):
        return Level.UNKNOWN, f"pg_restore ended with {code}: {_brief(said)}"
    if code:
        return _blamed(_brief(said))
    if not tables:
        return Level.WARNING, "no data of any table: there is no table in it, or pg_dump left all rows out"
    whole = f"the data of {count(tables, 'table')}, read from the first byte to the last"
    if ends < tables and (ends or begun):
        return Level.CRITICAL, f"the data of {tables - ends} of {count(tables, 'table')} does not come to its end"
    if ends < tables:
        return Level.ADVISORY, f"{whole}; none has an end mark (made with --inserts?): what was cut off would not show"
    if dump.header is None or dump.header.compression != "gzip":
        return Level.ADVISORY, f"{whole}; without gzip's checksums a bent byte would not show"
    return Level.OK, whole


def _written_out(program: str, path: Path, timeout_seconds: float) -> tuple[int, str, int, int]:
    """pg_restore's code, what it said, and how many tables' data began and came to an end. Raises TimeoutExpired."""
    argv = [program, "--data-only", "--file=-", str(path)]
    environ = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"}
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            argv, env=environ, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        ) as reading,
    ):
        late = threading.Event()

        def end() -> None:
            late.set()
            reading.kill()

        timer = threading.Timer(timeout_seconds, end)
        timer.start()
        try:
            begun, ends, last = 0, 0, b""
            while reading.stdout and (chunk := reading.stdout.read(_CHUNK)):
                begun += _count(_BEGIN, last, chunk)
                ends += _count(_END, last, chunk)
                last = (last + chunk)[1 - len(_BEGIN) :]
            code = reading.wait()
        finally:
            timer.cancel()
            reading.kill()
        if late.is_set():
            raise subprocess.TimeoutExpired(argv, timeout_seconds)
        errors.seek(0)
        return code, errors.read(MAX_OUTPUT * 4).decode(errors="replace"), begun, ends


def _count(mark: bytes, last: bytes, chunk: bytes) -> int:
    """How often a mark ends in a chunk, of which ``last`` came before."""
    return (last[max(len(last) - len(mark) + 1, 0) :] + chunk).count(mark)


def _brief(said: str) -> str:
    said = said.strip()
    return said if len(said) <= MAX_OUTPUT else f"{said[:MAX_OUTPUT]}…"
