"""Where the sandbox's mails arrive: `python -m sandbox.mail`, a real SMTP server on loopback only.

It listens on UPKEEP_MAIL_PORT and appends each mail to the file UPKEEP_MAIL_LOG, one JSON document a line: ``from``,
``to``, ``subject``, ``id``, ``text``, ``html``, ``raw``. While a file with the suffix ``.fail`` lies beside it, mail is
greylisted: 451.
"""

from __future__ import annotations

import email
import json
import os
import signal
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

PORT, LOG = "UPKEEP_MAIL_PORT", "UPKEEP_MAIL_LOG"
HOST = "127.0.0.1"
MOST_BYTES = 1_000_000


class Sink:
    """What the server does with a mail."""

    def __init__(self, log: Path) -> None:
        self.log = log

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's
        """Keep a mail."""
        if self.log.with_suffix(".fail").exists():
            return "451 4.7.1 Greylisted, try again later"
        raw = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        with self.log.open("a", encoding="utf-8") as opened:
            opened.write(f"{json.dumps(parsed(raw, envelope.mail_from, envelope.rcpt_tos))}\n")
        return "250 OK"


def parsed(raw: bytes, sender: str | None, to: list[str]) -> dict[str, Any]:
    """A mail as a person would see it, and as it came."""
    message = email.message_from_bytes(raw, policy=policy.default)
    parts = {kind: message.get_body((kind,)) for kind in ("plain", "html")}
    texts = {kind: part.get_content() if isinstance(part, EmailMessage) else "" for kind, part in parts.items()}
    about = {"from": sender, "to": to, "subject": str(message["Subject"]), "id": str(message["Message-ID"])}
    return about | {"text": texts["plain"], "html": texts["html"], "raw": raw.decode("utf-8", "replace")}


def controller(port: int, log: Path) -> Controller:
    """The server; ``start`` and ``stop`` it."""
    return Controller(Sink(log), hostname=HOST, port=port, data_size_limit=MOST_BYTES)


def main() -> None:
    """Listen until SIGTERM or SIGINT."""
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before threads begin, which inherit it
    server = controller(int(os.environ[PORT]), Path(os.environ[LOG]))
    server.start()
    signal.sigwait(ends)
    server.stop()


if __name__ == "__main__":
    main()
