"""The sandbox's commands: up, down, status, check, upkeep, fault, heal."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg
import sqlparse
from psycopg import sql

from sandbox import backups, faults, target
from sandbox.config import take_over_settings, write_config
from sandbox.ports import STATE
from sandbox.processes import (
    Api,
    SandboxError,
    alone,
    ask,
    end_leftovers,
    healthy,
    is_own,
    launch,
    names,
    need_ports,
    running,
    supervise,
    tail,
    wait,
)
from sandbox.stack import (
    HOLDERS,
    LOGINS,
    PROGRAMS,
    PYTHON,
    ROOT,
    USERS,
    Sandbox,
    connection,
    environment,
    folder_of_this,
    open_sandbox,
)
from upkeep.settings.load import settings
from upkeep.wires import database

DAG = "maintenance_daily"
WEEKLY_DAG, ALERTS_DAG = "maintenance_weekly", "maintenance_alerts"
POOL = "upkeep_mutations"
PATIENCE_SECONDS = 240.0


def up() -> int:
    """Bring everything up, wait for the first report, say where it is. Harmless when it is up already."""
    sandbox = open_sandbox()
    began = datetime.now(UTC)
    with alone(sandbox):
        if healthy(sandbox):
            print("The sandbox is up already.")
            take_over_settings(sandbox)
        else:
            _start(sandbox)
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


# Starting -----------------------------------------------------------------------------------------------------


def _start(sandbox: Sandbox) -> None:
    """Start what does not run yet; each part may be there already from a call that was interrupted."""
    if not running(sandbox):
        end_leftovers(sandbox)
        need_ports(sandbox)
    (sandbox.folder / "logs").mkdir(parents=True, exist_ok=True)
    (sandbox.folder / "airflow").mkdir(exist_ok=True)
    write_config(sandbox, pinned=False)
    sandbox.processes.mkdir(exist_ok=True)
    with _step("PostgreSQL"):
        sandbox.cluster.init()
        if not running(sandbox):
            supervise(sandbox)
        launch(sandbox, "postgres")
        wait("PostgreSQL", sandbox.cluster.answers, 60, lambda: tail(sandbox, "postgres"))
        _databases(sandbox)
    migrating = _airflow_migrate(sandbox)
    with _step("the target: the guide's tables with 120 days of history"):
        _target(sandbox)
    with _step("a base backup, with its WAL archived"):
        backups.take(sandbox.cluster.dsn("postgres"), sandbox.backups)
    with _step("the ledger's tables"):
        _ledger(sandbox)
    write_config(sandbox, pinned=True)
    with _step("Airflow's metadata"):
        if migrating.wait():
            raise SandboxError(f"airflow db migrate failed:\n{tail(sandbox, 'migrate')}")
    with _step("functions, workload, mail, chat, sms, api-server, dag-processor, scheduler, triggerer"):
        for name in PROGRAMS:
            if name == "api-server":
                _need_servers(sandbox)
            launch(sandbox, name)
        wait("Airflow to be healthy", lambda: healthy(sandbox), PATIENCE_SECONDS, lambda: tail(sandbox, "api-server"))


def _need_servers(sandbox: Sandbox) -> None:
    """Wait until what Airflow's tasks send keys to is this sandbox's own."""
    for name in ("functions", "slack", "sms", "mail", "registry"):
        ready, excuse = partial(is_own, sandbox, name), partial(tail, sandbox, name)
        wait(f"{name} to listen on port {sandbox.ports[name]}", ready, 60, excuse)


@contextlib.contextmanager
def _step(what: str) -> Iterator[None]:
    print(f"  {what} …", end="", flush=True)
    began = time.monotonic()
    yield
    print(f" {time.monotonic() - began:.1f} s", flush=True)


def _databases(sandbox: Sandbox) -> None:
    with psycopg.connect(sandbox.cluster.dsn("postgres"), autocommit=True) as opened:
        have = {name for (name,) in opened.execute("SELECT datname FROM pg_database")}
        if "upkeep" not in have:
            names = {"owner": "upkeep_owner", "tasks": "upkeep_tasks", "dashboard": "upkeep_dashboard"}
            for statement in sqlparse.split(database.script("setup/ledger_roles", database="upkeep", **names)):
                opened.execute(statement)
        if "airflow" not in have:
            opened.execute("CREATE ROLE airflow")
            opened.execute("CREATE DATABASE airflow OWNER airflow")
        # A killed scheduler's workers hold its session open, in whatever transaction it was: with that, its locks.
        opened.execute("ALTER ROLE airflow SET idle_in_transaction_session_timeout = '30s'")
        if "platform" not in have:
            opened.execute("CREATE DATABASE platform")
        for login in LOGINS:
            if login not in target.ROLES:
                alter = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
                opened.execute(alter.format(sql.Identifier(login), sql.Literal(sandbox.passwords[login])))


def _target(sandbox: Sandbox) -> None:
    with psycopg.connect(sandbox.cluster.dsn("platform"), autocommit=True) as opened:
        target.load(opened, {role: sandbox.passwords[role] for role in target.ROLES})
        target.grant(opened)


def _ledger(sandbox: Sandbox) -> None:
    owner = {"AIRFLOW_CONN_UPKEEP_LEDGER_OWNER": connection(sandbox, "upkeep", "upkeep_owner")}
    command = [PYTHON, "-m", "upkeep", "ledger", "upgrade"]
    environ = environment(sandbox) | owner
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SandboxError(f"`python -m upkeep ledger upgrade` failed:\n{done.stdout}{done.stderr}")


def _airflow_migrate(sandbox: Sandbox) -> subprocess.Popen[bytes]:
    passwords = {name: sandbox.passwords[name] for name in USERS}
    file = sandbox.folder / "airflow" / "passwords.json"
    with open(file, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as opened:
        json.dump(passwords, opened)
    with (sandbox.folder / "logs" / "migrate.log").open("wb") as log:
        command = [PYTHON, "-m", "airflow", "db", "migrate"]
        return subprocess.Popen(command, env=environment(sandbox), cwd=ROOT, stdout=log, stderr=log)


def _first_run(api: Api) -> dict[str, Any]:
    """Unpause the daily DAG and wait for its newest run: unpausing creates one for the last due window."""
    with _step("the daily window"):

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
