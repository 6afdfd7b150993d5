"""A sign of life of each calendar window for a watchdog outside: begun, done, red. Never fails a task.

The watchdog (healthchecks.io, Cronitor, an own one) raises the alarm when a sign does not come. Its address is a
secret, for whoever knows it can send one: it is the host of an ``http`` Connection, and no log names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upkeep.core.windows import WindowKind
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upkeep.core.windows import Window

#: What is added to the address, as healthchecks.io names it.
BEGUN, DONE, RED = "/start", "", "/fail"
PATIENCE_SECONDS = 10.0


def sign_of_life(window: Window, sign: str, log: Any) -> None:
    """GET the watchdog's address with ``sign`` behind it, once; a run by hand is no window that it waits for."""
    watchdogs: Mapping[Any, str] = settings().target(window.target).heartbeats
    connection_id = watchdogs.get(window.cadence)
    if connection_id is None or window.kind is WindowKind.MANUAL:
        return
    from airflow.providers.http.hooks.http import HttpHook

    try:
        hook: Any = HttpHook(method="GET", http_conn_id=connection_id)
        hook.run(endpoint=sign, extra_options={"timeout": PATIENCE_SECONDS, "allow_redirects": False})
    except Exception as error:  # whatever a watchdog does, the maintenance goes on; a message would hold the address
        log.warning("Connection %r: the watchdog was not reached (%s)", connection_id, type(error).__name__)
