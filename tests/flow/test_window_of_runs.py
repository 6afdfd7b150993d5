"""Which window a run belongs to, from the run and config alone: the calendar's own, or one of its own."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from upkeep.core.windows import Window, WindowKind
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.flow.step import window_of

SUNDAY = datetime(2026, 11, 22, 3, tzinfo=UTC)
WEEK, HOUR = timedelta(weeks=1), timedelta(hours=1)


def of(monkeypatch: pytest.MonkeyPatch, run_type: str, logical_date: datetime | None, run_after: datetime) -> Window:
    """The window of a weekly run with the shipped config."""
    monkeypatch.setenv("UPKEEP_CONFIG", str(ROOT / "config"))
    settings.cache_clear()
    run = SimpleNamespace(
        dag_id="maintenance_weekly",
        run_id="r",
        run_type=run_type,
        logical_date=logical_date,
        run_after=run_after,
        conf=None,
    )
    context: Any = {"dag_run": run}
    return window_of(context, "primary", "weekly")


def test_a_run_by_hand_without_a_logical_date_is_due_when_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's form and REST give none: its window is its own, its period the cadence's length up to it."""
    asked = SUNDAY + 50 * HOUR
    found = of(monkeypatch, "manual", None, asked)
    assert (found.kind, found.due, found.period) == (WindowKind.MANUAL, asked, (asked - WEEK, asked))


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_the_calendars_runs_are_about_the_date_that_airflow_gave_them(
    monkeypatch: pytest.MonkeyPatch, run_type: str
) -> None:
    """However late they run: a backfill of three weeks ago is about the week before that."""
    found = of(monkeypatch, run_type, SUNDAY - 3 * WEEK, SUNDAY + HOUR)
    expected = (WindowKind.CALENDAR, SUNDAY - 3 * WEEK, (SUNDAY - 4 * WEEK, SUNDAY - 3 * WEEK))
    assert (found.kind, found.due, found.period) == expected


def test_a_run_by_hand_with_a_date_of_the_calendar_is_still_one_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who triggers can name any date; it opens and closes no window of the calendar."""
    assert of(monkeypatch, "manual", SUNDAY, SUNDAY + HOUR).kind is WindowKind.MANUAL
