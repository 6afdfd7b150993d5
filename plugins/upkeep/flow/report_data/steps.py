"""A run's steps as the ledger and Airflow know them, with their samples and the checklist."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from upkeep.flow.urls import task_url

if TYPE_CHECKING:
    from airflow.sdk import DAG, Context

    from upkeep.core import windows
    from upkeep.core.findings import Sample
    from upkeep.report.model import StepResult
    from upkeep.wires.database import Row, Session

#: The try of a step that was ended before its task was started, as Airflow counts too: there is no log of it.
NEVER_TRIED = 0
#: Airflow's states of a task whose turn never came.
_NEVER_STARTED = (None, "skipped", "upstream_failed", "removed")
#: Airflow's states of a task that is over.
_ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")


def ended(state: str | None) -> bool:
    """Whether a task is over: what it did not record by now is missing."""
    return state in _ENDED


def task_states(context: Context, tasks: list[str]) -> dict[str, str | None]:
    """Airflow's state of some tasks of this run."""
    ti: Any = context["ti"]
    found = ti.get_task_states(dag_id=ti.dag_id, task_ids=tasks, run_ids=[ti.run_id]).get(ti.run_id, {})
    return {task: found.get(task) for task in tasks}


def reported_states(context: Context, dag: DAG) -> dict[str, str | None]:
    """Airflow's state of each step that a report tells of; the ledger cannot know of one that was killed."""
    from upkeep.flow.step import Step

    return task_states(context, sorted(one.task_id for one in dag.tasks if isinstance(one, Step) and one.reported))


def step_result(context: Context, step: str, state: str | None, row: Row | None) -> StepResult:
    """What the ledger knows of a step; where Airflow knows better (the task died), its state counts."""
    from upkeep.report import model
    from upkeep.report.model import AFTER, FAILED, RAN

    group, name = step.partition(".")[0], _title(step)
    logged = row["try_number"] > NEVER_TRIED if row else state not in _NEVER_STARTED
    found = model.StepResult(
        step=step,
        group=group,
        title=f"{name}, a second time" if group == AFTER else name,
        state=FAILED,
        reason=f"it left no record; Airflow's state of the task is {state or 'none'}",
        log_url=task_url(context["ti"], step) if logged else "",
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


def _title(step: str) -> str:
    return step.rpartition(".")[2].replace("_", " ")


def samples(session: Session, rows: list[Row]) -> tuple[Sample, ...]:
    """The samples of the steps that ran; those of a look that is repeated say that they are the second ones."""
    from upkeep.ledger import read
    from upkeep.report.model import AFTER, RAN

    again = f"{AFTER}."
    ran = [row for row in rows if row["state"] == RAN]
    first = read.samples(session, [row for row in ran if not row["step"].startswith(again)])
    second = read.samples(session, [row for row in ran if row["step"].startswith(again)])
    return (*first, *(replace(one, subject=f"{one.subject} a second time".strip()) for one in second))


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
