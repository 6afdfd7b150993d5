"""What is over is kept for as long as config says, and then goes; what is open, owed or undelivered stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from sandbox.postgres import Cluster
from tests.stages.alerts import CRITICAL, OK
from tests.stages.judging import DAY, DUE, NOW, look, reported, window
from tests.stages.ledger import Ledger, finding, record, upgraded
from upkeep.areas.alerts import store

MINUTE = timedelta(minutes=1)
CHANNELS = ("email", "sms")


@pytest.fixture
def book(cluster: Cluster) -> Iterator[Ledger]:
    """A ledger of the test's own."""
    with upgraded(cluster) as found:
        yield found


def look_at(book: Ledger, day: int, **levels: str) -> None:
    """A window of that day in which these findings are so, and a look at it."""
    seen = [finding(key, CRITICAL if level == "bad" else OK) for key, level in levels.items()]
    reported(book, window(day), record(*seen, step="health.a", at=DUE + day * DAY))
    look(book, now=NOW + day * DAY, channels=CHANNELS)


def took(book: Ledger, channel: str, at: datetime) -> None:
    """The channel takes all that is due."""
    book.change(
        "UPDATE upkeep.outbox SET state = 'sent', sent_at = %s WHERE channel = %s AND state = 'due'", at, channel
    )


def forget(book: Ledger, before: datetime) -> None:
    """As the watch does it, as the tasks' role."""
    with book.session() as session:
        store.forget(session, before)


def alerts(book: Ledger) -> list[str]:
    """Keys, oldest first; each has what was told of it."""
    told = "SELECT a.key FROM upkeep.alerts a JOIN upkeep.tellings t ON t.alert_id = a.id GROUP BY a.id ORDER BY a.id"
    return [key for (key,) in book.ask(told)]


def messages(book: Ledger) -> list[tuple[str, str]]:
    """(channel, state), oldest first."""
    return book.ask("SELECT channel, state FROM upkeep.outbox ORDER BY id")


def test_what_is_over_goes_and_what_is_open_stays(book: Ledger) -> None:
    """An alert with its tellings and messages; of one that is still so nothing is lost, however old it is."""
    look_at(book, 0, old="bad", still="bad")
    look_at(book, 1, old="ok", still="bad")
    for channel in CHANNELS:
        took(book, channel, NOW + DAY)
    look_at(book, 9, old="ok", still="bad", new="bad")
    for channel in CHANNELS:
        took(book, channel, NOW + 9 * DAY)
    forget(book, NOW + DAY)
    assert alerts(book) == ["old", "still", "new"]
    forget(book, NOW + DAY + MINUTE)
    assert alerts(book) == ["still", "new"]
    left = book.ask("SELECT DISTINCT a.key FROM upkeep.tellings t JOIN upkeep.alerts a ON a.id = t.alert_id ORDER BY 1")
    assert left == [("new",), ("still",)]
    assert book.ask("SELECT count(*) FROM upkeep.outbox WHERE body::text LIKE '%%old%%'") == [(0,)]


def test_what_was_not_delivered_stays(book: Ledger) -> None:
    """What is due, for ever; a dead letter until its channel has taken something: then nobody needs it."""
    look_at(book, 0, k="bad")
    look_at(book, 1, k="ok")
    took(book, "email", NOW + DAY)
    book.change(
        "UPDATE upkeep.outbox SET state = 'dead' WHERE id = (SELECT min(id) FROM upkeep.outbox WHERE channel = 'sms')"
    )
    forget(book, NOW + 500 * DAY)
    assert alerts(book) == []
    assert messages(book) == [("sms", "dead"), ("email", "sent"), ("sms", "due")]
    took(book, "sms", NOW + 2 * DAY)
    forget(book, NOW + 500 * DAY)
    assert messages(book) == [("email", "sent"), ("sms", "sent")]


def test_an_end_that_somebody_waits_for_is_kept_with_its_beginning(book: Ledger) -> None:
    """Quiet hours, or no room in the hour: it is told later, and nothing is told twice."""
    look_at(book, 0, k="bad")
    look_at(book, 1, k="ok")
    book.change("UPDATE upkeep.alerts SET settled = false")
    forget(book, NOW + 500 * DAY)
    assert alerts(book) == ["k"]
