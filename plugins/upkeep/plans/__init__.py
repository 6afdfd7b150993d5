"""Plans: mutations as data, their digest, and the form that shows them to the people who decide. Pure.

A plan's digest is the SHA-256 of its RFC 8785 canonical JSON; inside are integers and strings only. Predictions
are part of it, measurements stand beside it. What a reviewer sees is made from these two and nothing else.
"""

from __future__ import annotations

from upkeep.plans.form import body, checklist_rows, may_answer, subject, when
from upkeep.plans.model import (
    MOST_ACTIONS,
    SCHEDULE,
    Action,
    Plan,
    Proposal,
    canonical,
    digest,
    numbered,
    parse,
)
from upkeep.plans.statements import copyable
from upkeep.plans.text import code, plain, prose, seconds, visible

__all__ = [
    "MOST_ACTIONS",
    "SCHEDULE",
    "Action",
    "Plan",
    "Proposal",
    "body",
    "canonical",
    "checklist_rows",
    "code",
    "copyable",
    "digest",
    "may_answer",
    "numbered",
    "parse",
    "plain",
    "prose",
    "seconds",
    "subject",
    "visible",
    "when",
]
