"""A functions twin that runs over a seeded database, and what is changed in there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from psycopg import sql

from sandbox.ports import free_port
from sandbox.postgres import Cluster
from sandbox.twin import keys
from tests.stages.copies import copy_database
from upkeep.settings.base import ROOT
from upkeep.wires.functions import contract

SECRET = "a-secret-of-the-tests-that-is-at-least-32-bytes-long"
SECRET_KEY = keys.secret_key()
LEGACY_KEY = keys.legacy_key(SECRET)
LEGACY = {"apikey": LEGACY_KEY, "Authorization": f"Bearer {LEGACY_KEY}"}
LONG_AGO = datetime(2019, 3, 1, tzinfo=UTC)  # before anything that the seed holds


@dataclass(frozen=True)
class Twin:
    """A running twin: where it listens, the file its faults are read from, and the log it writes."""

    url: str
    faults: Path
    log: Path

    def post(self, function: str, body: Any, headers: dict[str, str], timeout: float = 30) -> requests.Response:
        """One request as it is given; nothing is raised for a status."""
        data = body if isinstance(body, str) else json.dumps(body)
        sent = {"Content-Type": "application/json", **headers}
        return requests.post(f"{self.url}/functions/v1/{function}", data=data, headers=sent, timeout=timeout)

    def ask(self, function: str, action: str, **arguments: Any) -> Any:
        """The typed result of one call through the contract, with a legacy key."""
        body = contract.request_body(function, action, **{"period": None, **arguments})
        return contract.parse_answer(function, action, self.post(function, body, LEGACY).content).result

    @contextmanager
    def fault(self, function: str, fault: str | dict[str, Any]) -> Iterator[None]:
        """Show a fault until the end of the block."""
        self.faults.write_text(json.dumps({function: fault}), encoding="utf-8")
        try:
            yield
        finally:
            self.faults.unlink()


@contextmanager
def running(dsn: str, folder: Path, **environment: str) -> Iterator[Twin]:
    """A twin process that answers, ended with the block."""
    port = free_port()
    twin = Twin(f"http://127.0.0.1:{port}", folder / "faults.json", folder / "twin.log")
    settings = {
        "UPKEEP_TWIN_PORT": str(port),
        "UPKEEP_TWIN_DSN": dsn,
        "UPKEEP_TWIN_JWT_SECRET": SECRET,
        "UPKEEP_TWIN_SECRET_KEY": SECRET_KEY,
        "UPKEEP_TWIN_FAULTS": str(twin.faults),
        "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}",  # this clone's, whichever one Python was installed for
    }
    with twin.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.twin"],
            cwd=ROOT,
            env=os.environ | settings | environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(twin, process)
        yield twin
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def _wait_for(twin: Twin, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(f"{twin.url}/openapi.json", timeout=5)
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the twin did not start:\n{twin.log.read_text(encoding='utf-8')}")


@pytest.fixture(scope="module")
def platform(cluster: Cluster, seeded_template: str) -> Iterator[str]:
    """The name of one seeded database for the whole module, so that the twin over it starts once."""
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
        copy_database(connection, "twins_platform", seeded_template)
        try:
            with psycopg.connect(cluster.dsn("twins_platform"), autocommit=True) as copy:
                copy.execute("ANALYZE")  # a copy has no counts of its rows
            yield "twins_platform"
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier("twins_platform")))


@pytest.fixture(scope="module")
def twin_dsn(cluster: Cluster, platform: str, role_passwords: dict[str, str]) -> str:
    """How the sandbox's twin logs in: with the role that may read and see all sessions, nothing more."""
    return cluster.dsn(platform, "functions_twin", role_passwords["functions_twin"])


@pytest.fixture(scope="module")
def twin(twin_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    """A twin over the seeded target, with the platform's usual verify_jwt per function."""
    with running(twin_dsn, tmp_path_factory.mktemp("twin")) as started:
        yield started


@pytest.fixture
def target(cluster: Cluster, platform: str) -> Iterator[psycopg.Connection[Any]]:
    """The target database as someone who may write to it; what a test leaves long ago is taken away again."""
    with psycopg.connect(cluster.dsn(platform), autocommit=True) as connection:
        yield connection
        connection.execute("DELETE FROM public.error_logs WHERE \"timestamp\" < '2019-12-31'")
        connection.execute("DELETE FROM public.data_processing_logs WHERE created_at < '2019-12-31'")
        connection.execute("DELETE FROM public.user_consents WHERE created_at < '2019-12-31'")


def add_requests(
    target: psycopg.Connection[Any], count: int, status: int, milliseconds: int, function: str = "trust-scorer"
) -> list[int]:
    """Insert requests that have just been answered and return their ids."""
    rows = target.execute(
        """INSERT INTO public.application_logs (function_name, method, path, status, duration_ms, api_role)
           SELECT %(function)s, 'POST', '/', %(status)s, %(ms)s, 'anon' FROM generate_series(1, %(count)s)
           RETURNING id""",
        {"status": status, "ms": milliseconds, "count": count, "function": function},
    ).fetchall()
    return [int(row[0]) for row in rows]


def delete_requests(target: psycopg.Connection[Any], ids: list[int]) -> None:
    """Take the requests away again."""
    target.execute("DELETE FROM public.application_logs WHERE id = ANY(%(ids)s)", {"ids": ids})


def add_consent(target: psycopg.Connection[Any], granted: bool, given: datetime, taken: datetime | None) -> None:
    target.execute(
        """INSERT INTO public.user_consents
               (user_id, consent_type, granted, granted_at, withdrawn_at, policy_version, created_at)
           VALUES (gen_random_uuid(), 'marketing', %(granted)s, %(given)s, %(taken)s, '2019-1', %(given)s)""",
        {"granted": granted, "given": given, "taken": taken},
    )
