"""How long the proof of twenty years takes for twenty targets whose windows are all at other times."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from bench.measure import Result, size
from upkeep.areas.calendar.proof import prove
from upkeep.core.windows import Cadence
from upkeep.settings.approval import Freeze

GOAL = 10.0
YEARS = size(20, 2)
TARGETS = size(20, 2)
START = datetime(2027, 1, 1, tzinfo=UTC)


def run() -> Result:
    """Nothing is shared: each target has its own minutes, weekdays and Sundays of the month, beside a freeze a year."""
    freezes = [
        Freeze(start=START + timedelta(days=365 * year), end=START + timedelta(days=365 * year + 10), reason="holidays")
        for year in range(YEARS)
    ]
    targets = {f"target_{number}": _staggered(number) for number in range(TARGETS)}
    wall, processor = time.perf_counter(), time.process_time()
    proof = prove(targets, freezes, START, START.replace(year=START.year + YEARS))
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    walked = sum(len(calendar.occurrences) for calendar in proof.calendars)
    return Result(
        f"calendar proof of {YEARS} years × {TARGETS} targets",
        f"{wall:.1f} s",
        f"at most {GOAL:g} s",
        wall <= GOAL,
        (f"{walked} windows, {len(proof.problems)} problems; {processor:.1f} s of CPU",),
    )


def _staggered(number: int) -> dict[str, Cadence]:
    minute, weekday, nth = 3 * number % 60, number % 7, 1 + number % 4
    return {
        "daily": Cadence(cron=f"{minute} 2 * * *", length_minutes=30),
        "weekly": Cadence(cron=f"{minute} 3 * * {weekday}", length_minutes=120),
        "monthly": Cadence(cron=f"{minute} 2 * * {weekday}#{nth}", length_minutes=240),
    }
