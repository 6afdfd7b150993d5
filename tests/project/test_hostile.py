"""`make hostile` itself: a few of its tests run as it runs them, so that the long command does not rot unseen."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from upkeep.settings.base import ROOT

SAMPLE = "tests/areas/tables/test_dead_rows.py"


def test_a_sample_runs_with_hostile_defaults() -> None:
    """The tests' own sessions keep the usual settings, those that the product opens have the hostile ones."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"UPKEEP_HOSTILE_DEFAULTS=1 \S+ -m pytest tests/areas ", makefile)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", SAMPLE],
        env={**os.environ, "UPKEEP_HOSTILE_DEFAULTS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
