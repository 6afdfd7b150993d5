"""The report of one window: what ran, what was found worst first, and what could not be collected. Pure.

A report always exists, also when branches failed: a step that did not run becomes an UNKNOWN finding, never a
gap. ``to_json`` is the whole report; ``to_html`` is a page for people that shows hostile text from log tables
harmlessly and leaves the bulk of very large reports to the JSON.
"""

from __future__ import annotations

from upkeep.reports.again import Pair, pairs
from upkeep.reports.changes import Changes, compare
from upkeep.reports.checklist import checklist, for_form, rows_of
from upkeep.reports.document import JSON_TEXT, to_json
from upkeep.reports.gate import Answer, Attempt, Became, Gate, Outcome, Told, what_became
from upkeep.reports.headline import headline, held_slot_finding, lateness_finding, verdict
from upkeep.reports.model import (
    AFTER,
    APPLY_STEP,
    FAILED,
    FROZEN,
    NOT_COLLECTED,
    RAN,
    REPORT_STEP,
    SUPERSEDED,
    Earlier,
    History,
    Point,
    Report,
    StepResult,
    missing_step,
)
from upkeep.reports.page import HTML_GROUP, HTML_LEVEL, HTML_TEXT, TEMPLATES, to_html
from upkeep.reports.plots import plot
from upkeep.reports.signing import Signing, Task, signing_findings
from upkeep.reports.text import visible

__all__ = [
    "AFTER",
    "APPLY_STEP",
    "FAILED",
    "FROZEN",
    "HTML_GROUP",
    "HTML_LEVEL",
    "HTML_TEXT",
    "JSON_TEXT",
    "NOT_COLLECTED",
    "RAN",
    "REPORT_STEP",
    "SUPERSEDED",
    "TEMPLATES",
    "Answer",
    "Attempt",
    "Became",
    "Changes",
    "Earlier",
    "Gate",
    "History",
    "Outcome",
    "Pair",
    "Point",
    "Report",
    "Signing",
    "StepResult",
    "Task",
    "Told",
    "checklist",
    "compare",
    "for_form",
    "headline",
    "held_slot_finding",
    "lateness_finding",
    "missing_step",
    "pairs",
    "plot",
    "rows_of",
    "signing_findings",
    "to_html",
    "to_json",
    "verdict",
    "visible",
    "what_became",
]
