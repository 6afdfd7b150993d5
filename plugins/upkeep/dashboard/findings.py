"""The page of findings: each story with its history over windows, where to read on, and who may acknowledge it.

Of many stories the worst stand in full; the others have a line each, which leads to them. What is worst is on the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from starlette.exceptions import HTTPException

from upkeep.core.findings import Level, worst
from upkeep.core.windows import CADENCES, rounded_down
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
#: Stories of a page that stand in full, and those of a page at all; the others are on the next ones.
FULL, LISTED = 20, 220
#: What a section is called, by its place, and which stories are in it. That with the worst story is first on its page,
#: what somebody knows of is last.
_SECTIONS: tuple[tuple[str, str, Callable[[OpenStory], bool]], ...] = (
    ("new", "New this week", lambda one: not one.silent and one.new),
    ("open", "Open for longer", lambda one: not one.silent and not one.new),
    ("known", "Acknowledged", lambda one: one.silent),
)


@dataclass(frozen=True)
class LookedAt:
    """One look of a story's steps: when its window was due, and what came of it."""

    due: datetime
    level: Level


@dataclass(frozen=True)
class Told:
    """A story that stands in full. ``runbook`` is empty where config has none; ``who`` may acknowledge it."""

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


@dataclass(frozen=True)
class Section:
    """Stories of one page: what the section is called, how many there are on all pages, and those of this one."""

    anchor: str
    title: str
    total: int
    stories: tuple[OpenStory, ...]


@dataclass(frozen=True)
class Stories:
    """The stories of one page; ``told`` are those that stand in full, by their place.

    ``number`` is the page's, from 1, ``before`` and ``after`` how many stories are on the pages around it.
    """

    sections: tuple[Section, ...]
    told: Mapping[str, Told]
    number: int
    before: int
    after: int


def page_number(text: str) -> int:
    """The page that an address asks for. Raises HTTPException 400 for what is none."""
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text):
        raise HTTPException(400, f"found the page {text[:40]!r}, expected a number from 1, such as 2")
    return int(text)


def page_of(
    session: Session, config: Settings, visitor: Visitor, seen: Picture, number: int, only: str = ""
) -> Stories:
    """A page of the stories, the worst that nobody has acknowledged first and in full.

    ``only`` is the place of one, which stands alone whatever ``number`` says.
    """
    stories = [one for one in seen.stories if not only or one.anchor == only]
    stories.sort(key=lambda one: one.silent)  # stable: the worst stays first
    number = 1 if only else number
    first, end = LISTED * (number - 1), LISTED * number
    here = stories[first:end]
    sections = [
        Section(anchor, title, sum(map(within, stories)), mine)
        for anchor, title, within in _SECTIONS
        if (mine := tuple(filter(within, here)))
    ]
    return Stories(
        sections=tuple(sorted(sections, key=lambda one: here.index(one.stories[0]))),
        told={one.story.anchor: one for one in told(session, config, visitor, here[:FULL], seen.now)},
        number=number,
        before=len(stories[:first]),
        after=len(stories[end:]),
    )


def told(
    session: Session, config: Settings, visitor: Visitor, stories: Sequence[OpenStory], now: datetime
) -> list[Told]:
    """These stories with their history."""
    histories = {
        target: _history(session, target, [one for one in stories if one.trouble.target == target], now)
        for target in visitor.targets
    }
    return [_told(config, visitor, one, histories.get(one.trouble.target, [])) for one in stories]


def _history(session: Session, target: str, stories: Sequence[OpenStory], now: datetime) -> list[Row]:
    keys = sorted({key for one in stories for key in one.trouble.members[:FOLLOWED]})
    asked = {"target": target, "after": rounded_down(now - REACH, timedelta(hours=1)), "keys": keys}
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
