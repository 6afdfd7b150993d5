"""Defects of backups, drawn by chance from the classes that a drill must tell apart, and what must catch each.

A defect changes files of a real backup or its archive for as long as a block lasts. The daily look catches what sizes,
checksums, names and times can tell; what was made to match all of these only a restoration can.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox.backups import vouching
from tests.stages.restoring import Platform
from upkeep.areas.backups import files
from upkeep.areas.backups.look import look_at_backups
from upkeep.areas.backups.restoration import restore
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult

PAGE = 8192
#: Of a WAL segment's first page header: magic, address, system identifier. PostgreSQL does not check the bytes between.
WAL_HEADER = (0, 1, *range(8, 16), *range(24, 32))


def table(defects: Sequence[tuple[str, str]], caught: Sequence[str], of: str) -> str:
    """Of each class and the finding that must say so: how many were drawn and caught; the last line says of what."""
    hit = Counter(kind for (kind, _), by in zip(defects, caught, strict=True) if by)
    lines = [f"{'class':45} generated caught by"]
    lines += [f"{kind:45} {many:9} {hit[kind]:6} {key}" for (kind, key), many in Counter(defects).items()]
    return "\n".join(["", *lines, f"{sum(map(bool, caught))} of {len(defects)} caught by their right name {of}"])


@dataclass(frozen=True)
class Defect:
    """What is wrong, and the finding (key, words in its detail) that must say so; None: the file is gone.

    ``hours`` have passed since the backup, ``foreign`` is another cluster's identifier than the backup's.
    """

    kind: str
    key: str
    says: str
    changes: Mapping[Path, bytes | None] = field(default_factory=dict)
    hours: float = 0
    foreign: str = ""

    @property
    def weekly(self) -> bool:
        """Whether only a restoration can see it."""
        return self.key.startswith("restoration:")


Draw = Callable[[Platform, random.Random], Defect]


@contextmanager
def planted(defect: Defect) -> Iterator[None]:
    """The defect is there until the end of the block."""
    whole = {file: (file.read_bytes(), file.stat()) for file in defect.changes if file.exists()}
    try:
        for file, content in defect.changes.items():
            file.unlink(missing_ok=True) if content is None else file.write_bytes(content)
        yield
    finally:
        for file in defect.changes:
            if file not in whole:
                file.unlink()
                continue
            content, stat = whole[file]
            file.write_bytes(content)
            file.chmod(stat.st_mode)
            os.chown(file, stat.st_uid, stat.st_gid)
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def looked(platform: Platform, defect: Defect) -> LookResult:
    """What the look that must catch it says."""
    if not defect.weekly:
        return looked_daily(platform, defect)
    original, known = platform.system.original, platform.known
    if defect.foreign:  # what was recorded of another cluster is not compared with
        original, known = replace(original, system_identifier=defect.foreign), None
    return restore(platform.newest(), original, known, platform.config.maintenance.sql)


def looked_daily(platform: Platform, defect: Defect) -> LookResult:
    """What the daily look says, ``hours`` later, and no sooner than the backup's WAL must be archived."""
    config = platform.backups().model_copy(update={"max_wal_age_hours": None})
    return look_at_backups(config, datetime.now(UTC) + timedelta(hours=defect.hours) + files.BEING_COPIED)


def critical(said: LookResult) -> list[Finding]:
    return [one for one in said.findings if one.level is Level.CRITICAL]


def caught_by(platform: Platform, defect: Defect) -> str:
    """The key of the critical finding that names the defect; empty where none does.

    Of what only a restoration can see the daily look must say nothing critical; it is not told the target's identity.
    """
    with planted(defect):
        said = looked(platform, defect)
        if defect.weekly:
            assert critical(looked_daily(platform, defect)) == [], defect.kind
    return next((one.key for one in critical(said) if one.key == defect.key and defect.says in one.detail), "")


# What sizes, checksums, names and times can tell -----------------------------------------------------------------


def _data_file(platform: Platform, rng: random.Random, least: int = 1) -> tuple[str, Path, bytes]:
    """A file that the manifest promises, of at least so many bytes; not one with a finding of its own."""
    folder = platform.store.newest()
    promised = files.read_manifest(folder).files
    own = (files.LABEL, "PG_VERSION")
    path = rng.choice(sorted(path for path, size in promised.items() if size >= least and path not in own))
    return path, folder / path, (folder / path).read_bytes()


def truncated_file(platform: Platform, rng: random.Random) -> Defect:
    path, file, whole = _data_file(platform, rng)
    left = rng.randrange(len(whole))
    says = f"{path}: {left} bytes, expected {len(whole)}"
    return Defect("a truncated file", "backups:completion", says, {file: whole[:left]})


def grown_file(platform: Platform, rng: random.Random) -> Defect:
    path, file, whole = _data_file(platform, rng)
    more = rng.randbytes(rng.randrange(1, 2 * PAGE))
    says = f"{path}: {len(whole) + len(more)} bytes, expected {len(whole)}"
    return Defect("a file with more in it", "backups:completion", says, {file: whole + more})


def missing_file(platform: Platform, rng: random.Random) -> Defect:
    path, file, _ = _data_file(platform, rng, 0)
    return Defect("a missing file", "backups:completion", f"{path}: No such file", {file: None})


def flipped(content: bytes, at: int, bit: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def flipped_bit(platform: Platform, rng: random.Random) -> Defect:
    path, file, whole = _data_file(platform, rng)
    bent = flipped(whole, rng.randrange(len(whole)), rng.randrange(8))
    return Defect("a flipped bit", "backups:integrity", f'checksum mismatch for file "{path}"', {file: bent})


def torn_page(platform: Platform, rng: random.Random) -> Defect:
    """A write of a page that ended halfway: its end is of another time."""
    path, file, whole = _data_file(platform, rng, PAGE)
    at, end = PAGE * rng.randrange(len(whole) // PAGE), PAGE - 512 * rng.randrange(1, 16)
    torn = whole[: at + PAGE - end] + rng.randbytes(end) + whole[at + PAGE :]
    return Defect("a torn page", "backups:integrity", f'checksum mismatch for file "{path}"', {file: torn})


def edited_manifest(platform: Platform, rng: random.Random) -> Defect:
    """It promises another size or checksum of one file; its own checksum was left."""
    file = platform.store.newest() / files.MANIFEST
    lines = file.read_text().splitlines(keepends=True)
    at = rng.choice([number for number, line in enumerate(lines) if '"Checksum": "' in line])
    head, mark, digest = lines[at].partition('"Checksum": "')
    lines[at] = head + mark + f"{int(digest[0], 16) ^ rng.randrange(1, 16):x}" + digest[1:]
    return Defect(
        "an edited manifest", "backups:integrity", "manifest checksum mismatch", {file: "".join(lines).encode()}
    )


def cut_manifest(platform: Platform, rng: random.Random) -> Defect:
    file = platform.store.newest() / files.MANIFEST
    whole = file.read_bytes().rstrip()
    says = f"{files.MANIFEST} is not what pg_basebackup writes"
    return Defect("a cut manifest", "backups:completion", says, {file: whole[: rng.randrange(len(whole))]})


def cut_label(platform: Platform, rng: random.Random) -> Defect:
    file = platform.store.newest() / files.LABEL
    whole = file.read_bytes()
    says = f"{files.LABEL}: "
    return Defect("a cut label", "backups:completion", says, {file: whole[: rng.randrange(len(whole))]})


def _needed(platform: Platform) -> list[Path]:
    """The archived segments from the backup's start on, but for the newest."""
    label = files.read_label(platform.store.newest())
    first = label.start.name(label.segment_bytes)
    found = sorted(file for file in platform.store.wal.iterdir() if len(file.name) == len(first))
    return [file for file in found if file.name >= first][:-1]


def missing_wal(platform: Platform, rng: random.Random) -> Defect:
    """One segment or some in a row."""
    needed = _needed(platform)
    first = rng.randrange(len(needed))
    gone = needed[first : first + rng.randrange(1, len(needed) + 1)]
    says = f"; missing: {gone[0].name}" + (f" to {gone[-1].name}" if len(gone) > 1 else "")
    return Defect("missing WAL", "backups:wal", says, dict.fromkeys(gone))


def truncated_wal(platform: Platform, rng: random.Random) -> Defect:
    file = rng.choice(_needed(platform))
    whole = file.read_bytes()
    left = rng.randrange(len(whole))
    says = f"; not whole: {file.name}: {left} bytes"
    return Defect("a truncated WAL segment", "backups:wal", says, {file: whole[:left]})


def stale_backup(platform: Platform, rng: random.Random) -> Defect:
    """None was made since; critical is what is older than config allows."""
    hours = rng.uniform(platform.backups().critical_age_hours + 1, 10_000)
    return Defect("a stale backup", "backups:age", " h ago", hours=hours)


# What matches sizes, checksums, names and times ------------------------------------------------------------------


def _matching(platform: Platform, path: str, content: bytes) -> dict[Path, bytes | None]:
    """A file of the backup and a manifest that vouches for it."""
    folder = platform.store.newest()
    manifest = folder / files.MANIFEST
    return {folder / path: content, manifest: vouching(manifest.read_text(), path, content).encode()}


def _bent(platform: Platform, rng: random.Random, name: str) -> dict[Path, bytes | None]:
    whole = (platform.store.newest() / platform.files[name]).read_bytes()
    bent = flipped(whole, rng.randrange(len(whole)), rng.randrange(8))
    return _matching(platform, platform.files[name], bent)


def bent_table(platform: Platform, rng: random.Random) -> Defect:
    name = rng.choice([name for name in platform.files if not name.endswith("_index") and name != "public.error_logs"])
    says = f"{name}: invalid page in block"
    changes = _bent(platform, rng, name)
    return Defect("a bent table, the manifest edited to match", "restoration:readable", says, changes)


def bent_index(platform: Platform, rng: random.Random) -> Defect:
    name = rng.choice([name for name in platform.files if name.endswith("_index")])
    changes = _bent(platform, rng, name)
    return Defect("a bent index, the manifest edited to match", "restoration:indexes", "invalid page in block", changes)


def torn_base(platform: Platform, rng: random.Random) -> Defect:
    """Pages of the log were never written. WAL writes the first and the last anew, and would heal them."""
    path = platform.files["public.error_logs"]
    whole = (platform.store.newest() / path).read_bytes()
    first = rng.randrange(1, len(whole) // PAGE - 1)
    last = rng.randrange(first, len(whole) // PAGE - 1)
    torn = whole[: PAGE * first] + bytes(PAGE * (last + 1 - first)) + whole[PAGE * (last + 1) :]
    says = "public.error_logs: "
    changes = _matching(platform, path, torn)
    return Defect("a torn base, the manifest edited to match", "restoration:contents", says, changes)


def foreign_backup(platform: Platform, rng: random.Random) -> Defect:
    other = str(7_000_000_000_000_000_000 + rng.randrange(10**17))
    says = f"the backup is of cluster {platform.system.original.system_identifier}, the target is {other}"
    return Defect("a foreign system identifier", "restoration:reached", says, foreign=other)


def _behind_the_record(platform: Platform) -> list[Path]:
    """The archived segments that begin after what the restoration is compared with."""
    label = files.read_label(platform.store.newest())
    at = files.lsn(platform.known["lsn"]) // label.segment_bytes
    return [
        file for file in sorted(platform.store.wal.iterdir()) if len(file.name) == 24 and int(file.name[16:], 16) > at
    ]


def other_timeline(platform: Platform, rng: random.Random) -> Defect:
    """From some segment on the archive holds another history, of which it says nothing."""
    segments = _behind_the_record(platform)
    moved = segments[rng.randrange(len(segments)) :]
    timeline = f"{rng.randrange(2, 2**16):08X}"
    changes: dict[Path, bytes | None] = dict.fromkeys(moved)
    changes |= {file.with_name(timeline + file.name[8:]): file.read_bytes() for file in moved}
    says = f"before the newest archived segment {timeline}"
    return Defect("WAL of another timeline", "restoration:reached", says, changes)


def spoilt_wal(platform: Platform, rng: random.Random) -> Defect:
    file = rng.choice(_behind_the_record(platform))
    bent = flipped(file.read_bytes(), rng.choice(WAL_HEADER), rng.randrange(8))
    says = "before the newest archived segment"
    return Defect("a flipped bit in archived WAL", "restoration:reached", says, {file: bent})


def foreign_wal(platform: Platform, rng: random.Random) -> Defect:
    """A segment that holds what another one does."""
    segments = _behind_the_record(platform)
    file = rng.choice(segments)
    other = rng.choice([one for one in _needed(platform) if one != file])
    says = "before the newest archived segment"
    return Defect("another segment's WAL", "restoration:reached", says, {file: other.read_bytes()})


DAILY: tuple[Draw, ...] = (
    truncated_file,
    grown_file,
    missing_file,
    flipped_bit,
    torn_page,
    edited_manifest,
    cut_manifest,
    cut_label,
    missing_wal,
    truncated_wal,
    stale_backup,
)
WEEKLY: tuple[Draw, ...] = (
    bent_table,
    torn_base,
    other_timeline,
    bent_index,
    foreign_backup,
    spoilt_wal,
    foreign_wal,
)
