"""The ledger: what windows were opened, what their steps saw, which reports were written.

Functions take an open ``database.Session`` on the ledger and the values to write; one call, one purpose.
Rows are added, never changed, but for a window's outcome.
"""

from __future__ import annotations

from upkeep.ledger.read import (
    HISTORY,
    MONTHS,
    answers_of_window,
    daily_values,
    earlier_samples,
    last_scan,
    latest_steps,
    metric_history,
    metric_points,
    months,
    newest_snapshot,
    previous_findings,
    previous_snapshot,
    remembered,
    samples,
    since,
    verdict_of_run,
    weeks,
    window_samples,
)
from upkeep.ledger.write import (
    MAX_KEY,
    Answer,
    Looked,
    StepRecord,
    add_report,
    add_step,
    clean,
    open_window,
    plain,
    window_id,
)

__all__ = [
    "HISTORY",
    "MAX_KEY",
    "MONTHS",
    "Answer",
    "Looked",
    "StepRecord",
    "add_report",
    "add_step",
    "answers_of_window",
    "clean",
    "daily_values",
    "earlier_samples",
    "last_scan",
    "latest_steps",
    "metric_history",
    "metric_points",
    "months",
    "newest_snapshot",
    "open_window",
    "plain",
    "previous_findings",
    "previous_snapshot",
    "remembered",
    "samples",
    "since",
    "verdict_of_run",
    "weeks",
    "window_id",
    "window_samples",
]
