"""A message as a mail: plain text, and HTML that fits a phone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from upkeep.areas.alerts.render import words


@cache
def _template() -> Template:
    folder = FileSystemLoader(Path(__file__).with_name("templates"))
    return Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True).get_template(
        "mail.html"
    )


def mail(body: Mapping[str, Any], key: str, sender: str, to: Sequence[str]) -> EmailMessage:
    """The mail; a repetition has the same Message-ID, by which many clients show it once."""
    said = words.headline(body)
    message = EmailMessage(policy=SMTP)
    message["Subject"] = said
    message["From"] = Address("Upkeep", addr_spec=sender)
    message["To"] = ", ".join(to)
    host = sender.rpartition("@")[2] or "upkeep"
    message["Message-ID"] = f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{host}>"
    message["Auto-Submitted"] = "auto-generated"
    if body["level"] == "critical":
        message["X-Priority"] = "1"
    message.set_content(f"{said}\n\n{words.plain(body)}\n")
    single = body["total"] == 1
    page = _template().render(
        headline=said,
        level=body["level"],
        lines=words.lines(body["notes"][0]) if single else [],
        items=[] if single else words.one_liners(body),
        more=words.left(body),
        page=body.get("page", ""),
    )
    message.add_alternative(page, subtype="html")
    return message
