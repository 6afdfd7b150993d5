"""How long the outside witness takes: ``python -m upkeep overdue`` on a real ledger, beside importing its libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping

import psycopg

from bench.measure import Result, size, spread
from bench.platform import running_server
from sandbox.postgres import HOST, SUPERUSER, Cluster
from upkeep.ledger.migrations.upgrade import upgrade
from upkeep.settings.base import ROOT

GOAL = 0.5
ROUNDS = size(15, 1)
#: What it reads config and the ledger with.
LIBRARIES = "import croniter, psycopg, pydantic, yaml"


def run() -> Result:
    """The least of several processes, in turn with those that import the libraries: others only add to it."""
    with running_server() as cluster:
        with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as admin:
            admin.execute("CREATE DATABASE upkeep")
        upgrade(lambda: psycopg.connect(cluster.dsn("upkeep")))
        environ = _environment(cluster)
        rounds = [
            (_took(environ, "-m", "upkeep", "overdue"), _took(environ, "-c", LIBRARIES)) for _ in range(ROUNDS + 1)
        ]
    whole, libraries = ([pair[part] for pair in rounds[1:]] for part in (0, 1))
    return Result(
        "python -m upkeep overdue on a ledger, from its start to its exit code",
        f"{min(whole):.2f} s",
        f"less than {GOAL} s",
        min(whole) < GOAL,
        (f"all of it: {spread(whole)}", f"its libraries alone: {spread(libraries)}"),
    )


def _environment(cluster: Cluster) -> dict[str, str]:
    """The shipped config and the ledger's Connection, as cron would give them."""
    login = {"host": HOST, "port": cluster.port, "login": SUPERUSER, "password": cluster.password, "schema": "upkeep"}
    kept = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONDONTWRITEBYTECODE", "UPKEEP_CONFIG")
    }
    ledger = {"AIRFLOW_CONN_UPKEEP_LEDGER_DASHBOARD": json.dumps({"conn_type": "postgres", **login})}
    return kept | ledger | {"PYTHONPATH": str(ROOT / "plugins")}


def _took(environ: Mapping[str, str], *arguments: str) -> float:
    """Seconds of one process; the witness ends with 1, for no window has run in this ledger."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, *arguments], env=environ, cwd=ROOT, capture_output=True, text=True, check=False
    )
    took = time.monotonic() - began
    if done.returncode not in (0, 1) or done.stderr:
        raise RuntimeError(done.stderr)
    return took
