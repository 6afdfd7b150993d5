"""A history of sizes, as capacity and scaling are judged from it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from upkeep.core.forecast import Point
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

SHIPPED = settings(ROOT / "config")
NOW = datetime(2026, 5, 31, 3, tzinfo=UTC)
DAY = timedelta(days=1)
MB, GB = 2.0**20, 2.0**30
SETTING = "targets.primary.storage_bytes"


def history(days: int, per_day: float, *, start: float = GB, noise: float = 0.0, seed: int = 7) -> list[Point]:
    """A size every day up to today, growing evenly with noise of this standard deviation."""
    chance = random.Random(seed)
    return [(NOW - (days - day) * DAY, start + per_day * day + chance.gauss(0, noise)) for day in range(days + 1)]


HEALTHY: dict[str, Any] = {
    "connections_percent": 75.0,
    "response_time_percent_of_baseline": 150.0,
    "error_rate_percent": 1.0,
    "storage_used_percent": 80.0,
}
