"""Addresses of a run's pages, in Airflow's UI and where Upkeep's own are mounted."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow.sdk.configuration import conf


def run_url(dag_id: str, run_id: str, *, pages: str = "") -> str:
    """A run's address in Airflow's UI, or with ``pages="/upkeep"`` where Upkeep's pages about it are mounted."""
    return f"{_base()}{pages}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def report_url(dag_id: str, run_id: str) -> str:
    """The page of a run's report: an interim one while people are asked, then the final one."""
    return f"{run_url(dag_id, run_id, pages='/upkeep')}/report"


def alerts_url() -> str:
    """The page of the alerts that are open; one alert's page is below it."""
    return f"{_base()}/upkeep/alerts"


def _base() -> str:
    base: str = conf.get("api", "base_url", fallback="/")
    return base.rstrip("/")


def task_url(task_instance: Any, task_id: str) -> str:
    """The address of a task of the same run as this task instance."""
    return f"{run_url(task_instance.dag_id, task_instance.run_id)}/tasks/{quote(task_id, safe='')}"


def answer_url(task_instance: Any) -> str:
    """Where a task's question is answered in Airflow's UI; a mapped instance has an address of its own."""
    mapped = f"/mapped/{task_instance.map_index}" if task_instance.map_index >= 0 else ""
    return f"{task_url(task_instance, task_instance.task_id)}{mapped}/required_actions"


def question_url(task_instance: Any) -> str:
    """Where a task's question is answered on Upkeep's own page, which fits a phone."""
    ti = task_instance
    return f"{_base()}/upkeep/questions/" + "/".join(
        quote(part, safe="") for part in (ti.dag_id, ti.run_id, ti.task_id)
    )
