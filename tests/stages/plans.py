"""One action of a plan, and what people are shown of one."""

from __future__ import annotations

from typing import Any

from tests.stages.ledger import Ledger
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


def show(book: Ledger, digest: str, role: str, ids: list[str], asked: list[str], group: str = "approve") -> None:
    """A role is asked by a sensor of this group, as that writes it, without a signature."""
    book.change(
        """INSERT INTO upkeep.shown (window_id, dag_id, run_id, instance, task_id, map_index, try_number, role, digest,
               body_digest, action_ids, asked)
           SELECT window_id, dag_id, run_id, instance, %s, -1, 1, %s, digest, '', %s, %s FROM upkeep.plans
           WHERE digest = %s""",
        *(f"{group}.{role}", role, ids, asked, digest),
    )


def answer(book: Ledger, digest: str, role: str, person: str) -> None:
    """A role's yes to all that it was shown, without a signature."""
    book.change(
        """INSERT INTO upkeep.decisions (shown_id, digest, role, person, action_ids, reviewed, comment, responded_at)
           SELECT id, digest, role, %s, action_ids, '{}', '', now() FROM upkeep.shown
           WHERE (digest, role) = (%s, %s)""",
        *(person, digest, role),
    )
