"""What lies between Upkeep and the Blob service: a proxy that cuts lines, and says what Azurite cannot say."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Asked:
    """A request: method, path, query, headers."""

    method: str
    path: str
    query: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Said:
    """An answer that the service itself does not give."""

    status: int
    code: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


#: What happens to a request besides: no line, no answer to what was done, half an answer's body, silence to the end, an
#: answer that is none and comes byte by byte, for about 20 seconds, or one whose bytes do.
UNSENT, UNANSWERED, HALF, HANGS, CREEPS, DRIPS = "unsent", "unanswered", "half", "hangs", "creeps", "drips"
Rule = Callable[[Asked], Said | str | None]


class Wire:
    """The proxy: each request is ``asked``, and answered by the first of ``rules`` that says something."""

    def __init__(self, behind: str) -> None:
        self.behind = urlsplit(behind)
        self.asked: list[Asked] = []
        self.rules: list[Rule] = []
        self.url = ""
        self.over = threading.Event()
        self.connections: set[object] = set()

    def once(self, method: str, ending: str, what: Said | str) -> None:
        """Do this to the next request of a method for a path that ends so."""
        left = [what]

        def rule(asked: Asked) -> Said | str | None:
            return left.pop() if left and asked.method == method and asked.path.endswith(ending) else None

        self.rules.append(rule)

    def always(self, method: str, ending: str, what: Said | str) -> None:
        """Do this to all of them."""
        self.rules.append(lambda asked: what if asked.method == method and asked.path.endswith(ending) else None)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body, which is written after its headers, waits 40 ms for the other side
    wire: Wire

    def setup(self) -> None:
        """A connection more."""
        super().setup()
        self.wire.connections.add(self)

    def finish(self) -> None:
        """One less."""
        self.wire.connections.discard(self)
        super().finish()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(self.command, parts.path, parts.query, dict(self.headers.items()))
        self.wire.asked.append(asked)
        what = next((said for rule in self.wire.rules if (said := rule(asked)) is not None), None)
        if isinstance(what, Said):
            headers = {"x-ms-error-code": what.code} if what.code else {}
            self._give(what.status, headers | {"Content-Length": str(len(what.body))} | what.headers, what.body)
        elif what == UNSENT:
            self._cut()
        elif what == HANGS:
            self.wire.over.wait()
            self._cut()
        elif what == CREEPS:
            self._creep(b"Content-Length: 0\r\nx-slow: ")
        elif what == DRIPS:
            self._creep(b'ETag: "1"\r\nContent-Length: 100000\r\n\r\n')
        else:
            status, headers, content = self._forward(body)
            if what == UNANSWERED:
                self._cut()
            elif what == HALF:
                self._give(status, headers, content[: len(content) // 2])
                self._cut()
            else:
                self._give(status, headers, content)

    do_GET = do_PUT = do_HEAD = do_DELETE = _answer  # noqa: N815  # the base's names

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        behind = http.client.HTTPConnection(str(self.wire.behind.hostname), self.wire.behind.port or 80, timeout=60)
        headers = {key: value for key, value in self.headers.items() if key.lower() not in ("host", "connection")}
        behind.request(self.command, self.path, body, headers | {"Content-Length": str(len(body))})
        with behind.getresponse() as answer:
            content = answer.read()
            given = {key: value for key, value in answer.getheaders() if key.lower() not in _OURS}
            length = answer.headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(content))
        behind.close()
        return answer.status, given | {"Content-Length": length}, content

    def _give(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
            self.wfile.flush()

    def _creep(self, headers: bytes) -> None:
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\n" + headers)
            for _ in range(400):
                if self.wire.over.wait(0.05):
                    break
                self.wfile.write(b"x")
            self.wfile.write(b"\r\n\r\n")
        self._cut()

    def _cut(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Nothing."""


_OURS = {"transfer-encoding", "connection", "keep-alive", "content-length", "date", "server"}


@contextmanager
def wire(behind: str) -> Iterator[Wire]:
    """A proxy in front of an account's URL."""
    one = Wire(behind)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"wire": one}))
    one.url = f"http://127.0.0.1:{server.server_address[1]}{one.behind.path}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield one
    finally:
        one.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
