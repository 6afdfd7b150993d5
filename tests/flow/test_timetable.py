"""The calendar is the scheduler's: occurrences as Airflow's own timetable makes them, also where dialects differ."""

from __future__ import annotations

import itertools
import warnings
from datetime import UTC, datetime, timedelta

import pytest

from upkeep.core.windows import Cadence

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from airflow.sdk import timezone
    from airflow.timetables.base import TimeRestriction
    from airflow.timetables.trigger import CronTriggerTimetable

#: Two years, with the leap day of 2028 and an end of a year.
START = datetime(2027, 6, 1, 12, 30, 15, tzinfo=UTC)
END = datetime(2029, 6, 1, tzinfo=UTC)


@pytest.mark.guide("X7", "holds")
@pytest.mark.guide("X8", "holds")
@pytest.mark.parametrize(
    "cron",
    [
        "0 2 * * *",
        "0 3 * * 0",
        "0 2 * * 0#1",
        "0 2 * * 0#5",
        "0 2 1-7 * 0",  # the guide's: days 1 to 7, or Sundays
        "0 2 */10 * sun",  # either too, though for Debian's cron both must fit
        "0 2 * * 5/2",
        "0 2 * * sat-sun",
        "0 2 * * L5",
        "0 2 16W * *",
        "0 2 L * *",
        "0 2 29 2 *",
        "*/20 22-2 31 12 *",
    ],
)
def test_airflow_is_due_when_the_calendar_is(cron: str) -> None:
    """X7, X8: run after run of two years, walked through and one by one."""
    cadence = Cadence(cron=cron, length_minutes=20)
    timetable = CronTriggerTimetable(cron, timezone="UTC")
    within = TimeRestriction(*(timezone.coerce_datetime(moment) for moment in (START, END)), catchup=True)
    made, last = [], None
    while info := timetable.next_dagrun_info(last_automated_data_interval=last, restriction=within):
        made.append(info.run_after)
        last = info.data_interval
    assert made
    assert list(cadence.between(START, END + timedelta(microseconds=1))) == made
    assert cadence.after(START) == made[0]
    assert all(cadence.after(each) == following for each, following in itertools.pairwise(made[:9]))
    assert cadence.at_or_before(END) == made[-1]
