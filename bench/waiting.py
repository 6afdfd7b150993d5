"""What 200 waiting approvals hold: worker slots, pool slots, triggers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import psycopg

from bench.measure import Result, size
from sandbox.processes import Api, SandboxError, wait
from sandbox.stack import Sandbox, open_sandbox
from upkeep.core.windows import When
from upkeep.settings.base import ROOT

DAG = "many_approvals"
PATIENCE_SECONDS = 600.0
WAITING = size(200, 5)

WORN = (
    "CREATE TABLE worn_out (id int) WITH (autovacuum_enabled = false)",
    "INSERT INTO worn_out SELECT generate_series(1, 3000)",
    "DELETE FROM worn_out",
)
FAILED = "SELECT task_id FROM task_instance WHERE run_id = %s AND state = 'failed'"
HELD = {
    "worker slots": "SELECT count(*) FROM task_instance WHERE state IN ('queued', 'running')",
    "pool slots": "SELECT coalesce(sum(pool_slots), 0) FROM task_instance"
    " WHERE state IN ('queued', 'running', 'deferred')",
    "triggers": "SELECT count(*) FROM trigger",
}


def run() -> Result:
    """A sandbox of its own, one table worth a plan, one run with 200 questions; counted once all of them wait."""
    with tempfile.TemporaryDirectory() as name:
        folder, dags = Path(name), Path(name) / "dags"
        dags.mkdir()
        for file in (ROOT / "dags" / "maintenance_daily.py", ROOT / "bench" / "dags" / f"{DAG}.py"):
            shutil.copy(file, dags)
        environ = {**os.environ, "UPKEEP_SANDBOX": str(folder / "sandbox"), "UPKEEP_SANDBOX_DAGS": str(dags)}
        environ["UPKEEP_BENCH_WAITING"] = str(WAITING)
        command = [sys.executable, "-m", "sandbox"]
        subprocess.run([*command, "up"], env=environ, cwd=ROOT, check=True)
        try:
            return _measure(open_sandbox(folder / "sandbox"))
        finally:
            subprocess.run([*command, "down"], env=environ, cwd=ROOT, check=True)


def _measure(sandbox: Sandbox) -> Result:
    with psycopg.connect(sandbox.cluster.dsn("platform"), autocommit=True) as target:
        for statement in WORN:
            target.execute(statement.encode())
    api = Api(sandbox, "admin")
    api.request("PATCH", f"/api/v2/dags/{DAG}", json={"is_paused": False}).raise_for_status()
    waiting = api.get(f"/api/v2/dags/{DAG}/tasks")["total_entries"] - 2  # open_window and plan do not wait
    # A plan for the next window is not drawn up in a week whose window the monthly one covers.
    asked_for = {"logical_date": None, "conf": {"when": When.NOW.value}}
    answer = api.request("POST", f"/api/v2/dags/{DAG}/dagRuns", json=asked_for)
    answer.raise_for_status()
    run_id = answer.json()["dag_run_id"]
    with psycopg.connect(sandbox.cluster.dsn("airflow"), autocommit=True) as metadata:
        counted = "SELECT count(*) FROM task_instance WHERE run_id = %s AND state = 'awaiting_input'"

        def asked() -> int:
            if failed := [task for (task,) in metadata.execute(FAILED, [run_id])]:
                raise SandboxError(f"of {run_id} failed: {', '.join(failed)}")
            return int((metadata.execute(counted, [run_id]).fetchone() or (0,))[0])

        wait(f"{waiting} approvals", lambda: asked() >= waiting, PATIENCE_SECONDS, lambda: f"{asked()} wait")
        held = {what: int((metadata.execute(query.encode()).fetchone() or (0,))[0]) for what, query in HELD.items()}
    api.request("PATCH", f"/api/v2/dags/{DAG}/dagRuns/{quote(run_id, safe='')}", json={"state": "failed"})
    said = ", ".join(f"{count} {what}" for what, count in held.items())
    return Result(f"{waiting} waiting approvals hold", said, "none of each", not any(held.values()), ())
