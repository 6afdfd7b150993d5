"""The watch's rows in a real ledger, written as the tasks' role writes them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from tests.stages.ledger import Ledger, write
from tests.stages.watch import CONFIG, heard, silence
from upkeep.areas.alerts.troubles import current
from upkeep.areas.watch.follow import follow, keep_house
from upkeep.areas.watch.judge import Asked, Heard
from upkeep.areas.watch.states import Change
from upkeep.core.findings import Level
from upkeep.core.windows import Window

NOW = datetime(2026, 11, 29, 12, 0, 5, tzinfo=UTC)
POLL = timedelta(seconds=30)
SICK = heard(error_rate_percent=5)
TARGET = CONFIG.targets[0]


@pytest.fixture
def target(window: Window) -> str:
    """A target that no other test has."""
    return window.target


def polled(book: Ledger, target: str, heard: Mapping[Asked, Heard], at: datetime) -> tuple[Change, ...]:
    """One poll, as the trigger writes it."""
    with book.session() as session:
        return follow(session, target, heard, at)


def several(book: Ledger, target: str, heard: Mapping[Asked, Heard], first: int, polls: int) -> list[Change]:
    """Polls number ``first`` and the following."""
    changes = [polled(book, target, heard, NOW + n * POLL) for n in range(first, first + polls)]
    return [change for one in changes for change in one]


def samples(book: Ledger, target: str) -> int:
    """How many there are."""
    return int(book.ask("SELECT count(*) FROM upkeep.watch_samples WHERE target = %s", target)[0][0])


@pytest.mark.guide("G31", "G107", "holds")
def test_a_change_is_told_once_after_so_many_samples_and_so_is_its_end(book: Ledger, target: str) -> None:
    """Three as config says; each poll is a row with its numbers."""
    assert several(book, target, heard(), 0, 3) == []
    (began,) = several(book, target, SICK, 3, 10)
    assert (began.key, began.was, began.becomes) == ("metric:error_rate", Level.OK, Level.CRITICAL)
    assert began.since == NOW + 3 * POLL
    (ended,) = several(book, target, heard(), 13, 5)
    assert ended.recovered and ended.lasted == 10 * POLL
    assert samples(book, target) == 18
    row = book.ask(
        "SELECT level, health, metrics ->> 'error_rate', (latencies ->> 'trust-scorer')::float"
        " FROM upkeep.watch_samples WHERE target = %s ORDER BY slot OFFSET 3 LIMIT 1",
        target,
    )
    assert row == [("critical", 99.0, "5.0", 20.0)]


@pytest.mark.guide("G31", "holds")
def test_two_triggerers_leave_one_sample_and_one_change(book: Ledger, target: str) -> None:
    """Also when both write at the same moment."""
    changes: list[Change] = []
    for poll in range(4):
        at = NOW + poll * POLL
        both = [threading.Thread(target=lambda at=at: changes.extend(polled(book, target, SICK, at))) for _ in range(2)]
        for one in both:
            one.start()
        for one in both:
            one.join()
    assert samples(book, target) == 4
    assert [change.key for change in changes] == ["metric:error_rate"]


def test_a_gap_is_a_gap(book: Ledger, target: str) -> None:
    """Samples before it and after it are no row: what was between is not known, and no row fills it."""
    assert several(book, target, SICK, 0, 2) == []
    assert several(book, target, SICK, 20, 2) == []
    assert len(several(book, target, SICK, 22, 1)) == 1
    assert samples(book, target) == 5


def test_a_clock_that_went_back_takes_nothing_back(book: Ledger, target: str) -> None:
    """A sample of an earlier slot is kept as a row and changes no state."""
    assert len(several(book, target, SICK, 10, 3)) == 1
    assert several(book, target, heard(), 0, 5) == []
    ((level,),) = book.ask(
        "SELECT level FROM upkeep.watch_states WHERE target = %s AND key = 'metric:error_rate'", target
    )
    assert level == "critical"


def test_no_answer_at_all_is_a_state_and_one_trouble(book: Ledger) -> None:
    """All thirteen are unknown, and people are told of one cause; when it answers again nothing is left."""
    several(book, TARGET, silence("[Errno 111] refused"), 0, 3)
    after = NOW + 3 * POLL
    with book.session() as session:
        (trouble,) = current(session, CONFIG, None, after)
    assert (trouble.key, trouble.level, trouble.findings) == ("cause:all-silent", Level.UNKNOWN, 13)
    assert trouble.since == NOW
    several(book, TARGET, heard(), 3, 3)
    with book.session() as session:
        assert current(session, CONFIG, None, after + 3 * POLL) == []
        silent = current(session, CONFIG, None, after + timedelta(hours=1))
    assert [(one.key, one.level) for one in silent] == [("watch:silent", Level.UNKNOWN)]
    assert "what was between is not known" in silent[0].detail


def test_a_finding_during_our_own_action_says_so_and_is_not_muted(book: Ledger, target: str, window: Window) -> None:
    """Marked while the permit has no receipt; it is the same one state before and after, so its end is no recovery."""
    write(book, window)
    digest = "ab12cd34ef56" + "0" * 52
    book.change(
        """INSERT INTO upkeep.plans (window_id, target, dag_id, run_id, digest, body, measured, checklist, not_after,
               instance)
           SELECT id, target, dag_id, %s, %s, '{}', '{}', '{}', now(), '1' FROM upkeep.windows WHERE target = %s""",
        target,
        digest,
        target,
    )
    book.change("ALTER TABLE upkeep.permits DISABLE TRIGGER permit_holds")  # nobody approved this plan
    book.change(
        """INSERT INTO upkeep.permits (digest, action_id, attempt, run_id, backend_pid, before, permitted_at)
           VALUES (%s, 'a', 1, '', 1, '{}', %s)""",
        digest,
        NOW - POLL,
    )
    book.change("ALTER TABLE upkeep.permits ENABLE TRIGGER permit_holds")
    assert len(several(book, target, SICK, 0, 3)) == 1
    marked = "SELECT during FROM upkeep.watch_states WHERE target = %s AND key = 'metric:error_rate'"
    assert book.ask(marked, target) == [("ab12cd34ef56",)]
    book.change(
        """INSERT INTO upkeep.receipts (permit_id, outcome, reason, before, after)
           SELECT id, 'done', '', '{}', '{}' FROM upkeep.permits WHERE digest = %s""",
        digest,
    )
    assert several(book, target, SICK, 3, 3) == []
    assert book.ask(marked, target) == [("",)]


def test_samples_become_hours_and_go(book: Ledger, target: str) -> None:
    """One row an hour with what was lowest and how many were missing data; never before the hour is over."""
    several(book, target, heard(), 0, 3)
    polled(book, target, heard(health=80, milliseconds=50), NOW + 3 * POLL)
    polled(book, target, silence(), NOW + 4 * POLL)
    with book.session() as session:
        keep_house(session, NOW + 5 * POLL)
    hours = """SELECT samples, unknown, lowest_health, latencies -> 'trust-scorer'
               FROM upkeep.watch_hours WHERE target = %s"""
    assert book.ask(hours, target) == []
    week = timedelta(days=CONFIG.maintenance.watch.keep_days)
    with book.session() as session:
        keep_house(session, NOW + timedelta(hours=1))
        keep_house(session, NOW + timedelta(hours=2))
    assert book.ask(hours, target) == [(5, 1, 80.0, 20)]
    assert samples(book, target) == 5
    with book.session() as session:
        keep_house(session, NOW + week + timedelta(hours=1))
    assert samples(book, target) == 0
    with book.session() as session:
        keep_house(session, NOW + timedelta(days=CONFIG.maintenance.watch.keep_hours_days + 1))
    assert book.ask(hours, target) == []
