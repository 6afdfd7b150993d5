"""A base backup verified by PostgreSQL's own pg_verifybackup; and by its files' sizes, for which no program is needed.

Source: the page of pg_verifybackup in PostgreSQL's documentation.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from upkeep.areas.backups.files import MAJOR, SEGMENT, Manifest
from upkeep.core.findings import Level

#: Characters of a program's output that a finding shows; a line stands there for each bad file.
MAX_OUTPUT = 2000


#: Where a backup has the WAL that it brought.
OWN_WAL = "pg_wal"
#: Names, sizes, the manifest's own checksum and the cluster's identity alone; the same, and the WAL that it needs.
AS_A_WHOLE, WITH_WAL = ("--skip-checksums", "--no-parse-wal"), ("--skip-checksums",)


def verify(program: str, folder: Path, wal: Path, timeout_seconds: float, *less: str) -> tuple[Level, str]:
    """Run pg_verifybackup of the backup's own major: ok, critical, or UNKNOWN when it cannot tell; and what it said.

    ``less`` are options by which it looks at less than all.
    """
    found = shutil.which(program)
    if found is None:
        return Level.UNKNOWN, f"found no program {program}"
    try:
        backup = (folder / "PG_VERSION").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return Level.CRITICAL, "found no PG_VERSION in the backup"
    try:
        version = run([found, "--version"], 30)
        tool = MAJOR.search(version.stdout)
        if tool is None or tool[1] != backup:
            said = version.stdout.strip()[:100]
            return Level.UNKNOWN, f"{program} is {said!r}, expected one of major {backup[:20]}, the backup's"
        brought = folder / OWN_WAL if _segments(folder) else wal
        done = run([found, *less, "-w", str(brought), str(folder)], timeout_seconds)
    except subprocess.TimeoutExpired:
        return Level.UNKNOWN, f"{program} did not end within {round(timeout_seconds, 1):g} s"
    except OSError as error:
        return Level.UNKNOWN, f"{program} could not be run: {error.strerror}"
    said = f"{done.stdout}\n{done.stderr}".strip()
    said = said if len(said) <= MAX_OUTPUT else f"{said[:MAX_OUTPUT]}…"
    if done.returncode in (0, 1):
        return (Level.CRITICAL if done.returncode else Level.OK), said
    return Level.UNKNOWN, f"{program} ended with {done.returncode}: {said}"


def differing(folder: Path, manifest: Manifest) -> tuple[list[str], int]:
    """Files that are missing or of another size than promised, each with what was found; and all bytes there are."""
    wrong, total = [], 0
    for path, promised in manifest.files.items():
        try:
            size = (folder / path).stat().st_size
        except OSError as error:
            wrong.append(f"{path}: {error.strerror}")
            continue
        total += size
        if size != promised:
            wrong.append(f"{path}: {size} bytes, expected {promised}")
    return wrong, total


def own_wal(folder: Path) -> int:
    """Bytes of the WAL that a backup brought; 0 where it brought none."""
    total = 0
    for file in _segments(folder):
        with suppress(OSError):  # removed meanwhile, or a link to nowhere: pg_verifybackup judges that
            total += file.stat().st_size
    return total


def _segments(folder: Path) -> list[Path]:
    with suppress(OSError):
        return [file for file in (folder / OWN_WAL).iterdir() if SEGMENT.fullmatch(file.name)]
    return []


def run(argv: list[str], timeout_seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a program of PostgreSQL without a shell; killed when its time is over or this process is told to end."""
    return subprocess.run(
        argv,
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_seconds,
        check=False,
    )
