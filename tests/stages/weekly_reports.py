"""A weekly report with its plan, and what became of that."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.stages.reports import report as daily_report
from upkeep.core.findings import Finding
from upkeep.gate.attempts import Receipt
from upkeep.gate.permits import Decision
from upkeep.gate.plans.model import SCHEDULE, Action, Plan
from upkeep.report.gate import Attempt, Gate, PlanRecord, plan_results
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


def action(number: int, table: str = "", **fields: Any) -> Action:
    name = table or f"t{number}"
    values = {
        "id": str(number),
        "kind": "optimise",
        "verb": "vacuum",
        "statement": f'VACUUM (ANALYZE, TRUNCATE false) "public"."{name}"',
        "schema": "public",
        "table": name,
        "oid": 1000 + number,
        "shape": "",
        "roles": ("dba", "devops"),
        "because": "at least 10 % of its rows are dead",
        "lock": "SHARE UPDATE EXCLUSIVE",
        "predicted_ms": 2000,
        "predicted_bytes": 0,
    }
    return Action(**{**values, **fields})


def plan(*actions: Action, **fields: Any) -> Plan:
    values = {
        "target": "primary",
        "cadence": "weekly",
        "dag_id": "maintenance_weekly",
        "run_id": "scheduled__x",
        "due": DUE,
        "requested_by": SCHEDULE,
        "database": "platform",
        "not_before": DUE,
        "not_after": END,
        "outside": False,
    }
    return Plan(actions=actions, **{**values, **fields})


def decision(role: str, person: str, approved: str, comment: str = "") -> Decision:
    return Decision(role, person, frozenset(approved.split()), DUE + timedelta(minutes=5), comment)


def attempt(number: int = 1, outcome: str | None = "done", **fields: Any) -> Attempt:
    values = {
        "lock_wait_ms": 12,
        "duration_ms": 3140,
        "wal_bytes": 12_345_678,
        "before": {"dead_rows": 3000, "total_bytes": 734_003_200},
        "after": {"dead_rows": 0, "total_bytes": 734_003_200},
    }
    return Attempt(number, outcome and Receipt(outcome, **{"reason": "", **values, **fields}))


BOTH = (decision("dba", "dora", "1 2 3"), decision("devops", "omar", "1 2 3"))
