"""The installer asks uv in a way in which uv takes the locks."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from upkeep.settings.base import ROOT


def test_uv_takes_hashes_beside_the_clones_own_constraint(tmp_path: Path) -> None:
    """In the clone uv reads pyproject.toml's constraint, which pins nothing, and refuses it: pip would take minutes."""
    script = (ROOT / "sandbox" / "install.sh").read_text(encoding="utf-8")
    (words,) = re.findall(r'\.venv/bin/uv (--.* pip install .*) "\$\{arguments\[@\]\}"', script)
    argv = [str(Path(sys.executable).parent / "uv"), *shlex.split(words)]
    into = ["--python", sys.executable, "--target", str(tmp_path), "--dry-run", "--offline"]  # what it finds is all one
    lock = ["-r", str(ROOT / "requirements.txt")]
    done = subprocess.run([*argv, *into, *lock], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "--require-hashes" not in done.stderr, done.stderr
    without = [word for word in argv if word not in ("--directory", "/")]
    refused = subprocess.run([*without, *into, *lock], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "found: python-dateutil<3" in refused.stderr, "the constraint is gone: the installer may run in the clone"
