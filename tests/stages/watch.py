"""What a poll of the shipped configuration hears."""

from __future__ import annotations

import json
from typing import Any

from upkeep.areas.watch.judge import Asked, Heard, calls
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

CONFIG = settings(ROOT / "config")
STATUS = ("production-monitoring", "system_status")
GOOD = {
    "response_time_ms": 120.0,
    "error_rate_percent": 0.1,
    "database_connections_percent": 20.0,
    "memory_usage_percent": 30.0,
    "cpu_usage_percent": 10.0,
}


def body(result: dict[str, Any]) -> bytes:
    """An answer that succeeded."""
    return json.dumps({"success": True, "result": result}).encode()


def heard(health: float = 99.0, milliseconds: float = 20.0, **metrics: float) -> dict[Asked, Heard]:
    """All that a poll asks, answered well but for what is given."""
    answered = {asked: Heard(body({"overall_health_percent": health}), milliseconds) for asked in calls(CONFIG)}
    answered[STATUS] = Heard(body({"overall_health_percent": health, "metrics": GOOD | metrics}), 20.0)
    return answered


def silence(problem: str = "no answer") -> dict[Asked, Heard]:
    """Nobody answers."""
    return dict.fromkeys(calls(CONFIG), Heard(problem=problem))
