"""Parsing ``dags/``: CPU beyond importing the same Airflow names, with one target and with many."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measure import Result, size, spread
from upkeep.settings.base import ROOT

GOAL = 0.3
TARGETS, TARGETS_GOAL = 20, 3.0
ROUNDS = size(7, 1)

#: A fresh process imports the Airflow names that dags/ and upkeep.flow import, then parses; CPU seconds of each.
#: One process after the other: whole processes differ by more than what is measured.
CHILD = """
import json, runpy, sys, time
from airflow.sdk import DAG, BaseOperator, BaseOperatorLink, CronTriggerTimetable, Param, TaskGroup
from airflow.sdk.bases.hook import BaseHook
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException, AirflowSkipException
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.http.operators.http import HttpOperator
names = time.process_time()
for file in sys.argv[1:]:
    runpy.run_path(file)
print(json.dumps([names, time.process_time() - names]))
"""


def run() -> Result:
    """Several fresh processes; byte code is compiled by a first round that does not count."""
    with tempfile.TemporaryDirectory() as home:
        names, ours = zip(*(_parse(home) for _ in range(ROUNDS + 1)), strict=True)
    excess = statistics.median(ours[1:])
    return Result(
        f"parsing dags/ ({len(_dags())} file), CPU beyond the same Airflow imports",
        f"{excess:.2f} s",
        f"at most {GOAL} s",
        excess <= GOAL,
        (f"Airflow's names: {spread(names[1:])}", f"dags/ after them: {spread(ours[1:])}"),
    )


def targets() -> Result:
    """The same with many targets beside one, in turn."""
    with tempfile.TemporaryDirectory() as home:
        many = Path(home, "config")
        shutil.copytree(ROOT / "config", many)
        file = many / "maintenance.yaml"
        more = "".join(f"  t{n}: {{title: T, connections: {{functions: f, read: r}}}}\n" for n in range(1, TARGETS))
        file.write_text(file.read_text().replace("\nledger:", f"{more}\nledger:", 1))
        rounds = [(_parse(home)[1], _parse(home, many)[1]) for _ in range(ROUNDS + 1)]
    one, all_ = ([pair[part] for pair in rounds[1:]] for part in (0, 1))
    ratio = statistics.median(all_) / statistics.median(one)
    return Result(
        f"parsing dags/ with {TARGETS} targets by that with one, CPU beyond the same Airflow imports",
        f"{ratio:.2f}",
        f"at most {TARGETS_GOAL}",
        ratio <= TARGETS_GOAL,
        (f"one target: {spread(one)}", f"{TARGETS} targets: {spread(all_)}"),
    )


def _dags() -> list[str]:
    return sorted(str(file) for file in (ROOT / "dags").glob("*.py"))


def _parse(home: str, config: Path = ROOT / "config") -> tuple[float, float]:
    """CPU seconds of a fresh process: for Airflow's names, and for the DAG files after them."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environ |= {"AIRFLOW_HOME": home, "PYTHONPATH": str(ROOT / "plugins"), "UPKEEP_CONFIG": str(config)}
    argv = [sys.executable, "-c", CHILD, *_dags()]
    done = subprocess.run(argv, env=environ, cwd=home, check=True, capture_output=True, text=True)
    names, ours = json.loads(done.stdout.splitlines()[-1])
    return names, ours
