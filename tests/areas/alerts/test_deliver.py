"""Sending what is due, from a real outbox: at least once, later again, dead at last, and no message twice by two."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from sandbox.postgres import Cluster
from tests.stages.alerts import CRITICAL, OK
from tests.stages.judging import DAY, DUE, look, reported, window
from tests.stages.ledger import Ledger, finding, record, upgraded
from upkeep.areas.alerts.deliver import LEASE, LEAST_TRIES, Delivered, NotTakenError, Send, deliver
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

NOW = datetime(2026, 11, 29, 3, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RETRY = settings(ROOT / "config").routing.retry


@pytest.fixture
def book(cluster: Cluster) -> Iterator[Ledger]:
    """A ledger of the test's own."""
    with upgraded(cluster) as found:
        yield found


def put(book: Ledger, *keys: str, channel: str = "slack") -> None:
    """Messages that are due."""
    for key in keys:
        book.change(
            "INSERT INTO upkeep.outbox (key, channel, target, level, body, made_at, next_attempt)"
            " VALUES (%s, %s, 'primary', 'warning', %s, %s, %s)",
            *(key, channel, Jsonb({"key": key}), NOW, NOW),
        )


class Taken:
    """A channel that takes what ``hinders`` lets through."""

    def __init__(self, hinders: Callable[[str], object] = lambda key: None) -> None:
        self.keys: list[str] = []
        self.hinders = hinders

    def __call__(self, body: Mapping[str, Any], key: str) -> None:
        self.hinders(key)
        assert body == {"key": key}
        self.keys.append(key)


def go(book: Ledger, at: datetime = NOW, **senders: Send) -> Delivered:
    """One go."""
    return deliver(book.session, senders, RETRY, lambda: at)


def rows(book: Ledger, columns: str = "key, state, attempts") -> list[tuple[Any, ...]]:
    """The outbox."""
    return book.ask(f"SELECT {columns} FROM upkeep.outbox ORDER BY id")


def failing(why: str = "refused", wait: timedelta | None = None) -> Callable[[str], object]:
    """A channel that takes nothing."""

    def refuse(_: str) -> None:
        raise NotTakenError(why, wait)

    return refuse


def test_what_is_due_is_sent_once_in_its_order(book: Ledger) -> None:
    """Sent again there is nothing left."""
    put(book, "a", "b", "c")
    channel = Taken()
    assert go(book, slack=channel).sent == {"slack": 3}
    assert go(book, slack=channel).sent == {}
    assert channel.keys == ["a", "b", "c"]
    assert rows(book) == [("a", "sent", 1), ("b", "sent", 1), ("c", "sent", 1)]


def test_a_channel_that_is_down_keeps_its_messages_and_hinders_no_other(book: Ledger) -> None:
    """Two failures and it is left alone in this go; one that is back gets everything."""
    put(book, "a", "b", "c")
    put(book, "m", channel="email")
    mail = Taken()
    found = go(book, slack=Taken(failing()), email=mail)
    assert (found.sent, found.failed) == ({"email": 1}, {"slack": "refused"})
    assert rows(book) == [("a", "due", 1), ("b", "due", 1), ("c", "due", 0), ("m", "sent", 1)]
    back = Taken()
    assert go(book, NOW + MINUTE, slack=back).sent == {"slack": 3}
    assert sorted(back.keys) == ["a", "b", "c"]


def test_each_failure_doubles_the_wait_and_retry_after_is_heeded(book: Ledger) -> None:
    """Nothing is asked before it is due again."""
    put(book, "a")
    at, waited = NOW, []
    for _ in range(4):
        go(book, at, slack=Taken(failing()))
        ((again,),) = rows(book, "next_attempt")
        assert go(book, again - timedelta(seconds=1), slack=Taken()).sent == {}
        waited.append((again - at) / MINUTE)
        at = again
    assert waited == [1, 2, 4, 8]
    go(book, at, slack=Taken(failing("429", timedelta(minutes=50))))
    assert rows(book, "next_attempt") == [(at + timedelta(minutes=50),)]


def test_after_a_day_it_is_a_dead_letter_with_its_reason(book: Ledger) -> None:
    """Shown, and not sent any more. One that waited for its turn as long has some tries of its own before."""
    put(book, "a")
    at = NOW + timedelta(hours=24)
    for tried in range(LEAST_TRIES):
        assert rows(book, "state, attempts") == [("due", tried)]
        go(book, at, slack=Taken(failing("gone")))
        ((at,),) = rows(book, "next_attempt")
    assert rows(book, "state, error") == [("dead", "gone")]
    assert go(book, NOW + timedelta(hours=48), slack=Taken()).sent == {}


def test_messages_of_a_channel_that_is_no_longer_set_up_die_too(book: Ledger) -> None:
    """They wait a day for it to come back."""
    put(book, "a")
    go(book, NOW + timedelta(hours=23), email=Taken())
    assert rows(book, "state") == [("due",)]
    go(book, NOW + timedelta(hours=25), email=Taken())
    assert rows(book, "state, error") == [("dead", "its channel is no longer set up")]


def test_an_error_is_kept_without_secrets_and_people(book: Ledger) -> None:
    """Whatever a library raises."""
    put(book, "a")

    def broken(_: str) -> None:
        raise RuntimeError("550 <ann@example.org> refused by https://user:S3CRET@host/ \r\n" + "x" * 10_000)

    go(book, slack=Taken(broken))
    ((error,),) = rows(book, "error")
    assert error.startswith("550")
    assert len(error) <= 300
    assert "S3CRET" not in error and "ann@" not in error and "\n" not in error


def test_a_sender_that_is_killed_leaves_its_message_due(book: Ledger) -> None:
    """Nobody takes it for a while, then it is sent with the same key: at least once, never lost."""
    put(book, "a")

    def killed(_: str) -> None:
        raise KeyboardInterrupt  # no exception that the sender handles: its process is over

    with pytest.raises(KeyboardInterrupt):
        go(book, slack=Taken(killed))
    channel = Taken()
    go(book, NOW + LEASE - timedelta(seconds=1), slack=channel)
    assert channel.keys == []
    go(book, NOW + LEASE, slack=channel)
    assert channel.keys == ["a"]


def test_the_end_of_trouble_does_not_overtake_its_beginning(book: Ledger) -> None:
    """A channel that did not take the first message gets it before the second; other trouble does not wait."""
    reported(book, window(), record(finding("k", CRITICAL, subject="One"), step="a.b", at=DUE))
    look(book, now=DUE + MINUTE, channels=("sms",))
    go(book, DUE + MINUTE, sms=Taken(failing()))
    good = record(finding("k", OK), finding("other", CRITICAL, subject="Two"), step="a.b", at=DUE + DAY)
    reported(book, window(1), good)
    at = DUE + timedelta(hours=23)
    look(book, now=at, channels=("sms",))
    book.change("UPDATE upkeep.outbox SET next_attempt = %s WHERE attempts = 1", at + MINUTE)
    said: list[str] = []

    def taken(body: Mapping[str, Any], _: str) -> None:
        said.extend(f"{note['kind']} {note['cause']}" for note in body["notes"])

    go(book, at, sms=taken)
    assert said == ["new Two"]
    go(book, at + MINUTE, sms=taken)
    assert said == ["new Two", "new One", "over One"]


def test_two_senders_at_once_send_nothing_twice(book: Ledger) -> None:
    """Each message is one's or the other's."""
    names = [f"k{n}" for n in range(30)]
    put(book, *names)
    channel = Taken()
    threads = [threading.Thread(target=go, args=(book,), kwargs={"slack": channel}) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(channel.keys) == Counter(names)
