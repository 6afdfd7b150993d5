"""Daily backup verification (G99, G100): the newest backup exists, is complete, young, large enough and intact.

What is read of backups, and remembered from look to look, is in ``proof``. Whether one can be restored is proven
weekly, by restoring it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from upkeep.areas.backups import files as backups
from upkeep.areas.backups import sizes
from upkeep.areas.backups.files import BEING_COPIED, Archive, Backup, BackupError, Label, Manifest, Segment
from upkeep.areas.backups.judging import NOT_COVERED, SKEW, age, size, unfinished
from upkeep.areas.backups.proof import Proof, prove, remembered
from upkeep.areas.backups.proof_reading import Reading
from upkeep.areas.backups.verification import differing
from upkeep.areas.look import Sources
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.core.units import listed, roughly
from upkeep.ledger.read import newest_snapshot
from upkeep.ledger.write import LookResult
from upkeep.settings.backups import Backups

#: Files and gaps that a finding names.
NAMED = 10

_STOPPED = (
    "Recovery ends where the archive does: see pg_stat_archiver whether archive_command fails. A server that writes "
    "little needs archive_timeout; raise targets.<target>.backups.max_wal_age_hours where that may take longer."
)
_AHEAD = (
    "Compare this host's clock with the archiving host's: whether WAL still comes is not known until that time has "
    "passed."
)
_SUBJECTS = {
    "completion": ("G99", "Newest backup"),
    "unfinished": ("G99", "A newer backup without its end"),
    "age": ("G99", "Age of the newest backup"),
    "size": ("G99", "Size of the newest backup"),
    "wal": ("G100", "Archived WAL since the newest backup"),
}


def look_at_backups(config: Backups, now: datetime, before: Any = None) -> LookResult:
    """Judge the newest backup of a target; ``config`` is its section ``backups``, ``now`` this host's time in UTC.

    ``before`` is the snapshot that an earlier look has left. Without a backup to be read there is no new one.
    """
    try:
        found = backups.find(config.base)
    except (FileNotFoundError, NotADirectoryError):
        return LookResult((_none(f"found no folder {config.base}"), *remembered(config, [], before, now)))
    except OSError as error:
        return LookResult((_unreadable("completion", config.base, error), *remembered(config, None, before, now)))
    finished = [backup for backup in found if backup.finished]
    if not finished:
        broken = [backup.folder.name for backup in found]
        none = _none(f"found no finished backup in {config.base}" + _list("; unfinished", broken))
        return LookResult((none, *remembered(config, found, before, now)))
    newest = finished[-1]
    newer = found[found.index(newest) + 1 :]
    proof = prove(config, found, newest, before, now)
    looked = _look_at(newest, finished, config, now, proof)
    return replace(looked, findings=(*looked.findings, *(_unfinished(backup, now) for backup in newer[-1:])))


@dataclass(frozen=True)
class _Contents:
    """What could be read of a backup; ``problems`` says why something could not."""

    label: Label | None
    manifest: Manifest | None
    problems: list[str]
    total: int


def _read(folder: Backup, wal: Path, reading: Reading) -> _Contents:
    label, manifest, problems, total = None, None, [], 0
    try:
        label = backups.read_label(folder.folder, wal)
    except BackupError as error:
        problems.append(str(error))
    try:
        manifest = reading.claimed(folder.folder)
        wrong, total = differing(folder.folder, manifest)
        problems += wrong
    except BackupError as error:
        problems.append(str(error))
    return _Contents(label, manifest, problems, total)


def _look_at(backup: Backup, finished: Sequence[Backup], config: Backups, now: datetime, proof: Proof) -> LookResult:
    contents = _read(backup, config.wal, proof.reading)
    begun = [
        at
        for at in (contents.label and contents.label.started_at, contents.manifest and contents.manifest.begun_at)
        if at
    ]
    findings = [
        _completion(backup, contents),
        age(_topic("age"), min(begun, default=None), config, now),
        _size(contents, sizes.before(backup, finished), config),
        *proof.findings,
        _wal(backup, contents, config, now),
    ]
    samples = [Sample("backup_bytes_read", float(proof.reading.read), "bytes")] if config.proof != "whole" else []
    samples += [Sample("backup_bytes", float(contents.total), "bytes")] if contents.manifest else []
    if begun:
        samples.append(Sample("backup_age", (now - min(begun)) / timedelta(hours=1), "h"))
    return LookResult(tuple(findings), tuple(samples), snapshot=proof.snapshot)


def _topic(aspect: str) -> Topic:
    guide, subject = _SUBJECTS[aspect]
    return Topic(f"backups:{aspect}", subject, guide)


def _finding(aspect: str, level: Level, detail: str, expected: str, remedy: str = "") -> Finding:
    return _topic(aspect).judged(level, detail, expected, remedy)


def _none(detail: str) -> Finding:
    remedy = (
        "Take a backup now (pg_basebackup), then find out why none is made; or correct targets.<target>.backups.base."
    )
    return _finding("completion", Level.CRITICAL, detail, "a finished backup", remedy)


def _unreadable(aspect: str, folder: object, error: OSError) -> Finding:
    return _finding(
        aspect,
        Level.UNKNOWN,
        f"not collected: {folder} cannot be read: {error.strerror}",
        "a folder that the tasks' user may read",
        "Let the user that Airflow's tasks run as read the backups.",
    )


def _completion(backup: Backup, contents: _Contents) -> Finding:
    files = len(contents.manifest.files) if contents.manifest else 0
    detail = f"{backup.folder.name}: {files} files, {roughly(contents.total)}; {NOT_COVERED}"
    if contents.problems:
        detail = f"{backup.folder.name} is not complete: {len(contents.problems)} problems" + _list(
            "", contents.problems
        )
    return _finding(
        "completion",
        Level.CRITICAL if contents.problems else Level.OK,
        detail,
        "backup_label, a readable backup_manifest, and every file of it in its size",
        "Do not rely on it: take another backup now, and see what touched or cut off this one.",
    )


def _size(contents: _Contents, before: Sequence[int], config: Backups) -> Finding:
    remedy = "See what is in it: a backup of an emptied database is complete and of no use."
    if contents.manifest is None:
        expected = f"at least {roughly(config.min_bytes)}"
        return _finding(
            "size", Level.UNKNOWN, "not collected: without a manifest its files are not known", expected, remedy
        )
    return size(_topic("size"), contents.total, before, config, remedy)


def _wal(backup: Backup, contents: _Contents, config: Backups, now: datetime) -> Finding:
    expected = "every segment from the backup's start to the newest archived one"
    remedy = "Recovery ends at the first gap: take a backup now, then see why a segment was lost (pg_stat_archiver)."
    longest = None if config.max_wal_age_hours is None else timedelta(hours=config.max_wal_age_hours)
    label = contents.label
    if label is None:
        return _finding("wal", Level.UNKNOWN, "not collected: without a label its start is not known", expected, remedy)
    try:
        end_lsn = contents.manifest.end_lsn if contents.manifest else 0
        archive = backups.read_archive(config.wal, label, end_lsn, now)
        coming = _coming(backup.folder, archive, label, now)
    except (FileNotFoundError, NotADirectoryError):
        return _finding("wal", Level.CRITICAL, f"found no folder {config.wal}", expected, remedy)
    except OSError as error:
        return _unreadable("wal", config.wal, error)
    if coming:
        archive = replace(archive, missing=archive.missing[:-1])
    ended = f"; not archived yet, the backup has just ended: {coming}" if coming else ""
    said = _archived(archive, label, now) + ended
    level = Level.CRITICAL if archive.missing or archive.damaged else Level.OK
    if longest is not None:
        expected += f", that one at most {config.max_wal_age_hours:g} h old"
        if level is Level.OK and archive.newest_at and now - archive.newest_at > longest:
            level, remedy = Level.WARNING, _STOPPED
        elif level is Level.OK and archive.newest_at and archive.newest_at > now + SKEW:
            level, remedy = Level.UNKNOWN, _AHEAD
    return _finding("wal", level, said, expected, remedy)


def _coming(folder: Path, archive: Archive, label: Label, now: datetime) -> str:
    """The last gap where it is none: for a minute after its end only the backup itself may hold its last segments.

    pg_basebackup that takes WAL along does not wait until the server has archived it.
    """
    if not archive.missing or not -SKEW < now - backups.ended_at(folder) < BEING_COPIED:
        return ""
    first, last = archive.missing[-1]
    if first.number * label.segment_bytes < archive.reaches:
        return ""
    numbers = range(first.number, last.number + 1)
    names = [Segment(first.timeline, number).name(label.segment_bytes) for number in numbers]
    return _gap(names[0], names[-1]) if all((folder / "pg_wal" / name).is_file() for name in names) else ""


def _archived(archive: Archive, label: Label, now: datetime) -> str:
    said = f"{archive.segments} segments from {label.start.name(label.segment_bytes)}"
    if archive.newest_at:
        ago = max(now - archive.newest_at, timedelta(0)) / timedelta(hours=1)
        ahead = f"{archive.newest_at:%Y-%m-%d %H:%M} UTC, which is still to come"
        said += f" to {archive.newest}, archived {ahead if archive.newest_at > now + SKEW else f'{ago:.1f} h ago'}"
    gaps = [_gap(first.name(label.segment_bytes), last.name(label.segment_bytes)) for first, last in archive.missing]
    return said + _list("; missing", gaps) + _list("; not whole", archive.damaged)


def _gap(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


def _unfinished(backup: Backup, now: datetime) -> Finding:
    return unfinished(_topic("unfinished"), backup.folder.name, backup.started_at, now, "its backup_manifest")


def _list(title: str, items: list[str]) -> str:
    return f"{title}: {listed(items, NAMED, '; ')}" if items else ""


def inspect(sources: Sources) -> LookResult:
    """The newest base backup of a target that has its section of config."""
    config = sources.config.target(sources.target).backups
    if config is None:
        return LookResult(())
    with sources.ledger() as session:
        before = newest_snapshot(session, sources.target, "newest_backup")
    return look_at_backups(config, datetime.now(UTC), before[1] if before else None)
