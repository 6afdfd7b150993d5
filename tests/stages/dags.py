"""The DAGs as a fresh process parses them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from upkeep.settings.base import ROOT

LOOK = """
import json, pathlib, runpy, sys
files = sorted(pathlib.Path(sys.argv[1]).glob("*.py"))
for file in files:
    runpy.run_path(str(file))
forbidden = {"psycopg", "fastapi", "pyarrow", "adbc_driver_postgresql"}
imported, ours = sorted(forbidden & set(sys.modules)), "upkeep.flow" in sys.modules

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.definitions._internal.dag_parsing_context import _airflow_parsing_context_manager
with _airflow_parsing_context_manager(dag_id=sys.argv[2] or None):
    bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors

def looks_at(task):
    names = ("check", "inspection", "function", "action", "arguments")
    seen = {name: getattr(task, name) for name in names if hasattr(task, name)}
    return seen and seen | {"guide": task.guide}

found = {}
for dag in bag.dags.values():
    woken = getattr(dag.timetable, "asset_condition", None)
    clock = getattr(dag.timetable, "timetable", dag.timetable)
    found[dag.dag_id] = {
        "schedule": f"{clock.expression} {clock.timezone}",
        "catchup": dag.catchup,
        "assets": [asset.name for asset in getattr(woken, "objects", [])],
        "max_active_runs": dag.max_active_runs,
        "doc": dag.doc_md or "",
        "params": {name: dag.params.get_param(name).schema for name in dag.params},
        "tasks": {
            task.task_id: {
                "owner": task.owner,
                "retries": task.retries,
                "timeout": task.execution_timeout and task.execution_timeout.total_seconds(),
                "upstream": sorted(task.upstream_task_ids),
                "rule": str(task.trigger_rule.value),
                "pool": [task.pool, task.pool_slots],
                "look": looks_at(task),
                "form": sorted(task.params),
                "outlets": [asset.name for asset in task.outlets],
            }
            for task in dag.tasks
        },
    }
print(json.dumps({"dags": found, "imported": imported, "ours": ours}))
"""


def look(home: Path, config: Path | None = None, running: str = "") -> dict[str, Any]:
    """Parse ``dags/`` in a fresh process, as the dag-processor does, or as the process of a ``running`` DAG's task."""
    environ = {**os.environ, "AIRFLOW_HOME": str(home), "PYTHONPATH": str(ROOT / "plugins")}
    if config:
        environ["UPKEEP_CONFIG"] = str(config)
    command = [sys.executable, "-c", LOOK, str(ROOT / "dags"), running]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
