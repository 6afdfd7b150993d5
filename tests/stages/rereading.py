"""Archives are read again in processes forked from one that has imported what reading needs: that takes the longest.

Such a process is none of the writer's: it shares no memory with it and opens the file itself.
"""

from __future__ import annotations

import json
import socket
import socketserver
import subprocess
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from tests.stages.sessions import until
from upkeep.areas.retention import reading, reread


class _Reading(socketserver.StreamRequestHandler):
    """One reading, in a process of its own: it ends like the real one, with nothing said where it fails."""

    def handle(self) -> None:
        source, without = json.loads(self.rfile.readline())
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


def _asked(place: str, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    *_, source, without = argv
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(place)
        asking.sendall(json.dumps([source, without]).encode() + b"\n")
        with asking.makefile() as answer:
            said = answer.read()
    return subprocess.CompletedProcess(list(argv), 0 if said else 1, said, "")


@contextmanager
def through(place: str) -> Iterator[None]:
    """Have this process read again there while the block lasts; where the place is empty, as the product does."""
    if not place:
        yield
        return
    stand_in = SimpleNamespace(run=lambda argv, **_: _asked(place, argv), TimeoutExpired=subprocess.TimeoutExpired)
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
