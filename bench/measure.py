"""What the benches share."""

from __future__ import annotations

import os
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Result:
    """One measured claim beside its goal; ``lines`` are the raw numbers behind it."""

    what: str
    found: str
    goal: str
    met: bool
    lines: tuple[str, ...] = ()


def cpu_seconds(argv: Sequence[str], environ: Mapping[str, str], folder: Path) -> float:
    """User and system time of one child process."""
    before = os.times()
    subprocess.run(argv, env=dict(environ), cwd=folder, check=True, capture_output=True)
    after = os.times()
    return (after.children_user - before.children_user) + (after.children_system - before.children_system)


def spread(values: Sequence[float]) -> str:
    """Median and range, in seconds."""
    return f"median {statistics.median(values):.2f} s of {len(values)} ({min(values):.2f} to {max(values):.2f})"
