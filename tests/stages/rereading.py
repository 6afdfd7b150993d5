"""Archives are read again in processes forked from one that has imported what reading needs: that takes the longest.

Such a process is none of the writer's: it shares no memory with it and opens the file itself, or downloads the blob.
"""

from __future__ import annotations

import io
import json
import os
import socket
import socketserver
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from tests.stages.forking import forking
from tests.stages.sessions import until
from upkeep.areas.retention import reading, reread
from upkeep.wires import blobs


class _Reading(socketserver.StreamRequestHandler):
    """One reading, in a process of its own: it ends like the real one, with nothing said where it fails."""

    def handle(self) -> None:
        source, without, environment, credential, blobs.PAUSE = json.loads(self.rfile.readline())
        os.environ.clear()
        os.environ.update(environment)
        sys.stdin = io.StringIO(credential)
        with suppress(BrokenPipeError):  # who asked was killed
            self.wfile.write(json.dumps(reading._look(source, without)).encode())


class _Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """Forks for each who asks."""

    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say it where the output of tests is."""
        traceback.print_exc()


def _serve(place: str) -> None:
    with _Server(place + ".new", _Reading) as server:
        Path(place + ".new").rename(place)  # only now it listens
        server.serve_forever()


def _asked(
    place: str, argv: Sequence[str], env: Mapping[str, str], credential: str | None
) -> subprocess.CompletedProcess[str]:
    *_, source, without = argv
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(place)
        # It tries again after as long a pause as this process.
        asked = [source, without, dict(env), credential or "", blobs.PAUSE]
        asking.sendall(json.dumps(asked).encode() + b"\n")
        with asking.makefile() as answer:
            said = answer.read()
    return subprocess.CompletedProcess(list(argv), 0 if said else 1, said, "")


@contextmanager
def through(place: str) -> Iterator[None]:
    """Have this process read again there while the block lasts; where the place is empty, as the product does."""
    if not place:
        yield
        return

    def run(argv: Sequence[str], *, env: Mapping[str, str], **given: Any) -> subprocess.CompletedProcess[str]:
        return _asked(place, argv, env, given["input"])

    stand_in = SimpleNamespace(run=run, TimeoutExpired=subprocess.TimeoutExpired)
    with patch.object(reread, "subprocess", stand_in):
        yield


@contextmanager
def readers(processes: ForkServerContext) -> Iterator[str]:
    """Where archives are read again until the block ends."""
    with tempfile.TemporaryDirectory(prefix="readers-") as folder:
        place = str(Path(folder, "socket"))
        server = processes.Process(target=_serve, args=(place,))
        server.start()
        try:
            until(Path(place).exists, pause=0.01)
            yield place
        finally:
            server.kill()
            server.join()


@pytest.fixture(scope="session")
def forks() -> Iterator[str]:
    """Where archives are read again by forks of one process: Python and Arrow are not started for each."""
    with readers(forking()) as place:
        yield place


@pytest.fixture
def started() -> None:
    """Archives are read again by processes that are started for it, as the product does."""


@pytest.fixture
def read_by_forks(request: pytest.FixtureRequest, forks: str) -> Iterator[None]:
    """For a module in which many archives are read again: only tests with ``started`` start a process for it."""
    with through("" if "started" in request.fixturenames else forks):
        yield
