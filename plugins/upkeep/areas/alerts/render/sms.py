"""A message of at most 160 characters, in ASCII alone: with any other letter an SMS holds 70."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from upkeep.areas.alerts.render.words import headline, link

MOST = 160
#: Characters that say what it is about.
LEAST_TEXT = 40
_SPELLED = str.maketrans({"·": "-", "…": "...", "–": "-", "—": "-", "“": '"', "”": '"', "’": "'"})


def sms(body: Mapping[str, Any]) -> str:
    """What happened where, as far as there is room beside the address, which is always whole.

    An address that would leave no room for words is none for a phone.
    """
    address = _ascii(link(body))
    room = MOST - len(address) - 1 if address else MOST
    if room < LEAST_TEXT:
        address, room = "", MOST
    text = _ascii(headline(body))
    text = text if len(text) <= room else f"{text[: room - 3].rstrip()}..."
    return f"{text} {address}" if address else text


def _ascii(text: str) -> str:
    spelled = unicodedata.normalize("NFKD", text.translate(_SPELLED))
    bare = "".join(letter for letter in spelled if not unicodedata.combining(letter))
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in bare)
