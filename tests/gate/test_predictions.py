"""Predictions: what VACUUM has to visit, corrected from receipts, enough of them, by their median, week by week."""

from __future__ import annotations

import random
import statistics
from dataclasses import replace
from typing import Any

from upkeep.areas.tables import vacuum as optimise
from upkeep.gate import predictions
from upkeep.gate.predictions import NOTE, Correction, Corrections, PastAction
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

CONFIG = settings(ROOT / "config").maintenance.optimise


def row(table_bytes: int, *, vacuum: bool = True, oid: int = 1) -> dict[str, Any]:
    """A candidate as the catalogue has it."""
    rows = table_bytes // 400
    counts = {"live_rows": rows - rows // 3, "dead_rows": rows // 3, "changed_rows": 1, "visible_pages": 0}
    counts |= {"updates": 0, "hot_updates": 0, "deletes": rows // 3}
    return {"schema": "public", "table": "t", "oid": oid, "shape": "s", "vacuum": vacuum, **counts} | {
        "table_bytes": table_bytes,
        "index_bytes": table_bytes // 4,
    }


def predict(last: dict[str, int] | None = None, verb: str = "vacuum", **fields: int) -> int:
    """Milliseconds for a table of a gigabyte of which a third is dead."""
    return optimise.predicted_ms(verb, row(2**30) | fields, CONFIG, last or {})


# What is visited ------------------------------------------------------------------------------------------------


def test_what_indexes_point_to_costs_a_second_visit_and_the_indexes() -> None:
    """Deleted rows do, HOT updates do not; of both the share counts that died since the last VACUUM."""
    deleted = predict()
    hot = {"updates": 1000, "hot_updates": 1000, "deletes": 0}
    assert predict(**hot) < 0.6 * deleted
    assert predict(**hot) == predict(**hot, index_bytes=0)
    assert deleted > predict(index_bytes=0)
    assert predict(**hot | {"deletes": 900}, last=hot | {"deletes": 900, "updates": 0, "hot_updates": 0}) == predict(
        **hot
    )
    assert predict(**hot, last={"updates": 2000, "hot_updates": 0, "deletes": 0}) == predict(**hot)  # reset since
    assert predict(updates=0, deletes=0) == deleted  # inserts that were rolled back


def test_few_rows_that_indexes_point_to_leave_the_indexes_alone() -> None:
    """Below 2 % of the pages VACUUM bypasses them; a page with one of them counts as with many."""
    few = {"updates": 1_000_000, "hot_updates": 999_900, "deletes": 0}
    assert predict(**few) == predict(**few, index_bytes=0)
    assert predict(**few | {"hot_updates": 900_000}) > predict(**few | {"hot_updates": 900_000}, index_bytes=0)


def test_pages_that_are_visible_to_all_and_hold_no_dead_row_are_skipped() -> None:
    """A few dead rows among many visit their pages only; what was never vacuumed is visited whole."""
    few = {"dead_rows": 1000, "deletes": 1000, "live_rows": 2_600_000}
    assert predict(**few, visible_pages=2**17) < predict(**few) / 5


# What is learned ------------------------------------------------------------------------------------------------


def test_nothing_is_corrected_from_too_few_receipts() -> None:
    """Four are not five, and five of another verb say nothing."""
    past = [PastAction("vacuum", 1000, 1400)] * 4 + [PastAction("analyze", 1000, 300)] * 5
    past = [replace(one, oid=number) for number, one in enumerate(past)]
    known = predictions.learned(past, 5)
    assert (known.by_sort, known.by_table) == ({("analyze", False): Correction(0.3, 5)}, {})
    assert predictions.corrected("vacuum", 1000, 1, known) == (1000, {})


def test_the_median_counts_and_the_factor_is_clamped() -> None:
    """One that waited for an hour changes nothing; a factor of a thousand is not believed."""
    past = [PastAction("vacuum", 1000, 1400)] * 4 + [PastAction("vacuum", 1000, 3_600_000)]
    assert predictions.learned(past, 5).by_sort == {("vacuum", False): Correction(1.4, 5)}
    for actual, factor in ((1, predictions.LEAST), (10_000_000, predictions.MOST)):
        assert (
            predictions.learned([PastAction("vacuum", 1000, actual)] * 5, 5).by_sort["vacuum", False].factor == factor
        )
    assert predictions.learned([PastAction("vacuum", 0, 5)] * 5, 5).by_sort == {}


def test_a_tables_own_receipts_count_before_those_of_others() -> None:
    """Two of them are enough, one is not; others' tables are corrected by all."""
    past = [PastAction("vacuum", 1000, 2000, oid) for oid in range(10, 20)] + [PastAction("vacuum", 1000, 500, 1)]
    known = predictions.learned(past, 5)
    assert predictions.corrected("vacuum", 1000, 1, known)[0] == 2000
    known = predictions.learned([*past, PastAction("vacuum", 2000, 1000, 1)], 5)
    assert predictions.corrected("vacuum", 1000, 1, known) == (
        500,
        {NOTE: "from 1000 ms by x0.5, the median of 2 of its own"},
    )
    assert predictions.corrected("vacuum", 1000, 10, known)[0] == 2000


def test_what_is_over_at_once_says_nothing_about_large_tables() -> None:
    """Tiny tables take 5 ms instead of 50: only their own predictions become a tenth."""
    known = predictions.learned([PastAction("vacuum", 50, 5)] * 9, 5)
    assert predictions.corrected("vacuum", 50, 1, known)[0] == 5
    assert predictions.corrected("vacuum", 60_000, 0, known) == (60_000, {})


def test_a_corrected_action_says_so_and_tells_its_base_again() -> None:
    """What the form shows beside it is where the next correction starts from, so that it does not correct itself."""
    (plain,) = optimise.propose([row(2**30)], CONFIG, ("dba",), 170_000)
    known = Corrections({("vacuum", False): Correction(1.4, 12)})
    (told,) = optimise.propose([row(2**30)], CONFIG, ("dba",), 170_000, known)
    assert told.action.predicted_ms == round(plain.action.predicted_ms * 1.4)
    assert told.action.because == plain.action.because
    assert told.measured[NOTE] == f"from {plain.action.predicted_ms} ms by x1.4, the median of 12 receipts"
    assert predictions.base_ms(told.action.predicted_ms, told.measured) == plain.action.predicted_ms
    assert predictions.base_ms(plain.action.predicted_ms, plain.measured) == plain.action.predicted_ms
    assert predictions.base_ms(7, {NOTE: "from nonsense"}) == 7


def test_three_weeks_of_receipts_shrink_the_median_error() -> None:
    """A machine that is 1.7 times as slow as configured, with noise: from week to week nearer, below 30 % at last."""
    chance = random.Random(11)
    past: list[PastAction] = []
    errors = []
    for week in range(4):
        rows = [row(chance.randrange(2**27, 2**31), oid=week * 10 + number) for number in range(8)]
        wrong = []
        for proposal in optimise.propose(rows, CONFIG, ("dba",), 170_000, predictions.learned(past, 5)):
            base = predictions.base_ms(proposal.action.predicted_ms, proposal.measured)
            actual = round(base * 1.7 * chance.lognormvariate(0, 0.15))
            wrong.append(abs(proposal.action.predicted_ms - actual) / actual)
            past.append(PastAction(proposal.action.verb, base, actual))
        errors.append(statistics.median(wrong))
    assert errors[0] > 0.35 and max(errors[1:]) < 0.3 and errors[3] < errors[0] / 2
