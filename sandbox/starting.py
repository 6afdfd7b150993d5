"""Bringing up what of a sandbox does not run yet: databases, target, backup, ledger, Airflow's metadata, processes."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from functools import partial

import psycopg
import sqlparse
from psycopg import sql

from sandbox import backups, dumps, fab, target
from sandbox.config import write_config
from sandbox.processes import (
    SandboxError,
    end_leftovers,
    healthy,
    is_own,
    launch,
    need_ports,
    running,
    supervise,
    tail,
    wait,
)
from sandbox.programs import programs_of
from sandbox.stack import LOGINS, PYTHON, ROOT, USERS, Sandbox, connection, environment
from upkeep.areas.backups import canary
from upkeep.wires import database

PATIENCE_SECONDS = 240.0


def start(sandbox: Sandbox) -> None:
    """Start what does not run yet; each part may be there already from a call that was interrupted."""
    if not running(sandbox):
        end_leftovers(sandbox)
        need_ports(sandbox)
    (sandbox.folder / "logs").mkdir(parents=True, exist_ok=True)
    (sandbox.folder / "airflow").mkdir(exist_ok=True)
    write_config(sandbox, pinned=False)
    sandbox.processes.mkdir(exist_ok=True)
    with step("PostgreSQL"):
        sandbox.cluster.init()
        if not running(sandbox):
            supervise(sandbox)
        launch(sandbox, "postgres")
        wait("PostgreSQL", sandbox.cluster.answers, 60, lambda: tail(sandbox, "postgres"))
        _databases(sandbox)
    migrating = _airflow_migrate(sandbox)
    with step("the target: the guide's tables with 120 days of history"):
        _target(sandbox)
    with step("a base backup, with its WAL archived, and a dump"):
        backups.take(sandbox.cluster.dsn("postgres"), sandbox.backups)
        dumps.take(sandbox.cluster.dsn("platform"), sandbox.backups)
    with step("the ledger's tables"):
        _ledger(sandbox)
    with step("Airflow's metadata"):
        if migrating.wait():
            raise SandboxError(f"airflow db migrate failed:\n{tail(sandbox, 'migrate')}")
        if sandbox.users == fab.FAB:
            _fab_users(sandbox)
    write_config(sandbox, pinned=True)
    with step("functions, workload, mail, chat, sms, api-server, dag-processor, scheduler, triggerer"):
        for name in programs_of(sandbox):
            if name == "api-server":
                _need_servers(sandbox)
            launch(sandbox, name)
        wait("Airflow to be healthy", lambda: healthy(sandbox), PATIENCE_SECONDS, lambda: tail(sandbox, "api-server"))


def _need_servers(sandbox: Sandbox) -> None:
    """Wait until what Airflow's tasks send keys to is this sandbox's own."""
    for name in ("functions", "slack", "sms", "mail", "registry", *(("redis",) if sandbox.is_distributed else ())):
        ready, excuse = partial(is_own, sandbox, name), partial(tail, sandbox, name)
        wait(f"{name} to listen on port {sandbox.ports[name]}", ready, 60, excuse)


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Print what is done, and how long it took."""
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
        if opened.execute("SELECT to_regrole('upkeep_canary')").fetchone() == (None,):
            opened.execute("CREATE ROLE upkeep_canary")
        for login in LOGINS:
            if login not in target.ROLES:
                alter = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
                opened.execute(alter.format(sql.Identifier(login), sql.Literal(sandbox.passwords[login])))


def _target(sandbox: Sandbox) -> None:
    with psycopg.connect(sandbox.cluster.dsn("platform"), autocommit=True) as opened:
        target.load(opened, {role: sandbox.passwords[role] for role in target.ROLES})
        target.grant(opened)
        if opened.execute("SELECT to_regnamespace('upkeep_canary')").fetchone() == (None,):
            opened.execute(canary.create("upkeep_canary").encode())  # on here; elsewhere by an approved plan (G102)


def _ledger(sandbox: Sandbox) -> None:
    owner = {"AIRFLOW_CONN_UPKEEP_LEDGER_OWNER": connection(sandbox, "upkeep", "upkeep_owner")}
    command = [PYTHON, "-m", "upkeep", "ledger", "upgrade"]
    environ = environment(sandbox) | owner
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SandboxError(f"`python -m upkeep ledger upgrade` failed:\n{done.stdout}{done.stderr}")


def _fab_users(sandbox: Sandbox) -> None:
    wanted = json.dumps([(name, fab.ROLES[role], sandbox.passwords[name]) for name, role in USERS.items()])
    command, environ = [PYTHON, "-c", fab.MAKE], environment(sandbox)
    done = subprocess.run(command, env=environ, cwd=ROOT, input=wanted, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SandboxError(f"FAB's users could not be made:\n{done.stdout}{done.stderr}")
    (sandbox.folder / fab.NUMBERS).write_text(done.stdout.splitlines()[-1])


def _airflow_migrate(sandbox: Sandbox) -> subprocess.Popen[bytes]:
    passwords = {name: sandbox.passwords[name] for name in USERS}
    file = sandbox.folder / "airflow" / "passwords.json"
    with open(file, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as opened:
        json.dump(passwords, opened)
    with (sandbox.folder / "logs" / "migrate.log").open("wb") as log:
        command = [PYTHON, "-m", "airflow", "db", "migrate"]
        return subprocess.Popen(command, env=environment(sandbox), cwd=ROOT, stdout=log, stderr=log)
