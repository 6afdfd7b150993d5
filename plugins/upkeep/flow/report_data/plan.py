"""What the ledger and Airflow tell a report of its run: steps, samples, earlier windows, the plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk.configuration import conf

from upkeep.core.findings import Finding, Level
from upkeep.flow.signed import signing_of_run
from upkeep.settings.base import METRICS
from upkeep.settings.load import settings

#: What the daily window calls the database's size.
SIZE = "database_bytes"

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow.sdk import Context

    from upkeep.core import windows
    from upkeep.core.findings import Bands, Sample
    from upkeep.report.gate import Attempt, Gate, Outcome
    from upkeep.report.model import History, StepResult
    from upkeep.report.signing import Signing
    from upkeep.wires.database import Row, Session


def run_url(dag_id: str, run_id: str, *, pages: str = "") -> str:
    """A run's address in Airflow's UI, or with ``pages="/upkeep"`` where Upkeep's pages about it are mounted."""
    base = conf.get("api", "base_url", fallback="/").rstrip("/")
    return f"{base}{pages}/dags/{quote(dag_id)}/runs/{quote(run_id, safe='')}"


def airflow_says(context: Context, tasks: list[str]) -> dict[str, str | None]:
    """Airflow's state of some tasks of this run."""
    ti: Any = context["ti"]
    found = ti.get_task_states(dag_id=ti.dag_id, task_ids=tasks, run_ids=[ti.run_id]).get(ti.run_id, {})
    return {task: found.get(task) for task in tasks}


def gate_of_run(
    session: Session,
    context: Context,
    window: windows.Window,
    steps: tuple[StepResult, ...],
    sensors: Mapping[str, str],
    now: datetime,
) -> tuple[Gate | None, tuple[Finding, ...]]:
    """The run's plan and what became of it, None without a plan; a finding when the ledger's plan was changed.

    ``sensors`` is the task that asks each role.
    """
    from upkeep.gate import decision_store
    from upkeep.gate.permit_store import permits_of_plan
    from upkeep.gate.plan_store import plan_of_run
    from upkeep.report.gate import Told, what_became
    from upkeep.report.model import APPLY_STEP, RAN

    signing = settings().maintenance.ledger.signing
    try:
        stored = plan_of_run(session, window.run)
        decisions = decision_store.decisions(session, stored.digest, signing) if stored else ()
        permits = permits_of_plan(session, stored.digest, signing) if stored else []
    except ValueError as why:
        return None, (changed(why),)
    if stored is None:
        return None, ()
    states = airflow_says(context, sorted(sensors.values()))
    apply = next((step for step in steps if step.step == APPLY_STEP), None)
    roles = settings().maintenance.roles
    told = Told(
        decisions=decisions,
        attempts=_attempts(permits),
        outcomes=_outcomes(apply),
        measured=stored.measured,
        titles={role: roles[role].title for role in stored.plan.roles if role in roles},
        notes={role: _note(task, states[task]) for role, task in sensors.items()},
        log_urls={role: _log_url(context, task) for role, task in sensors.items()},
        undecided=f"the apply step {apply.state}: {apply.reason}" if apply and apply.state != RAN else "",
    )
    return what_became(stored.plan, stored.digest, stored.planned_at, told, now), ()


def history(session: Session, window: windows.Window, bands: Mapping[str, Bands]) -> tuple[History, ...]:
    """The six metrics over the last windows, with the bands in force now; weekly its own numbers, monthly by month."""
    from upkeep.ledger.read import metric_history
    from upkeep.report import model
    from upkeep.report.model import Point

    if window.cadence == "weekly":
        return _weekly(session, window, bands)
    if window.cadence == "monthly":
        return _monthly(session, window, bands)
    rows = metric_history(session, window, METRICS)
    return tuple(
        model.History(
            metric=name,
            title=_metric_title(name),
            bands=bands[name],
            points=tuple(Point(row["due"], row["period_start"], row["kind"], row["value"]) for row in rows[name]),
        )
        for name in METRICS
    )


def _weekly(session: Session, window: windows.Window, in_force: Mapping[str, Bands]) -> tuple[History, ...]:
    """What is compared week against week, with the bands in force where it is one of the six metrics."""
    from upkeep.areas.performance import trends
    from upkeep.ledger.read import metric_history
    from upkeep.report import model
    from upkeep.report.model import Point

    rows = metric_history(session, window, [metric.name for metric in trends.PLOTTED])
    judged = {f"week_{name}": bands for name, bands in in_force.items()}
    return tuple(
        model.History(
            metric=metric.name,
            title=metric.title,
            bands=judged.get(metric.name),
            points=tuple(
                Point(row["due"], row["period_start"], row["kind"], row["value"]) for row in rows[metric.name]
            ),
            own_unit=metric.unit,
            own_guide=metric.guide,
        )
        for metric in trends.PLOTTED
    )


def _metric_title(name: str) -> str:
    return name.replace("_", " ").capitalize().replace("Cpu", "CPU")


def _monthly(session: Session, window: windows.Window, in_force: Mapping[str, Bands]) -> tuple[History, ...]:
    """The six metrics and the database's size by calendar month, whatever window measured them."""
    from upkeep.ledger.read import months
    from upkeep.report import model
    from upkeep.report.model import Point

    rows = months(session, window.target, window.due, [*METRICS, SIZE])
    return tuple(
        model.History(
            metric=name,
            title=_metric_title(name),
            bands=in_force.get(name),
            points=tuple(Point(month, month, "calendar", value) for month, value in found),
            own_unit="bytes",
            own_guide="G93",
        )
        for name, found in rows.items()
    )


def previous_due(session: Session, window: windows.Window) -> datetime | None:
    """When the cadence's window before this one was due, None when the ledger knows of none."""
    from upkeep.ledger.read import metric_history

    rows = metric_history(session, window, METRICS[:1])[METRICS[0]]
    return max((row["due"] for row in rows if row["due"] < window.due), default=None)


def worth_showing(history: tuple[History, ...], cadence: str) -> tuple[History, ...]:
    """The daily window asks for the six metrics and shows it when one is missing; another only has what it has."""
    return tuple(one for one in history if cadence == "daily" or any(point.value is not None for point in one.points))


def samples(session: Session, rows: list[Row]) -> tuple[Sample, ...]:
    """The samples of the steps that ran; those of a look that is repeated say that they are the second ones."""
    from upkeep.ledger import read
    from upkeep.report.model import AFTER, RAN

    again = f"{AFTER}."
    ran = [row for row in rows if row["state"] == RAN]
    first = read.samples(session, [row for row in ran if not row["step"].startswith(again)])
    second = read.samples(session, [row for row in ran if row["step"].startswith(again)])
    return (*first, *(replace(one, subject=f"{one.subject} after the plan".strip()) for one in second))


def _attempts(permits: list[Row]) -> dict[str, tuple[Attempt, ...]]:
    """Every permit of a plan with its receipt, by action."""
    from upkeep.gate.permit_store import Receipt
    from upkeep.report import gate as report_gate

    found: dict[str, tuple[Attempt, ...]] = {}
    for row in permits:
        receipt = {name: row[name] for name in Receipt.__dataclass_fields__ if row[name] is not None}
        one = report_gate.Attempt(number=row["attempt"], **{"outcome": None, **receipt})
        found[row["action_id"]] = (*found.get(row["action_id"], ()), one)
    return found


def _outcomes(apply: StepResult | None) -> dict[str, Outcome]:
    """What the apply step said of each action, from the metadata of its findings."""
    from upkeep.report import gate as report_gate

    findings = apply.findings if apply else ()
    return {
        finding.metadata["action"]: report_gate.Outcome(finding.metadata["outcome"], finding.metadata["reason"])
        for finding in findings
        if {"action", "outcome"} <= set(finding.metadata)
    }


def _note(task: str, state: str | None) -> str:
    """What hindered a question to a role, as Airflow tells it; empty when nothing did."""
    return "" if state in ("success", None) else f"Airflow's state of task {task} is {state}"


def signing_of(session: Session, window: windows.Window) -> tuple[Signing | None, tuple[Finding, ...]]:
    """Who signed what and whose name is missing; a finding when a sheet in the ledger was changed."""
    from upkeep.report.signing import signing_findings

    if window.cadence != "monthly":
        return None, ()
    try:
        signing = signing_of_run(session, window)
    except ValueError as why:
        return None, (changed(why),)
    return signing, signing_findings(signing) if signing else ()


def ended(session: Session, window: windows.Window) -> datetime | None:
    """When the window's work was over, None where that is now: waiting for the sign-off does not make it late."""
    from upkeep.gate import sheets
    from upkeep.gate.plan_store import sheet_of_run

    try:
        sheet = sheet_of_run(session, window.run, sheets.SIGN_OFF)
    except ValueError:  # the sheet was changed, which is a finding already
        return None
    return sheet.drawn_up_at if sheet else None


def changed(why: ValueError) -> Finding:
    """The finding of a plan or sheet that somebody changed in the ledger."""
    return Finding(
        key="gate:plan",
        level=Level.CRITICAL,
        subject="What lies in the ledger is not what was drawn up",
        detail=str(why),
        expected="plans and sheets whose text gives their digest, rows whose signature fits",
        remedy="Approve and apply nothing from this ledger until it is known who changed it; "
        "`python -m upkeep ledger verify` names every such row.",
    )


def _log_url(context: Context, step: str) -> str:
    ti: Any = context["ti"]
    return f"{run_url(ti.dag_id, ti.run_id)}/tasks/{quote(step)}"


def checklist_so_far(session: Session, window: windows.Window) -> list[dict[str, Any]]:
    """The rows of the checklist with the evidence that this window has collected before its plan."""
    from upkeep.ledger.read import latest_steps
    from upkeep.report import model
    from upkeep.report.checklist import for_form, rows_of
    from upkeep.report.model import RAN

    steps = [
        model.StepResult(
            row["step"], "", _title(row["step"]), row["state"], row["reason"], findings=tuple(row["findings"])
        )
        for row in latest_steps(session, window)
    ]
    placed = [(finding, step) for step in steps for finding in step.findings]
    placed.sort(key=lambda pair: pair[0].level.rank)
    gaps = [step for step in steps if step.state != RAN]
    return for_form(rows_of(window.cadence, placed, gaps))


def _title(step: str) -> str:
    return step.rpartition(".")[2].replace("_", " ")


def result(context: Context, step: str, state: str | None, row: Row | None) -> StepResult:
    """What the ledger knows of a step; where Airflow knows better (the task died), its state counts."""
    from upkeep.report import model
    from upkeep.report.model import AFTER, FAILED, RAN

    group, name = step.partition(".")[0], _title(step)
    found = model.StepResult(
        step=step,
        group=group,
        title=f"{name}, after the plan" if group == AFTER else name,
        state=FAILED,
        reason=f"it left no record; Airflow's state of the task is {state or 'none'}",
        log_url=_log_url(context, step),
    )
    if row is None or (state in ("failed", "upstream_failed") and row["state"] == RAN):
        return found
    return replace(
        found,
        state=row["state"],
        reason=row["reason"],
        started=row["started_at"],
        ended=row["ended_at"],
        findings=tuple(row["findings"]),
        source=row["source"],
        digest=row["digest"],
    )
