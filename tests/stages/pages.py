"""The pages behind a port of their own, asked over HTTP by people whom Airflow's simple auth manager knows."""

from __future__ import annotations

import shutil
import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import requests
import uvicorn
from fastapi import FastAPI, HTTPException, Request

from sandbox.ports import free_port
from tests.stages.config import write as write_config
from tests.stages.config import written
from tests.stages.ledger import Ledger, finding, record, write
from tests.stages.plans import action, show
from upkeep.areas.alerts.judge import judge
from upkeep.areas.calendar.reconcile import bring_up_to_date
from upkeep.core.findings import Level, Sample
from upkeep.core.windows import Window, WindowKind
from upkeep.gate.plan_store import add_plan
from upkeep.gate.plans.model import Plan
from upkeep.ledger.write import add_report
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings
from upkeep.settings.maintenance import Maintenance
from upkeep.wires.database import Connect

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn, about Starlette's test client for one
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.api_fastapi.core_api.security import get_user

    from upkeep.dashboard.alerts import may_read_alerts
    from upkeep.dashboard.app import create_app, may_read_runs
    from upkeep.dashboard.pages import Around
    from upkeep.dashboard.questions import Task
    from upkeep.dashboard.reading import KEPT
    from upkeep.dashboard.visitors import Deed

#: Whom Airflow knows, with their roles there; those after the first two have a role in config, named like it.
USERS = {"vera": "viewer", "uma": "user", "dora": "user", "omar": "user", "vito": "viewer"}
HOSTILE = "<script>alert(1)</script>\"'\u202e{{ 7*7 }}"
PEOPLE = {"dba": ["dora", "vito"], "devops": ["omar"]}


def config_with(folder: Path, *targets: str) -> Settings:
    """The shipped configuration with these targets and with people."""
    copied = Path(shutil.copytree(ROOT / "config", folder / "config"))
    file = copied / "maintenance.yaml"
    content = written(file)
    first = content["targets"]["primary"]
    content["targets"] = {name: first | {"title": f"Title of {name}"} for name in targets}
    content["people"] = {name: {} for names in PEOPLE.values() for name in names}
    for role, names in PEOPLE.items():
        content["roles"][role]["users"] = names
    write_config(file, content)
    return settings(copied)


def _who(request: Request) -> SimpleAuthManagerUser:
    """In place of a token: the name that the test's client sends."""
    name = request.headers.get("X-User", "")
    if name not in USERS:
        raise HTTPException(401, "Not authenticated")
    return SimpleAuthManagerUser(username=name, role=USERS[name])


@dataclass
class Site:
    """The pages, and what is around them."""

    url: str
    config: Settings
    now: datetime
    hidden: frozenset[str] = frozenset()
    waiting: set[Task] = field(default_factory=set)
    instance: str | None = None
    people: Maintenance | None = None
    says: tuple[int, str] = (200, "{}")
    answers: list[tuple[Mapping[str, str], Task, Mapping[str, Any]]] = field(default_factory=list)

    def ask(self, path: str = "/", user: str | None = "vera", **headers: str) -> requests.Response:
        """A GET by somebody, or by nobody."""
        return self.send("GET", path, user, headers)

    def send(
        self, method: str, path: str, user: str | None, headers: Mapping[str, str], data: Any = None
    ) -> requests.Response:
        """Any request; redirects are not followed."""
        session = requests.Session()
        session.trust_env = False
        said = {"X-User": user} if user else {}
        return session.request(
            method, self.url + path, headers={**said, **headers}, data=data, timeout=30, allow_redirects=False
        )

    def allowed(self, user: Any, deed: Deed, dag_ids: Collection[str]) -> frozenset[str]:
        """What the simple auth manager says, less the DAGs that are hidden from everybody."""
        method: Any = "GET" if deed == "read" else "PUT"
        good = SimpleAuthManager().is_authorized_dag(method=method, user=user)
        return frozenset(dag_ids) - self.hidden if good else frozenset()

    async def answer(self, login: Mapping[str, str], task: Task, answer: Mapping[str, Any]) -> tuple[int, str]:
        """In place of Airflow's route: what it was given is kept, and it says what the test wants it to."""
        self.answers.append((login, task, answer))
        return self.says


@contextmanager
def served(
    config: Settings, connect: Connect, now: datetime | None = None, within: Callable[[FastAPI], FastAPI] | None = None
) -> Iterator[Site]:
    """The app behind a port, alone or ``within`` another one; its clock stands still where ``now`` is given."""
    port = free_port()
    site = Site(f"http://127.0.0.1:{port}", config, now or datetime.now(UTC))
    around = Around(
        allowed=site.allowed,
        waiting=lambda _: frozenset(site.waiting),
        instance=lambda *_: site.instance,
        answer=site.answer,
        people=lambda: site.people or site.config.maintenance,
        clock=lambda: site.now,
        secret=lambda: "a secret of the tests",
    )
    app = create_app(connect, "my_ledger", around=around, config=config, keep=KEPT)
    app.dependency_overrides[get_user] = _who
    app.dependency_overrides[may_read_runs] = app.dependency_overrides[may_read_alerts] = _who
    whole = within(app) if within else app
    server = uvicorn.Server(uvicorn.Config(whole, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield site
    finally:
        server.should_exit = True
        thread.join()
        app.state.ledger.close()


def as_dashboard(book: Ledger) -> Connect:
    """The dashboard's own login, which may read and little else."""
    return lambda: psycopg.connect(book.dsn("dashboard"), connect_timeout=30)


def window_of(target: str, cadence: str, due: datetime, number: int = 1, **fields: Any) -> Window:
    """A window of the calendar with its run."""
    given: dict[str, Any] = {
        "target": target,
        "cadence": cadence,
        "kind": WindowKind.CALENDAR,
        "due": due,
        "deadline": due + timedelta(minutes=30),
        "period_start": due - timedelta(days=1),
        "period_end": due,
        "run_id": f"scheduled__{due:%Y-%m-%dT%H:%M}+00:00",
        "dag_id": f"maintenance_{cadence}",
        "requested_by": "the schedule",
        "instance": str(number),
    }
    return Window(**(given | fields))


def reported(book: Ledger, window: Window, level: str, headline: str) -> None:
    """A report of the window."""
    with book.session() as session:
        add_report(session, window, level=level, headline=headline, html="<p>the report</p>", body={"counts": {}})


def became(book: Ledger, window: Window, state: str, reason: str = "") -> None:
    """What the calendar's row of this window says."""
    since = window.due - timedelta(days=60)
    book.change(
        """WITH known AS (INSERT INTO upkeep.calendars VALUES (%s, %s, %s, %s, NULL) ON CONFLICT DO NOTHING)
           INSERT INTO upkeep.due_windows (target, cadence, due, deadline, state, reason)
           VALUES (%s, %s, %s, %s, %s, %s)""",
        *(window.target, window.cadence, since, datetime.now(UTC)),
        *(window.target, window.cadence, window.due, window.deadline, state, reason),
    )


def lively(book: Ledger, target: str, now: datetime, days: int = 30) -> Window:
    """A month of windows of every sort, with stories that are new, old and of several owners; returns the newest."""
    first = (now - timedelta(days=days)).replace(hour=2, minute=0, second=0, microsecond=0)
    newest = None
    for number in range(days + 1):
        due = first + timedelta(days=number)
        window = window_of(target, "daily", due, number)
        if due > now or number % 11 == 9:
            became(book, window, "missed", "no run began before its deadline")
            continue
        if number % 13 == 5:
            became(book, window, "waived", "dora (Database Administrator): the platform moved that night")
            continue
        slow = finding(
            "metric:response_time", Level.WARNING if number > days - 3 else Level.OK, subject="Response time"
        )
        full = finding(
            "metric:database_connections",
            Level.CRITICAL if number > days - 12 else Level.OK,
            subject="Database connections",
            detail="93 % of 100 are taken",
            remedy="Find who holds them: pg_stat_activity, by application_name.",
        )
        quiet = finding("audit:rls_off:public.jobs", Level.ADVISORY, subject="Row security is off on public.jobs")
        samples = (Sample("response_time", 431.0, "ms"), Sample("database_connections", 93.0, "%"))
        write(
            book,
            window,
            record(full, slow, step="health.system_status", at=due, samples=samples),
            record(quiet, step="database.rls", at=due),
        )
        level = "critical" if number > days - 12 else "warning" if number == 7 else "ok"
        reported(book, window, level, f"1 {level} of 3 findings — Database connections: 93 % of 100 are taken")
        became(book, window, "late" if number % 13 == 3 else "done")
        newest = window
    assert newest
    return newest


CHECKLIST = (
    {"guide": "G123", "title": "Performance optimization review", "state": "look at it", "evidence": "2 warning"},
)


def planned(
    book: Ledger, target: str, now: datetime, roles: tuple[str, ...] = ("dba", "devops"), *, name: str = "error_logs"
) -> Plan:
    """A weekly plan of three actions, the third for DevOps alone, shown to each of the roles; ``name`` is in each."""
    window = window_of(target, "weekly", now - timedelta(hours=1), run_id=f"scheduled__{target}")
    actions = (
        action("1", table=name, because=f"at least 10 % of {name} is dead"),
        action("2", verb="drop", table=name, undo=f"CREATE INDEX {name}", predicted_bytes=2048),
        action("3", table=name, roles=("devops",), needs=("1",)),
    )
    plan = Plan(
        target=target,
        cadence="weekly",
        dag_id=window.dag_id,
        run_id=window.run_id,
        due=window.due,
        requested_by="the schedule",
        database="platform",
        not_before=window.due,
        not_after=now + timedelta(hours=1),
        outside=False,
        actions=actions,
        instance=window.instance,
    )
    write(book, window)
    with book.session() as session:
        digest = add_plan(session, window, plan, {"2": {"bytes": 576 * 1024}}, CHECKLIST).digest
    for role in roles:
        show(book, digest, role, list(plan.ids_for(role)), ["dora", "vito"] if role == "dba" else ["omar"])
    return plan


def judged(book: Ledger, config: Settings, now: datetime) -> None:
    """What maintenance_alerts does: bring the calendar up to date, and what is in trouble into the ledger."""
    with book.session() as session:
        found = bring_up_to_date(session, config, now)
    with book.session() as session:
        judge(session, config, found, (), lambda dag_id, run_id: f"{dag_id}/{run_id}", lambda run: True, now)
