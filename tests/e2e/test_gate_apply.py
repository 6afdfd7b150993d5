"""Attacks and accidents around apply: what changed since the approval, and processes that are killed or doubled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.e2e.attacks import Attacks
from tests.e2e.conftest import Running

TABLES = ("kept", "recreated", "altered")


@pytest.fixture
def attack(running: Running) -> Iterator[Attacks]:
    """Tables that a plan would vacuum; at the end neither they nor a waiting run are left."""
    found = Attacks(running)
    found.make_dirty(*TABLES)
    yield found
    found.end()
    found.drop(*TABLES)


def test_apply_looks_at_people_servers_and_tables_again(attack: Attacks) -> None:
    """Approved by all, and yet: a person left, another server, ledger or Connection, other tables (rules 5, 6, 8)."""
    run = attack.trigger(user="dora")
    attack.asked(run)
    assert attack.approve(run, "dba", *TABLES).status_code == 200
    attack.until(run, "approve.dba", "success")

    def dora_left(config: dict[str, Any]) -> None:
        config["roles"]["dba"]["users"] = ["lena"]

    def another_server(config: dict[str, Any]) -> None:
        config["targets"]["primary"]["system_identifier"] = "7400000000000000000"

    def another_ledger(config: dict[str, Any]) -> None:
        config["ledger"]["identity"] = "00000000-0000-0000-0000-000000000000"

    def repointed(config: dict[str, Any]) -> None:
        config["targets"]["primary"]["connections"]["maintain"] = "upkeep_repointed"

    def blinded(config: dict[str, Any]) -> None:
        config["targets"]["primary"]["connections"]["read"] = "upkeep_repointed"

    with attack.config(dora_left):
        assert attack.approve(run, "devops", *TABLES).status_code == 200
        told = attack.applied(run)
        left = "refused: dora, who approved as dba, does not hold that role any more"
        assert {told[table] for table in TABLES} == {left}
    with attack.config(another_server):
        told = attack.again(run)
        assert all("system_identifier: found 7400000000000000000, expected" in told[table] for table in TABLES)
    with attack.config(another_ledger):
        assert "ledger.identity: found 00000000-0000-0000-0000-000000000000, expected" in attack.again(run)[""]

    evil = {"conn_type": "postgres", "host": "203.0.113.1", "login": "postgres", "password": "x", "schema": "platform"}
    names = ("upkeep_target_maintain", "upkeep_target_read", "upkeep_ledger", "upkeep_repointed")
    try:
        for name in names:
            made = attack.request("operator", "POST", "/api/v2/connections", json={**evil, "connection_id": name})
            assert made.status_code == 201, made.text
        for change in (repointed, blinded):  # what changes the target, and what guards it
            with attack.config(change):
                assert "'upkeep_repointed': found none in the environment" in attack.again(run)[""]
        for setting, says in EVERYBODY:
            assert says in _as_everybodys_admin(attack, run, setting)
        assert attack.receipts(run) == []

        with attack.target() as admin:
            admin.execute("DROP TABLE recreated")
            admin.execute("ALTER TABLE altered ADD COLUMN more int")
        attack.make_dirty("recreated")
        told = attack.again(run)
    finally:
        for name in names:
            attack.request("operator", "DELETE", f"/api/v2/connections/{name}")
    assert told["kept"].startswith("done in ")
    assert "dropped and created again" in told["recreated"]
    assert "columns were altered" in told["altered"]
    assert attack.again(run)["kept"].startswith("done")
    assert attack.receipts(run) == [(*attack.ids_of(run, "kept"), 1, "done")]
    assert [attack.vacuumed(table) for table in TABLES] == [1, 0, 0]
    attack.finish(run)
    assert attack.clear(run, "report", "verdict").status_code == 200
    assert attack.finish(run) == "success"
    assert {"done", "refused"} == {action["state"] for action in attack.report(run)["gate"]["actions"]}


EVERYBODY = (
    ({"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True"}, "all_admins: found True, expected False"),
    ({"AIRFLOW__FAB__AUTH_ROLE_PUBLIC": "Admin"}, "auth_role_public: found 'Admin', expected another role or none"),
)


def _as_everybodys_admin(attack: Attacks, run: str, setting: dict[str, str]) -> str:
    """What apply's process says where everybody is an admin: a running api-server cannot be switched over."""
    done = attack.apply_beside(run, **setting)
    assert done.returncode != 0
    return done.stderr


def test_killed_at_every_moment_it_is_done_exactly_once(attack: Attacks) -> None:
    """SIGKILL before the permit, before the statement and before the receipt; cleared while it runs; done once."""
    run = attack.trigger()
    attack.asked(run)
    action = attack.ids_of(run, "kept")[0]
    assert attack.approve(run, "dba", "kept").status_code == 200
    with attack.locked("upkeep.permits"):
        assert attack.approve(run, "devops", "kept").status_code == 200
        first = attack.applying()
        assert attack.clear(run, "apply").status_code == 200  # a second process for the same task
        attack.running.wait(lambda: not first.is_running())
        attack.applying().kill()
        attack.until(run, "apply", "failed")
        attack.nobody_applies()
    assert (attack.receipts(run), attack.vacuumed("kept")) == ([], 0)

    def patient(config: dict[str, Any]) -> None:
        config["guards"]["lock_timeout_seconds"] = 60.0

    with attack.config(patient):
        with attack.locked("kept", "SHARE UPDATE EXCLUSIVE"):
            attack.rerun(run)
            attack.permits(run, 1)
            attack.applying().kill()
            attack.until(run, "apply", "failed")
            attack.nobody_applies()
        assert (attack.receipts(run), attack.vacuumed("kept")) == ([(action, 1, None)], 0)

        with attack.locked("upkeep.receipts") as receipts, attack.locked("kept", "SHARE UPDATE EXCLUSIVE") as table:
            receipts.rollback()  # not yet: the killed process's permit gets its receipt first
            attack.rerun(run)
            attack.permits(run, 2)
            receipts.execute("LOCK TABLE upkeep.receipts IN EXCLUSIVE MODE")
            table.rollback()
            attack.running.wait(lambda: attack.vacuumed("kept"))
            attack.applying().kill()
            attack.until(run, "apply", "failed")
            attack.nobody_applies()
    assert attack.receipts(run) == [(action, 1, "not done"), (action, 2, None)]
    for _ in range(2):
        assert attack.again(run)["kept"].startswith("done")
    assert attack.receipts(run) == [(action, 1, "not done"), (action, 2, "done")]
    assert attack.vacuumed("kept") == 1


def test_the_tasks_role_cannot_change_what_was_planned_or_decided(attack: Attacks) -> None:
    """UPDATE and DELETE on plans, shown, decisions, permits and receipts are refused by the server (rule 7)."""
    sandbox = attack.running.sandbox
    with psycopg.connect(sandbox.dsn("upkeep", "upkeep_tasks"), autocommit=True) as tasks:
        for table in ("plans", "shown", "decisions", "permits", "receipts"):
            name = sql.Identifier("upkeep", table)
            for statement in (
                "UPDATE {} SET id = DEFAULT",
                "DELETE FROM {}",
                "TRUNCATE {}",
                "ALTER TABLE {} ADD x int",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    tasks.execute(sql.SQL(statement).format(name))
