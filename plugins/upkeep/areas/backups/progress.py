"""What daily looks have read of a backup and of archived WAL, and what is to be read today: at the cost of change.

A backup is read in as many shares as config has days, one a day, and days without a look are made up for. Archived WAL
is read once, when it is new, and again after a week where the newest backup is older than that.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, ValidationError

from upkeep.settings.base import FrozenModel

DAY = timedelta(days=1)
#: A week, less what one window may come earlier than another.
_WEEK = 6.5 * DAY


class Progress(FrozenModel):
    """What was read up to ``at``: the share last read, of so many; of the backup whose manifest has this ``checksum``
    these shares, and files that were ``bad``: not as promised. ``wal`` is, by timeline, from where WAL is to be read.
    """

    at: AwareDatetime | None = None
    shares: int = 0
    last: int = -1
    checksum: str = ""
    read: tuple[int, ...] = ()
    bad: tuple[str, ...] = ()
    wal: Mapping[int, int] = {}
    wal_since: AwareDatetime | None = None

    def of(self, checksum: str, shares: int) -> Progress:
        """What is known of this backup in so many shares: nothing where it is another one; shares go on in turn."""
        if shares != self.shares:
            return self.model_copy(
                update={"shares": shares, "last": -1, "checksum": checksum, "read": (), "bad": (), "at": None}
            )
        if checksum != self.checksum:
            return self.model_copy(update={"checksum": checksum, "read": (), "bad": ()})
        return self

    def due(self, now: datetime) -> list[int]:
        """The shares of today: one for each day since the last look, in turn."""
        days = 1 if self.at is None else round((now - self.at) / DAY)
        return [(self.last + number) % self.shares for number in range(1, 1 + min(max(days, 1), self.shares))]

    def after(self, share: int, now: datetime, bad: Sequence[str]) -> Progress:
        """What is known when a share was read."""
        read, known_bad = {*self.read, share}, {*self.bad, *bad}
        update = {"last": share, "at": now, "read": tuple(sorted(read)), "bad": tuple(sorted(known_bad))}
        return self.model_copy(update=update)

    def wal_from(self, backup_began: datetime | None, now: datetime) -> Progress:
        """What is known of archived WAL: nothing any more where a week has passed since it was read."""
        since = max((moment for moment in (self.wal_since, backup_began) if moment), default=None)
        if self.wal_since is None or since is None or now - since > _WEEK:
            return self.model_copy(update={"wal": {}, "wal_since": now})
        return self


def known(body: Any) -> Progress:
    """What a snapshot of a look says; nothing where there is none, or it cannot be read."""
    try:
        return Progress.model_validate(body)
    except ValidationError:
        return Progress()


@dataclass(frozen=True)
class Shares:
    """Paths by share, of about as many bytes each; ``largest`` is one that alone is more than a share should be."""

    paths: tuple[tuple[str, ...], ...]
    sizes: tuple[int, ...]
    largest: str


def shared_out(files: Mapping[str, int], shares: int) -> Shares:
    """Files by path → bytes, the largest first, each into the share that has least; always alike for the same files."""
    heap = [(0, number) for number in range(shares)]
    paths: list[list[str]] = [[] for _ in range(shares)]
    for path, size in sorted(files.items(), key=lambda file: (-file[1], file[0])):
        had, number = heap[0]
        heapq.heapreplace(heap, (had + size, number))
        paths[number].append(path)
    largest = max(files, key=lambda path: files[path], default="")
    outgrown = largest and files[largest] * shares > sum(files.values()) and shares > 1
    sizes = {number: had for had, number in heap}
    return Shares(
        tuple(map(tuple, paths)), tuple(sizes[number] for number in range(shares)), largest if outgrown else ""
    )
