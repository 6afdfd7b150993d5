"""The mutation run itself: which faults it plants, and that it names those that live."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from tests.mutants import __main__ as run
from tests.mutants.mutate import mutants

CODE = b'''"""Doc."""


def old(age: int, limit: int = 3) -> str:
    """Whether it is \xe2\x80\xa6 old."""
    if age > limit and limit:
        return f"{age} is over {limit}"
    return ""
'''
TEST = """from old import old


def test_old() -> None:
    assert old(9, 3) == "9 is over 3"
    assert old(1, 3) == ""
"""


def becomes(path: str, source: bytes) -> list[str]:
    """The lines that faults make of a file."""
    return [one.becomes for one in mutants(path, source)]


def test_faults_are_planted_in_code_and_not_in_texts() -> None:
    """Boundaries, and/or, conditions, numbers and what a function returns; nothing in f-strings or docstrings."""
    assert sorted(becomes("old.py", CODE)) == [
        "def old(age: int, limit: int = 4) -> str:",
        "if (age > limit or limit):",
        "if (age >= limit) and limit:",
        "if (not (age > limit and limit)):",
        "return ''",
        "return 'mutant'",
    ]
    for one in mutants("old.py", CODE):
        ast.parse(one.planted(CODE))
        assert one.was in " ".join(CODE.decode().split())


def test_calls_raises_and_levels_are_faults_too() -> None:
    """What a function does and refuses can be left out, a level turned into ok, and an outcome into its other."""
    source = (
        b"def f(x) -> bool:\n    lock(x)\n    raise E\n"
        b"    g(Level.CRITICAL, DONE, not x, x is None)\n    return a + b\n"
    )
    assert becomes("f.py", source) == [
        "pass",
        "pass",
        "pass",
        "g(Level.OK, DONE, not x, x is None)",
        "g(Level.CRITICAL, NOT_DONE, not x, x is None)",
        "g(Level.CRITICAL, DONE, (x), x is None)",
        "g(Level.CRITICAL, DONE, not x, (x is not None))",
        "return not (a + b)",
        "return (a - b)",
    ]


def test_faults_of_a_statement_leave_its_comments_and_texts_alone() -> None:
    """Comparisons, and/or, NOT and NULL."""
    source = b"-- a = b AND c\nSELECT 'a = b' FROM t WHERE a = %(a)s AND NOT EXISTS (x) AND b IS NULL AND c >= 1"
    assert becomes("a.sql", source) == [
        "SELECT 'a = b' FROM t WHERE a <> %(a)s AND NOT EXISTS (x) AND b IS NULL AND c >= 1",
        "SELECT 'a = b' FROM t WHERE a = %(a)s OR NOT EXISTS (x) AND b IS NULL AND c >= 1",
        "SELECT 'a = b' FROM t WHERE a = %(a)s AND EXISTS (x) AND b IS NULL AND c >= 1",
        "SELECT 'a = b' FROM t WHERE a = %(a)s AND NOT EXISTS (x) OR b IS NULL AND c >= 1",
        "SELECT 'a = b' FROM t WHERE a = %(a)s AND NOT EXISTS (x) AND b IS NOT NULL AND c >= 1",
        "SELECT 'a = b' FROM t WHERE a = %(a)s AND NOT EXISTS (x) AND b IS NULL OR c >= 1",
        "SELECT 'a = b' FROM t WHERE a = %(a)s AND NOT EXISTS (x) AND b IS NULL AND c > 1",
    ]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one room, whose test looks neither at the boundary nor at the default."""
    (tmp_path / "old.py").write_bytes(CODE)
    (tmp_path / "test_old.py").write_text(TEST)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


ROOM = run.Room("old", ("old.py",), ("test_old.py",))


def test_who_survives_is_named_who_is_killed_is_counted(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two live: one of them is argued and does not count, the other keeps the score from the goal."""
    sample = run.planted([ROOM], project)
    same = {"path": "old.py", "was": "if age > limit and limit:", "becomes": "if (age >= limit) and limit:"}
    found = run.judge(sample, project, 2, [same | {"because": "of the test"}])
    lived = {one.mutant.becomes: one.argued for one in found if one.ran.passed}
    assert lived == {
        "def old(age: int, limit: int = 4) -> str:": "",
        "if (age >= limit) and limit:": "of the test",
    }
    assert {one.ran.by for one in found if not one.ran.passed} == {"test_old.py::test_old"}
    capsys.readouterr()
    assert run.report(found) == 1
    said = capsys.readouterr().out
    assert "Survived: 1\nSURVIVED: old.py:4\n" in said
    assert "argued: old.py:6" in said
    assert "because of the test" in said
    assert "4 of 5 killed (0 by the clock): 80.0 %, goal 95 %" in said
    assert run.report([one for one in found if not one.ran.passed]) == 0
    assert (project / "old.py").read_bytes() == CODE


def test_tests_that_fall_anyway_judge_nothing(project: Path) -> None:
    """Each fault would count as killed."""
    (project / "test_old.py").write_text("def test_old() -> None:\n    assert 0\n")
    with pytest.raises(SystemExit, match=r"they can judge none: old \(test_old.py::test_old\)"):
        run.judge(run.planted([ROOM], project), project, 1, [])


def test_each_room_has_its_files_and_each_argument_its_fault() -> None:
    """What was moved or rewritten since is said here, not in the middle of an hour's run."""
    possible = {(one.path, one.was, one.becomes) for _, one in run.planted(run.rooms())}
    assert len(possible) > 1000
    for one in run.argued():
        assert (one["path"], one["was"], one["becomes"]) in possible, one
        assert len(one["because"]) > 20


def test_a_room_whose_file_is_gone_is_told(tmp_path: Path) -> None:
    """By its name, before anything runs."""
    (tmp_path / "rooms.yaml").write_text("old: {files: [gone.py], tests: ['*.yaml']}")
    with pytest.raises(SystemExit, match=r"old\.files: found no file gone\.py"):
        run.rooms(tmp_path, tmp_path)
