"""Notifications: one message through Airflow's Slack hook, where config names a Connection. Never fails a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upkeep.settings.load import settings

if TYPE_CHECKING:
    from airflow.sdk import Context


TIMEOUT_SECONDS = 10.0


def notify(context: Context, text: str) -> bool:
    """Send one message; False when no channel is configured or it failed, which the log says."""
    from upkeep.flow.hooks import SlackHook

    connection_id = settings().maintenance.approval.slack
    log: Any = context["ti"].log if hasattr(context["ti"], "log") else None
    if connection_id is None:
        return False
    try:
        SlackHook(connection_id, TIMEOUT_SECONDS).send_text(text)
    except Exception as error:  # whatever a channel does, the maintenance goes on
        if log:
            log.warning("Connection %r: nobody was told: %s", connection_id, str(error)[:300])
        return False
    return True
