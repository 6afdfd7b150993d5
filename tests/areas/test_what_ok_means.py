"""The table of what ok means: a check, an answer or a module of looks without a row fails here."""

from __future__ import annotations

import re

from upkeep.areas import answers
from upkeep.areas.performance import weekly_answers
from upkeep.areas.registry import CHECKS, INSPECTIONS
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

TEXT = (ROOT / "docs/what-ok-means.md").read_text()


def rows(title: str) -> dict[str, list[str]]:
    """Name → the other cells of the table under a heading."""
    part = TEXT.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    names = [name.strip("`") for name, *_ in cells]
    assert len(names) == len(set(names))
    return {name: rest for name, (_, *rest) in zip(names, cells, strict=True)}


def test_every_check_has_its_row() -> None:
    """A new check says what makes it say ok, or this fails; a row of one that is gone fails too."""
    assert rows("The target's database").keys() == CHECKS.keys()


def test_every_answer_that_is_judged_has_its_row() -> None:
    """Of each function's action: the readers, and the answer of the six metrics."""
    judged = {*answers.READERS, *weekly_answers.READERS, answers.ANALYTICS}
    sources = settings(ROOT / "config").maintenance.metrics.values()
    judged |= {(source.function, source.action) for source in sources}
    assert rows("The functions' answers").keys() == {" ".join(one) for one in judged}


def test_every_other_look_has_its_row() -> None:
    """What is neither a check in the database nor an answer: each inspection."""
    assert rows("Everything else").keys() == INSPECTIONS.keys()


def test_no_cell_is_empty() -> None:
    """Each row says all three: when it is ok, what it cannot see, when it is UNKNOWN."""
    for title in ("The target's database", "The functions' answers", "Everything else"):
        for name, cells in rows(title).items():
            assert len(cells) == 3 and all(re.search(r"\w", cell) for cell in cells), name
