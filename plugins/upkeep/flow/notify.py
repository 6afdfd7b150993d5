"""Telling people: one message through Slack's own notifier, where config names a Connection. Never fails a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk.configuration import conf

from upkeep.settings.load import settings

if TYPE_CHECKING:
    from airflow.sdk import Context


def answer_url(task_instance: Any) -> str:
    """Where a task's question is answered in Airflow's UI; a mapped instance has an address of its own."""
    mapped = f"/mapped/{task_instance.map_index}" if task_instance.map_index >= 0 else ""
    return f"{_run_url(task_instance)}/tasks/{quote(task_instance.task_id, safe='')}{mapped}/required_actions"


def phone_url(task_instance: Any) -> str:
    """Where all open questions of its run are answered: a dialog as wide as the screen, without the grid beside it.

    It lists them and shows the first one, which may be another role's.
    """
    return f"{_run_url(task_instance)}/required_actions"


def _run_url(task_instance: Any) -> str:
    base = conf.get("api", "base_url", fallback="/").rstrip("/")
    dag, run = (quote(name, safe="") for name in (task_instance.dag_id, task_instance.run_id))
    return f"{base}/dags/{dag}/runs/{run}"


def tell(context: Context, text: str) -> bool:
    """Send one message; False when no channel is configured or it failed, which the log says."""
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

    connection_id = settings().maintenance.approval.slack
    log: Any = context["ti"].log if hasattr(context["ti"], "log") else None
    if connection_id is None:
        return False
    try:
        notifier: Any = SlackWebhookNotifier(slack_webhook_conn_id=connection_id, text=text, timeout=10)
        notifier.notify(context)
    except Exception as error:  # whatever a channel does, the maintenance goes on
        if log:
            log.warning("Connection %r: nobody was told: %s", connection_id, str(error)[:300])
        return False
    return True
