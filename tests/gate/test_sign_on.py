"""A monthly plan is applied only when every role has signed on; the ledger says who has, and config who must."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.stages.signing import SIGNER
from tests.stages.stage import Stage, changed, states
from upkeep.gate import sheets
from upkeep.gate.decision_store import add_decision, add_shown
from upkeep.gate.permits import Decision
from upkeep.gate.plan_store import StoredPlan, StoredSheet, add_sheet, plan_by_digest, plan_of_run, sheet_of_run
from upkeep.gate.plans.model import digest
from upkeep.gate.sheets import Sheet, SheetItem
from upkeep.settings.approval import Role

PEOPLE = {"dba": "ann", "devops": "bob"}


def monthly(stage: Stage) -> StoredPlan:
    """A monthly plan that dba and devops approved."""
    stage.config = changed(stage.config, monthly={"sign_on": ("dba", "devops")})
    stage.dirty("dead")
    return stage.approved(cadence="monthly", dag_id="maintenance_monthly")


def ask(stage: Stage, stored: StoredPlan) -> StoredSheet:
    """The sign-on sheet of the plan's run."""
    items = tuple(SheetItem(role, role, role, "G23", "", "takes part") for role in PEOPLE)
    plan = stored.plan
    end = datetime.now(UTC) + timedelta(minutes=30)
    run = {"dag_id": plan.dag_id, "run_id": plan.run_id, "instance": plan.instance}
    sheet = Sheet(sheets.SIGN_ON, plan.target, plan.cadence, due=plan.due, not_after=end, items=items, **run)
    with stage.ledger.session() as session:
        return add_sheet(session, stage.window(plan), sheet, {})


def sign(stage: Stage, stored: StoredPlan, kept: StoredSheet, people: Mapping[str, str] = PEOPLE) -> None:
    """Let people sign on; an empty name of a role declines."""
    for role, person in people.items():
        shown = {
            "task_id": f"sign_on.{role}",
            "map_index": -1,
            "try_number": 1,
            "role": role,
            "digest": kept.digest,
            "body_digest": "",
            "action_ids": [role],
            "asked": [person],
        }
        with stage.ledger.session() as session:
            number = add_shown(session, stage.window(stored.plan), shown, SIGNER)
            add_decision(
                session, kept.digest, number, Decision(role, person, frozenset({role}), datetime.now(UTC)), SIGNER
            )


@pytest.mark.guide("G23", "holds")
def test_nothing_is_changed_before_every_role_has_signed_on(stage: Stage) -> None:
    """G23: approved, and refused while a sign-on is missing; the last one lets it run."""
    stored = monthly(stage)
    assert stage.apply(stored)["dead"].reason == "no sign-on from dba"
    kept = ask(stage, stored)
    sign(stage, stored, kept, {"dba": "ann"})
    assert stage.apply(stored)["dead"].reason == "no sign-on from devops"
    assert stage.vacuums() == {"dead": 0}
    assert stage.permits(stored) == []
    sign(stage, stored, kept, {"devops": "bob"})
    assert states(stage.apply(stored)) == {"dead": "done"}


@pytest.mark.guide("G23", "holds")
def test_one_person_is_not_two_roles_and_who_left_is_not_there(stage: Stage) -> None:
    """G23: eve for both, or ann who is no dba any more when it is applied."""
    stored = monthly(stage)
    sign(stage, stored, ask(stage, stored), {"dba": "eve", "devops": "eve"})
    assert stage.apply(stored)["dead"].reason == "no sign-on from devops"  # the ledger kept her first yes alone
    stage.dirty("other")
    second = monthly_again(stage)
    sign(stage, second, ask(stage, second))
    left = stage.config.model_copy(update={"roles": stage.config.roles | {"dba": Role(title="DBA", users=("eve",))}})
    found = stage.apply(second, reread=lambda: left)
    assert {outcome.state for outcome in found.values()} == {"refused"}
    assert stage.vacuums() == {"dead": 0, "other": 0}


def monthly_again(stage: Stage) -> StoredPlan:
    """Another run's plan on the same target."""
    return stage.approved(cadence="monthly", dag_id="maintenance_monthly")


def test_a_sign_on_is_for_its_own_run(stage: Stage) -> None:
    """What was signed in another run lets nothing run in this one."""
    first = monthly(stage)
    sign(stage, first, ask(stage, first))
    second = monthly_again(stage)
    assert stage.apply(second)["dead"].reason == "no sign-on from dba"


def test_a_weekly_plan_asks_for_no_sign_on(stage: Stage) -> None:
    """Only the monthly window is the whole team's."""
    stage.dirty("dead")
    assert states(stage.apply(stage.approved())) == {"dead": "done"}


def test_a_run_keeps_its_first_sheet_and_its_plan_beside_it(stage: Stage) -> None:
    """Cleared and drawn up again it is the one that is there; plan and sheet do not stand in each other's way."""
    stored = monthly(stage)
    first = ask(stage, stored)
    assert ask(stage, stored).digest == first.digest
    with stage.ledger.session() as session:
        plan = plan_of_run(session, stored.plan.run)
        assert plan_by_digest(session, first.digest) is None
        assert sheet_of_run(session, stored.plan.run, sheets.ATTEST) is None
    assert plan is not None and plan.digest == stored.digest


def test_a_sheet_that_was_changed_in_the_ledger_is_refused(stage: Stage) -> None:
    """Its text does not give its digest any more: nothing is applied under it."""
    stored = monthly(stage)
    kept = ask(stage, stored)
    sign(stage, stored, kept)
    with psycopg.connect(stage.ledger.cluster.dsn(stage.ledger.name), autocommit=True) as owner:
        owner.execute(
            "UPDATE upkeep.plans SET body = replace(body, 'takes part', 'watches') WHERE digest = %s", [kept.digest]
        )
    assert "found a sheet whose text does not give its digest" in stage.apply(stored)["dead"].reason
    assert stage.vacuums() == {"dead": 0}


def test_the_tasks_role_cannot_change_or_remove_a_sheet(stage: Stage) -> None:
    """Rule 7 holds for sheets as for plans: rows are added, and stay."""
    stored = monthly(stage)
    kept = ask(stage, stored)
    for statement in (
        "UPDATE upkeep.plans SET purpose = 'plan' WHERE digest = %s",
        "DELETE FROM upkeep.plans WHERE digest = %s",
    ):
        with (
            psycopg.connect(stage.ledger.dsn("tasks"), autocommit=True) as tasks,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            tasks.execute(statement.encode(), [kept.digest])
    assert digest(sheets.canonical(kept.sheet)) == kept.digest


def test_not_even_the_ledgers_owner_makes_one_person_two_roles(stage: Stage) -> None:
    """Nobody changes an answer into a second yes of the same person: the ledger has no row for it."""
    stored = monthly(stage)
    kept = ask(stage, stored)
    sign(stage, stored, kept)
    with (
        psycopg.connect(stage.ledger.cluster.dsn(stage.ledger.name), autocommit=True) as owner,
        pytest.raises(psycopg.errors.UniqueViolation),
    ):
        owner.execute("UPDATE upkeep.decisions SET person = 'ann' WHERE role = 'devops' AND digest = %s", [kept.digest])
