"""What a stream of samples says by now: a state changes when several samples in a row say so. Pure.

One odd sample is no news, and neither is one good sample amid bad ones: without that, a metric at its boundary would
call people every half minute (flapping). No data is a state of its own, and not a good one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from upkeep.core.findings import Level


@dataclass(frozen=True)
class State:
    """What holds of one key, and what the newest samples say against it.

    ``level`` holds since ``since``, when the first of the samples that made it so was taken. ``against`` counts the
    newest samples in a row that say otherwise, ``towards`` is the least change that all of them agree with, and
    ``from_`` is when the first of them was taken.
    """

    key: str
    level: Level
    since: datetime
    last: datetime
    towards: Level | None = None
    from_: datetime | None = None
    against: int = 0


@dataclass(frozen=True)
class Change:
    """A state that changed: from what, to what, since when, and how long the earlier one held."""

    key: str
    was: Level
    becomes: Level
    since: datetime
    lasted: timedelta

    @property
    def recovered(self) -> bool:
        """Whether this is the end of trouble."""
        return self.becomes is Level.OK


def observed(before: State | None, key: str, level: Level, at: datetime, needed: int) -> tuple[State, Change | None]:
    """The state after one more sample, and the change where ``needed`` samples in a row agree on one.

    The first sample of a key only begins its state, as ok, for nothing has been told of it. A sample that is not newer
    than the last one counts for nothing: a clock went back, or it was sent twice.
    """
    if before is None:
        before = State(key, Level.OK, at, at - timedelta(microseconds=1))
    if at <= before.last:
        return before, None
    if level is before.level:
        return replace(before, last=at, towards=None, from_=None, against=0), None
    agreed, from_, against = level, at, 1
    if before.towards is not None and before.from_ is not None and _same_way(before.level, before.towards, level):
        agreed = _nearer(before.level, before.towards, level)
        from_, against = before.from_, before.against + 1
    if against < needed:
        return replace(before, last=at, towards=agreed, from_=from_, against=against), None
    change = Change(key, before.level, agreed, from_, from_ - before.since)
    return State(key, agreed, from_, at), change


def _same_way(held: Level, one: Level, other: Level) -> bool:
    """Whether two samples both say worse than what holds, or both better."""
    return (one.rank < held.rank) == (other.rank < held.rank)


def _nearer(held: Level, one: Level, other: Level) -> Level:
    """Of two that lie the same way the one that is the smaller change."""
    return min(one, other, key=lambda level: abs(level.rank - held.rank))
