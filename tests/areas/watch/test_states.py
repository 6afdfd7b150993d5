"""States over samples: several in a row change one, odd ones do not, and no data is its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from upkeep.areas.watch.states import Change, State, observed
from upkeep.core.findings import Level

START = datetime(2026, 11, 29, 3, tzinfo=UTC)
POLL = timedelta(seconds=30)
OK, WARNING, CRITICAL, UNKNOWN = Level.OK, Level.WARNING, Level.CRITICAL, Level.UNKNOWN
NEEDED = 3


def run(levels: list[Level], needed: int = NEEDED) -> tuple[State | None, list[Change]]:
    """The state after these samples, half a minute apart, and the changes on the way."""
    state, changes = None, []
    for number, level in enumerate(levels):
        state, change = observed(state, "metric:cpu_usage", level, START + number * POLL, needed)
        changes += [change] if change else []
    return state, changes


def said(levels: list[Level]) -> list[tuple[Level, Level]]:
    """The changes alone."""
    return [(change.was, change.becomes) for change in run(levels)[1]]


def test_three_bad_samples_in_a_row_are_news_and_three_good_ones_its_end() -> None:
    """Told since the first of them, and how long it lasted."""
    _, (began, ended) = run([OK, CRITICAL, CRITICAL, CRITICAL, CRITICAL, OK, OK, OK])
    assert (began.was, began.becomes, began.since) == (OK, CRITICAL, START + POLL)
    assert not began.recovered
    assert (ended.was, ended.recovered, ended.since, ended.lasted) == (CRITICAL, True, START + 5 * POLL, 4 * POLL)


def test_odd_samples_are_no_news() -> None:
    """Neither bad ones amid good ones nor good ones amid bad ones."""
    assert said([OK, CRITICAL, CRITICAL, OK, CRITICAL, CRITICAL, OK]) == []
    assert said([CRITICAL] * 3 + [OK, OK, CRITICAL, OK, OK, CRITICAL]) == [(OK, CRITICAL)]


def test_of_a_mixed_row_what_all_agree_with_is_told() -> None:
    """Worse than ok three times, critical only twice: a warning; a third critical one in a row makes it worse."""
    assert said([WARNING, CRITICAL, CRITICAL]) == [(OK, WARNING)]
    assert said([WARNING, CRITICAL, CRITICAL, CRITICAL, CRITICAL, CRITICAL]) == [(OK, WARNING), (WARNING, CRITICAL)]
    assert said([CRITICAL] * 3 + [WARNING, OK, OK]) == [(OK, CRITICAL), (CRITICAL, WARNING)]


def test_critical_does_not_also_tell_a_warning() -> None:
    """One state for a key: the worse one takes the other's place."""
    assert said([CRITICAL] * 6) == [(OK, CRITICAL)]


def test_no_data_is_a_state_of_its_own() -> None:
    """Told as such, and its end says what there is then."""
    assert said([OK, UNKNOWN, UNKNOWN, UNKNOWN, WARNING, WARNING, WARNING]) == [(OK, UNKNOWN), (UNKNOWN, WARNING)]


def test_a_sample_that_is_not_newer_counts_for_nothing() -> None:
    """Sent twice, or by a clock that went back."""
    state, _ = observed(None, "k", OK, START, 1)
    for at in (START, START - POLL):
        assert observed(state, "k", CRITICAL, at, 1) == (state, None)
    assert observed(state, "k", CRITICAL, START + POLL, 1)[1] is not None


@given(st.lists(st.sampled_from([OK, WARNING, CRITICAL, UNKNOWN]), max_size=60), st.integers(1, 5))
def test_each_change_rests_on_as_many_samples_and_follows_the_one_before(levels: list[Level], needed: int) -> None:
    """A chain of changes from ok to what holds; behind each lie ``needed`` samples that left what held."""
    state, changes = run(levels, needed)
    held, at = OK, 0
    for change in changes:
        assert change.was is held
        assert change.becomes is not held
        began = (change.since - START) // POLL
        assert began >= at
        row = levels[began : began + needed]
        assert len(row) == needed and change.becomes in row and held not in row
        held, at = change.becomes, began + needed
    assert state is None or state.level is held
