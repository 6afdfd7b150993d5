"""Where the links of messages lead: one alert, or all that are open, on a page that fits a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import APIRouter, Depends, Response
from fastapi.responses import HTMLResponse
from jinja2 import Template
from starlette.exceptions import HTTPException

from upkeep.dashboard.now import story_anchor
from upkeep.wires.database import Row

#: Who may read alerts: those who may read the runs of the DAG that judges. One object, so that tests can override it.
may_read_alerts = requires_access_dag("GET", DagAccessEntity.RUN, "maintenance_alerts")
LISTED = 200  # the statement fetches one more


def alert_routes(rows: Callable[..., list[Row]], page: Template, css: Callable[[], str]) -> APIRouter:
    """The two pages over a way to ask the ledger."""
    router = APIRouter(prefix="/alerts", dependencies=[Depends(may_read_alerts)])

    def shown(title: str, found: list[Row], **more: Any) -> Response:
        text = page.render(title=title, rows=found[:LISTED], more=len(found) > LISTED, css=css(), place=_place, **more)
        return HTMLResponse(text)

    @router.get("")
    def open_alerts() -> Response:
        return shown("Open alerts", rows("alerts/listed", id=None), single=False, up="")

    @router.get("/{alert_id}")
    def one_alert(alert_id: str) -> Response:
        found = rows("alerts/listed", id=int(alert_id)) if re.fullmatch(r"[0-9]{1,18}", alert_id) else []
        if not found:
            raise HTTPException(404, f"There is no alert {alert_id}.")
        return shown(f"Alert {alert_id}", found, single=True, up="../")

    return router


def _place(row: Row) -> str:
    """Where the page of findings has this alert's story."""
    return story_anchor(row["target"], row["key"])
