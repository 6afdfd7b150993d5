"""Notifications: one message through Slack's own notifier, where config names a Connection. Never fails a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upkeep.settings.load import settings

if TYPE_CHECKING:
    from airflow.sdk import Context


def notify(context: Context, text: str) -> bool:
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
