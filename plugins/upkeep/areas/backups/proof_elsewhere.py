"""What was bad in folders that config named before: bad as it was found, for as long as it lies there (G100).

Nothing of it is read: that is what a look in its own folder does, where config names it again.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from stat import S_ISDIR
from threading import Thread

from upkeep.areas.backups.proof_memory import Bad, Kept
from upkeep.areas.backups.proof_reading import begun_in, own_checksum

#: Seconds in which such a folder must answer: its disk may be gone, and the look must not wait for it.
ANSWERS = 10.0

#: Where a backup was seen last, and which one it was.
Place = tuple[str, Kept]


def there(bad: Iterable[Bad], seconds: float) -> dict[Place, bool | str]:
    """Of each place whether its backup lies there; a text says why that cannot be told."""
    by_base: defaultdict[str, set[Place]] = defaultdict(set)
    for one in bad:
        by_base[os.path.dirname(one.folder)].add((one.folder, one.backup))
    said: dict[Place, bool | str] = {}
    asking = [Thread(target=_ask, args=(places, said), daemon=True) for places in by_base.values()]
    for thread in asking:
        thread.start()
    end = time.monotonic() + seconds
    for thread in asking:
        thread.join(max(end - time.monotonic(), 0))
    late = f"it did not answer within {seconds:g} s"
    return {place: said.get(place, late) for places in by_base.values() for place in places}


def _ask(places: Iterable[Place], said: dict[Place, bool | str]) -> None:
    for folder, one in places:
        said[folder, one] = _lies_in(Path(folder), one)


def _lies_in(folder: Path, one: Kept) -> bool | str:
    """Only what is not there, or is another backup by its label and manifest, is gone."""
    try:
        if not S_ISDIR(folder.stat().st_mode):
            return False
        begun = begun_in(folder)
        another = bool(begun and one.begun) and begun != one.begun
        return not another or own_checksum(folder) == one.checksum
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        return error.strerror or type(error).__name__


def unseen(places: Mapping[Place, bool | str]) -> dict[str, str]:
    """Folders of which it cannot be told, and why."""
    return {folder: said for (folder, _), said in places.items() if isinstance(said, str)}
