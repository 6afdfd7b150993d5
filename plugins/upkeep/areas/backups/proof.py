"""What is read of backups today, and what that proves (G100).

Config says ``whole``: all of the newest, by pg_verifybackup. Or ``sevenths``: of the newest, and of the backup under
proof, what can be told without reading data files; a part of the latter's files; and what was bad, of whichever backup.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from upkeep.areas.backups import verification
from upkeep.areas.backups.files import Backup
from upkeep.areas.backups.proof_memory import AWAY, DAYS, OVERDUE, Bad, Kept, Memory, Piece, known, parts_of
from upkeep.areas.backups.proof_reading import WHOLE, OutOfTimeError, Reading, Shelf
from upkeep.core.findings import Finding, Level, Topic
from upkeep.core.units import count, listed, roughly, utc
from upkeep.settings.backups import Backups

_NAMED = 10
#: So many bytes of what was bad are read again in any case, where a seventh is less.
_AGAIN = 2**30
#: Looks are a day apart: a longer time is one that nothing is known of, as where the ledger was restored.
_A_LOOK = timedelta(hours=36)
_LATE = "verify_timeout_seconds were over before all was read that was due"
_BROKEN = "its manifest cannot be read, or is not what its own checksum says"
_INTEGRITY = Topic("backups:integrity", "Checksums of the newest backup", "G100")
_READ = Topic("backups:integrity", "Checksums of backups", "G100")
_COVERAGE = Topic("backups:proof", "How much of a backup was read", "G100")


@dataclass(frozen=True)
class Proof:
    """What reading says, what the next look is to know (None: what it knew before), and how many bytes were read."""

    findings: tuple[Finding, ...]
    snapshot: Any
    read: int


@dataclass
class _Look:
    """One look: what it reads, and what is bad by now, by backup and file."""

    config: Backups
    shelf: Shelf
    now: datetime
    reading: Reading
    bad: dict[tuple[Kept, str], Bad]
    unknown: list[str] = field(default_factory=list)

    def note(self, kept: Kept, path: str, said: str) -> None:
        """What was found wrong with a file; nothing: it was read good."""
        before = self.bad.pop((kept, path), None)
        if said:
            since = before.since if before else self.now
            self.bad[kept, path] = Bad(backup=kept, path=path, said=said[:300], since=since)

    def again(self, budget: float) -> None:
        """Read what was bad once more, each day beginning elsewhere and about so many bytes; the rest stays bad."""
        known = sorted(self.bad.items(), key=lambda item: (item[1].backup.name, item[1].path))
        turn = self.now.toordinal() % len(known) if known else 0
        for key, one in known[turn:] + known[:turn]:
            folder = self.shelf.folder(one.backup)
            if folder is None:
                self.bad[key] = one.model_copy(update={"away": min(one.away or self.now, self.now)})
                if self.now - (one.away or self.now) > AWAY:
                    del self.bad[key]
                continue
            self.bad[key] = one.model_copy(update={"away": None})
            if self.reading.read <= budget:
                self.note(*key, self.reading.again(one, folder))

    def structure(self, ones: Iterable[Kept]) -> None:
        """What can be told of backups without reading their data files."""
        for one in ones:
            if (folder := self.shelf.folder(one)) is None:
                continue
            level, said = self.reading.structure(folder, verification.AS_A_WHOLE)
            broken = _BROKEN if self.reading.manifest(folder) is None else ""
            if level is Level.UNKNOWN:
                self.unknown.append(said)
            if level is not Level.UNKNOWN or broken:
                self.note(one, WHOLE, said if level is Level.CRITICAL else broken)

    def readable(self, one: Kept) -> bool:
        """Whether a backup is there, with a manifest by which it can be read."""
        folder = self.shelf.folder(one)
        return folder is not None and self.reading.manifest(folder) is not None

    def part(self, memory: Memory, parts: list[list[Piece]]) -> Memory:
        """Read the part that is due. Raises OutOfTimeError, and then it is due once more."""
        folders = [self.shelf.folder(one) or Path() for one in memory.under]
        due = memory.due()
        self.reading.due = self.reading.read + sum(piece.size for piece in parts[due])
        for piece in parts[due]:
            folder = folders[piece.member]
            if piece.path == verification.OWN_WAL:
                level, said = self.reading.structure(folder, verification.WITH_WAL)
                if level is Level.UNKNOWN:
                    self.unknown.append(said)
                    return memory
                said = said if level is Level.CRITICAL else ""
            else:
                said = self.reading.fault(folder, piece.path)
            self.note(memory.under[piece.member], piece.path, said)
        return memory.after(due, self.now) if all(folder.is_dir() for folder in folders) else memory

    def pieces(self, memory: Memory) -> list[Piece]:
        """The files of the backups under proof, and the WAL that each needs and may have brought, as if it were one."""
        pieces = []
        for member, one in enumerate(memory.under):
            folder = self.shelf.folder(one)
            if folder and (manifest := self.reading.manifest(folder)):
                pieces += [Piece(member, path, size) for path, size in manifest.files.items()]
                pieces.append(Piece(member, verification.OWN_WAL, verification.own_wal(folder)))
        return pieces

    def settled(self) -> tuple[Bad, ...]:
        """What is bad, without what seemed so because its backup was being removed."""
        return tuple(one for one in self.bad.values() if one.since != self.now or self._still(one.backup))

    def _still(self, one: Kept) -> bool:
        folder = self.shelf.folder(one)
        return folder is not None and folder.is_dir()


def prove(config: Backups, found: Sequence[Backup], newest: Backup, before: Any, now: datetime) -> Proof:
    """Read what config says; ``before`` is the snapshot that an earlier look has left, ``found`` all backups."""
    reading = Reading(config, time.monotonic() + config.verify_timeout_seconds)
    memory = known(before, now)
    bad = {(one.backup, one.path): one for one in memory.bad} if memory else {}
    look = _Look(config, Shelf(found), now, reading, bad)
    manifest = reading.manifest(newest.folder) if bad else None
    try:
        look.again(max(sum(manifest.files.values()) / DAYS if manifest else 0, _AGAIN))
    except OutOfTimeError:
        look.unknown.append(_LATE)
    if config.proof == "whole":
        return _whole(look, memory, newest)
    return _sevenths(look, memory, newest)


def _whole(look: _Look, memory: Memory | None, newest: Backup) -> Proof:
    """All of the newest backup, by pg_verifybackup; what is known to be bad of others stays so."""
    config = look.config
    try:
        seconds = look.reading.left() if look.bad else config.verify_timeout_seconds
        level, said = verification.verify(config.verify_program, newest.folder, config.wal, seconds)
    except OutOfTimeError:
        level, said = Level.UNKNOWN, _LATE
    bad = look.settled()
    remembered = _wrong(bad)
    if level is Level.UNKNOWN:
        said = f"not collected: {said}"
    if remembered:
        level, said = Level.CRITICAL, f"{said}; {remembered}"
    snapshot = memory.model_copy(update={"bad": bad}).model_dump(mode="json") if memory and memory.bad else None
    expected = "pg_verifybackup finds every checksum right"
    return Proof((_INTEGRITY.judged(level, said, expected, _remedy(level)),), snapshot, look.reading.read)


def _sevenths(look: _Look, memory: Memory | None, newest: Backup) -> Proof:
    """A part of the backup under proof, and what can be told of it and of the newest without reading."""
    links, above = look.shelf.chain(newest)
    chain = [look.shelf.kept(one) for one in links]
    before = memory or Memory(since=look.now, at=look.now, under=tuple(chain), begun=look.now)
    after, parts, oldest = before, list[list[Piece]](), before.oldest()
    try:
        seen = list(dict.fromkeys([chain[0], *before.under]))
        look.structure(seen)
        after = before.chosen(chain, look.readable, look.now)
        look.structure(one for one in after.under if one not in seen)
        if all(look.readable(one) for one in after.under):
            parts = parts_of(look.pieces(after), look.config.proof_budget_bytes)
            after = after.shared(parts)
            oldest = after.oldest()
            after = look.part(after, parts)
        else:
            look.unknown.append(_BROKEN)
    except OutOfTimeError:
        look.unknown.append(_LATE)
    known_at = memory.at if memory else None
    after = after.model_copy(update={"bad": look.settled(), "at": look.now})
    coverage = _coverage(look, after, parts, chain[0], above, oldest, known_at)
    return Proof((_integrity(look, after), coverage), after.model_dump(mode="json"), look.reading.read)


def _integrity(look: _Look, memory: Memory) -> Finding:
    unknown = f"not collected: {'; '.join(dict.fromkeys(look.unknown))}" if look.unknown else ""
    level = Level.UNKNOWN if unknown else Level.OK
    said = unknown or f"{roughly(look.reading.read)} were read, every checksum right"
    if wrong := _wrong(memory.bad):
        level, said = Level.CRITICAL, f"{wrong}; {unknown}" if unknown else wrong
    return _READ.judged(level, said, "each file that was read is as its backup's manifest promises", _remedy(level))


def _wrong(bad: Iterable[Bad]) -> str:
    """What is bad of backups that are there."""
    found = []
    for one in sorted((one for one in bad if not one.away), key=lambda one: (one.since, one.backup.name, one.path)):
        what = {WHOLE: "", verification.OWN_WAL: " of its WAL"}.get(one.path, f' for file "{one.path}"')
        found.append(f"{one.backup.name}: {one.said}{what} (found {utc(one.since)})")
    return listed(found, _NAMED, "; ")


def _remedy(level: Level) -> str:
    if level is Level.UNKNOWN:
        return "Set targets.<target>.backups.verify_program (or …verify_timeout_seconds) in config/maintenance.yaml."
    return "Do not rely on it: take another backup now, then test the disk that this one lies on."


def _coverage(
    look: _Look,
    memory: Memory,
    parts: list[list[Piece]],
    newest: Kept,
    above: str,
    oldest: datetime,
    known_at: datetime | None,
) -> Finding:
    """Which share of which backup was read since when, and what was not.

    ``oldest`` is since when not, before this look; ``known_at`` is when the look was that this one goes on from.
    """
    said = [_share(memory, parts)]
    level, remedies = (Level.OK if memory.whole else Level.ADVISORY), ["Nothing: a look each day goes on with it."]
    if memory.under[0] != newest:
        said.append(f"the newest, {newest.name}, was not read; it, or what is the newest then, is next")
    said.append(_last(memory))
    if known_at is None:
        said.append("nothing is known of earlier looks: begun anew")
    elif abs(look.now - known_at) > _A_LOOK:
        said.append(f"the last look that is known of was at {utc(known_at)}; what a later one found bad is not")
    if away := sorted({one.backup.name for one in memory.bad if one.away}):
        said.append(f"not there any more, with files that were bad: {listed(away, _NAMED)}")
    if unchecked := _without_checksums(look, memory):
        level, remedies = Level.ADVISORY, ["Let pg_basebackup write checksums (--manifest-checksums)."]
        said.append(f"{count(unchecked, 'file')} without a checksum: a changed byte of these would not show")
    late = {"some of it was not read": oldest, "no backup was read whole": memory.unproven_since()}
    if late := {what: moment for what, moment in late.items() if look.now - moment > OVERDUE}:
        said += [f"{what} since {utc(moment)}, which is longer than {DAYS} days" for what, moment in late.items()]
        level = Level.WARNING
        remedies = ["Let the daily window run each day; keep each backup longer than a week, or give", _BUDGET]
    if above and memory.under[0] == newest:
        level, remedies = Level.WARNING, ["Keep an incremental backup with those that it is built on."]
        said.append(f"it is built on one from {above}, which is not in this folder")
    if look.unknown:
        level, remedies = Level.UNKNOWN, [_remedy(Level.UNKNOWN)]
    expected = f"each byte of one backup is read within {DAYS} days, then of the next"
    return _COVERAGE.judged(level, "; ".join(said), expected, " ".join(remedies))


_BUDGET = "targets.<target>.backups.proof_budget_bytes (or proof: whole) in config/maintenance.yaml."


def _share(memory: Memory, parts: list[list[Piece]]) -> str:
    name = memory.under[0].name
    if len(memory.under) > 1:
        name += f" with the {count(len(memory.under) - 1, 'backup')} that it is built on"
    sizes = [sum(piece.size for piece in part) for part in parts]
    if not parts or not memory.read:
        return f"of {name} nothing was read yet, since {utc(memory.begun or memory.since)}"
    read, total = sum(sizes[part] for part in memory.read), sum(sizes)
    said = (
        f"{len(memory.read)} of {memory.parts} parts of {name}, {roughly(read)} of {roughly(total)}, were read since "
    )
    said += utc(min(memory.read.values()))
    said += "" if memory.complete else f", and {roughly(total - read)} not yet"
    largest = max((piece for part in parts for piece in part), key=lambda piece: piece.size)
    if len(parts) > 1 and largest.size * len(parts) > total:
        said += f" ({largest.path}, {roughly(largest.size)}, alone is larger than such a part should be)"
    return said


def _last(memory: Memory) -> str:
    if memory.left:
        before = f", and none since {utc(memory.whole.until)}" if memory.whole else ""
        return f"{memory.left}{before}"
    if memory.whole is None:
        return "no backup was read whole yet"
    return f"read whole last: {memory.whole.name}, from {utc(memory.whole.since)} to {utc(memory.whole.until)}"


def _without_checksums(look: _Look, memory: Memory) -> int:
    folders = [folder for one in memory.under if (folder := look.shelf.folder(one))]
    found = [manifest for folder in folders if (manifest := look.reading.manifest(folder))]
    return sum(not promised for manifest in found for _, promised in manifest.checksums.values())
