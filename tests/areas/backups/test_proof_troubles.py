"""What stands in the way of proofs by sevenths, and neither stops them nor makes them say what is not so (G100)."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.postgres import bin_dir
from tests.areas.backups.test_proof_by_chance import Chance, flip
from upkeep.areas.backups import files, proof, proof_look
from upkeep.areas.backups.proof_memory import DAYS, OVERDUE, Kept, Memory, Piece, known
from upkeep.areas.backups.proof_reading import OutOfTimeError, Reading
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult

OK, ADVISORY, WARNING, CRITICAL, UNKNOWN = Level.OK, Level.ADVISORY, Level.WARNING, Level.CRITICAL, Level.UNKNOWN
DAY = timedelta(days=1)
SEGMENT = "000000010000000000000002"


@dataclass
class Nights:
    """Small backups and a look after each; ``given`` is more of config."""

    chance: Chance
    given: dict[str, Any] = field(default_factory=lambda: {"proof": "sevenths"})
    snapshot: Any = None

    @property
    def base(self) -> Path:
        return self.chance.folder / "base"

    def make(self, name: str, files: int = 0) -> Path:
        """A backup; of at least so many data files."""
        self.chance.make(name)
        while len(self.chance.there[name]) < files:
            self.chance.make(name)
        return self.base / name

    def look(self, **given: Any) -> dict[str, Finding]:
        """The findings of a look a day after the last one, by their keys."""
        self.chance.now += DAY
        looked: LookResult = self.chance.look(self.snapshot, **(self.given | given))
        if looked.snapshot is not None:
            self.snapshot = json.loads(json.dumps(looked.snapshot))
        return {one.key.removeprefix("backups:"): one for one in looked.findings}

    def looks(self, number: int = DAYS) -> dict[str, Finding]:
        return [self.look() for _ in range(number)][-1]

    def spoil(self, name: str) -> None:
        for path in self.chance.there[name]:
            flip(self.base / name / path)


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    for place in ("base", "wal"):
        (tmp_path / place).mkdir()
    return Nights(Chance(tmp_path, random.Random(5)))


def sealed(folder: Path, old: str, new: str) -> None:
    """Edit a manifest so that it vouches for itself again."""
    text = (folder / "backup_manifest").read_text().replace(old, new)
    body = text.rpartition('"Manifest-Checksum"')[0]
    seal = hashlib.sha256(body.encode()).hexdigest()
    (folder / "backup_manifest").write_text(f'{body}"Manifest-Checksum": "{seal}"}}\n')


def rewritten(folder: Path, path: str, content: bytes) -> None:
    """Write another content, and let the manifest promise it."""
    before = (folder / path).read_bytes()
    (folder / path).write_bytes(content)
    sealed(folder, hashlib.sha256(before).hexdigest(), hashlib.sha256(content).hexdigest())
    sealed(folder, f'"{path}", "Size": {len(before)},', f'"{path}", "Size": {len(content)},')


def program(folder: Path, major: int) -> str:
    """pg_verifybackup that says to be of another major version."""
    file = folder / f"pg_verifybackup{major}"
    said = f'[ "$1" = --version ] && echo "pg_verifybackup (PostgreSQL) {major}.1" && exit'
    file.write_text(f'#!/bin/sh\n{said}\nexec {bin_dir() / "pg_verifybackup"} "$@"\n')
    file.chmod(0o755)
    return str(file)


# Nothing stops the proof -------------------------------------------------------------------------------------------


@pytest.mark.guide("G100", "fires", "silent")
def test_a_backup_of_the_major_version_before_an_upgrade_is_left_for_the_newest(nights: Nights) -> None:
    """pg_verifybackup of the new one cannot look at it."""
    nights.make("a17")
    nights.look()
    rewritten(nights.make("b18"), "PG_VERSION", b"18\n")
    upgraded = nights.look(verify_program=program(nights.chance.folder, 18))
    assert upgraded["integrity"].level is OK
    assert "1 of 7 parts of b18, " in upgraded["proof"].detail
    says = "1 of 7 parts were read of a17, which is not there any more, not as its manifest says, or of another major"
    assert says in upgraded["proof"].detail


@pytest.mark.guide("G100", "fires", "silent")
def test_where_pg_verifybackup_cannot_tell_the_files_are_read_all_the_same_and_the_newest_has_its_turn(
    nights: Nights,
) -> None:
    """Six parts of seven are read to their end; the one with the WAL is not, and after its time the newest is next."""
    nights.given["verify_program"] = "pg_verifybackup_that_is_not_there"
    nights.make("a")
    nights.looks()
    assert len(Memory.model_validate(nights.snapshot).read) == DAYS - 1
    nights.make("b")
    said = nights.looks(OVERDUE.days + 1)["proof"].detail
    assert " parts of b, " in said
    assert "6 of 7 parts were read of a, and the others could not be" in said


@pytest.mark.guide("G100", "fires", "silent")
def test_a_file_that_takes_too_long_does_not_keep_the_others_from_being_read(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All other files are read; then, after its time, of the newest too."""
    nights.make("a", 15)
    large = max(nights.chance.there["a"], key=lambda path: (nights.base / "a" / path).stat().st_size)
    fault, read = Reading.fault, set[tuple[str, str]]()

    def slow(self: Reading, folder: Path, path: str) -> str:
        if (folder.name, path) == ("a", large):
            raise OutOfTimeError
        read.add((folder.name, path))
        return fault(self, folder, path)

    monkeypatch.setattr(Reading, "fault", slow)
    late = nights.looks()
    assert {one for one in nights.chance.there["a"] if ("a", one) not in read} == {large}
    assert "6 of 7 parts of a, " in late["proof"].detail
    nights.make("b")
    assert " parts of b, " in nights.looks(OVERDUE.days + 1)["proof"].detail


@pytest.mark.guide("G100", "fires", "silent")
@pytest.mark.parametrize("way", ["sevenths", "whole"])
def test_what_was_bad_takes_no_time_from_what_is_due(nights: Nights, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """It is read again after that, and stays bad where no time is left."""
    nights.make("a")
    nights.spoil("a")
    nights.looks()
    nights.make("b")

    def late(self: Reading, *_: Any) -> str:
        self.until = 0
        raise OutOfTimeError

    monkeypatch.setattr(Reading, "again", late)
    looked = nights.look(proof=way)
    assert looked["integrity"].level is OK, looked["integrity"].detail
    assert looked["integrity:a"].level is CRITICAL


@pytest.mark.guide("G100", "fires", "silent")
def test_a_link_of_wal_that_leads_nowhere_stops_nothing(nights: Nights) -> None:
    """As where segments are linked from the archive; pg_verifybackup judges whether it needs them."""
    folder = nights.make("a")
    (folder / "pg_wal").mkdir()
    (folder / "pg_wal" / SEGMENT).symlink_to("/nowhere")
    for way in ("whole", "sevenths"):
        assert [nights.look(proof=way)["integrity"].level for _ in range(DAYS)] == [OK] * DAYS


@pytest.mark.guide("G100", "fires", "silent")
def test_without_the_package_for_crc32c_these_files_are_unknown_and_the_others_read(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named."""
    folder = nights.make("a")
    path = nights.chance.there["a"][0]
    digest = hashlib.sha256((folder / path).read_bytes()).hexdigest()
    sealed(folder, f'"SHA256", "Checksum": "{digest}"', '"CRC32C", "Checksum": "00000000"')
    monkeypatch.setitem(sys.modules, "google_crc32c", None)
    looks = [nights.look()["integrity"] for _ in range(DAYS)]
    assert {one.level for one in looks} == {OK, UNKNOWN}
    assert any("google-crc32c cannot be imported" in one.detail for one in looks)


# What is not so ----------------------------------------------------------------------------------------------------


@pytest.mark.guide("G100", "fires", "silent")
def test_a_folder_whose_name_is_used_anew_is_no_damaged_backup(nights: Nights) -> None:
    """As with one for each day of the week, while Monday's is being written."""
    nights.make("mon")
    nights.spoil("mon")
    nights.looks()
    nights.make("tue")
    shutil.rmtree(nights.base / "mon")
    folder = nights.make("mon")
    (folder / "backup_manifest").unlink()
    looked = nights.look()
    assert not [key for key in looked if key.startswith("integrity:")]
    assert looked["integrity"].level is OK


@pytest.mark.guide("G100", "fires", "silent")
@pytest.mark.parametrize("gone", ["backup_manifest", "base", "PG_VERSION"])
def test_what_is_missing_of_an_older_backup_is_critical_when_the_next_look_still_finds_it_so(
    nights: Nights, gone: str
) -> None:
    """First it may be being removed, and then it leaves nothing that is said."""
    folder = nights.make("0")
    nights.look()
    nights.make("1")
    nights.look()
    shutil.rmtree(folder / gone) if gone == "base" else (folder / gone).unlink()
    first = nights.look()["integrity:0"]
    assert (first.level, "it is being removed, or was damaged" in first.detail) == (WARNING, True)
    before = nights.snapshot
    assert nights.look()["integrity:0"].level is CRITICAL
    nights.snapshot = before
    shutil.rmtree(folder)
    removed = nights.look()
    assert "integrity:0" not in removed
    assert "with files that were bad" not in removed["proof"].detail


@pytest.mark.guide("G100", "fires", "silent")
def test_what_is_missing_of_the_newest_and_wrong_of_any_is_critical_at_once(nights: Nights) -> None:
    """A size that is wrong is no removal."""
    folder = nights.make("0")
    nights.look()
    (folder / nights.chance.there["0"][0]).unlink()
    assert nights.look()["integrity:0"].level is CRITICAL
    nights.make("0")
    nights.look()
    nights.make("1")
    (nights.base / "0" / nights.chance.there["0"][0]).write_bytes(b"")
    assert nights.look()["integrity:0"].level is CRITICAL


@pytest.mark.guide("G100", "fires", "silent")
def test_a_full_backup_that_another_is_built_on_does_not_need_its_own_wal(nights: Nights) -> None:
    """Retention has removed from the archive what came before the incremental one."""
    full, incremental = nights.make("full"), nights.make("incremental")
    label = (incremental / "backup_label").read_text()
    label = label.replace(f"0/2000028 (file {SEGMENT})", "0/5000028 (file 000000010000000000000005)")
    rewritten(incremental, "backup_label", f"{label}INCREMENTAL FROM LSN: 0/2000028\n".encode())
    wal = '"Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/3000000"'
    sealed(full, '"WAL-Ranges": [\n]', f'"WAL-Ranges": [\n{{ {wal} }}\n]')
    nights.chance.now += DAY
    looks = [nights.look() for _ in range(DAYS)]
    assert {one["integrity"].level for one in looks} == {OK}
    assert not any("integrity:full" in one for one in looks)
    assert "7 of 7 parts of incremental with the 1 backup that it is built on" in looks[-1]["proof"].detail


@pytest.mark.guide("G100", "fires", "silent")
def test_a_backup_of_another_timeline_is_not_what_an_incremental_one_is_built_on(nights: Nights) -> None:
    """Though it begins at the same position."""
    told = {
        "full": "START TIMELINE: 1\n",
        "incremental": "START TIMELINE: 1\nINCREMENTAL FROM LSN: 0/2000028\nINCREMENTAL FROM TLI: 1\n",
    }
    for name, more in told.items():
        folder = nights.make(name)
        label = (
            (folder / "backup_label").read_text().replace("0/2000028", "0/2000028" if name == "full" else "0/2000030")
        )
        rewritten(folder, "backup_label", (label + more).encode())
        nights.chance.now += DAY
    assert "of incremental with the 1 backup that it is built on" in nights.look()["proof"].detail
    folder = nights.base / "full"
    label = (folder / "backup_label").read_text()
    rewritten(folder, "backup_label", label.replace("START TIMELINE: 1", "START TIMELINE: 2").encode())
    said = nights.look()["proof"]
    assert (said.level, "it is built on one from 0/2000028, which is not in this folder" in said.detail) == (
        WARNING,
        True,
    )


@pytest.mark.guide("G100", "fires", "silent")
def test_a_file_that_is_missing_is_not_said_of_the_wal(nights: Nights) -> None:
    """Also where pg_verifybackup looks at the WAL after it is gone."""
    folder = nights.make("a")
    (folder / nights.chance.there["a"][0]).unlink()
    for _ in range(DAYS):
        assert " of its WAL" not in nights.look()["integrity:a"].detail


@pytest.mark.guide("G100", "fires", "silent")
def test_words_are_of_what_is_so_today(nights: Nights) -> None:
    """The name of today, what was read where time is over, and a link to the newest is no backup."""
    folder = nights.make("a")
    (nights.base / "latest").symlink_to("a")
    nights.spoil("a")
    said = nights.looks(2)
    assert "latest" not in said["proof"].detail
    late = nights.look(verify_timeout_seconds=1e-9)["proof"].detail
    assert "2 of 7 parts of a were read since" in late
    assert "nothing was read yet" not in late
    folder.rename(nights.base / "renamed")
    nights.make("b")
    said = nights.look()
    assert said["integrity:renamed"].detail.startswith("renamed: checksum mismatch")
    assert "parts of renamed, " in said["proof"].detail
    assert "take another" not in said["integrity:renamed"].remedy


# Nothing bad is hidden or forgotten --------------------------------------------------------------------------------


@pytest.mark.guide("G100", "fires", "silent")
def test_each_backup_that_is_bad_has_its_own_finding(nights: Nights) -> None:
    """Who acknowledges one, also while it is the newest, learns what is bad of the next; or where none is finished."""
    nights.make("a")
    nights.spoil("a")
    nights.looks()
    nights.make("b", 9)
    flip(nights.base / "b" / nights.chance.there["b"][0])
    looked = nights.looks()
    assert {key for key, one in looked.items() if one.level is CRITICAL and "integrity" in key} == {
        "integrity:a",
        "integrity:b",
    }
    assert "a: " not in looked["integrity:b"].detail
    for name in ("a", "b"):
        (nights.base / name / "backup_manifest").rename(nights.base / name / "aside")
    looked = nights.look(proof="whole")
    assert looked["completion"].level is CRITICAL
    assert looked["integrity:a"].level is CRITICAL


@pytest.mark.guide("G100", "fires", "silent")
def test_a_memory_of_another_shape_loses_only_what_cannot_be_read_and_says_so(nights: Nights) -> None:
    """What is new in it is left out; what is broken is a warning, in the days after too."""
    nights.make("a")
    nights.spoil("a")
    nights.looks()
    nights.make("b")
    whole = nights.snapshot
    nights.snapshot = whole | {"more": 1, "bad": [one | {"more": 1} for one in whole["bad"]]}
    said = nights.look()
    assert (said["integrity:a"].level, said["integrity"].level) == (CRITICAL, OK)
    for broken in (whole | {"at": "never"}, whole | {"bad": [*whole["bad"], {"path": 3}]}):
        nights.snapshot = broken
        for _ in range(2):
            said = nights.look()
            assert (said["integrity:a"].level, said["integrity"].level) == (CRITICAL, WARNING)
            assert "could not be read from the ledger" in said["integrity"].detail
    assert known(whole, nights.chance.now) is not None
    for broken in (whole | {"at": "never"}, whole | {"under": []}):
        nights.snapshot = broken
        said = nights.look(verify_timeout_seconds=1e-9)
        assert [said[one].level for one in ("integrity:a", "integrity", "proof")] == [CRITICAL, UNKNOWN, UNKNOWN]
        assert "of b nothing was read yet, " in said["proof"].detail
        assert "nothing is known of earlier looks: begun anew" in said["proof"].detail
        assert ("could not be read from the ledger" in said["integrity"].detail) == ("never" in broken.values())
        assert "1 of 7 parts of b, " in nights.look()["proof"].detail
    nights.snapshot = "nothing"
    assert nights.look(proof="whole")["integrity"].level is WARNING


@pytest.mark.guide("G100", "fires", "silent")
def test_a_manifest_that_was_edited_to_match_makes_nothing_good(nights: Nights) -> None:
    """It vouches for itself, and is not the one that it was; nor is that one again, once the other was under proof."""
    folder = nights.make("a")
    manifest = (folder / files.MANIFEST).read_bytes()
    nights.spoil("a")
    nights.looks()
    before = nights.snapshot["bad"]
    for path in nights.chance.there["a"]:
        content = (folder / path).read_bytes()
        flip(folder / path)
        was = hashlib.sha256((folder / path).read_bytes()).hexdigest()
        flip(folder / path)
        sealed(folder, was, hashlib.sha256(content).hexdigest())
    said = nights.look()["integrity:a"]
    assert (said.level, "its manifest is not the one that it had" in said.detail) == (CRITICAL, True)
    assert len(nights.snapshot["bad"]) == len(before) + 1
    (folder / files.MANIFEST).write_bytes(manifest)
    nights.spoil("a")
    said = nights.looks()["integrity:a"]
    assert (said.level, "its manifest is not the one that it had" in said.detail) == (CRITICAL, True)
    nights.make("b")
    shutil.rmtree(folder)
    assert "integrity:a" not in nights.look()


@pytest.mark.guide("G100", "fires", "silent")
@pytest.mark.parametrize(("old", "new"), [('"Size": 3,', '"Size": 1e999,'), ('"PG_VERSION"', '"\\ud800"')])
def test_a_damaged_manifest_of_any_backup_costs_no_other_finding(nights: Nights, old: str, new: str) -> None:
    """A size that is no number, a name that no file can have; whichever backup it is of, and whether it is sealed."""
    folder = nights.make("a")
    nights.look()
    nights.make("b")
    good = (folder / files.MANIFEST).read_text()
    assert old in good
    (folder / files.MANIFEST).write_text(good.replace(old, new))
    said = nights.look()
    assert said["integrity:a"].level is CRITICAL
    assert (said["completion"].level, "parts of b, " in said["proof"].detail) == (OK, True)
    (folder / files.MANIFEST).write_text(good)
    assert "integrity:a" not in nights.look()
    sealed(nights.base / "b", old, new)
    said = nights.look(proof="whole")
    assert said["completion"].level is CRITICAL
    assert "is not what pg_basebackup writes" in said["completion"].detail


@pytest.mark.guide("G100", "holds")
def test_what_was_bad_is_read_again_in_turns_where_it_is_much(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was tried longest ago is first, however often a day somebody looks."""
    monkeypatch.setattr(proof, "_AGAIN", 0)
    nights.make("a", 15)
    nights.spoil("a")
    nights.looks()
    nights.make("b")
    mended = nights.chance.there["a"][::5]
    for path in mended:
        flip(nights.base / "a" / path)
    for _ in range(len(nights.chance.there["a"])):
        nights.chance.now -= DAY - timedelta(minutes=1)
        nights.look()
    assert {one["path"] for one in nights.snapshot["bad"]} == {*nights.chance.there["a"]} - {*mended}


@pytest.mark.guide("G100", "fires", "silent")
def test_very_many_bad_files_are_one_until_all_was_read_good(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is known stays small."""
    monkeypatch.setattr(proof_look, "MOST", 3)
    nights.make("a", 10)
    nights.spoil("a")
    said = nights.looks()["integrity:a"]
    assert "more than 3 of its files are bad" in said.detail
    assert len(nights.snapshot["bad"]) == 1
    nights.spoil("a")
    assert nights.looks(DAYS - 1)["integrity:a"].level is CRITICAL, "one part was not read since"
    assert "integrity:a" not in nights.looks(1)


# By itself ---------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G100", "holds")
def test_a_proof_is_stuck_only_where_each_part_was_tried_for_long() -> None:
    """Days without a look are none."""
    now = datetime(2026, 5, 4, 2, tzinfo=UTC)
    one, other = (Kept(name=name, checksum=name) for name in ("one", "other"))
    memory = Memory(since=now, at=now).chosen([one], lambda _: True, now).shared([[Piece(0, "a", 1)]] * DAYS, "")
    late = now + OVERDUE + DAY
    assert memory.trying(0, late).chosen([other], lambda _: True, late).under == (one,)
    for part in range(DAYS):
        assert memory.due() == part
        memory = memory.trying(part, now)
    assert memory.chosen([other], lambda _: True, now + OVERDUE).under == (one,)
    assert memory.chosen([other], lambda _: True, late).under == (other,)
    assert memory.after(0, late).chosen([other], lambda _: True, late).under == (one,)
