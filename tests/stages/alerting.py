"""The parts that alerts pass through as processes that a test may kill: the watch, the sender, a service that is told.

Each is forked from a server that has imported what they need. Their clock runs 600 times as fast, so that a minute's
wait is a tenth of a second.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psycopg

from tests.stages.forking import forking
from tests.stages.judging import PAGES
from tests.stages.ledger import CLOCKS
from tests.stages.watch import CONFIG, heard
from upkeep.areas.alerts.deliver import deliver
from upkeep.areas.alerts.judge import judge
from upkeep.areas.watch.follow import follow
from upkeep.settings.load import settings
from upkeep.wires import database

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    import airflow.providers.smtp.hooks.smtp  # noqa: F401
    import apprise  # noqa: F401

    from upkeep.flow.channels import senders

FASTER = 600
#: A part that is let be on a busy machine waits for another one's lock, and does not end by it.
PATIENT = CLOCKS.model_copy(update={"lock_timeout_seconds": 60.0})
TARGET = CONFIG.targets[0]
KEY = "metric:error_rate"
SICK, WELL = heard(error_rate_percent=5), heard()


@dataclass(frozen=True)
class Setup:
    """What each part is given: the ledger, a folder, an environment, the service's port, and when the clock began."""

    dsn: str
    folder: Path
    environment: Mapping[str, str]
    port: int
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        """The time of the parts."""
        return self.began + FASTER * (datetime.now(UTC) - self.began)

    def ledger(self) -> AbstractContextManager[database.Session]:
        """As the tasks' role."""
        return database.session(lambda: psycopg.connect(self.dsn), PATIENT, read_only=False)

    @property
    def state(self) -> Path:
        """While this file is there, requests fail."""
        return self.folder / "sick"

    @property
    def taken(self) -> Path:
        """A line for each message that the service took."""
        return self.folder / "taken.jsonl"


def watch(setup: Setup) -> None:
    """Poll for ever."""
    while True:
        with setup.ledger() as session:
            follow(session, TARGET, SICK if setup.state.exists() else WELL, setup.now())
        time.sleep(0.05)


def sender(setup: Setup) -> None:
    """Judge and deliver for ever, as the two tasks do."""
    config = settings()
    channels, missing = senders(config.routing)
    assert not missing, missing
    while True:
        with setup.ledger() as session:
            judge(session, config, None, list(channels), PAGES, lambda run: True, setup.now())
        deliver(setup.ledger, channels, config.routing.retry, setup.now)
        time.sleep(0.05)


def service(setup: Setup) -> None:
    """An API that is told: a key that it knows already is answered and not taken again; kept before it answers."""
    known = (
        {json.loads(line)["key"] for line in setup.taken.read_text().splitlines()} if setup.taken.exists() else set()
    )

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            key = self.headers["Idempotency-Key"]
            with setup.taken.open("a") as opened:
                opened.write(json.dumps({"key": key, "again": key in known, "said": body["message"]}) + "\n")
            known.add(key)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing is printed."""

    ThreadingHTTPServer(("127.0.0.1", setup.port), Answer).serve_forever()


def _begin(part: Callable[[Setup], None], setup: Setup) -> None:
    os.environ.update(setup.environment)
    part(setup)


PARTS: Mapping[str, Callable[[Setup], None]] = {"watch": watch, "sender": sender, "service": service}


class Parts:
    """All of them at work, until the block ends."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.context = forking()
        self.running: dict[str, ForkServerProcess] = {}

    def __enter__(self) -> Parts:
        for name in PARTS:
            self.start(name)
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.running):
            self.kill(name)

    def start(self, name: str) -> None:
        """Start one of PARTS."""
        self.running[name] = self.context.Process(target=_begin, args=(PARTS[name], self.setup), daemon=True)
        self.running[name].start()

    def kill(self, name: str) -> None:
        """SIGKILL; it must have been at work, else it ended by an error of its own."""
        process = self.running.pop(name)
        assert process.is_alive(), f"{name} ended with {process.exitcode}"
        process.kill()
        process.join(30)
        assert process.exitcode == -9
