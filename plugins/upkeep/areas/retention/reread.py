"""Read an archive's bytes again, in a process of its own that has seen nothing of what was written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class NotAsWritten(Exception):
    """An archive that cannot be read, or has another content than it must have; the message says what."""


class OtherVersion(NotAsWritten):
    """An archive that another version of Upkeep wrote, in a form that is not read or not deleted by."""


def read(path: Path, without: str = "") -> dict[str, Any]:
    """Rows, content, bytes and SHA-256 of a file, read in another process. Raises NotAsWritten.

    The content is that of all columns but ``without``.
    """
    # It finds Upkeep where this process does, and everything else in the same order.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    argv = [sys.executable, "-m", "upkeep.areas.retention.reading", str(path), without]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise NotAsWritten(f"{path.name} could not be read again: {done.stderr.strip()[-300:]}") from None
    if "error" in found:
        raise NotAsWritten(f"{path.name}: {found['error']}")
    return found


#: What a manifest says of its object's content.
CONTENT = ("bytes", "sha256", "rows", "high", "low")


def compare(found: dict[str, Any], expected: dict[str, Any], path: Path) -> None:
    """Raises NotAsWritten, naming the first thing that differs."""
    for name in CONTENT:
        if name in expected and found[name] != expected[name]:
            raise NotAsWritten(f"{path.name}: found {name} {found[name]}, expected {expected[name]}")
