"""What the three parts share: the limits, the one error, JSON that must be an object."""

from __future__ import annotations

import json
from typing import Any

MANIFEST, LOCK = "package.json", "package-lock.json"
#: Bytes of one file that npm is given, and of what it may say.
MOST_BYTES = 20_000_000
#: Characters of npm's own words that a reason shows.
MAX_SAID = 300


class NotRun(ValueError):
    """npm was not run or did not answer the question; the message says why."""


def as_object(name: str, text: bytes | str) -> dict[str, Any]:
    """JSON that is an object. Raises NotRun; ``name`` says what it is."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotRun(f"{name}: found no JSON: {str(error)[:MAX_SAID]}") from None
    if not isinstance(found, dict):
        raise NotRun(f"{name}: found JSON of type {type(found).__name__}, expected an object")
    return found
