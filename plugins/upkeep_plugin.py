"""Airflow's entry to Upkeep: its pages and the links to them.

The scheduler, and Celery's workers where they are told to (docs/distributed.md), load this file once and fork their
tasks: what is imported, validated and compiled here is not again by each of the window's tasks, which is half of the
time that a small window takes (``make bench``).
"""

from functools import cached_property
from typing import Any

import jinja2.ext  # noqa: F401
from airflow.dag_processing import dagbag  # noqa: F401
from airflow.dag_processing.bundles import local  # noqa: F401
from airflow.plugins_manager import AirflowPlugin
from airflow.providers.postgres.hooks import postgres as _hook  # noqa: F401
from airflow.sdk.execution_time import cache, supervisor, task_runner, timeout  # noqa: F401

from upkeep.areas import metrics, registry  # noqa: F401
from upkeep.flow import dag  # noqa: F401
from upkeep.flow.connections import connection, postgres
from upkeep.flow.ends import ReportLink
from upkeep.flow.listener import RunListener
from upkeep.flow.slots import refuse_when_made
from upkeep.report.page import template
from upkeep.settings.load import settings, validate_once
from upkeep.wires.functions import transport  # noqa: F401

validate_once()
template()


class UpkeepPlugin(AirflowPlugin):
    """Mounts the pages under /upkeep, with one entry in the navigation, and puts a Report tab on every run."""

    name = "upkeep"
    listeners = [RunListener()]
    operator_extra_links = [ReportLink()]
    external_views = [
        {
            "name": "Upkeep",
            "href": "upkeep/",
            "destination": "nav",
            "url_route": "upkeep",
            "nav_top_level": True,
        },
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
        from upkeep.dashboard.reading import KEPT, PATIENCE  # noqa: PLC0415

        refuse_when_made()

        maintenance = settings().maintenance
        dashboard, scraper = maintenance.ledger.dashboard, maintenance.prometheus.connection
        token = lambda: connection(scraper, "generic").password or ""  # noqa: E731
        app = create_app(postgres(dashboard, more=PATIENCE), dashboard, token, keep=KEPT)
        return [{"name": "upkeep", "url_prefix": "/upkeep", "app": app}]
