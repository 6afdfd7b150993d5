"""What a healthy platform's functions answer."""

from __future__ import annotations

import copy
from typing import Any

STATUS, ANALYTICS = ("production-monitoring", "system_status"), ("error-tracking", "get_error_analytics")
HEALTHY: dict[str, Any] = {
    "success": True,
    "result": {
        "overall_health_percent": 97.5,
        "metrics": {
            "response_time_ms": 142.5,
            "error_rate_percent": 0.2,
            "database_connections_percent": 12,
            "memory_usage_percent": 41.0,
            "cpu_usage_percent": 7.0,
        },
    },
}


def status(path: str, value: Any) -> dict[str, Any]:
    """A healthy answer with one other value; None takes the field away."""
    body = copy.deepcopy(HEALTHY)
    *parents, name = path.split(".")
    inner = body
    for parent in parents:
        inner = inner[parent]
    if value is None:
        del inner[name]
    else:
        inner[name] = value
    return body
