"""How far something long has come, in the task's log: how much of how much, at which rate, how long it will take."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from upkeep.core.units import roughly

log = logging.getLogger(__name__)

SAY_EVERY = 10.0


@dataclass
class Pace:
    """``doing`` is told every so many seconds; ``done`` are the bytes that there were ``at`` a time, if known."""

    doing: str
    every: float = SAY_EVERY
    done: float | None = 0.0
    at: float = field(default_factory=time.monotonic)

    def tell(self, measure: Callable[[], tuple[float, float]]) -> None:
        """Say it, when it is time; ``measure`` gives the bytes that are done and all of them, and may be dear."""
        now = time.monotonic()
        if now - self.at < self.every:
            return
        done, total = measure()
        rate = 0.0 if self.done is None else max(done - self.done, 0.0) / max(now - self.at, 0.001)
        pace = f", {roughly(rate)}/s, about {max(total - done, 0) / rate:.0f} s more" if rate else ""
        log.info("%s: %s of %s%s", self.doing, roughly(done), roughly(total), pace)
        self.done, self.at = done, now
