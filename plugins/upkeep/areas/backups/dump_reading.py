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
#: What COPY's data ends with: a line of its own, which no row can be.
_END = b"\n\\.\n"
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
            return Level.CRITICAL, f"its table of contents cannot be read: {_brief(listed.stderr)}"
        tables = len(_TABLE_DATA.findall(listed.stdout))
        return _judged(dump, tables, *_written_out(found, dump.path, timeout_seconds))
    except subprocess.TimeoutExpired:
        return Level.UNKNOWN, f"{program} did not end within {timeout_seconds:g} s"
    except OSError as error:
        return Level.UNKNOWN, f"{program} could not be run: {error.strerror}"


def major(dump: Dump) -> int:
    """The major of the pg_dump that wrote it; 0 where it does not say."""
    found = re.match(r"\d+", dump.header.dumped_by if dump.header else "")
    return int(found[0]) if found else 0


def _judged(dump: Dump, tables: int, code: int, said: str, ends: int) -> tuple[Level, str]:
    if code not in (0, 1):
        return Level.UNKNOWN, f"pg_restore ended with {code}: {_brief(said)}"
    if code:
        return Level.CRITICAL, _brief(said)
    whole = f"the data of {count(tables, 'table')}, read from the first byte to the last"
    if ends < tables and ends:
        return Level.CRITICAL, f"the data of {tables - ends} of {count(tables, 'table')} does not come to its end"
    if ends < tables:
        return Level.ADVISORY, f"{whole}; none has an end mark (made with --inserts?): what was cut off would not show"
    if dump.header is None or dump.header.compression != "gzip":
        return Level.ADVISORY, f"{whole}; without gzip's checksums a bent byte would not show"
    return Level.OK, whole


def _written_out(program: str, path: Path, timeout_seconds: float) -> tuple[int, str, int]:
    """pg_restore's code, what it said, and how many tables' data came to an end. Raises TimeoutExpired."""
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
            ends, last = 0, b""
            while reading.stdout and (chunk := reading.stdout.read(_CHUNK)):
                ends += (last + chunk).count(_END)
                last = chunk[1 - len(_END) :]
            code = reading.wait()
        finally:
            timer.cancel()
            reading.kill()
        if late.is_set():
            raise subprocess.TimeoutExpired(argv, timeout_seconds)
        errors.seek(0)
        return code, errors.read(MAX_OUTPUT * 4).decode(errors="replace"), ends


def _brief(said: str) -> str:
    said = said.strip()
    return said if len(said) <= MAX_OUTPUT else f"{said[:MAX_OUTPUT]}…"
