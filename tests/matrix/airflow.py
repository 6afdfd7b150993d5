"""`make matrix-airflow`: the tests on Airflow, with the newest release of another series than the locked one.

``python -m tests.matrix.airflow 3.4 tests/flow``: a series, and the tests; by default these. Where the package index
has only betas of the series, the newest of them is taken. Everything beside Airflow is what goes with it, not the lock.
Exit code 0 when all passed, 1 when not, 2 when the series cannot be had.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERIES, TESTS = "3.4", ["tests/flow"]


def wanted(series: str) -> list[str]:
    """The short lists of pyproject.toml, with any release of a series in place of the locked Airflow."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = content["dependency-groups"]
    lines: list[str] = [*content["project"]["dependencies"], *groups["sandbox"], *groups["dev"]]
    found = [re.sub(r"^apache-airflow==.*", f"apache-airflow=={series}.*,>={series}.0a1", line) for line in lines]
    assert found != lines, "pyproject.toml pins no apache-airflow"
    return found


def main(series: str = SERIES, *tests: str) -> int:
    """Make an environment, say what is in it, run the tests in it."""
    with tempfile.TemporaryDirectory() as name:
        python, listed = Path(name) / "venv" / "bin" / "python", Path(name) / "wanted.txt"
        listed.write_text("\n".join(wanted(series)))
        uv = [str(Path(sys.executable).parent / "uv")]
        subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(python.parents[1])], check=True)
        into = ["--python", str(python), "--system-certs"]
        done = subprocess.run([*uv, "pip", "install", "-q", *into, "-r", str(listed)], cwd=name, check=False)
        if done.returncode:
            print(f"Airflow {series}: found none in the package index that can be installed", file=sys.stderr)
            return 2
        packages = ["apache-airflow", "apache-airflow-task-sdk", "apache-airflow-providers-standard"]
        for package in packages:
            show = subprocess.run([*uv, "pip", "show", *into[:2], package], capture_output=True, text=True, check=True)
            print(*show.stdout.splitlines()[:2], flush=True)
        environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"}
        argv = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "-rs", *(tests or TESTS)]
        return min(subprocess.run(argv, cwd=ROOT, env=environ, check=False).returncode, 1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
