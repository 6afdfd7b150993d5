"""Dates that a run by hand must not name (ADR 0014).

Airflow has one run for each DAG and logical date: one by hand with next Sunday's date takes the slot of Sunday's own
run. Until then it stays "running" without a task, and the scheduler's log fills. So it is refused when it is made: the
api-server asks here before it inserts a run. A run made elsewhere (from a shell) is failed when the scheduler starts
it, and its date is taken from it, so that the slot is free again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from upkeep.core import windows
from upkeep.flow.runs import TAG

#: How far a client's clock may be ahead of ours: Airflow's form fills in the browser's time.
AHEAD = timedelta(minutes=5)
#: Runs whose dates are Airflow's own.
_CALENDAR = ("scheduled", "backfill")


def logical_date_problem(run_type: str, logical_date: datetime | None, cron: str, now: datetime) -> str:
    """Why a run may not have this logical date; empty when it may."""
    if logical_date is None or run_type in _CALENDAR:
        return ""
    cadence = windows.Cadence(cron=cron, length_minutes=1)
    slot = windows.held_slot(cadence, logical_date.astimezone(UTC))
    if slot is not None and slot >= cadence.at_or_before(now):
        return (
            f"found the logical date {slot:%Y-%m-%d %H:%M} UTC, which belongs to the scheduled run; expected none "
            "for a manual run: its form can make it wait for the next window"
        )
    if logical_date > now + AHEAD:
        return (
            f"found the logical date {logical_date.astimezone(UTC):%Y-%m-%d %H:%M} UTC, which is in the future; "
            "expected none, or a past one"
        )
    return ""


def refuse(dag_run: Any, now: datetime) -> None:
    """Fail a run that has a date it must not have, and give the slot back; in the scheduler's transaction."""
    from airflow.utils.state import DagRunState

    why = logical_date_problem(dag_run.run_type, dag_run.logical_date, dag_run.dag.timetable.summary, now)
    if why:
        dag_run.logical_date = dag_run.data_interval_start = dag_run.data_interval_end = None
        dag_run.set_state(DagRunState.FAILED)
        dag_run.note = f"Refused: {why}."


def refuse_when_made() -> None:
    """Have this process, the api-server, ask before it inserts a run: what is refused is a 400 for whoever asked."""
    from airflow.models.dagrun import DagRun
    from sqlalchemy import event

    if not event.contains(DagRun, "before_insert", _before_insert):
        event.listen(DagRun, "before_insert", _before_insert)


def _before_insert(_: Any, connection: Any, dag_run: Any) -> None:
    """Raises ValueError, which Airflow answers with 400."""
    from airflow.models.dag import DagModel, DagTag
    from sqlalchemy import select

    ours = select(DagTag.dag_id).where(DagTag.name == TAG)
    cron = connection.scalar(
        select(DagModel.timetable_summary).where(DagModel.dag_id == dag_run.dag_id, DagModel.dag_id.in_(ours))
    )
    if cron and (why := logical_date_problem(dag_run.run_type, dag_run.logical_date, cron, datetime.now(UTC))):
        raise ValueError(why)
