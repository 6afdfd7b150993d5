"""The windows' own graphs with nothing to do in them: what of their wall time is Airflow's own.

``bench/window.py`` writes ``graphs.json`` beside this file: of each DAG, task → the tasks behind it.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

from airflow.sdk import DAG, task


@task
def nothing() -> None:
    """Do nothing, in a process of its own as every task."""


for name, graph in json.loads(Path(__file__).with_name("graphs.json").read_text()).items():
    with DAG(name, schedule=None, start_date=datetime(2025, 9, 14, tzinfo=UTC), max_active_runs=1):
        tasks = {task_id: nothing.override(task_id=task_id)() for task_id in graph}
        for task_id, behind in graph.items():
            tasks[task_id] >> [tasks[one] for one in behind]
