"""What attackers and accidents can do to a weekly window: over REST, in config, to processes and to the ledger."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

import psutil
import psycopg
import requests
import yaml
from psycopg import sql

from sandbox import fab
from sandbox.config import MAINTENANCE, rewrite_config
from sandbox.stack import PYTHON, ROOT, environment
from tests.e2e.weekly import DAG, Weekly
from upkeep.core.windows import When

DAG_PATH = f"/api/v2/dags/{DAG}"

#: Apply as a task's process does it, without Airflow around it: the environment of the sandbox and what is given.
APPLY = """
import json, sys
from datetime import UTC, datetime
from types import SimpleNamespace
from airflow.sdk.bases.operator import ExecutorSafeguard
from upkeep.flow.apply import ApplyOperator
ExecutorSafeguard.test_mode = True
run = SimpleNamespace(dag_id="maintenance_weekly", run_id=sys.argv[1], run_type="manual", logical_date=None,
                      run_after=datetime.fromisoformat(sys.argv[2]), triggering_user_name="dora",
                      conf=json.loads(sys.argv[3]))
apply = ApplyOperator(task_id="apply", target="primary", cadence="weekly", guide="G59")
apply.execute({"dag_run": run, "ti": SimpleNamespace(try_number=9), "params": {"dry_run": False, "groups": []}})
"""


@dataclass
class Attacks(Weekly):
    """A weekly window and everything that may be tried against it."""

    runs: list[str] = field(default_factory=list)

    def trigger(self, when: When = When.NOW, user: str = "operator", **body: Any) -> str:
        """As ``Weekly`` does, with the evidence of one group unless it names others; ``end`` ends it."""
        conf = {"groups": ["optimisation"], **body.pop("conf", {})}
        self.runs.append(super().trigger(when, user, conf=conf, **body))
        return self.runs[-1]

    # REST -----------------------------------------------------------------------------------------------------

    @property
    def editor(self) -> str:
        """The least user who may write XCom."""
        return "operator" if self.running.sandbox.users == fab.FAB else "sana"

    def clear(self, run: str, *tasks: str, user: str = "sana") -> requests.Response:
        """Clear tasks, as any user may."""
        body = {"dry_run": False, "only_failed": False, "dag_run_id": run, "task_ids": list(tasks)}
        return self.request(user, "POST", f"{DAG_PATH}/clearTaskInstances", json=body)

    def mark(self, run: str, task: str, state: str = "success", user: str = "sana") -> requests.Response:
        """Set a task's state, as any user may."""
        return self.request(user, "PATCH", self.path(run, f"/taskInstances/{task}"), json={"new_state": state})

    def end(self) -> None:
        """Leave no run behind that waits for somebody."""
        for run in self.runs:
            self.request("admin", "PATCH", self.path(run), json={"state": "failed"})

    def until(self, run: str, task: str, *states: str) -> dict[str, Any]:
        """Wait for a task to be in one of the states."""

        def there() -> dict[str, Any] | None:
            found = self.task(run, task)
            return found if found["state"] in states else None

        found: dict[str, Any] = self.running.wait(there)
        return found

    def log(self, run: str, task: str, attempt: int = 0) -> str:
        """What a try of a task logged; by default the newest one."""
        number = attempt or self.task(run, task)["try_number"]
        path = self.path(run, f"/taskInstances/{task}/logs/{number}")
        return self.request("admin", "GET", path, params={"full_content": "true"}).text

    def says(self, run: str, task: str, text: str, attempt: int = 0) -> None:
        """Wait until a task's log says something."""
        self.running.wait(lambda: text in self.log(run, task, attempt))

    def asked_again(self, run: str, role: str, why: str) -> None:
        """Wait until a role's answer counted for nothing, for this reason, and the question waits for another one."""
        self.says(run, f"approve.{role}", why)
        assert "the answer counts for nothing: " in self.log(run, f"approve.{role}")
        self.running.wait(lambda: not self.question_of(run, role)["response_received"])
        self.asked(run, role)

    def question_of(self, run: str, role: str) -> dict[str, Any]:
        """Airflow's request and what it holds as the answer."""
        found: dict[str, Any] = self.running.api("admin").get(self.question(run, role))
        return found

    # What became of it ----------------------------------------------------------------------------------------

    def plan(self, run: str) -> dict[str, Any]:
        """The run's plan as the ledger has it, once there is one."""
        (body,) = self.running.wait(
            lambda: self.running.ledger("SELECT body FROM upkeep.plans WHERE run_id = %s ORDER BY id DESC", run)
        )[0]
        found: dict[str, Any] = json.loads(body)
        return found

    def ids_by_table(self, run: str) -> dict[str, str]:
        return {action["table"]: action["id"] for action in self.plan(run)["actions"]}

    def ids_of(self, run: str, *tables: str) -> list[str]:
        """The ids of the actions on some tables."""
        by_table = self.ids_by_table(run)
        return [by_table[table] for table in tables]

    def approve(self, run: str, role: str, *tables: str, user: str = "") -> requests.Response:
        """Approve the actions on some tables, and no other."""
        return self.answer(run, role, user=user, actions=self.ids_of(run, *tables), comment=None)

    def applied(self, run: str, times: int = 1) -> dict[str, str]:
        """Table → what became of it, once apply has been recorded so often; "" → why the task itself failed."""
        steps = "SELECT id, reason FROM upkeep.steps WHERE run_id = %s AND step = 'apply' ORDER BY id"
        *_, (step, reason) = self.running.wait(
            lambda: found if len(found := self.running.ledger(steps, run)) >= times else None
        )
        by_id = {number: table for table, number in self.ids_by_table(run).items()}
        findings = self.running.ledger("SELECT metadata, detail FROM upkeep.findings WHERE step_id = %s", step)
        told = {by_id[meta["action"]]: detail for meta, detail in findings if "action" in meta}
        return told | {"": reason}

    def again(self, run: str) -> dict[str, str]:
        """Clear apply and say what became of it now."""
        before = len(self.running.ledger("SELECT 1 FROM upkeep.steps WHERE run_id = %s AND step = 'apply'", run))
        self.rerun(run)
        return self.applied(run, before + 1)

    def rerun(self, run: str) -> None:
        """Clear apply once the run has ended: Airflow forgets a task that is cleared just when its run ends."""
        self.finish(run)
        assert self.clear(run, "apply").status_code == 200

    def apply_beside(self, run: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Apply a run's plan in a process that Airflow did not start, with more in its environment."""
        found = self.request("admin", "GET", self.path(run)).json()
        command = [PYTHON, "-c", APPLY, run, found["run_after"], json.dumps(found["conf"])]
        environ = environment(self.running.sandbox) | variables
        return subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)

    def shell(self, *command: str) -> None:
        """``airflow …`` as somebody with a shell on the scheduler's host."""
        environ = environment(self.running.sandbox)
        subprocess.run([PYTHON, "-m", "airflow", *command], env=environ, cwd=ROOT, capture_output=True, check=True)

    def upkeep(self, *command: str) -> subprocess.CompletedProcess[str]:
        """``python -m upkeep …`` where Airflow runs."""
        argv, environ = [PYTHON, "-m", "upkeep", *command], environment(self.running.sandbox)
        return subprocess.run(argv, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)

    def steps(self, run: str) -> dict[str, str]:
        """Step → its state in the ledger, of its latest try."""
        rows = self.running.ledger("SELECT step, state FROM upkeep.steps WHERE run_id = %s ORDER BY id", run)
        return dict(rows)

    def told(self, run: str, role: str) -> list[str]:
        """What Slack was sent about one question."""
        file = self.running.sandbox.folder / "slack.jsonl"
        texts = [str(json.loads(line)["text"]) for line in file.read_text().splitlines()] if file.exists() else []
        return [text for text in texts if quote(run, safe="") in text and f"approve.{role}/" in text]

    def plans(self, run: str) -> int:
        return len(self.running.ledger("SELECT 1 FROM upkeep.plans WHERE run_id = %s", run))

    # Config ---------------------------------------------------------------------------------------------------

    @contextmanager
    def config(self, change: Callable[[dict[str, Any]], object]) -> Iterator[None]:
        """The sandbox's maintenance.yaml changed for a while; every task's process reads it afresh."""
        file = self.running.sandbox.folder / "config" / MAINTENANCE
        before = file.read_text()
        rewrite_config(self.running.sandbox, change)
        try:
            yield
        finally:
            file.write_text(before)

    def pause(self, paused: bool) -> None:
        assert self.request("admin", "PATCH", DAG_PATH, json={"is_paused": paused}).status_code == 200

    def parse(self) -> None:
        """Have the DAG's file parsed until Airflow knows the calendar and the roles that config names now."""
        config = yaml.safe_load((self.running.sandbox.folder / "config" / MAINTENANCE).read_text())
        roles = {f"approve.{role}" for needed in config["approval"]["roles"].values() for role in needed}

        def known() -> bool:
            dag = self.request("admin", "GET", DAG_PATH).json()
            tasks = self.request("admin", "GET", f"{DAG_PATH}/tasks").json()["tasks"]
            asking = {task["task_id"] for task in tasks if task["task_id"].startswith("approve.")}
            if dag["timetable_summary"] == config["windows"]["weekly"]["cron"] and asking == roles:
                return True
            self.request("admin", "PUT", f"/api/v2/parseDagFile/{dag['file_token']}")
            time.sleep(1)
            return False

        self.running.wait(known)

    def backfills(self, body: dict[str, Any], dues: list[datetime]) -> None:
        """Wait until a backfill would make exactly these runs: Airflow writes a DAG anew when it has read its file."""

        def known() -> bool:
            self.parse()
            answer = self.request("admin", "POST", "/api/v2/backfills/dry_run", json=body)
            assert answer.status_code == 200, answer.text
            found = {datetime.fromisoformat(one["logical_date"]) for one in answer.json()["backfills"]}
            if found != set(dues):
                file = self.request("admin", "GET", DAG_PATH).json()["file_token"]
                self.request("admin", "PUT", f"/api/v2/parseDagFile/{file}")
                time.sleep(1)
            return found == set(dues)

        self.running.wait(known)

    # Processes and locks --------------------------------------------------------------------------------------

    @contextmanager
    def locked(self, table: str, mode: str = "EXCLUSIVE") -> Iterator[psycopg.Connection[Any]]:
        """Hold a lock on a table of the ledger (``upkeep.permits``) or of the target."""
        schema, _, name = table.rpartition(".")
        with psycopg.connect(self.running.sandbox.cluster.dsn("upkeep" if schema else "platform")) as opened:
            lock = "LOCK TABLE {} IN " + mode + " MODE"
            opened.execute(sql.SQL(lock).format(sql.Identifier(schema or "public", name)))
            yield opened

    def applying(self) -> psutil.Process:
        """The process that holds the maintaining session on the target, once there is one."""
        ports = (
            "SELECT client_port FROM pg_stat_activity WHERE usename = 'upkeep_maintain' AND datname = 'platform'"
            " AND backend_type = 'client backend'"
        )

        def found() -> psutil.Process | None:
            with self.target() as admin:
                mine = {port for (port,) in admin.execute(ports)}
            for process in psutil.process_iter():
                try:
                    connections = process.net_connections(kind="tcp4")
                except psutil.Error:
                    continue
                if any(
                    one.laddr and one.laddr.port in mine and "postgres" not in process.name() for one in connections
                ):
                    return process
            return None

        process: psutil.Process = self.running.wait(found)
        return process

    def nobody_applies(self) -> None:
        """Wait until the server has noticed that whoever applied is dead, also where it waits for a lock."""
        mine = (
            "SELECT 1 FROM pg_stat_activity WHERE usename = 'upkeep_maintain'"
            " OR usename = 'upkeep_tasks' AND wait_event_type = 'Lock'"
        )
        with self.target() as admin:
            self.running.wait(lambda: not admin.execute(mine).fetchall())

    def permits(self, run: str, count: int) -> None:
        """Wait until a run has so many permits."""
        self.running.wait(lambda: len(self.receipts(run)) >= count)

    @contextmanager
    def ledger_away(self) -> Iterator[None]:
        """For a while the tasks' role is turned away by the ledger's server; Airflow's metadata stay up."""
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'upkeep_tasks'"
        with psycopg.connect(self.running.sandbox.cluster.dsn("postgres"), autocommit=True) as admin:
            admin.execute("ALTER ROLE upkeep_tasks NOLOGIN")
            admin.execute(ended)
            try:
                yield
            finally:
                admin.execute("ALTER ROLE upkeep_tasks LOGIN")
