"""The wall time of the daily and the weekly window beside the same graphs of empty tasks."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from bench.measure import Result, size, spread
from sandbox.processes import Api, wait
from sandbox.stack import Sandbox, open_sandbox
from upkeep.core.windows import When
from upkeep.settings.base import ROOT

GOAL = 1.15
ROUNDS = size(5, 1)
#: DAG → the task up to which nobody is waited for.
WINDOWS = {"maintenance_daily": "report", "maintenance_weekly": "plan"}
#: A plan for the next window is not drawn up in a week whose window the monthly one covers.
FORMS = {"maintenance_weekly": {"when": When.NOW.value}}
FIRST = "open_window"
ENDED = ("success", "failed", "skipped", "upstream_failed")
PATIENCE_SECONDS = 300.0


def run() -> Result:
    """Bring up a sandbox of its own and alternate runs of the windows and of their empty graphs."""
    with tempfile.TemporaryDirectory() as name:
        folder, dags = Path(name), Path(name) / "dags"
        dags.mkdir()
        for file in (ROOT / "dags").glob("*.py"):
            shutil.copy(file, dags)
        environ = {**os.environ, "UPKEEP_SANDBOX": str(folder / "sandbox"), "UPKEEP_SANDBOX_DAGS": str(dags)}
        command = [sys.executable, "-m", "sandbox"]
        subprocess.run([*command, "up"], env=environ, cwd=ROOT, check=True)
        try:
            sandbox = open_sandbox(folder / "sandbox")
            api = Api(sandbox, "admin")
            _add_empty(api, dags)
            return _measure(sandbox, api)
        finally:
            subprocess.run([*command, "down"], env=environ, cwd=ROOT, check=True)


def _add_empty(api: Api, dags: Path) -> None:
    """Each window's graph up to where nobody is waited for, as a DAG of empty tasks that may run."""
    graphs = {_empty(dag): _graph(api, dag, last) for dag, last in WINDOWS.items()}
    (dags / "graphs.json").write_text(json.dumps(graphs))
    shutil.copy(ROOT / "bench" / "dags" / "empty_windows.py", dags)
    for dag in graphs:
        unpause(api, dag)
    for dag in WINDOWS:
        api.request("PATCH", f"/api/v2/dags/{dag}", json={"is_paused": False}).raise_for_status()


def unpause(api: Api, dag: str) -> None:
    """As soon as Airflow knows a DAG. Raises SandboxError where it does not within PATIENCE_SECONDS."""
    unpaused = partial(api.request, "PATCH", f"/api/v2/dags/{dag}", json={"is_paused": False})
    wait(f"DAG {dag}", lambda: unpaused().ok, PATIENCE_SECONDS, lambda: str(api.get("/api/v2/importErrors")))


def _empty(dag: str) -> str:
    return f"empty_{dag}"


def _graph(api: Api, dag: str, last: str) -> dict[str, list[str]]:
    """Task → the tasks behind it, of those that ``last`` waits for."""
    behind = {task["task_id"]: task["downstream_task_ids"] for task in api.get(f"/api/v2/dags/{dag}/tasks")["tasks"]}
    wanted, before = {last}, {last}
    while before:
        before = {task for task, after in behind.items() if before & set(after)} - wanted
        wanted |= before
    return {task: [one for one in behind[task] if one in wanted] for task in sorted(wanted)}


def _measure(sandbox: Sandbox, api: Api) -> Result:
    lines, ratios = [], []
    for dag, last in WINDOWS.items():
        windows, empties, works = [], [], []
        for _ in range(ROUNDS + 1):  # the first fills caches and does not count
            empties.append(_wall(api, _empty(dag), last)[0])
            wall, run_id = _wall(api, dag, last)
            windows.append(wall)
            works.append(_slowest(sandbox, run_id))
        window, empty, work = (statistics.median(found[1:]) for found in (windows, empties, works))
        ratios.append(window / empty)
        lines += [
            f"{dag}, {FIRST} to {last}: {spread(windows[1:])}",
            f"the same graph of empty tasks: {spread(empties[1:])}: {ratios[-1]:.2f}",
            f"its slowest step's own work: {spread(works[1:])}",
            f"the window by the empty graph and that work: {window / (empty + work):.2f}",
        ]
    return Result(
        "daily and weekly window until people are asked, by the same graphs of empty tasks",
        " and ".join(f"{ratio:.2f}" for ratio in ratios),
        f"at most {GOAL}",
        max(ratios) <= GOAL,
        tuple(lines),
    )


def _slowest(sandbox: Sandbox, run_id: str) -> float:
    """Seconds of a run's slowest step, as the ledger has it."""
    query = "SELECT max(extract(epoch FROM ended_at - started_at))::float8 FROM upkeep.steps WHERE run_id = %s"
    with psycopg.connect(sandbox.dsn("upkeep", "upkeep_dashboard")) as opened:
        return float((opened.execute(query, [run_id]).fetchone() or (0.0,))[0])


def _wall(api: Api, dag: str, last: str) -> tuple[float, str]:
    """Seconds from the first task's start to the last one's end, and the run's id; the run is ended there."""
    asked = {"logical_date": None, "conf": FORMS.get(dag, {})}
    answer = api.request("POST", f"/api/v2/dags/{dag}/dagRuns", json=asked)
    answer.raise_for_status()
    run_id = answer.json()["dag_run_id"]
    path = f"/api/v2/dags/{dag}/dagRuns/{quote(run_id, safe='')}"
    task = partial(api.get, f"{path}/taskInstances/{last}")
    wait(f"task {last} of {dag}", lambda: task()["state"] in ENDED, PATIENCE_SECONDS, lambda: str(task()))
    if (state := task()["state"]) != "success":
        raise RuntimeError(f"task {last} of run {run_id} of {dag}: found {state}, expected success")
    tasks: dict[str, Any] = {task["task_id"]: task for task in api.get(f"{path}/taskInstances")["task_instances"]}
    _end(api, path)
    start, end = (
        datetime.fromisoformat(tasks[name][when]) for name, when in ((FIRST, "start_date"), (last, "end_date"))
    )
    return (end - start).total_seconds(), run_id


def _end(api: Api, path: str) -> None:
    """End a run whose people nobody asks, and wait until none of its tasks runs beside the next one."""
    if api.get(path)["state"] not in ("success", "failed"):
        api.request("PATCH", path, json={"state": "failed"})
    tasks = partial(api.get, f"{path}/taskInstances")
    wait(
        f"the tasks of {path} to end",
        lambda: all(task["state"] != "running" for task in tasks()["task_instances"]),
        PATIENCE_SECONDS,
        lambda: str(tasks()),
    )
