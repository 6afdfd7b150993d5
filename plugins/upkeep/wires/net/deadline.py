"""A clock for the whole of a call that has none of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def by(end: float, call: Callable[[], T]) -> T:
    """What a call gives by a moment of ``time.monotonic``. Raises TimeoutError, and what the call raises.

    A socket's clocks begin anew with each byte, and a look-up of a name has none. A call that is given up goes on in a
    thread until its own clocks, its peer or the process end it.
    """
    if (left := end - time.monotonic()) <= 0:
        raise TimeoutError
    given = Future[T]()

    def attempt() -> None:
        try:
            given.set_result(call())
        except BaseException as why:
            given.set_exception(why)

    threading.Thread(target=attempt, daemon=True).start()
    return given.result(left)
