"""Real backups proven by sevenths: what is bad is found within a week and never forgotten, one is read whole (G100)."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.stages.config import MAIN
from tests.stages.config import config as config  # noqa: PLC0414  # a fixture
from tests.stages.defects import DAILY, Draw, critical, planted
from tests.stages.ledger import Ledger
from tests.stages.restoring import Platform
from tests.stages.shapes import Shaped, running
from upkeep.areas.backups import files, pace, proof_reading, sources, verification
from upkeep.areas.backups.look import look_at_backups
from upkeep.areas.backups.pace import Pace
from upkeep.areas.backups.proof_memory import DAYS, Kept, Memory, Piece, known, parts_of
from upkeep.areas.look import Sources
from upkeep.core.findings import Finding, Level
from upkeep.core.units import roughly
from upkeep.core.windows import Window
from upkeep.ledger.write import LookResult, StepRecord, add_step, open_window
from upkeep.settings.load import settings

OK, ADVISORY, WARNING, CRITICAL, UNKNOWN = Level.OK, Level.ADVISORY, Level.WARNING, Level.CRITICAL, Level.UNKNOWN
ORDER = [OK, ADVISORY, UNKNOWN, WARNING, CRITICAL]
DAY = timedelta(days=1)
#: Numbers of ``Shaped.backup``: with SHA-256, with CRC32C as by default, incremental with SHA-512, without checksums.
SHA256, CRC32C, INCREMENTAL, NONE = 0, 1, 3, 2


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shaped]:
    """A running server, of which each test takes its backups."""
    with running(tmp_path_factory.mktemp("proof"), "collation C, LATIN1") as shaped:
        yield shaped


@pytest.fixture
def shaped(served: Shaped) -> Iterator[Shaped]:
    """No backup yet; those that are taken are gone afterwards."""
    yield served
    for folder in served.store.base.iterdir():
        shutil.rmtree(folder)


class Days:
    """Daily looks, each of which knows what the one before it has left."""

    def __init__(self, shaped: Shaped) -> None:
        self.shaped, self.begun, self.day, self.snapshot = shaped, datetime.now(UTC), 0.0, None

    def look(self, after: float = 1, **given: Any) -> LookResult:
        """The look that comes so many days after the last one; the snapshot goes through JSON, as in the ledger."""
        self.day += after
        update = {"max_wal_age_hours": None, "critical_age_hours": 9999.0, "max_age_hours": 9999.0, "proof": "sevenths"}
        config = self.shaped.config().model_copy(update=update | given)
        looked = look_at_backups(config, self.begun + self.day * DAY, self.snapshot)
        if looked.snapshot is not None:
            self.snapshot = json.loads(json.dumps(looked.snapshot))
        return looked

    def memory(self) -> Memory:
        return Memory.model_validate(self.snapshot)


def found(looked: LookResult, aspect: str) -> Finding:
    """A finding; where it is of more backups than the newest, what is said of all of them."""
    key = f"backups:{aspect}"
    first, *others = [one for one in looked.findings if one.key == key or one.key.startswith(f"{key}:")]
    level = max([first.level, *(one.level for one in others)], key=ORDER.index)
    said = [one.detail for one in [*others, first] if one is not first or one.level is not OK or not others]
    return replace(first, level=level, detail="; ".join(said))


def levels(looked: LookResult) -> tuple[Level, Level]:
    return found(looked, "integrity").level, found(looked, "proof").level


def octets(looked: LookResult) -> int:
    return next(int(one.value) for one in looked.samples if one.metric == "backup_bytes_read")


def take(shaped: Shaped, number: int = CRC32C) -> Path:
    shaped.backup(number)
    return shaped.store.newest()


def flip(file: Path) -> None:
    """Turn a bit around; once more, and the file is as it was."""
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        (byte,) = opened.read(1)
        opened.seek(-1, os.SEEK_CUR)
        opened.write(bytes([byte ^ 1]))


@contextmanager
def flipped(file: Path) -> Iterator[None]:
    flip(file)
    yield
    flip(file)


def size(folder: Path) -> int:
    return sum(files.read_manifest(folder).files.values())


def big(folder: Path, number: int = 0) -> str:
    """One of the paths of the largest files; not one of the last that are read."""
    promised = files.read_manifest(folder).files
    return sorted(promised, key=lambda path: (-promised[path], path))[number]


# What is bad -------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G100", "fires", "silent", "holds")
@pytest.mark.parametrize("checksums", [SHA256, CRC32C])
def test_a_bit_flipped_on_any_day_is_found_within_a_week_and_stays_until_it_is_mended(
    shaped: Shaped, checksums: int
) -> None:
    """Seven files, one a day, of any size; each is named by every look from the one that found it until it is whole."""
    folder, days = take(shaped, checksums), Days(shaped)
    promised = files.read_manifest(folder).files
    paths = random.Random(1).sample(sorted(path for path, octets in promised.items() if octets), DAYS)
    planted, seen = dict[str, int](), dict[str, int]()
    for day in range(4 * DAYS):
        if day < DAYS:
            flip(folder / paths[day])
            planted[paths[day]] = day
        said = found(days.look(), "integrity")
        named = {path for path in planted if f'checksum mismatch for file "{path}"' in said.detail}
        assert named >= seen.keys(), "a bad file was forgotten"
        assert (said.level is CRITICAL) == bool(named), said.detail
        for path in named - seen.keys():
            assert day - planted[path] < DAYS
            seen[path] = day
        for path in [path for path, since in seen.items() if day - since == 2 * DAYS]:
            flip(folder / path)
            del seen[path], planted[path]
    assert (planted, seen) == ({}, {})
    assert levels(days.look()) == (OK, OK)


@pytest.mark.guide("G99", "G100", "fires", "silent")
@pytest.mark.parametrize("draw", DAILY, ids=lambda draw: draw.__name__)
def test_each_class_of_defects_is_caught_by_its_right_name_within_a_week(restorable: Platform, draw: Draw) -> None:
    """By sevenths as by all of it; and the look after it is mended is silent."""
    config = restorable.backups().model_copy(update={"max_wal_age_hours": None, "proof": "sevenths"})
    defect, snapshot, caught = draw(restorable, random.Random(2)), None, 0
    begun = datetime.now(UTC) + timedelta(hours=defect.hours) + files.BEING_COPIED
    young = config if defect.hours else config.model_copy(update={"critical_age_hours": 999.0, "max_age_hours": 999.0})
    with planted(defect):
        for day in range(DAYS):
            looked = look_at_backups(young, begun + day * DAY, snapshot)
            snapshot = looked.snapshot
            said = [one.detail for one in critical(looked) if one.key.startswith(defect.key)]
            caught += any(defect.says in one for one in said)
            assert bool(caught) == any(defect.says in one for one in said), "forgotten"
    assert caught
    if not defect.hours:
        assert critical(look_at_backups(young, begun + DAYS * DAY, snapshot)) == []


@pytest.mark.guide("G100", "fires", "silent")
def test_what_else_may_be_wrong_with_a_file(shaped: Shaped) -> None:
    """Gone, longer, a folder or unreadable in its place: each is found by the name of the file and ends with it."""
    folder, days = take(shaped), Days(shaped)
    for _ in range(DAYS):
        days.look()
    file, aside = folder / big(folder), shaped.store.folder / "aside"
    file.rename(aside)
    spoilt = {
        "it cannot be read: No such file or directory": lambda: None,
        "it is no file": file.mkdir,
        f"{aside.stat().st_size + 1} bytes, expected ": lambda: file.write_bytes(aside.read_bytes() + b"x"),
    }
    for says, spoil in spoilt.items():
        spoil()
        looks = [days.look() for _ in range(DAYS)]
        assert any(says in found(one, "integrity").detail for one in looks), says
        assert {found(one, "integrity").level for one in looks} == {CRITICAL}, (
            "pg_verifybackup says so on the first day"
        )
        if file.is_dir():
            file.rmdir()
        file.unlink(missing_ok=True)
    aside.rename(file)
    assert found(days.look(), "integrity").level is OK


@pytest.mark.guide("G100", "fires", "silent", "holds")
def test_with_a_backup_each_night_one_is_read_whole_in_seven_days_and_then_the_newest_of_that_day(
    shaped: Shaped,
) -> None:
    """No day reads more than a seventh; what was bad of the first one is said when it is long out of turn."""
    days, nights = Days(shaped), list[Path]()
    for night in range(2 * DAYS + 1):
        nights.append(take(shaped))
        if night == 0:
            flip(nights[0] / big(nights[0]))
        looked = days.look()
        again = days.memory().bad
        wal = verification.own_wal(nights[-1])  # alone it is more than a seventh of these
        allowed = max((size(nights[-1]) + wal) / DAYS, wal) + (size(nights[0]) / DAYS if again else 0)
        assert octets(looked) <= allowed * 1.02 + 5 * (nights[-1] / files.MANIFEST).stat().st_size
        proof = found(looked, "proof")
        turn = night // DAYS * DAYS
        assert f"{night - turn + 1} of 7 parts of {nights[turn].name}, " in proof.detail
        assert (f"the newest, {nights[night].name}, was not read" in proof.detail) == (night != turn)
        assert proof.level is (ADVISORY if night < DAYS - 1 else OK)
        if night >= DAYS - 1:
            last = nights[0 if night < 2 * DAYS - 1 else DAYS]
            assert f"read whole last: {last.name}, from " in proof.detail
    first = nights[0]
    assert f'{first.name}: checksum mismatch for file "{big(first)}"' in found(days.look(), "integrity").detail
    first.rename(first.with_name("renamed"))
    assert (
        found(days.look(), "integrity").detail.startswith("renamed: ")
        or first.name in found(days.look(), "integrity").detail
    ), "another name makes it no better"
    first.with_name("renamed").rename(away := shaped.store.folder / "away")
    gone = days.look()
    assert found(gone, "integrity").level is OK
    assert f"not there any more, with files that were bad: {first.name}" in found(gone, "proof").detail
    away.rename(first)
    assert found(days.look(), "integrity").level is CRITICAL, "it came back as it was"
    flip(first / big(first))
    assert found(days.look(), "integrity").level is OK


@pytest.mark.guide("G100", "fires", "silent")
@pytest.mark.parametrize("way", ["flipped", "cut off", "gone"])
def test_a_manifest_that_was_damaged_under_proof_is_remembered_and_the_newest_goes_on(shaped: Shaped, way: str) -> None:
    """It stays critical when it is no longer the turn of its backup, until it vouches for itself again."""
    first, days = take(shaped), Days(shaped)
    days.look()
    second = take(shaped)
    days.look()
    manifest = first / files.MANIFEST
    whole = manifest.read_bytes()
    spoil = {"flipped": flip, "cut off": lambda file: os.truncate(file, len(whole) // 2), "gone": Path.unlink}
    spoil[way](manifest)
    for day in range(3):
        looked = days.look()
        assert found(looked, "integrity").level is (WARNING if (way, day) == ("gone", 0) else CRITICAL)
        assert found(looked, "integrity").detail.startswith(f"{first.name}: ")
        assert f" of 7 parts of {second.name}, " in found(looked, "proof").detail
    manifest.write_bytes(whole)
    says = f"2 of 7 parts were read of {first.name}, which is not there any more, not as"
    looked = days.look()
    assert found(looked, "integrity").level is OK
    assert says in found(looked, "proof").detail


# Which backup, and how much of it ----------------------------------------------------------------------------------


@pytest.mark.guide("G100", "fires", "silent")
def test_a_backup_that_is_removed_amid_its_proof_is_named_and_the_newest_begun(shaped: Shaped) -> None:
    """Where none is kept for a week none is read whole: a warning, until a day may read more than a seventh."""
    days, kept = Days(shaped), list[Path]()
    for night in range(DAYS + 3):
        kept.append(take(shaped))
        if len(kept) > 3:
            shutil.rmtree(kept.pop(0))
        looked = days.look()
        proof = found(looked, "proof")
        if night and night % 3 == 0:
            assert "3 of 7 parts were read of " in proof.detail
            assert f"1 of 7 parts of {kept[-1].name}" in proof.detail
        assert levels(looked) == (OK, WARNING if night > DAYS + 1 else ADVISORY), proof.detail
    assert "proof_budget_bytes" in found(looked, "proof").remedy
    looked = days.look(proof_budget_bytes=size(kept[-1]) * 2)
    assert levels(looked) == (OK, OK)
    more = octets(looked) - size(kept[-1]) - verification.own_wal(kept[-1])
    assert 0 < more <= 5 * (kept[-1] / files.MANIFEST).stat().st_size, "all of it in one part, and manifests"


@pytest.mark.guide("G100", "fires", "silent")
def test_days_without_a_look_and_a_clock_that_goes_back(shaped: Shaped) -> None:
    """Eight days may pass between two reads of a byte; what was read in time to come was not read."""
    take(shaped)
    days = Days(shaped)
    for _ in range(DAYS):
        days.look()
    assert levels(days.look(2)) == (OK, OK), "one day late"
    late = days.look(2)
    assert levels(late) == (OK, WARNING)
    assert "some of it was not read since " in found(late, "proof").detail
    assert levels([days.look() for _ in range(DAYS)][-1]) == (OK, OK)
    back = days.look(-100)
    assert "1 of 7 parts of " in found(back, "proof").detail
    assert levels(back) == (OK, ADVISORY)
    assert levels([days.look() for _ in range(DAYS - 1)][-1]) == (OK, OK)


@pytest.mark.guide("G100", "fires", "silent", "holds")
def test_what_was_bad_stays_critical_when_config_names_another_folder(shaped: Shaped, tmp_path: Path) -> None:
    """As long as it lies in the folder of before, by its path; what is mended there is not read."""
    folder, days = take(shaped), Days(shaped)
    path, key = big(folder), f"backups:integrity:{folder}"
    says = f'{folder}: checksum mismatch for file "{path}"'

    def bad(**given: Any) -> dict[str, str]:
        looked = days.look(**given)
        return {one.key: one.detail for one in looked.findings if one.level is CRITICAL}

    elsewhere = tmp_path / "base"
    with flipped(folder / path):
        while found(days.look(), "integrity").level is OK:
            pass
        assert set(bad(base=tmp_path / "none")) == {"backups:completion", key}
        shutil.copytree(folder, elsewhere / "20990101T000000.0Z", ignore=lambda *_: [files.MANIFEST])
        assert set(bad(base=elsewhere)) == {"backups:completion", key}
        shutil.rmtree(elsewhere)
        shutil.copytree(take(shaped), elsewhere / "other")
        for _ in range(2):
            assert list(now := bad(base=elsewhere)) == [key]
            assert says in now[key]
        folder.rename(away := shaped.store.folder / "away")
        assert bad(base=elsewhere) == {}
        away.rename(folder)
        assert list(bad(base=elsewhere)) == [key]
    assert list(bad(base=elsewhere)) == [key], "mended, and not read there"
    assert bad() == {}, "read again where config names it again"
    assert bad(base=elsewhere) == {}


@pytest.mark.guide("G100", "holds")
def test_bytes_of_manifests_and_of_wal_are_counted_too(shaped: Shaped) -> None:
    """Of each look: a part, and the manifest twice, once by us and once by pg_verifybackup; WAL on one of the days."""
    folder, days = take(shaped, SHA256), Days(shaped)
    manifest, wal = (folder / files.MANIFEST).stat().st_size, verification.own_wal(folder)
    assert min(manifest, wal) > 0
    looks = [octets(days.look()) for _ in range(DAYS)]
    assert sum(looks) == size(folder) + wal + DAYS * 2 * manifest + manifest  # pg_verifybackup once more, for the WAL


@pytest.mark.guide("G100", "fires", "silent")
def test_an_incremental_backup_is_proven_with_those_that_it_is_built_on(shaped: Shaped) -> None:
    """A bad byte of the full one is found in the incremental one's week; without the full one that is said."""
    full = take(shaped)
    incremental, days = take(shaped, INCREMENTAL), Days(shaped)
    assert incremental != full
    with flipped(full / big(full)):
        looks = [days.look() for _ in range(DAYS)]
        assert f'{full.name}: checksum mismatch for file "{big(full)}"' in found(looks[-1], "integrity").detail
        said = f"7 of 7 parts of {incremental.name} with the 1 backup that it is built on, "
        assert said in found(looks[-1], "proof").detail
        assert sum(map(octets, looks)) >= size(full) + size(incremental)
    assert levels(days.look()) == (OK, OK)
    full.rename(away := shaped.store.folder / "full")
    alone = days.look()
    assert levels(alone) == (OK, WARNING)
    assert "it is built on one from 0/" in found(alone, "proof").detail
    away.rename(full)
    assert "1 of 7 parts of " in (said := found(days.look(), "proof").detail)
    assert "with the 1 backup that it is built on" in said, "it is proven with it from now on"
    shutil.rmtree(incremental)
    assert "it is built on" not in found(days.look(), "proof").detail


@pytest.mark.guide("G100", "fires")
def test_a_manifest_without_checksums_proves_no_more_than_that_its_files_can_be_read(shaped: Shaped) -> None:
    """ADVISORY, however often all was read; and an algorithm that nobody knows is bad."""
    folder, days = take(shaped, NONE), Days(shaped)
    looked = [days.look() for _ in range(DAYS)][-1]
    assert levels(looked) == (OK, ADVISORY)
    assert "files without a checksum: a changed byte of these would not show" in found(looked, "proof").detail
    assert folder.name in found(looked, "proof").detail


@pytest.mark.guide("G100", "fires")
def test_what_cannot_be_read_in_time_or_by_a_program_is_unknown_and_due_again(shaped: Shaped) -> None:
    """The part was not read; a bad file stays bad."""
    folder, days = take(shaped), Days(shaped)
    assert levels(days.look(verify_timeout_seconds=1e-6)) == (UNKNOWN, UNKNOWN)
    with flipped(folder / big(folder)):
        while found(days.look(), "integrity").level is OK:
            pass
        known_then = days.memory()
        late = days.look(verify_timeout_seconds=1e-6)
        assert levels(late) == (CRITICAL, UNKNOWN)
        assert "not collected: verify_timeout_seconds were over" in found(late, "integrity").detail
        assert days.memory().read == known_then.read
        assert [(one.path, one.since) for one in days.memory().bad] == [(one.path, one.since) for one in known_then.bad]
    without = days.look(verify_program="pg_verifybackup_that_is_not_there")
    assert levels(without) == (UNKNOWN, UNKNOWN)
    slow = shaped.store.folder / "slow"
    slow.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "pg_verifybackup (PostgreSQL) 17.1" && exit\nexec sleep 600\n'
    )
    slow.chmod(0o755)
    late = days.look(verify_program=str(slow), verify_timeout_seconds=5)
    assert levels(late) == (UNKNOWN, UNKNOWN)
    assert f"{slow} did not end within" in found(late, "integrity").detail
    assert levels(days.look())[0] is OK


def test_a_long_part_tells_in_the_log_how_far_it_is(
    shaped: Shaped, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """How much of the part was read, and all of it at the end."""
    folder = take(shaped)
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(proof_reading, "Pace", partial(Pace, every=0.0))
    looked = Days(shaped).look(proof_budget_bytes=2**40)
    told = [record.getMessage() for record in caplog.records if record.name == pace.__name__]
    at_the_end = verification.own_wal(folder) + (folder / files.MANIFEST).stat().st_size  # by pg_verifybackup
    assert told[-1].startswith(f"backups: {roughly(octets(looked) - at_the_end)} of ")


# What is known from look to look -----------------------------------------------------------------------------------


@pytest.mark.guide("G100", "holds")
def test_without_a_memory_it_begins_anew_and_says_so(shaped: Shaped) -> None:
    """At first, and when the ledger was restored or holds what cannot be read; an empty folder takes none away."""
    folder, days = take(shaped), Days(shaped)
    says = "nothing is known of earlier looks: begun anew"
    assert says in found(days.look(), "proof").detail
    assert says not in found(days.look(), "proof").detail
    days.snapshot = {"share": 3}
    assert says in found(days.look(), "proof").detail
    folder.rename(away := shaped.store.folder / "away")
    assert days.look(0.5).snapshot is None
    away.rename(folder)
    looked = found(days.look(0.5), "proof").detail
    assert (says in looked, "the last look that is known of was at" in looked) == (False, False)
    assert "; the last look that is known of was at 20" in found(days.look(2), "proof").detail


@pytest.mark.guide("G100", "holds")
def test_a_change_of_config_forgets_nothing(shaped: Shaped) -> None:
    """With another budget or `whole` what was bad of an older one is read again, and critical until it is whole."""
    folder, days = take(shaped), Days(shaped)
    path = big(folder)
    with flipped(folder / path):
        while found(days.look(), "integrity").level is OK:
            pass
        take(shaped)
        says = f'{folder.name}: checksum mismatch for file "{path}"'
        for change in ({"proof_budget_bytes": size(folder)}, {"proof": "whole"}, {"proof": "sevenths"}):
            looked = days.look(**change)
            assert found(looked, "integrity").level is CRITICAL
            assert says in found(looked, "integrity").detail
    mended = days.look(proof="whole")
    assert [one.key for one in mended.findings if one.level is not OK] == []
    assert days.look(proof="whole").snapshot is None
    assert levels(days.look())[0] is OK


@pytest.mark.guide("G7", "holds")
def test_the_next_window_knows_what_this_one_has_read(
    shaped: Shaped, config: Path, book: Ledger, window: Window
) -> None:
    """By the snapshot of its step, also where the target has other kinds of backups."""
    take(shaped)
    window = replace(window, target="primary")
    given = shaped.config().model_copy(update={"proof": "sevenths"})
    told = given.model_dump(mode="json", exclude_none=True, exclude={"restore"})
    sections = f"    backups: {json.dumps(told)}\n    dumps: {{folder: /none}}\n    # backups:"
    file = config / MAIN
    file.write_text(file.read_text().replace("    # backups:", sections, 1))
    unused: Any = None
    ways: list[Any] = [book.session, unused, book.session, *[unused] * 5]
    asked = Sources("primary", window, "backups.newest_backup", settings(config), *ways, frozenset(), [], 0)
    with book.session() as session:
        open_window(session, window)
    for by_now in ("1 of 7 parts", "2 of 7 parts"):
        result = sources.verify(asked)
        assert by_now in found(result, "proof").detail
        with book.session() as session:
            add_step(session, window, StepRecord("backups.newest_backup", "ran", "", "", window.due, looked=result))


# By itself ---------------------------------------------------------------------------------------------------------

NOW = datetime(2026, 5, 4, 2, tzinfo=UTC)
ONE, OTHER = Kept(name="one", checksum="1"), Kept(name="other", checksum="2")


@pytest.mark.parametrize("sizes", [[8192] * 966, [10**9] * 40 + [8192] * 500 + [0] * 9])
def test_parts_are_of_as_many_bytes(sizes: list[int]) -> None:
    """Each file is in one of them, alike for the same files; none is larger than a seventh and one file."""
    pieces = [Piece(0, f"base/{number}", octets) for number, octets in enumerate(sizes)]
    parts = parts_of(pieces, None)
    assert sorted(piece for part in parts for piece in part) == sorted(pieces)
    assert parts == parts_of(reversed(pieces), None)
    assert max(sum(piece.size for piece in part) for part in parts) <= sum(sizes) / DAYS + max(sizes)


@pytest.mark.parametrize(
    ("budget", "number"), [(None, 7), (1, 7), (15, 7), (16, 7), (20, 5), (50, 2), (99, 2), (100, 1)]
)
def test_a_budget_makes_fewer_parts_and_never_more_than_seven(budget: int | None, number: int) -> None:
    """The promise of a week goes before a budget that is too small."""
    assert len(parts_of([Piece(0, str(one), 10) for one in range(10)], budget)) == number


def test_the_one_under_proof_is_left_when_it_is_whole_and_another_is_newest_or_it_is_gone() -> None:
    """Till then it stays; the newest itself goes round and round, the part that was read longest ago first."""
    memory = Memory(since=NOW, at=NOW).chosen([ONE], lambda _: True, NOW).shared([[]] * DAYS, "")
    turns = []
    for day in range(DAYS + 2):
        memory = memory.chosen([ONE], lambda _: True, NOW + day * DAY).shared([[]] * DAYS, "")
        turns.append(memory.due())
        memory = memory.after(memory.due(), NOW + day * DAY)
        if day < DAYS - 1:
            assert memory.chosen([OTHER], lambda _: True, NOW).under == (ONE,)
    assert turns == [0, 1, 2, 3, 4, 5, 6, 0, 1]
    assert memory.oldest() == NOW + 2 * DAY
    assert memory.chosen([OTHER], lambda _: True, NOW).under == (OTHER,)
    assert memory.chosen([OTHER], lambda one: one != ONE, NOW).under == (OTHER,)


def test_other_parts_of_the_same_backup_are_begun_anew_and_not_its_time() -> None:
    """So that no change of config puts off that it is late."""
    memory = Memory(since=NOW, at=NOW).chosen([ONE], lambda _: True, NOW).shared([[]] * DAYS, "").after(0, NOW)
    other = memory.shared([[]], "")
    assert (other.read, other.begun, other.oldest()) == ({}, NOW, NOW)
    elsewhere = memory.shared([[]] * DAYS, "/elsewhere")
    assert (elsewhere.read, elsewhere.begun) == ({}, NOW)
    assert elsewhere.left.endswith("begun anew in other parts: the budget, its folder or its WAL has changed")
    assert memory.shared([[]] * DAYS, "") == memory
    assert known(json.loads(memory.model_dump_json()), NOW) == memory
