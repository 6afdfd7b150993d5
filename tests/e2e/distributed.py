"""A weekly window on two Celery workers and two schedulers, each of which can be killed, and what became of it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from sandbox import distributed, processes
from sandbox.config import RETENTION, rewrite_config
from sandbox.stack import HOLDERS
from tests.e2e.attacks import Attacks
from tests.e2e.broker import Broker
from tests.stages.stage import SLOW
from upkeep.areas.backups.copies import PREFIX

#: Role → who holds it.
HOLDER = {role: person for person, role in HOLDERS.items()}
moment = datetime.fromisoformat


@dataclass
class Distributed(Attacks):
    """Attacks, on workers and what is between them."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    #: Prints a row as soon as it is known, past pytest's capture.
    show: Callable[[str], Any] = print

    # Processes ------------------------------------------------------------------------------------------------

    def pid(self, name: str) -> int:
        """The process that supervisord has started for a program."""
        return int(processes.ask(self.running.sandbox, "getProcessInfo", name)["pid"])

    def worker_of(self, process: psutil.Process) -> str:
        """The worker below which a process runs."""
        mains = {self.pid(name): name for name in distributed.WORKERS}
        return next(mains[parent.pid] for parent in process.parents() if parent.pid in mains)

    def kill_all_of(self, *names: str) -> None:
        """SIGKILL to programs and all that they started, as when a machine goes; supervisord starts them again."""
        mains = [psutil.Process(self.pid(name)) for name in names]
        trees = [process for main in mains for process in (main, *main.children(recursive=True))]
        for process in trees:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for main in mains:
            with suppress(ProcessLookupError):  # who was born meanwhile
                os.killpg(main.pid, signal.SIGKILL)
        self.running.wait(lambda: not any(process.is_running() and alive(process) for process in trees))
        self.running.wait(lambda: all(self.restarted(name, mains) for name in names))

    def kill_main_of(self, name: str) -> None:
        """SIGKILL to a program's first process alone: what it has started goes on without it."""
        main = psutil.Process(self.pid(name))
        main.kill()
        self.running.wait(lambda: self.restarted(name, [main]))

    def restarted(self, name: str, before: list[psutil.Process]) -> bool:
        info = processes.ask(self.running.sandbox, "getProcessInfo", name)
        return info["statename"] == "RUNNING" and info["pid"] not in {one.pid for one in before}

    def seconds(self, run: str, dag: str = "maintenance_daily") -> float:
        """How long a run took."""
        found = self.running.api("admin").get(f"/api/v2/dags/{dag}/dagRuns/{quote(run, safe='')}")
        return (moment(found["end_date"]) - moment(found["start_date"])).total_seconds()

    def hosts(self, run: str, dag: str = "") -> Counter[str]:
        """Worker → how many of a run's tasks it ran."""
        path = f"/api/v2/dags/{dag or self.dag}/dagRuns/{quote(run, safe='')}/taskInstances"
        found = self.running.api("admin").get(path)["task_instances"]
        return Counter(one["hostname"] for one in found if one["hostname"])

    # In the middle --------------------------------------------------------------------------------------------

    @contextmanager
    def slowly(self) -> Iterator[None]:
        """VACUUM takes a quarter of a minute and longer for whoever begins to apply in here."""
        with self.config(lambda config: config["optimise"].update(SLOW)):
            yield

    def in_the_middle(self, table: str, more: int = 0) -> str:
        """A run whose approved VACUUM of a fresh table runs; whoever applies next is quick again.

        With ``more`` rows it takes longer, about a minute for 10,000.
        """
        self.make_dirty(table)
        with self.target() as admin:
            name = sql.Identifier(table)
            admin.execute(
                sql.SQL("INSERT INTO {} SELECT 3000 + n, 'a' FROM generate_series(1, {}) n").format(name, more)
            )
            for note in "de" if more else "":
                admin.execute(sql.SQL("UPDATE {} SET note = {}").format(name, note))
        with self.slowly():
            run = self.trigger()
            self.asked(run)
            for role in self.holders:
                assert self.approve(run, role, table).status_code == 200
            self.running.wait(lambda: self.vacuuming(table))
        return run

    def vacuuming(self, table: str) -> bool:
        ours = "SELECT 1 FROM pg_stat_activity WHERE query LIKE %s AND state = 'active' AND pid <> pg_backend_pid()"
        try:
            with self.target() as admin:
                return bool(admin.execute(ours, [f"VACUUM%{table}%"]).fetchall())
        except psycopg.OperationalError:
            return False

    def no_statement_runs(self, table: str) -> None:
        self.running.wait(lambda: not self.vacuuming(table))

    def outcome(self, run: str) -> list[tuple[int, str | None]]:
        """(attempt, outcome) of each permit."""
        return [(attempt, outcome) for _, attempt, outcome in self.receipts(run)]

    # Servers --------------------------------------------------------------------------------------------------

    @contextmanager
    def turned_away(self, *logins: str) -> Iterator[None]:
        """For a while the server knows these logins not and ends their sessions."""
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY(%s)"
        with psycopg.connect(self.running.sandbox.cluster.dsn("postgres"), autocommit=True) as admin:
            for login in logins:
                admin.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(login)))
            admin.execute(ended, [list(logins)])
            try:
                yield
            finally:
                for login in logins:
                    admin.execute(sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(login)))

    def restart(self, name: str) -> None:
        """Stop one of the sandbox's programs as its owner would, and start it again."""
        processes.ask(self.running.sandbox, "stopProcess", name)
        processes.ask(self.running.sandbox, "startProcess", name)

    @property
    def queue(self) -> Broker:
        """What lies between schedulers and workers."""
        return Broker(self.running.sandbox)

    def workers_said(self, text: str) -> int:
        """How often the workers' logs have a text."""
        logs = (self.running.sandbox.folder / "logs").glob("worker-*.log*")
        return sum(log.read_text(errors="replace").count(text) for log in logs)

    @contextmanager
    def small_logs(self) -> Iterator[Callable[[], None]]:
        """A small file system in place of Airflow's folder of task logs, as root may mount one; what fills it up."""
        assert os.geteuid() == 0, "only root may mount a small file system"
        folder = self.running.sandbox.folder / "airflow" / "logs"
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "upkeep-trial", str(folder)], check=True)

        def fill() -> None:
            with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass

        try:
            yield fill
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)

    # Archives and copies --------------------------------------------------------------------------------------

    @contextmanager
    def archiving(self, folder: Path) -> Iterator[tuple[str, list[str]]]:
        """A run that may archive alerts into a folder, approved by all whom it asks, and the ids of its archives.

        Of one month there are so many that its archive takes seconds.
        """
        sandbox = self.running.sandbox
        file = sandbox.folder / "config" / RETENTION
        before = file.read_text()
        rewrite_config(sandbox, lambda config: config["locations"]["local"].update(path=str(folder)), RETENTION)
        alerts = (
            "INSERT INTO performance_alerts (created_at, metric, value, threshold, severity) SELECT now()"
            " - interval '118 days', 'archived', random(), 1, 'warning' FROM generate_series(1, 400000)"
        )
        try:
            with self.target() as admin:
                admin.execute(alerts)
            run = self.trigger(conf={"groups": ["logs"]})
            self.asked(run, "dba", "security")
            wanted = [one["id"] for one in self.plan(run)["actions"] if one["kind"] == "archive"]
            self.reject_but(run, "dba", "security")
            for role in ("dba", "security"):
                answer = self.answer(run, role, user=HOLDER[role], actions=wanted, comment=None)
                assert answer.status_code == 200, answer.text
            yield run, wanted
        finally:
            file.write_text(before)
            with self.target() as admin:
                admin.execute("DELETE FROM performance_alerts WHERE metric = 'archived'")

    def reject_but(self, run: str, *roles: str) -> None:
        """Every other role that is asked says no."""
        for role, person in HOLDER.items():
            if role in roles:
                continue
            state = self.until(run, f"approve.{role}", "awaiting_input", "skipped", "success")["state"]
            if state == "awaiting_input":
                self.asked(run, role)
                assert self.answer(run, role, "Reject", user=person).status_code == 200

    def restored_copies(self) -> list[Path]:
        """Copies of a backup in the scratch folder."""
        return list(self.running.sandbox.backups.scratch.glob(f"{PREFIX}*"))

    def restored_servers(self) -> list[psutil.Process]:
        """Servers that run on such copies."""
        scratch = str(self.running.sandbox.backups.scratch)
        found = psutil.process_iter(["cmdline"])
        return [one for one in found if any(scratch in word for word in one.info["cmdline"] or ())]

    # What was seen --------------------------------------------------------------------------------------------

    def ends(self, run: str) -> tuple[str, float]:
        """How a run ended by itself, and after how many seconds from now."""
        began = time.monotonic()

        def ended() -> str | None:
            with suppress(OSError):  # requests' errors: the api-server may be without its database
                state = self.running.api("admin").get(self.path(run))["state"]
                return state if state in ("success", "failed") else None
            return None

        return str(self.running.wait(ended)), time.monotonic() - began

    def cleared(self, run: str) -> list[tuple[int, str | None]]:
        """What a person does after the report said *unknown*: clear apply; the permits then."""
        steps = self.applied_times(run)
        assert self.clear(run, "apply").status_code == 200
        self.applied(run, steps + 1)
        self.finish(run)
        return self.outcome(run)

    def once(self, fault: str, run: str, table: str, promised: str, so_far: str = "") -> None:
        """Wait for a run to end by itself, clear apply where the report asks for it, and see what was done once."""
        state, seconds = self.ends(run)
        self.no_statement_runs(table)  # whose client was killed: the server may still be at it
        seen = f"{so_far}run {state} by itself {seconds:.0f} s after, {told(self.outcome(run))}"
        if [outcome for _, outcome in self.outcome(run)][-1:] != ["done"]:
            seen += f", “{self.headline(run)}”; after Clear on apply {told(self.cleared(run))}"
        outcomes = [outcome for _, outcome in self.outcome(run)]
        assert outcomes.count("done") == 1 and None not in outcomes, seen
        assert self.vacuumed(table) == 1, seen
        self.saw(fault, promised, seen)

    def headline(self, run: str) -> str:
        """What a run's report says first."""
        return str(self.report(run)["headline"]).partition(";")[0]

    def applied_times(self, run: str) -> int:
        return len(self.running.ledger("SELECT 1 FROM upkeep.steps WHERE run_id = %s AND step = 'apply'", run))

    def saw(self, fault: str, promised: str, seen: str) -> None:
        """Keep a row of the table."""
        self.rows.append((fault, promised, seen))
        self.show(f"| {fault} | {promised} | {seen} |")


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def told(permits: list[tuple[int, str | None]]) -> str:
    """Permits as a person reads them."""
    return ", ".join(f"permit {attempt}: {outcome or 'no receipt'}" for attempt, outcome in permits) or "no permit"
