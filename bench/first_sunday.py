"""A first Sunday in short: daily and monthly due at one minute, weekly a minute later, people who answer at once.

Beside them somebody applies a weekly plan by hand, so that two runs want to change the target at the same time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from bench.measure import Result, size
from sandbox.config import window_variables
from sandbox.processes import Api
from sandbox.stack import HOLDERS, Sandbox, open_sandbox
from upkeep.core.windows import When
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

PATIENCE_SECONDS = 900.0
#: From now until the windows are due: the sandbox has to be up by then.
AHEAD = timedelta(seconds=100)
TABLES = size(12, 2)
DAGS = {cadence: f"maintenance_{cadence}" for cadence in ("daily", "weekly", "monthly")}
PEOPLE = {role: person for person, role in HOLDERS.items()}


def run() -> Result:
    """Bring up a sandbox whose windows are minutes away, and answer for its people."""
    due = (datetime.now(UTC) + AHEAD + timedelta(minutes=1)).replace(second=0, microsecond=0)
    dues = {"daily": due, "monthly": due, "weekly": due + timedelta(minutes=1)}
    crons = {window_variables(name)[0]: f"{at.minute} {at.hour} * * *" for name, at in dues.items()}
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "UPKEEP_SANDBOX": folder, **crons}
        command = [sys.executable, "-m", "sandbox"]
        subprocess.run([*command, "up"], env=environ, cwd=ROOT, check=True)
        try:
            return _Sunday(open_sandbox(Path(folder)), dues).simulate()
        finally:
            subprocess.run([*command, "down"], env=environ, cwd=ROOT, check=True)


@dataclass
class _Sunday:
    """One simulated first Sunday."""

    sandbox: Sandbox
    dues: dict[str, datetime]
    apis: dict[str, Api] = field(default_factory=dict)
    answered: set[tuple[str, str]] = field(default_factory=set)

    def simulate(self) -> Result:
        self._make_dirty("sunday")
        for dag in DAGS.values():
            self._api("admin").request("PATCH", f"/api/v2/dags/{dag}", json={"is_paused": False}).raise_for_status()
        runs = {cadence: f"scheduled__{due.isoformat()}" for cadence, due in self.dues.items()}
        by_hand = ""
        deadline = time.monotonic() + AHEAD.total_seconds() + PATIENCE_SECONDS
        while open_runs := self._open({**runs, **({"by hand": by_hand} if by_hand else {})}):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{open_runs} did not end within {PATIENCE_SECONDS:g} s")
            if not by_hand and any(task.startswith("approve.") for _, task in self.answered):
                by_hand = self._by_hand()
            for cadence, run_id in {**runs, **({"by hand": by_hand} if by_hand else {})}.items():
                self._answer(DAGS.get(cadence, DAGS["weekly"]), run_id)
            time.sleep(0.5)
        return self._judge(runs)

    def _judge(self, runs: dict[str, str]) -> Result:
        rhythms = settings(self.sandbox.folder / "config").maintenance.windows
        lengths = {name: rhythm.length for name, rhythm in rhythms.items()}
        ledger = self.sandbox.dsn("upkeep", "upkeep_dashboard")
        with psycopg.connect(ledger) as opened:
            took = {}
            for cadence, run_id in runs.items():
                query = "SELECT min(made_at) FROM upkeep.reports WHERE dag_id = %s AND run_id = %s"
                ((made,),) = opened.execute(query, [DAGS[cadence], run_id]).fetchall()
                took[cadence] = made - self.dues[cadence]
            receipts = opened.execute(
                "SELECT p.run_id, r.started_at, r.ended_at FROM upkeep.permits p"
                " JOIN upkeep.receipts r ON r.permit_id = p.id WHERE r.started_at IS NOT NULL ORDER BY r.started_at"
            ).fetchall()
            query = "SELECT reason FROM upkeep.steps WHERE run_id = %s AND step = 'plan' ORDER BY id DESC LIMIT 1"
            ((superseded,),) = opened.execute(query, [runs["weekly"]]).fetchall()
        overlaps = sum(later[1] < earlier[2] for earlier, later in pairwise(receipts))
        in_time = all(took[cadence] < lengths[cadence] for cadence in runs)
        writers = len({run_id for run_id, *_ in receipts})
        met = in_time and overlaps == 0 and writers > 1 and "covers it" in superseded
        return Result(
            "first Sunday: mutations that overlapped, of three windows and a run by hand",
            f"{overlaps} of {len(receipts)}",
            "none, each window's report before its deadline, the weekly plan left to the monthly window",
            met,
            (
                *(
                    f"{cadence}: report {took[cadence].total_seconds():.0f} s after it was due, of {lengths[cadence]}"
                    for cadence in runs
                ),
                f"runs that changed something: {writers}",
                f"the weekly plan: {superseded or 'was drawn up'}",
            ),
        )

    # Airflow ------------------------------------------------------------------------------------------------------

    def _api(self, user: str) -> Api:
        if user not in self.apis:
            self.apis[user] = Api(self.sandbox, user)
        return self.apis[user]

    def _open(self, runs: dict[str, str]) -> list[str]:
        """Runs that are not at their end, or not there yet."""
        return [cadence for cadence, run_id in runs.items() if not self._ended(cadence, run_id)]

    def _ended(self, cadence: str, run_id: str) -> bool:
        path = _path(DAGS.get(cadence, DAGS["weekly"]), run_id)
        answer = self._api("admin").request("GET", path)
        return bool(answer.ok and answer.json()["state"] in ("success", "failed"))

    def _answer(self, dag: str, run_id: str) -> None:
        """Say yes to everything that this run asks just now."""
        for task in self._waiting(dag, run_id):
            path = f"{_path(dag, run_id)}/taskInstances/{task}/-1/hitlDetails"
            asked: dict[str, Any] = self._api("admin").get(path)
            given = {name: one["value"] for name, one in asked["params"].items() if one["value"] is not None}
            body = {"chosen_options": asked["options"][:1], "params_input": given}
            person = PEOPLE[task.rpartition(".")[2]]
            self._api(person).request("PATCH", path, json=body).raise_for_status()
            self.answered.add((run_id, task))

    def _waiting(self, dag: str, run_id: str) -> Iterator[str]:
        answer = self._api("admin").request("GET", f"{_path(dag, run_id)}/taskInstances?limit=200")
        found = answer.json()["task_instances"] if answer.ok else []
        parked = [one["task_id"] for one in found if one["state"] == "awaiting_input"]
        new = [task for task in parked if (run_id, task) not in self.answered]
        if new:
            time.sleep(2)  # an answer before the scheduler has seen that the task parked is lost
        yield from new

    def _by_hand(self) -> str:
        self._make_dirty("by_hand")
        body = {"logical_date": None, "conf": {"when": When.NOW.value}}
        answer = self._api("operator").request("POST", f"/api/v2/dags/{DAGS['weekly']}/dagRuns", json=body)
        answer.raise_for_status()
        return str(answer.json()["dag_run_id"])

    # The target ---------------------------------------------------------------------------------------------------

    def _make_dirty(self, prefix: str) -> None:
        """Tables that a plan would vacuum, each for a moment."""
        with psycopg.connect(self.sandbox.cluster.dsn("platform"), autocommit=True) as admin:
            for number in range(TABLES):
                table = sql.Identifier(f"{prefix}_{number}")
                admin.execute(
                    sql.SQL("CREATE TABLE {} (id int, note text) WITH (autovacuum_enabled = false)").format(table)
                )
                filled = sql.SQL("INSERT INTO {} SELECT n, repeat('x', 200) FROM generate_series(1, 20000) n")
                admin.execute(filled.format(table))
                admin.execute(sql.SQL("DELETE FROM {} WHERE id % 2 = 0").format(table))


def _path(dag: str, run_id: str) -> str:
    return f"/api/v2/dags/{dag}/dagRuns/{quote(run_id, safe='')}"
