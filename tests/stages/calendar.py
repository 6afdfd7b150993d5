"""A calendar for a sandbox of the tests: whatever the date, no weekly or monthly window opens while they run."""

from __future__ import annotations

from datetime import datetime, timedelta


def quiet_calendar(now: datetime) -> dict[str, str]:
    """Cadence → a cron line whose next occurrence is days away, and whose occurrences of the next weeks do not overlap.

    With the shipped calendar a run "for the next window" has no plan in the week before a first Sunday, because the
    monthly window covers it, and at 03:00 on a Sunday the scheduler starts a window of its own.
    """
    weekly, monthly = now + timedelta(days=3), now + timedelta(days=17)
    return {"weekly": f"0 3 * * {(weekly.weekday() + 1) % 7}", "monthly": f"0 2 {min(monthly.day, 28)} * *"}
