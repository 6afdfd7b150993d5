"""The wheel as `make wheel` builds it, and environments that have it, without the checkout's own."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

from upkeep.settings.base import ROOT


def build(folder: Path, checkout: Path = ROOT) -> Path:
    """The wheel that `make wheel` would put into dist/, in a folder of its own."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (command,) = re.findall(r"^\t@(.* build --wheel .*)$", makefile, re.MULTILINE)
    words = command.replace("$(PY)", sys.executable).replace("$$", "$").replace(".venv/bin/uv", f"{beside()}/uv")
    argv = ["bash", "-c", f'{words} --out-dir "$1"', "bash", str(folder)]
    done = subprocess.run(argv, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def beside() -> Path:
    """Where this environment's programs are."""
    return Path(sys.executable).parent


def environment(folder: Path) -> Path:
    """The Python of a new environment, which sees what the wheel depends on in the tests' own, and no .pth file."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "beside.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "bin" / "python"


def install(wheel: Path, python: Path) -> None:
    """As an operator does: the wheel, over the one that may be there."""
    uv = [beside() / "uv", "pip", "install", "-q", "--offline", "--no-deps"]
    subprocess.run([*uv, "--python", python, wheel], check=True)
