"""Read an archive's bytes again, in a process of its own that has seen nothing of what was written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from upkeep.areas.retention.store import Store
from upkeep.wires.blob_answers import BlobError

#: Seconds that another process may take to download and read one blob: the largest, at the slowest it may come.
LONGEST = 4 * 3600


class NotAsWritten(Exception):
    """An archive that cannot be read, or has another content than it must have; the message says what."""


class InArchiveTier(NotAsWritten):
    """An archive whose bytes cannot be read now; what its store says of them is as the manifest says."""


class OtherVersion(NotAsWritten):
    """An archive that another version of Upkeep wrote, in a form that is not read or not deleted by."""


def read(store: Store, name: str, without: str = "") -> dict[str, Any]:
    """Rows, content, bytes and SHA-256 of an object, read in another process.

    The content is that of all columns but ``without``. The credential goes through a pipe, for others see arguments.
    Raises NotAsWritten, BlobError, and OSError where no process can be started.
    """
    source, credential = store.source(name)
    # It finds Upkeep where this process does, and everything else in the same order.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    argv = [sys.executable, "-m", "upkeep.areas.retention.reading", source, without]
    clock = LONGEST if credential else None
    try:
        done = subprocess.run(
            argv, env=environment, input=credential, capture_output=True, text=True, check=False, timeout=clock
        )
    except subprocess.TimeoutExpired:
        raise BlobError(f"{name} could not be read again in {LONGEST:,} seconds") from None
    except OSError as why:
        if credential:
            raise BlobError(f"{name} could not be read again: no process was started for it: {why}") from None
        raise
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        if credential:  # it ended before it said anything of what it read, which was not on this machine
            raise BlobError(f"{name} could not be read again: its reader ended with {done.returncode}") from None
        raise NotAsWritten(f"{name} could not be read again: {done.stderr.strip()[-300:]}") from None
    if "unreached" in found:
        raise BlobError(f"{name} could not be read again: {found['unreached']}")
    if "error" in found:
        raise NotAsWritten(f"{name}: {found['error']}")
    return found


#: What a manifest says of its object's content.
CONTENT = ("bytes", "sha256", "rows", "high", "low")
_COMPARED = (*CONTENT, "md5")


def compare(found: dict[str, Any], expected: dict[str, Any], about: str) -> None:
    """Raises NotAsWritten, naming the first thing that differs."""
    for name in _COMPARED:
        if name in expected and found.get(name) != expected[name]:
            raise NotAsWritten(f"{about}: found {name} {found.get(name)}, expected {expected[name]}")
