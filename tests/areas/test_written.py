"""Actions that change the ledger and not the target: written once, in time, and only on what was planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.stages.stage import Stage
from upkeep.areas.kinds import kinds
from upkeep.gate.apply.execution import write_to_ledger
from upkeep.gate.kind import ActionKind
from upkeep.gate.plan_store import StoredPlan
from upkeep.gate.plans.model import Action
from upkeep.gate.proposing import Proposals, ProposalSources
from upkeep.wires.database import Row, Session

KIND = "written"
IN_FORCE = "SELECT digest, action_id FROM upkeep.thresholds WHERE target = %(target)s"
PUT = (
    "INSERT INTO upkeep.thresholds (target, version, metric, statement, digest, action_id)"
    " VALUES (%(target)s, 2, 'cpu_usage', '', %(digest)s, %(action)s) ON CONFLICT (digest, action_id) DO NOTHING"
)


def in_force(session: Session, action: Action) -> Row:
    """Whose version stands in the ledger."""
    return {"rows": [row["action_id"] for row in session.rows(IN_FORCE, {"target": action.schema})]}


def other_version(action: Action, now: Row | None) -> str:
    """Another version than the planned one."""
    others = [key for key in (now or {})["rows"] if key != action.id] if now else []
    return f"version 2 is {others[0]}'s" if others else ""


def put(session: Session, action: Action, digest: str) -> None:
    """A row, written twice the same as once."""
    session.rows(PUT, {"target": action.schema, "digest": digest, "action": action.id})


def there(action: Action, before: Mapping[str, Any], after: Row | None) -> bool:
    """Whether it stands there now."""
    return after is not None and action.id in after["rows"]


def nothing(_: ProposalSources) -> Proposals:
    """It is no plan's: the test draws it up."""
    return [], 0


def register(monkeypatch: pytest.MonkeyPatch, write: Callable[[Session, Action, str], None] = put) -> None:
    monkeypatch.setitem(kinds(), KIND, ActionKind(KIND, "G19", (), nothing, in_force, other_version, there, write))


def approved(stage: Stage) -> StoredPlan:
    """A plan of one such action, approved by both."""
    action = Action(
        id="1", kind=KIND, verb="set", statement="cpu_usage", schema=stage.name, table="cpu_usage", oid=0, shape="",
        roles=("dba", "devops"), because="its history", lock="none", predicted_ms=50, predicted_bytes=0,
    )  # fmt: skip
    return stage.approved(actions=(action,))


def written(stage: Stage) -> list[tuple[Any, ...]]:
    """What stands in the ledger."""
    return stage.ledger.ask("SELECT action_id FROM upkeep.thresholds WHERE target = %s", stage.name)


def test_it_is_written_once_under_its_permit(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A permit, a row, a receipt; applied again, nothing is added."""
    register(monkeypatch)
    stored = approved(stage)
    for _ in range(2):
        assert stage.apply(stored)["cpu_usage"].state == "done"
    assert stage.permits(stored) == [("cpu_usage", 1, "done")]
    (receipt,) = stage.receipts(stored)
    assert (receipt["before"], receipt["after"]) == ({"rows": []}, {"rows": ["1"]})
    assert written(stage) == [("1",)]


def test_time_that_runs_out_while_it_is_written_takes_it_back(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is looked at last, in the transaction: after T nothing stands in the ledger."""
    took: list[str] = []

    def slowly(session: Session, action: Action, digest: str) -> None:
        put(session, action, digest)
        took.append(action.id)

    register(monkeypatch, slowly)
    stored = approved(stage)
    late = stored.plan.not_after
    outcome = stage.apply(stored, clock=lambda: late if took else datetime.now(UTC))["cpu_usage"]
    assert (outcome.state, outcome.reason) == ("not done", "its time was over before it was written")
    assert stage.permits(stored) == [("cpu_usage", 1, "not done")]
    assert written(stage) == []


def test_what_changed_after_the_last_look_is_not_written_over(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state is read again in the transaction that writes."""
    register(monkeypatch)
    stored = approved(stage)
    (action,) = stored.plan.actions
    with stage.ledger.session() as session:
        before = in_force(session, action)
        put(session, replace(action, id="elsewhere"), stored.digest)
    with stage.ledger.session() as session:
        receipt, again = write_to_ledger(
            kinds()[action.kind], action, stored, lambda: datetime.now(UTC), before, session
        )
    assert (receipt.outcome, receipt.reason, again) == ("not done", "version 2 is elsewhere's", False)
    assert written(stage) == [("elsewhere",)]


def test_a_locked_ledger_is_tried_again_and_not_for_ever(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt has a permit and a receipt of its own, and ends with the ledger's lock_timeout."""
    register(monkeypatch)
    stored = approved(stage)
    with stage.no_new("thresholds"):
        outcome = stage.apply(stored)["cpu_usage"]
    assert outcome.state == "not done"
    assert "lock timeout" in outcome.reason
    assert stage.permits(stored) == [("cpu_usage", 1, "not done"), ("cpu_usage", 2, "not done")]
    assert written(stage) == []


@pytest.mark.parametrize("committed", [False, True])
def test_a_session_that_ends_meanwhile_leaves_it_to_the_ledger(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    """Its permit gets the receipt that the ledger shows, and it stands there once."""
    tried: list[str] = []

    def ended(session: Session, action: Action, digest: str) -> None:
        if tried or committed:
            put(session, action, digest)
        if not tried:
            tried.append(action.id)
            if committed:
                session.connection.execute("COMMIT")
            session.rows("SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())")

    register(monkeypatch, ended)
    stored = approved(stage)
    assert stage.apply(stored)["cpu_usage"].state == "done"
    first = ("cpu_usage", 1, "done" if committed else "not done")
    assert stage.permits(stored) == ([first] if committed else [first, ("cpu_usage", 2, "done")])
    assert written(stage) == [("1",)]
