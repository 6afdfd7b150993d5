"""A wheel's version: each commit has its own, for pip takes a second wheel of one version for installed already."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_MINUTE = ["log", "-1", "--format=%cd", "--date=format-local:%Y%m%d%H%M"]


class Version(MetadataHookInterface):
    """The project's version and, after the plus (PEP 440), what it was built from."""

    def update(self, metadata: dict[str, Any]) -> None:
        root = Path(self.root)
        metadata["version"] = f"{self.config['version']}+{_commit(root) or _content(root)}"


def _commit(root: Path) -> str | None:
    """``<minute>.g<commit>``, of a later commit a later version; None where files are not as committed, or without Git.

    The minute is the commit's own, in UTC: a clone without its history has it too.
    """
    if not (root / ".git").exists():
        return None
    try:
        said = [
            subprocess.run(
                ["git", *words], cwd=root, env={**os.environ, "TZ": "UTC"}, capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in (_MINUTE, ["rev-parse", "HEAD"], ["status", "--porcelain"])
        ]
    except (OSError, subprocess.CalledProcessError):
        return None
    minute, head, changed = said
    return None if changed else f"{minute}.g{head[:12]}"


def _content(root: Path) -> str:
    """``c<digest>`` of the files that go into the wheel, and of how they do."""
    project = (root / "pyproject.toml").read_bytes()
    places = tomllib.loads(project.decode())["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    digest = hashlib.sha256(project)
    for place in places:
        found = root / place
        for file in sorted(found.rglob("*")) if found.is_dir() else [found]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"\0{file.relative_to(root)}\0".encode() + file.read_bytes())
    return f"c{digest.hexdigest()[:12]}"
