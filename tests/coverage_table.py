"""Which test makes a finding of a guide item appear, and which makes it disappear: docs/coverage.md, from the tests.

A test says what it proves in a decorator: ids or ranges of ids, then what it shows of each of them.

    @pytest.mark.guide("G39-G43", "fires", "silent")

`tests/guide.yaml` says what each id needs. `make coverage` runs `make test` and writes the table from what passed;
`tests/project/test_guide_table.py` holds it against the decorators, which are read without importing anything.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

#: fires: the finding appears; silent: it disappears, or a good state has none; holds: a rule that is no finding.
NEEDS = {"fires": "fires", "silent": "falls silent", "holds": "holds"}

ROOT = Path(__file__).parents[1]

HEAD = """# The guide's items and their tests

Written by `make coverage` from the tests that passed in that run, nothing by hand: each names its items in
`@pytest.mark.guide`, `tests/guide.yaml` says what an item needs. Files are below `tests/`. A test under *fires* makes
the finding appear, one under *falls silent* makes it disappear; *holds* is for rules that are no finding.

| id | what | fires | falls silent | holds |
|---|---|---|---|---|
"""

#: The numbers of the guide's items, G1 to G139.
ITEMS = range(1, 140)

#: (id, need) → the tests marked with it, as file::name.
Marks = dict[tuple[str, str], set[str]]


@dataclass(frozen=True)
class Item:
    """An id of the inventory: its words in short, what its tests must show, and what none shows yet."""

    title: str
    needs: tuple[str, ...] = ()
    lacks: str = ""
    #: The part of the plan that will build it, where nothing of it is built yet.
    part: int = 0


def read_items(file: Path) -> dict[str, Item]:
    """The items of `guide.yaml`, in its order. Raises ValueError for one that needs nothing and says not why."""
    given = yaml.safe_load(file.read_text(encoding="utf-8"))
    items = {guide: Item(**{**fields, "needs": tuple(fields.get("needs", ()))}) for guide, fields in given.items()}
    for guide, item in items.items():
        if not set(item.needs) <= NEEDS.keys() or not (item.needs or item.lacks or item.part):
            expected = f"needs from {list(NEEDS)}, lacks that says why there are none, or the part that will build it"
            raise ValueError(f"{file.name}: {guide}: found needs {list(item.needs)}, expected {expected}")
    return items


def read_marks(tests: Path) -> Marks:
    """What the tests of a folder are marked with. Raises ValueError for a mark that cannot be read."""
    marks: Marks = {}
    for file in sorted(tests.rglob("test_*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        place = file.relative_to(tests.parent).as_posix()
        read = 0
        for function in tree.body:
            for decorator in getattr(function, "decorator_list", ()):
                if isinstance(function, ast.FunctionDef) and _is_guide(decorator):
                    read += 1
                    for mark in _said(decorator, f"{place}::{function.name}"):
                        marks.setdefault(mark, set()).add(f"{place}::{function.name}")
        found = sum(map(_is_guide, ast.walk(tree)))
        if found != read:
            raise ValueError(f"{place}: found {found} guide marks, expected each as the decorator of a test function")
    return marks


def _is_guide(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.guide"


def _said(decorator: ast.expr, where: str) -> Iterator[tuple[str, str]]:
    """Each (id, need) of one decorator."""
    assert isinstance(decorator, ast.Call)
    words = [str(ast.literal_eval(word)) for word in decorator.args]
    needs = [word for word in words if word in NEEDS]
    ids = [guide for word in words if word not in NEEDS for guide in _ids(word, where)]
    if not needs or not ids or decorator.keywords:
        raise ValueError(f"{where}: found the mark {words}, expected ids and then at least one of {list(NEEDS)}")
    yield from ((guide, need) for guide in ids for need in needs)


def _ids(word: str, where: str) -> Iterator[str]:
    """The id, or those from the first to the last of a range."""
    first, _, last = word.partition("-")
    kind, numbers = first[:1], (first[1:], (last or first)[1:])
    if kind not in ("G", "X") or (last or first)[:1] != kind or not all(map(str.isdecimal, numbers)):
        raise ValueError(f"{where}: found the id {word!r}, expected one such as G70 or X3, or a range such as G39-G43")
    yield from (f"{kind}{number}" for number in range(int(numbers[0]), int(numbers[1]) + 1))


def problems(items: dict[str, Item], marks: Marks) -> list[str]:
    """What is wrong in sentences: an id that nobody listed, and a need that no test meets."""
    unknown = sorted({guide for guide, _ in marks} - items.keys())
    found = [f"{guide}: marked in {min(_of(marks, guide))}, expected it in tests/guide.yaml" for guide in unknown]
    found += [f"G{n}: found no row, expected one in tests/guide.yaml" for n in ITEMS if f"G{n}" not in items]
    for guide, item in items.items():
        found += [f"{guide}: marked, and said to be built by part {item.part}" for _ in _of(marks, guide) if item.part][
            :1
        ]
        found += [f"{guide} ({item.title}): no test {NEEDS[n]}" for n in item.needs if not marks.get((guide, n))]
    return found


def _of(marks: Marks, guide: str) -> set[str]:
    return {test for (other, _), tests in marks.items() if other == guide for test in tests}


def render(items: dict[str, Item], marks: Marks) -> str:
    """The table, and below it what no test shows."""
    rows = []
    for guide, item in items.items():
        tests = (sorted(marks.get((guide, need), ())) for need in NEEDS)
        cells = ("<br>".join(f"`{test.removeprefix('tests/')}`" for test in cell) or "–" for cell in tests)
        if item.part:
            cells = iter([f"not built: part {item.part}", "–", "–"])
        rows.append(f"| {guide} | {item.title} | {' | '.join(cells)} |\n")
    lacking = [f"- {guide}, {item.title}: {item.lacks}\n" for guide, item in items.items() if item.lacks]
    return HEAD + "".join(rows) + "\n## What no test shows yet\n\n" + "".join(lacking or ["Nothing.\n"])


class Passed:
    """Listens to a session and writes which of its tests passed, as JSON."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.outcomes: dict[str, set[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test passed when all that was run of it did: each of its parameters, before and after as well."""
        if report.when == "call" or report.outcome != "passed":
            self.outcomes.setdefault(report.nodeid.partition("[")[0], set()).add(report.outcome)

    def pytest_sessionfinish(self) -> None:
        """Write them; an earlier run's file must not stand in for this one's."""
        passed = sorted(test for test, outcomes in self.outcomes.items() if outcomes == {"passed"})
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(passed), encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of `make test`, whose two runs `make coverage` puts together."""
    parser.addoption("--passed", type=Path, metavar="FILE", help="write there, as JSON, which tests passed")


def pytest_configure(config: pytest.Config) -> None:
    """Listen only when the file was asked for; of a run in several processes the first hears of all tests."""
    if (file := config.getoption("passed")) and not hasattr(config, "workerinput"):
        file.unlink(missing_ok=True)
        config.pluginmanager.register(Passed(file))


def write_table(file: Path, tests: Path, passed: set[str]) -> list[str]:
    """Write the table from the tests that passed, unless something is missing; that is returned in sentences."""
    items, marks = read_items(tests / "guide.yaml"), read_marks(tests)
    marked = set().union(*marks.values())
    said = [f"{test}: marked, but it did not pass in this run" for test in sorted(marked - passed)]
    said += problems(items, {mark: found & passed for mark, found in marks.items()})
    if not said:
        file.write_text(render(items, marks), encoding="utf-8")
    return said


def main(arguments: list[str]) -> int:
    """``python -m tests.coverage_table TABLE PASSED…``; exit code 1 when no table was written."""
    file, *runs = map(Path, arguments)
    passed = {test for run in runs for test in json.loads(run.read_text(encoding="utf-8"))}
    said = write_table(file, ROOT / "tests", passed)
    print("\n".join([*said, f"{file}: {'not written' if said else 'written'}"]))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
