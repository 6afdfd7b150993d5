"""The sandbox's commands: up, down, status, check."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import psutil
import psycopg
import requests
import sqlparse
from psycopg import sql

from sandbox import target
from sandbox.stack import (
    LOGINS,
    PROGRAMS,
    PYTHON,
    ROOT,
    USERS,
    Sandbox,
    connection,
    environment,
    is_free,
    open_sandbox,
    supervisor_config,
)
from upkeep import database

DAG = "maintenance_daily"
PATIENCE_SECONDS = 240.0


class SandboxError(RuntimeError):
    """The sandbox cannot go on; the message says what was found, and where to look."""


def up() -> int:
    """Bring everything up, wait for the first report, say where it is. Harmless when it is up already."""
    sandbox = open_sandbox()
    began = time.monotonic()
    if healthy(sandbox):
        print("The sandbox is up already.")
    else:
        _start(sandbox)
    api = Api(sandbox, "admin")
    run = _first_run(api)
    _farewell(sandbox, api, run, time.monotonic() - began)
    return 0


def down() -> int:
    """Stop what this sandbox started, and nothing else; its data stay."""
    sandbox = open_sandbox()
    if _running(sandbox):
        supervisord = psutil.Process(ask(sandbox, "getPID"))
        ask(sandbox, "shutdown")
        _wait("supervisord to stop its programs", lambda: not supervisord.is_running(), 120, lambda: _names(sandbox))
    _end_leftovers(sandbox)
    print("The sandbox is down. `make demo` brings it up again with the same data; `rm -r .sandbox` forgets them.")
    return 0


def status() -> int:
    """Print the state of each process; 0 when all run."""
    sandbox = open_sandbox()
    if not _running(sandbox):
        print("The sandbox is down.")
        return 1
    found = ask(sandbox, "getAllProcessInfo")
    for process in found:
        print(f"{process['name']:14} {process['statename']:10} {process['description']}")
    return 0 if all(process["statename"] == "RUNNING" for process in found) else 1


def check() -> int:
    """``python -m upkeep check`` with the sandbox's Connections."""
    command = [PYTHON, "-m", "upkeep", "check"]
    return subprocess.run(command, env=environment(open_sandbox()), cwd=ROOT, check=False).returncode


# Starting -----------------------------------------------------------------------------------------------------


def _start(sandbox: Sandbox) -> None:
    """Start what does not run yet; each part may be there already from a call that was interrupted."""
    if not _running(sandbox):
        _end_leftovers(sandbox)
        _need_ports(sandbox)
    (sandbox.folder / "logs").mkdir(parents=True, exist_ok=True)
    (sandbox.folder / "airflow").mkdir(exist_ok=True)
    sandbox.processes.mkdir(exist_ok=True)
    with _step("PostgreSQL"):
        sandbox.cluster.init()
        if not _running(sandbox):
            _supervise(sandbox)
        _launch(sandbox, "postgres")
        _wait("PostgreSQL", sandbox.cluster.answers, 60, lambda: _tail(sandbox, "postgres"))
        _databases(sandbox)
    migrating = _airflow_migrate(sandbox)
    with _step("the target: the guide's tables with 120 days of history"):
        _target(sandbox)
    with _step("the ledger's tables"):
        _ledger(sandbox)
    with _step("Airflow's metadata"):
        if migrating.wait():
            raise SandboxError(f"airflow db migrate failed:\n{_tail(sandbox, 'migrate')}")
    with _step("functions, workload, api-server, dag-processor, scheduler, triggerer"):
        for name in PROGRAMS:
            _launch(sandbox, name)
        _wait("Airflow to be healthy", lambda: healthy(sandbox), PATIENCE_SECONDS, lambda: _tail(sandbox, "api-server"))


def _need_ports(sandbox: Sandbox) -> None:
    for name, port in sandbox.ports.items():
        if not is_free(port):
            raise SandboxError(
                f"port {port}, kept for {name}, is taken by another program. End that program, or "
                f"`rm -r {sandbox.folder}` to start over on other ports."
            )


@contextlib.contextmanager
def _step(what: str) -> Iterator[None]:
    print(f"  {what} …", end="", flush=True)
    began = time.monotonic()
    yield
    print(f" {time.monotonic() - began:.1f} s", flush=True)


def _supervise(sandbox: Sandbox) -> None:
    file = sandbox.folder / "supervisord.conf"
    with open(file, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as opened:
        opened.write(supervisor_config(sandbox))
    command = [PYTHON, "-m", "supervisor.supervisord", "-c", str(file)]
    done = subprocess.run(command, env=environment(sandbox), cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        raise SandboxError(f"supervisord did not start:\n{done.stdout}{done.stderr}")
    _wait("supervisord", lambda: _running(sandbox), 30, lambda: _tail(sandbox, "supervisord"))


def ask(sandbox: Sandbox, method: str, *arguments: object) -> Any:
    """One call of supervisord's XML-RPC interface."""
    address = f"127.0.0.1:{sandbox.ports['supervisor']}"
    with xmlrpc.client.ServerProxy(f"http://sandbox:{sandbox.passwords['supervisor']}@{address}/RPC2") as proxy:
        return getattr(proxy.supervisor, method)(*arguments)


def _running(sandbox: Sandbox) -> bool:
    try:
        return bool(ask(sandbox, "getState")["statename"] == "RUNNING")
    except (OSError, xmlrpc.client.Error, http.client.HTTPException):
        return False


def _launch(sandbox: Sandbox, name: str) -> None:
    try:
        ask(sandbox, "startProcess", name, False)
    except xmlrpc.client.Fault as fault:
        if fault.faultString.startswith("ALREADY_STARTED"):
            return
        raise SandboxError(f"{name} did not start: {fault.faultString}\n{_tail(sandbox, name)}") from None


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
        if "platform" not in have:
            opened.execute("CREATE DATABASE platform")
        for login in LOGINS:
            if login not in target.ROLES:
                alter = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
                opened.execute(alter.format(sql.Identifier(login), sql.Literal(sandbox.passwords[login])))


def _target(sandbox: Sandbox) -> None:
    with psycopg.connect(sandbox.cluster.dsn("platform"), autocommit=True) as opened:
        target.load(opened, {role: sandbox.passwords[role] for role in target.ROLES})
        opened.execute(database.script("setup/target_grants", role="upkeep_read", database="platform"))


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


# Waiting and looking --------------------------------------------------------------------------------------------


class Api:
    """Airflow's REST API as one of the sandbox's users."""

    def __init__(self, sandbox: Sandbox, user: str) -> None:
        self.base = sandbox.url
        self.session = requests.Session()
        self.session.trust_env = False
        login = {"username": user, "password": sandbox.passwords[user]}
        answer = self.session.post(f"{self.base}/auth/token", json=login, timeout=30)
        answer.raise_for_status()
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """One call of ``/api/v2/…`` or of any other path that starts with a slash."""
        return self.session.request(method, f"{self.base}{path}", timeout=60, **kwargs)

    def get(self, path: str) -> Any:
        """The JSON of a GET. Raises requests.HTTPError on anything but success."""
        answer = self.request("GET", path)
        answer.raise_for_status()
        return answer.json()


def healthy(sandbox: Sandbox) -> bool:
    """Whether Airflow says that each of its parts is."""
    try:
        parts = requests.get(f"{sandbox.url}/api/v2/monitor/health", timeout=5).json()
    except (requests.RequestException, ValueError):
        return False
    names = ("metadatabase", "scheduler", "triggerer", "dag_processor")
    return all((parts.get(name) or {}).get("status") == "healthy" for name in names)


def _first_run(api: Api) -> dict[str, Any]:
    """Unpause the daily DAG and wait for its newest run: unpausing creates one for the last due window."""
    with _step("the daily window"):

        def unpaused() -> bool:
            return api.request("PATCH", f"/api/v2/dags/{DAG}", json={"is_paused": False}).ok

        def finished() -> dict[str, Any] | None:
            runs = api.get(f"/api/v2/dags/{DAG}/dagRuns?order_by=-run_after&limit=20")["dag_runs"]
            return next((run for run in runs if run["state"] in ("success", "failed")), None)

        _wait("Airflow to know the DAG", unpaused, PATIENCE_SECONDS, lambda: str(api.get("/api/v2/importErrors")))
        found: dict[str, Any] = _wait("the first run", finished, PATIENCE_SECONDS, lambda: f"see {api.base}/dags/{DAG}")
    return found


def _farewell(sandbox: Sandbox, api: Api, run: dict[str, Any], seconds: float) -> None:
    page = f"/upkeep/dags/{DAG}/runs/{quote(run['dag_run_id'], safe='')}/report"
    answer = api.request("GET", f"{page}.json")
    if not answer.ok:
        raise SandboxError(
            f"the run {run['dag_run_id']} ended as {run['state']} without a report: {sandbox.url}/dags/{DAG}"
        )
    print(f"\nA real daily window ran; everything is up after {seconds:.0f} s.\n")
    print(f"  Airflow   {sandbox.url}/dags/{DAG}")
    print(f"  Report    {sandbox.url}{page}")
    print(f"  Verdict   {answer.json()['headline']}")
    for user, role in USERS.items():
        print(f"  Login     {user} / {sandbox.passwords[user]}   ({role})")
    print(f"\n  Logs in {sandbox.folder / 'logs'}; `make down` stops everything.")


def _wait(what: str, ready: Callable[[], Any], seconds: float, excuse: Callable[[], str]) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := ready()):
        if time.monotonic() > deadline:
            raise SandboxError(f"waited {seconds:.0f} s for {what}, in vain:\n{excuse()}")
        time.sleep(0.25)
    return found


def _tail(sandbox: Sandbox, name: str, lines: int = 25) -> str:
    file = sandbox.folder / "logs" / f"{name}.log"
    if not file.exists():
        return f"({file} does not exist)"
    return f"{file} ends with:\n" + "\n".join(file.read_text(errors="replace").splitlines()[-lines:])


def _end_leftovers(sandbox: Sandbox) -> None:
    """End what a supervisor or a scheduler that was killed left behind; its workers wait for work for ever."""
    found = leftovers(sandbox)
    for process in found:
        print(f"  ending PID {process.pid}, left over: {process.name()}")
        process.terminate()
    for process in psutil.wait_procs(found, timeout=15)[1]:
        process.kill()
    _wait("leftovers to end", lambda: not leftovers(sandbox), 60, lambda: _names(sandbox))


def leftovers(sandbox: Sandbox) -> list[psutil.Process]:
    """Processes that this sandbox started: they work in its own folder, PostgreSQL's in the data directory.

    Airflow renames its processes and with that overwrites their environment, so nothing there could mark them.
    """
    homes = {str(sandbox.processes), str(sandbox.cluster.directory())}
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.cwd() in homes and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _names(sandbox: Sandbox) -> str:
    return ", ".join(f"{process.pid} {' '.join(process.cmdline()[:6])}" for process in leftovers(sandbox))
