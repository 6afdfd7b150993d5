"""Archived WAL as archive_command leaves it: listed, and held against what a backup needs.

Source: PostgreSQL's documentation, "Continuous Archiving".
"""

from __future__ import annotations

import os
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from upkeep.areas.backups.files import BEING_COPIED, SEGMENT, Label, Segment


@dataclass(frozen=True)
class Archive:
    """Archived WAL from a backup's first segment on. ``missing`` are gaps: first and last segment of each.

    The newest is the newest whole one; ``reaches`` is the position at which it begins. ``runs`` are the first unbroken
    run of whole segments of each timeline: its first number and its last. ``compressed`` ones are in none.
    """

    segments: int
    missing: list[tuple[Segment, Segment]]
    damaged: list[str]
    newest: str
    newest_at: datetime | None
    reaches: int
    runs: Mapping[int, tuple[int, int]]
    compressed: int


def read_archive(wal: Path, label: Label, end_lsn: int, now: datetime) -> Archive:
    """Hold the archive against what the backup needs: every segment from its start to the newest archived one.

    A segment may lie there compressed (its size is then not judged); timelines older than the backup's do not count.
    The newest one may be short while it is being copied: archiving is one after the other. Raises OSError when the
    folder cannot be read.
    """
    numbers, short, start, compressed = array("Q"), [], label.start, 0
    plain: dict[int, array[int]] = defaultdict(lambda: array("Q"))
    newest, before = None, None  # of all, and the newest but one
    for one in _archived(wal, 2**32 // label.segment_bytes):
        if one.timeline < start.timeline or one.number < start.number:
            continue
        numbers.append(one.number)
        if not one.whole(label.segment_bytes):
            short.append(one)
        elif one.compressed:
            compressed += 1
        else:
            plain[one.timeline].append(one.number)
        if newest is None or one > newest:
            newest, before = one, newest
        elif before is None or one > before:
            before = one
    if newest in short and newest and abs(now - newest.at) < BEING_COPIED:
        short.remove(newest)
        newest = before
    last_needed = max(start.number, (end_lsn - 1) // label.segment_bytes)
    return Archive(
        segments=len(numbers),
        missing=_gaps(numbers, start, last_needed),
        damaged=sorted(f"{one.name}: {one.size} bytes" for one in short),
        newest=newest.name if newest else "",
        newest_at=newest.at if newest else None,
        reaches=newest.number * label.segment_bytes if newest else 0,
        runs={timeline: _first_run(found) for timeline, found in sorted(plain.items())},
        compressed=compressed,
    )


class _Archived(NamedTuple):
    """A segment's file in the archive, in the order of segments; ``written`` is in seconds since the epoch."""

    timeline: int
    number: int
    name: str
    size: int
    written: float

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.written, UTC)

    @property
    def compressed(self) -> bool:
        return "." in self.name

    def whole(self, segment_bytes: int) -> bool:
        return self.size > 0 if self.compressed else self.size == segment_bytes


def _archived(wal: Path, per_log: int) -> Iterator[_Archived]:
    """The archive's segments. One that is cleaned away between the listing and the look at it was never there."""
    with os.scandir(wal) as files:
        for file in files:
            match = SEGMENT.fullmatch(file.name)
            if not match:
                continue
            try:
                stat = file.stat()
            except FileNotFoundError:
                continue
            number = int(match[2], 16) * per_log + int(match[3], 16)
            yield _Archived(int(match[1], 16), number, file.name, stat.st_size, stat.st_mtime)


def _gaps(numbers: Iterable[int], start: Segment, last_needed: int) -> list[tuple[Segment, Segment]]:
    """What is missing from the start on, up to the end that the backup needs or the newest, whichever is later."""
    known = sorted(numbers)
    whole_until = start.number - 1
    gaps = []
    for number in chain(known, [last_needed + 1] if not known or known[-1] < last_needed else []):
        if number - whole_until > 1:
            gaps.append((Segment(start.timeline, whole_until + 1), Segment(start.timeline, number - 1)))
        whole_until = number
    return gaps


def _first_run(numbers: Iterable[int]) -> tuple[int, int]:
    """The first and the last of the numbers that follow one another from the least on."""
    known = sorted(numbers)
    last = known[0]
    for number in known:
        if number > last + 1:
            break
        last = number
    return known[0], last
