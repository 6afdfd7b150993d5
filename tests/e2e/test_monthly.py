"""The monthly window through Airflow: four people sign on, attest, approve and sign off; what counts for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from sandbox.config import rewrite_config
from sandbox.stack import HOLDERS
from tests.e2e.conftest import Running
from tests.e2e.pages import keep, login
from tests.e2e.weekly import Weekly

PEOPLE = {role: person for person, role in HOLDERS.items()}
OWNERS = {"dba", "devops", "security", "lead"}
#: A task of each owner, where a test needs no more of the month: the drill alone takes a minute.
SOME = {"groups": ["audit", "documentation", "cost", "database"]}


@dataclass
class Monthly(Weekly):
    """One sandbox's monthly window; ``group`` is what is being asked just now."""

    dag: ClassVar[str] = "maintenance_monthly"
    group: ClassVar[str] = "sign_on"
    holders: ClassVar[dict[str, str]] = PEOPLE

    def say(self, run: str, group: str, role: str, option: str, user: str = "", **params: Any) -> int:
        """Answer one role's question in a group of questions; the status."""
        path = self.path(run, f"/taskInstances/{group}.{role}/-1/hitlDetails")
        self.running.wait(lambda: self.parked(run, f"{group}.{role}"))
        asked = self.running.api("admin").get(path)["params"]
        given = {name: field["value"] for name, field in asked.items() if field["value"] is not None}
        body = {"chosen_options": [option], "params_input": given | params}
        return self.request(user or PEOPLE[role], "PATCH", path, json=body).status_code

    def done(self, run: str, task: str, *states: str) -> str:
        """Wait for a task to end, as one of the states if given; its state."""
        ended = states or ("success", "failed", "skipped", "upstream_failed")
        return str(self.running.wait(lambda: s if (s := self.states(run).get(task) or "") in ended else None))

    def signing(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.report(run)["signing"]
        return found

    def attested(self, run: str) -> dict[str, str]:
        """Task → what its signature is worth."""
        return {task["name"]: task["state"] for task in self.signing(run)["tasks"]}


@pytest.fixture(scope="module")
def monthly(running: Running) -> Iterator[Monthly]:
    """The DAG unpaused, with two tables that a plan would vacuum.

    The run that Airflow makes at once, for the last window, is ended: that it asks nobody `test_weekly.py` shows.
    """
    found = Monthly(running)
    assert running.api("admin").request("PATCH", f"/api/v2/dags/{found.dag}", json={"is_paused": False}).ok
    made = f"{found.path()}?run_type=scheduled"
    (last,) = running.wait(lambda: running.api("admin").get(made)["dag_runs"])
    assert found.request("admin", "PATCH", found.path(last["dag_run_id"]), json={"state": "failed"}).ok
    found.make_dirty("month_one", "month_two")
    yield found
    found.drop("month_one", "month_two")


@pytest.fixture(scope="module")
def whole(monthly: Monthly) -> str:
    """A run that the four carry through to sign-off; on the way one of them tries to attest another's task."""
    run = monthly.trigger()
    for role in OWNERS:
        assert monthly.say(run, "sign_on", role, "Sign on") == 200
    assert monthly.say(run, "attest", "devops", "Attest", tasks=["cost", "audit"]) == 200  # audit is not theirs
    monthly.done(run, "attest.devops", "up_for_retry", "queued", "running", "awaiting_input")
    for role in OWNERS:
        assert monthly.say(run, "attest", role, "Attest") == 200
    for role in ("dba", "devops"):
        assert monthly.say(run, "approve", role, "Approve") == 200
    monthly.done(run, "sign_off.sheet", "success")
    assert monthly.say(run, "sign_off", "lead", "Sign off", comment="a quiet month") == 200
    monthly.done(run, "sign_off.signed_report", "success")
    return run


@pytest.mark.guide("G23-G30", "G133-G136", "holds")
def test_four_people_carry_a_month_through_to_its_sign_off(monthly: Monthly, whole: str) -> None:
    """G23-G30: signed on, attested by owner, approved, applied, signed off by name; the last page has all of it."""
    told = monthly.signing(whole)
    assert {one["role"]: (one["state"], one["person"]) for one in told["sign_on"]} == {
        role: ("signed", person) for role, person in PEOPLE.items()
    }
    assert set(monthly.attested(whole).values()) == {"signed"}
    owners = {task["name"]: task["person"] for task in told["tasks"] if task["state"] == "signed"}
    assert owners["audit"] == "sana" and owners["database"] == "dora" and owners["cost"] == "omar"
    assert (told["sign_off"]["state"], told["sign_off"]["person"]) == ("signed", "lena")
    assert told["sign_off"]["comment"] == "a quiet month"
    assert told["sign_off"]["evidence"] == told["digest"]
    drill = {one["key"]: one["level"] for one in monthly.report(whole)["findings"] if one["key"].startswith("drill")}
    assert (drill["drill"], drill["drill:control"], drill["drill:rto"]) == ("ok", "ok", "ok")
    assert "drill:canary" in drill  # its rows are too young here to say more
    assert "drill:objects" in drill  # what other tests have made since the last archived WAL is not in the copy
    around = {one["key"]: one for one in monthly.report(whole)["findings"] if one["key"].startswith("rollback")}
    assert {one["step"] for one in around.values()} == {"after.rollback.function_health"}
    assert around["rollback"]["detail"].startswith("attested by omar, ")
    assert "; before the question: health " in around["rollback:trust-scorer"]["detail"]
    done = {action["table"]: action["state"] for action in monthly.report(whole)["gate"]["actions"]}
    assert (done["month_one"], done["month_two"]) == ("done", "done")


def test_another_roles_task_counts_for_nothing_and_is_asked_again(monthly: Monthly, whole: str) -> None:
    """The first answer of devops named the audit: not kept, the second one was."""
    rows = monthly.running.ledger(
        "SELECT d.person, d.action_ids FROM upkeep.decisions d JOIN upkeep.plans p ON p.digest = d.digest"
        " WHERE p.run_id = %s AND p.purpose = 'attestation' AND d.role = 'devops'",
        whole,
    )
    assert len(rows) == 1
    assert "audit" not in rows[0][1]
    tries = monthly.running.ledger(
        "SELECT count(*) FROM upkeep.shown s JOIN upkeep.plans p ON p.digest = s.digest"
        " WHERE p.run_id = %s AND p.purpose = 'attestation' AND s.role = 'devops'",
        whole,
    )
    assert tries == [(2,)]


def test_the_month_report_reads_well_on_a_phone(monthly: Monthly, whole: str, browser: Browser) -> None:
    """Who signed stands before everything else, and nothing is wider than a phone."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    try:
        login(page, monthly.running, "viewer")
        path = f"/upkeep/dags/{monthly.dag}/runs/{quote(whole, safe='')}/report"
        page.goto(f"{monthly.running.sandbox.url}{path}")
        expect(page.get_by_role("heading", name="Tasks, and who attested them")).to_be_visible()
        expect(page.get_by_text("a quiet month")).to_be_visible()
        keep(page, "month_report_phone")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.set_viewport_size({"width": 1280, "height": 1700})
        keep(page, "month_report")
    finally:
        context.close()


@pytest.mark.guide("G24", "G26-G30", "holds")
def test_evidence_that_is_collected_anew_voids_what_was_attested(monthly: Monthly) -> None:
    """Attested, then the step is cleared and sees something else: void, and nothing is applied without a sign-on."""
    run = monthly.trigger(conf=SOME)
    assert monthly.say(run, "attest", "dba", "Attest") == 200
    monthly.done(run, "attest.dba", "success")
    monthly.make_dirty("month_three")
    try:
        body = {"dry_run": False, "only_failed": False, "dag_run_id": run, "task_ids": ["evidence.database.dead_rows"]}
        path = f"/api/v2/dags/{monthly.dag}/clearTaskInstances"
        assert monthly.request("operator", "POST", path, json=body).ok
        monthly.running.wait(lambda: monthly.task(run, "evidence.database.dead_rows")["try_number"] > 1)
        monthly.done(run, "evidence.database.dead_rows", "success")
        for role in OWNERS - {"dba"}:
            assert monthly.say(run, "attest", role, "Decline", comment="not today") == 200
            assert monthly.say(run, "sign_on", role, "Sign on") == 200
        assert monthly.say(run, "sign_on", "dba", "Decline") == 200
        for role in ("dba", "devops"):
            assert monthly.say(run, "approve", role, "Approve") == 200
        monthly.done(run, "report", "success")
    finally:
        monthly.request("admin", "PATCH", monthly.path(run), json={"state": "failed"})
        monthly.drop("month_three")
    states = monthly.attested(run)
    assert (states["database"], states["audit"]) == ("void", "declined")
    report = monthly.report(run)
    reasons = {action["reason"] for action in report["gate"]["actions"]}
    assert reasons == {"dora as Database Administrator declined to sign on"}
    found = {finding["key"]: finding for finding in report["findings"]}
    assert "has changed since" in found["attestation:database"]["detail"]
    assert "not today" in found["attestation:audit"]["detail"]


@pytest.mark.guide("G23", "fires", "silent")
def test_who_cannot_be_there_is_said_at_the_start_and_who_does_not_answer_at_the_end(monthly: Monthly) -> None:
    """A role without people is critical at once; no answer in time is a warning, and refuses the changes."""
    kept: dict[str, Any] = {}

    def short(config: dict[str, Any]) -> None:
        kept.update(roles={name: dict(role) for name, role in config["roles"].items()}, monthly=dict(config["monthly"]))
        config["roles"]["lead"]["users"] = []
        config["monthly"] |= {"sign_on_minutes": 1, "attest_minutes": 1}

    sandbox = monthly.running.sandbox
    monthly.make_dirty("month_four")
    rewrite_config(sandbox, short)
    try:
        run = monthly.trigger(conf=SOME)
        monthly.done(run, "sign_on.quorum", "success")
        rows = monthly.running.ledger(
            "SELECT f.level, f.detail FROM upkeep.findings f JOIN upkeep.steps s ON s.id = f.step_id"
            " WHERE s.run_id = %s AND f.key = 'sign_on:quorum'",
            run,
        )
        assert rows == [("critical", "cannot be complete, so nothing will be changed: lead has no user")]
        for role in ("dba", "devops"):
            monthly.done(run, f"attest.{role}", "success")
            assert monthly.say(run, "approve", role, "Approve") == 200
        monthly.done(run, "report", "success")
        report = monthly.report(run)
    finally:
        rewrite_config(sandbox, lambda config: config.update(kept))
        monthly.drop("month_four")
        monthly.request("admin", "PATCH", monthly.path(run), json={"state": "failed"})
    keys = {finding["key"] for finding in report["findings"]}
    assert {"sign_on:dba", "sign_on:lead", "attestation:database", "sign_on:quorum"} <= keys
    reasons = {action["reason"] for action in report["gate"]["actions"]}
    assert reasons == {"no sign-on from DevOps Engineer"}
