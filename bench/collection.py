"""The whole daily collection, called directly, beside the same SQL and HTTP sent by psql and curl."""

from __future__ import annotations

import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import requests
from psycopg import ClientCursor

from bench.load import daily
from bench.measure import Result, size, spread
from sandbox import target
from sandbox.ports import free_port
from sandbox.postgres import Cluster, bin_dir
from sandbox.twin.keys import legacy_key, secret_key
from upkeep.areas import answers, look
from upkeep.areas.look import Check, Look
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database
from upkeep.wires.functions.contract import parse_answer, request_body
from upkeep.wires.functions.transport import Call, key_headers, post

GOAL = 1.3
ROUNDS = size(7, 1)
SIDE_BY_SIDE = 4


@dataclass
class Recording(database.Session):
    """A session that also writes down what it sends, with its values filled in."""

    sent: list[str] = field(default_factory=list)

    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[database.Row]:
        """Run and write down."""
        self.sent.append(ClientCursor(self.connection).mogrify(statement, parameters))
        return super().rows(statement, parameters)


def run() -> Result:
    """Alternate the two on a server and a twin of their own, equally many things at once."""
    for program in ("curl", "xargs"):
        if not shutil.which(program):
            raise FileNotFoundError(f"found no {program}, expected it on the PATH: apt-get install curl findutils")
    with tempfile.TemporaryDirectory() as name, _platform(Path(name)) as (cluster, password, url, key):
        dsn = cluster.dsn("postgres", "upkeep_read", password)
        now = datetime.now(UTC)
        jobs = [*_check_jobs(dsn, now), *_call_jobs(url, key, now)]
        script = Path(name) / "script"
        _write_script(script, dsn, url, key, now)
        files = "\n".join(str(file) for file in sorted(script.glob("*.sh")))
        ours, theirs = [], []
        for _ in range(ROUNDS + 1):
            began = time.monotonic()
            with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
                list(pool.map(lambda job: job(), jobs))
            ours.append(time.monotonic() - began)
            began = time.monotonic()
            xargs = ["xargs", "-P", str(SIDE_BY_SIDE), "-n", "1", "sh"]
            subprocess.run(xargs, input=files, check=True, capture_output=True, text=True)
            theirs.append(time.monotonic() - began)
    ratio = statistics.median(ours[1:]) / statistics.median(theirs[1:])
    return Result(
        "the whole daily collection by the same SQL and HTTP from psql and curl, equally parallel",
        f"{ratio:.2f}",
        f"at most {GOAL}",
        ratio <= GOAL,
        (
            f"{len(daily())} checks and {len(answers.DAILY)} calls, {SIDE_BY_SIDE} at once",
            f"ours: {spread(ours[1:])}",
            f"psql and curl: {spread(theirs[1:])}",
        ),
    )


@contextmanager
def _platform(folder: Path) -> Iterator[tuple[Cluster, str, str, str]]:
    """A seeded target and the twin over it; yields cluster, the read role's password, the twin's URL and a key."""
    cluster = Cluster(folder / "data", free_port(), secrets.token_hex(8))
    cluster.init()
    server = cluster.start()
    passwords = {role: secrets.token_hex(8) for role in target.ROLES}
    secret, port = secrets.token_hex(32), free_port()
    environ = {
        **os.environ,
        "UPKEEP_TWIN_PORT": str(port),
        "UPKEEP_TWIN_DSN": cluster.dsn("postgres", "functions_twin", passwords["functions_twin"]),
        "UPKEEP_TWIN_JWT_SECRET": secret,
        "UPKEEP_TWIN_SECRET_KEY": secret_key(),
    }
    try:
        with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as admin:
            target.load(admin, passwords)
            admin.execute(database.script("setup/target_grants", role="upkeep_read", database="postgres").encode())
        with (folder / "twin.log").open("wb") as log:
            twin = subprocess.Popen(
                [sys.executable, "-m", "sandbox.twin"], env=environ, cwd=ROOT, stdout=log, stderr=log
            )
        try:
            _wait(f"http://127.0.0.1:{port}/")
            yield cluster, passwords["upkeep_read"], f"http://127.0.0.1:{port}", legacy_key(secret)
        finally:
            twin.terminate()
            twin.wait(30)
    finally:
        cluster.stop(server)


def _wait(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            requests.get(url, timeout=5)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"nothing answered at {url} within 60 s")


def _look(check: Check, session: database.Session, now: datetime) -> None:
    look.carry_out(check, Look(session, settings(), now))


def _check_jobs(dsn: str, now: datetime) -> list[Callable[[], None]]:
    def job(check: Check) -> Callable[[], None]:
        def carry_out() -> None:
            with database.session(lambda: psycopg.connect(dsn), settings().maintenance.sql, read_only=True) as session:
                _look(check, session, now)

        return carry_out

    return [job(check) for check in daily()]


def _call_jobs(url: str, key: str, now: datetime) -> list[Callable[[], None]]:
    os.environ["AIRFLOW_CONN_BENCH"] = f'{{"conn_type": "http", "host": "{url}", "password": "{key}"}}'
    from airflow.providers.http.hooks.http import HttpHook  # noqa: PLC0415  # reads the environment

    def job(function: str, action: str, arguments: Mapping[str, Any]) -> Callable[[], None]:
        def carry_out() -> None:
            body = request_body(function, action, period=(now - timedelta(days=1), now), **arguments)
            send = HttpHook(method="POST", http_conn_id="bench").run
            raw = post(send, Call(function, body, "bench"), key, settings().maintenance.http)
            answers.read(function, action, parse_answer(function, action, raw).model_dump(mode="json"), settings())

        return carry_out

    return [job(call.function, call.action, call.arguments) for call in answers.DAILY]


def _write_script(folder: Path, dsn: str, url: str, key: str, now: datetime) -> None:
    """One shell script a check or call: psql with the recorded statements, curl with the same body."""
    folder.mkdir()
    clocks = settings().maintenance.sql
    for check in daily():
        with psycopg.connect(dsn) as connection, connection.transaction():
            session = Recording(connection)
            database._set_clocks(session, clocks)
            _look(check, session, now)
        statements = folder / f"{check.name}.sql"
        statements.write_text(
            "BEGIN READ ONLY;\n" + ";\n".join(text.rstrip() for text in session.sent) + ";\nCOMMIT;\n"
        )
        (folder / f"{check.name}.sh").write_text(
            f"'{bin_dir() / 'psql'}' -qAt -v ON_ERROR_STOP=1 '{dsn}' -f '{statements}'\n"
        )
    headers = " ".join(f"-H '{name}: {value}'" for name, value in key_headers(key).items())
    for function, action, _, arguments in answers.DAILY:
        body = request_body(function, action, period=(now - timedelta(days=1), now), **arguments)
        address = f"'{url}/functions/v1/{function}'"
        curl = f"curl -sf -X POST -H 'Content-Type: application/json' {headers} -d '{body}' {address}\n"
        (folder / f"{action}.sh").write_text(curl)
