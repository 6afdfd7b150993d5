"""SIGKILL at random moments to each part that alerts pass through: nothing is lost, nothing is told twice."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from sandbox import mail
from sandbox.ports import free_port
from sandbox.postgres import Cluster
from tests.stages.alerting import KEY, PARTS, Parts, Setup
from tests.stages.config import MAIN
from tests.stages.config import config as config  # noqa: PLC0414  # a fixture
from tests.stages.ledger import Ledger, upgraded

#: `make faults` kills 1,000 times.
KILLS = int(os.environ.get("UPKEEP_KILLS") or 50)
SEED = 15
PATIENCE_SECONDS = 240


@pytest.fixture
def book(cluster: Cluster) -> Iterator[Ledger]:
    """A ledger of the test's own."""
    with upgraded(cluster) as found:
        yield found


@pytest.fixture
def mails(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A real SMTP server: its port, and the file that its mails come into."""
    server, log = mail.controller(free_port(), tmp_path / "mail.jsonl"), tmp_path / "mail.jsonl"
    server.start()
    yield server.port, log
    server.stop()


def routed(folder: Path) -> None:
    """Critical alone, to a service and by mail; one sample makes a change, and nobody is reminded.

    Messages of the one trouble wait for each other, and on a busy machine a day of the parts' clock, which is 144
    seconds, is no long wait: nothing is given up.
    """
    file = folder / "routing.yaml"
    content = yaml.safe_load(file.read_text())
    content["channels"] = {
        "service": {"kind": "apprise", "connection": "upkeep_sms", "brief": True},
        "email": {"kind": "email", "connection": "upkeep_smtp", "to": ["oncall@example.org"]},
    }
    content["routes"] = [{"channel": name, "levels": ["critical"]} for name in content["channels"]]
    content |= {"remind_minutes": {}, "most_an_hour": 100}
    content["retry"] |= {"down_minutes": 1440, "give_up_hours": 720}
    file.write_text(yaml.safe_dump(content))
    content = yaml.safe_load((folder / MAIN).read_text())
    content["watch"]["samples"] = 1
    (folder / MAIN).write_text(yaml.safe_dump(content))


def connections(service: int, smtp: int) -> dict[str, str]:
    """The two channels' Connections."""
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "upkeep@example.org"}
    mail = {"conn_type": "smtp", "host": "127.0.0.1", "port": smtp, "extra": extra}
    sms = {"conn_type": "generic", "password": f"json://127.0.0.1:{service}/sms"}
    return {"AIRFLOW_CONN_UPKEEP_SMTP": json.dumps(mail), "AIRFLOW_CONN_UPKEEP_SMS": json.dumps(sms)}


def outbox(book: Ledger, channel: str) -> list[str]:
    """The keys of a channel's messages."""
    return [key for (key,) in book.ask("SELECT key FROM upkeep.outbox WHERE channel = %s ORDER BY id", channel)]


def until(done: Callable[[], bool], meanwhile: Callable[[], None], left: Callable[[], object]) -> None:
    """Do something else until it is so; what is ``left`` says why it is not."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < end, f"waited in vain: {left()}"
        meanwhile()


@pytest.mark.guide("G107", "G114", "G116", "holds")
def test_kills_at_random_moments_lose_nothing_and_double_nothing(
    config: Path, book: Ledger, mails: tuple[int, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Trouble comes and goes; each change is one message. SMTP cannot be exactly once: how often it was not is said."""
    routed(config)
    smtp, log = mails
    port, draw = free_port(), random.Random(SEED)
    environment = {**connections(port, smtp), "UPKEEP_CONFIG": str(config)}
    setup = Setup(book.dsn("tasks"), config.parent, environment, port)
    kills: Counter[str] = Counter()
    changes: list[bool] = []
    killed = 0
    with Parts(setup) as parts:

        def kill() -> None:
            # The longer nothing comes through, the longer they are let be: on a busy machine they need it to start.
            time.sleep(draw.uniform(0, 0.6 + 0.05 * (kills.total() - killed)))
            name = draw.choice(list(PARTS))
            parts.kill(name)
            parts.start(name)
            kills[name] += 1

        def told_of_all() -> bool:
            return all(len(outbox(book, name)) >= len(changes) for name in ("service", "email"))

        def left() -> list[tuple[object, ...]]:
            return book.ask(
                "SELECT key, state, attempts, made_at, next_attempt, error FROM upkeep.outbox WHERE state <> 'sent'"
            )

        while kills.total() < KILLS:
            changes.append(not setup.state.exists())
            killed = kills.total()
            setup.state.touch() if changes[-1] else setup.state.unlink()
            until(told_of_all, kill, left)
        until(lambda: not left(), lambda: time.sleep(0.1), left)
    taken = [json.loads(line) for line in setup.taken.read_text().splitlines()]
    told = [one["said"] for one in taken if not one["again"]]
    assert [text.split(" ")[0] for text in told] == ["CRITICAL" if bad else "Over" for bad in changes]
    assert {one["key"] for one in taken} == set(outbox(book, "service"))
    came = Counter(json.loads(line)["id"] for line in log.read_text().splitlines())
    assert len(came) == len(changes) == len(outbox(book, "email"))
    assert book.ask("SELECT count(*) FROM upkeep.alerts WHERE key = %s", KEY) == [(sum(changes),)]
    with capsys.disabled():
        again = sum(one["again"] for one in taken)
        print(
            f"\n{kills.total()} kills ({dict(kills)}), {len(changes)} changes: 0 lost, 0 told twice by the service, "
            f"which was asked again {again} times; {came.total() - len(came)} of {len(came)} mails came twice"
        )
