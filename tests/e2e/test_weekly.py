"""The weekly window from end to end: plan, two people, permit, VACUUM, report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, expect

from sandbox.config import THRESHOLDS, rewrite_config
from tests.e2e.attacks import Attacks
from tests.e2e.conftest import Running, anonymous
from tests.e2e.pages import SLOW, keep, login
from tests.e2e.weekly import DAG, RUNS
from upkeep.core.windows import When
from upkeep.settings.base import ROOT

TABLES = ("worn_out", "worn_down")
GROUPS = ["optimisation", "indexes", "logs", "patches", "access", "trends", "capacity", "thresholds"]


@pytest.fixture(scope="module")
def silent(running: Running) -> Iterator[tuple[Attacks, str]]:
    """A run with four minutes to answer, begun before the other tests: one role answers it, the other one never.

    It is reminded a minute before they are over, which must come after it was asked.
    """

    def short(config: dict[str, Any]) -> None:
        config["approval"] |= {"closed_response_minutes": 3, "remind_minutes": 1}
        config["windows"]["weekly"]["length_minutes"] = 1

    found = Attacks(running)
    found.make_dirty("forgotten")
    with found.config(short):
        run = found.trigger()
        found.asked(run)
    assert found.answer(run, "dba").status_code == 200
    yield found, run
    found.end()
    found.drop("forgotten")


@pytest.fixture
def weekly(running: Running) -> Iterator[Attacks]:
    """Two tables full of dead rows, which are gone afterwards."""
    found = Attacks(running)
    found.make_dirty(*TABLES)
    yield found
    found.end()
    found.drop(*TABLES)


@pytest.mark.usefixtures("silent")
def test_two_people_approve_and_the_plan_is_applied(weekly: Attacks) -> None:
    """Outside the calendar says so; two roles, two people, done once, told in the report (G52, G59)."""
    run = weekly.trigger(conf={"groups": GROUPS})
    asked = weekly.asked(run)
    for question in asked.values():
        assert question["body"].startswith("**OUTSIDE THE CALENDAR — would run until ")
        assert all(f'"{table}"' in question["body"] for table in TABLES)
        assert question["options"] == ["Approve", "Reject"]
    before = {table: weekly.vacuumed(table) for table in TABLES}
    assert weekly.answer(run, "dba").status_code == 200
    assert weekly.answer(run, "devops").status_code == 200
    assert weekly.finish(run) == "success"
    assert {role: person for role, (person, _) in weekly.decisions(run).items()} == {"dba": "dora", "devops": "omar"}
    assert {outcome for _, _, outcome in weekly.receipts(run)} == {"done"}
    assert {table: weekly.vacuumed(table) for table in TABLES} == {table: count + 1 for table, count in before.items()}
    actions = {action["statement"]: action for action in weekly.report(run)["gate"]["actions"]}
    for table in TABLES:
        done = actions[f'VACUUM (ANALYZE, TRUNCATE false) "public"."{table}"']
        assert done["state"] == "done"
        assert done["before"]["dead_rows"] > 0
        assert done["after"]["dead_rows"] == 0


def test_a_subset_and_a_silence(weekly: Attacks) -> None:
    """{1, 2} and {2} permit only 2; the other is refused with who did not approve it."""
    run = weekly.trigger()
    weekly.asked(run)
    first, *others = weekly.ids(run, "dba")
    assert weekly.answer(run, "dba").status_code == 200
    assert weekly.answer(run, "devops", actions=others).status_code == 200
    assert weekly.finish(run) == "success"
    assert {action for action, _, _ in weekly.receipts(run)} == set(others)
    findings = {finding["metadata"].get("action"): finding for finding in weekly.report(run)["findings"]}
    assert "omar as devops did not approve it" in findings[first]["detail"]


# Time ---------------------------------------------------------------------------------------------------------


def test_for_the_next_window_waits_and_the_scheduled_run_repeats_nothing(weekly: Attacks) -> None:
    """Approved in daylight, deferred until the window opens, applied then; the window's own run finds nothing to do.

    That run comes although people wanted its date: over REST they are refused, from a shell their run is failed at its
    start, and the slot stays free.
    """
    # A whole minute, two and a half or more from now: by then the run must be asked, answered and deferred.
    opens = (datetime.now(UTC) + timedelta(seconds=210)).replace(second=0, microsecond=0)

    def soon(config: dict[str, Any]) -> None:
        config["windows"]["weekly"] = {"cron": f"{opens.minute} {opens.hour} * * *", "length_minutes": 30}

    try:
        with weekly.config(soon):
            weekly.parse()
            run = weekly.trigger(When.NEXT)  # it looks and asks while others try their luck
            body = {"logical_date": opens.isoformat(), "conf": {}}
            assert weekly.request("operator", "POST", RUNS, json=body).status_code == 400
            weekly.runs.append("from_a_shell")
            weekly.shell("dags", "trigger", DAG, "--run-id", "from_a_shell", "--logical-date", opens.isoformat())
            asked = weekly.asked(run)["dba"]
            assert asked["body"].startswith(f"**{opens:%A %Y-%m-%d %H:%M}")
            assert weekly.answer(run, "dba").status_code == 200
            assert weekly.answer(run, "devops").status_code == 200
            weekly.until(run, "wait_for_window", "deferred")
            assert weekly.states(run)["apply"] is None
            scheduled = f"scheduled__{opens.isoformat()}"
            weekly.runs.append(scheduled)
            assert weekly.finish("from_a_shell") == "failed"
            shell = weekly.request("admin", "GET", weekly.path("from_a_shell")).json()
            assert shell["logical_date"] is None
            assert "belongs to the scheduled run" in shell["note"]
            assert {weekly.applied(run)[table][:4] for table in TABLES} == {"done"}
            ((began,),) = weekly.running.ledger(
                "SELECT min(permitted_at) FROM upkeep.permits WHERE digest = %s", weekly.digest(run)
            )
            assert began >= opens
            assert not set(TABLES) & set(weekly.ids_by_table(scheduled))
            own = weekly.request("admin", "GET", weekly.path(scheduled)).json()
            assert datetime.fromisoformat(own["logical_date"]) == opens
            assert weekly.finish(run) == "success"
    finally:
        weekly.parse()
    assert [weekly.vacuumed(table) for table in TABLES] == [1, 1]


def test_nobody_is_asked_for_a_window_from_before_the_beginning(running: Running) -> None:
    """Unpaused for the first time, Airflow makes a run for the last window at once: it looks, and asks nobody."""
    found = Attacks(running)
    made = found.request("admin", "GET", f"{RUNS}?run_type=scheduled&order_by=run_after").json()["dag_runs"]
    first = made[0]["dag_run_id"]
    assert found.finish(first) == "success"
    ((state, reason),) = running.ledger(
        "SELECT state, reason FROM upkeep.steps WHERE run_id = %s AND step = 'plan'", first
    )
    assert (state, "nobody is asked for one from before" in reason) == ("not collected", True)
    assert found.plans(first) == 0
    assert found.steps(first)["evidence.patches.version_lag"] == "ran"


def test_a_freeze_leaves_the_evidence_and_changes_nothing(weekly: Attacks) -> None:
    """While config says so nothing is planned, asked or applied; what was seen is in the report, with the reason."""
    now = datetime.now(UTC)

    def holidays(config: dict[str, Any]) -> None:
        start, end = now - timedelta(hours=1), now + timedelta(hours=1)
        config["freezes"] = [{"start": start.isoformat(), "end": end.isoformat(), "reason": "Holidays"}]

    with weekly.config(holidays):
        run = weekly.trigger()
        assert weekly.finish(run) == "success"
    steps = weekly.steps(run)
    assert (steps["plan"], steps["apply"], steps["evidence.optimisation.dead_rows"]) == ("frozen", "frozen", "ran")
    assert "nothing to ask of dba: no plan" in weekly.log(run, "approve.dba")
    assert weekly.plans(run) == 0
    subjects = {finding["subject"] for finding in weekly.report(run)["findings"]}
    assert any("worn_out" in subject for subject in subjects)
    assert [weekly.vacuumed(table) for table in TABLES] == [0, 0]


def backfill_in_the_form(browser: Browser, running: Running, start: datetime, end: datetime) -> None:
    """Airflow's own form, as dora fills it in: these dates, the DAG still paused."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(SLOW)
    login(page, running, "dora")
    page.goto(f"{running.sandbox.url}/dags/{DAG}")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    form.get_by_text("Backfill", exact=True).click()
    for moment in (start, end):
        form.get_by_text("Select date and time").first.click()
        page.get_by_placeholder("YYYY/MM/DD").last.fill(f"{moment:%Y/%m/%d}")
        page.get_by_placeholder("HH:mm").last.fill(f"{moment:%H:%M}")
        page.keyboard.press("Enter")
        form.get_by_text("Date Range").click()
    expect(form.get_by_text("5 runs will be triggered.")).to_be_visible(timeout=SLOW)
    # Unpaused by the form, Airflow's own run and the backfill's end the scheduler. Airflow 3.4 has three choices there.
    form.get_by_text(f"Unpause {DAG} on trigger").or_(form.get_by_text("Keep paused", exact=True)).click()
    form.locator("input[name=max_active_runs]").fill("5")
    keep(page, "backfill")
    form.get_by_role("button", name="Run Backfill").click()
    expect(page.get_by_text("Backfill generated").first).to_be_visible(timeout=SLOW)  # Airflow may show it twice
    page.close()


def test_five_missed_windows_are_five_rows_and_one_mutation(weekly: Attacks, browser: Browser) -> None:
    """Backfilled in Airflow's form: every window has its row, only the newest asks, and what is approved runs once.

    The scheduler is killed in the middle: four runs have ended, and the newest waits for its people.
    The command line lists what is missed, refuses a paused DAG, and has a sixth window's run made when it is one.
    """
    # Not due yet: a cron line that changes makes no window missed that was never due by the line of its day.
    due = (datetime.now(UTC) + timedelta(seconds=10)).replace(second=0, microsecond=0) + timedelta(minutes=1)
    dues = [due - timedelta(weeks=weeks) for weeks in range(5)]

    def missed(config: dict[str, Any]) -> None:
        weekday = (due.weekday() + 1) % 7
        config["windows"]["weekly"] = {"cron": f"{due.minute} {due.hour} * * {weekday}", "length_minutes": 1}
        config["targets"]["primary"]["since"] = dues[-1].isoformat()

    def longer(config: dict[str, Any]) -> None:
        missed(config)
        config["targets"]["primary"]["since"] = (dues[-1] - timedelta(weeks=1)).isoformat()

    weekly.pause(True)
    try:
        with weekly.config(missed):
            weekly.parse()
            weekly.running.wait(lambda: datetime.now(UTC) > due + timedelta(minutes=1))  # it is open for a minute
            refused = weekly.upkeep("backfill", "weekly")
            assert (refused.returncode, refused.stdout.splitlines()[0]) == (1, "5 weekly windows of primary missed:")
            assert refused.stdout.count("no run began before its deadline") == 5
            assert f"{DAG}: found it paused, expected it unpaused" in refused.stderr
            body = {"dag_id": DAG, "from_date": dues[-1].isoformat(), "to_date": due.isoformat(), "dag_run_conf": {}}
            weekly.backfills({**body, "reprocess_behavior": "none"}, dues)
            backfill_in_the_form(browser, weekly.running, dues[-1], due)
            runs = [f"backfill__{one.isoformat()}" for one in dues]
            weekly.runs += runs
            weekly.pause(False)
            newest, *older = runs
            weekly.asked(newest)
            for one in older:
                weekly.finish(one)
            weekly.running.kill("scheduler")
            weekly.asked(newest)
            assert weekly.answer(newest, "dba").status_code == 200
            assert weekly.answer(newest, "devops").status_code == 200
            weekly.finish(newest)
            assert "No weekly window of primary is missed" in weekly.upkeep("backfill", "weekly", "--dry-run").stdout
        with weekly.config(longer):
            made_late = weekly.running.wait(lambda: not (one := weekly.upkeep("backfill", "weekly")).returncode and one)
            oldest = f"backfill__{(dues[-1] - timedelta(weeks=1)).isoformat()}"
            weekly.runs.append(oldest)
            assert f"Airflow makes runs of {DAG} from" in made_late.stdout
            assert weekly.finish(oldest) == "success"
            assert weekly.plans(oldest) == 0
    finally:
        weekly.pause(False)
        weekly.parse()
    windows = weekly.running.ledger("SELECT due FROM upkeep.windows WHERE cadence = 'weekly' AND due = ANY(%s)", dues)
    assert sorted(found for (found,) in windows) == sorted(dues)
    assert [weekly.plans(one) for one in runs] == [1, 0, 0, 0, 0]
    for one in older:
        told = {step["step"]: step["state"] for step in weekly.report(one)["steps"]}
        assert (told["evidence.optimisation.dead_rows"], told["plan"], told["apply"]) == ("superseded",) * 3
        assert "failed" not in told.values()
    assert weekly.plan(newest)["requested_by"] == "dora"
    assert {outcome for _, _, outcome in weekly.receipts(newest)} == {"done"}
    assert [weekly.vacuumed(table) for table in TABLES] == [1, 1]


def test_silence_is_told_twice_and_is_no_answer(silent: tuple[Attacks, str]) -> None:
    """Whoever must answer is told when it parks and again before T, with a link that works; silence refuses."""
    weekly, run = silent
    assert weekly.finish(run) == "success"
    asked, reminded = weekly.told(run, "devops")
    assert asked.startswith("DevOps Engineer: ")
    assert reminded.startswith("Not answered yet: DevOps Engineer, primary weekly, until ")
    for text in (asked, reminded):
        question, evidence, link = [word for word in text.split() if word.startswith("http")]
        assert evidence == weekly.running.sandbox.url + weekly.report_page(run)
        ours, airflows = (address.removeprefix(weekly.running.sandbox.url) for address in (question, link))
        assert weekly.request("viewer", "GET", ours).status_code == 200
        assert anonymous(weekly.running, airflows).status_code == 200
    assert weekly.answer(run, "devops").status_code in (200, 409)  # after T, whatever Airflow says
    assert "no answer from DevOps Engineer by " in weekly.log(run, "approve.devops")
    assert weekly.applied(run)["forgotten"].startswith("refused: no answer from devops by ")
    assert (list(weekly.decisions(run)), weekly.receipts(run)) == (["dba"], [])


@pytest.fixture
def learning(running: Running) -> Iterator[None]:
    """Bands and baselines are proposed from as much history as config is shipped with."""
    file = running.sandbox.folder / "config" / THRESHOLDS
    before, shipped = file.read_text(), yaml.safe_load((ROOT / "config" / THRESHOLDS).read_text())
    sections = {name: shipped[name] for name in ("proposals", "baselines")}
    rewrite_config(running.sandbox, lambda config: config.update(sections), THRESHOLDS)
    yield
    file.write_text(before)


@pytest.mark.usefixtures("learning")
@pytest.mark.guide("G19", "G53", "holds")
def test_a_drop_and_new_thresholds_by_those_who_may(weekly: Attacks) -> None:
    """An unused index goes and can come back; version 2 of the thresholds is what the next daily run judges by."""
    written = weekly.running.cli("history")
    assert written.returncode == 0, written.stderr
    with weekly.target() as admin:
        admin.execute("ALTER TABLE worn_out OWNER TO platform_owner")  # whose member upkeep_maintain is
        admin.execute("CREATE INDEX idle ON worn_out (note)")
        (oid,) = admin.execute("SELECT 'idle'::regclass::oid::text").fetchone() or ("",)
    with weekly.config(lambda config: config["indexes"].update(statistics_days=0.0)):
        run = weekly.trigger(conf={"groups": ["indexes", "thresholds"]})
        asked = weekly.asked(run, "dba", "devops", "lead")
    metric, *_ = [action["table"] for action in weekly.plan(run)["actions"] if action["kind"] == "thresholds"]
    assert "DROP INDEX CONCURRENTLY" in asked["dba"]["body"] and metric not in asked["dba"]["body"]
    assert metric in asked["lead"]["body"] and "DROP INDEX" not in asked["lead"]["body"]
    told = asked["dba"]["params"]["actions"]["schema"]["values_display"]
    assert any(re.fullmatch(r"\d+ · DROP idle, \d+ kB", label) for label in told.values())
    page = weekly.report_page(run)
    assert all(f"[The report so far]({weekly.running.sandbox.url}{page})" in one["body"] for one in asked.values())
    roles = "Database Administrator, Technical Lead, DevOps Engineer"
    so_far = weekly.report(run)
    assert sorted(so_far["interim"]) == sorted(roles.split(", ")) and "DROP INDEX CONCURRENTLY" in str(so_far["gate"])
    assert weekly.approve(run, "dba", "idle").status_code == 200
    assert weekly.approve(run, "devops", "idle", metric).status_code == 200
    assert weekly.approve(run, "lead", metric, user="lena").status_code == 200
    assert weekly.finish(run) == "success"
    assert sorted(weekly.receipts(run)) == sorted((number, 1, "done") for number in weekly.ids_of(run, "idle", metric))
    ((known,),) = weekly.running.ledger(
        "SELECT n.body ? %s FROM upkeep.snapshots n JOIN upkeep.steps s ON s.id = n.step_id"
        " WHERE s.run_id = %s AND s.step = 'evidence.indexes.unused_indexes'",
        oid,
        run,
    )
    assert known
    assert weekly.report(run)["interim"] is None
    assert "Interim, waiting for" in weekly.request("viewer", "GET", page.replace("/report", "/interim")).text
    actions = {action["table"]: action for action in weekly.report(run)["gate"]["actions"]}
    undo = actions["idle"]["undo"]
    assert (actions["idle"]["state"], undo) == (
        "done",
        "CREATE INDEX CONCURRENTLY idle ON public.worn_out USING btree (note)",
    )
    with weekly.target() as admin:
        assert admin.execute("SELECT to_regclass('idle')").fetchone() == (None,)
        admin.execute(undo.encode())
        assert admin.execute("SELECT to_regclass('idle')").fetchone() == ("idle",)
    daily = weekly.running.trigger({"groups": ["health"]})
    weekly.running.finish(daily)
    report = weekly.running.report(daily)
    assert "version 2" in report["thresholds"]
    judged = [finding["metadata"].get("thresholds") for finding in report["findings"]]
    assert set(judged) - {None} == {2}
