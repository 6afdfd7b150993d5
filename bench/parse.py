"""Parsing ``dags/``: CPU beyond importing the same Airflow names."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

from bench.measure import Result, cpu_seconds, spread
from upkeep.settings import ROOT

GOAL = 0.3
ROUNDS = 7

#: The Airflow names that dags/ and upkeep.flow import at parse time.
NAMES = """
from airflow.sdk import DAG, BaseOperator, BaseOperatorLink, CronTriggerTimetable, Param, TaskGroup
from airflow.sdk.bases.hook import BaseHook
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException, AirflowSkipException
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.http.operators.http import HttpOperator
"""


def run() -> Result:
    """Alternate the two in fresh processes, byte code compiled by a first round that does not count."""
    dags = sorted((ROOT / "dags").glob("*.py"))
    parse = f"import runpy\nfor file in {[str(file) for file in dags]!r}: runpy.run_path(file)"
    with tempfile.TemporaryDirectory() as home:
        environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environ |= {"AIRFLOW_HOME": home, "PYTHONPATH": str(ROOT / "plugins")}
        names, ours = [], []
        for _ in range(ROUNDS + 1):
            names.append(cpu_seconds([sys.executable, "-c", NAMES], environ, Path(home)))
            ours.append(cpu_seconds([sys.executable, "-c", parse], environ, Path(home)))
    excess = statistics.median(ours[1:]) - statistics.median(names[1:])
    return Result(
        f"parsing dags/ ({len(dags)} file), CPU beyond the same Airflow imports",
        f"{excess:.2f} s",
        f"at most {GOAL} s",
        excess <= GOAL,
        (f"Airflow's names alone: {spread(names[1:])}", f"dags/: {spread(ours[1:])}"),
    )
