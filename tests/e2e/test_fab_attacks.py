"""Attacks by users of Airflow's FAB auth manager, who are numbers, and whose roles are not the simple ones.

`make fab-attacks` alone runs these, and those of test_gate_attacks.py and test_gate_people.py, on a sandbox with such
users. Each test adds rows to a table that is printed as it goes; docs/threats.md has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import requests

from sandbox import fab
from tests.e2e.attacks import DAG_PATH, Attacks
from tests.e2e.conftest import Running, anonymous
from tests.e2e.weekly import RUNS

TABLES = ("besieged", "bystander")
USERS, ROLES = "/auth/fab/v1/users", "/auth/fab/v1/roles"
#: Connections that apply needs, as an op would write them into Airflow's own store.
REPOINTED = ("upkeep_target_maintain", "upkeep_ledger", "upkeep_signing")
PASSWORD = "as good as any"  # of users that live as long as one test

Saw = Callable[[str, str, str], None]


@pytest.fixture
def attack(running: Running) -> Iterator[Attacks]:
    """Two tables that a plan would vacuum; at the end neither they nor a waiting run are left."""
    assert running.sandbox.users == fab.FAB
    found = Attacks(running)
    found.make_dirty(*TABLES)
    yield found
    found.end()
    found.drop(*TABLES)


@pytest.fixture(scope="module")
def saw(pytestconfig: pytest.Config) -> Saw:
    """Prints a row of the table, past pytest's capture."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def show(*cells: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n| {' | '.join(cells)} |", end="", flush=True)

    show("attack", "promised", "seen")
    show("---", "---", "---")
    return show


class Accounts:
    """Users of FAB that a test makes, by its own REST API, and logs in as."""

    def __init__(self, attack: Attacks) -> None:
        self.attack = attack
        self.made: list[str] = []

    def make(self, name: str, role: str = "User") -> str:
        """A user, who is logged in; the number that FAB gave them."""
        sandbox = self.attack.running.sandbox
        person = {"username": name, "email": f"{name}@sandbox.example", "first_name": name, "last_name": "-"}
        body = person | {"roles": [{"name": role}], "password": PASSWORD}
        answer = self.attack.request("admin", "POST", USERS, json=body)
        assert answer.status_code == 200, answer.text
        self.made.append(name)
        sandbox.passwords[name] = PASSWORD  # type: ignore[index]
        self.attack.running.users.pop(name, None)
        return self.number(name)

    def number(self, name: str) -> str:
        """What the database calls a user."""
        return number_of(self.attack, name)

    def remove(self, name: str) -> None:
        """A user is no more."""
        assert self.attack.request("admin", "DELETE", f"{USERS}/{name}").status_code == 204
        self.made.remove(name)


@pytest.fixture
def accounts(attack: Attacks) -> Iterator[Accounts]:
    """Users of this test's; none is left."""
    found = Accounts(attack)
    yield found
    for name in list(found.made):
        found.remove(name)


def number_of(attack: Attacks, name: str) -> str:
    with psycopg.connect(attack.running.sandbox.cluster.dsn("airflow")) as opened:
        row = opened.execute("SELECT id FROM ab_user WHERE username = %s", [name]).fetchone()
    assert row, f"FAB has no user {name}"
    return str(row[0])


def one_role(config: dict[str, Any]) -> None:
    """The DBA alone decides."""
    config["approval"]["roles"]["optimise"] = ["dba"]


def statuses(found: dict[str, requests.Response]) -> str:
    """What Airflow answered, by who asked."""
    by_status: dict[int, list[str]] = {}
    for who, answer in found.items():
        by_status.setdefault(answer.status_code, []).append(who)
    return ", ".join(f"{status} for {' '.join(who)}" for status, who in sorted(by_status.items()))


def writes(attack: Attacks, run: str) -> tuple[tuple[str, str, str, Any, dict[str, int]], ...]:
    """What, method, path, body, and what Airflow answers to whom."""
    xcom = {"key": "return_value", "value": {"chosen_options": ["Approve"], "responded_by_user": {"id": "4"}}}
    mark, failed = {"new_state": "success"}, {"state": "failed"}
    variable = {"key": "upkeep_approved", "value": "1, 2"}
    clear = {"dry_run": False, "only_failed": False, "dag_run_id": run, "task_ids": ["plan"]}
    question = attack.path(run, "/taskInstances/approve.dba")
    return (
        ("trigger a run", "POST", RUNS, {"logical_date": None, "conf": {"when": 7}}, {"viewer": 403, "sana": 400}),
        ("mark the question", "PATCH", question, mark, {"viewer": 403}),
        ("clear the plan", "POST", f"{DAG_PATH}/clearTaskInstances", clear, {"viewer": 403, "sana": 200}),
        ("delete the question", "DELETE", question, None, {"viewer": 403}),
        ("fail the run", "PATCH", attack.path(run), failed, {"viewer": 403}),
        ("delete the run", "DELETE", attack.path(run), None, {"viewer": 403}),
        ("forge XCom", "POST", f"{question}/xcomEntries", xcom, {"viewer": 403, "sana": 403, "operator": 201}),
        ("a variable", "POST", "/api/v2/variables", variable, {"viewer": 403, "sana": 403, "operator": 201}),
        ("make a user", "POST", USERS, {}, {"viewer": 403, "sana": 403, "operator": 403}),
        ("one's own role", "PATCH", f"{USERS}/sana", {"roles": [{"name": "Admin"}]}, {"sana": 403, "operator": 403}),
        ("what a role may", "PATCH", f"{ROLES}/User", {"name": "User"}, {"sana": 403, "operator": 403}),
    )


def test_who_may_edit_what_and_what_it_permits(attack: Attacks, saw: Saw) -> None:
    """Viewer, User and Op write XCom, variables, Connections, tasks, runs, users: two people's plan is applied."""
    run = attack.trigger()
    attack.asked(run)
    digest = attack.digest(run)
    for what, method, path, body, expected in writes(attack, run):
        found = {who: attack.request(who, method, path, json=body) for who in expected}
        assert {who: answer.status_code for who, answer in found.items()} == expected, (what, statuses(found))
    nowhere = {"conn_type": "postgres", "host": "127.0.0.1", "port": 1, "login": "mallory", "password": "x"}
    try:
        for name in REPOINTED:
            body = {"connection_id": name, **nowhere}
            assert attack.request("sana", "POST", "/api/v2/connections", json=body).status_code == 403
            assert attack.request("operator", "POST", "/api/v2/connections", json=body).status_code == 201
        attack.running.wait(lambda: attack.task(run, "plan")["try_number"] == 2)
        attack.until(run, "plan", "success")
        assert attack.digest(run) == digest
        for role in attack.holders:
            assert attack.answer(run, role).status_code == 200
        told = attack.applied(run)
        assert all(told[table].startswith("done in ") for table in TABLES), told
        assert [attack.vacuumed(table) for table in TABLES] == [1, 1]
    finally:
        for name in REPOINTED:
            attack.request("operator", "DELETE", f"/api/v2/connections/{name}")
        attack.request("operator", "DELETE", "/api/v2/variables/upkeep_approved")
    saw(
        "a Viewer triggers, marks, clears, deletes, fails, writes XCom, variables, users",
        "403",
        "403 for each",
    )
    saw(
        "a User clears the plan; writes XCom, variables, Connections, users, their own role",
        "the stored plan; 403",
        "200, the same plan; 403 for the rest",
    )
    saw(
        f"an Op forges XCom of the question, variables, the Connections {', '.join(REPOINTED)}",
        "nothing follows from it",
        "201 for each; the plan was applied on its own server as two people approved it; 403 for users and roles",
    )


def test_only_who_is_asked_answers_and_once(attack: Attacks, accounts: Accounts, saw: Saw) -> None:
    """Every other user, one named as the DBA's number, nobody; then dora for another, forged; then dora again."""
    dora = accounts.number("dora")
    accounts.make(dora)  # the name is the number
    run = attack.trigger()
    attack.asked(run)
    others = ("sana", "lena", "omar", "operator", "admin", "viewer", dora)
    found = {user: attack.answer(run, "dba", user=user) for user in others}
    assert {answer.status_code for answer in found.values()} == {403}, statuses(found)
    assert anonymous(attack.running, attack.question(run, "dba")).status_code == 401
    forged = {
        "chosen_options": ["Approve"],
        "params_input": {"actions": attack.ids(run, "devops"), "comment": None},
        "responded_by_user": {"id": accounts.number("omar"), "name": "omar"},
    }
    refused = attack.request("dora", "PATCH", attack.question(run, "devops"), json=forged)
    assert refused.status_code in (403, 422), refused.text
    assert attack.decisions(run) == {}
    saw(
        f"answering for the DBA as each other user, also an Admin, and one who is named {dora} as she is numbered",
        "403",
        "403 for each of 7; 401 without a login",
    )
    saw("answering for DevOps with his number in the body", "refused", f"{refused.status_code}; no decision")
    assert attack.answer(run, "dba").status_code == 200
    again = attack.answer(run, "dba", "Reject").status_code
    attack.until(run, "approve.dba", "success")
    assert again == attack.answer(run, "dba", "Reject").status_code == 409
    assert attack.mark(run, "approve.devops").status_code == 200
    told = attack.applied(run)
    assert all(told[table].startswith("refused: no answer from devops by ") for table in TABLES)
    assert attack.decisions(run) == {"dba": ("dora", attack.ids(run, "dba"))}
    saw("answering twice, the other way", "409; the first answer stays", "409, at once and later; the first stayed")
    saw("marking the other question successful", "no answer", "200; “no answer from devops”, nothing was done")


def test_a_name_that_is_anothers_number(attack: Attacks, accounts: Accounts, saw: Saw) -> None:
    """A user who is named as dora is numbered asks and answers; a person of config, they are nobody but themselves."""
    dora = accounts.number("dora")
    number = accounts.make(dora)
    assert number != dora
    try:
        with attack.config(one_role):
            attack.parse()
            run = attack.trigger(user=dora)
            attack.asked(run, "dba")
            assert attack.answer(run, "dba").status_code == 200
            told = attack.applied(run)
            assert all("that counts as requested by everybody" in told[table] for table in TABLES), told
            attack.finish(run)  # until then no other run plans what it asked
    finally:
        attack.parse()
    saw(
        f"a user named {dora}, unknown to config, asks; dora, who is number {dora}, alone approves",
        "refused: the two are not taken for one another",
        "“requested by everybody”, nothing was done",
    )

    def both(config: dict[str, Any]) -> None:
        config["people"][dora] = {"id": number}
        config["roles"]["devops"]["users"] = [dora]

    with attack.config(both):
        run = attack.trigger()
        attack.asked(run)
        assert attack.answer(run, "dba", user=dora).status_code == 403
        assert attack.answer(run, "devops", user="dora").status_code == 403
        assert attack.answer(run, "dba").status_code == 200
        assert attack.answer(run, "devops", user=dora).status_code == 200
        told = attack.applied(run)
    assert all(told[table].startswith("done in ") for table in TABLES), told
    assert {role: person for role, (person, _) in attack.decisions(run).items()} == {"dba": "dora", "devops": dora}
    saw(
        f"a user named {dora} beside one numbered {dora}, both people of config",
        "each answers for themselves",
        "403 for the other's role; each decision has its own person",
    )


def test_numbers_that_have_come_to_be_others(attack: Attacks, saw: Saw) -> None:
    """Airflow's database was made anew, and config has the old numbers: who asked approves under no other name."""
    numbers = {name: number_of(attack, name) for name in ("dora", "omar")}

    def moved(config: dict[str, Any]) -> None:
        one_role(config)
        config["people"]["dora"]["id"], config["people"]["omar"]["id"] = numbers["omar"], numbers["dora"]

    try:
        with attack.config(moved):
            attack.parse()
            run = attack.trigger(user="omar")
            attack.asked(run, "dba")
            assert attack.answer(run, "dba", user="omar").status_code == 200  # the number of config's dora
            attack.asked_again(run, "dba", f"by 'omar', whose number {numbers['omar']!r} is 'dora'")
            assert attack.answer(run, "dba", user="dora").status_code == 403
            assert attack.mark(run, "approve.dba").status_code == 200
            told = attack.applied(run)
    finally:
        attack.parse()
    assert all(told[table].startswith("refused: no answer from dba by ") for table in TABLES), told
    assert (attack.decisions(run), attack.receipts(run)) == ({}, [])
    saw(
        "config has numbers that are others' now: omar asks, and answers alone with what was dora's number",
        "counts for nothing: name and number must be one person's",
        "200; asked again, with both names in log and message; nothing was done",
    )


def test_accounts_that_change_while_a_question_waits(attack: Attacks, accounts: Accounts, saw: Saw) -> None:
    """Deleted and made anew under the same name, renamed: neither answers for who was asked."""
    first = accounts.make("erin")

    def erin(config: dict[str, Any]) -> None:
        config["people"]["erin"] = {"id": first}
        config["roles"]["devops"]["users"] = ["omar", "erin"]

    with attack.config(erin):
        run = attack.trigger()
        attack.asked(run)
        accounts.remove("erin")
        second = accounts.make("erin")
        assert second != first
        assert attack.answer(run, "devops", user="erin").status_code == 403
        saw(
            "an approver's account is deleted and made anew under its name",
            "403: the number is another",
            "403",
        )
        own = {"username": "lena"}
        assert attack.request("omar", "PATCH", f"{USERS}/omar", json=own).status_code == 403
        renamed = attack.request("admin", "PATCH", f"{USERS}/omar", json={"username": "olga"})
        assert renamed.status_code == 200, renamed.text
        try:
            attack.running.wait(lambda: called(attack, "omar") == "olga")  # FAB remembers users for a while
            assert attack.answer(run, "devops", user="omar").status_code == 200
            attack.asked_again(run, "devops", "found an answer by 'olga', whose number")
        finally:
            assert attack.request("admin", "PATCH", f"{USERS}/olga", json={"username": "omar"}).status_code == 200
        attack.running.wait(lambda: called(attack, "omar") == "omar")
        assert attack.answer(run, "devops").status_code == 200
        attack.until(run, "approve.devops", "success")
    assert attack.decisions(run) == {"devops": ("omar", attack.ids(run, "devops"))}
    saw(
        "an approver renames their own account; an Admin renames it",
        "403; counts for nothing until config has the name",
        "403; asked again with both names; under the old name the answer counted",
    )


def test_where_everybody_is_an_admin_nothing_is_applied(attack: Attacks, saw: Saw) -> None:
    """[fab] auth_role_public = Admin: an admin sets passwords, so an answer says nothing about who gave it."""
    run = attack.trigger()
    attack.asked(run)
    for role in attack.holders:
        assert attack.answer(run, role, "Reject").status_code == 200
    done = attack.apply_beside(run, AIRFLOW__FAB__AUTH_ROLE_PUBLIC="Admin")
    assert done.returncode != 0
    assert "[fab] auth_role_public: found 'Admin', expected another role or none" in done.stderr
    saw("`[fab] auth_role_public` is Admin", "apply refuses", "apply failed with that setting's name")


def called(attack: Attacks, login: str) -> str:
    """How Airflow names who logged in as somebody."""
    found = attack.request(login, "GET", "/ui/auth/me")
    return str(found.json()["username"]) if found.ok else ""
