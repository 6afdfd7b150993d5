"""As many chained tasks with nothing to do as the daily window has from its start to its report."""

from datetime import UTC, datetime

from airflow.sdk import dag, task


@task
def nothing() -> None:
    """Do nothing, in a process of its own as every task."""


@dag(schedule=None, start_date=datetime(2025, 9, 14, tzinfo=UTC), max_active_runs=1)
def empty_chain() -> None:
    """open_window, the longest branch's one step, report: three tasks."""
    first, second, third = (nothing.override(task_id=name)() for name in ("first", "second", "third"))
    first >> second >> third


empty_chain()
