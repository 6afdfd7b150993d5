"""Read an archive's bytes again, in a process of its own that has seen nothing of what was written.

``python -m upkeep.areas.retention.reread FILE`` prints what is there as JSON, ``{"error": …}`` when it cannot be read.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from upkeep.settings.base import ROOT


class NotAsWritten(Exception):
    """An archive that cannot be read, or has another content than it must have; the message says what."""


def read(path: Path) -> dict[str, Any]:
    """Rows, content, bytes and SHA-256 of a file, read in another process. Raises NotAsWritten."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "plugins")}
    argv = [sys.executable, "-m", "upkeep.areas.retention.reread", str(path)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise NotAsWritten(f"{path.name} could not be read again: {done.stderr.strip()[-300:]}") from None
    if "error" in found:
        raise NotAsWritten(f"{path.name}: {found['error']}")
    return found


def compare(found: dict[str, Any], expected: dict[str, Any], path: Path) -> None:
    """Raises NotAsWritten, naming the first thing that differs."""
    for name in ("bytes", "sha256", "rows", "high", "low"):
        if name in expected and found[name] != expected[name]:
            raise NotAsWritten(f"{path.name}: found {name} {found[name]}, expected {expected[name]}")


def _look(path: Path) -> dict[str, Any]:
    from upkeep.areas.retention.parquet import content  # noqa: PLC0415  # who asks need not have pyarrow loaded

    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            octets = file.tell()
            file.seek(0)
            return {"bytes": octets, "sha256": sha256, **content(file)}
    except (OSError, ValueError) as error:  # Arrow's errors are ValueErrors or OSErrors
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}


if __name__ == "__main__":
    print(json.dumps(_look(Path(sys.argv[1]))))
