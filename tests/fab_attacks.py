"""`make fab-attacks`: the attacks on the gate once more, by users of Airflow's FAB auth manager.

An environment of the locks and of the image's, which has that provider for Python 3.11 alone; in it the sandbox with
FAB's users, as bare processes. Words are other tests than these. Exit code as pytest's, 2 with another Python.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sandbox import fab

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.txt", "sandbox/requirements.txt", "requirements-dev.txt", "compose/requirements.txt")
TESTS = [f"tests/e2e/test_{name}.py" for name in ("fab_attacks", "gate_attacks", "gate_people", "question_page")]


def main(*tests: str) -> int:
    """Make the environment, run the tests in it."""
    if sys.version_info[:2] != (3, 11):
        found = ".".join(map(str, sys.version_info[:2]))
        print(f"make fab-attacks: found Python {found}, expected 3.11: flask-appbuilder has no other", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="upkeep-fab-") as name:
        Path(name).chmod(0o755)  # PostgreSQL runs as another user than root
        python, uv = Path(name) / "venv" / "bin" / "python", str(Path(sys.executable).parent / "uv")
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(python.parents[1])], check=True)
        locks = [word for lock in LOCKS for word in ("-r", str(ROOT / lock))]
        install = [uv, "pip", "install", "-q", "--python", str(python), "--system-certs", "--require-hashes", *locks]
        subprocess.run(install, cwd=name, check=True)  # away from pyproject.toml's constraint, which is for `make lock`
        environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}", fab.USERS: fab.FAB}
        argv = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "-rs", *(tests or TESTS)]
        return subprocess.run(argv, cwd=ROOT, env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
