"""The forward to an Alertmanager, where config names one: all that is open, with each run of ``maintenance_alerts``.

It holds what is so, not messages: what one post did not bring the next one does, so nothing waits in the outbox. A
redirect is not followed, and whatever goes wrong stands in the log and fails nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from upkeep.flow.connections import connection
from upkeep.settings.base import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from upkeep.settings.routing import Alertmanager

_MOST_SAID = 300


def forward(
    setting: Alertmanager, seconds: float, alerts: Callable[[timedelta], list[dict[str, Any]]], log: Any
) -> bool:
    """Post what ``alerts`` gives for a time to hold; whether it was taken."""
    from upkeep.core import redaction

    try:
        found = alerts(timedelta(minutes=setting.hold_minutes))
        _post(setting.connection, found, seconds)
    except Exception as error:  # whatever an Alertmanager does, the maintenance goes on
        said = redaction.people(f"{error}"[:5_000])[:_MOST_SAID]
        log.warning("Alertmanager (Connection %r) was not told: %s", setting.connection, said)
        return False
    log.info("Alertmanager was told of %d alerts", len(found))
    return True


def _post(connection_id: str, alerts: list[dict[str, Any]], seconds: float) -> None:
    import requests

    found = connection(connection_id, "http")
    if not found.host or "://" not in found.host:
        raise ConfigError(f"Connection {connection_id!r}: found host {found.host!r}, expected http(s)://host:port")
    url = f"{found.host.rstrip('/')}{f':{found.port}' if found.port else ''}/api/v2/alerts"
    with requests.Session() as session:
        session.trust_env = False  # no proxy and no login out of the environment
        if found.password and not found.login:
            session.headers["Authorization"] = f"Bearer {found.password}"
        elif found.login:
            session.auth = (found.login, found.password or "")
        with session.post(url, json=alerts, timeout=seconds, allow_redirects=False, stream=True) as answer:
            if answer.status_code != 200:
                raise ConfigError(f"found status {answer.status_code}, expected 200")
