"""`make compose`: docker-compose.yaml really up, with windows run on it, a worker killed, and its data kept.

Root only. Docker and an image registry are not needed: podman and podman-compose bring the file up, on images that
stand in under the official names (``images/``). What that cannot show is said in docs/compose.md.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import Any
from urllib.parse import quote

import psycopg

from tests.compose import images
from tests.compose.earlier import set_back
from tests.compose.stack import AIRFLOW, PROJECT, Stack
from tests.e2e.weekly import Weekly
from tests.stages.stage import SLOW
from upkeep.ledger.migrations.upgrade import head, revisions

DAILY = "maintenance_daily"
OPTIMISATION = {"groups": ["optimisation"]}
OWNER = "upkeep_ledger_owner"


class ComposedWeekly(Weekly):
    """The weekly window of a stack, with its database."""

    def target(self) -> psycopg.Connection[Any]:
        """The maintained database, as a superuser."""
        return self.running.platform()


class Trial:
    """What is tried, in this order; each step says what was seen."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.weekly = ComposedWeekly(stack)  # type: ignore[arg-type]
        self.approved = ""

    def a_secret_that_is_missing_is_named(self) -> str:
        """Compose refuses the file without one of .env's."""
        lines = (self.stack.folder / ".env").read_text().splitlines()
        without = self.stack.folder / "without.env"
        without.write_text("\n".join(line for line in lines if not line.startswith("REDIS_PASSWORD")))
        refused = ""
        try:
            self.stack.compose("config", env_file=str(without))
        except SystemExit as why:
            refused = str(why)
        assert "REDIS_PASSWORD" in refused and "make_env.py" in refused, refused or "the file was taken without it"
        return refused.splitlines()[-1]

    def it_comes_up(self) -> str:
        """Databases, queue, two schedulers, two workers, api-server, dag-processor, triggerer; all healthy."""
        self.stack.up()
        return f"{len(self.stack.containers(*AIRFLOW))} containers of Airflow are healthy at {self.stack.url}"

    def its_containers_may_do_little(self) -> str:
        """Not root, a root file system that is read-only, and no owner's password where tasks run."""
        for name in self.stack.containers(*AIRFLOW):
            assert self.stack.inside(name, "id", "-u").stdout.strip() == "50000", name
            assert self.stack.inside(name, "touch", "/opt/airflow/x").returncode != 0, name
            environment = self.stack.inside(name, "env").stdout
            kept = ["POSTGRES_PASSWORD", "LEDGER_OWNER_PASSWORD", "ADMIN_PASSWORD"]
            kept += ["AIRFLOW_DATABASE_PASSWORD", "JWT_SECRET"] if "_worker_" in name else []
            for secret in kept:
                assert self.stack.secret(secret) not in environment, (name, secret)
        return "uid 50000, read-only; none has an owner's password, and no worker a login of Airflow's metadata"

    def a_daily_window(self) -> str:
        """Unpaused, its last due window runs and has a report."""
        admin = self.stack.api("admin")
        unpause = partial(admin.request, "PATCH", f"/api/v2/dags/{DAILY}", json={"is_paused": False})
        self.stack.wait(lambda: unpause().ok, f"{DAILY} to be known")
        runs = f"/api/v2/dags/{DAILY}/dagRuns?order_by=-run_after&limit=1"

        def ended() -> dict[str, Any] | None:
            found = admin.get(runs)["dag_runs"]
            return next((one for one in found if one["state"] in ("success", "failed")), None)

        run = self.stack.wait(ended, "the daily window")
        assert run["state"] == "success", run
        page = f"/upkeep/dags/{DAILY}/runs/{quote(run['dag_run_id'], safe='')}/report"
        hosts = admin.get(f"/api/v2/dags/{DAILY}/dagRuns/{quote(run['dag_run_id'], safe='')}/taskInstances")
        workers = {one["hostname"] for one in hosts["task_instances"] if one["hostname"]}
        return f"{admin.get(f'{page}.json')['headline']} (its tasks ran on {len(workers)} workers)"

    def two_people_approve_a_weekly_plan(self) -> str:
        """FAB's numbers are the people of config; each of two roles answers, and the plan is applied once."""
        self._unpause("maintenance_weekly")
        self.weekly.make_dirty("worn_out")
        self.approved = run = self.weekly.trigger(conf=OPTIMISATION)
        self.weekly.asked(run)
        refused = self.weekly.answer(run, "dba", user="omar")
        assert refused.status_code == 403, (refused.status_code, refused.text)
        self._approve(run)
        assert self.weekly.finish(run) == "success"
        people = {role: person for role, (person, _) in self.weekly.decisions(run).items()}
        receipts = self.weekly.receipts(run)
        assert people == {"dba": "dora", "devops": "omar"}, people
        assert {outcome for _, _, outcome in receipts} == {"done"}, receipts
        return f"decided by {people}, {len(receipts)} done; omar may not answer for the DBA"

    def a_worker_is_killed_in_the_middle_of_apply(self) -> str:
        """A try is never repeated by itself; cleared, the next finds the statement not done and does it, once."""
        self.weekly.make_dirty("worn_down")
        self.stack.configure(optimise=SLOW)
        run = self.weekly.trigger(conf=OPTIMISATION)
        self.weekly.asked(run)
        self._approve(run)
        busy = self.stack.wait(self._vacuuming, "VACUUM to run")
        (victim,) = (name for name in self.stack.containers("worker") if self.stack.address(name) == busy)
        self.stack.configure(optimise={"vacuum_cost_delay_ms": 0.0, "vacuum_cost_limit": 200})
        images.run("podman", "kill", "--signal", "KILL", victim)
        self.weekly.finish(run)
        told, receipts = self.weekly.report(run)["headline"], self.weekly.receipts(run)
        assert [outcome for _, _, outcome in receipts] == [None], receipts
        clear = {"dag_run_id": run, "task_ids": ["apply"], "include_downstream": True, "only_failed": False}
        path = f"/api/v2/dags/{self.weekly.dag}/clearTaskInstances"
        answer = self.stack.api("sana").request("POST", path, json=clear | {"dry_run": False})
        assert answer.ok, answer.text
        assert self.weekly.finish(run) == "success"
        receipts = self.weekly.receipts(run)
        assert [(attempt, outcome) for _, attempt, outcome in receipts] == [(1, "not done"), (2, "done")], receipts
        assert self.weekly.vacuumed("worn_down") == 1
        return f"{victim} killed, the report said {told!r}; apply cleared: {[one[1:] for one in receipts]}"

    def down_and_up_again(self) -> str:
        """Everything that was there is there: users, runs, reports, decisions, receipts."""
        before = self.weekly.receipts(self.approved)
        self.stack.down()
        assert self.stack.containers() == []
        self.stack.up()
        assert self.weekly.receipts(self.approved) == before
        report = self.weekly.report(self.approved)
        assert self.stack.api("dora").get(f"/api/v2/dags/{DAILY}")["is_paused"] is False
        return f"the first weekly's report still says: {report['headline']}"

    def the_ledger_of_the_previous_version_is_upgraded(self) -> str:
        """The previous revision's tables with all rows; `up` migrates it, and what people decided still verifies."""
        if len(revisions()) < 2:
            return "there is no previous revision"
        before = self.weekly.receipts(self.approved)
        self.stack.down()
        self.stack.start("postgres")
        as_owner = partial(self.stack.server, "upkeep", OWNER, "LEDGER_OWNER_PASSWORD")
        earlier, rows = set_back(self.stack.server, as_owner, OWNER)
        assert self._revision() == earlier != head()
        self.stack.up()
        assert self._revision() == head()
        assert self.weekly.receipts(self.approved) == before
        verified = self.stack.inside(self.stack.containers("worker")[0], "python", "-m", "upkeep", "ledger", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        report = self.weekly.report(self.approved)["headline"]
        run = self.weekly.trigger(conf=OPTIMISATION | {"dry_run": True})
        assert self.weekly.finish(run) == "success"
        was = f"{earlier} with {rows} rows is {head()} and verifies, a window ran on it"
        return f"{was}; the first weekly's report still says: {report}"

    def _revision(self) -> str:
        with self.stack.server("upkeep") as opened:
            ((found,),) = opened.execute("SELECT version_num FROM upkeep.ledger_version").fetchall()
        return str(found)

    def _approve(self, run: str) -> None:
        for role in self.weekly.holders:
            answer = self.weekly.answer(run, role)
            assert answer.status_code == 200, answer.text

    def _unpause(self, dag: str) -> None:
        answer = self.stack.api("admin").request("PATCH", f"/api/v2/dags/{dag}", json={"is_paused": False})
        assert answer.ok, answer.text

    def _vacuuming(self) -> str:
        ours = "query LIKE 'VACUUM%worn_down%' AND state = 'active'"
        with self.stack.platform() as opened:
            row = opened.execute(f"SELECT host(client_addr) FROM pg_stat_activity WHERE {ours}".encode()).fetchone()
        return str(row[0]) if row else ""


def main() -> int:
    """Every step, with its seconds; 1 when one did not hold."""
    images.install()
    stack = Stack()
    trial = Trial(stack)
    try:
        began = time.monotonic()
        made = stack.build()
        print(f"images: {', '.join(made) or 'those that were here'} ({time.monotonic() - began:.0f} s)", flush=True)
        for step in (
            trial.a_secret_that_is_missing_is_named,
            trial.it_comes_up,
            trial.its_containers_may_do_little,
            trial.a_daily_window,
            trial.two_people_approve_a_weekly_plan,
            trial.a_worker_is_killed_in_the_middle_of_apply,
            trial.down_and_up_again,
            trial.the_ledger_of_the_previous_version_is_upgraded,
        ):
            began = time.monotonic()
            said = step()
            print(f"{step.__name__.replace('_', ' ')}: {said} ({time.monotonic() - began:.0f} s)", flush=True)
    except AssertionError as failed:
        print(f"{step.__name__.replace('_', ' ')}: FAILED: {failed}", flush=True)
        for name in stack.containers():
            print(f"--- {name}\n{stack.log(name)}")
        return 1
    finally:
        stack.remove()
    print(f"{PROJECT}: all of it held")
    return 0


if __name__ == "__main__":
    sys.exit(main())
