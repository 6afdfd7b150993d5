"""Send what is due: at least once, later again what a channel did not take, dead letters at last. Nothing here raises.

A message is taken for a while, sent, and then marked: a sender that is killed in between leaves it due again, and its
key goes with it, so that whoever can tell a repetition does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from upkeep.core import redaction
from upkeep.core.units import brief
from upkeep.settings.routing import Retry
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

#: How long a message that is being sent is nobody else's.
LEASE = timedelta(minutes=5)
#: Messages that a channel may fail to take before it is left alone in this go.
FAILURES = 2
#: A channel that wants to be left alone for longer is asked again after this.
LONGEST = timedelta(hours=1)
#: So often at least a message is tried, however old it is: it may have waited behind another all the while.
LEAST_TRIES = 5
#: Messages of one go; the next go takes the rest.
MOST = 500
_MOST_ERROR = 300


class NotTakenError(Exception):
    """A channel did not take a message; ``wait`` is how long it wants to be left alone, where it says so."""

    def __init__(self, reason: str, wait: timedelta | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


#: Send a body under its key, or raise.
Send = Callable[[Mapping[str, Any], str], None]


@dataclass(frozen=True)
class Delivered:
    """What one go came to: how many messages each channel took, and the newest error of those that did not."""

    sent: Mapping[str, int]
    failed: Mapping[str, str]


def deliver(
    open_session: Callable[[], AbstractContextManager[Session]],
    senders: Mapping[str, Send],
    retry: Retry,
    clock: Callable[[], datetime],
) -> Delivered:
    """Send what is due of these channels, each message in a transaction of its own."""
    sent: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    errors: dict[str, str] = {}
    with open_session() as session:
        before = clock() - timedelta(hours=retry.give_up_hours)
        session.rows(queries.load("alerts/expire"), {"channels": list(senders), "before": before})
    for _ in range(MOST):
        with open_session() as session:
            channels = [name for name in senders if failures[name] < FAILURES]
            row = _claim(session, channels, clock())
        if row is None:
            break
        channel = row["channel"]
        error = _try(senders[channel], row)
        with open_session() as session:
            if error is None:
                session.rows(queries.load("alerts/sent"), {"id": row["id"], "now": clock()})
                sent[channel] += 1
            else:
                failures[channel] += 1
                errors[channel] = str(error)
                session.rows(queries.load("alerts/failed"), _again(row, error, retry, clock()))
    return Delivered(sent, errors)


def _claim(session: Session, channels: list[str], now: datetime) -> Row | None:
    rows = session.rows(queries.load("alerts/claim"), {"channels": channels, "now": now, "lease": now + LEASE})
    return rows[0] if rows else None


def _try(send: Send, row: Row) -> NotTakenError | None:
    try:
        send(row["body"], row["key"])
    except NotTakenError as error:
        return NotTakenError(_said(error), error.wait)
    except Exception as error:  # whatever a channel does, the maintenance goes on
        return NotTakenError(_said(error))
    return None


def _said(error: Exception) -> str:
    return brief(redaction.people(f"{error}"[:5_000]) or type(error).__name__, _MOST_ERROR)


def _again(row: Row, error: NotTakenError, retry: Retry, now: datetime) -> dict[str, Any]:
    """Due again later; a dead letter once it is old enough and has been tried often enough."""
    wait = max(retry.after(row["attempts"]), min(error.wait or timedelta(0), LONGEST))
    old = now + wait - row["made_at"] > timedelta(hours=retry.give_up_hours)
    return {
        "id": row["id"],
        "state": "dead" if old and row["attempts"] >= LEAST_TRIES else "due",
        "next_attempt": now + wait,
        "now": now,
        "error": str(error),
    }
