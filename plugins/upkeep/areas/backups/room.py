"""Free space where backups lie: whether it holds the next backup, and the WAL of the time until then (G99).

Each file system is judged once, with all of a target's that lies on it. What is free is what the tasks' user may still
write there (statvfs, ``f_bavail``); a quota that statvfs does not tell is not seen, nor tablespaces that lie elsewhere.
Where no backup is finished nothing is predicted: that itself is critical.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

from upkeep.areas.backups import dump_files, files, sizes
from upkeep.areas.backups.dump_files import State
from upkeep.areas.backups.files import SEGMENT, Backup
from upkeep.areas.backups.judging import BEFORE, SKEW
from upkeep.core.findings import Finding, Level, Topic
from upkeep.core.units import roughly, utc
from upkeep.settings.backups import Backups, Dumps

#: WAL of a shorter time than this is taken for that of so long: a burst after a start says little of a day.
SHORTEST = timedelta(hours=1)
_TOPIC = Topic("backups:room", "Free space for backups", "G99")
_REMEDY = (
    "Make room before the next backup: delete backups older than you keep, and WAL before the oldest kept one "
    "(pg_archivecleanup), or enlarge the file system. Where no WAL can be archived the server keeps it on its own disk."
)


@dataclass(frozen=True)
class Need:
    """So many bytes will be written into a folder; ``what`` in words."""

    name: str
    folder: Path
    octets: int
    what: str


def look_at_room(backups: Backups | None, dumps: Dumps | None, database: str, now: datetime) -> tuple[Finding, ...]:
    """A finding for each file system; ``database`` is the one that dumps must be of, empty where nobody knows."""
    needs, untold = list[Need](), list[Finding]()
    for name, predicted in (
        ("base", _of_base(backups, now) if backups else ()),
        ("dumps", _of_dumps(dumps, database, now) if dumps else ()),
    ):
        try:
            needs += predicted  # what comes before an error stays
        except (FileNotFoundError, NotADirectoryError):
            continue  # which is critical by itself
        except OSError as error:
            untold.append(_untold(name, error))
        except (OverflowError, ValueError) as error:  # a time that is none, in what somebody else wrote
            untold.append(_untold(name, error))
    return (*_judged(needs), *untold)


def _judged(needs: Iterable[Need]) -> Iterator[Finding]:
    systems: dict[int, list[Need]] = {}
    for need in needs:
        try:
            systems.setdefault(need.folder.stat().st_dev, []).append(need)
        except OSError as error:
            yield _untold(need.name, error)
    for together in systems.values():
        try:
            yield judge(together, shutil.disk_usage(together[0].folder).free)
        except OSError as error:
            yield _untold(together[0].name, error)


def judge(needs: Sequence[Need], free: int) -> Finding:
    """Whether so many free bytes of a file system hold what will be written there."""
    needed = sum(need.octets for need in needs)
    detail = f"{roughly(free)} are free in {needs[0].folder}; predicted: {', '.join(need.what for need in needs)}"
    level = Level.WARNING if free < needed else Level.OK
    topic = _TOPIC.part(needs[0].name)
    return topic.judged(level, detail, f"at least {roughly(needed)}, for all of that", _REMEDY)


def _untold(name: str, error: Exception) -> Finding:
    if isinstance(error, OSError):
        detail = f"not collected: {error.filename or 'a folder'} cannot be read: {error.strerror}"
    else:
        detail = f"not collected: found a time that cannot be ({error})"
    remedy = "Let the user that Airflow's tasks run as read the backups."
    topic = _TOPIC.part(f"{name}:not_collected")
    return topic.finding(Level.UNKNOWN, detail, "a folder that the tasks' user may read", remedy)


def _of_base(config: Backups, now: datetime) -> Iterator[Need]:
    finished = [backup for backup in files.find(config.base) if backup.finished]
    if not finished:
        return
    begun = [backup.started_at for backup in finished if backup.started_at <= now + SKEW]  # a label may be damaged
    every = _interval(begun[-BEFORE - 1 :], config)
    left = max(begun[-1] + every - now, timedelta(0)) if begun else timedelta(0)
    octets = predicted(_newest_first(finished))
    yield Need("base", config.base, octets, f"{roughly(octets)} for the next base backup, due {utc(now + left)}")
    wal = wal_within(left, config.wal, every, now)
    yield Need("wal", config.wal, wal, f"{roughly(wal)} of WAL until then")


def _newest_first(finished: Sequence[Backup]) -> list[int]:
    """Bytes of the two newest full backups, with their WAL; of what there is where none is full."""
    full = [one for one in finished if not sizes.incremental(one)] or finished
    return [sizes.taken_by(one.folder) for one in reversed(full[-2:])]


def _of_dumps(config: Dumps, database: str, now: datetime) -> Iterator[Need]:
    there = dump_files.find(config.folder, config.time_zone, now)
    found = [one for one in there if one.state is State.FINISHED and one.header]
    names = [one.header.database for one in found if one.header]
    name = database or next(reversed(names), "")
    octets = [dump.size for dump, of in zip(found, names, strict=True) if of == name][-2:]
    if octets:
        size = predicted(octets[::-1])
        yield Need("dumps", config.folder, size, f"{roughly(size)} for the next dump")


def predicted(newest_first: Sequence[int]) -> int:
    """The next one's bytes: it grows by as much as the newest did, and is no smaller. Pure."""
    newest, *before = newest_first
    return newest + max(newest - before[0], 0) if before else newest


def _interval(begun: Sequence[datetime], config: Backups) -> timedelta:
    """How long after a backup the next one is begun: the middle of what it was; of one alone, how old it may be."""
    between = [(later - earlier).total_seconds() for earlier, later in pairwise(begun)]
    return timedelta(seconds=median(between)) if between else timedelta(hours=config.max_age_hours)


def wal_within(left: timedelta, archive: Path, every: timedelta, now: datetime) -> int:
    """Bytes of WAL that will be archived in the time that is left, at the rate of the last interval between backups.

    Raises OSError where the archive cannot be read.
    """
    octets, oldest = 0, now
    since = now - max(every, SHORTEST)
    with os.scandir(archive) as listed:
        for file in listed:
            if not SEGMENT.fullmatch(file.name):
                continue
            try:
                stat = file.stat()
                written = datetime.fromtimestamp(stat.st_mtime, UTC)
            except (FileNotFoundError, OverflowError, ValueError):
                continue  # cleaned away meanwhile, or of a time that is none
            oldest = min(oldest, written)
            octets += stat.st_size if written >= since else 0
    return round(octets * (left / max(now - max(oldest, since), SHORTEST)))
