"""How far other clocks are from this host's: pure, but for the wire's Date headers as they pass by.

A clock that is wrong moves every period and age. Another clock is read between two looks at ours; what the
reading cannot tell for sure, the time that the answer took and the fineness of the clock, is no skew.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import requests

    from upkeep.functions.transport import Send

#: More than this is worth a remark; beyond the second, periods and ages in reports mislead.
ADVISORY_SECONDS, LIMIT_SECONDS = 2.0, 60.0


@dataclass(frozen=True)
class Reading:
    """What another clock told between two looks at ours, in seconds since the epoch; ``coarse`` is its own doubt."""

    sent: float
    received: float
    told: float
    coarse: float = 0.0

    @property
    def skew(self) -> float:
        """How far the other clock is ahead of ours, if it was read half-way between."""
        return self.told - (self.sent + self.received) / 2

    @property
    def doubt(self) -> float:
        """By how much the skew may be wrong."""
        return (self.received - self.sent) / 2 + self.coarse

    @property
    def certain(self) -> float:
        """The seconds by which the clocks differ at least."""
        return max(0.0, abs(self.skew) - self.doubt)

    @property
    def misleading(self) -> bool:
        """Whether reports would be wrong by more than anybody overlooks."""
        return self.certain > LIMIT_SECONDS

    def __str__(self) -> str:
        where = "ahead of" if self.skew > 0 else "behind"
        return (
            f"found it {abs(self.skew):.1f} s {where} this host's clock (give or take {self.doubt:.1f} s), expected at "
            f"most {ADVISORY_SECONDS:g} s: periods and ages are off by as much; synchronise both (NTP)"
        )


def least_doubtful(readings: list[Reading]) -> Reading:
    """The reading to judge by: the one that was answered most quickly. Raises ValueError without any."""
    return min(readings, key=lambda reading: reading.doubt)


def dated(send: Send, readings: list[Reading]) -> Send:
    """The same way to send, which also keeps what each answer's Date header tells: whole seconds, cut off."""

    def run(*args: Any, **kwargs: Any) -> requests.Response:
        sent = time.time()
        response = send(*args, **kwargs)
        received = time.time()
        try:
            told = parsedate_to_datetime(response.headers.get("Date", ""))
            told = told.replace(tzinfo=told.tzinfo or UTC)
            readings.append(Reading(sent, received, told.timestamp() + 0.5, coarse=0.5))
        except (ValueError, OverflowError):
            pass  # none, or none that can be read
        return response

    return run
