"""Parsing ``dags/`` with one target and with many: CPU beyond importing the same Airflow names; and for one task."""

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
from upkeep.core.windows import CADENCES
from upkeep.settings.base import ROOT

GOAL = 0.3
TARGETS = size(20, 3)
TARGETS_GOAL, TASK_GOAL = 3.0, 1.1
#: A first round compiles byte code and does not count.
ROUNDS, UNCOUNTED = size((7, 1), (1, 0))

#: A fresh process imports the Airflow names that dags/ and upkeep.flow import, then parses, then makes as many DAGs
#: of as many of Airflow's own empty tasks; CPU seconds of each. One process after the other: whole processes differ by
#: more than what is measured.
CHILD = """
import json, runpy, sys, time
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, BaseOperator, BaseOperatorLink, CronTriggerTimetable, Param, TaskGroup
from airflow.sdk.definitions._internal.contextmanager import DagContext
from airflow.sdk.bases.hook import BaseHook
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException, AirflowSkipException
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.http.operators.http import HttpOperator
names = time.process_time()
DagContext.current_autoregister_module_name = "__main__"
for file in sys.argv[1:]:
    runpy.run_path(file)
parsed = time.process_time()
DagContext.current_autoregister_module_name = None
sizes = [len(dag.task_dict) for dag, _ in DagContext.autoregistered_dags]
begun = time.process_time()
for number, tasks in enumerate(sizes):
    with DAG(f"empty_{number}", schedule=None):
        for task in range(tasks):
            EmptyOperator(task_id=f"task_{task}")
print(json.dumps([names, parsed - names, time.process_time() - begun]))
"""

#: A process as a worker forks it, with what the plugin imports, loads the DAG of a task as Airflow's task runner does.
TASK = """
import json, sys, time
import upkeep_plugin
from airflow.sdk.api.datamodels._generated import BundleInfo, TaskInstance, TIRunContext
from airflow.sdk.definitions._internal.dag_parsing_context import _airflow_parsing_context_manager
from airflow.sdk.execution_time.comms import StartupDetails
from airflow.sdk.execution_time.task_runner import parse
from structlog.testing import capture_logs
import structlog
begun = time.process_time()
for dag_id in sys.argv[1:]:
    what = StartupDetails.model_construct(
        ti=TaskInstance.model_construct(dag_id=dag_id, task_id="open_window"),
        dag_rel_path=dag_id.partition("__")[0] + ".py",
        bundle_info=BundleInfo(name="dags-folder", version=None),
        start_date=None,
        ti_context=TIRunContext.model_construct(max_tries=0),
        sentry_integration="",
    )
    with _airflow_parsing_context_manager(dag_id=dag_id, task_id="open_window"), capture_logs():
        assert parse(what, structlog.get_logger()).task.dag.dag_id == dag_id
print(json.dumps([begun, time.process_time() - begun]))
"""


def run() -> Result:
    """Several fresh processes."""
    with tempfile.TemporaryDirectory() as home:
        names, ours, _ = zip(*(_parse(home) for _ in range(UNCOUNTED + ROUNDS)), strict=True)
    excess = statistics.median(ours[UNCOUNTED:])
    return Result(
        f"parsing dags/ ({len(_dags())} file), CPU beyond the same Airflow imports",
        f"{excess:.2f} s",
        f"at most {GOAL} s",
        excess <= GOAL,
        (f"Airflow's names: {spread(names[UNCOUNTED:])}", f"dags/ after them: {spread(ours[UNCOUNTED:])}"),
    )


def targets() -> Result:
    """The same with many targets beside one, in turn."""
    with tempfile.TemporaryDirectory() as home:
        many = _many(home)
        rounds = [(_parse(home), _parse(home, many)) for _ in range(UNCOUNTED + ROUNDS)][UNCOUNTED:]
    (one, empty_one), (all_, empty_all) = (
        [[pair[part][what] for pair in rounds] for what in (1, 2)] for part in (0, 1)
    )
    ratio = statistics.median(all_) / statistics.median(one)
    floor = statistics.median(empty_all) / statistics.median(empty_one)
    return Result(
        f"parsing dags/ with {TARGETS} targets by that with one, CPU beyond the same Airflow imports",
        f"{ratio:.2f}",
        f"at most {TARGETS_GOAL}",
        ratio <= TARGETS_GOAL,
        (
            f"one target: {spread(one)}",
            f"{TARGETS} targets: {spread(all_)}",
            f"as many DAGs of as many of Airflow's empty tasks: {spread(empty_one)}, {spread(empty_all)}: {floor:.2f}",
        ),
    )


def task() -> Result:
    """What the process of a task of each DAG needs to load it, with many targets beside one, in turn."""
    files = [f"maintenance_{cadence}" for cadence in CADENCES]  # maintenance_alerts is one DAG for all targets
    last = [f"{name}__t{TARGETS - 1}" for name in files]
    with tempfile.TemporaryDirectory() as home:
        many = _many(home)
        rounds = [(_load(home, files), _load(home, last, many)) for _ in range(UNCOUNTED + ROUNDS)]
    one, all_ = ([pair[part] for pair in rounds[UNCOUNTED:]] for part in (0, 1))
    ratio = statistics.median(all_) / statistics.median(one)
    return Result(
        f"loading the DAG of a task with {TARGETS} targets by that with one, CPU beyond what workers import once",
        f"{ratio:.2f}",
        f"at most {TASK_GOAL}",
        ratio <= TASK_GOAL,
        (f"one target, {len(files)} DAGs: {spread(one)}", f"{TARGETS} targets, as many: {spread(all_)}"),
    )


def _dags() -> list[str]:
    return sorted(str(file) for file in (ROOT / "dags").glob("*.py"))


def _many(home: str) -> Path:
    """The shipped config with so many targets."""
    many = Path(home, "config")
    shutil.copytree(ROOT / "config", many)
    file = many / "maintenance.yaml"
    more = "".join(f"  t{n}: {{title: T, connections: {{functions: f, read: r}}}}\n" for n in range(1, TARGETS))
    file.write_text(file.read_text().replace("\nledger:", f"{more}\nledger:", 1))
    return many


def _parse(home: str, config: Path = ROOT / "config") -> list[float]:
    """CPU seconds of a fresh process: for Airflow's names, for the DAG files after them, for as many empty tasks."""
    return _child(home, config, CHILD, _dags())


def _load(home: str, dags: list[str], config: Path = ROOT / "config") -> float:
    """CPU seconds in which a task's process loads these DAGs, one after the other."""
    return _child(home, config, TASK, dags)[1]


def _child(home: str, config: Path, script: str, arguments: list[str]) -> list[float]:
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environ |= {"AIRFLOW_HOME": home, "PYTHONPATH": str(ROOT / "plugins"), "UPKEEP_CONFIG": str(config)}
    environ |= {"AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    argv = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(argv, env=environ, cwd=home, check=True, capture_output=True, text=True)
    measured: list[float] = json.loads(done.stdout.splitlines()[-1])
    return measured
