"""The daily window from end to end: real Airflow processes, the real twin, real PostgreSQL, over REST."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import psutil
import psycopg
import pytest
import requests

from sandbox import processes, stack
from tests.e2e.conftest import DAG, RUNS, Running, anonymous
from tests.stages.ok_means import ANSWERS, CHECKS, INSPECTIONS, places
from upkeep.areas import answers
from upkeep.wires.functions.transport import key_headers

#: The daily looks, as docs/what-ok-means.md has them and ``tests/flow`` holds against the DAG.
STEPS = {
    f"{place.removeprefix('daily ')}.{name.rpartition(' ')[2]}"
    for title in (CHECKS, ANSWERS, INSPECTIONS)
    for name, where in places(title).items()
    for place in where
    if place.startswith("daily ")
}


def scheduled(running: Running) -> str:
    """The run that ``up`` waited for."""
    runs = running.api("viewer").get(f"{RUNS}?run_type=scheduled&limit=1")["dag_runs"]
    return str(runs[0]["dag_run_id"])


def by_key(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The findings of a report by their key."""
    return {finding["key"]: finding for finding in report["findings"]}


def test_up_says_where_everything_is(running: Running) -> None:
    """URL, report, logins: what ``make demo`` prints is enough to look at the first report."""
    sandbox = running.sandbox
    assert f"{sandbox.url}/dags/{DAG}" in running.printed
    for user in ("admin", "operator", "viewer"):
        assert f"{user} / {sandbox.passwords[user]}" in running.printed
    line = next(line for line in running.printed.splitlines() if line.strip().startswith("Report"))
    answer = running.api("viewer").request("GET", line.split()[-1].removeprefix(sandbox.url))
    assert answer.status_code == 200
    assert "text/html" in answer.headers["Content-Type"]


def test_up_again_is_harmless(running: Running) -> None:
    """A second ``up`` starts nothing and runs nothing."""
    begun = datetime.now(UTC)
    before = running.windows(begun, "daily")  # unpausing the weekly one opens its own
    again = running.cli("up")
    running.pause_alerts()
    assert again.returncode == 0, again.stdout + again.stderr
    assert "up already" in again.stdout
    assert running.windows(begun, "daily") == before


def test_the_scheduled_window_is_the_calendars(running: Running) -> None:
    """The window of the schedule's run is due at 02:00 and is about the 24 hours before (X7, G1)."""
    run = scheduled(running)
    found = running.ledger(
        "SELECT kind, due AT TIME ZONE 'UTC', deadline - due, period_end - period_start, period_end = due, outcome"
        " FROM upkeep.windows WHERE run_id = %s",
        run,
    )
    ((kind, due, length, period, ends_due, outcome),) = found
    assert (kind, due.hour, due.minute, ends_due) == ("calendar", 2, 0, True)
    assert (length.total_seconds(), period.total_seconds()) == (1800, 86400)
    assert outcome == running.report(run)["level"]


def test_a_manual_run_reports_all_steps(running: Running) -> None:
    """A person triggers; every step ran, the findings say who asked, the answers are kept with their digests."""
    run = running.trigger()
    state = running.finish(run)
    report = running.report(run)
    assert {step["step"] for step in report["steps"]} == STEPS
    assert {step["state"] for step in report["steps"]} == {"ran"}
    assert report["run"]["requested_by"] == "operator"
    assert (state == "failed") == report["red"]
    findings = by_key(report)
    assert findings["metric:overall_health"]["guide"] == "G32"
    assert findings["connections"]["metadata"]["available"] == 97
    kept = running.ledger(
        "SELECT a.function, a.action, encode(sha256(convert_to(a.body, 'UTF8')), 'hex') = a.digest"
        " FROM upkeep.answers a JOIN upkeep.steps s ON s.id = a.step_id WHERE s.run_id = %s ORDER BY 1, 2",
        run,
    )
    assert kept == sorted((call.function, call.action, True) for call in answers.DAILY)


def broken(running: Running, run: str, step: str, function: str, said: str) -> None:
    """A function's branch failed in red; the report is there all the same and says UNKNOWN, and why."""
    states = running.states(run)
    assert (states[step], states["report"]) == ("failed", "success")
    finding = by_key(running.report(run))[f"step:{step}"]
    assert finding["level"] == "unknown"
    assert said in finding["detail"]
    assert "upkeep_functions" in finding["detail"] or function in finding["detail"]


#: Function → how it is broken, a step that asks it, what is said of it.
BROKEN = {
    "error-tracking": ("http_500", "errors.get_error_analytics", "found status 500"),
    "production-monitoring": ("truncated", "health.system_status", "JSON"),
    "database-scalability": ("html", "database.scalability_report", "JSON"),
}


def test_broken_functions_are_unknown_and_the_others_go_on(running: Running) -> None:
    """X3: each branch for itself; the steps that ask no function ran."""
    running.fault({function: fault for function, (fault, *_) in BROKEN.items()})
    run = running.trigger({"groups": ["errors", "health", "database"]})
    running.finish(run)
    assert running.states(run)["database.connections"] == "success"
    for function, (_, step, said) in BROKEN.items():
        broken(running, run, step, function, said)


def test_a_cleared_step_heals_the_report_and_the_old_one_stays(running: Running) -> None:
    """The unknown disappears when the step is cleared and runs again; the earlier report stays addressable (G11)."""
    running.fault({"error-tracking": "success_false"})
    run = running.trigger({"groups": ["errors"]})
    running.finish(run)
    broken(running, run, "errors.get_error_analytics", "error-tracking", "error-tracking")
    ((first,),) = running.ledger("SELECT id FROM upkeep.reports WHERE run_id = %s", run)
    running.fault({})
    answer = running.api("operator").request(
        "POST",
        f"/api/v2/dags/{DAG}/clearTaskInstances",
        json={
            "dag_run_id": run,
            "task_ids": ["errors.get_error_analytics"],
            "include_downstream": True,
            "only_failed": False,
            "dry_run": False,
        },
    )
    assert answer.ok, answer.text
    query = "SELECT count(*) FROM upkeep.reports WHERE run_id = %s"
    running.wait(lambda: running.ledger(query, run) == [(2,)])
    running.finish(run)
    assert "step:errors.get_error_analytics" not in by_key(running.report(run))
    older = running.api("viewer").get(f"/upkeep/dags/{DAG}/reports/{first}.json")
    assert "step:errors.get_error_analytics" in by_key(older)


def test_a_locked_table_ends_by_the_servers_clock(running: Running) -> None:
    """X11: a check that meets a lock gives up by lock_timeout, names the setting, and the others go on."""
    with psycopg.connect(running.sandbox.cluster.dsn("platform")) as holder:
        holder.execute("LOCK TABLE error_logs IN ACCESS EXCLUSIVE MODE")
        run = running.trigger({"groups": ["database"]})
        running.finish(run)
    finding = by_key(running.report(run))["step:database.table_sizes"]
    assert finding["level"] == "unknown"
    assert "sql.lock_timeout_seconds" in finding["detail"]
    assert running.states(run)["database.connections"] == "success"


@pytest.fixture
def unwatched(running: Running) -> Iterator[None]:
    """No triggerer, whose watch calls the functions every few seconds."""
    processes.ask(running.sandbox, "stopProcess", "triggerer")
    yield
    processes.ask(running.sandbox, "startProcess", "triggerer")


@pytest.mark.usefixtures("unwatched")
def test_a_dry_run_asks_nothing(running: Running) -> None:
    """A dry run says what would have been asked, sends no call and makes no finding red."""
    log = running.sandbox.folder / "logs" / "functions.log"
    before = log.read_text().count("POST /functions")
    run = running.trigger({"dry_run": True})
    assert running.finish(run) == "success"
    report = running.report(run)
    assert {step["state"] for step in report["steps"]} == {"not collected"}
    assert all("dry run" in step["reason"] for step in report["steps"])
    assert log.read_text().count("POST /functions") == before


@pytest.fixture(scope="module")
def partial(running: Running) -> str:
    """A run of one group, with parameters that nobody declared."""
    hostile = {"conn_id": "evil", "sql": "DROP TABLE error_logs", "target": "other", "url": "http://127.0.0.1:1"}
    run = running.trigger({"groups": ["database"], **hostile})
    running.finish(run)
    return run


def test_groups_left_out_are_not_collected(running: Running, partial: str) -> None:
    """What the form leaves out is in the report as not collected, never as healthy, and needs no process."""
    run = partial
    left_out = running.api("admin").get(f"{RUNS}/{quote(run, safe='')}/taskInstances/health.system_status")
    assert (left_out["state"], left_out["try_number"]) == ("skipped", 0)
    steps = {step["step"]: step for step in running.report(run)["steps"]}
    assert steps["health.system_status"]["state"] == "not collected"
    assert "left out by operator" in steps["health.system_status"]["reason"]
    assert steps["health.system_status"]["log_url"] == ""
    assert steps["database.connections"]["state"] == "ran"
    assert steps["database.connections"]["log_url"]


@pytest.mark.parametrize(
    "conf",
    [
        {"groups": ["health; DROP TABLE users"]},
        {"groups": ["../../etc"]},
        {"groups": "database"},
        {"dry_run": "yes"},
    ],
)
def test_the_form_takes_nothing_but_its_names(running: Running, conf: dict[str, Any]) -> None:
    """A parameter that is no name of the form is refused before a run exists."""
    answer = running.api("operator").request("POST", RUNS, json={"logical_date": None, "conf": conf})
    assert answer.status_code == 400, answer.text


def test_parameters_that_nobody_declared_reach_nothing(running: Running, partial: str) -> None:
    """A connection, URL or SQL in the run's conf changes no call and no statement."""
    report = running.report(partial)
    assert report["target"]["name"] == "primary"
    assert {step["state"] for step in report["steps"] if step["group"] == "database"} == {"ran"}


def test_pages_stand_behind_airflows_permissions(running: Running) -> None:
    """Anonymous 401, viewer 200, another DAG's name 403 or 404, and the CSP on every answer."""
    run = scheduled(running)
    refused = anonymous(running, running.page(run))
    assert refused.status_code == 401
    allowed = running.api("viewer").request("GET", running.page(run))
    assert allowed.status_code == 200
    missing = running.api("viewer").request("GET", running.page("no-such-run"))
    assert missing.status_code == 404
    for answer in (refused, allowed, missing):
        assert answer.headers["Content-Security-Policy"].startswith("sandbox")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_no_key_or_password_is_written_anywhere(running: Running) -> None:
    """X2: no log, no ledger row, no report and no XCom holds an API key or a password of a Connection."""
    running.fault({"production-monitoring": "http_500"})
    running.finish(running.trigger({"groups": ["health"]}))
    sandbox = running.sandbox
    key = json.loads(stack.environment(sandbox)["AIRFLOW_CONN_UPKEEP_FUNCTIONS"])["password"]
    assert key_headers(key)["Authorization"].endswith(key)
    logins = ("upkeep_owner", "upkeep_tasks", "upkeep_dashboard", "upkeep_read")
    secrets = [key.encode(), sandbox.secret_key.encode(), *(sandbox.passwords[name].encode() for name in logins)]
    # The signature is drawn anew with each `iat`; header and subject of a JWT are secret enough to search for.
    secrets.append(key.split(".")[2].encode())
    files = [file for part in ("logs", "airflow/logs") for file in (sandbox.folder / part).rglob("*.log")]
    assert any("task_id=health.system_status" in str(file) for file in files)
    leaked = [file for file in files if any(secret in file.read_bytes() for secret in secrets)]
    assert leaked == []
    for table in ("windows", "steps", "findings", "samples", "answers", "reports"):
        text = "".join(row for (row,) in running.ledger(f"SELECT t::text FROM upkeep.{table} t")).encode()
        assert text
        assert not [secret for secret in secrets if secret in text]


def test_a_scheduler_that_dies_is_started_again(running: Running) -> None:
    """kill -9 while it has a run locked and tasks of it queued: its workers hold the session, and yet the run ends."""
    run = running.wait(lambda: run_locked(running))
    running.kill("scheduler")  # what is suspended is killed all the same
    running.wait(lambda: processes.healthy(running.sandbox))
    assert running.finish(run) in ("success", "failed")
    assert running.finish(running.trigger({"groups": ["database"]})) in ("success", "failed")


def run_locked(running: Running) -> str | None:
    """Trigger a run and stop the scheduler while it has it locked; None where the run ends before that."""
    run = running.trigger({"groups": ["database"]})
    stopped = running.wait(lambda: running.ended(run) or stopped_with_locked(running, run), most=0.1)
    return run if stopped is True else None


def stopped_with_locked(running: Running, run: str) -> bool:
    """Stop the scheduler; unless it has just then this run locked, and tasks of it queued, it goes on."""
    scheduler = psutil.Process(processes.ask(running.sandbox, "getProcessInfo", "scheduler")["pid"])
    scheduler.suspend()
    held = False
    try:
        with psycopg.connect(running.sandbox.cluster.dsn("airflow")) as opened:
            queued = opened.execute("SELECT FROM task_instance WHERE run_id = %s AND state = 'queued'", [run]).rowcount
            free = opened.execute("SELECT FROM dag_run WHERE run_id = %s FOR UPDATE SKIP LOCKED", [run]).rowcount
        held = not free and queued > 0
    finally:
        if not held:
            scheduler.resume()
    return held


def test_everything_listens_on_loopback_only(running: Running) -> None:
    """No process of the sandbox can be reached from another machine."""
    mine = {process.pid for process in processes.leftovers(running.sandbox)}
    listening = [
        connection.laddr
        for connection in psutil.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN and connection.pid in mine
    ]
    used = {port for name, port in running.sandbox.ports.items() if name != "redis"}  # Celery's alone
    assert {address.port for address in listening} >= used
    assert {address.ip for address in listening} <= {"127.0.0.1", "::1"}


def test_a_ledger_that_is_away_is_said(running: Running) -> None:
    """With the ledger's database refusing logins the page says so, with the Connection's name, and comes back.

    A session that a page keeps for the next one is not refused: it is ended.
    """
    run = scheduled(running)
    kept = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'upkeep_dashboard'"
    with psycopg.connect(running.sandbox.cluster.dsn("postgres"), autocommit=True) as opened:
        assert running.api("viewer").request("GET", running.page(run)).status_code == 200  # now one is kept
        opened.execute("ALTER DATABASE upkeep ALLOW_CONNECTIONS false")
        opened.execute(kept)
        try:
            answer = running.api("viewer").request("GET", running.page(run))
            assert answer.status_code == 503
            assert "upkeep_ledger_dashboard" in answer.text
        finally:
            opened.execute("ALTER DATABASE upkeep ALLOW_CONNECTIONS true")
    assert isinstance(running.report(run), dict)
    assert requests.get(f"{running.sandbox.url}/api/v2/monitor/health", timeout=30).ok
