"""The table of what ok means: a check, an answer or a module of looks without a row fails here."""

from __future__ import annotations

import re

from tests.stages.ok_means import ANSWERS, CHECKS, INSPECTIONS, places, rows
from upkeep.areas import answers, registry
from upkeep.areas.performance import weekly_answers
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings


def test_every_check_has_its_row() -> None:
    """A new check says what makes it say ok, or this fails; a row of one that is gone fails too."""
    assert rows(CHECKS).keys() == registry.CHECKS.keys()


def test_every_answer_that_is_judged_has_its_row() -> None:
    """Of each function's action: the readers, the answers of the six metrics and of the four expectations."""
    judged = {*answers.READERS, *weekly_answers.READERS, answers.ANALYTICS}
    config = settings(ROOT / "config").maintenance
    judged |= {(one.function, one.action) for one in (*config.metrics.values(), *config.expectations.values())}
    assert rows(ANSWERS).keys() == {" ".join(one) for one in judged}


def test_every_other_look_has_its_row() -> None:
    """What is neither a check in the database nor an answer: each inspection."""
    assert rows(INSPECTIONS).keys() == registry.INSPECTIONS.keys()


def test_no_cell_is_empty() -> None:
    """Each row says all four: where it is, when it is ok, what it cannot see, when it is UNKNOWN."""
    for title in (CHECKS, ANSWERS, INSPECTIONS):
        assert all(places(title).values())
        for name, cells in rows(title).items():
            assert len(cells) == 4 and all(re.search(r"\w", cell) for cell in cells), name
