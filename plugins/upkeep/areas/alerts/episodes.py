"""From what is in trouble now and what was known of it: what is new, changed, over, or goes on under another key.

Pure. An alert is one story of one target from its first sight to its end. A story may change its key: of seven slow
functions one stays slow, or two become all. What ends while one of its findings lives on in a new story is not over:
the new one takes over since when it is so, what people have been told, and who has acknowledged it. One that is back
before all have been told of its end is not told anew either. Where no more than advice is left of trouble it is over,
and the advice is not told anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from upkeep.core.findings import Level

#: Findings of a story whose keys are kept; more say nothing more about where it goes on.
MOST_MEMBERS = 200


@dataclass(frozen=True)
class Trouble:
    """One story that is not ok now. ``members`` are its findings' keys, ``owner`` is a role's title.

    ``channel`` names the channel whose own failing this is, ``dag_id`` and ``run_id`` the report that shows it, both
    empty where there is none. What is no state but an event (a window was late) is not ``reminded`` of.
    """

    target: str
    key: str
    level: Level
    cause: str
    detail: str
    remedy: str
    members: tuple[str, ...]
    findings: int
    owner: str
    since: datetime
    dag_id: str = ""
    run_id: str = ""
    channel: str = ""
    reminded: bool = True


@dataclass(frozen=True)
class Telling:
    """What a channel was last told of an alert, when, and how often it was told."""

    level: Level
    at: datetime
    count: int = 1


@dataclass(frozen=True)
class Acknowledged:
    """Who knows of an alert and why it may be silent: until a moment, or until it clears."""

    by: str
    why: str
    level: Level
    until: datetime | None = None

    def covers(self, level: Level, now: datetime) -> bool:
        """Whether it is in force, for something that is no worse than what was acknowledged."""
        return (self.until is None or now < self.until) and level.rank >= self.level.rank


@dataclass(frozen=True)
class Alert:
    """One row of the ledger: a story with its beginning, its last change and its end."""

    id: int
    trouble: Trouble
    changed_at: datetime
    ended_at: datetime | None = None
    acknowledged: Acknowledged | None = None
    told: Mapping[str, Telling] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        """What holds now; ok once it has ended."""
        return Level.OK if self.ended_at else self.trouble.level

    def silent(self, now: datetime) -> bool:
        """Whether somebody knows of it; no longer once it is worse than what they acknowledged."""
        return self.acknowledged is not None and self.acknowledged.covers(self.level, now)


@dataclass(frozen=True)
class AlertChanges:
    """What became of the alerts. ``new`` are troubles with the ended alerts that each of them carries on."""

    new: tuple[tuple[Trouble, tuple[Alert, ...]], ...]
    changed: tuple[Alert, ...]
    ended: tuple[Alert, ...]
    carried_on: frozenset[int]


def follow(known: Iterable[Alert], troubles: Iterable[Trouble], now: datetime) -> AlertChanges:
    """Hold what is known against what is so now; of two troubles with one target and key the first counts."""
    current: dict[tuple[str, str], Trouble] = {}
    for trouble in troubles:
        current.setdefault((trouble.target, trouble.key), trouble)
    everything = list(known)
    before = {(alert.trouble.target, alert.trouble.key): alert for alert in everything if alert.ended_at is None}
    lingering = [alert for alert in everything if alert.ended_at is not None]
    changed = tuple(_seen_again(alert, current[place], now) for place, alert in before.items() if place in current)
    ended = tuple(replace(alert, ended_at=now) for place, alert in before.items() if place not in current)
    new = tuple(
        (trouble, tuple(alert for alert in (*ended, *lingering) if _goes_on(alert, trouble)))
        for place, trouble in current.items()
        if place not in before
    )
    carried_on = frozenset(
        alert.id for trouble, earlier in new for alert in earlier if not _advice_is_left(alert, trouble)
    )
    return AlertChanges(tuple(_taken_over(one, now) for one in new), changed, ended, carried_on)


def _seen_again(alert: Alert, trouble: Trouble, now: datetime) -> Alert:
    changed_at = alert.changed_at if trouble.level is alert.trouble.level else now
    since = min(alert.trouble.since, trouble.since)
    return replace(alert, trouble=replace(trouble, since=since), changed_at=changed_at)


def _goes_on(alert: Alert, trouble: Trouble) -> bool:
    return alert.trouble.target == trouble.target and not set(alert.trouble.members).isdisjoint(trouble.members)


def _advice_is_left(alert: Alert, trouble: Trouble) -> bool:
    return trouble.level is Level.ADVISORY and alert.trouble.level is not Level.ADVISORY


def _taken_over(new: tuple[Trouble, tuple[Alert, ...]], now: datetime) -> tuple[Trouble, tuple[Alert, ...]]:
    trouble, earlier = new
    goes_on = _going_on(trouble, earlier, now)
    return replace(trouble, since=min([trouble.since, *(alert.trouble.since for alert in goes_on)])), earlier


def _going_on(trouble: Trouble, earlier: Iterable[Alert], now: datetime) -> list[Alert]:
    """Of the alerts that a trouble carries on those that end by it at this moment, and not because little is left."""
    return [alert for alert in earlier if alert.ended_at == now and not _advice_is_left(alert, trouble)]


def acknowledged(trouble: Trouble, earlier: Iterable[Alert], now: datetime) -> Acknowledged | None:
    """Who knows of a trouble that these alerts become: it is silent where each of them was, and no longer than any.

    One that was over and came back is known to nobody: its acknowledgement was for the time that is over.
    """
    goes_on = _going_on(trouble, earlier, now)
    known = [one for alert in goes_on if (one := alert.acknowledged) and one.covers(alert.trouble.level, now)]
    if not known or len(known) < len(goes_on):
        return None
    first = min(known, key=lambda one: (one.until is None, one.until or now))
    return replace(first, level=min((one.level for one in known), key=lambda level: level.rank))


def inherited(trouble: Trouble, earlier: Iterable[Alert]) -> dict[str, Telling]:
    """What channels count as told of a trouble that these alerts become: the worst of it, or that advice is left."""
    told: dict[str, Telling] = {}
    for alert in earlier:
        for channel, last in alert.told.items():
            telling = replace(last, level=trouble.level) if _advice_is_left(alert, trouble) else last
            best = told.get(channel)
            if best is None or telling.level.rank < best.level.rank:
                told[channel] = telling
    return told
