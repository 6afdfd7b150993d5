"""The table of docs/coverage.md: only passing tests stand in it, what is missing fails, and it has not drifted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.coverage_table import ITEMS as NUMBERS
from tests.coverage_table import ROOT, problems, read_items, read_marks, render, write_table

ITEMS = """
G1: {title: one, needs: [fires, silent]}
G2: {title: two, needs: [holds]}
G3: {title: three, lacks: everything}
""" + "".join(f"G{number}: {{title: later, part: 9}}\n" for number in NUMBERS[3:])
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


def run(folder: Path, *files: str, items: str = ITEMS) -> tuple[str, str]:
    """Run each file of tests by itself and put the runs together: what is missing, the table if there is one."""
    (folder / "tests").mkdir(exist_ok=True)
    (folder / "tests/guide.yaml").write_text(items)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = guide\n")
    options = ["-p", "tests.coverage_table", "-p", "no:cacheprovider", "--import-mode=importlib", "--strict-markers"]
    passed: set[str] = set()
    for number, text in enumerate(files):
        file, out = folder / f"tests/test_{number}.py", folder / f"{number}.json"
        file.write_text(text)
        subprocess.run(
            [sys.executable, "-m", "pytest", *options, "--rootdir", str(folder), "--passed", str(out), str(file)],
            env={**os.environ, "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
        passed |= set(json.loads(out.read_text()))
    table = folder / "coverage.md"
    said = write_table(table, folder / "tests", passed)
    return "\n".join(said), table.read_text() if table.exists() else ""


def test_the_table_of_a_run_that_passed(tmp_path: Path) -> None:
    """Each id with its tests by need, and what no test shows; two parameters are one test."""
    said, table = run(tmp_path, GOOD)
    assert said == ""
    fires, both = "`test_0.py::test_fires`", "`test_0.py::test_both`"
    assert f"| G1 | one | {fires} | {both} | {both} |\n" in table
    assert f"| G2 | two | – | {both} | {both} |\n" in table
    assert table.endswith("- G3, three: everything\n")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"G1", "fires"', '"G1", "holds"', "G1 (one): no test fires"),
        ("assert n", "assert n == 1", "G1 (one): no test fires"),
        ("    pass", "    pytest.skip('no server')", "test_0.py::test_both: marked, but it did not pass"),
        ("    pass", "    pytest.xfail('not yet')", "G2 (two): no test holds"),
        ('"G1", "fires"', '"G1", "X4", "fires"', "X4: marked in tests/test_0.py::test_fires, expected it in"),
        ('"G1", "fires"', '"G1", "G4", "fires"', "G4: marked, and said to be built by part 9"),
    ],
    ids=[
        "a need nobody meets",
        "one parameter fails",
        "skipped",
        "expected to fail",
        "an id nobody knows",
        "an id that is not built",
    ],
)
def test_what_is_missing_fails_and_leaves_no_table(tmp_path: Path, old: str, new: str, said: str) -> None:
    """A test that did not pass counts for nothing, whichever way."""
    assert GOOD.count(old) == 1
    output, table = run(tmp_path, GOOD.replace(old, new))
    assert table == ""
    assert said in output


def test_two_runs_side_by_side_are_one_table(tmp_path: Path) -> None:
    """`make test` runs the tests on Airflow beside the others: each proves what it ran."""
    first, second = GOOD.split('@pytest.mark.guide("G1-G2"')
    second = 'import pytest\n\n@pytest.mark.guide("G1-G2"' + second
    said, table = run(tmp_path, first, second)
    assert said == ""
    assert "| G1 | one | `test_0.py::test_fires` | `test_1.py::test_both` | `test_1.py::test_both` |\n" in table
    assert "| G4 | later | not built: part 9 | – | – |\n" in table
    said, _ = run(tmp_path, first, second.replace("pass", "assert False"))
    assert "tests/test_1.py::test_both: marked, but it did not pass in this run" in said


def test_an_item_of_the_guide_without_a_row_is_told(tmp_path: Path) -> None:
    """What nobody lists would look as if it were not asked for."""
    said, table = run(tmp_path, GOOD, items=ITEMS.replace("G31: {title: later, part: 9}\n", ""))
    assert (said, table) == ("G31: found no row, expected one in tests/guide.yaml", "")


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


def test_every_need_has_its_marks_and_the_published_table_has_not_drifted() -> None:
    """docs/coverage.md is what the decorators and tests/guide.yaml say; `make coverage` proves and writes it anew."""
    items, marks = read_items(ROOT / "tests/guide.yaml"), read_marks(ROOT / "tests")
    assert problems(items, marks) == []
    published = (ROOT / "docs/coverage.md").read_text(encoding="utf-8")
    assert published == render(items, marks), "make coverage writes it anew"
