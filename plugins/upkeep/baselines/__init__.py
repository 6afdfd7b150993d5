"""Baselines (G26): what is ordinary for each function and metric, approved like any action, in force while it verifies.

``subjects`` says what has one, ``force`` which are in force, ``judged`` what they judge, ``propose`` what history would
have them be, ``look`` what the monthly window says of them, ``change`` is what apply asks of the kind. Functions take a
session on the ledger; nothing here looks at the target.
"""

from __future__ import annotations

from upkeep.baselines.change import obstacle, state, was_done, write
from upkeep.baselines.force import KIND, Baseline, InForce, Usual, Version, in_force, parse, statement
from upkeep.baselines.judged import Held, Limit, latency_limit, response_time
from upkeep.baselines.look import drift_since, found
from upkeep.baselines.propose import history, proposals_from_ledger, propose
from upkeep.baselines.subjects import RESPONSE_TIME, subjects

__all__ = [
    "KIND",
    "RESPONSE_TIME",
    "Baseline",
    "Held",
    "InForce",
    "Limit",
    "Usual",
    "Version",
    "drift_since",
    "found",
    "history",
    "in_force",
    "latency_limit",
    "obstacle",
    "parse",
    "proposals_from_ledger",
    "propose",
    "response_time",
    "state",
    "statement",
    "subjects",
    "was_done",
    "write",
]
