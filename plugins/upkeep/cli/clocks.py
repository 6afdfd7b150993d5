"""The clock of the functions: read off the wire's Date headers as they pass by."""

from __future__ import annotations

import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from upkeep.wires.clocks import ClockReading

if TYPE_CHECKING:
    import requests

    from upkeep.wires.functions.transport import Send


def recording_dates(send: Send, readings: list[ClockReading]) -> Send:
    """The same way to send, which also keeps what each answer's Date header tells: whole seconds, cut off."""

    def run(*args: Any, **kwargs: Any) -> requests.Response:
        sent = time.time()
        response = send(*args, **kwargs)
        received = time.time()
        try:
            told = parsedate_to_datetime(response.headers.get("Date", ""))
            told = told.replace(tzinfo=told.tzinfo or UTC)
            readings.append(ClockReading(sent, received, told.timestamp() + 0.5, coarse=0.5))
        except (ValueError, OverflowError):
            pass  # none, or none that can be read
        return response

    return run
