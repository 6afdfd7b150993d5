"""What a kind of action tells apply of one attempt: how it ended, what it found changed, what it left. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

#: How an attempt ends. "Not done" means that nothing happened to anything; of what half-happened the reason says what.
DONE, NOT_DONE, PARTLY, ELSEWHERE = "done", "not done", "partly done", "ran on another object"

#: By how much a thing may be larger than when its action was planned, and how large it may be in any case.
OUTGROWN, ALWAYS_SMALL = 10, 1024**2


@dataclass(frozen=True)
class Receipt:
    """What was done under a permit: ``outcome`` is one of those above; waits and durations in milliseconds.

    ``wal_bytes`` is what the whole server wrote meanwhile; ``before`` and ``after`` are the thing by the catalogue.
    """

    outcome: str
    reason: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    lock_wait_ms: int | None = None
    duration_ms: int | None = None
    wal_bytes: int | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


class ObjectChanged(Exception):
    """What an action has locked is not what was planned any more, and its transaction is rolled back."""


@dataclass(frozen=True)
class Leftover:
    """Something that an attempt left behind: ``statement`` takes it away, ``stays`` says what it is if it stays.

    ``always``: it is taken away after the plan's time too.
    """

    name: str
    statement: str
    stays: str
    always: bool = False


def outgrown(planned: int | None, now: int | None) -> str:
    """Why its prediction no longer holds, by a thing's bytes when it was planned and now; empty when it may."""
    if planned is None or now is None or now <= max(OUTGROWN * planned, ALWAYS_SMALL):
        return ""
    grown = f"it has grown from {planned:,} to {now:,} bytes since the plan was drawn up"
    return f"{grown}: its prediction no longer holds"
