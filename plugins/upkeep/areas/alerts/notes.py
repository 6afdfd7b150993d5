"""Which messages arise: one for each change of state, reminders, the end, and a digest where there is too much. Pure.

What a channel has been told is compared with what is so now, for each alert. So an event that comes twice tells nothing
twice, what happens in quiet hours is told after them if it is still so, and what did not fit today is told tomorrow.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from upkeep.areas.alerts.episodes import Alert, Telling
from upkeep.core.findings import Level
from upkeep.settings.routing import SUMMARY, Routing

#: Lines of a digest; the rest is counted.
MOST_LINES = 10


class Kind(StrEnum):
    """What a note says: something is new, worse, better, still so, or over; or what a window came to."""

    NEW = "new"
    WORSE = "worse"
    BETTER = "better"
    STILL = "still"
    OVER = "over"
    SUMMARY = "summary"


@dataclass(frozen=True)
class Summary:
    """What a window came to, as its first report says."""

    window_id: int
    target: str
    cadence: str
    due: datetime
    dag_id: str
    run_id: str
    level: Level
    headline: str


@dataclass(frozen=True)
class Note:
    """One thing to say on one channel: of an alert that was at ``was`` when the channel last heard, or a summary."""

    kind: Kind
    about: Alert | Summary
    was: Level = Level.OK

    @property
    def level(self) -> Level:
        """How bad it is by now."""
        return self.about.level

    @property
    def critical(self) -> bool:
        """Whether it says that something is critical, or is no longer."""
        return self.kind is not Kind.SUMMARY and Level.CRITICAL in (self.level, self.was)

    @property
    def target(self) -> str:
        """The target; empty for what concerns Upkeep itself."""
        return self.about.target if isinstance(self.about, Summary) else self.about.trouble.target

    @property
    def order(self) -> tuple[int, int, int]:
        """The worst first; what is better or over behind what is bad, summaries last."""
        late = {Kind.BETTER: 1, Kind.OVER: 2, Kind.SUMMARY: 3}.get(self.kind, 0)
        return late, self.level.rank, self.about.window_id if isinstance(self.about, Summary) else self.about.id

    def key(self, channel: str) -> str:
        """What makes it one, however often it is worked out."""
        if isinstance(self.about, Summary):
            return f"summary:{self.about.window_id}:{channel}"
        told = self.about.told.get(channel)
        return f"alert:{self.about.id}:{channel}:{told.count + 1 if told else 1}"


@dataclass(frozen=True)
class Message:
    """What a channel is to be given: one note, or several that are too many to come one by one."""

    channel: str
    notes: tuple[Note, ...]

    @property
    def key(self) -> str:
        """The idempotency key."""
        keys = [note.key(self.channel) for note in self.notes]
        if len(keys) == 1:
            return keys[0]
        return f"digest:{self.channel}:{hashlib.sha256(' '.join(keys).encode()).hexdigest()[:32]}"

    @property
    def level(self) -> Level:
        """The worst of it."""
        return min((note.level for note in self.notes), key=lambda level: level.rank)

    @property
    def target(self) -> str:
        """The one target that it is about; empty where there are several."""
        targets = {note.target for note in self.notes}
        return targets.pop() if len(targets) == 1 else ""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many notes of each kind and level; what is over has none any more."""
        return Counter("over" if note.kind is Kind.OVER else f"{note.kind} {note.level}" for note in self.notes)


@dataclass(frozen=True)
class ChannelState:
    """What else decides: channels that are set up, messages each was given in the hour, keys that exist, targets."""

    channels: Collection[str]
    made: Mapping[str, int]
    existing: Collection[str]
    targets: Collection[str]


def decide(
    alerts: Iterable[Alert], summaries: Iterable[Summary], routing: Routing, state: ChannelState, now: datetime
) -> tuple[Message, ...]:
    """The messages that arise now, for each channel that is set up, in the order they are to be sent."""
    known, ended = [alert for alert in alerts if _concerns(alert, state)], list(summaries)
    found: list[Message] = []
    for channel in routing.names:
        if channel in state.channels:
            notes = [note for alert in known if (note := _note(alert, channel, routing, now))]
            notes += _summarised(ended, channel, routing, state, now)
            found += _within_the_hour(channel, notes, routing, routing.most_an_hour - state.made.get(channel, 0))
    return tuple(found)


def _within_the_hour(channel: str, notes: list[Note], routing: Routing, left: int) -> list[Message]:
    """What still goes into this hour, of which a quarter is kept for what is critical, its change and its end.

    Without that a morning of advice would keep the first critical finding of the day from a channel.
    """
    kept = routing.most_an_hour // 4
    if left <= kept:
        notes, kept = [note for note in notes if note.critical], 0
    return _messages(channel, sorted(notes, key=lambda note: note.order), min(routing.most_at_once, left - kept))


def settled(alerts: Iterable[Alert], routing: Routing, state: ChannelState) -> list[int]:
    """The ended alerts whose end nobody waits to hear of."""
    return [
        alert.id
        for alert in alerts
        if alert.ended_at is not None
        and not (
            _concerns(alert, state)
            and any(_owed(alert, channel, routing) for channel in routing.names if channel in state.channels)
        )
    ]


def _concerns(alert: Alert, state: ChannelState) -> bool:
    return not alert.trouble.target or alert.trouble.target in state.targets


def _owed(alert: Alert, channel: str, routing: Routing) -> bool:
    told = alert.told.get(channel)
    return told is not None and told.level in routing.wanted(channel, alert.trouble.target)


def _note(alert: Alert, channel: str, routing: Routing, now: datetime) -> Note | None:
    """What this channel is to be told of an alert now, if anything."""
    if alert.trouble.channel == channel:
        return None  # of its own failing others are told
    told, level = alert.told.get(channel), alert.level
    was = told.level if told else Level.OK
    kind = _kind(alert, told, routing.wanted(channel, alert.trouble.target), routing, now)
    if kind is None or (alert.silent(now) and kind is not Kind.OVER):
        return None
    spoken = was if kind in (Kind.OVER, Kind.BETTER) else level
    if not routing.speaks(channel, alert.trouble.target, spoken, now):
        return None
    return Note(kind, alert, was)


def _kind(alert: Alert, told: Telling | None, wanted: Collection[str], routing: Routing, now: datetime) -> Kind | None:
    level, was = alert.level, told.level if told else Level.OK
    if told is None or was not in wanted:
        if level not in wanted:
            return None
        return Kind.NEW if told is None else Kind.WORSE
    if level is Level.OK:
        return Kind.OVER
    if level is was:
        after = routing.reminder(level) if alert.trouble.reminded else None
        return Kind.STILL if after is not None and now - told.at >= after else None
    if level is Level.UNKNOWN and level not in wanted:
        return None  # whether it is better nobody knows
    return Kind.WORSE if level.rank < was.rank else Kind.BETTER


def _summarised(
    ended: Iterable[Summary], channel: str, routing: Routing, state: ChannelState, now: datetime
) -> Iterator[Note]:
    for summary in ended:
        note = Note(Kind.SUMMARY, summary)
        if (
            summary.target in state.targets
            and note.key(channel) not in state.existing
            and routing.speaks(channel, summary.target, SUMMARY, now)
        ):
            yield note


def _messages(channel: str, notes: list[Note], room: int) -> list[Message]:
    """At most ``room`` messages: the first notes by themselves, the rest as one.

    A summary is never part of a digest: where there is no room it waits for the next look.
    """
    alone = [Message(channel, (note,)) for note in notes if note.kind is Kind.SUMMARY]
    changes = [note for note in notes if note.kind is not Kind.SUMMARY]
    if len(changes) > room > 0:
        first, rest = changes[: room - 1], changes[room - 1 :]
        return [*(Message(channel, (note,)) for note in first), Message(channel, tuple(rest))]
    return [*(Message(channel, (note,)) for note in changes), *alone][: max(room, 0)]
