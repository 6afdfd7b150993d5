"""Attacks on the gate through people: who asked, who holds a role, one person in two roles; over Airflow's REST API."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.stack import PYTHON, ROOT, environment
from tests.e2e.attacks import Attacks
from tests.e2e.conftest import Running
from tests.e2e.parking import ASKS, DECIDES, LOST, just_parked, mismatches, process_of
from tests.e2e.weekly import DAG, RUNS

TABLES = ("besieged", "bystander")


@pytest.fixture
def attack(running: Running) -> Iterator[Attacks]:
    """Two tables that a plan would vacuum; at the end neither they nor a waiting run are left."""
    found = Attacks(running)
    found.make_dirty(*TABLES)
    yield found
    found.end()
    found.drop(*TABLES)


def test_nobody_approves_what_they_asked_for_alone(attack: Attacks) -> None:
    """One role is enough by config: not if its holder triggered the run, nor if a shell did."""

    def one_role(config: dict[str, Any]) -> None:
        config["approval"]["roles"]["optimise"] = ["dba"]

    try:
        with attack.config(one_role):
            attack.parse()
            by_hand = attack.trigger(user="dora")
            command = [PYTHON, "-m", "airflow", "dags", "trigger", DAG, "-r", f"shell__{datetime.now(UTC):%H%M%S}"]
            command += ["-c", '{"when": "now, outside the calendar"}', "-o", "yaml"]
            environ = environment(attack.running.sandbox)
            shell = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=True)
            from_shell = command[command.index("-r") + 1]
            attack.runs.append(from_shell)
            assert from_shell in shell.stdout
            for run in (by_hand, from_shell):
                attack.asked(run, "dba")
                assert attack.answer(run, "dba").status_code == 200
            told = attack.applied(by_hand), attack.applied(from_shell)
    finally:
        attack.parse()
    assert {told[0][table] for table in TABLES} == {"refused: dora requested it and cannot be the only approver"}
    assert all("that counts as requested by everybody" in told[1][table] for table in TABLES)
    assert [*attack.receipts(by_hand), *attack.receipts(from_shell)] == []


def test_nobody_approves_the_window_that_they_backfilled_alone(attack: Attacks) -> None:
    """Whoever backfills asks: where one role is enough, it must be somebody else's."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    runs = attack.request("admin", "GET", f"{RUNS}?limit=200").json()["dag_runs"]
    taken = {datetime.fromisoformat(run["logical_date"]) for run in runs if run["logical_date"]}  # by the tests before
    due = next(at for ago in range(3, 60) if (at := now - timedelta(minutes=ago)) not in taken)

    def missed(config: dict[str, Any]) -> None:
        weekday = (due.weekday() + 1) % 7
        config["windows"]["weekly"] = {"cron": f"{due.minute} {due.hour} * * {weekday}", "length_minutes": 1}
        config["approval"]["roles"]["optimise"] = ["dba"]
        config["targets"]["primary"]["since"] = due.isoformat()

    body: dict[str, Any] = {"dag_id": DAG, "from_date": due.isoformat(), "to_date": due.isoformat()}
    body |= {"dag_run_conf": {}, "reprocess_behavior": "none"}
    try:
        with attack.config(missed):
            attack.pause(True)
            attack.backfills(body, [due])
            made = attack.request("dora", "POST", "/api/v2/backfills", json=body)
            assert made.status_code == 200, made.text
            run = f"backfill__{due.isoformat()}"
            attack.runs.append(run)
            attack.pause(False)
            attack.asked(run, "dba")
            assert attack.answer(run, "dba").status_code == 200
            told = attack.applied(run)
    finally:
        attack.pause(False)
        attack.parse()
    assert {told[table] for table in TABLES} == {"refused: dora requested it and cannot be the only approver"}
    assert attack.receipts(run) == []


def test_who_is_asked_cannot_be_changed_on_the_way(attack: Attacks) -> None:
    """Other holders since the question was asked: a clear asks nobody, who left is not heard (rules 1, 2)."""

    def others(config: dict[str, Any]) -> None:
        config["roles"]["dba"]["users"] = ["lena"]
        config["roles"]["devops"]["users"] = ["sana"]

    kept = "Airflow keeps another request for this task than the plan's"
    run = attack.trigger()
    attack.asked(run)
    with attack.config(others):
        assert attack.clear(run, "approve.dba").status_code == 200
        attack.until(run, "approve.dba", "failed")
        attack.says(run, "approve.dba", kept)
        assert "start a new run" in attack.log(run, "approve.dba")

        assert attack.answer(run, "devops").status_code == 200  # by omar: Airflow still knows him as the one to ask
        attack.until(run, "approve.devops", "failed")
        attack.says(run, "approve.devops", "found an answer by omar, expected one by a DevOps Engineer")
        attack.says(run, "approve.devops", kept)
        told = attack.applied(run)
    assert all(told[table].startswith("refused: no answer from dba by ") for table in TABLES)
    assert (attack.decisions(run), attack.receipts(run)) == ({}, [])


def test_one_persons_invalid_answers_leave_another_the_question(attack: Attacks) -> None:
    """Five by dora, more than there once were tries, all in the first; then lena, who holds the role too, decides."""

    def two(config: dict[str, Any]) -> None:
        config["roles"]["dba"]["users"] = ["dora", "lena"]

    with attack.config(two):
        run = attack.trigger()
        attack.asked(run)
        for count in range(1, 6):
            assert attack.answer(run, "dba", comment="all of them").status_code == 200
            attack.asked_again(run, "dba", f"asked again (answer {count} of dora)")
        assert attack.task(run, "approve.dba")["try_number"] == 1
        assert attack.approve(run, "dba", "besieged", user="lena").status_code == 200
        assert attack.answer(run, "devops").status_code == 200
        told = attack.applied(run)
    assert told["besieged"].startswith("done in ")
    assert attack.decisions(run)["dba"] == ("lena", attack.ids_of(run, "besieged"))
    assert sum("found no list of actions" in text for text in attack.told(run, "dba")) == 3


def test_an_answer_that_airflow_loses_decides_nothing_and_is_asked_for_again(attack: Attacks) -> None:
    """Given right after the task parked: taken with 200, lost, told to people; then the next answer alone counts."""
    with attack.locked("upkeep.decisions") as ledger:  # what is to be lost must not have been kept
        with just_parked(attack) as run:
            assert attack.answer(run, "dba").status_code == 200  # everything
            attack.running.wait(lambda: ledger.execute(DECIDES).fetchone())
            doomed = process_of(attack, run)
        attack.running.wait(lambda: attack.task(run, ASKS)["try_number"] == 2)
        attack.running.wait(lambda: not doomed.is_running())
    attack.asked(run)
    assert [LOST in text for text in mismatches(attack, run)] == [True]
    again = "an answer given before now did not reach the ledger, counts for nothing and must be given again"
    assert [again in attack.log(run, ASKS, attempt) for attempt in (1, 2)] == [False, True]
    assert sum(again in text for text in attack.told(run, "dba")) == 1
    assert not attack.question_of(run, "dba")["response_received"]
    assert (attack.decisions(run), attack.receipts(run)) == ({}, [])

    assert attack.approve(run, "dba", "besieged").status_code == 200
    assert attack.answer(run, "devops").status_code == 200
    told = attack.applied(run)
    assert told["besieged"].startswith("done in ")
    assert told["bystander"] == "refused: dora as dba did not approve it"
    assert [action for action, *_ in attack.receipts(run)] == attack.ids_of(run, "besieged")


def test_each_role_needs_a_person_of_its_own(attack: Attacks) -> None:
    """Who holds two roles is asked again in the second; a role that nobody holds is not asked, and says so."""

    def dora_twice(config: dict[str, Any]) -> None:
        config["roles"]["devops"]["users"] = ["omar", "dora"]

    def nobody(config: dict[str, Any]) -> None:
        config["roles"]["devops"]["users"] = []

    with attack.config(nobody):
        empty = attack.trigger()
        attack.asked(empty, "dba")
        attack.until(empty, "approve.devops", "success")
        assert "nobody is asked: role devops has no user" in attack.log(empty, "approve.devops")
        assert attack.request("dora", "PATCH", attack.question(empty, "devops"), json={}).status_code in (404, 422)
        assert attack.answer(empty, "dba").status_code == 200
        told = attack.applied(empty)
        assert all(told[table].startswith("refused: role devops has no user") for table in TABLES)
        attack.finish(empty)
    subjects = {finding["subject"]: finding for finding in attack.report(empty)["findings"]}
    assert "has no user: nobody is asked" in subjects["Role DevOps Engineer"]["detail"]

    with attack.config(dora_twice):
        run = attack.trigger()
        attack.asked(run)
        assert attack.answer(run, "dba").status_code == 200
        attack.until(run, "approve.dba", "success")
        assert attack.answer(run, "devops", user="dora").status_code == 200
        attack.asked_again(run, "devops", "found a second yes by dora")
        assert attack.approve(run, "devops", "besieged").status_code == 200
        assert attack.applied(run)["besieged"].startswith("done in ")
    assert {role: person for role, (person, _) in attack.decisions(run).items()} == {"dba": "dora", "devops": "omar"}
