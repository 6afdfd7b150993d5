"""What `python -m upkeep backfill` makes of missed windows before it asks Airflow; the rest is in tests/e2e."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta

import pytest

from upkeep.areas.calendar.due import DueWindow, State

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.cli.backfill import problem, stretches
    from upkeep.flow.backfills import DagState

SUNDAY = datetime(2026, 11, 1, 3, tzinfo=UTC)


def missed(week: int) -> DueWindow:
    """The weekly window of one of the Sundays."""
    due = SUNDAY + timedelta(weeks=week)
    return DueWindow("primary", "weekly", due, due + timedelta(hours=2), State.MISSED, "")


@pytest.mark.parametrize(
    ("weeks", "expected"),
    [
        ((), []),
        ((0,), [[0]]),
        ((2, 0, 1), [[0, 1, 2]]),
        ((0, 1, 3, 4), [[0, 1], [3, 4]]),
        ((0, 2, 4), [[0], [2], [4]]),
    ],
)
def test_a_window_that_is_not_to_be_carried_out_is_not_between_two(
    weeks: tuple[int, ...], expected: list[list[int]]
) -> None:
    """One that was waived or frozen has no run either: a backfill over it would carry it out."""
    found = stretches([missed(week) for week in weeks], "weekly")
    assert [[(one.due - SUNDAY) // timedelta(weeks=1) for one in stretch] for stretch in found] == expected


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (DagState(known=False, paused=False, backfilling=False), "found no such DAG in Airflow"),
        (DagState(known=True, paused=True, backfilling=False), "found it paused, expected it unpaused"),
        (DagState(known=True, paused=False, backfilling=True), "found a backfill that has not ended"),
        (DagState(known=True, paused=False, backfilling=False), ""),
    ],
)
def test_what_airflow_could_not_do_is_said_before_it_is_asked(state: DagState, said: str) -> None:
    """The DAG's name, what was found and what was expected; nothing to say is nothing."""
    found = problem("maintenance_weekly", state)
    assert said in found
    assert bool(said) == bool(found)
