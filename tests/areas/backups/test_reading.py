"""Proof at the cost of change: a share of the backup and the new WAL a day, and every byte within a week (G100)."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.stages.config import MAIN
from tests.stages.config import config as config  # noqa: PLC0414  # a fixture
from tests.stages.defects import Defect, flipped, other_timeline, planted, spoilt_wal
from tests.stages.ledger import Ledger
from tests.stages.restoring import Platform
from upkeep.areas.backups import files, sources
from upkeep.areas.backups.look import look_at_backups
from upkeep.areas.backups.progress import DAY, Progress, known, shared_out
from upkeep.areas.look import Sources
from upkeep.core.findings import Finding, Level
from upkeep.core.windows import Window
from upkeep.ledger.write import LookResult, StepRecord, add_step, open_window
from upkeep.settings.load import settings

NOW = datetime(2026, 5, 4, 2, tzinfo=UTC)


def looked(platform: Platform, before: Any, days: float = 0, read_in_days: int = 7) -> LookResult:
    """The daily look so many days from now, which knows what the one before has left."""
    config = platform.backups().model_copy(
        update={"max_wal_age_hours": None, "read_in_days": read_in_days, "critical_age_hours": 9999.0}
    )
    return look_at_backups(config, datetime.now(UTC) + timedelta(days=days), known(before) if before else None)


def found(result: LookResult, aspect: str) -> Finding:
    """The finding of one aspect."""
    return next(one for one in result.findings if one.key == f"backups:{aspect}")


def octets(result: LookResult) -> int:
    """How many bytes were read."""
    return next(int(one.value) for one in result.samples if one.metric == "backup_bytes_read")


def a_bent_file(platform: Platform, path: str) -> Defect:
    """A file of the backup with one bit that is not as it was."""
    file = platform.store.newest() / path
    whole = file.read_bytes()
    return Defect("a flipped bit", "", "", {file: flipped(whole, len(whole) // 2, 0)})


# Which share is due ------------------------------------------------------------------------------------------------


def read(progress: Progress, now: datetime) -> Progress:
    """All that is due was read and good."""
    for share in progress.due(now):
        progress = progress.after(share, now, ())
    return progress


def test_each_share_is_read_once_a_week_and_days_without_a_look_are_made_up_for() -> None:
    """One a day in turn, some hours early or late; three after two days without; all of them after a month."""
    progress, turns = Progress().of("one", 7), []
    for day in range(8):
        now = NOW + DAY * day + timedelta(hours=3 * (day % 2))
        turns += progress.due(now)
        progress = read(progress, now)
    assert turns == [0, 1, 2, 3, 4, 5, 6, 0]
    assert progress.due(NOW + 10 * DAY) == [1, 2, 3]
    assert progress.due(NOW + 40 * DAY) == [1, 2, 3, 4, 5, 6, 0]
    assert progress.due(NOW - DAY) == [1], "a clock that was set back"


def test_another_backup_goes_on_with_the_next_share_and_nothing_of_it_is_read_yet() -> None:
    """Were each begun with its first share, the others would never be read where a backup is made each day."""
    progress = read(read(Progress().of("one", 7), NOW), NOW + DAY)
    assert (progress.read, progress.of("one", 7)) == ((0, 1), progress)
    other = progress.of("other", 7)
    assert (other.read, other.due(NOW + 2 * DAY)) == ((), [2])
    assert progress.of("one", 3).due(NOW + 9 * DAY) == [0], "another number of days begins anew"


@pytest.mark.parametrize("files_of", [[8192] * 966, [10**9] * 40 + [8192] * 500 + [0] * 9])
def test_shares_are_of_as_many_bytes(files_of: list[int]) -> None:
    """Each file is in one of them, and none is larger than a seventh by more than a hundredth."""
    given = {f"base/{number}": size for number, size in enumerate(files_of)}
    shares = shared_out(given, 7)
    assert sorted(path for paths in shares.paths for path in paths) == sorted(given)
    assert [sum(given[path] for path in paths) for paths in shares.paths] == list(shares.sizes)
    largest = max(shares.sizes) * 7 / sum(given.values())
    assert largest <= (1.06 if max(files_of) > 8192 else 1.01)
    assert shares == shared_out(dict(reversed(given.items())), 7)


def test_a_file_that_is_larger_than_a_share_is_named() -> None:
    """It is the least that can be read."""
    assert shared_out({"base/1": 100, "base/2": 10, "base/3": 10}, 7).largest == "base/1"
    assert shared_out(dict.fromkeys(map(str, range(7)), 10), 7).largest == ""
    assert shared_out({"base/1": 100}, 1).largest == ""


def test_what_an_older_version_has_left_is_as_if_nothing_was_read() -> None:
    """A snapshot with other names in it ends no look."""
    assert known({"share": 3}) == known(None) == Progress()
    progress = read(Progress().of("one", 7), NOW).wal_from(None, NOW)
    assert known(json.loads(json.dumps(progress.model_dump(mode="json")))) == progress


# On a real backup --------------------------------------------------------------------------------------------------


@pytest.mark.guide("G100", "fires", "silent", "holds")
def test_a_bit_that_is_bent_on_any_day_is_found_within_a_week(restorable: Platform) -> None:
    """On each of seven days in another file; each is named, and no look says anything else."""
    promised = files.read_manifest(restorable.store.newest()).files
    rng = random.Random(1)
    paths = rng.sample(sorted(path for path, size in promised.items() if size > 0 and path != files.LABEL), 7)
    bent: dict[str, tuple[int, Any]] = {}
    left, late, snapshot, sizes = list(paths), [], None, []
    for day in range(14):
        if left:
            defect = planted(a_bent_file(restorable, left[-1]))
            defect.__enter__()
            bent[left.pop()] = (day, defect)
        result = looked(restorable, snapshot, day)
        snapshot = result.snapshot
        sizes.append(octets(result))
        integrity = found(result, "integrity")
        caught = [path for path in bent if f'checksum mismatch for file "{path}"' in integrity.detail]
        assert (integrity.level is Level.CRITICAL) == bool(caught), integrity.detail
        for path in caught:
            planted_on, defect = bent.pop(path)
            defect.__exit__(None, None, None)
            late += [path] if day - planted_on >= 7 else []
    assert (bent, late) == ({}, [])
    assert all(size < sum(promised.values()) for size in sizes[1:7]), "never the whole, as on a day without shares"


def test_a_bad_file_stays_a_finding_until_it_is_whole(restorable: Platform) -> None:
    """On the days of other shares too; and the next look is silent."""
    with planted(a_bent_file(restorable, restorable.table)):
        result, day = looked(restorable, None), 0
        while found(result, "integrity").level is Level.OK:
            day += 1
            result = looked(restorable, result.snapshot, day)
        again = looked(restorable, result.snapshot, day + 1)
        assert restorable.table in found(again, "integrity").detail
    assert found(looked(restorable, again.snapshot, day + 2), "integrity").level is Level.OK


@pytest.mark.guide("G100", "fires", "silent", "holds")
def test_archived_wal_is_read_once_and_a_bad_record_until_it_is_whole(restorable: Platform) -> None:
    """What was read is not read again within a week; what could not be read is tried again each day."""
    first = looked(restorable, None)
    again = looked(restorable, first.snapshot, 1)
    assert [found(one, "records").level for one in (first, again)] == [Level.OK, Level.OK]
    assert found(again, "records").detail.startswith("0 B that was not read before")
    older = looked(restorable, first.snapshot, 7)
    assert found(older, "records").detail == found(first, "records").detail, "a backup that is older than a week"
    with planted(spoilt_wal(restorable, random.Random(1))):
        bad = looked(restorable, None)
        assert [found(one, "records").level for one in (bad, looked(restorable, bad.snapshot, 1))] == [
            Level.CRITICAL,
            Level.CRITICAL,
        ]
        seen = looked(restorable, again.snapshot, 2)
        assert found(seen, "records").level is Level.OK, "what was read before is not read again"
    assert found(looked(restorable, bad.snapshot, 1), "records").level is Level.OK


def test_wal_of_another_timeline_is_read_too(restorable: Platform) -> None:
    """From where that begins; records say nothing of the timeline that a file's name names."""
    with planted(other_timeline(restorable, random.Random(1))):
        result = looked(restorable, None)
        assert found(result, "records").level is Level.OK
        timelines: Mapping[str, int] = result.snapshot["wal"]
        assert len(timelines) == 2
    assert octets(looked(restorable, result.snapshot, 1)) < octets(result)


@pytest.mark.guide("G100", "fires")
def test_a_backup_in_the_tar_format_is_unknown_by_name(restorable: Platform) -> None:
    """Its files cannot be held against its manifest; it is not called damaged."""
    tar = Defect("tar", "", "", {restorable.store.newest() / "base.tar.gz": b""})
    with planted(tar):
        (only,) = looked(restorable, None).findings
    assert (only.key, only.level) == ("backups:completion", Level.UNKNOWN)
    assert "holds base.tar.gz, and the tar format is not read" in only.detail


@pytest.mark.guide("G7", "holds")
def test_the_next_window_knows_what_this_one_has_read(
    restorable: Platform, config: Path, book: Ledger, window: Window
) -> None:
    """By the snapshot of its step, also where the target has other kinds of backups."""
    window = replace(window, target="primary")
    given = restorable.backups().model_dump(mode="json", exclude_none=True, exclude={"restore"})
    sections = f"    backups: {json.dumps(given)}\n    dumps: {{folder: /none}}\n    # backups:"
    file = config / MAIN
    file.write_text(file.read_text().replace("    # backups:", sections, 1))
    unused: Any = None
    ways: list[Any] = [book.session, unused, book.session, unused, unused, unused, unused]
    asked = Sources("primary", window, "backups.newest_backup", settings(config), *ways, frozenset(), [], 0)
    with book.session() as session:
        open_window(session, window)
    for read_by_now in ("1 of 7 shares", "2 of 7 shares"):
        result = sources.verify(asked)
        assert read_by_now in found(result, "integrity").detail
        with book.session() as session:
            add_step(session, window, StepRecord("backups.newest_backup", "ran", "", "", window.due, looked=result))
