"""What daily looks have read of a backup by now, and what of all backups was found bad: kept from look to look (G100).

One backup at a time is under proof, with those that it is built on: a part of it is read each day. When all of it was
read, or it is gone, the newest one is next. What is bad stays bad until it was itself read good.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from pydantic import AwareDatetime, ValidationError, field_validator

from upkeep.areas.backups.judging import SKEW
from upkeep.settings.base import FrozenModel

#: Days in which each byte of a backup is read, and the time after which it is late: a day was skipped, and some hours.
DAYS = 7
OVERDUE = timedelta(days=DAYS + 1, hours=12)
#: For so long it is known what was bad of a backup that is not there: it may come back.
AWAY = timedelta(days=30)


_Model = TypeVar("_Model", bound=FrozenModel)


class Kept(FrozenModel):
    """By what a backup is known again: its folder's name, the checksum of its manifest, and where and when it began.

    Empty is what cannot be read.
    """

    name: str
    checksum: str
    begun: str = ""


class Bad(FrozenModel):
    """A file that was found bad, in what way, and since when; ``path`` is empty for the backup as a whole.

    ``tried`` is when it was last read, ``away`` since when its backup is not there, ``folder`` where that was seen last
    (empty: in the folder of config). ``missing``: something is not there of a backup that is not the newest, as where
    it is being removed. ``taken``: it came to the folder of config since, and is known there too. ``mark`` is by what
    the backup's folder is known under another name, empty where it is not.
    """

    backup: Kept
    path: str
    said: str
    since: AwareDatetime
    tried: AwareDatetime | None = None
    missing: bool = False
    away: AwareDatetime | None = None
    folder: str = ""
    taken: bool = False
    mark: str = ""

    @field_validator("folder")
    @classmethod
    def _is_a_path(cls, folder: str) -> str:
        if folder and (not os.path.isabs(folder) or os.path.normpath(folder) != folder or b"\0" in os.fsencode(folder)):
            raise ValueError(f"folder {folder!r}, expected an absolute path without . and ..")
        return folder

    def lies_in(self, base: str) -> bool:
        """Whether it was seen last in that folder of backups, an absolute path without links."""
        return not self.folder or os.path.dirname(self.folder) == base

    def gone(self, now: datetime, last: datetime | None) -> Bad | None:
        """The same, of a backup that is not there; None where that is for long, or it was being removed: something was
        missing in the look before, of ``last``, for the first time.
        """
        away = min(self.away or now, now)
        removed = self.missing and self.since == self.tried == last
        return None if removed or now - away > AWAY else self.model_copy(update={"away": away})


class Whole(FrozenModel):
    """A backup that was read whole, and between which looks."""

    name: str
    since: AwareDatetime
    until: AwareDatetime


class Piece(NamedTuple):
    """A file of one of the backups under proof, by its place among them."""

    member: int
    path: str
    size: int


class Memory(FrozenModel):
    """What is known since the look of ``since``, as of the one of ``at``.

    ``under`` is the backup under proof, since ``begun``, and behind it those that it is built on. It is read in
    ``parts``, of which ``plan`` is a digest; ``read`` says when one was last read to its end, ``tried`` when that was
    last begun. ``whole`` is what was last read whole, ``left`` what became of a backup that never was. ``lost`` is when
    an earlier snapshot could not be read.
    """

    since: AwareDatetime
    at: AwareDatetime
    under: tuple[Kept, ...] = ()
    begun: AwareDatetime | None = None
    plan: str = ""
    parts: int = 0
    read: Mapping[int, AwareDatetime] = {}
    tried: Mapping[int, AwareDatetime] = {}
    lost: AwareDatetime | None = None
    whole: Whole | None = None
    left: str = ""
    bad: tuple[Bad, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether each part of the backup under proof was read."""
        return 0 < self.parts == len(self.read)

    def chosen(self, newest: Sequence[Kept], there: Callable[[Kept], bool], now: datetime) -> Memory:
        """The one that goes on being proven, or the newest: when the other was read whole, or is not there."""
        if self.under == tuple(newest):
            return self
        same = self.under[:1] == tuple(newest[:1])  # it is built on others now: one of these came, or went
        there_still = all(there(one) for one in self.under)
        if self.under and not same and not self.complete and there_still and not self.stuck(now):
            return self
        begun = self.begun if same else now
        update: dict[str, Any] = {
            "under": tuple(newest),
            "begun": begun,
            "plan": "",
            "parts": 0,
            "read": {},
            "tried": {},
        }
        if self.parts and not same and not self.complete:
            said = f"{len(self.read)} of {self.parts} parts were read of {self.under[0].name}"
            why = "which is not there any more, not as its manifest says, or of another major version than the newest"
            update["left"] = f"{said}, {'and the others could not be' if there_still else why}"
        return self.model_copy(update=update)

    def stuck(self, now: datetime) -> bool:
        """Whether each part that was not read was tried, and for long none was read to its end."""
        gained = max(self.read.values(), default=self.begun or self.since)
        return self.read.keys() | self.tried.keys() == set(range(self.parts)) and now - gained > OVERDUE

    def shared(self, parts: Sequence[Sequence[Piece]], base: str) -> Memory:
        """The same with these parts, of files in ``base``: what was read in others counts no more, but since when."""
        checksums = [one.checksum for one in self.under]
        plan = _digest(base, checksums, parts)
        if plan == self.plan:
            return self
        if self.plan == _digest(checksums, parts):  # by an earlier Upkeep, which did not say in which folder
            return self.model_copy(update={"plan": plan})
        update: dict[str, Any] = {"plan": plan, "parts": len(parts), "read": {}, "tried": {}}
        if self.complete:
            update["begun"] = max(self.read.values())  # it has its week again
        if self.read:
            done = f"{len(self.read)} of {self.parts} parts were read of {self.under[0].name}"
            update["left"] = (
                f"{done}, which was begun anew in other parts: the budget, its folder or its WAL has changed"
            )
        return self.model_copy(update=update)

    def due(self) -> int:
        """The part of today: one that was never read, else any; of these the one that was tried longest ago."""
        last = {**self.read, **self.tried}
        return min(range(self.parts), key=lambda part: (part in self.read, part in last, last.get(part), part))

    def trying(self, part: int, now: datetime) -> Memory:
        """What is known when a part is begun."""
        return self.model_copy(update={"tried": {**self.tried, part: now}})

    def after(self, part: int, now: datetime) -> Memory:
        """What is known when a part was read to its end."""
        known = self.model_copy(update={"read": {**self.read, part: now}})
        if not known.complete:
            return known
        whole = Whole(name=self.under[0].name, since=min(known.read.values()), until=now)
        return known.model_copy(update={"whole": whole, "left": ""})

    def oldest(self) -> datetime:
        """Since when some byte of the backup under proof is not read."""
        begun = self.begun or self.since
        return min((self.read.get(part, begun) for part in range(self.parts)), default=begun)

    def unproven_since(self) -> datetime:
        """Since when no backup was read whole."""
        return self.whole.until if self.whole else self.since


def known(body: Any, now: datetime) -> Memory | None:
    """What a snapshot says, and None without one; ``lost`` says when something of it could not be read.

    What says that it will be read in time to come was not read: the clock was set back since.
    """
    if body is None:
        return None
    told = dict(body) if isinstance(body, Mapping) else {}
    entries = told.pop("bad", [])
    entries = entries if isinstance(entries, Sequence) else [entries]
    bad = [one for one in (_read(Bad, entry) for entry in entries) if one]
    memory = _read(Memory, told)
    lost = now if memory is None or len(bad) < len(entries) else memory.lost
    memory = memory or Memory(since=now, at=now)
    past = {part: at for part, at in memory.read.items() if at <= now + SKEW and 0 <= part < memory.parts}
    tried = {part: at for part, at in memory.tried.items() if at <= now + SKEW and 0 <= part < memory.parts}
    whole = memory.whole if memory.whole and memory.whole.until <= now + SKEW else None
    update = {
        "bad": tuple(bad),
        "begun": min(memory.begun, now) if memory.begun else None,
        "lost": lost if lost and now - lost <= AWAY else None,
        "read": past,
        "since": min(memory.since, now),
        "tried": tried,
        "whole": whole,
    }
    return memory.model_copy(update=update)


def _digest(*said: Any) -> str:
    return hashlib.sha256(json.dumps(said, ensure_ascii=True).encode()).hexdigest()[:16]


def _read(model: type[_Model], body: Any) -> _Model | None:
    """A part of a snapshot. What a later version of Upkeep has added to it is left out."""
    try:
        return model.model_validate(body, extra="ignore")
    except ValidationError:
        return None


def parts_of(pieces: Iterable[Piece], budget: int | None) -> list[list[Piece]]:
    """Files in as many parts of about as many bytes: seven, or fewer where these are no more than ``budget`` each.

    The largest file first, each into the part that has least; always alike for the same files.
    """
    files = sorted(pieces, key=lambda piece: (-piece.size, piece.member, piece.path))
    total = sum(piece.size for piece in files)
    number = min(DAYS, max(1, -(-total // budget))) if budget else DAYS
    heap = [(0, part) for part in range(number)]
    parts: list[list[Piece]] = [[] for _ in range(number)]
    for piece in files:
        had, part = heap[0]
        heapq.heapreplace(heap, (had + piece.size, part))
        parts[part].append(piece)
    return parts
