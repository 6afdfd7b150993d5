"""What the ledger remembers of the gate: plans, what was shown, decisions, permits, receipts.

Functions take an open ``database.Session`` on the ledger. The tasks' role may add these rows and read them;
it can neither change nor delete one (APPROVAL.md, rule 7). What people were asked and answered, and what was permitted
and done, is signed: it is read back only as far as its signatures verify (rule 11).
"""

from __future__ import annotations

from upkeep.gate.drawn_up import (
    Stored,
    StoredSheet,
    add_plan,
    add_sheet,
    plan_by_digest,
    plan_of_run,
    plans_in_force,
    sheet_of_run,
)
from upkeep.gate.permitted import (
    Permit,
    Receipt,
    add_permit,
    add_receipt,
    past_actions,
    permits_in,
    permits_of_plan,
    unknown_permits,
)
from upkeep.gate.records import (
    Answered,
    absent,
    add_decision,
    add_shown,
    answers_in,
    decisions,
    decisions_in,
    identity,
    said_yes,
    shown_of_task,
)

__all__ = [
    "Answered",
    "Permit",
    "Receipt",
    "Stored",
    "StoredSheet",
    "absent",
    "add_decision",
    "add_permit",
    "add_plan",
    "add_receipt",
    "add_sheet",
    "add_shown",
    "answers_in",
    "decisions",
    "decisions_in",
    "identity",
    "past_actions",
    "permits_in",
    "permits_of_plan",
    "plan_by_digest",
    "plan_of_run",
    "plans_in_force",
    "said_yes",
    "sheet_of_run",
    "shown_of_task",
    "unknown_permits",
]
