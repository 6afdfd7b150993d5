"""Every bench runs: over little, once, so that none rots between two measurements; what it finds says nothing here."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bench.benches import BENCHES, ON_AIRFLOW
from tests.coverage_table import ROOT

#: `make faults` also runs those that bring up Airflow.
ALL = os.environ.get("UPKEEP_FAULTS") == "all"


def run(name: str) -> subprocess.CompletedProcess[str]:
    """One bench over as little as it can."""
    environ = {**os.environ, "UPKEEP_BENCH": "tiny"}
    command = [sys.executable, "-m", "bench", name]
    return subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", sorted(BENCHES.keys() - ON_AIRFLOW))
def test_it_runs_and_prints_what_it_found_beside_its_goal(name: str) -> None:
    """Those without Airflow; the others are among the tests on Airflow."""
    prints_what_it_found(name)


def prints_what_it_found(name: str) -> None:
    """Met or missed is the machine's matter; a bench that cannot end says neither."""
    done = run(name)
    assert done.returncode in (0, 1), done.stderr
    assert [line[:6] for line in done.stdout.splitlines() if "(goal: " in line] in (["met   "], ["MISSED"]), done.stderr


def test_a_bench_that_does_not_exist_is_refused_with_the_known_ones() -> None:
    """Its name, and what there is."""
    done = run("nonesuch")
    assert (done.returncode, done.stdout) == (2, "")
    assert "found no bench 'nonesuch', expected some of: parse, " in done.stderr
