"""One sandbox for all end-to-end tests, brought up as ``make demo`` does, in a folder and on ports of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import requests

from sandbox import fab, ports, processes
from sandbox.config import ARCHIVES, THRESHOLDS, WATCH_SECONDS, rewrite_config, window_variables
from sandbox.stack import Sandbox, open_sandbox
from tests.stages.browser import browser  # noqa: F401  # a fixture
from tests.stages.calendar import quiet_calendar
from upkeep.settings.base import ROOT

DAG = "maintenance_daily"
RUNS = f"/api/v2/dags/{DAG}/dagRuns"
ALERTS = "/api/v2/dags/maintenance_alerts"
PATIENCE_SECONDS = 300.0
#: Minutes of killing, on a sandbox of its own with a Redis, for `make faults` alone.
collect_ignore = [] if os.environ.get("UPKEEP_FAULTS") == "all" else ["test_celery_faults.py"]
#: On a sandbox with FAB's users, for `make fab-attacks` alone.
collect_ignore += [] if os.environ.get(fab.USERS) == fab.FAB else ["test_fab_attacks.py"]
# Where two processes share these tests, each with a sandbox of its own, they draw ports of their own too.
worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
os.environ[ports.SLICE] = str(ports.SLICES - 1 - worker % (ports.SLICES // 2))
CALENDAR = {window_variables(name)[0]: cron for name, cron in quiet_calendar(datetime.now(UTC)).items()}


@dataclass
class Running:
    """A sandbox that is up, and what ``up`` printed."""

    sandbox: Sandbox
    printed: str
    users: dict[str, processes.Api] = field(default_factory=dict)
    #: What each user's browser was given at its first login.
    cookies: dict[str, Any] = field(default_factory=dict)

    def cli(self, *command: str) -> subprocess.CompletedProcess[str]:
        """``python -m sandbox …`` on this sandbox."""
        return _cli(self.sandbox.folder, *command)

    def api(self, user: str) -> processes.Api:
        """REST as one of the sandbox's users."""
        if user not in self.users:
            self.users[user] = processes.Api(self.sandbox, user)
        return self.users[user]

    def schedulers_said(self) -> str:
        """What is in the schedulers' logs."""
        logs = (self.sandbox.folder / "logs").glob("scheduler*.log*")
        return "".join(log.read_text(errors="replace") for log in logs)

    def kill(self, name: str) -> None:
        """SIGKILL to one of the sandbox's programs; supervisord has started it again when this returns."""
        killed = processes.ask(self.sandbox, "getProcessInfo", name)["pid"]
        os.kill(killed, signal.SIGKILL)

        def another() -> bool:
            info = processes.ask(self.sandbox, "getProcessInfo", name)
            return info["statename"] == "RUNNING" and info["pid"] != killed

        self.wait(another)

    def pause_alerts(self) -> None:
        """After each `up`: their DAG runs after each report and each change of the watch, and its tests unpause it."""
        assert self.api("admin").request("PATCH", ALERTS, json={"is_paused": True}).ok

    def trigger(self, conf: dict[str, Any] | None = None, user: str = "operator") -> str:
        """Trigger the daily DAG as a person would and return the run's id."""
        answer = self.api(user).request("POST", RUNS, json={"logical_date": None, "conf": conf or {}})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["dag_run_id"])

    def finish(self, run: str) -> str:
        """Wait for a run to end and return its state."""
        return str(self.wait(lambda: self.ended(run))["state"])

    def ended(self, run: str) -> dict[str, Any] | None:
        """A run that has ended as Airflow tells of it; None while it runs, or Airflow cannot tell.

        A fault may have taken all connections to its database.
        """
        answer = self.api("admin").request("GET", f"{RUNS}/{quote(run, safe='')}")
        if answer.status_code >= 500:
            return None
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found if found["state"] in ("success", "failed") else None

    def states(self, run: str) -> dict[str, str]:
        """Airflow's state of each task of a run."""
        path = f"{RUNS}/{quote(run, safe='')}/taskInstances"
        return {ti["task_id"]: ti["state"] for ti in self.api("admin").get(path)["task_instances"]}

    def page(self, run: str, end: str = "") -> str:
        """The path of a run's report."""
        return f"/upkeep/dags/{DAG}/runs/{quote(run, safe='')}/report{end}"

    def report(self, run: str) -> dict[str, Any]:
        """A run's report as JSON."""
        found: dict[str, Any] = self.api("viewer").get(self.page(run, ".json"))
        return found

    def ledger(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the ledger, as the dashboard's role sees them."""
        with psycopg.connect(self.sandbox.dsn("upkeep", "upkeep_dashboard")) as opened:
            return opened.execute(statement, values).fetchall()  # type: ignore[call-overload]

    def windows(self, begun: datetime, cadence: str = "%") -> int:
        """How many windows the ledger has, but for the daily calendar's own, due since ``begun`` or minutes before it.

        Its run comes by itself at 02:00, whatever a test does then.
        """
        counted = "SELECT count(*) FROM upkeep.windows WHERE cadence LIKE %s AND NOT (kind = 'calendar' AND due > %s)"
        return int(self.ledger(counted, cadence, begun - timedelta(minutes=10))[0][0])

    def fault(self, faults: dict[str, str]) -> None:
        """Make functions of the twin fail from now on; an empty dict heals them."""
        (self.sandbox.folder / "faults.json").write_text(json.dumps(faults))

    def wait(self, ready: Callable[[], Any], most: float = 1.5) -> Any:
        """What ``ready`` returns once it is something; asked again after ``most`` seconds at the latest.

        It is asked ever less often, for that takes processor time from what is waited for; whoever waits for a moment
        that passes says how often.
        """
        deadline, pause = time.monotonic() + PATIENCE_SECONDS, min(0.2, most)
        while not (found := ready()):
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(pause)
            pause = min(most, 1.2 * pause)
        return found


def _cli(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    # Other tests run beside these and start a sandbox's parts too.
    environ = {
        **os.environ,
        "UPKEEP_SANDBOX": str(folder),
        ports.SHIFT: "1000",
        WATCH_SECONDS: "5",
        ARCHIVES: "no",
        **CALENDAR,
        **variables,
    }
    del environ[ports.CLAIMS]  # this one is started
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *command], env=environ, cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The sandbox, up; at the end it must go down and leave no process behind."""
    with brought_up(tmp_path_factory.mktemp("sandbox")) as found:
        found.pause_alerts()
        rewrite_config(found.sandbox, nothing_learned, THRESHOLDS)
        yield found


def nothing_learned(config: dict[str, Any]) -> None:
    """No bands and no baselines are proposed, whatever history a test writes: a plan has who answers it in its test."""
    for section in ("proposals", "baselines"):
        config[section] |= {"least_windows": 400, "history_days": 400}


@contextmanager
def brought_up(folder: Path, **variables: str) -> Iterator[Running]:
    """A sandbox brought up with these in its environment; at the end it must go down and leave no process behind."""
    up = _cli(folder, "up", **variables)
    sandbox = open_sandbox(folder)  # as `up` has drawn it
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        yield Running(sandbox, up.stdout)
    finally:
        down = _cli(folder, "down")
        left = processes.leftovers(sandbox)
        shutil.rmtree(sandbox.cluster.directory(), ignore_errors=True)
    assert down.returncode == 0, down.stdout + down.stderr
    assert not left


@pytest.fixture(autouse=True)
def healed(running: Running) -> Iterator[None]:
    """Each test leaves the twin without faults."""
    yield
    running.fault({})


def anonymous(running: Running, path: str) -> requests.Response:
    """A GET without any login."""
    session = requests.Session()
    session.trust_env = False
    return session.get(f"{running.sandbox.url}{path}", timeout=30)
