"""Asking a role about a plan: which of its actions may run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upkeep.flow.hitl.answer import title_of
from upkeep.flow.hitl.question import Question
from upkeep.flow.hitl.sensor import RoleAnswerSensor
from upkeep.flow.runs import run_of
from upkeep.flow.urls import report_url
from upkeep.gate.permits import APPROVE, REJECT

if TYPE_CHECKING:
    from airflow.sdk import Context

    from upkeep.gate.apply.ledger_session import LedgerSession


class ManualApprovalSensor(RoleAnswerSensor):
    """Ask one role about the actions of this run's plan that need it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(options=[APPROVE, REJECT], **kwargs)

    def question(self, ledger: LedgerSession, context: Context) -> Question | str:
        """The plan's actions that need this role, until the shortest of them could still begin in time."""
        from upkeep.gate.permits import PLAN_LABELS, asked_until
        from upkeep.gate.plan_store import plan_of_run
        from upkeep.gate.plans.form import body, label, subject

        stored = ledger.with_retry(lambda session: plan_of_run(session, run_of(context)))
        if stored is None:
            return "no plan"
        plan, measured = stored.plan, stored.measured
        ids = plan.ids_for(self.role)
        if not ids:
            return "no action"
        return Question(
            digest=stored.digest,
            ids=ids,
            subject=subject(plan, self.role, title_of(self.role)),
            body=body(plan, self.role, measured, self.people, stored.checklist, report_url(plan.dag_id, plan.run_id)),
            until=asked_until(plan) - plan.shortest,
            not_after=plan.not_after,
            labels=PLAN_LABELS,
            rows=tuple(row["guide"] for row in stored.checklist),
            words={
                **{action.id: label(plan, action, measured.get(action.id, {})) for action in plan.actions},
                **{row["guide"]: row["title"] for row in stored.checklist},
            },
        )
