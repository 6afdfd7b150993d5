"""Troubles, alerts and a routing for the tests of alerts; and what channels hold after a message has been taken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from upkeep.areas.alerts.episodes import Alert, Telling, Trouble, acknowledged, follow, inherited
from upkeep.areas.alerts.notes import ChannelState, Message, Summary, decide, settled
from upkeep.core.findings import Level
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.settings.routing import Routing

NOW = datetime(2026, 11, 29, 3, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OK, ADVISORY, WARNING, CRITICAL, UNKNOWN = Level.OK, Level.ADVISORY, Level.WARNING, Level.CRITICAL, Level.UNKNOWN
SHIPPED = settings(ROOT / "config").routing
CHANNELS = SHIPPED.names


def trouble(key: str, level: Level = WARNING, target: str = "primary", **fields: Any) -> Trouble:
    """One story that is not ok since three in the morning."""
    given = {"members": (key,), "findings": 1, "owner": "DevOps Engineer", "since": NOW} | fields
    return Trouble(target, key, level, f"about {key}", "seen", "look", **given)


@dataclass
class Memory:
    """What the ledger would hold, in memory: alerts, and what each channel has been told."""

    routing: Routing = SHIPPED
    set_up: Sequence[str] = CHANNELS
    alerts: list[Alert] = field(default_factory=list)
    sent: list[tuple[datetime, Message]] = field(default_factory=list)
    gone: list[Alert] = field(default_factory=list)

    def look(self, troubles: Iterable[Trouble], now: datetime, summaries: Iterable[Summary] = ()) -> list[Message]:
        """One look: what is in trouble now, and the messages that arise."""
        changes = follow([one for one in self.alerts if one not in self.gone], troubles, now)
        touched = {alert.id: alert for alert in (*changes.changed, *changes.ended)}
        self.alerts = [touched.get(alert.id, alert) for alert in self.alerts]
        self.gone += [alert for alert in self.alerts if alert.id in changes.carried_on]
        for one, earlier in changes.new:
            known, told = acknowledged(one, earlier, now), inherited(one, earlier)
            self.alerts.append(Alert(len(self.alerts) + 1, one, now, acknowledged=known, told=told))
        made = {c: sum(m.channel == c and now - at < HOUR for at, m in self.sent) for c in CHANNELS}
        state = ChannelState(self.set_up, made, {message.key for _, message in self.sent}, ["primary", "staging"])
        messages = decide(self._known(), summaries, self.routing, state, now)
        for message in messages:
            self._told(message, now)
        ended = settled(self._known(), self.routing, state)
        self.gone += [alert for alert in self._known() if alert.id in ended]
        self.sent += [(now, message) for message in messages]
        return list(messages)

    def acknowledge(self, key: str, **known: Any) -> None:
        """Change what is known of an alert."""
        self.alerts = [replace(alert, **known) if alert.trouble.key == key else alert for alert in self.alerts]

    def _known(self) -> list[Alert]:
        gone = {alert.id for alert in self.gone}
        return [alert for alert in self.alerts if alert.id not in gone]

    def _told(self, message: Message, now: datetime) -> None:
        for note in message.notes:
            if isinstance(note.about, Alert):
                number = note.about.id
                before = self.alerts[number - 1]
                count = before.told[message.channel].count + 1 if message.channel in before.told else 1
                told = {**before.told, message.channel: Telling(note.level, now, count)}
                self.alerts[number - 1] = replace(before, told=told)


def words(messages: Iterable[Message], channel: str) -> list[str]:
    """``new critical metric:cpu`` of each note of a channel."""
    found = []
    for message in messages:
        for note in message.notes:
            about = note.about
            name = about.trouble.key if isinstance(about, Alert) else about.cadence
            found += [f"{note.kind} {note.level} {name}"] if message.channel == channel else []
    return found
