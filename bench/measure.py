"""What the benches share."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

#: With ``UPKEEP_BENCH=tiny`` each bench runs over as little as it can: to see that it still runs, not what it finds.
TINY = os.environ.get("UPKEEP_BENCH") == "tiny"

T = TypeVar("T")


def size(full: T, tiny: T) -> T:
    """How much a bench measures: all of it, or as little as tells that it runs."""
    return tiny if TINY else full


@dataclass(frozen=True)
class Result:
    """One measured claim beside its goal; ``lines`` are the raw numbers behind it."""

    what: str
    found: str
    goal: str
    met: bool
    lines: tuple[str, ...] = ()


def spread(values: Sequence[float]) -> str:
    """Median and range, in seconds."""
    return f"median {statistics.median(values):.2f} s of {len(values)} ({min(values):.2f} to {max(values):.2f})"
