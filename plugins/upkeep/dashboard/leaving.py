"""The way out of Airflow's frame for the links of a report: it runs no script, so a page of ours leaves in its place.

Airflow's frame lets no link lead the whole tab elsewhere, and most sites, Airflow's own pages among them, are not to be
read inside it. A report's links to tasks and to the incident procedures go to these pages, whose script follows them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from airflow.api_fastapi.core_api.security import get_user
from fastapi import APIRouter, Depends, Response
from markupsafe import escape
from starlette.exceptions import HTTPException

from upkeep.dashboard.page import airflow_href, shown
from upkeep.settings.load import Settings
from upkeep.settings.values import is_web

_TASK = re.compile(r'href="[^"]*/dags/([^/"]+)/runs/([^/"]+)/tasks/([^/"?]+)[^"]*"')


def led_out(html: str, up: str, config: Settings) -> str:
    """A report whose links work in the frame too; ``up`` leads from its address to the app's root."""
    html = _TASK.sub(rf'href="{up}dags/\1/runs/\2/tasks/\3"', html)
    procedures = config.maintenance.documents.incident_response
    return html.replace(f'href="{escape(procedures)}"', f'href="{up}procedures"') if is_web(procedures) else html


def leaving_routes(may_read_runs: Callable[..., Any], config: Settings) -> APIRouter:
    """A task's page in Airflow, for those who may read its runs, and the procedures, for whoever is logged in."""
    router = APIRouter()

    @router.get("/dags/{dag_id}/runs/{run_id}/tasks/{task_id}", dependencies=[Depends(may_read_runs)])
    def task(dag_id: str, run_id: str, task_id: str) -> Response:
        up = "../" * 5
        href = up + airflow_href("dags", dag_id, "runs", run_id, "tasks", task_id)
        return _leave(f"Task {task_id} in Airflow, with its log", href, up)

    @router.get("/procedures", dependencies=[Depends(get_user)])
    def procedures() -> Response:
        place = config.maintenance.documents.incident_response
        if not is_web(place):
            raise HTTPException(404, f"The incident-response procedures have no address: they are {place!r}.")
        return _leave("The incident-response procedures", place, "")

    return router


def _leave(title: str, href: str, up: str) -> Response:
    return shown("leaving.html", {"title": title, "href": href, "up": up})
