"""How wrong predictions were, from receipts, and what later ones are multiplied by. Pure.

A prediction is the pages to visit at configured speed (``optimise.predicted_ms``); what the disk, the cache and other
load make of it is only known afterwards. The median of actual to predicted is taken, for one VACUUM that waited behind
a backup says nothing about the next one. A table's own receipts say more than those of others, for what is cached of it
and how wide its rows are stays the same: two of them count before many of others. Actions that are predicted to be over
at once are corrected among themselves: what a tiny table takes is the statement's own cost, and says nothing about the
speed that a large one is read at.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

#: A factor beyond these says that something else is wrong, such as the configured speed.
LEAST, MOST = 0.1, 20.0
#: How far back receipts count: what a machine was like before that is another machine.
REACH = timedelta(weeks=12)
#: A table's own receipts that count before those of others: one alone may have waited behind something.
OWN = 2
#: What a prediction is at least: at once.
AT_ONCE_MS = 50

#: What stands beside an action whose prediction was corrected, among what was measured for it.
NOTE = "prediction corrected"
_NOTED = re.compile(r"from (\d+) ms by ")


@dataclass(frozen=True)
class PastAction:
    """One action that was done, the oldest first; ``base_ms`` is its prediction before any correction.

    ``after`` is what the catalogue counted of the table, by name, when it was done.
    """

    verb: str
    base_ms: int
    actual_ms: int
    oid: int = 0
    after: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sort(self) -> Sort:
        """What it is corrected together with."""
        return sort_of(self.verb, self.base_ms)


_Key = TypeVar("_Key")
#: A verb, and whether the action is predicted to be over at once.
Sort = tuple[str, bool]


def sort_of(verb: str, base_ms: int) -> Sort:
    """What a prediction is corrected together with."""
    return verb, base_ms <= AT_ONCE_MS


@dataclass(frozen=True)
class Correction:
    """What predictions are multiplied by, and how many receipts say so."""

    factor: float
    receipts: int


@dataclass(frozen=True)
class Corrections:
    """What receipts tell: corrections by sort and by table, and each table's counters after its last action of a verb.

    Tables are known by their OIDs.
    """

    by_sort: Mapping[Sort, Correction] = field(default_factory=dict)
    by_table: Mapping[tuple[Sort, int], Correction] = field(default_factory=dict)
    after: Mapping[tuple[str, int], Mapping[str, Any]] = field(default_factory=dict)


def learned(past: Iterable[PastAction], least_receipts: int) -> Corrections:
    """The correction of each sort with enough receipts; a sort with fewer keeps its predictions as they are.

    Each receipt is held against its uncorrected prediction, so that a correction does not correct itself.
    """
    by_sort: dict[Sort, list[float]] = {}
    by_table: dict[tuple[Sort, int], list[float]] = {}
    after = {}
    for one in past:
        after[one.verb, one.oid] = one.after
        if one.base_ms > 0 and one.actual_ms >= 0:
            by_sort.setdefault(one.sort, []).append(one.actual_ms / one.base_ms)
            by_table.setdefault((one.sort, one.oid), []).append(one.actual_ms / one.base_ms)
    return Corrections(_corrections(by_sort, least_receipts), _corrections(by_table, OWN), after)


def _corrections(ratios: Mapping[_Key, list[float]], least: int) -> dict[_Key, Correction]:
    return {
        key: Correction(min(max(statistics.median(found), LEAST), MOST), len(found))
        for key, found in ratios.items()
        if len(found) >= least
    }


def corrected(verb: str, base_ms: int, oid: int, known: Corrections) -> tuple[int, dict[str, str]]:
    """The prediction to plan with, in milliseconds, and what is noted beside it: nothing when it stays as it is."""
    sort = sort_of(verb, base_ms)
    own, others = known.by_table.get((sort, oid)), known.by_sort.get(sort)
    correction = own or others
    if correction is None:
        return base_ms, {}
    whose = "of its own" if own else "receipts"
    note = f"from {base_ms} ms by x{correction.factor:.2g}, the median of {correction.receipts} {whose}"
    return max(1, round(base_ms * correction.factor)), {NOTE: note}


def base_ms(predicted_ms: int, measured: Mapping[str, Any]) -> int:
    """A planned action's prediction before its correction, from what was noted beside it."""
    noted = _NOTED.match(str(measured.get(NOTE, "")))
    return int(noted[1]) if noted else predicted_ms
