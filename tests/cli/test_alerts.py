"""``python -m upkeep alerts`` and ``acknowledge``, as typed, on a real ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg.types.json import Jsonb

from sandbox.postgres import Cluster
from tests.stages.alerts import CRITICAL, trouble
from tests.stages.forks import Forks
from tests.stages.ledger import Ledger, upgraded
from upkeep.areas.alerts import store
from upkeep.areas.alerts.episodes import follow

NOW = datetime.now(UTC)
Upkeep = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def book(cluster: Cluster) -> Iterator[Ledger]:
    """A ledger with one critical alert and a message that was not delivered."""
    with upgraded(cluster) as found:
        with found.session() as session:
            story = trouble("metric:error_rate", CRITICAL, since=NOW - timedelta(hours=3))
            store.write(session, follow((), [story], NOW), NOW)
        found.change(
            "INSERT INTO upkeep.outbox (key, channel, target, level, body, made_at, next_attempt, state, error)"
            " VALUES ('k', 'sms', 'primary', 'critical', %s, %s, %s, 'dead', 'refused')",
            *(Jsonb({}), NOW, NOW),
        )
        yield found


@pytest.fixture
def upkeep(book: Ledger, server: Forks, tmp_path: Path) -> Upkeep:
    """Exit code and both outputs of a command."""

    def run(*command: str) -> tuple[int, str, str]:
        done = server.run(command, book.environment(tmp_path))
        return done.returncode, done.stdout, done.stderr

    return run


def test_what_is_open_is_listed_and_acknowledged(upkeep: Upkeep) -> None:
    """Level, since when, owner, whom it was told; dead letters; channels; then who knows of it."""
    code, out, _ = upkeep("alerts")
    assert code == 1
    assert "CRITICAL  primary  about metric:error_rate" in out
    assert "(3 hours); owner DevOps Engineer; told: nobody yet" in out
    assert "DEAD  refused" in out
    assert "Channel sms is not set up: found no Connection 'upkeep_sms' of type generic" in out
    known = ("--target", "primary", "--by", "Ann", "--why", "deploying")
    code, out, _ = upkeep("acknowledge", "metric:error_rate", *known, "--until-it-clears")
    assert (code, out.splitlines()[0]) == (0, "about metric:error_rate: acknowledged by Ann until it clears.")
    assert "acknowledged by Ann until it clears: deploying" in upkeep("alerts")[1]


def test_what_cannot_be_acknowledged_says_why(upkeep: Upkeep) -> None:
    """No such alert, a day that is over, a target that is none, nobody's name."""
    known = ("--target", "primary", "--by", "Ann", "--why", "known")
    code, _, err = upkeep("acknowledge", "nothing", *known, "--until-it-clears")
    assert (code, err.startswith("found no open alert 'nothing' of primary, expected a number or a key")) == (1, True)
    code, _, err = upkeep("acknowledge", "1", *known, "--until", "2026-01-01")
    assert (code, err) == (1, "--until: found 2026-01-01, which is over; expected today or later\n")
    other = ("--target", "nowhere", "--by", "Ann", "--why", "known")
    assert upkeep("acknowledge", "1", *other, "--until-it-clears")[0] == 2
    code, _, err = upkeep("acknowledge", "1", *known[:3], " ", *known[4:], "--until-it-clears")
    assert (code, "--by: found ' ', expected a line of text" in err) == (2, True)
