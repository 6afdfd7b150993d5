"""What was bad in a folder that config named before: nothing that is not known to be gone is forgotten (G100)."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.areas.backups.test_proof_by_chance import flip
from tests.areas.backups.test_proof_troubles import CRITICAL, OK, UNKNOWN, WARNING, Nights
from tests.areas.backups.test_proof_troubles import nights as nights  # noqa: PLC0414  # a fixture
from upkeep.areas.backups import files, proof_elsewhere
from upkeep.areas.backups.proof_memory import DAYS, Kept, Memory, Piece
from upkeep.core.findings import Finding


@pytest.fixture
def other(nights: Nights, tmp_path: Path) -> Path:
    """Another folder, with a good backup; in the first one each file of the only backup is bad, and known to be."""
    nights.make("new")
    (nights.base / "new").rename(tmp_path / "new")
    del nights.chance.there["new"]
    nights.make("a", 9)
    nights.spoil("a")
    nights.looks()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "new").rename(elsewhere / "new")
    return elsewhere


@contextmanager
def unreadable(folder: Path) -> Iterator[None]:
    """A folder that no user can read, root neither, though it is not gone."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.symlink_to(folder)
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)


def bad(looked: dict[str, Finding]) -> set[str]:
    """Keys of backups with files that are bad."""
    return {key for key, one in looked.items() if key.startswith("integrity:") and one.level is CRITICAL}


@pytest.mark.guide("G100", "fires", "silent")
@pytest.mark.parametrize("way", ["sevenths", "whole"])
def test_an_earlier_folder_that_cannot_be_read_is_not_one_that_is_gone(nights: Nights, other: Path, way: str) -> None:
    """Its bad backup is critical still, and why it is not known whether it is there is said; gone it is no finding."""
    key = f"integrity:{nights.base / 'a'}"
    with unreadable(nights.base):
        looked = nights.look(base=other, proof=way)
    assert bad(looked) == {key}
    assert "whether it is there is not known: Too many levels of symbolic links" in looked[key].detail
    assert "name that folder in targets.<target>.backups.base again" in looked[key].remedy
    assert "config/exceptions.yaml with this finding's key and up_to: critical" in looked[key].remedy
    looked = nights.look(base=other, proof=way)
    assert bad(looked) == {key}
    assert "not known" not in looked[key].detail
    nights.base.rename(other.with_name("unmounted"))
    assert bad(nights.look(base=other, proof=way)) == set()
    other.with_name("unmounted").rename(nights.base)
    assert bad(nights.look(base=other, proof=way)) == {key}


@pytest.mark.guide("G100", "fires", "silent")
def test_where_the_folder_of_config_cannot_be_read_what_is_bad_is_said(nights: Nights, other: Path) -> None:
    """Of both folders: neither is known to be gone."""
    with unreadable(other):
        looked = nights.look(base=other)
    assert (looked["completion"].level, bad(looked)) == (UNKNOWN, {f"integrity:{nights.base / 'a'}"})
    with unreadable(nights.base):
        looked = nights.look()
    assert (looked["completion"].level, bad(looked)) == (UNKNOWN, {"integrity:a"})


@pytest.mark.guide("G100", "fires", "silent")
def test_a_good_copy_elsewhere_makes_nothing_good(nights: Nights, other: Path) -> None:
    """What is bad of each copy is known of each; a folder that was moved along with config is as bad as before."""
    shutil.copytree(nights.base / "a", other / "a")
    for path in nights.chance.there["a"]:
        flip(other / "a" / path)
    key = f"integrity:{nights.base / 'a'}"
    for _ in range(DAYS):
        assert bad(nights.look(base=other)) == {key}
    assert bad(nights.look()) == {"integrity:a"}
    flip(other / "a" / nights.chance.there["a"][0])
    looked = [nights.look(base=other) for _ in range(2 * DAYS)][-1]
    assert bad(looked) == {key, "integrity:a"}
    assert looked["integrity:a"].detail.count("checksum mismatch") == 1
    shutil.rmtree(other)
    nights.base.rename(other)
    assert bad(nights.look(base=other)) == {"integrity:a"}
    (link := other.with_name("link")).symlink_to(other)
    assert bad(nights.look(base=link)) == {"integrity:a"}


@pytest.mark.guide("G100", "fires")
def test_a_bad_backup_that_is_moved_after_config_is_bad_there(nights: Nights, other: Path) -> None:
    """At one look it was in neither folder; then it is read once more where it is now, and only there."""
    aside = other.with_name("aside")
    (nights.base / "a").rename(aside)
    assert bad(nights.look(base=other)) == set()
    aside.rename(other / "a")
    for _ in range(2 * DAYS):
        assert bad(nights.look(base=other)) == {"integrity:a"}
    for path in nights.chance.there["a"]:
        flip(other / "a" / path)
    looked = [nights.look(base=other) for _ in range(DAYS)]
    assert bad(looked[-1]) == set()
    assert [one["taken"] for one in nights.snapshot["bad"]] == [True] * len(nights.chance.there["a"])


@pytest.mark.guide("G100", "silent")
def test_a_proof_that_an_earlier_upkeep_began_goes_on() -> None:
    """Its digest of the parts did not say in which folder they are."""
    now, parts = datetime.now(UTC), [[Piece(0, "x", 1)], [Piece(0, "y", 1)]]
    digest = hashlib.sha256(json.dumps([["seal"], parts]).encode()).hexdigest()[:16]
    under = (Kept(name="a", checksum="seal"),)
    begun = Memory(since=now, at=now, under=under, plan=digest, parts=2, read={0: now})
    known = begun.shared(parts, "/backups")
    assert (known.read, known.left) == ({0: now}, "")
    assert known.shared(parts, "/elsewhere").read == {}


@pytest.mark.guide("G100", "silent")
def test_what_was_read_whole_and_is_begun_anew_is_not_late(nights: Nights, tmp_path: Path) -> None:
    """It has its week again, counted from when it was last read."""
    nights.make("a", 9)
    nights.looks(3 * DAYS)
    nights.base.rename(tmp_path / "moved")
    looked = [nights.look(base=tmp_path / "moved") for _ in range(DAYS)]
    assert {one["proof"].level for one in looked} == {OK}


@pytest.mark.guide("G100", "fires", "silent")
def test_bytes_of_one_folder_do_not_count_as_read_of_its_copy(nights: Nights, tmp_path: Path) -> None:
    """The proof begins anew where config names another folder, and says so."""
    nights.make("a", 9)
    nights.looks(DAYS - 1)
    shutil.copytree(nights.base / "a", tmp_path / "copy" / "a")
    for path in nights.chance.there["a"]:
        flip(tmp_path / "copy" / "a" / path)
    said = nights.look(base=tmp_path / "copy")["proof"].detail
    assert "1 of 7 parts of a, " in said
    assert "6 of 7 parts were read of a, which was begun anew in other parts: the budget, its folder or" in said
    for _ in range(DAYS - 1):
        nights.look(base=tmp_path / "copy")
    assert {one["path"] for one in nights.snapshot["bad"]} == {*nights.chance.there["a"]}


@pytest.mark.guide("G100", "fires", "silent")
def test_what_was_missing_for_two_looks_outlives_one_at_which_it_is_away(nights: Nights) -> None:
    """It was critical: only what was missing once may have been being removed."""
    folder = nights.make("a")
    nights.look()
    nights.make("b")
    nights.look()
    (folder / "PG_VERSION").unlink()
    assert nights.look()["integrity:a"].level is WARNING
    assert nights.look()["integrity:a"].level is CRITICAL
    folder.rename(nights.base.with_name("away"))
    assert "integrity:a" not in nights.look()
    nights.base.with_name("away").rename(folder)
    assert nights.look()["integrity:a"].level is CRITICAL


@pytest.mark.guide("G100", "fires", "silent")
def test_a_folder_name_that_is_used_anew_in_an_earlier_folder_is_another_backup(nights: Nights, other: Path) -> None:
    """As of one for each day of the week; what lies there without a word of its own is the one that was bad."""
    key, folder = f"integrity:{nights.base / 'a'}", nights.base / "a"
    for name in (files.MANIFEST, files.LABEL):
        (folder / name).rename(folder / f"{name}.aside")
    assert bad(nights.look(base=other)) == {key}
    shutil.rmtree(folder)
    nights.make("a")
    assert bad(nights.look(base=other)) == set()


@pytest.mark.guide("G100", "fires", "silent")
def test_a_bad_backup_that_is_renamed_in_an_earlier_folder_is_bad_there(nights: Nights, other: Path) -> None:
    """By its label and manifest, under its new name, until it is removed; a link to it is no other one."""
    (nights.base / "latest").symlink_to(nights.base / "b")
    (nights.base / "a").rename(nights.base / "b")
    for _ in range(2):
        assert bad(nights.look(base=other)) == {f"integrity:{nights.base / 'b'}"}
    (nights.base / "b" / files.LABEL).unlink()
    assert bad(nights.look(base=other)) == {f"integrity:{nights.base / 'b'}"}
    shutil.rmtree(nights.base / "b")
    assert bad(nights.look(base=other)) == set()


@pytest.mark.guide("G100", "fires", "silent")
def test_bad_backups_that_change_names_in_an_earlier_folder_stay_bad(nights: Nights, other: Path) -> None:
    """Each under its name of today, as where the oldest is removed and the others move up; a copy of one is another."""
    base = nights.base
    nights.make("b", 9)
    nights.spoil("b")
    nights.looks(3 * DAYS)
    both = {f"integrity:{base / 'a'}", f"integrity:{base / 'b'}"}
    assert bad(nights.look(base=other)) == both
    (base / "a").rename(base / "aside")
    (base / "b").rename(base / "a")
    (base / "aside").rename(base / "b")
    assert bad(nights.look(base=other)) == both
    shutil.copytree(base / "a", base / "0_copy")
    (base / "a").rename(base / "c")
    assert bad(nights.look(base=other)) == {f"integrity:{base / 'b'}", f"integrity:{base / 'c'}"}
    shutil.rmtree(base / "c")
    (base / "b").rename(base / "c")
    shutil.rmtree(base / "0_copy")
    assert bad(nights.look(base=other)) == {f"integrity:{base / 'c'}"}
    shutil.rmtree(base / "c")
    assert bad(nights.look(base=other)) == set()


@pytest.mark.guide("G100", "fires", "silent")
def test_what_may_be_a_good_copy_in_an_earlier_folder_is_not_known_to_be_bad(nights: Nights, other: Path) -> None:
    """All of the same name inside are said, until they are removed too."""
    for name in ("from_tape", "later"):
        shutil.copytree(nights.base / "a", nights.base / name)
        for path in nights.chance.there["a"]:
            flip(nights.base / name / path)
    key = f"integrity:{nights.base / 'a'}"
    assert bad(nights.look(base=other)) == {key}
    shutil.rmtree(nights.base / "a")
    for _ in range(2):
        looked = nights.look(base=other)
        assert looked[key].level is WARNING
        assert "is not known: the same backup lies there as from_tape, later" in looked[key].detail
        assert looked[key].remedy.startswith("Name that folder in targets.<target>.backups.base again")
    for name in ("from_tape", "later"):
        shutil.rmtree(nights.base / name)
    assert key not in nights.look(base=other)


@pytest.mark.guide("G100", "fires", "silent")
@pytest.mark.parametrize("marked", [True, False], ids=["its folder is known", "by an earlier Upkeep"])
def test_a_renamed_bad_backup_whose_label_cannot_be_read_is_not_gone(
    nights: Nights, other: Path, *, marked: bool
) -> None:
    """Its folder tells it, or it is said that it may be this one; a folder beside it that it cannot be is none."""
    for one in nights.snapshot["bad"]:
        one["mark"] = one["mark"] if marked else ""
    folder, renamed = nights.base / "a", nights.base / "b"
    folder.rename(renamed)
    (renamed / files.LABEL).unlink()
    (renamed / files.LABEL).symlink_to(renamed / files.LABEL)
    looked = nights.look(base=other)
    if marked:
        assert bad(looked) == {f"integrity:{renamed}"}
    else:
        assert looked[f"integrity:{folder}"].level is WARNING
        assert (
            "what cannot be read there: b (Too many levels of symbolic links)" in looked[f"integrity:{folder}"].detail
        )
    shutil.rmtree(renamed)
    assert not [key for key in nights.look(base=other) if str(nights.base) in key]


@pytest.mark.guide("G100", "fires", "silent")
def test_a_disk_that_does_not_answer_holds_up_no_look(
    nights: Nights, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was bad on it stays so, and all of the new folder is read."""
    monkeypatch.setattr(proof_elsewhere, "ANSWERS", 0.1)
    label = nights.base / "a" / files.LABEL
    label.unlink()
    os.mkfifo(label)  # opened to be read it waits for somebody to write
    try:
        looked = nights.look(base=other)
    finally:
        os.close(os.open(label, os.O_RDWR))
    assert looked["integrity"].level is OK
    assert bad(looked) == {key := f"integrity:{nights.base / 'a'}"}
    assert "it did not answer within 0.1 s" in looked[key].detail


@pytest.mark.guide("G100", "fires", "silent")
@pytest.mark.parametrize("folder", ["relative/a", "/srv/../etc/a", "/srv/\ud800", "/srv/\0"])
def test_a_path_of_the_ledger_that_upkeep_does_not_write_is_lost_and_said(nights: Nights, folder: str) -> None:
    """It is not looked at; what else was bad counts."""
    nights.make("a", 9)
    nights.spoil("a")
    nights.looks()
    first, *more = Memory.model_validate(nights.snapshot).bad
    nights.snapshot["bad"][0]["folder"] = folder
    looked = nights.look()
    assert looked["integrity"].level is WARNING
    assert "could not be read from the ledger" in looked["integrity"].detail
    known = {(one["backup"]["name"], one["path"]) for one in nights.snapshot["bad"]}
    assert known >= {(one.backup.name, one.path) for one in more}
    assert all(one["folder"] == str(nights.base / first.backup.name) for one in nights.snapshot["bad"])
