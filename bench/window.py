"""The daily window's wall time beside as many chained empty tasks and its slowest step's own work."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from bench.measure import Result, size, spread
from sandbox.processes import Api
from sandbox.stack import open_sandbox
from upkeep.settings.base import ROOT

GOAL = 1.25
ROUNDS = size(5, 1)
DAILY, CHAIN, FAN = "maintenance_daily", "empty_chain", "empty_fan"
PATIENCE_SECONDS = 180.0


def run() -> Result:
    """Bring up a sandbox of its own and alternate runs of the window and the two DAGs of empty tasks."""
    with tempfile.TemporaryDirectory() as name:
        folder, dags = Path(name), Path(name) / "dags"
        dags.mkdir()
        for file in (*(ROOT / "dags").glob("*.py"), *(ROOT / "bench" / "dags" / f"{dag}.py" for dag in (CHAIN, FAN))):
            shutil.copy(file, dags)
        environ = {**os.environ, "UPKEEP_SANDBOX": str(folder / "sandbox"), "UPKEEP_SANDBOX_DAGS": str(dags)}
        command = [sys.executable, "-m", "sandbox"]
        subprocess.run([*command, "up"], env=environ, cwd=ROOT, check=True)
        try:
            return _measure(folder / "sandbox")
        finally:
            subprocess.run([*command, "down"], env=environ, cwd=ROOT, check=True)


def _measure(folder: Path) -> Result:
    sandbox = open_sandbox(folder)
    api = Api(sandbox, "admin")
    for dag in (CHAIN, FAN):
        api.request("PATCH", f"/api/v2/dags/{dag}", json={"is_paused": False}).raise_for_status()
    _same_width(api)
    chains, fans, windows, works = [], [], [], []
    for _ in range(ROUNDS + 1):
        chains.append(_wall(api, CHAIN, "first", "third")[0])
        fans.append(_wall(api, FAN, "first", "last")[0])
        wall, run_id = _wall(api, DAILY, "open_window", "report")
        windows.append(wall)
        with psycopg.connect(sandbox.dsn("upkeep", "upkeep_dashboard")) as opened:
            query = "SELECT max(extract(epoch FROM ended_at - started_at))::float8 FROM upkeep.steps WHERE run_id = %s"
            works.append((opened.execute(query, [run_id]).fetchone() or (0.0,))[0])
    chain, window, work = (statistics.median(values[1:]) for values in (chains, windows, works))
    ratio = window / (chain + work)
    return Result(
        "daily window, from its start to its report, by (3 chained empty tasks + its slowest step's own work)",
        f"{ratio:.2f}",
        f"at most {GOAL}",
        ratio <= GOAL,
        (
            f"chain of 3: {spread(chains[1:])}",
            f"slowest step's own work: {spread(works[1:])}",
            f"the same shape with empty tasks: {spread(fans[1:])}",
            f"the window, all its steps side by side: {spread(windows[1:])}",
        ),
    )


def _same_width(api: Api) -> None:
    """Raises ValueError when the empty fan has not as many tasks as the window from its start to its report."""
    verdict = 1
    window, fan = (api.get(f"/api/v2/dags/{dag}/tasks")["total_entries"] for dag in (DAILY, FAN))
    if fan != window - verdict:
        raise ValueError(
            f"{FAN}: found {fan} tasks, expected {window - verdict}, as {DAILY} has to its report: mend WIDTH"
        )


def _wall(api: Api, dag: str, first: str, last: str) -> tuple[float, str]:
    """Seconds from the first task's start to the last one's end, and the run's id."""
    answer = api.request("POST", f"/api/v2/dags/{dag}/dagRuns", json={"logical_date": None})
    answer.raise_for_status()
    run_id = answer.json()["dag_run_id"]
    path = f"/api/v2/dags/{dag}/dagRuns/{quote(run_id, safe='')}"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while api.get(path)["state"] not in ("success", "failed"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"run {run_id} of {dag} did not end within {PATIENCE_SECONDS:g} s")
        time.sleep(0.5)
    tasks: dict[str, Any] = {task["task_id"]: task for task in api.get(f"{path}/taskInstances")["task_instances"]}
    start, end = (
        datetime.fromisoformat(tasks[name][when]) for name, when in ((first, "start_date"), (last, "end_date"))
    )
    return (end - start).total_seconds(), run_id
