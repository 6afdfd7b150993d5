"""Where the sandbox's messages to Slack arrive: `python -m sandbox.slack`, on loopback; with `sms`, those to phones.

It answers POSTs on UPKEEP_SLACK_PORT (UPKEEP_SMS_PORT) as Slack's incoming webhooks do and appends each message, as it
came, to the file UPKEEP_SLACK_LOG (UPKEEP_SMS_LOG), one JSON document a line. While a file with the suffix ``.fail``
lies beside it, it is down: 500.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType

PORT, LOG = "UPKEEP_SLACK_PORT", "UPKEEP_SLACK_LOG"
SMS_PORT, SMS_LOG = "UPKEEP_SMS_PORT", "UPKEEP_SMS_LOG"
HOST = "127.0.0.1"
MOST_BYTES = 1_000_000


class Sink(ThreadingHTTPServer):
    """The server and the file that it appends to, one message at a time."""

    daemon_threads = True

    def __init__(self, port: int, log: Path) -> None:
        super().__init__((HOST, port), Answer)
        self.log, self.lock = log, threading.Lock()

    def take(self, body: bytes) -> tuple[int, str]:
        """Keep a message. Returns what Slack would say: the status and a word."""
        if self.log.with_suffix(".fail").exists():
            return 500, "rollup_error"
        try:
            message = json.loads(body)
        except ValueError:
            return 400, "invalid_payload"
        with self.lock, self.log.open("a", encoding="utf-8") as opened:
            opened.write(f"{json.dumps(message)}\n")
        return 200, "ok"


class Answer(BaseHTTPRequestHandler):
    """One request."""

    server: Sink
    timeout = 10

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            status, said = 400, "invalid_payload"
            self.close_connection = True  # what it says besides is not read
        else:
            status, said = self.server.take(self.rfile.read(int(length)))
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said.encode())


def main() -> None:
    """Listen until SIGTERM or SIGINT."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        sys.exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    port, log = (SMS_PORT, SMS_LOG) if sys.argv[1:] == ["sms"] else (PORT, LOG)
    with Sink(int(os.environ[port]), Path(os.environ[log])) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
