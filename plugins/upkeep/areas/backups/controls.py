"""Negative controls (G102): a copy of the backup is spoilt, and what looks at backups each day must say so by its name.

One a month, in turn. A control that passes means that a bad backup would be called good: nothing else that the drill
says can be trusted then. The copy is as it was afterwards.
"""

from __future__ import annotations

import os
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
    """What is done to the copy's files, and which aspect of the daily look must say so, with which words."""

    name: str
    aspect: str
    says: str
    spoil: Callable[[bytes], bytes] | None
    file: Callable[[Path], Path]


def _biggest(data: Path) -> Path:
    """The biggest data file: of a table or an index, and large enough to be spoilt in its middle."""
    found = [file for file in (data / "base").rglob("*") if file.is_file()]
    return max(found, key=lambda file: (file.stat().st_size, str(file)))


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _promises_another(content: bytes) -> bytes:
    """A manifest that was edited to promise something else, its own checksum left as it was."""
    return content.replace(b'"Size": 8192', b'"Size": 8193', 1)


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
        later = now + _LONG_AGO if control is OLD else now
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
    """The section of config by which the spoilt copy is looked at."""
    config = copy.config.model_copy(update={"base": copy.folder})
    if control is OLD:
        yield config
    elif control is GAP:
        yield config.model_copy(update={"wal": _with_a_gap(copy)})
    else:
        file = control.file(copy.data)
        whole, mode = file.read_bytes(), file.stat().st_mode
        if control.spoil:
            _write(file, control.spoil(whole), mode)
        else:
            file.rename(copy.folder / "aside")
        try:
            yield config
        finally:
            if control.spoil:
                _write(file, whole, mode)
            else:
                (copy.folder / "aside").rename(file)


def _write(file: Path, content: bytes, mode: int) -> None:
    """In place, so that it stays the server's own file."""
    file.chmod(mode | 0o200)
    file.write_bytes(content)
    file.chmod(mode)


def _with_a_gap(copy: Copy) -> Path:
    """A folder that shows the archive without the first segment that the backup needs."""
    label = files.read_label(copy.data)
    gap, first = copy.folder / "gap", label.start.name(label.segment_bytes)
    gap.mkdir()
    for file in os.scandir(copy.config.wal):
        if not file.name.startswith(first):
            (gap / file.name).symlink_to(file.path)
    return gap
