"""How wrong predictions were, from receipts, and what later ones are multiplied by. Pure.

A prediction is the size to read at configured speed (``optimise.predicted_ms``); what the disk, the cache and other
load make of it is only known afterwards. The median of actual to predicted is taken, for one VACUUM that waited behind
a backup says nothing about the next one. Actions that are predicted to be over at once are corrected among themselves:
what a tiny table takes is the statement's own cost, and says nothing about the speed that a large one is read at.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

#: A factor beyond these says that something else is wrong, such as the configured speed.
LEAST, MOST = 0.1, 20.0
#: How far back receipts count: what a machine was like before that is another machine.
REACH = timedelta(weeks=12)
#: What a prediction is at least: at once.
AT_ONCE_MS = 50

#: What stands beside an action whose prediction was corrected, among what was measured for it.
NOTE = "prediction corrected"
_NOTED = re.compile(r"from (\d+) ms by ")


@dataclass(frozen=True)
class Past:
    """One action that was done; ``base_ms`` is its prediction before any correction."""

    verb: str
    base_ms: int
    actual_ms: int

    @property
    def sort(self) -> Sort:
        """What it is corrected together with."""
        return sort_of(self.verb, self.base_ms)


#: A verb, and whether the action is predicted to be over at once.
Sort = tuple[str, bool]


def sort_of(verb: str, base_ms: int) -> Sort:
    """What a prediction is corrected together with."""
    return verb, base_ms <= AT_ONCE_MS


@dataclass(frozen=True)
class Correction:
    """What predictions of one sort are multiplied by, and how many receipts say so."""

    factor: float
    receipts: int


def corrections(past: Iterable[Past], least_receipts: int) -> dict[Sort, Correction]:
    """The correction of each sort with enough receipts; a sort with fewer keeps its predictions as they are.

    Each receipt is held against its uncorrected prediction, so that a correction does not correct itself.
    """
    ratios: dict[Sort, list[float]] = {}
    for one in past:
        if one.base_ms > 0 and one.actual_ms >= 0:
            ratios.setdefault(one.sort, []).append(one.actual_ms / one.base_ms)
    return {
        sort: Correction(min(max(statistics.median(found), LEAST), MOST), len(found))
        for sort, found in ratios.items()
        if len(found) >= least_receipts
    }


def corrected(verb: str, base_ms: int, known: Mapping[Sort, Correction]) -> tuple[int, dict[str, str]]:
    """The prediction to plan with, in milliseconds, and what is noted beside it: nothing when it stays as it is."""
    correction = known.get(sort_of(verb, base_ms))
    if correction is None:
        return base_ms, {}
    note = f"from {base_ms} ms by x{correction.factor:.2g}, the median of {correction.receipts} receipts"
    return max(1, round(base_ms * correction.factor)), {NOTE: note}


def base_ms(predicted_ms: int, measured: Mapping[str, Any]) -> int:
    """A planned action's prediction before its correction, from what was noted beside it."""
    noted = _NOTED.match(str(measured.get(NOTE, "")))
    return int(noted[1]) if noted else predicted_ms
