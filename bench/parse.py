"""Parsing ``dags/``: CPU beyond importing the same Airflow names."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile

from bench.measure import Result, size, spread
from upkeep.settings.base import ROOT

GOAL = 0.3
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
    dags = sorted(str(file) for file in (ROOT / "dags").glob("*.py"))
    with tempfile.TemporaryDirectory() as home:
        environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environ |= {"AIRFLOW_HOME": home, "PYTHONPATH": str(ROOT / "plugins")}
        rounds = []
        for _ in range(ROUNDS + 1):
            argv = [sys.executable, "-c", CHILD, *dags]
            done = subprocess.run(argv, env=environ, cwd=home, check=True, capture_output=True, text=True)
            rounds.append(json.loads(done.stdout.splitlines()[-1]))
    names, ours = ([one[part] for one in rounds[1:]] for part in (0, 1))
    excess = statistics.median(ours)
    return Result(
        f"parsing dags/ ({len(dags)} file), CPU beyond the same Airflow imports",
        f"{excess:.2f} s",
        f"at most {GOAL} s",
        excess <= GOAL,
        (f"Airflow's names: {spread(names)}", f"dags/ after them: {spread(ours)}"),
    )
