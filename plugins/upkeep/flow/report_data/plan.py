"""A run's plan and what became of it, as the ledger and Airflow know it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upkeep.core.findings import Finding, Level
from upkeep.flow.report_data.steps import task_states
from upkeep.flow.urls import task_url
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow.sdk import Context

    from upkeep.core import windows
    from upkeep.report.gate import Attempt, Gate, ReportedOutcome
    from upkeep.report.model import StepResult
    from upkeep.wires.database import Row, Session


def gate_of_run(
    session: Session,
    context: Context,
    window: windows.Window,
    steps: tuple[StepResult, ...],
    sensors: Mapping[str, str],
    now: datetime,
    *,
    interim: bool = False,
) -> tuple[Gate | None, tuple[Finding, ...]]:
    """The run's plan and what became of it, None without a plan; a finding when the ledger's plan was changed.

    ``sensors`` is the task that asks each role; ``interim``: before they ask.
    """
    from upkeep.gate import decision_store
    from upkeep.gate.permit_store import permits_of_plan
    from upkeep.gate.plan_store import plan_of_run
    from upkeep.report.gate import PlanRecord, plan_results
    from upkeep.report.model import APPLY_STEP

    signing = settings().maintenance.ledger.signing
    try:
        stored = plan_of_run(session, window.run)
        decisions = decision_store.decisions(session, stored.digest, signing) if stored else ()
        permits = permits_of_plan(session, stored.digest, signing) if stored else []
    except ValueError as why:
        return None, (tampering_finding(why),)
    if stored is None:
        return None, ()
    states = task_states(context, sorted(sensors.values()))
    apply = next((step for step in steps if step.step == APPLY_STEP), None)
    roles = settings().maintenance.roles
    told = PlanRecord(
        decisions=decisions,
        attempts=_attempts(permits),
        outcomes=_outcomes(apply),
        measured=stored.measured,
        titles={role: roles[role].title for role in stored.plan.roles if role in roles},
        notes={role: _note(task, states[task]) for role, task in sensors.items()},
        log_urls={role: task_url(context["ti"], task) for role, task in sensors.items()},
        undecided="it waits for the answers" if interim else _undecided(apply),
    )
    return plan_results(stored.plan, stored.digest, stored.planned_at, told, now), ()


def _undecided(apply: StepResult | None) -> str:
    """Why apply came to no outcome; empty when it came to one."""
    from upkeep.report.model import RAN

    return f"the apply step {apply.state}: {apply.reason}" if apply and apply.state != RAN else ""


def _attempts(permits: list[Row]) -> dict[str, tuple[Attempt, ...]]:
    """Every permit of a plan with its receipt, by action."""
    from upkeep.gate.permit_store import receipt_of
    from upkeep.report import gate as report_gate

    found: dict[str, tuple[Attempt, ...]] = {}
    for row in permits:
        one = report_gate.Attempt(row["attempt"], receipt_of(row))
        found[row["action_id"]] = (*found.get(row["action_id"], ()), one)
    return found


def _outcomes(apply: StepResult | None) -> dict[str, ReportedOutcome]:
    """What the apply step said of each action, from the metadata of its findings."""
    from upkeep.report import gate as report_gate

    findings = apply.findings if apply else ()
    return {
        finding.metadata["action"]: report_gate.ReportedOutcome(finding.metadata["outcome"], finding.metadata["reason"])
        for finding in findings
        if {"action", "outcome"} <= set(finding.metadata)
    }


def _note(task: str, state: str | None) -> str:
    """What hindered a question to a role, as Airflow tells it; empty when nothing did."""
    return "" if state in ("success", None) else f"Airflow's state of task {task} is {state}"


def tampering_finding(why: ValueError) -> Finding:
    """The finding of a plan or sheet that somebody changed in the ledger."""
    return Finding(
        key="gate:plan",
        level=Level.CRITICAL,
        subject="A plan or a sheet in the ledger was changed",
        detail=str(why),
        expected="plans and sheets whose text gives their digest, rows whose signature fits",
        remedy="Approve and apply nothing from this ledger until you know who changed it; "
        "`python -m upkeep ledger verify` names every such row.",
    )
