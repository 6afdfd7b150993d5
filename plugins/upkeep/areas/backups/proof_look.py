"""One look's reading of backups, and what it finds bad: of the one under proof, and what was bad before (G100)."""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from upkeep.areas.backups import files, proof_elsewhere, verification
from upkeep.areas.backups.files import Backup
from upkeep.areas.backups.proof_elsewhere import Answer, Found, Place, Untold, mark_if_any
from upkeep.areas.backups.proof_memory import Bad, Kept, Memory, Piece
from upkeep.areas.backups.proof_reading import WHOLE, OutOfTimeError, Reading, Shelf, UntoldError, own_checksum
from upkeep.core.findings import Level

#: So many files of one backup are remembered one by one; of more than these it is the backup that is bad.
MOST = 1000
#: The path of what stands for more files than that.
MANY = "."
LATE = "verify_timeout_seconds were over before all was read that was due"
BROKEN = "its manifest cannot be read, or is not what its own checksum says"
_EDITED = "its manifest is not the one that it had, though it is the same backup"
_GONE = os.strerror(errno.ENOENT)


@dataclass
class Look:
    """One look: what it reads, and what is bad by now, by backup and file. ``newest`` is None where none is finished.

    ``here`` is the folder of config without links; ``elsewhere`` is what was bad in those that it named before, and
    ``unseen`` says why it cannot be told of one whether it is there. ``unknown`` says what could not be told.
    """

    shelf: Shelf
    newest: Backup | None
    now: datetime
    reading: Reading
    here: str
    bad: dict[tuple[Kept, str], Bad]
    elsewhere: tuple[Bad, ...] = ()
    unseen: Mapping[Place, Untold] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    _noted: set[tuple[Kept, str]] = field(default_factory=set)

    def note(self, kept: Kept, path: str, said: str, *, missing: bool = False) -> None:
        """What was found wrong with a file; nothing: it was read good. ``missing``: it may be being removed."""
        before = self.bad.pop((kept, path), None)
        self._noted.add((kept, path))
        if said:
            since = before.since if before else self.now
            missing = missing and not self.is_newest(kept)
            place = self.place(kept) or (before.folder if before else "")
            self.bad[kept, path] = Bad(
                backup=kept, path=path, said=said[:300], since=since, tried=self.now, missing=missing, folder=place
            )

    def is_newest(self, one: Kept) -> bool:
        """Whether it is the newest finished backup."""
        return self.newest is not None and self.shelf.folder(one) == self.newest.folder

    def name(self, one: Kept) -> str:
        """What a backup is called today."""
        folder = self.shelf.folder(one)
        return folder.name if folder else one.name

    def place(self, one: Kept) -> str:
        """Where a backup lies in the folder of config; empty where it does not."""
        folder = self.shelf.folder(one)
        return os.path.join(self.here, folder.name) if folder else ""

    def away(self, last: datetime | None) -> None:
        """Say of what was bad whether its backup is there; forget what is gone. ``last`` is the look before."""
        for key, one in list(self.bad.items()):
            if place := self.place(one.backup):
                self.bad[key] = one.model_copy(update={"away": None, "folder": place})
            elif gone := one.gone(self.now, last):
                self.bad[key] = gone
            else:
                del self.bad[key]

    def look_elsewhere(self, places: Mapping[Place, Answer], last: datetime | None) -> None:
        """The same of what is elsewhere; what is there no more, and here, may have been moved along with config."""
        self.unseen, stay = proof_elsewhere.unseen(places), []
        for one in self.elsewhere:
            said = places[one.folder, one.backup]
            if isinstance(said, Untold):
                stay.append(one)
            elif isinstance(said, Found):
                stay.append(one.model_copy(update={"away": None, "folder": said.folder, "mark": said.mark}))
            else:
                taken = one
                if not one.taken and (place := self.place(one.backup)):
                    self.bad.setdefault((one.backup, one.path), one.model_copy(update={"folder": place, "away": None}))
                    taken = one.model_copy(update={"taken": True})
                if gone := taken.gone(self.now, last):
                    stay.append(gone)
        self.elsewhere = tuple(stay)

    def again(self, budget: float) -> None:
        """Read once more what was bad and not read today, what was tried longest ago first, about so many bytes.

        The rest stays bad.
        """
        begun = self.reading.read
        waiting = [(key, one) for key, one in self.bad.items() if key not in self._noted and not one.away]
        for key, one in sorted(waiting, key=lambda item: (item[1].tried or item[1].since, item[0][0].name, item[0][1])):
            folder = self.shelf.folder(one.backup)
            if folder is None or one.path == MANY:
                continue
            if one.path == verification.OWN_WAL and (one.backup, WHOLE) in self.bad:
                continue  # pg_verifybackup looks at the whole first, and would say that of the WAL
            if self.edited(one.backup, folder):
                self.note(one.backup, WHOLE, _EDITED)
                continue
            if self.reading.read - begun > budget:
                break
            self.bad[key] = one.model_copy(update={"tried": self.now})
            with suppress(UntoldError):
                self.note(*key, self.reading.again(one, folder), missing=one.missing)

    def structure(self, ones: Iterable[Kept]) -> None:
        """What can be told of backups without reading their data files."""
        for one in ones:
            if (folder := self.shelf.folder(one)) is None:
                continue
            if self.edited(one, folder):
                self.note(one, WHOLE, _EDITED)
                continue
            level, said = self.reading.structure(folder, verification.AS_A_WHOLE)
            broken = BROKEN if self.reading.manifest(folder) is None else ""
            if level is Level.UNKNOWN:
                self.unknown.append(said)
            if level is not Level.UNKNOWN or broken:
                wrong = said if level is Level.CRITICAL else broken
                self.note(one, WHOLE, wrong, missing=bool(wrong) and self._missing(folder))

    def edited(self, one: Kept, folder: Path) -> bool:
        """Whether what lies there is the same backup, whose manifest vouches for itself and is another one."""
        differs = bool(one.checksum) and own_checksum(folder) != one.checksum
        return differs and self.reading.manifest(folder) is not None

    def _missing(self, folder: Path) -> bool:
        """Whether nothing is wrong but that files are not there."""
        if not (folder / files.MANIFEST).exists():
            return True
        manifest = self.reading.manifest(folder)
        wrong = verification.differing(folder, manifest)[0] if manifest else []
        return bool(wrong) and all(one.endswith(_GONE) for one in wrong)

    def readable(self, one: Kept) -> bool:
        """Whether a backup is there, with its manifest, by which it can be read, and of the newest's major version."""
        folder = self.shelf.folder(one)
        if folder is None or self.reading.manifest(folder) is None or self.edited(one, folder):
            return False
        return self.of_newest_major(one)

    def of_newest_major(self, one: Kept) -> bool:
        """Whether pg_verifybackup of the newest's major version is meant for it too."""
        folder = self.shelf.folder(one)
        return folder is None or self.newest is None or _major(folder) in {"", _major(self.newest.folder)}

    def part(self, memory: Memory, parts: list[list[Piece]]) -> Memory:
        """Read the part that is due, small files first; what was not read or judged to its end is due once more."""
        folders = [self.shelf.folder(one) or Path() for one in memory.under]
        due = memory.due()
        memory, judged = memory.trying(due, self.now), True
        self.reading.due = self.reading.read + sum(piece.size for piece in parts[due])
        try:
            for piece in reversed(parts[due]):
                one, folder = memory.under[piece.member], folders[piece.member]
                if piece.path == verification.OWN_WAL:
                    judged &= self._wal(one, folder)
                    continue
                try:
                    said = self.reading.fault(folder, piece.path)
                except UntoldError as error:
                    self.unknown.append(str(error))
                    judged = False
                else:
                    self.note(one, piece.path, said, missing=said.endswith(_GONE))
        except OutOfTimeError:
            self.unknown.append(LATE)
            return memory
        if not judged or not all(folder.is_dir() for folder in folders):
            return memory
        memory = memory.after(due, self.now)
        if memory.complete:
            self._good_again(memory)
        return memory

    def _wal(self, one: Kept, folder: Path) -> bool:
        """Read the WAL that a backup needs; whether it could be judged. Raises OutOfTimeError."""
        level, said = self.reading.structure(folder, verification.WITH_WAL)
        if level is Level.CRITICAL:  # by the WAL, or by what pg_verifybackup looks at before?
            self.structure([one])
            if (one, WHOLE) in self.bad:
                return False
        if level is Level.UNKNOWN:
            self.unknown.append(said)
            return False
        self.note(one, verification.OWN_WAL, said if level is Level.CRITICAL else "")
        return True

    def _good_again(self, memory: Memory) -> None:
        """A backup with very many bad files is good when all of it was read since the last of them was seen."""
        for one in memory.under:
            many, bad = self.bad.get((one, MANY)), {path for kept, path in self.bad if kept == one}
            if many and bad == {MANY} and min(memory.read.values()) > (many.tried or many.since):
                del self.bad[one, MANY]

    def pieces(self, memory: Memory) -> list[Piece]:
        """The files of the backups under proof, as if it were one, and the WAL that the first of them needs.

        Those that it is built on need theirs only to be restored by themselves.
        """
        pieces = []
        for member, one in enumerate(memory.under):
            folder = self.shelf.folder(one)
            if folder and (manifest := self.reading.manifest(folder)):
                pieces += [Piece(member, path, size) for path, size in manifest.files.items()]
                if member == 0:
                    pieces.append(Piece(member, verification.OWN_WAL, verification.own_wal(folder)))
        return pieces

    def settled(self) -> tuple[Bad, ...]:
        """What is bad, without what seemed so because its backup was being removed; very many files as one.

        Each is marked with that by which its folder is known under another name.
        """
        by_backup = defaultdict(list)
        for one in self.bad.values():
            if one.since != self.now or self._still(one.backup):
                folder = self.shelf.folder(one.backup)
                mark = mark_if_any(folder) if folder else one.mark
                by_backup[one.backup].append(one.model_copy(update={"mark": mark}))
        return (*(bad for ones in by_backup.values() for bad in self._few(ones)), *self.elsewhere)

    def _few(self, ones: list[Bad]) -> list[Bad]:
        alone = {WHOLE, verification.OWN_WAL, MANY}
        of_files = [one for one in ones if one.path not in alone]
        many = next((one for one in ones if one.path == MANY), None)
        if not of_files or (many is None and len(of_files) <= MOST):
            return ones
        first = many or min(of_files, key=lambda one: (one.since, one.path))
        said = many.said if many else f'more than {MOST:,} of its files are bad, as file "{first.path}": {first.said}'
        update = {"path": MANY, "said": said[:300], "tried": self.now, "missing": False}
        return [*(one for one in ones if one.path in alone - {MANY}), first.model_copy(update=update)]

    def _still(self, one: Kept) -> bool:
        folder = self.shelf.folder(one)
        return folder is not None and folder.is_dir()


def _major(folder: Path) -> str:
    try:
        return (folder / "PG_VERSION").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
