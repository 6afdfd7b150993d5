"""Attacks on the gate: over Airflow's real REST API, as real users (docs/gate.md, the list of attacks)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.e2e.attacks import Attacks
from tests.e2e.conftest import Running
from tests.e2e.weekly import RUNS
from upkeep.core.windows import Cadence, When

TABLES = ("besieged", "bystander")
#: A table that would like to write the form itself.
WRITER = 'x"); --\n\n**Approve all** | <b>y</b> ` [z](http://z) \u202e'
FORGED = {"chosen_options": ["Approve"], "params_input": {"actions": ["1", "2"]}, "responded_by_user": {"id": "dora"}}


@pytest.fixture
def attack(running: Running) -> Iterator[Attacks]:
    """Two tables that a plan would vacuum; at the end neither they nor a waiting run are left."""
    found = Attacks(running)
    found.make_dirty(*TABLES)
    yield found
    found.end()
    found.drop(*TABLES, WRITER)


def test_what_is_forced_past_the_form_permits_nothing(attack: Attacks) -> None:
    """Marked successful one by one, in bulk and as a run, XComs forged, the plan cleared: no answer, no permit."""
    run = attack.trigger()
    forged = {"key": "return_value", "value": FORGED}
    entries = attack.path(run, "/taskInstances/approve.dba/xcomEntries")
    attack.running.wait(lambda: attack.request(attack.editor, "POST", entries, json=forged).status_code in (201, 409))
    asked = attack.asked(run)
    for role in asked:  # and once more before it could be resumed
        entries = attack.path(run, f"/taskInstances/approve.{role}/xcomEntries")
        assert attack.request(attack.editor, "POST", entries, json=forged).status_code in (201, 409)
    attack.make_dirty("bystander", "newcomer")
    digest = attack.digest(run)
    assert attack.clear(run, "plan").status_code == 200
    attack.running.wait(lambda: attack.task(run, "plan")["try_number"] == 2 and attack.task(run, "plan")["state"])
    attack.until(run, "plan", "success")
    attack.drop("newcomer")
    assert (attack.plans(run), attack.digest(run)) == (1, digest)
    assert "newcomer" not in attack.ids_by_table(run)

    assert attack.mark(run, "approve.dba").status_code == 200
    bulk = {"actions": [{"action": "update", "entities": [{"task_id": "approve.devops", "new_state": "success"}]}]}
    assert attack.request("sana", "PATCH", attack.path(run, "/taskInstances"), json=bulk).status_code == 200
    assert attack.answer(run, "dba").status_code == 200  # Airflow takes it; nobody is there to keep it
    told = attack.applied(run)
    assert all(told[table].startswith("refused: no answer from dba by ") for table in TABLES)
    assert attack.again(run) == told
    assert attack.mark(run, "apply").status_code in (200, 409)
    assert attack.request("sana", "PATCH", attack.path(run), json={"state": "success"}).status_code == 200
    assert attack.again(run) == told
    assert (attack.decisions(run), attack.receipts(run)) == ({}, [])
    assert [attack.vacuumed(table) for table in TABLES] == [0, 0]


def test_only_the_first_valid_answer_of_an_assigned_person_counts(attack: Attacks) -> None:
    """403, 400, 409, asked again with the reason, rejected for good: also after clearing, in parallel."""
    run = attack.trigger()
    attack.asked(run)
    with ThreadPoolExecutor(3) as people:  # before any answer: the same question once more
        cleared = list(people.map(lambda user: attack.clear(run, "approve.dba", user=user), ("sana", "lena", "dora")))
    assert any(answer.status_code == 200 for answer in cleared)
    again = attack.running.wait(lambda: attack.task(run, "approve.dba")["try_number"] > 1)
    assert again
    attack.asked(run)
    for user in ("sana", "lena", "omar", "operator", "admin", "viewer"):
        assert attack.answer(run, "dba", user=user).status_code == 403
    for options in (["Maybe"], ["Approve", "Reject"]):
        body: dict[str, Any] = {"chosen_options": options, "params_input": {}}
        assert attack.request("dora", "PATCH", attack.question(run, "dba"), json=body).status_code == 400

    for params, reason in (
        ({"comment": "all of them"}, "found no list of actions"),
        ({"actions": ["1' OR true --"]}, "expected ids from the form"),
        ({"actions": attack.ids(run, "dba"), "comment": {"a": 1}}, "found a comment of type dict"),
    ):
        assert attack.answer(run, "dba", **params).status_code == 200
        attack.asked_again(run, "dba", reason)
    assert attack.answer(run, "dba").status_code == 200
    assert attack.answer(run, "dba", "Reject").status_code == 409

    assert attack.answer(run, "devops", "Reject").status_code == 200
    attack.until(run, "approve.devops", "success")
    with ThreadPoolExecutor(3) as people:
        list(people.map(lambda user: attack.clear(run, "approve.devops", user=user), ("sana", "lena", "omar")))
    attack.running.wait(lambda: attack.task(run, "approve.devops")["try_number"] > 1)
    attack.until(run, "approve.devops", "success")
    attack.says(run, "approve.devops", "already answered: omar as devops rejected everything")
    told = attack.applied(run)
    assert {told[table] for table in TABLES} == {"refused: omar as devops did not approve it"}
    assert attack.decisions(run)["dba"] == ("dora", attack.ids(run, "dba"))
    assert attack.decisions(run)["devops"] == ("omar", [])
    assert attack.receipts(run) == []


def test_contradicting_answers_and_a_ledger_that_is_away(attack: Attacks) -> None:
    """Of simultaneous answers one is kept and applied; one that meets no ledger is kept when that is back."""
    run = attack.trigger()
    attack.asked(run)
    with attack.ledger_away():
        assert attack.approve(run, "dba", *TABLES).status_code == 200
        attack.until(run, "approve.dba", "running")
        threading.Event().wait(5)
        assert attack.task(run, "approve.dba")["state"] == "running"
    attack.until(run, "approve.dba", "success")
    assert attack.decisions(run) == {"dba": ("dora", sorted(attack.ids_of(run, *TABLES)))}

    first, second = attack.ids_of(run, *TABLES)
    barrier = threading.Barrier(3)

    def press(actions: list[str]) -> int:
        attack.running.api("omar")
        barrier.wait()
        option = "Approve" if actions else "Reject"
        return attack.answer(run, "devops", option, actions=actions).status_code

    with ThreadPoolExecutor(3) as hands:
        statuses = list(hands.map(press, ([first], [second], [])))
    assert 200 in statuses
    assert set(statuses) <= {200, 409}
    told = attack.applied(run)
    person, approved = attack.decisions(run)["devops"]
    assert person == "omar"
    assert approved in ([first], [second], [])
    assert attack.receipts(run) == [(action, 1, "done") for action in approved]
    for table, action in zip(TABLES, (first, second), strict=True):
        assert attack.vacuumed(table) == (1 if action in approved else 0)
        assert told[table].startswith("done in " if action in approved else "refused: omar as devops did not approve")


def test_a_window_that_is_forced_open_is_still_closed(attack: Attacks) -> None:
    """Approved by all for the next window, and the task that waits for it is marked done: apply looks at the clock."""
    run = attack.trigger(When.NEXT)
    attack.asked(run)
    for role in ("dba", "devops"):
        assert attack.approve(run, role, *TABLES).status_code == 200
    attack.until(run, "wait_for_window", "deferred")
    assert attack.mark(run, "wait_for_window").status_code == 200
    told = attack.applied(run)
    assert all(told[table].startswith("refused: its window opens at ") for table in TABLES)
    assert attack.receipts(run) == []
    assert [attack.vacuumed(table) for table in TABLES] == [0, 0]


def test_an_answer_that_the_ledger_never_took_must_be_given_again(attack: Attacks) -> None:
    """The ledger cannot be reached for the whole of the patience: the task says so, tells people, and asks again."""

    def impatient(config: dict[str, Any]) -> None:
        config["ledger"]["patience_seconds"] = 6.0

    with attack.config(impatient):
        run = attack.trigger()
        attack.asked(run)
        first = attack.task(run, "approve.dba")["try_number"]
        with attack.ledger_away():
            assert attack.approve(run, "dba", *TABLES).status_code == 200
            attack.running.wait(lambda: attack.task(run, "approve.dba")["try_number"] > first)
        attack.says(run, "approve.dba", "nothing was kept, and an answer must be given again", first)
        attack.asked(run)
        assert attack.decisions(run) == {}
        assert any("An answer must be given again" in text for text in attack.told(run, "dba"))
        assert attack.approve(run, "dba", *TABLES).status_code == 200
        attack.until(run, "approve.dba", "success")
    assert attack.decisions(run) == {"dba": ("dora", sorted(attack.ids_of(run, *TABLES)))}


def test_names_and_parameters_that_want_more(attack: Attacks) -> None:
    """SQL, paths, Markdown in the form, a table that writes its own: harmless; {1, 2} and {2, 3} permit only 2."""
    attack.make_dirty(WRITER)
    for conf in (
        {"when": "now'; DROP TABLE besieged; --"},
        {"groups": ["../../etc/passwd"]},
        {"groups": "**evidence**"},
        {"dry_run": "<b>no</b>"},
    ):
        refused = attack.request("operator", "POST", RUNS, json={"logical_date": None, "conf": conf})
        assert refused.status_code == 400, refused.text
    body: dict[str, Any] = {"logical_date": None, "conf": {}, "dag_run_id": "../<b>|`"}
    assert attack.request("operator", "POST", RUNS, json=body).status_code in (400, 422)

    more = {"sql": "DROP TABLE besieged", "target": "../other", "conn_id": "upkeep_ledger_owner"}
    run = attack.trigger(note="**Approve** <script>", conf=more)
    asked = attack.asked(run)["dba"]["body"]
    assert "<script>" not in asked
    (shown,) = (line for line in asked.splitlines() if r"Approve\0020all" in line)
    assert r"\000A\000A**Approve\0020all**\0020|\0020<b>y</b>\0020⟨U+0060⟩\0020[z](http://z)\0020\202E" in shown
    assert attack.approve(run, "dba", "besieged", WRITER).status_code == 200
    assert attack.approve(run, "devops", WRITER, "bystander").status_code == 200
    told = attack.applied(run)
    assert told[WRITER].startswith("done in ")
    assert told["besieged"] == "refused: omar as devops did not approve it"
    assert told["bystander"] == "refused: dora as dba did not approve it"
    assert [attack.vacuumed(table) for table in (WRITER, *TABLES)] == [1, 0, 0]


def test_a_date_of_the_calendar_opens_no_window(attack: Attacks) -> None:
    """With next Sunday's date no run is made; one with a past date changes nothing and says that it holds a slot."""
    config = yaml.safe_load((attack.running.sandbox.folder / "config" / "maintenance.yaml").read_text())
    weekly, now = Cadence(**config["windows"]["weekly"]), datetime.now(UTC)
    try:
        due = weekly.after(now).isoformat()
        for more in (
            {},
            {"data_interval_start": due, "data_interval_end": due, "run_after": due, "dag_run_id": "mine"},
        ):
            refused = attack.request("operator", "POST", RUNS, json={"logical_date": due, "conf": {}, **more})
            assert refused.status_code == 400, refused.text
            assert "belongs to the scheduled run" in refused.json()["detail"]
        later = (now + timedelta(hours=1)).isoformat()
        refused = attack.request("operator", "POST", RUNS, json={"logical_date": later, "conf": {}})
        assert (refused.status_code, "is in the future" in refused.text) == (400, True), refused.text
        slot = weekly.before(now - timedelta(weeks=20))
        past = attack.trigger(logical_date=slot.isoformat())
        attack.finish(past)
        findings = {finding["subject"]: finding for finding in attack.report(past)["findings"]}
        (held,) = (subject for subject in findings if subject.startswith("A run by hand holds the calendar's slot of"))
        assert f"{slot:%Y-%m-%d %H:%M}" in held
        assert "nothing to ask of dba: no plan" in attack.log(past, "approve.dba")
        assert attack.running.ledger("SELECT 1 FROM upkeep.plans WHERE run_id = %s", past) == []
    finally:
        attack.end()
        for run in attack.runs:
            assert attack.request("admin", "DELETE", attack.path(run)).status_code in (200, 204)


def test_a_deleted_run_is_not_the_one_that_has_its_id_now(attack: Attacks) -> None:
    """Failed, deleted and triggered again under its id by an approver: a new plan, asked anew, and she asked for it."""
    run = attack.trigger(dag_run_id="twice")
    attack.asked(run)
    assert attack.approve(run, "devops", *TABLES).status_code == 200
    attack.until(run, "approve.devops", "success")
    first, asked_by = attack.digest(run), attack.plan(run)["requested_by"]
    stamp = attack.request("sana", "GET", attack.path(run)).json()["conf"]
    assert attack.request("sana", "PATCH", attack.path(run), json={"state": "failed"}).status_code == 200
    assert attack.request("sana", "DELETE", attack.path(run)).status_code == 204

    assert attack.trigger(user="dora", dag_run_id="twice", conf=stamp) == run  # with the old run's stamp, too
    attack.asked(run)  # both roles, though one had answered
    second = attack.digest(run)
    assert second != first
    assert (asked_by, attack.plan(run)["requested_by"]) == ("operator", "dora")
    assert attack.request("sana", "GET", attack.path(run)).json()["conf"] != stamp
    assert attack.approve(run, "dba", *TABLES).status_code == 200
    attack.until(run, "approve.dba", "success")
    assert attack.mark(run, "approve.devops").status_code == 200
    told = attack.applied(run)
    assert all(told[table].startswith("refused: no answer from devops by ") for table in TABLES)
    assert (attack.decisions(run), attack.receipts(run)) == ({"dba": ("dora", attack.ids_of(run, *TABLES))}, [])
    assert [attack.vacuumed(table) for table in TABLES] == [0, 0]


def test_a_deleted_task_and_the_answers_of_another_run_permit_nothing(attack: Attacks) -> None:
    """The same tables, approved by both in the run before; now an operator deletes the questions: nobody agreed."""
    before = attack.trigger()
    attack.asked(before)
    for role in ("dba", "devops"):
        assert attack.answer(before, role).status_code == 200
    assert attack.finish(before) == "success"
    count = attack.vacuumed("besieged")
    attack.make_dirty(*TABLES)
    run = attack.trigger()
    old = [attack.answer(before, role).status_code for role in attack.asked(run)]
    assert old == [409, 409]
    for role in ("dba", "devops"):
        deleted = attack.request("operator", "DELETE", attack.path(run, f"/taskInstances/approve.{role}"))
        assert deleted.status_code == 200, deleted.text
        assert attack.request("dora", "GET", attack.question(run, role)).status_code == 404
    done = attack.apply_beside(run)  # Airflow itself now waits for ever for tasks that are gone
    assert done.returncode == 0, done.stderr
    told = attack.applied(run)
    assert all(told[table].startswith("refused: no answer from dba by ") for table in TABLES)
    assert (attack.decisions(run), attack.receipts(run)) == ({}, [])
    assert attack.vacuumed("besieged") == count
