"""What Airflow's scheduler does for Upkeep when it starts a run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.listeners import hookimpl

from upkeep.core.windows import instance_of
from upkeep.flow.runs import STAMP, TAG
from upkeep.flow.slots import refuse


class RunListener:
    """Airflow calls it before any of the run's tasks; what it raises is logged and stops no run."""

    @hookimpl
    def on_dag_run_running(self, dag_run: Any) -> None:
        """Say which run this is, over what a client said; fail one with a date that it must not have.

        In the scheduler's transaction, without any input or output of its own.
        """
        if TAG not in dag_run.dag.tags:
            return
        dag_run.conf = {**(dag_run.conf or {}), STAMP: instance_of(dag_run.id, dag_run.created_at)}
        refuse(dag_run, datetime.now(UTC))
