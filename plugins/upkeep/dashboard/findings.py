"""The page of findings: each story with its history over windows, where to read on, and who may acknowledge it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from upkeep.core.findings import Level, worst
from upkeep.core.windows import CADENCES
from upkeep.dashboard.deeds import acknowledging_roles, may_acknowledge, titles
from upkeep.dashboard.now import OpenStory, Picture
from upkeep.dashboard.visitors import Visitor
from upkeep.ledger.acknowledgements import in_force
from upkeep.settings.load import Settings
from upkeep.settings.values import is_web
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

#: How far a history reaches back, how many looks of a cadence it shows, and how many findings of a story it follows.
REACH, LOOKS, FOLLOWED = timedelta(days=100), 30, 50
#: Findings of a story that are named on the page.
NAMED = 20


@dataclass(frozen=True)
class LookedAt:
    """One look of a story's steps: when its window was due, and what came of it."""

    due: datetime
    level: Level


@dataclass(frozen=True)
class Told:
    """A story as the page tells it. ``runbook`` is empty where config has none; ``who`` may acknowledge it."""

    story: OpenStory
    history: tuple[tuple[str, tuple[LookedAt, ...]], ...]
    runbook: str
    procedures: str
    mine: bool
    who: str

    @property
    def named(self) -> tuple[str, ...]:
        """Keys of its findings, where there are several."""
        members = self.story.trouble.members
        return members[:NAMED] if len(members) > 1 else ()

    @property
    def unnamed(self) -> int:
        """How many more there are."""
        return max(self.story.trouble.findings - len(self.named), 0) if self.named else 0


@dataclass(frozen=True)
class Accepted:
    """An entry of config/exceptions.yaml that is in force."""

    key: str
    by: str
    reason: str
    expires: date


def told(session: Session, config: Settings, visitor: Visitor, seen: Picture) -> list[Told]:
    """Every story with its history, in the picture's order."""
    histories = {
        target: _history(session, target, [one for one in seen.stories if one.trouble.target == target], seen.now)
        for target in visitor.targets
    }
    return [_told(config, visitor, one, histories.get(one.trouble.target, [])) for one in seen.stories]


def _history(session: Session, target: str, stories: Sequence[OpenStory], now: datetime) -> list[Row]:
    keys = sorted({key for one in stories for key in one.trouble.members[:FOLLOWED]})
    asked = {"target": target, "after": now - REACH, "keys": keys}
    return session.rows(queries.load("dashboard/history"), asked) if keys else []


def _told(config: Settings, visitor: Visitor, story: OpenStory, rows: Iterable[Row]) -> Told:
    trouble, members = story.trouble, set(story.trouble.members[:FOLLOWED])
    looks: dict[str, dict[datetime, list[Level]]] = {}
    for row in rows:
        if row["key"] in members:
            looks.setdefault(row["cadence"], {}).setdefault(row["due"], []).append(Level(row["level"]))
    history = tuple(
        (cadence, tuple(LookedAt(due, worst(levels)) for due, levels in sorted(looks[cadence].items())[-LOOKS:]))
        for cadence in CADENCES
        if cadence in looks
    )
    procedures = config.maintenance.documents.incident_response
    runbook = config.routing.runbook_of(trouble.key) or ""
    return Told(
        story=story,
        history=history,
        runbook=next((one for one in (runbook, procedures) if is_web(one)), ""),
        procedures="" if is_web(procedures) else procedures,
        mine=may_acknowledge(config, visitor, trouble.target, trouble.owner),
        who=titles(config, acknowledging_roles(config, trouble.owner)),
    )


def accepted(config: Settings, now: datetime) -> list[Accepted]:
    """What config/exceptions.yaml accepts, by the day on which that ends."""
    found = [Accepted(one.key, one.by, one.reason, one.expires) for one in in_force(config.exceptions, now)]
    return sorted(found, key=lambda one: one.expires)
