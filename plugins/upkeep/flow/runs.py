"""Which run this is, and whether it is still there (ADR 0014).

Airflow lets a `user` fail a run, delete it and trigger another under its id, and shows a task nothing of a run that a
client could not choose again. What it never gives twice is the row's number together with the moment of its creation,
and these only its scheduler sees: a listener stamps them into the run's conf when the run is started, over whatever a
client wrote there. Nobody can change a run's conf afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upkeep.core import windows

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Where the listener writes; a client's own value is overwritten before the first task.
STAMP = "upkeep_instance"
#: What every DAG of Upkeep is tagged with.
TAG = "upkeep"


def run_of(context: Context) -> windows.Run:
    """The run of a task."""
    run: Any = context["dag_run"]
    return windows.Run(run.dag_id, run.run_id, instance_of(run))


def instance_of(run: Any) -> str:
    """What tells a run from every other of its id; empty when the scheduler has not stamped it."""
    found = (getattr(run, "conf", None) or {}).get(STAMP)
    return found if isinstance(found, str) else ""


def requester(run: Any) -> str:
    """Airflow's name for who asked; only the scheduler's own runs count as asked by nobody."""
    from upkeep.gate.plans.model import SCHEDULE

    name = getattr(run, "triggering_user_name", None)
    if run.run_type == "scheduled" and not name:
        return SCHEDULE
    return "somebody unknown" if not name or name == SCHEDULE else str(name)


def is_running(run: windows.Run) -> bool:
    """Whether a run can still apply its plan: it is there, it is this one, and it has not ended.

    A run that waits for its start counts as over: until it is started its conf is what a client wrote. The worst that
    comes of it is an action that two plans propose; apply does it once.
    """
    from airflow.sdk.execution_time.comms import GetDagRun
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS, RuntimeTaskInstance

    if not RuntimeTaskInstance.get_dr_count(run.dag_id, run_ids=[run.run_id], states=["running"]):
        return False
    found: Any = SUPERVISOR_COMMS.send(GetDagRun(dag_id=run.dag_id, run_id=run.run_id))
    return instance_of(found) == run.instance
