"""The next plan begins with what people approved and was not done: it appears, and goes once it was done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import sql

from tests.stages.stage import HOUR, Stage
from upkeep.areas import undone
from upkeep.core.findings import Finding, Level


def first_line(stage: Stage) -> Finding | None:
    """What the next plan says of the one before it."""
    stored = stage.plan(actions=())
    with stage.ledger.session() as session:
        return undone.before(session, stored, stage.config.ledger.signing)


@pytest.fixture
def dirty(stage: Stage) -> Stage:
    """Three tables that a plan vacuums."""
    stage.dirty("first", "second", "third")
    return stage


@pytest.fixture
def powerless(dirty: Stage) -> str:
    """A role that may look at everything and VACUUM nothing; the conninfo of its sessions."""
    name = f"powerless_{dirty.name}"
    with psycopg.connect(dirty.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x' IN ROLE pg_monitor").format(sql.Identifier(name)))
    return psycopg.conninfo.make_conninfo(dirty.dsn, user=name, password="x")


@pytest.mark.guide("G52", "fires", "silent")
def test_what_a_missing_right_left_undone_is_one_finding_with_its_grant(dirty: Stage, powerless: str) -> None:
    """Every approved VACUUM was refused by the server: one warning that counts them; done by one that may, silence."""
    assert first_line(dirty) is None
    stored = dirty.approved()
    connectors = dirty.connectors(maintain=powerless)
    outcomes = dirty.apply(stored, connectors=connectors)
    assert {outcome.state for outcome in outcomes.values()} == {"not done"}
    found = first_line(dirty)
    assert found is not None
    count = len(outcomes)
    assert (found.level, found.key) == (Level.WARNING, "plan:undone")
    assert found.detail.startswith(f"{count} approved actions of the plan for ")
    assert f" were not done: {count} because: " in found.detail
    assert "`python -m upkeep grants maintain`" in found.remedy
    assert "indexes" not in found.remedy

    assert {outcome.state for outcome in dirty.apply(dirty.approved()).values()} == {"done"}
    assert first_line(dirty) is None


def test_what_was_rejected_or_never_answered_is_not_counted(dirty: Stage) -> None:
    """One role alone approves nothing; what both approved and nobody tried is told once its time is over."""
    past = datetime.now(UTC) - HOUR
    times = {"not_before": past - HOUR, "not_after": past, "due": past - HOUR}
    dirty.decide(dirty.plan(**times), {"dba": "ann"}, at=past - timedelta(minutes=5))
    assert first_line(dirty) is None
    stored = dirty.plan(**times)
    kept = stored.plan.actions[0].id
    dirty.decide(stored, {"dba": "ann"}, at=past - timedelta(minutes=5))
    dirty.decide(stored, {"devops": "bob"}, {kept}, at=past - timedelta(minutes=5))
    found = first_line(dirty)
    assert found is not None
    assert found.metadata["actions"] == [kept]
    assert f"1 because: {undone.NEVER_TRIED}" in found.detail
    assert found.remedy.startswith("Read that plan's report")
