"""Every bench runs: over little, once, so that none rots between two measurements; what it finds says nothing here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench.benches import BENCHES, ON_AIRFLOW
from tests.coverage_table import ROOT
from tests.stages.forks import Forks, forks

#: `make faults` also runs those that bring up Airflow.
ALL = os.environ.get("UPKEEP_FAULTS") == "all"


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """What the benches import is imported once; each runs over as little as it can."""
    with forks(tmp_path_factory.mktemp("home"), "bench", UPKEEP_BENCH="tiny") as running:
        yield running


@pytest.mark.parametrize("name", sorted(BENCHES.keys() - ON_AIRFLOW))
def test_it_runs_and_prints_what_it_found_beside_its_goal(name: str, benches: Forks) -> None:
    """Those without Airflow; the others are among the tests on Airflow."""
    prints_what_it_found(benches.run([name], {**os.environ, "UPKEEP_BENCH": "tiny"}))


def test_a_bench_that_there_is_not_is_refused() -> None:
    """As a person types it, in a process of its own."""
    done = run("no-such-bench")
    assert done.returncode == 2 and "found no bench 'no-such-bench', expected some of: " in done.stderr


def run(name: str) -> subprocess.CompletedProcess[str]:
    """One bench over as little as it can, in a process of its own."""
    environ = {**os.environ, "UPKEEP_BENCH": "tiny"}
    command = [sys.executable, "-m", "bench", name]
    return subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)


def prints_what_it_found(done: subprocess.CompletedProcess[str]) -> None:
    """Met or missed is the machine's matter; a bench that cannot end says neither."""
    assert done.returncode in (0, 1), done.stderr
    assert [line[:6] for line in done.stdout.splitlines() if "(goal: " in line] in (["met   "], ["MISSED"]), done.stderr


def test_a_bench_that_does_not_exist_is_refused_with_the_known_ones() -> None:
    """Its name, and what there is."""
    done = run("nonesuch")
    assert (done.returncode, done.stdout) == (2, "")
    assert "found no bench 'nonesuch', expected some of: parse, " in done.stderr
