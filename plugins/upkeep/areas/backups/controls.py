"""Negative controls (G102): a copy of the backup is spoilt, and what looks at backups each day must say so by its name.

One a month, in turn. A control that passes means that a bad backup would be called good: nothing else that the drill
says can be trusted then. The copy is as it was afterwards.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from upkeep.areas.backups import files
from upkeep.areas.backups.look import look_at_backups
from upkeep.areas.backups.scratch import Copy
from upkeep.core.findings import Finding, Level, Topic
from upkeep.settings.backups import Backups

_TOPIC = Topic("drill:control", "Whether a bad backup would be noticed", "G102")
_LONG_AGO = timedelta(days=3650)


@dataclass(frozen=True)
class Control:
    """Which aspect of the daily look must say what was done to a file of the copy, and with which words.

    ``spoil`` makes the bad file out of the whole one; without it the file is gone.
    """

    name: str
    aspect: str
    says: str
    spoil: Callable[[Path, Path], None] | None
    file: Callable[[Path], Path]


def _biggest(data: Path) -> Path:
    """The biggest data file: of a table or an index, and large enough to be spoilt in its middle."""
    found = [file for file in (data / "base").rglob("*") if file.is_file()]
    return max(found, key=lambda file: (file.stat().st_size, str(file)))


def _flipped(whole: Path, file: Path) -> None:
    shutil.copy2(whole, file)
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        (byte,) = opened.read(1)
        opened.seek(-1, os.SEEK_CUR)
        opened.write(bytes([byte ^ 1]))


def _cut(whole: Path, file: Path) -> None:
    shutil.copy2(whole, file)
    os.truncate(file, file.stat().st_size // 2)


def _promises_another(whole: Path, file: Path) -> None:
    """A manifest that was edited to promise something else, its own checksum left as it was."""
    file.write_bytes(whole.read_bytes().replace(b'"Size": 8192', b'"Size": 8193', 1))


CONTROLS = (
    Control("a flipped bit", "integrity", "checksum mismatch", _flipped, _biggest),
    Control("a file that was cut off", "completion", " bytes, expected ", _cut, _biggest),
    Control("a file that is gone", "completion", "No such file", None, _biggest),
    Control(
        "a manifest that was edited",
        "integrity",
        "manifest checksum mismatch",
        _promises_another,
        lambda data: data / files.MANIFEST,
    ),
    Control("a label that was cut off", "completion", files.LABEL, _cut, lambda data: data / files.LABEL),
    Control("a backup that is old", "age", " h ago", None, lambda data: data / files.MANIFEST),
    Control("a gap in the archived WAL", "wal", "missing", None, lambda data: data / files.LABEL),
)
OLD, GAP = CONTROLS[-2:]


def in_turn(now: datetime) -> Control:
    """The control of a month."""
    return CONTROLS[(12 * now.year + now.month) % len(CONTROLS)]


def carried_out(copy: Copy, control: Control, now: datetime) -> Finding:
    """Spoil the copy, look at it as each day, and put it back as it was."""
    expected = f"the daily look says so: {control.aspect}"
    with _spoilt(copy, control) as config:
        # Later than a backup's last segments may be on their way to the archive: or a gap might be taken for that.
        later = now + (_LONG_AGO if control is OLD else files.BEING_COPIED)
        looked = look_at_backups(config, later)
    said = next((one for one in looked.findings if one.key == f"backups:{control.aspect}"), None)
    if said and said.level is Level.UNKNOWN:
        detail = f"{control.name}: {said.detail}"
        return _TOPIC.finding(Level.UNKNOWN, detail, expected, said.remedy)
    if said and said.level is Level.CRITICAL and control.says in said.detail:
        return _TOPIC.finding(Level.OK, f"{control.name} in a copy was found: {said.detail[:200]}", expected)
    heard = f"{said.level}: {said.detail[:200]}" if said else "nothing"
    return _TOPIC.finding(
        Level.CRITICAL,
        f"{control.name} in a copy was not found; it said {heard}",
        expected,
        "Trust no verification of backups until this is understood: see backups.verify_program and its version.",
    )


@contextmanager
def _spoilt(copy: Copy, control: Control) -> Iterator[Backups]:
    """The section of config by which the spoilt copy is looked at: all of it is read."""
    config = copy.config.model_copy(update={"base": copy.folder, "proof": "whole"})
    if control is OLD:
        yield config
    elif control is GAP:
        yield config.model_copy(update={"wal": _with_a_gap(copy)})
    else:
        file, aside = control.file(copy.data), copy.folder / "aside"
        file.rename(aside)
        try:
            if control.spoil:
                control.spoil(aside, file)
            yield config
        finally:
            file.unlink(missing_ok=True)
            aside.rename(file)


def _with_a_gap(copy: Copy) -> Path:
    """A folder that shows the archive without the first segment that the backup needs."""
    label = files.read_label(copy.data, copy.config.wal)
    gap, first = copy.folder / "gap", label.start.name(label.segment_bytes)
    gap.mkdir()
    for file in os.scandir(copy.config.wal):
        if not file.name.startswith(first):
            (gap / file.name).symlink_to(file.path)
    return gap
