"""What the watch sees beside what windows saw: one alert, and one end, whoever looked last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

import pytest

from sandbox.postgres import Cluster
from tests.stages.alerts import CRITICAL, OK
from tests.stages.judging import DAY, DUE, look, outbox, reported, window
from tests.stages.ledger import Ledger, finding, record, upgraded
from tests.stages.watch import CONFIG, heard
from upkeep.areas.watch.follow import follow
from upkeep.areas.watch.judge import Asked, Heard
from upkeep.core.findings import Level
from upkeep.core.windows import WindowKind

POLL = timedelta(seconds=30)
SICK = heard(error_rate_percent=5)
TARGET = CONFIG.targets[0]


@pytest.fixture
def book(cluster: Cluster) -> Iterator[Ledger]:
    """A ledger of the test's own."""
    with upgraded(cluster) as found:
        yield found


def looked(book: Ledger, level: Level, poll: int) -> None:
    """A window of that moment that saw the error rate at this level."""
    at = DUE + poll * POLL - timedelta(seconds=7)
    about = window(kind=WindowKind.MANUAL, run_id=f"manual__{poll}", due=at, deadline=at + DAY)
    reported(book, about, record(finding("metric:error_rate", level, subject="Error rate"), at=at))


def polls(book: Ledger, answers: Mapping[Asked, Heard], first: int, last: int) -> None:
    """Polls with these numbers; people are told after each."""
    for poll in range(first, last + 1):
        at = DUE + poll * POLL
        with book.session() as session:
            follow(session, TARGET, answers, at)
        look(book, now=at + timedelta(seconds=2))


def told(book: Ledger) -> list[str]:
    """What was said of the error rate by SMS."""
    return [kind for kind, cause in outbox(book, "sms") if cause == "Error rate"]


@pytest.mark.guide("G107", "fires", "silent")
def test_a_window_that_sees_it_first_is_told_at_once_and_the_watch_takes_it_over(book: Ledger) -> None:
    """The watch wants three samples: until then it says ok, which is no end of what a window saw."""
    polls(book, heard(), 0, 2)
    looked(book, CRITICAL, 3)
    look(book, now=DUE + 3 * POLL)
    assert told(book) == ["new"]
    polls(book, SICK, 3, 9)
    looked(book, OK, 10)
    polls(book, heard(), 10, 11)
    assert told(book) == ["new"]
    polls(book, heard(), 12, 15)
    assert told(book) == ["new", "over"]


def test_what_a_window_saw_for_a_moment_ends_when_the_watch_has_had_its_samples(book: Ledger) -> None:
    """It was so and is told; the watch never saw it."""
    polls(book, heard(), 0, 2)
    looked(book, CRITICAL, 3)
    polls(book, heard(), 3, 6)
    assert told(book) == ["new"]
    polls(book, heard(), 7, 9)
    assert told(book) == ["new", "over"]


def test_a_sample_from_the_future_is_said(book: Ledger) -> None:
    """A clock that was ahead by hours and was set: the watch says nothing new until then, and that is no good state."""
    polls(book, heard(), 300, 301)
    look(book, now=DUE)
    assert ("new", "The watch's clock was ahead") in outbox(book, "slack")
    look(book, now=DUE + 301 * POLL)
    assert ("over", "The watch's clock was ahead") in outbox(book, "slack")


def test_a_watch_that_falls_silent_ends_nothing_and_any_window_after_it_does(book: Ledger) -> None:
    """A triggerer that is killed amid trouble: no false end, and no second alarm when it is back."""
    looked(book, OK, 0)
    polls(book, SICK, 0, 3)
    look(book, now=DUE + timedelta(hours=1))
    assert told(book) == ["new"]
    assert ("new", "The watch is silent") in outbox(book, "slack")
    polls(book, SICK, 300, 301)
    assert told(book) == ["new"]
    looked(book, OK, 2880)
    look(book, now=DUE + DAY)
    assert told(book) == ["new", "over"]
