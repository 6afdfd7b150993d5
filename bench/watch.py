"""What the watch costs the triggerer: many targets polled, beside a process with the same imports that only waits."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import yaml

from bench.measure import Result, size
from bench.platform import running_server
from sandbox.ports import free_port
from sandbox.postgres import HOST, SUPERUSER, Cluster
from upkeep.areas.watch.follow import phase_of
from upkeep.ledger.migrations.upgrade import upgrade
from upkeep.settings.base import ROOT

TARGETS, EVERY, SECONDS = size(50, 3), size(30, 1), size(180, 3)
#: What comes before counts for nothing: imports, the first connections.
WARM_UP = size(45, 2)
CORE_GOAL, MEMORY_GOAL, LATE_GOAL = 5.0, 100.0, 1.0
_HEALTH = {"overall_health_percent": 99.0}
_METRICS = {
    "response_time_ms": 120.0,
    "error_rate_percent": 0.1,
    "database_connections_percent": 20.0,
    "memory_usage_percent": 30.0,
    "cpu_usage_percent": 10.0,
}


def run() -> Result:
    """Two processes at the same time: one polls all targets, one waits; and how late polls were, out of the ledger."""
    with running_server() as cluster, tempfile.TemporaryDirectory() as name:
        with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as admin:
            admin.execute("CREATE DATABASE upkeep")
        upgrade(lambda: psycopg.connect(cluster.dsn("upkeep")))
        names = _config(Path(name))
        with _functions() as port:
            environ = _environment(cluster, Path(name), port)
            polls, waits = _both(environ)
        with psycopg.connect(cluster.dsn("upkeep")) as asked:
            query = "SELECT target, extract(epoch FROM taken_at)::float8 FROM upkeep.watch_samples"
            taken = [(target, float(at)) for target, at in asked.execute(query).fetchall()]
    late = sorted((at - phase_of(target, EVERY)) % EVERY for target, at in taken)
    p99 = statistics.quantiles(late, n=100)[98] if len(late) > 1 else EVERY
    core = 100 * (polls["cpu"] - waits["cpu"]) / SECONDS
    memory = polls["memory"] - waits["memory"]
    expected = len(names) * (SECONDS + WARM_UP) // EVERY
    return Result(
        f"{len(names)} targets polled each {EVERY} s, beside a process that waits",
        f"{core:.1f} % of a core and {memory:.0f} MB more; polls late by {p99:.2f} s at p99",
        f"at most {CORE_GOAL:g} %, {MEMORY_GOAL:g} MB, {LATE_GOAL:g} s",
        core <= CORE_GOAL and memory <= MEMORY_GOAL and p99 <= LATE_GOAL,
        (
            f"CPU in {SECONDS} s: {polls['cpu']:.2f} s by {waits['cpu']:.2f} s; memory {polls['memory']:.0f} MB by "
            f"{waits['memory']:.0f} MB",
            f"{len(taken)} samples of about {expected}; late by {statistics.median(late or [0.0]):.3f} s in the middle",
        ),
    )


def _config(folder: Path) -> list[str]:
    """The shipped configuration with many targets behind one Connection."""
    shutil.copytree(ROOT / "config", folder / "config")
    file = folder / "config" / "maintenance.yaml"
    content = yaml.safe_load(file.read_text())
    first = next(iter(content["targets"].values()))
    content["targets"] = {f"target{n}": first for n in range(TARGETS)}
    content["watch"]["every_seconds"] = EVERY
    file.write_text(yaml.safe_dump(content))
    return list(content["targets"])


@contextmanager
def _functions() -> Iterator[int]:
    """Functions that answer at once, in threads of this process, which is not measured."""

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            result = _HEALTH | ({"metrics": _METRICS} if asked.get("action") == "system_status" else {})
            body = json.dumps({"success": True, "result": result}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing is printed."""

    class Functions(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that ends amid an answer."""

    port = free_port()
    server = Functions((HOST, port), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield port
    server.shutdown()


def _environment(cluster: Cluster, folder: Path, port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHONDONTWRITE"))}
    login = {"host": HOST, "port": cluster.port, "login": SUPERUSER, "password": cluster.password, "schema": "upkeep"}
    functions = {"conn_type": "http", "host": f"http://{HOST}:{port}", "password": "sb_secret_bench"}
    return kept | {
        "AIRFLOW_HOME": str(folder),
        "UPKEEP_CONFIG": str(folder / "config"),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}",
        "AIRFLOW_CONN_UPKEEP_LEDGER": json.dumps({"conn_type": "postgres", **login}),
        "AIRFLOW_CONN_UPKEEP_FUNCTIONS": json.dumps(functions),
    }


def _both(environ: Mapping[str, str]) -> tuple[dict[str, float], dict[str, float]]:
    """What the process that polls took, and the one that waits."""
    command, long = [sys.executable, "-m", "bench.watching"], [str(SECONDS), str(WARM_UP)]
    children = [
        subprocess.Popen([*command, what, *long], env=environ, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for what in ("polls", "waits")
    ]
    said = [child.communicate()[0] for child in children]
    if any(child.returncode for child in children):
        raise RuntimeError("a process of the watch ended with an error")
    polls, waits = (json.loads(text.splitlines()[-1]) for text in said)
    return polls, waits
