"""`make wheel-windows`: a weekly and a monthly window, answered by people, from the installed wheel alone.

The wheel goes into an environment of its own, ``upkeep init`` writes the deployment that its Airflow reads, and the
end-to-end tests, with the sandbox's servers, are copied beside that. Words are other tests than these two.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.stages.wheels import build, environment, install

ROOT = Path(__file__).resolve().parents[1]
TESTS = [
    "tests/e2e/test_weekly.py::test_two_people_approve_and_the_plan_is_applied",
    "tests/e2e/test_monthly.py::test_four_people_carry_a_month_through_to_its_sign_off",
]
#: What stands around Upkeep in these tests, and is in no wheel.
BESIDE = ("tests", "sandbox", "pyproject.toml")


def main(*tests: str) -> int:
    """Install, write the deployment, run the tests there; pytest's exit code."""
    with tempfile.TemporaryDirectory(prefix="upkeep-wheel-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user than root
        python, deployment = environment(folder / "venv"), folder / "deployment"
        install(build(folder / "dist"), python)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AIRFLOW"))}
        environ |= {"PYTHONPATH": str(deployment), "UPKEEP_SANDBOX_DAGS": str(deployment / "dags")}
        subprocess.run([str(python.parent / "upkeep"), "init", str(deployment)], check=True, stdout=subprocess.DEVNULL)
        for one in BESIDE:
            copy = shutil.copytree if (ROOT / one).is_dir() else shutil.copy
            copy(ROOT / one, deployment / one)
        where = "import upkeep, sandbox; print(upkeep.__file__, sandbox.__file__, sep='\\n')"
        asked = subprocess.run(
            [python, "-c", where], env=environ, cwd=deployment, capture_output=True, text=True, check=True
        )
        found = asked.stdout
        assert str(ROOT) not in found and "site-packages" in found, found
        print(found, end="", flush=True)
        argv = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "-o", "pythonpath=.", "-rs", *(tests or TESTS)]
        return subprocess.run(argv, cwd=deployment, env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
