"""What was bad in folders that config named before: bad as it was found, for as long as it lies there (G100).

Nothing of it is read: that is what a look in its own folder does, where config names it again.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from threading import Thread

from upkeep.areas.backups.proof_memory import Bad, Kept
from upkeep.areas.backups.proof_reading import identity, mark_of
from upkeep.core.units import listed

#: Seconds in which such a folder must answer: its disk may be gone, and the look must not wait for it.
ANSWERS = 10.0
_NAMED = 10

#: Where a backup was seen last, and which one it was.
Place = tuple[str, Kept]


@dataclass(frozen=True)
class Found:
    """The folder in which a backup lies, by its name of today, and the mark by which it is known under another."""

    folder: str
    mark: str


@dataclass(frozen=True)
class Untold:
    """Why it cannot be told whether a backup lies there. ``beside``: what may be it has another name there."""

    why: str
    beside: bool = False


#: None is one that does not lie there any more.
Answer = Found | Untold | None


def there(bad: Iterable[Bad], seconds: float) -> dict[Place, Answer]:
    """Of each place whether its backup lies there."""
    by_base: defaultdict[str, dict[Place, str]] = defaultdict(dict)
    for one in bad:
        by_base[os.path.dirname(one.folder)][one.folder, one.backup] = one.mark
    said: dict[Place, Answer] = {}
    asking = [Thread(target=_ask, args=(places, said), daemon=True) for places in by_base.values()]
    for thread in asking:
        thread.start()
    end = time.monotonic() + seconds
    for thread in asking:
        thread.join(max(end - time.monotonic(), 0))
    late = Untold(f"it did not answer within {seconds:g} s")
    return {place: said.get(place, late) for places in by_base.values() for place in places}


def _ask(places: Mapping[Place, str], said: dict[Place, Answer]) -> None:
    known = {(folder, one.begun, one.checksum) for folder, one in places}
    for (folder, one), mark in places.items():
        try:
            if _lies_in(Path(folder), one):
                said[folder, one] = Found(folder, mark_if_any(Path(folder)))
            else:
                said[folder, one] = _renamed(Path(folder), one, mark, known)
        except OSError as error:
            said[folder, one] = Untold(error.strerror or type(error).__name__)


def _lies_in(folder: Path, one: Kept) -> bool:
    """Only what is not there, or is another backup by its label and manifest, is gone. Raises OSError."""
    try:
        if not S_ISDIR(folder.stat().st_mode):
            return False
    except (FileNotFoundError, NotADirectoryError):
        return False
    begun, checksum = identity(folder)
    another = bool(begun and one.begun) and begun != one.begun
    return not another or checksum == one.checksum


def mark_if_any(folder: Path) -> str:
    """The mark of a backup's folder (``mark_of``); empty where it cannot be had."""
    with suppress(OSError):
        return mark_of(folder)
    return ""


def _renamed(folder: Path, one: Kept, mark: str, known: set[tuple[str, str, str]]) -> Answer:
    """The folder beside it that is the same by its ``mark``; without one those that hold the same backup by label and
    manifest, of which nobody knows whether they are the bad one: a copy may be good. Raises OSError.
    """
    try:
        beside = sorted(path for path in folder.parent.iterdir() if not path.is_symlink())
    except (FileNotFoundError, NotADirectoryError):
        return None
    for path in beside:
        if mark and mark_if_any(path) == mark:
            return Found(str(path), mark)
    same, hidden = [], []
    for path in beside:
        try:
            alike = bool(one.begun and one.checksum) and identity(path) == (one.begun, one.checksum)
        except OSError as error:
            if not _another(path, mark):
                hidden.append(f"{path.name} ({error.strerror})")
        else:
            if alike and (str(path), one.begun, one.checksum) not in known:
                same.append(path.name)
    said = f"the same backup lies there as {listed(same, _NAMED)}" if same else ""
    said += "; " if same and hidden else ""
    said += f"it may be what cannot be read there: {listed(hidden, _NAMED)}" if hidden else ""
    return Untold(said, beside=True) if said else None


def _another(path: Path, mark: str) -> bool:
    """Whether a folder has another inode of the same file system than that of ``mark``. Raises OSError."""
    there, (device, number, _) = path.stat(), mark.split(":") if mark else ("", "", "")
    return device == str(there.st_dev) and number != str(there.st_ino)


def unseen(places: Mapping[Place, Answer]) -> dict[Place, Untold]:
    """Backups of which it cannot be told, and why."""
    return {place: said for place, said in places.items() if isinstance(said, Untold)}
