"""The table of docs/coverage.md: only passing tests stand in it, what is missing fails, and it has not drifted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.coverage_table import ROOT, problems, read_items, read_marks, render

ITEMS = """
G1: {title: one, needs: [fires, silent]}
G2: {title: two, needs: [holds]}
G3: {title: three, lacks: everything}
"""
GOOD = """
import pytest

@pytest.mark.guide("G1", "fires")
@pytest.mark.parametrize("n", [1, 2])
def test_fires(n):
    assert n

@pytest.mark.guide("G1-G2", "silent", "holds")
def test_both():
    pass
"""


def run(folder: Path, tests: str, items: str = ITEMS) -> tuple[int, str, str]:
    """Run these tests for a table: exit code, what was said, the table if there is one."""
    file, table = folder / "tests/test_some.py", folder / "coverage.md"
    file.parent.mkdir(exist_ok=True)
    file.write_text(tests)
    (folder / "tests/guide.yaml").write_text(items)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = guide\n")
    table.unlink(missing_ok=True)
    options = ["-p", "tests.coverage_table", "-p", "no:cacheprovider", "--import-mode=importlib", "--strict-markers"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", str(folder), "--guide-table", str(table), str(file)],
        env={**os.environ, "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr, table.read_text() if table.exists() else ""


def test_the_table_of_a_run_that_passed(tmp_path: Path) -> None:
    """Each id with its tests by need, and what no test shows; two parameters are one test."""
    code, said, table = run(tmp_path, GOOD)
    assert code == 0, said
    fires, both = "`test_some.py::test_fires`", "`test_some.py::test_both`"
    assert f"| G1 | one | {fires} | {both} | {both} |\n" in table
    assert f"| G2 | two | – | {both} | {both} |\n" in table
    assert table.endswith("- G3, three: everything\n")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"G1", "fires"', '"G1", "holds"', "G1 (one): no test fires"),
        ("assert n", "assert n == 1", "G1 (one): no test fires"),
        ("    pass", "    pytest.skip('no server')", "test_some.py::test_both: marked, but it did not pass"),
        ("    pass", "    pytest.xfail('not yet')", "G2 (two): no test holds"),
        ('"G1", "fires"', '"G1", "G4", "fires"', "G4: marked in tests/test_some.py::test_fires, expected it in"),
    ],
    ids=["a need nobody meets", "one parameter fails", "skipped", "expected to fail", "an id nobody knows"],
)
def test_what_is_missing_fails_and_leaves_no_table(tmp_path: Path, old: str, new: str, said: str) -> None:
    """A test that did not pass counts for nothing, whichever way."""
    assert GOOD.count(old) == 1
    code, output, table = run(tmp_path, GOOD.replace(old, new))
    assert (code, table) == (1, "")
    assert said in output


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ('"G1"', "expected ids and then at least one of"),
        ('"fires"', "expected ids and then at least one of"),
        ('"G1", "fire"', "found the id 'fire'"),
        ('"G1-X3", "fires"', "found the id 'G1-X3'"),
        ('"G1", why="fires"', "expected ids and then at least one of"),
    ],
)
def test_a_mark_that_says_nothing_is_refused(tmp_path: Path, mark: str, said: str) -> None:
    """A misspelt need would otherwise be a test that stands nowhere."""
    (tmp_path / "test_one.py").write_text(f"@pytest.mark.guide({mark})\ndef test_a(): ...\n")
    with pytest.raises(ValueError, match=r"test_one\.py::test_a") as caught:
        read_marks(tmp_path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        'pytestmark = pytest.mark.guide("G1", "fires")',
        'class TestIt:\n    @pytest.mark.guide("G1", "fires")\n    def test_a(self): ...',
        'CASES = [pytest.param(1, marks=pytest.mark.guide("G1", "fires"))]',
    ],
)
def test_a_mark_elsewhere_is_refused(tmp_path: Path, text: str) -> None:
    """What is not the decorator of a test function would not be read."""
    (tmp_path / "test_one.py").write_text(text)
    with pytest.raises(ValueError, match="found 1 guide marks, expected each as the decorator"):
        read_marks(tmp_path)


def test_an_item_needs_something_or_says_why_not(tmp_path: Path) -> None:
    """Otherwise it would look proven; a misspelt need would ask for nothing."""
    for fields in ("{title: a}", "{title: a, needs: [fire]}"):
        (tmp_path / "guide.yaml").write_text(f"G1: {fields}\n")
        with pytest.raises(ValueError, match="G1: found needs"):
            read_items(tmp_path / "guide.yaml")


def test_every_need_has_its_marks_and_the_published_table_has_not_drifted(pytestconfig: pytest.Config) -> None:
    """docs/coverage.md is what the decorators and tests/guide.yaml say; `make coverage` proves and writes it anew."""
    items, marks = read_items(ROOT / "tests/guide.yaml"), read_marks(ROOT / "tests")
    assert problems(items, marks) == []
    if not pytestconfig.getoption("guide_table"):  # else this run is about to write it
        published = (ROOT / "docs/coverage.md").read_text(encoding="utf-8")
        assert published == render(items, marks), "make coverage writes it anew"
