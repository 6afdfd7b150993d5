"""Cron lines of five fields, UTC: what is refused, their days and times of day. Pure.

Read by croniter, as Airflow's CronTriggerTimetable does, so that our calendar is the scheduler's. What that means where
cron's dialects differ (``tests/core/test_cron.py`` holds them against cronsim):

- Where day of the month and day of the week are both given, a day that is either is due (X8). That holds for ``*/2``
  too, which Debian's cron, and cronsim, take for a star: there both must fit.
- ``1/2`` as a day of the week ends on Saturday; for cronsim the week has an eighth day, a second Sunday.
- Last weekdays are written ``L5``, and ranges may pass their end (``22-2``, ``fri-mon``); cronsim has ``5L``, and no
  such ranges. ``5-5`` is the whole field for croniter, so it is refused.
- ``0#5`` is for both the fifth Sunday, in months that have one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from croniter import CroniterBadDateError, croniter

#: A cron line's fields in their order, and what each of them holds.
FIELDS = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day of the month": "1 to 31",
    "month": "1 to 12 or jan to dec",
    "day of the week": "0 to 7 or sun to sat",
}
#: A leap year and the day after it, in which `first_overlap` looks; fixed, so that a config that loads today loads
#: tomorrow.
LOOKED_AT = date(2028, 1, 1), date(2029, 1, 1)
_DAY = timedelta(days=1)


def check(line: str) -> None:
    """Raises ValueError, naming the wrong field, unless the line has a calendar and is read as it is written."""
    fields = line.split()
    if len(fields) != len(FIELDS):
        raise ValueError(f"{len(fields)} fields, expected a cron line of five fields, such as '0 2 * * *' (UTC)")
    for field, (name, expected) in zip(fields, FIELDS.items(), strict=True):
        alone = " ".join(field if name == other else "*" for other in FIELDS)
        # croniter also knows R, a random time, which would give each task of a run another window.
        if re.search(r"\bR\b", field, re.IGNORECASE) or not croniter.is_valid(alone):
            raise ValueError(f"its {name} is {field!r}, expected {expected}, '*', or lists, ranges and steps of them")
        if re.search(r"\b(\w+)-\1\b", field, re.IGNORECASE):
            raise ValueError(
                f"its {name} is {field!r}, which Airflow takes for every value, expected a range that ends on another "
                "value than it begins with"
            )
    if not croniter.is_valid(line):  # each of the fields is right, and they do not fit each other
        raise ValueError("expected five fields that go together, such as '0 2 * * *' (UTC)")
    _check_days(*fields[2:])


def _check_days(day: str, month: str, weekday: str) -> None:
    # Beside an nth or last weekday croniter heeds the day of the month no further than to find no day at all.
    nth, nearest = re.search(r"#|l\d", weekday, re.IGNORECASE), re.search(r"w", day, re.IGNORECASE)
    if not {day, weekday} & {"*", "?"} and (nth or nearest):
        raise ValueError(
            f"its day of the month is {day!r} and its day of the week {weekday!r}, of which Airflow heeds one alone, "
            "expected '*' for the other"
        )
    try:
        croniter(f"0 0 {day} {month} {weekday}", datetime(2000, 1, 1, tzinfo=UTC)).get_prev()
    except CroniterBadDateError:
        raise ValueError("expected a cron line with a day that exists, unlike 30 February") from None


@lru_cache(maxsize=512)
def times_of_day(line: str) -> tuple[timedelta, ...]:
    """The times after midnight at which a day of the line is due, in their order."""
    (minutes, hours, *_), _ = croniter.expand(line)
    return tuple(
        timedelta(hours=hour, minutes=minute)
        for hour in (range(24) if hours == ["*"] else sorted(hours))
        for minute in (range(60) if minutes == ["*"] else sorted(minutes))
    )


def day_fields(line: str) -> str:
    """Day of the month, month and day of the week: on which days the line is due."""
    return " ".join(line.split()[2:])


def days(fields: str, start: date, end: date) -> Iterator[date]:
    """The days in [start, end) on which a line with these ``day_fields`` is due, in their order."""
    if fields == "* * *":  # by far the most days, and nothing to ask
        yield from (start + number * _DAY for number in range((end - start).days))
        return
    found = croniter(f"0 0 {fields}", midnight(start) - _DAY / 2)
    while (day := found.get_next(datetime).date()) < end:
        yield day


def midnight(day: date) -> datetime:
    """A day's first moment."""
    return datetime.combine(day, time(), UTC)


def first_overlap(line: str, length: timedelta) -> tuple[datetime, datetime] | None:
    """The first window of ``LOOKED_AT`` that is still open when the next one is due, and that; None without one.

    For lengths of at most a day. Gaps within a day are all seen, whatever the days are. A gap over midnight is shorter
    than a day only from a day to the very next, so a line with one time of day is never walked through, and any other
    for a leap year at most. Two such days that no leap year has, but another year (``24 12 0``: Christmas Eve beside a
    Sunday), are found by `python -m upkeep calendar`, which walks through all years asked for.
    """
    times = times_of_day(line)
    inside = next((pair for pair in itertools.pairwise(times) if pair[1] - pair[0] < length), None)
    overnight = times[0] + _DAY - times[-1] < length
    if not inside and not overnight:
        return None
    last: date | None = None
    for day in days(day_fields(line), LOOKED_AT[0], date.max):
        if overnight and last == day - _DAY:
            return midnight(last) + times[-1], midnight(day) + times[0]
        if inside:
            return midnight(day) + inside[0], midnight(day) + inside[1]
        if day >= LOOKED_AT[1]:
            return None
        last = day
    return None
