"""A server that speaks what a test says, byte for byte, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

HOST = "127.0.0.1"
MANY = 50_000_000
PATIENCE = 10  # seconds after which every conversation ends by itself, so that no test hangs


@dataclass(frozen=True)
class Received:
    """One request as it came: header names in lower case, ``at`` in seconds since the epoch."""

    line: str
    headers: dict[str, str]
    body: bytes
    at: float


Answer = Callable[["Server", socket.socket], None]


class Server:
    """Answers the first connection with the first answer, and so on; the last one is repeated.

    Other methods than these are a bad request; with none that is named, what was asked is not even read. ``patience``
    is in seconds: a test that shows that the other side ends it first gives more than that takes on a busy machine.
    """

    def __init__(
        self,
        *answers: Answer,
        tls: ssl.SSLContext | None = None,
        methods: tuple[str, ...] = ("POST",),
        patience: int = PATIENCE,
    ) -> None:
        self.answers = answers
        self.tls = tls
        self.methods = methods
        self.patience = patience
        self.connections = 0
        self.received: list[Received] = []
        self.sent = 0
        self.over = threading.Event()
        self._socket = socket.create_server((HOST, 0), backlog=16)
        self.port: int = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every conversation; what was counted is final after this."""
        self.over.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def say(self, connection: socket.socket, data: bytes) -> None:
        """Send, counting only what the other side, or a buffer on the way to it, has taken."""
        for start in range(0, len(data), 65_536):
            self.sent += connection.send(data[start : start + 65_536])

    def trickle(self, connection: socket.socket, data: bytes) -> None:
        """The same bytes over and over, twenty times a second, and not for ever: who waits for the end shall see it."""
        for _ in range(self.patience * 20):
            self.say(connection, data)
            if self.over.wait(0.05):
                return

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.settimeout(self.patience)
            answer = self.answers[min(self.connections, len(self.answers) - 1)]
            self.connections += 1
            self._threads.append(threading.Thread(target=self._converse, args=(connection, answer)))
            self._threads[-1].start()

    def _converse(self, connection: socket.socket, answer: Answer) -> None:
        with contextlib.suppress(OSError), connection:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                if self._hear(connection):
                    answer(self, connection)
                else:
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    def _hear(self, connection: socket.socket) -> bool:
        with connection.makefile("rb") as stream:
            if not any(self.methods):
                return True
            line = stream.readline(1_000)
            if line.partition(b" ")[0].decode("latin-1") not in self.methods:
                return False
            head = [header.decode("latin-1").partition(":") for header in itertools.takewhile(bytes.strip, stream)]
            headers = {name.lower(): value.strip() for name, _, value in head}
            body = stream.read(int(headers.get("content-length", 0)))
        self.received.append(Received(line.decode().strip(), headers, body, time.time()))
        return True


def answer(status: str, body: bytes | str = b"", **headers: str) -> Answer:
    """A whole answer; ``Retry_After="1"`` becomes a header."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return raw("\r\n".join([*lines, "", ""]).encode("latin-1") + content)


def raw(data: bytes) -> Answer:
    """These bytes, then the end of the connection."""
    return lambda server, connection: server.say(connection, data)


def trickling(head: bytes, drop: bytes) -> Answer:
    """A beginning at once, then one drop after the other without end."""

    def speak(server: Server, connection: socket.socket) -> None:
        server.say(connection, head)
        server.trickle(connection, drop)

    return speak


def silence(server: Server, _: socket.socket) -> None:
    """Nothing at all, until the test is over."""
    server.over.wait(server.patience)


def endless(head: bytes) -> Answer:
    """A beginning, then ``MANY`` bytes, of a length that is not told."""
    return raw(head + b" " * MANY)
