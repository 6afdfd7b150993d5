"""The watch's trigger against the real functions twin and a real ledger: its run(), without Airflow's triggerer."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.postgres import HOST
from tests.stages.certificates import self_signed
from tests.stages.config import MAIN
from tests.stages.config import config as config  # noqa: PLC0414  # a fixture
from tests.stages.ledger import Ledger
from tests.stages.server import Server, answer
from tests.stages.twin import SECRET_KEY, Twin
from tests.stages.twin import platform as platform  # noqa: PLC0414  # a fixture
from tests.stages.twin import twin as twin  # noqa: PLC0414  # a fixture
from tests.stages.twin import twin_dsn as twin_dsn  # noqa: PLC0414  # a fixture
from upkeep.areas.watch.follow import phase_of, slot_of
from upkeep.flow.watch import ALERTS, WatchTrigger
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

FUNCTION = "trust-scorer"
KEY = f"latency:{FUNCTION}"


@pytest.fixture
def watching(config: Path, book: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Polls every second, two samples make a change; called with the address of the functions."""
    content = yaml.safe_load((config / MAIN).read_text())
    content["watch"] = {"every_seconds": 1, "samples": 2}
    (config / MAIN).write_text(yaml.safe_dump(content))
    monkeypatch.setenv("UPKEEP_CONFIG", str(config))
    for name, value in book.environment(config).items():
        if name.startswith("AIRFLOW_CONN"):
            monkeypatch.setenv(name, value)
    settings.cache_clear()

    def functions(url: str) -> None:
        monkeypatch.setenv(
            "AIRFLOW_CONN_UPKEEP_FUNCTIONS", json.dumps({"conn_type": "http", "host": url, "password": SECRET_KEY})
        )

    yield functions
    settings.cache_clear()
    book.change("TRUNCATE upkeep.watch_samples, upkeep.watch_states")


def state(book: Ledger) -> str | None:
    """What holds of the function."""
    rows = book.ask("SELECT level FROM upkeep.watch_states WHERE key = %s", KEY)
    return rows[0][0] if rows else None


def samples(book: Ledger) -> int:
    """Samples so far."""
    return int(book.ask("SELECT count(*) FROM upkeep.watch_samples")[0][0])


async def until(done: Callable[[], bool], triggers: int = 1) -> list[dict[str, Any]]:
    """Run so many triggers until something is so; the events meanwhile. A minute is enough for any of it."""
    events: list[dict[str, Any]] = []

    async def one() -> None:
        async with aclosing(WatchTrigger().run()) as run:  # type: ignore[type-var]
            async for event in run:
                events.append(event.payload)

    tasks = [asyncio.create_task(one()) for _ in range(triggers)]
    try:
        async with asyncio.timeout(60):
            while not done():
                await asyncio.sleep(0.1)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return events


def told(events: list[dict[str, Any]]) -> int:
    """How often the function changed; a busy machine may be slow besides."""
    return sum(KEY in event["changed"] for event in events)


@pytest.mark.guide("G31", "holds")
def test_a_function_that_stops_answering_is_an_event_and_so_is_its_return(
    twin: Twin,
    book: Ledger,
    watching: Callable[[str], None],
) -> None:
    """Nothing is announced while nothing changes, one event when it does, whatever number of polls follows."""
    watching(twin.url)
    with twin.fault(FUNCTION, "http_500"):
        broken = asyncio.run(until(lambda: state(book) == "unknown" and samples(book) >= 6))
    assert told(broken) == 1
    assert broken[0]["changed"] == []  # it has begun: what one before it was killed with is told then
    healed = asyncio.run(until(lambda: state(book) not in ("unknown", None)))
    assert told(healed) <= 1
    ((number, slots),) = book.ask("SELECT count(*), count(DISTINCT slot) FROM upkeep.watch_samples")
    assert number == slots


def test_two_triggers_leave_one_sample_a_slot(
    twin: Twin,
    book: Ledger,
    watching: Callable[[str], None],
) -> None:
    """Both poll, the ledger takes one; of the change they make one event."""
    watching(twin.url)
    with twin.fault(FUNCTION, "http_500"):
        events = asyncio.run(until(lambda: state(book) == "unknown" and samples(book) >= 5, triggers=2))
    assert told(events) == 1
    ((least,),) = book.ask(
        "SELECT min(extract(epoch FROM slot - earlier))::float FROM"
        " (SELECT slot, lag(slot) OVER (ORDER BY slot) AS earlier FROM upkeep.watch_samples) s"
    )
    assert least >= 1


def test_without_a_connection_the_reason_is_the_state(
    book: Ledger, watching: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The poll goes on, and all is unknown for what config lacks."""
    watching("")
    asyncio.run(until(lambda: state(book) == "unknown"))
    ((detail,),) = book.ask("SELECT detail FROM upkeep.watch_states WHERE key = %s", KEY)
    assert "found no host" in detail


def test_a_redirect_is_not_followed_and_the_key_goes_nowhere_else(
    book: Ledger, watching: Callable[[str], None]
) -> None:
    """The other host hears nothing; the state says what was found."""
    with Server(answer(200, b"{}")) as other:
        with Server(answer(302, b"", Location=f"{other.url}/elsewhere")) as server:
            watching(server.url)
            asyncio.run(until(lambda: state(book) == "unknown"))
        assert other.received == []
    ((detail,),) = book.ask("SELECT detail FROM upkeep.watch_states WHERE key = %s", KEY)
    assert "found status 302" in detail and SECRET_KEY not in detail


def test_a_certificate_that_nobody_vouches_for_is_no_answer(
    book: Ledger, watching: Callable[[str], None], tmp_path: Path
) -> None:
    """The key is sent to nobody, and the state says why."""
    with Server(answer(200, b"{}"), tls=self_signed(tmp_path).server) as server:
        watching(server.url)
        asyncio.run(until(lambda: state(book) == "unknown"))
    assert server.received == []
    ((detail,),) = book.ask("SELECT detail FROM upkeep.watch_states WHERE key = %s", KEY)
    assert "certificate verify failed" in detail


def test_a_ledger_that_is_away_ends_no_watch(
    twin: Twin,
    book: Ledger,
    watching: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its polls leave no sample, which is a gap; the next ones do."""
    watching(twin.url)
    there = json.loads(book.environment(Path())["AIRFLOW_CONN_UPKEEP_LEDGER"])
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_LEDGER", json.dumps(there | {"host": HOST, "port": 1}))

    async def away_then_back() -> None:
        watch = asyncio.create_task(until(lambda: samples(book) >= 2))
        await asyncio.sleep(2.5)
        assert samples(book) == 0
        monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_LEDGER", json.dumps(there))
        await watch

    asyncio.run(away_then_back())


#: Which of these are imported in the loop's own thread until the first poll has come to its end.
IMPORTS = """
import asyncio, logging, sys, threading
from contextlib import aclosing
from upkeep.flow.watch import WatchTrigger, log

loaded = []

class InTheLoop:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is threading.main_thread():
            loaded.append(name)

class Ended(logging.Handler):
    def emit(self, record):
        loop.call_soon_threadsafe(ended.set)

async def main():
    global loop, ended
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    log.addHandler(Ended())
    sys.meta_path.insert(0, InTheLoop())
    async def poll():
        async with aclosing(WatchTrigger().run()) as run:
            async for _ in run:
                pass
    polling = asyncio.create_task(poll())
    async with asyncio.timeout(60):
        await ended.wait()
    polling.cancel()

asyncio.run(main())
heavy = ("upkeep", "psycopg", "pydantic", "aiohttp", "yaml")
print("in the loop:", sorted(name for name in loaded if name.partition(".")[0] in heavy))
"""


def test_what_takes_long_at_the_beginning_does_not_block_the_triggerers_loop(watching: Any, config: Path) -> None:
    """Drivers, models and config are imported and read in a thread: every other trigger shares the loop."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN")}
    told = subprocess.run(
        [sys.executable, "-c", IMPORTS],
        env={**environ, "PYTHONPATH": str(ROOT / "plugins"), "AIRFLOW_HOME": str(config)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout.splitlines()[-1:] == ["in the loop: []"], told.stdout + told.stderr


def test_the_asset_has_the_trigger_and_says_nothing_that_changes() -> None:
    """Serialized alike at each parse: another one would be a second watch."""
    (watcher,) = ALERTS.watchers
    assert (ALERTS.name, watcher.name) == ("upkeep_alerts", "upkeep_watch")
    assert WatchTrigger().serialize() == ("upkeep.flow.watch.WatchTrigger", {})


def test_a_poll_that_comes_a_little_late_is_still_in_its_slot() -> None:
    """Else it would take the next one's place, and that would find it taken: a gap that nobody was away for."""
    begin, every = datetime(2026, 11, 29, tzinfo=UTC).timestamp(), 30
    for number in range(2_000):
        late = datetime.fromtimestamp(begin + phase_of(f"target-{number}", every) + every / 6, UTC)
        assert slot_of(late, every).timestamp() == begin
