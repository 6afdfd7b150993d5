"""How far something long has come, in the task's log: how much of how much, at which rate, how long it will take."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from upkeep.core.units import roughly

log = logging.getLogger(__name__)

#: Seconds from one line in the log to the next.
SAY_EVERY = 10.0


@dataclass
class Pace:
    """How far ``doing`` is, told by a call of ``tell``, but no more often than ``every`` so many seconds.

    ``done`` are the bytes that there were ``at`` a time (seconds of the monotonic clock); None: not known, and no rate
    is told the first time.
    """

    doing: str
    every: float = SAY_EVERY
    done: float | None = 0.0
    at: float = field(default_factory=time.monotonic)

    def tell(self, measure: Callable[[], tuple[float, float]]) -> None:
        """Say it, when it is time; ``measure`` gives the bytes that are done and all of them, and may be dear.

        What cannot be measured is not told: no restoration fails by that.
        """
        before = time.monotonic()
        if before - self.at < self.every:
            return
        try:
            done, total = measure()
        except Exception:
            log.debug("%s: how far it is cannot be measured", self.doing, exc_info=True)
            self.done, self.at = None, before
            return
        now = time.monotonic()
        rate = 0.0 if self.done is None else max(done - self.done, 0.0) / max(now - self.at, 0.001)
        pace = f", {roughly(rate)}/s, about {max(total - done, 0) / rate:.0f} s more" if rate else ""
        log.info("%s: %s of %s%s", self.doing, roughly(done), roughly(total), pace)
        self.done, self.at = done, now
