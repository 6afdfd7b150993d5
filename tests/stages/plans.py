"""One action of a plan."""

from __future__ import annotations

from typing import Any

from upkeep.gate.plans.model import Action


def action(number: str = "1", **fields: Any) -> Action:
    """A VACUUM of one table, both roles needed."""
    about: dict[str, Any] = {
        "id": number,
        "kind": "optimise",
        "verb": "vacuum",
        "statement": 'VACUUM (ANALYZE, TRUNCATE false) "public"."error_logs"',
        "schema": "public",
        "table": "error_logs",
        "oid": 16_500,
        "shape": "5f1d",
        "roles": ("dba", "devops"),
        "because": "at least 10 % of its rows are dead",
        "lock": "SHARE UPDATE EXCLUSIVE",
        "predicted_ms": 1500,
        "predicted_bytes": 0,
    }
    return Action(**(about | fields))
