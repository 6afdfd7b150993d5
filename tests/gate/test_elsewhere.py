"""What another run's plan still has to do, or asks about in the same window, is not planned a second time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.stages.stage import HOUR, Stage
from upkeep.core.windows import Run, Window, WindowKind
from upkeep.gate.elsewhere import planned_elsewhere
from upkeep.gate.plan_store import StoredPlan

MINUTE = timedelta(minutes=1)
MONTHLY = Run("maintenance_monthly", "scheduled__monthly", "9")


def elsewhere(
    stage: Stage,
    stored: StoredPlan,
    cadence: str = "monthly",
    kind: WindowKind = WindowKind.CALENDAR,
    alive: bool = True,
    now: datetime | None = None,
) -> set[str]:
    """Tables whose actions a run of another DAG leaves to this plan, while it runs or not."""
    now = now or datetime.now(UTC)
    window: Window = replace(
        stage.window(stored.plan),
        cadence=cadence,
        kind=kind,
        due=now - HOUR,
        dag_id=f"maintenance_{cadence}",
        run_id=MONTHLY.run_id,
        instance=MONTHLY.instance,
    )
    with stage.ledger.session() as session:
        return {action.table for action in planned_elsewhere(session, stage.config, window, now, lambda run: alive)}


def test_what_is_approved_is_left_to_its_plan_until_it_is_done(stage: Stage) -> None:
    """Approved by both roles it is another's; unapproved, done, or of a run that has ended it is not."""
    stage.dirty("a", "b")
    stored = stage.plan()
    assert elsewhere(stage, stored, "weekly") == set()
    (approved,) = (action for action in stored.plan.actions if action.table == "a")
    stage.decide(stored, ids={approved.id})
    assert elsewhere(stage, stored, "weekly") == {"a"}
    assert elsewhere(stage, stored, "weekly", alive=False) == set()
    stage.apply(stored)
    assert elsewhere(stage, stored, "weekly") == set()


def test_what_somebody_altered_is_left_to_nobody(stage: Stage) -> None:
    """Answers that their signatures do not fit approve nothing, so that another plan may ask for the same."""
    stage.dirty("a")
    stored = stage.approved()
    assert elsewhere(stage, stored, "weekly") == {"a"}
    stage.ledger.change("UPDATE upkeep.decisions SET comment = comment || '!' WHERE digest = %s", stored.digest)
    assert elsewhere(stage, stored, "weekly") == set()
    stage.ledger.change("UPDATE upkeep.decisions SET comment = left(comment, -1) WHERE digest = %s", stored.digest)
    assert elsewhere(stage, stored, "weekly") == {"a"}


@pytest.mark.guide("X9", "holds")
def test_a_monthly_window_that_plans_late_asks_nobody_what_the_weekly_one_asks(stage: Stage) -> None:
    """A freeze that began and ended between the two let the weekly one plan first; a run by hand asks for itself."""
    stage.dirty("a", "b")
    stored = stage.plan()
    assert elsewhere(stage, stored) == {"a", "b"}
    assert elsewhere(stage, stored, kind=WindowKind.MANUAL) == set()
    assert elsewhere(stage, stored, "weekly") == set()
    assert elsewhere(stage, stored, alive=False) == set()


def test_a_weekly_window_asks_from_the_moment_that_it_opens(stage: Stage) -> None:
    """At N itself, not a moment later."""
    stage.dirty("a")
    stored = stage.plan()
    opens = stored.plan.not_before
    assert elsewhere(stage, stored, now=opens) == {"a"}
    assert elsewhere(stage, stored, now=opens - timedelta(microseconds=1)) == set()


@pytest.mark.parametrize("other", [{"outside": True}, {"not_before": 5}, {"cadence": "monthly"}], ids=str)
def test_only_an_open_weekly_window_asks_for_the_monthly_one(stage: Stage, other: dict[str, object]) -> None:
    """Not a run outside the calendar, nor one whose window comes later, nor another monthly one."""
    stage.dirty("a")
    if "not_before" in other:
        other = {"not_before": datetime.now(UTC).replace(microsecond=0) + 5 * MINUTE}
    assert elsewhere(stage, stage.plan(**other)) == set()
