"""The weekly window over Airflow's REST API, as real users: trigger, look at the questions, answer them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

import psycopg
import requests
from psycopg import sql

from tests.e2e.conftest import Running
from upkeep.core.windows import When

DAG = "maintenance_weekly"
RUNS = f"/api/v2/dags/{DAG}/dagRuns"
#: Config's role → the sandbox's user who holds it.
HOLDERS = {"dba": "dora", "devops": "omar"}
ROLES = tuple(HOLDERS)
#: What Airflow's scheduler logs when it has seen that a try's process has parked the task and ended.
SEEN = "TaskInstance Finished: .* ti_id={id}, .*, state=awaiting_input, .* pid={pid} "


@dataclass
class Weekly:
    """One sandbox's weekly window."""

    running: Running
    dag: ClassVar[str] = DAG
    group: ClassVar[str] = "approve"
    holders: ClassVar[dict[str, str]] = HOLDERS

    # Runs -----------------------------------------------------------------------------------------------------

    def request(self, user: str, method: str, path: str, **kwargs: Any) -> requests.Response:
        """REST as a user; any status."""
        return self.running.api(user).request(method, path, **kwargs)

    def trigger(self, when: When = When.NOW, user: str = "operator", **body: Any) -> str:
        """Start a run by hand and return its id."""
        conf = {"when": when.value, **body.pop("conf", {})}
        answer = self.request(user, "POST", self.path(), json={"logical_date": None, "conf": conf, **body})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["dag_run_id"])

    def path(self, run: str = "", end: str = "") -> str:
        runs = f"/api/v2/dags/{self.dag}/dagRuns"
        return f"{runs}/{quote(run, safe='')}{end}" if run else runs

    def task(self, run: str, task: str) -> dict[str, Any]:
        found: dict[str, Any] = self.running.api("admin").get(self.path(run, f"/taskInstances/{task}"))
        return found

    def states(self, run: str) -> dict[str, str]:
        found = self.running.api("admin").get(self.path(run, "/taskInstances"))["task_instances"]
        return {one["task_id"]: one["state"] for one in found}

    def finish(self, run: str) -> str:
        """Wait for a run to end and return its state."""

        def ended() -> str | None:
            state = self.running.api("admin").get(self.path(run))["state"]
            return state if state in ("success", "failed") else None

        return str(self.running.wait(ended))

    def report(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.running.api("viewer").get(f"{self.report_page(run)}.json")
        return found

    def report_page(self, run: str) -> str:
        return f"/upkeep/dags/{self.dag}/runs/{quote(run, safe='')}/report"

    # Questions ------------------------------------------------------------------------------------------------

    def asked(self, run: str, *roles: str) -> dict[str, dict[str, Any]]:
        """Role → Airflow's request, once every one of the roles waits for its answer."""

        def waiting() -> dict[str, dict[str, Any]] | None:
            asking = roles or tuple(self.holders)
            if not self.parked(run, *(f"{self.group}.{role}" for role in asking)):
                return None
            found = {role: self.request("admin", "GET", self.question(run, role)) for role in asking}
            return {role: one.json() for role, one in found.items()} if all(one.ok for one in found.values()) else None

        asked: dict[str, dict[str, Any]] = self.running.wait(waiting)
        return asked

    def parked(self, run: str, *tasks: str) -> bool:
        """Whether each of the tasks waits for its answer, and Airflow's scheduler has seen its process end.

        An answer before that is lost (the scheduler ends the resumed task), and asked for again; no person is as fast.
        """
        listed = self.running.api("admin").get(self.path(run, "/taskInstances"))["task_instances"]
        waiting = [one for one in listed if one["task_id"] in tasks and one["state"] == "awaiting_input"]
        if len(waiting) < len(tasks):
            return False
        said = self.running.schedulers_said()  # of two, either may have seen it
        return all(re.search(SEEN.format_map(one), said) for one in waiting)

    def question(self, run: str, role: str) -> str:
        return self.path(run, f"/taskInstances/{self.group}.{role}/-1/hitlDetails")

    def answer(self, run: str, role: str, option: str = "Approve", user: str = "", **params: Any) -> requests.Response:
        """Answer a role's question: by default as its holder, approving everything that was asked."""
        if option == "Approve" and not params:
            params = {"actions": self.ids(run, role), "comment": None}
        body = {"chosen_options": [option], "params_input": params}
        return self.request(user or self.holders[role], "PATCH", self.question(run, role), json=body)

    def ids(self, run: str, role: str) -> list[str]:
        asked = self.request("admin", "GET", self.question(run, role)).json()
        ids: list[str] = asked["params"]["actions"]["value"]
        return ids

    # The ledger -----------------------------------------------------------------------------------------------

    def digest(self, run: str) -> str:
        """Of the newest run that has this id."""
        (digest,) = self.running.ledger("SELECT digest FROM upkeep.plans WHERE run_id = %s ORDER BY id DESC", run)[0]
        return str(digest)

    def decisions(self, run: str) -> dict[str, tuple[str, list[str]]]:
        """Role → (person, ids)."""
        rows = self.running.ledger(
            "SELECT role, person, action_ids FROM upkeep.decisions WHERE digest = %s", self.digest(run)
        )
        return {role: (person, ids) for role, person, ids in rows}

    def receipts(self, run: str) -> list[tuple[str, int, str | None]]:
        """(action, attempt, outcome) of every permit, None without a receipt."""
        return self.running.ledger(
            "SELECT p.action_id, p.attempt, r.outcome FROM upkeep.permits p"
            " LEFT JOIN upkeep.receipts r ON r.permit_id = p.id WHERE p.digest = %s ORDER BY p.id",
            self.digest(run),
        )

    # The target -----------------------------------------------------------------------------------------------

    def target(self) -> psycopg.Connection[Any]:
        """The maintained database, as a superuser."""
        return psycopg.connect(self.running.sandbox.cluster.dsn("platform"), autocommit=True)

    def make_dirty(self, *tables: str) -> None:
        """Tables of which two thirds are dead rows, that autovacuum leaves alone."""
        created = "CREATE TABLE IF NOT EXISTS {} (id int PRIMARY KEY, note text) WITH (autovacuum_enabled = false)"
        filled = "INSERT INTO {} SELECT n, 'a' FROM generate_series(1, 3000) n"
        worn = ("DELETE FROM {}", filled, "UPDATE {} SET note = 'b'", "UPDATE {} SET note = 'c'")
        with self.target() as admin:
            for table in tables:
                for statement in (created, *worn):
                    admin.execute(sql.SQL(statement).format(sql.Identifier(table)))  # type: ignore[arg-type]

    def drop(self, *tables: str) -> None:
        with self.target() as admin:
            for table in tables:
                admin.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(table)))

    def vacuumed(self, table: str) -> int:
        """How often a table was vacuumed by hand."""
        with self.target() as admin:
            row = admin.execute("SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = %s", [table]).fetchone()
        return int(row[0]) if row else 0
