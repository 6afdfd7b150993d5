"""From ``git clone`` to the first report, beside ``pip install -r requirements.txt`` alone; both with empty caches."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.measure import Result
from upkeep.settings.base import ROOT

GOAL = 2.0


def run() -> Result:
    """One round: it takes minutes, and what it compares differs by far more than the noise."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        caches = {"UV_CACHE_DIR": str(folder / "uv"), "PIP_CACHE_DIR": str(folder / "pip")}
        environ = {key: value for key, value in os.environ.items() if not key.startswith("UPKEEP_")} | caches
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        pip = [str(folder / "venv" / "bin" / "pip"), "install", "-q", "--require-hashes", "-r", "requirements.txt"]
        subprocess.run(pip, env=environ, cwd=ROOT, check=True)
        alone = time.monotonic() - began

        began = time.monotonic()
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder / "clone")], check=True)
        try:
            subprocess.run(["make", "demo"], env=environ, cwd=folder / "clone", check=True)
            demo = time.monotonic() - began
        finally:
            subprocess.run(["make", "down"], env=environ, cwd=folder / "clone", check=True)
    ratio = demo / alone
    return Result(
        "from git clone to the first report, by pip install -r requirements.txt alone",
        f"{ratio:.2f}",
        f"at most {GOAL}",
        ratio <= GOAL,
        (f"pip install: {alone:.0f} s", f"clone and make demo: {demo:.0f} s"),
    )
