"""Thresholds (G19): proposed from history inside hard bounds, approved like any action, in force while they verify.

``force`` says which bands a target is judged by, ``propose`` what its history would have them be, ``change`` is what
apply asks of the kind. Functions take a session on the ledger; nothing here looks at the target.
"""

from __future__ import annotations

from upkeep.thresholds.change import obstacle, state, was_done, write
from upkeep.thresholds.force import KIND, InForce, in_force, parse, statement
from upkeep.thresholds.propose import found, history, proposals_from_ledger, propose

__all__ = [
    "KIND",
    "InForce",
    "found",
    "history",
    "in_force",
    "obstacle",
    "parse",
    "proposals_from_ledger",
    "propose",
    "state",
    "statement",
    "was_done",
    "write",
]
