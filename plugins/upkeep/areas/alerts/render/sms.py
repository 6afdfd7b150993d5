"""A message of at most 160 characters, in ASCII alone: with any other letter an SMS holds 70."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from upkeep.areas.alerts.render.words import headline

MOST = 160
_SPELLED = str.maketrans({"·": "-", "…": "...", "–": "-", "—": "-", "“": '"', "”": '"', "’": "'"})


def sms(body: Mapping[str, Any]) -> str:
    """What happened where, and the report's address where it fits."""
    text = _ascii(headline(body))
    text = text if len(text) <= MOST else f"{text[: MOST - 3]}..."
    report = _ascii(str(body["notes"][0].get("report") or "")) if body["total"] == 1 else ""
    report = report.partition("#")[0]
    return f"{text} {report}" if report and len(text) + 1 + len(report) <= MOST else text


def _ascii(text: str) -> str:
    spelled = unicodedata.normalize("NFKD", text.translate(_SPELLED))
    bare = "".join(letter for letter in spelled if not unicodedata.combining(letter))
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in bare)
