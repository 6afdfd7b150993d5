"""What base backups take on disk, told without reading their data, and how large the next one will be (G99)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from upkeep.areas.backups.files import LABEL, Backup
from upkeep.areas.backups.judging import BEFORE
from upkeep.areas.backups.verification import OWN_WAL


def taken_by(folder: Path, *without: str) -> int:
    """Bytes of the files below a folder, less those below its entries ``without``.

    What is removed meanwhile counts for nothing, and so does what may not be read.
    """
    return sum(_sizes(folder, without))


def _sizes(folder: Path, without: Sequence[str]) -> Iterator[int]:
    for place, folders, names in os.walk(folder):
        if Path(place) == folder:
            folders[:] = [name for name in folders if name not in without]
        for name in names:
            try:
                yield (Path(place) / name).stat().st_size
            except OSError:
                continue


def incremental(backup: Backup) -> bool:
    """Whether it holds only what changed since another one: such a one's size says nothing of the cluster's."""
    try:
        return "INCREMENTAL FROM" in (backup.folder / LABEL).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def before(newest: Backup, finished: Sequence[Backup]) -> list[int]:
    """Bytes of the full backups that the newest is held against, without WAL; none where it is incremental itself."""
    if incremental(newest):
        return []
    full = (one for one in reversed(finished) if one.folder != newest.folder and not incremental(one))
    return [_data(one.folder) for one, _ in zip(full, range(BEFORE), strict=False)]


def _data(folder: Path) -> int:
    """As a manifest counts: with tablespaces, which pg_basebackup lays elsewhere and links."""
    elsewhere = list[Path]()
    with suppress(OSError):  # what may not be read counts for nothing
        elsewhere += (link for link in (folder / "pg_tblspc").glob("*") if link.is_symlink())
    return taken_by(folder, OWN_WAL) + sum(map(taken_by, elsewhere))
