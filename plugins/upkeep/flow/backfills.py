"""What Airflow itself says before missed windows are carried out late: is the DAG paused, which runs are there.

Read from Airflow's own database, as its command line does; runs are made by ``airflow backfill create`` alone.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

#: How long Airflow's own run for the last window is waited for, seconds: an unpaused DAG gets it within one loop of the
#: scheduler. A backfill of the same window at that moment ends the scheduler of Airflow 3.3.2 (a unique violation).
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class DagState:
    """A DAG as Airflow knows it: ``known`` at all, ``paused``, and whether a backfill of it has not ended."""

    known: bool
    paused: bool
    backfilling: bool


def dag_state(dag_id: str) -> DagState:
    """What the metadata database says of a DAG now."""
    from airflow.models.backfill import Backfill
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        paused = session.scalar(select(DagModel.is_paused).where(DagModel.dag_id == dag_id))
        active = select(Backfill.id).where(Backfill.dag_id == dag_id, Backfill.completed_at.is_(None)).limit(1)
        return DagState(paused is not None, bool(paused), session.scalar(active) is not None)


def runs_at(dag_id: str, dues: Sequence[datetime]) -> dict[datetime, str]:
    """Due time → the run that holds this slot, whoever made it."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    found = select(DagRun.logical_date, DagRun.run_id).where(DagRun.dag_id == dag_id, DagRun.logical_date.in_(dues))
    with create_session() as session:
        return {at: run for at, run in session.execute(found) if at is not None}


def wait_for_own_run(dag_id: str, due: datetime) -> bool:
    """Whether Airflow's own run for a due time is there before the patience ends."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not runs_at(dag_id, [due]):
        if time.monotonic() > deadline:
            return False
        time.sleep(1)
    return True


def create(dag_id: str, first: datetime, last: datetime) -> subprocess.CompletedProcess[str]:
    """A backfill of the slots from ``first`` to ``last`` that have no run; those that have one stay as they are."""
    dates = ["--from-date", first.isoformat(), "--to-date", last.isoformat()]
    command = ["backfill", "create", "--dag-id", dag_id, *dates, "--reprocess-behavior", "none"]
    argv = [sys.executable, "-m", "airflow", *command]
    return subprocess.run(argv, capture_output=True, text=True, check=False)
