"""Predictions corrected from receipts: enough of them, by their median, and better week by week."""

from __future__ import annotations

import random
import statistics
from typing import Any

from upkeep import optimise, predictions
from upkeep.predictions import NOTE, Correction, Past
from upkeep.settings import ROOT, settings

CONFIG = settings(ROOT / "config").maintenance.optimise


def row(table_bytes: int, *, vacuum: bool = True, oid: int = 1) -> dict[str, Any]:
    """A candidate as the catalogue has it."""
    counts = {"live_rows": 1, "dead_rows": 1, "changed_rows": 1}
    return {"schema": "public", "table": "t", "oid": oid, "shape": "s", "vacuum": vacuum, **counts} | {
        "table_bytes": table_bytes,
        "index_bytes": table_bytes // 4,
    }


def test_nothing_is_corrected_from_too_few_receipts() -> None:
    """Four are not five, and five of another verb say nothing."""
    past = [Past("vacuum", 1000, 1400)] * 4 + [Past("analyze", 1000, 300)] * 5
    assert predictions.corrections(past, 5) == {("analyze", False): Correction(0.3, 5)}
    assert predictions.corrected("vacuum", 1000, predictions.corrections(past, 5)) == (1000, {})


def test_the_median_counts_and_the_factor_is_clamped() -> None:
    """One that waited for an hour changes nothing; a factor of a thousand is not believed."""
    past = [Past("vacuum", 1000, 1400)] * 4 + [Past("vacuum", 1000, 3_600_000)]
    assert predictions.corrections(past, 5) == {("vacuum", False): Correction(1.4, 5)}
    for actual, factor in ((1, predictions.LEAST), (10_000_000, predictions.MOST)):
        assert predictions.corrections([Past("vacuum", 1000, actual)] * 5, 5)["vacuum", False].factor == factor
    assert predictions.corrections([Past("vacuum", 0, 5)] * 5, 5) == {}


def test_what_is_over_at_once_says_nothing_about_large_tables() -> None:
    """Tiny tables take 5 ms instead of 50: only their own predictions become a tenth."""
    known = predictions.corrections([Past("vacuum", 50, 5)] * 9, 5)
    assert predictions.corrected("vacuum", 50, known)[0] == 5
    assert predictions.corrected("vacuum", 60_000, known) == (60_000, {})


def test_a_corrected_action_says_so_and_tells_its_base_again() -> None:
    """What the form shows beside it is where the next correction starts from, so that it does not correct itself."""
    (plain,) = optimise.propose([row(2**30)], CONFIG, ("dba",), 170_000)
    known = {("vacuum", False): Correction(1.4, 12)}
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
    past: list[Past] = []
    errors = []
    for week in range(4):
        rows = [row(chance.randrange(2**27, 2**31), oid=week * 10 + number) for number in range(8)]
        wrong = []
        for proposal in optimise.propose(rows, CONFIG, ("dba",), 170_000, predictions.corrections(past, 5)):
            base = predictions.base_ms(proposal.action.predicted_ms, proposal.measured)
            actual = round(base * 1.7 * chance.lognormvariate(0, 0.15))
            wrong.append(abs(proposal.action.predicted_ms - actual) / actual)
            past.append(Past(proposal.action.verb, base, actual))
        errors.append(statistics.median(wrong))
    assert errors[0] > 0.35 and max(errors[1:]) < 0.3 and errors[3] < errors[0] / 2
