"""Many looks side by side under one clock, each of which can be ended from outside.

Threads of a pool are waited for when the process ends, however long they hang in a name's resolution or a dead
network folder; these are not.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

#: The name of the threads that look.
THREADS = "upkeep-look"


class CancelScope:
    """What one look has open, so that somebody else can end it."""

    def __init__(self) -> None:
        self._ends: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self.over = False

    def add(self, end: Callable[[], None]) -> None:
        """Have this called at the end; at once when that has come."""
        with self._lock:
            if not self.over:
                self._ends.append(end)
                return
        with suppress(OSError):
            end()

    def end(self) -> None:
        """End whatever is open; nothing new stays open after this."""
        with self._lock:
            self.over = True
            ends, self._ends = self._ends, []
        for end in ends:
            with suppress(OSError):
                end()


def side_by_side(jobs: Mapping[str, Callable[[CancelScope], T]], seconds: float, at_once: int) -> dict[str, T]:
    """What the jobs brought within so many seconds, by name; those that did not are ended and left out.

    Raises what a job raises.
    """
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in jobs:
        waiting.put(name)
    outcomes: dict[str, Future[T]] = {name: Future() for name in jobs}
    endings = {name: CancelScope() for name in jobs}
    deadline = time.monotonic() + seconds

    def work() -> None:
        while time.monotonic() < deadline:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                outcomes[name].set_result(jobs[name](endings[name]))
            except BaseException as error:
                outcomes[name].set_exception(error)

    for _ in range(min(at_once, len(jobs))):
        threading.Thread(target=work, daemon=True, name=THREADS).start()
    done, _ = wait(outcomes.values(), timeout=seconds)
    for ending in endings.values():
        ending.end()
    return {name: outcome.result() for name, outcome in outcomes.items() if outcome in done}
