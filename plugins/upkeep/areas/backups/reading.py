"""What is read today of the newest backup and of archived WAL, and what that proves (G100).

Names, sizes and the manifest are held against each other each day. Of the files' bytes a share is read, of archived WAL
what is new; ``progress`` says which.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from upkeep.areas.backups import verification
from upkeep.areas.backups.archived_wal import Archive
from upkeep.areas.backups.files import Label, Manifest, lsn
from upkeep.areas.backups.progress import Progress, Shares, shared_out
from upkeep.areas.backups.verification import OWN_WAL, Programs, VerifyError
from upkeep.core.findings import Level
from upkeep.core.units import count, roughly

#: As pg_waldump has said it since 15: from the first record to where the next one would begin.
_BETWEEN = re.compile(r"WAL statistics between [0-9A-F]+/[0-9A-F]+ and ([0-9A-F]+/[0-9A-F]+):")
#: A file in what pg_verifybackup says.
_NAMED = re.compile(r'file "(.+?)"')


@dataclass(frozen=True)
class Read:
    """What reading says, how many bytes that took, and what is known from now on."""

    level: Level
    said: str
    read: int
    progress: Progress


def has_from(archive: Archive | None, label: Label | None, end_lsn: int) -> bool:
    """Whether an archive has all WAL that a backup needs, as PostgreSQL wrote it: recovery takes that, not its own."""
    if archive is None or label is None:
        return False
    first, last = archive.runs.get(label.start.timeline, (0, 0))
    return first == label.start.number and (last + 1) * label.segment_bytes >= end_lsn


def read_backup(
    tools: Programs, folder: Path, manifest: Manifest, days: int, before: Progress, now: datetime, *, own_wal: bool
) -> Read:
    """Hold a backup as a whole against its manifest, and read the files of the day, and those that were bad.

    ``own_wal`` is whether the WAL that it brought is read too, as if it were one file.
    """
    own = sum(file.stat().st_size for file in (folder / OWN_WAL).glob("*")) if own_wal else 0
    shares = shared_out(manifest.files | ({OWN_WAL: own} if own else {}), days)
    progress = before.of(manifest.checksum, days)
    due, read, wrong = progress.due(now), 0, list[str]()
    with_wal, all_due = any(OWN_WAL in shares.paths[share] for share in due), len(due) == days
    try:
        good, said = verification.as_a_whole(tools, folder, with_wal=with_wal, with_checksums=all_due)
        if not good:
            return Read(Level.CRITICAL, said, 0, progress)
        if all_due or not manifest.has_checksums:
            progress = progress.model_copy(update={"bad": ()})
        if progress.bad:
            bad, said = _bad(tools, folder, manifest, progress.bad)
            wrong, read = [said] if bad else [], sum(manifest.files[path] for path in progress.bad)
            progress = progress.model_copy(update={"bad": bad})
        for share in due:
            bad = ()
            if manifest.has_checksums and not all_due:
                bad, said = _bad(tools, folder, manifest, shares.paths[share])
            progress, read = progress.after(share, now, bad), read + shares.sizes[share]
            wrong += [said] if bad else []
    except VerifyError as error:
        return Read(Level.UNKNOWN, f"not collected: {error}", read, progress)
    if not manifest.has_checksums:
        return Read(Level.ADVISORY, "its manifest has no checksums: a bent byte would not show", 0, progress)
    detail = "\n".join(wrong) or _described(shares, due, progress)
    return Read(Level.CRITICAL if wrong else Level.OK, detail, read, progress)


def _bad(tools: Programs, folder: Path, manifest: Manifest, paths: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Which of some files are not as promised, as far as pg_verifybackup names them, and what it says."""
    good, said = verification.checksums(tools, folder, manifest, paths)
    if good:
        return (), said
    named = {*_NAMED.findall(said)}.intersection(paths)
    return tuple(sorted(named)) or tuple(path for path in paths if path in manifest.entries), said


def _described(shares: Shares, due: list[int], progress: Progress) -> str:
    """What was read, and how far the backup has been read by now."""
    many = sum(len(shares.paths[share]) for share in due)
    octets = sum(shares.sizes[share] for share in due)
    if progress.shares == 1:
        return f"{count(many, 'file')}, {roughly(octets)}: every checksum right"
    said = (
        f"{many:,} of {count(sum(map(len, shares.paths)), 'file')}, {roughly(octets)} of {roughly(sum(shares.sizes))}"
    )
    said += f": every checksum right; {len(progress.read)} of {progress.shares} shares of this backup are read by now"
    return said + (f"; {shares.largest} alone is larger than a share" if shares.largest else "")


def read_archived(tools: Programs, wal: Path, archive: Archive, label: Label, before: Progress, now: datetime) -> Read:
    """Read the records of archived WAL that was not read yet, each with its checksum, by pg_waldump."""
    progress, read = before.wal_from(label.started_at, now), 0
    known = dict(progress.wal)
    if archive.runs.get(label.start.timeline, (None,))[0] != label.start.number:
        return Read(
            Level.UNKNOWN,
            "not collected: the archive lacks the segment that the backup begins with, as it is",
            0,
            progress,
        )
    try:
        for timeline, (first, last) in archive.runs.items():
            begin, end = first * label.segment_bytes, (last + 1) * label.segment_bytes
            known[timeline] = start = _from(progress.wal.get(timeline, 0), begin, end)
            if start > end - label.segment_bytes:
                continue  # from amid the last segment on: that was read
            read += end - start
            at = ["--timeline", str(timeline), "--start", _text(start), "--end", _text(end)]
            good, said = tools.said([tools.waldump, "--stats", "--path", str(wal), *at])
            if not good:
                detail = f"of timeline {timeline}, from {_text(start)}: {said}"
                return Read(Level.CRITICAL, detail, read, progress.model_copy(update={"wal": known}))
            told = _BETWEEN.search(said)
            known[timeline] = lsn(told[1]) if told else end - label.segment_bytes
    except VerifyError as error:
        return Read(Level.UNKNOWN, f"not collected: {error}", read, progress.model_copy(update={"wal": known}))
    progress = progress.model_copy(update={"wal": known})
    if archive.compressed:
        detail = f"not collected: {count(archive.compressed, 'segment')} compressed, which pg_waldump does not read"
        return Read(Level.UNKNOWN, detail, read, progress)
    return Read(Level.OK, f"{roughly(read)} that was not read before: every record whole", read, progress)


def _from(known: int, begin: int, end: int) -> int:
    """Where to begin in a run: where the last look ended, unless that lies elsewhere."""
    return known if begin <= known <= end else begin


def _text(position: int) -> str:
    return f"{position >> 32:X}/{position % 2**32:X}"
