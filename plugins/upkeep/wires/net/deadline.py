"""A clock for the whole of a call that has none of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

#: Calls that are under way at once, with those that were given up: a peer that keeps them gets no more threads.
MOST = 8
_ROOM = threading.BoundedSemaphore(MOST)


def by(end: float, call: Callable[[], T]) -> T:
    """What a call gives by a moment of ``time.monotonic``. Raises TimeoutError, and what the call raises.

    A socket's clocks begin anew with each byte, and a look-up of a name has none. A call that is given up goes on in a
    thread until its own clocks, its peer or the process end it. One that finds no room for its thread by then is not
    begun.
    """
    if (left := end - time.monotonic()) <= 0:
        raise TimeoutError
    if not _ROOM.acquire(timeout=left):
        raise TimeoutError
    given = Future[T]()

    def attempt() -> None:
        try:
            given.set_result(call())
        except BaseException as why:
            given.set_exception(why)
        finally:
            _ROOM.release()

    try:
        threading.Thread(target=attempt, daemon=True).start()
    except RuntimeError as why:  # the system has no thread for us
        _ROOM.release()
        raise TimeoutError from why
    return given.result(max(0, end - time.monotonic()))


@dataclass
class Budget:
    """Seconds that several calls have together; they are spent while one of them is waited for, and not between."""

    left: float

    def spend(self, call: Callable[[], T]) -> T:
        """What a call gives within what is left. Raises TimeoutError, and what the call raises."""
        began = time.monotonic()
        try:
            return by(began + self.left, call)
        finally:
            self.left -= time.monotonic() - began
