"""The sandbox's commands: up, down, status, check, upkeep, fault, heal."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg

from sandbox import distributed, fab, faults
from sandbox.config import take_over_settings
from sandbox.ports import STATE
from sandbox.processes import (
    Api,
    SandboxError,
    alone,
    ask,
    end_leftovers,
    healthy,
    names,
    running,
    wait,
)
from sandbox.stack import (
    HOLDERS,
    PYTHON,
    ROOT,
    USERS,
    Sandbox,
    environment,
    folder_of_this,
    open_sandbox,
)
from sandbox.starting import PATIENCE_SECONDS, start, step
from upkeep.settings.load import settings

DAG = "maintenance_daily"
WEEKLY_DAG, ALERTS_DAG = "maintenance_weekly", "maintenance_alerts"
POOL = "upkeep_mutations"


def up() -> int:
    """Bring everything up, wait for the first report, say where it is. Harmless when it is up already."""
    sandbox = open_sandbox()
    if why := distributed.obstacle(sandbox.executor) or fab.obstacle(sandbox.users):
        raise SandboxError(why)
    began = datetime.now(UTC)
    with alone(sandbox):
        if healthy(sandbox):
            print("The sandbox is up already.")
            take_over_settings(sandbox)
        else:
            start(sandbox)
        api = Api(sandbox, "admin")
        run = _first_run(api)
        _archive_wal(sandbox)
        _pool(api)
        for name in (WEEKLY_DAG, ALERTS_DAG):
            _unpause(sandbox, api, name)
        _farewell(sandbox, api, run, began)
    return 0


def down() -> int:
    """Stop what this sandbox started, and nothing else; its data stay."""
    sandbox = open_sandbox()
    with alone(sandbox):
        if running(sandbox):
            supervisord = psutil.Process(ask(sandbox, "getPID"))
            ask(sandbox, "shutdown")
            wait("supervisord to stop its programs", lambda: not supervisord.is_running(), 120, lambda: names(sandbox))
        end_leftovers(sandbox)
    print("The sandbox is down. `make demo` brings it up again with the same data; `rm -r .sandbox` forgets them.")
    return 0


def status() -> int:
    """Print the state of each process; 0 when all run."""
    sandbox = _made()
    if not running(sandbox):
        print("The sandbox is down.")
        return 1
    found = ask(sandbox, "getAllProcessInfo")
    for process in found:
        print(f"{process['name']:14} {process['statename']:10} {process['description']}")
    return 0 if all(process["statename"] == "RUNNING" for process in found) else 1


def check() -> int:
    """What of the sandbox can be collected, and why not."""
    return upkeep("check")


def upkeep(*arguments: str) -> int:
    """``python -m upkeep …`` with the sandbox's config and Connections."""
    command = [PYTHON, "-m", "upkeep", *arguments]
    return subprocess.run(command, env=environment(_made()), cwd=ROOT, check=False).returncode


def fault(name: str | None) -> int:
    """Plant a fault of the catalogue; without a name list them."""
    if name is None:
        for known, one in faults.FAULTS.items():
            print(f"{known:26} {one.says}")
        return 0
    faults.plant(_named(name), name)
    print(f"Planted: {faults.FAULTS[name].says}. `python -m sandbox heal {name}` removes it.")
    return 0


def heal(name: str | None) -> int:
    """Remove one planted fault, or all."""
    faults.heal(_named(name), name)
    print(f"Healed: {name or 'everything'}.")
    return 0


def _made() -> Sandbox:
    """The sandbox that is there: what only looks makes none. Raises SandboxError where `make demo` made none yet."""
    if not (folder_of_this() / STATE).exists():
        raise SandboxError(f"found no sandbox in {folder_of_this()}; `make demo` makes one")
    return open_sandbox()


def _named(name: str | None) -> Sandbox:
    sandbox = _made()
    if name is not None and name not in faults.FAULTS:
        raise SandboxError(f"found no fault {name!r}, expected one of: {', '.join(faults.FAULTS)}")
    if not running(sandbox):
        raise SandboxError("the sandbox is down; `make demo` brings it up")
    return sandbox


def _first_run(api: Api) -> dict[str, Any]:
    """Unpause the daily DAG and wait for its newest run: unpausing creates one for the last due window."""
    with step("the daily window"):

        def unpaused() -> bool:
            return api.request("PATCH", f"/api/v2/dags/{DAG}", json={"is_paused": False}).ok

        def finished() -> dict[str, Any] | None:
            runs = api.get(f"/api/v2/dags/{DAG}/dagRuns?order_by=-run_after&limit=20")["dag_runs"]
            return next((run for run in runs if run["state"] in ("success", "failed")), None)

        wait("Airflow to know the DAG", unpaused, PATIENCE_SECONDS, lambda: str(api.get("/api/v2/importErrors")))
        found: dict[str, Any] = wait("the first run", finished, PATIENCE_SECONDS, lambda: f"see {api.base}/dags/{DAG}")
    return found


def _archive_wal(sandbox: Sandbox) -> None:
    """Have the WAL archived in which the first report was: a restored backup is compared with what it recorded."""
    with psycopg.connect(sandbox.cluster.dsn("postgres"), autocommit=True) as opened:
        opened.execute("SELECT pg_switch_wal()")


def _pool(api: Api) -> None:
    """The pool that mutations queue in; Airflow schedules no task whose pool does not exist."""
    pool = {"name": POOL, "slots": 1, "description": "one mutation at a time"}
    answer = api.request("POST", "/api/v2/pools", json=pool)
    if not answer.ok and answer.status_code != HTTPStatus.CONFLICT:
        raise SandboxError(f"the pool {POOL} was not created: {answer.text[:300]}")


def _unpause(sandbox: Sandbox, api: Api, name: str) -> None:
    """Unpause a DAG where there is one; the run that this creates is not waited for."""
    if not (Path(environment(sandbox)["AIRFLOW__CORE__DAGS_FOLDER"]) / f"{name}.py").exists():
        return

    def unpaused() -> bool:
        return api.request("PATCH", f"/api/v2/dags/{name}", json={"is_paused": False}).ok

    wait(f"Airflow to know {name}", unpaused, PATIENCE_SECONDS, lambda: str(api.get("/api/v2/importErrors")))


def _farewell(sandbox: Sandbox, api: Api, run: dict[str, Any], began: datetime) -> None:
    page = f"/upkeep/dags/{DAG}/runs/{quote(run['dag_run_id'], safe='')}/report"
    answer = api.request("GET", f"{page}.json")
    if not answer.ok:
        raise SandboxError(
            f"the run {run['dag_run_id']} ended as {run['state']} without a report: {sandbox.url}/dags/{DAG}"
        )
    seconds = (datetime.now(UTC) - began).total_seconds()
    ended = datetime.fromisoformat(run["end_date"])
    ran = (
        "A real daily window ran" if ended >= began else f"No window ran now; the newest ended at {ended:%F %H:%M} UTC"
    )
    print(f"\n{ran}; everything is up after {seconds:.0f} s.\n")
    print(f"  Airflow   {sandbox.url}/dags/{DAG}")
    print(f"  Report    {sandbox.url}{page}")
    print(f"  Verdict   {answer.json()['headline']}")
    print(f"  Messages  {', '.join(str(sandbox.folder / f'{name}.jsonl') for name in ('mail', 'slack', 'sms'))}")
    roles = settings(sandbox.folder / "config").maintenance.roles
    for user, role in USERS.items():
        title = f": {roles[HOLDERS[user]].title}" if user in HOLDERS else ""
        print(f"  Login     {user} / {sandbox.passwords[user]}   ({role}{title})")
    print(f"\n  Logs in {sandbox.folder / 'logs'}; `make down` stops everything.")
