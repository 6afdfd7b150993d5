"""Airflow's entry to Upkeep: the report pages and the links to them."""

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from upkeep.flow.connections import postgres
from upkeep.flow.ends import ReportLink
from upkeep.settings import settings


class UpkeepPlugin(AirflowPlugin):
    """Mounts the pages under /upkeep and puts a Report tab on every run."""

    name = "upkeep"
    operator_extra_links = [ReportLink()]
    external_views = [
        {
            "name": "Report",
            "href": "upkeep/dags/{DAG_ID}/runs/{RUN_ID}/report",
            "destination": "dag_run",
            "url_route": "upkeep_report",
        },
        {
            "name": "Reports",
            "href": "upkeep/dags/{DAG_ID}/reports",
            "destination": "dag",
            "url_route": "upkeep_reports",
        },
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Built when the api-server asks: every task process loads this file and needs no web framework."""
        from upkeep.dashboard.app import create_app  # noqa: PLC0415

        ledger = settings().maintenance.ledger.dashboard
        return [{"name": "upkeep", "url_prefix": "/upkeep", "app": create_app(postgres(ledger), ledger)}]
