"""A weekly report with its plan, and what became of that."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.stages.reports import report as daily_report
from upkeep.core.findings import Finding
from upkeep.gate.plans.model import Plan
from upkeep.report.gate import Gate, PlanRecord, plan_results
from upkeep.report.model import RAN, Report, StepResult

DUE = datetime(2026, 11, 22, 3, tzinfo=UTC)
END = DUE + timedelta(hours=2)
NOW = DUE + timedelta(minutes=40)
DAY = timedelta(days=1)
TITLES = {"dba": "Database Administrator", "devops": "DevOps Engineer"}


def gate(one: Plan, told: PlanRecord | None = None, now: datetime = NOW, **fields: Any) -> Gate:
    return plan_results(one, "ab12" * 16, DUE, told or PlanRecord(**{"titles": TITLES, **fields}), now)


def step(name: str, *findings: Finding, state: str = RAN, reason: str = "", started: datetime = DUE) -> StepResult:
    group, _, title = name.partition(".")
    return StepResult(name, group, title or group, state, reason, started, started, findings)


def weekly(*steps: StepResult, gate: Gate | None = None, **fields: Any) -> Report:
    values = {"cadence": "weekly", "due": DUE, "deadline": END, "made_at": NOW, "last_due": DUE - 7 * DAY}
    return replace(daily_report(*steps), gate=gate, **{**values, **fields})
