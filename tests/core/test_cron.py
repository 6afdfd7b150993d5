"""Cron lines against an independent reader, cronsim; what a line is refused for; windows longer than their cadence."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from upkeep.core.cron import FIELDS, days, first_overlap
from upkeep.core.windows import Cadence

TICK, MINUTE, DAY = timedelta(microseconds=1), timedelta(minutes=1), timedelta(days=1)
#: Where calendars go wrong: ends of years, leap days, the year 2100 that is no leap year.
EDGES = (
    datetime(2023, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2024, 2, 28, 23, 59, tzinfo=UTC),
    datetime(2027, 12, 31, 2, tzinfo=UTC),
    datetime(2028, 2, 29, tzinfo=UTC),
    datetime(2096, 2, 29, 12, tzinfo=UTC),
)
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


@st.composite
def items(draw: st.DrawFn, low: int, high: int, names: list[str], *, opens: bool) -> str:
    """A value, name, range or step of one field; ``opens``: also ``5/15``, from five on to the field's end."""
    first, last, step = draw(st.integers(low, high)), draw(st.integers(low, high)), draw(st.integers(1, high))
    forms = [f"{first}"]
    if first < last:
        forms += [f"{first}-{last}", f"{first}-{last}/{step}"]
        if names and last - low < len(names):
            forms += [f"{names[first - low]}-{names[last - low]}"]
    if opens:
        forms += [f"*/{step}", f"{first}/{step}"]
    if names and first - low < len(names):
        forms += [names[first - low], names[first - low].upper()]
    return draw(st.sampled_from(forms))


def field(low: int, high: int, names: list[str], *, opens: bool = True) -> st.SearchStrategy[str]:
    """``*`` or a list of up to three items."""
    return st.just("*") | st.lists(items(low, high, names, opens=opens), min_size=1, max_size=3).map(",".join)


NTH = st.lists(st.builds("{}#{}".format, st.sampled_from([*range(8), *WEEKDAYS]), st.integers(1, 5)), min_size=1).map(
    lambda of_month: ",".join(of_month[:2])
)
#: Day of the month beside day of the week: never both with a star in them, and `1/2` is no weekday (see below).
DAYS = st.one_of(
    st.tuples(field(1, 31, []), st.just("*")),
    st.tuples(st.just("*"), field(0, 7, WEEKDAYS, opens=False) | st.sampled_from(["*/2", "*/3"]) | NTH),
    st.tuples(field(1, 31, [], opens=False), field(0, 7, WEEKDAYS, opens=False)),
    st.tuples(st.sampled_from(["L", "15,L", "29", "30", "31", "29-31"]), st.just("*")),
)
LINES = st.builds(
    lambda minute, hour, month, by_day: f"{minute} {hour} {by_day[0]} {month} {by_day[1]}",
    field(0, 59, []),
    field(0, 23, []),
    st.just("*") | field(1, 12, MONTHS) | st.just("2"),
    DAYS,
)
MOMENTS = st.sampled_from(EDGES) | st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))


def accepted(line: str) -> Cadence:
    """The cadence of a line that both readers take."""
    try:
        cadence = Cadence(cron=line, length_minutes=1)
        assume(next(CronSim(line, EDGES[0]), None))
    except (ValidationError, CronSimError):
        assume(False)
    return cadence


@pytest.mark.guide("X7", "holds")
@given(LINES, MOMENTS)
@example("0 2 * * 0#1", EDGES[0])
@example("0 2 29 2 *", EDGES[4])
@example("30 1 * 2 0#5", EDGES[1])
@example("*/10 22-23 31 12 fri", EDGES[2])
def test_occurrences_are_those_of_an_independent_reader(line: str, moment: datetime) -> None:
    """X7: the next thirty and the last five, over leap days, ends of years and 2100: one by one and walked through."""
    cadence = accepted(line)
    following = list(itertools.islice(CronSim(line, moment), 30))
    assert list(cadence.between(moment + TICK, following[-1] + TICK)) == following
    found = moment
    for expected in following[:5]:
        found = cadence.after(found)
        assert found == expected
    found = moment
    for expected in itertools.islice(CronSim(line, moment, reverse=True), 5):
        found = cadence.before(found)
        assert found == expected
        assert cadence.at_or_before(expected) == expected


@settings(max_examples=30)
@given(LINES, MOMENTS, st.integers(1, 24 * 60))
def test_what_is_before_after_and_open_agrees(line: str, moment: datetime, minutes: int) -> None:
    """Around any moment, an occurrence itself and the microseconds beside one."""
    cadence = accepted(line).model_copy(update={"length_minutes": minutes})
    due = cadence.after(moment)
    for at in (moment, due, due - TICK, due + TICK, due + cadence.length, due + cadence.length - TICK):
        before, latest, after = cadence.before(at), cadence.at_or_before(at), cadence.after(at)
        assert before < at < after
        assert latest in (before, at)
        assert cadence.after(before) == (latest if latest == at else after)
        assert cadence.before(after) == latest
        assert cadence.open_at(at) == (latest if at - latest < cadence.length else None)
        assert list(cadence.between(before, after)) == ([before] if latest == before else [before, at])
    assert cadence.at_or_before(due) == due


def first(reader: Cadence | CronSim, count: int) -> list[str]:
    """The first days of a year from a Friday on."""
    found = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    if isinstance(reader, CronSim):
        return [f"{each:%a %d %b}" for each in itertools.islice(reader, count)]
    return [f"{(found := reader.after(found)):%a %d %b}" for _ in range(count)]


#: Where two readers differ: a line, what Upkeep and Airflow make of it, what cronsim does (None: refuses it).
DIFFER: dict[str, tuple[str, list[str], list[str] | None]] = {
    "a stepped star beside a weekday is a day of its own, not a star": (
        "0 2 */10 * sun",
        ["Fri 01 Jan", "Sun 03 Jan", "Sun 10 Jan", "Mon 11 Jan"],
        ["Sun 31 Jan", "Sun 21 Feb", "Sun 21 Mar", "Sun 11 Apr"],
    ),
    "a weekday with a step ends on Saturday": (
        "0 2 * * 5/2",
        ["Fri 01 Jan", "Fri 08 Jan"],
        ["Fri 01 Jan", "Sun 03 Jan"],
    ),
    "a range may pass the end of its field": ("0 2 * * sat-sun", ["Sat 02 Jan", "Sun 03 Jan", "Sat 09 Jan"], None),
    "the last Friday": ("0 2 * * L5", ["Fri 29 Jan", "Fri 26 Feb"], None),
    "the weekday nearest to a day": ("0 2 16W * *", ["Fri 15 Jan", "Tue 16 Feb"], None),
}


@pytest.mark.guide("X8", "holds")
@pytest.mark.parametrize("about", DIFFER)
def test_where_readers_differ_the_calendar_is_airflows(about: str) -> None:
    """X8: what is told in cron.py; tests/flow/test_timetable.py asks Airflow itself."""
    line, ours, others = DIFFER[about]
    assert first(Cadence(cron=line, length_minutes=30), len(ours)) == ours
    if others is None:
        with pytest.raises(CronSimError):
            CronSim(line, EDGES[0])
    else:
        assert first(CronSim(line, datetime(2026, 12, 31, 23, 59, tzinfo=UTC)), len(others)) == others


# Refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["60", "x", "-1", "*/0", "1-", "1,,2", "5-5"])
@pytest.mark.parametrize(("place", "name"), list(enumerate(FIELDS)))
def test_a_wrong_field_is_named(place: int, name: str, bad: str) -> None:
    """Which of the five, what stands there, and what was expected."""
    fields = ["0", "2", "*", "*", "*"]
    fields[place] = bad
    with pytest.raises(ValidationError) as caught:
        Cadence(cron=" ".join(fields), length_minutes=30)
    said = [error["msg"] for error in caught.value.errors()]
    expected = "a range that ends on another value" if bad == "5-5" else FIELDS[name]
    assert len(said) == 1
    assert f"its {name} is {bad!r}, " in said[0]
    assert f"expected {expected}" in said[0]


@pytest.mark.guide("X8", "holds")
@pytest.mark.parametrize("line", ["0 2 5-9 * 0#1", "0 2 15 * sun#1", "0 2 1-7 * L5", "0 2 15W * 1", "0 2 * * 1#1,3"])
def test_what_airflow_would_not_read_as_it_is_written_is_refused(line: str) -> None:
    """X8: a day of the month beside a weekday of the month, of which croniter forgets one; a weekday beside an nth."""
    with pytest.raises(ValidationError, match=r"its day of the (month|week) is .* expected "):
        Cadence(cron=line, length_minutes=30)


OVERLAPS = {
    # cron and minutes: the window that is too long, and the one that is due meanwhile
    ("*/10 * * * *", 11): ("2028-01-01 00:00", "2028-01-01 00:10"),
    ("0 2,3 * * 0", 61): ("2028-01-02 02:00", "2028-01-02 03:00"),
    ("0 2,3 29 2 *", 61): ("2028-02-29 02:00", "2028-02-29 03:00"),
    ("0 2,3 * 2 0#5", 61): ("2032-02-29 02:00", "2032-02-29 03:00"),
    ("0 2,22 * * *", 241): ("2028-01-01 22:00", "2028-01-02 02:00"),
    ("0 2,22 1,31 * *", 241): ("2028-01-31 22:00", "2028-02-01 02:00"),
    ("0 2,22 */2 * *", 241): ("2028-01-31 22:00", "2028-02-01 02:00"),
    ("0 2,22 31 12 *", 241): None,
    ("0 2,22 1 1 *", 241): None,
    ("0 2,22 1,15 * *", 24 * 60): ("2028-01-01 02:00", "2028-01-01 22:00"),
    ("0 2,22 1,15 * *", 20 * 60): None,
    ("0 2,22 31,1 12,1 *", 241): ("2028-12-31 22:00", "2029-01-01 02:00"),
    ("*/10 * * * *", 10): None,
    ("0 2,22 * * *", 240): None,
    ("0 2 * * *", 24 * 60): None,
    ("0 2 * * 1,3,5", 24 * 60): None,
}


@pytest.mark.parametrize(("line", "minutes"), OVERLAPS)
def test_a_window_longer_than_the_time_to_the_next_is_refused_with_its_first_date(line: str, minutes: int) -> None:
    """To the minute; within a day and over midnight, months and years."""
    found = first_overlap(line, minutes * MINUTE)
    expected = OVERLAPS[line, minutes]
    assert (found and tuple(f"{each:%Y-%m-%d %H:%M}" for each in found)) == expected
    if expected is None:
        assert Cadence(cron=line, length_minutes=minutes).length == minutes * MINUTE
    else:
        with pytest.raises(ValidationError) as caught:
            Cadence(cron=line, length_minutes=minutes)
        due, following = (each.replace(" ", " at ") for each in expected)
        assert (
            f"found {minutes}, yet a window is due on {due} and the next one on {following} UTC, "
            "expected one that is over when the next is due"
        ) in str(caught.value)


@pytest.mark.parametrize("minutes", [0, 24 * 60 + 1])
def test_a_window_is_a_minute_to_a_day_long(minutes: int) -> None:
    """What is longer could not be judged by neighbouring days."""
    with pytest.raises(ValidationError, match="length_minutes"):
        Cadence(cron="0 2 * * 0", length_minutes=minutes)


@settings(max_examples=60)
@given(LINES, st.integers(1, 24 * 60))
def test_what_loads_overlaps_nowhere_in_the_year_that_was_looked_at(line: str, minutes: int) -> None:
    """What is refused does overlap, what is not does not: held against cronsim's occurrences of that year."""
    cadence = accepted(line)
    overlap = first_overlap(line, minutes * MINUTE)
    first_of_year = datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC)
    due = list(itertools.islice(CronSim(line, first_of_year), 400))
    due = [each for each in due if each < datetime(2029, 1, 2, tzinfo=UTC)]
    shorter = (pair for pair in itertools.pairwise(due) if pair[1] - pair[0] < minutes * MINUTE)
    if expected := next(shorter, None):
        assert overlap == expected
    elif overlap:  # in none of those 400, so later
        assert overlap[0] >= due[-1]
        assert cadence.after(overlap[0]) == overlap[1]
        assert overlap[1] - overlap[0] < minutes * MINUTE


def test_the_days_of_a_line_are_from_the_first_to_before_the_last() -> None:
    """Half-open, the first day itself included."""
    fields = "* * 0#1"
    assert list(days(fields, date(2026, 12, 6), date(2027, 2, 7))) == [date(2026, 12, 6), date(2027, 1, 3)]
    assert list(days(fields, date(2026, 12, 7), date(2027, 1, 3))) == []
