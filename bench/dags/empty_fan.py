"""The daily window's shape with nothing to do in it: what of its wall time is Airflow's own."""

from datetime import UTC, datetime

from airflow.sdk import dag, task

#: The steps of the daily window between open_window and report; bench/window.py refuses to compare another number.
WIDTH = 18


@task
def nothing() -> None:
    """Do nothing, in a process of its own as every task."""


@dag(schedule=None, start_date=datetime(2025, 9, 14, tzinfo=UTC), max_active_runs=1)
def empty_fan() -> None:
    """open_window, its steps side by side, report."""
    first, last = (nothing.override(task_id=name)() for name in ("first", "last"))
    first >> [nothing.override(task_id=f"side_{number}")() for number in range(WIDTH)] >> last


empty_fan()
