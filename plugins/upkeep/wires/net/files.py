"""A document's text, read with distrust: a small regular file of text, not through a link."""

from __future__ import annotations

import os
import stat
from pathlib import Path

#: Bytes of one document; a guide of 500 pages has fewer.
MOST_BYTES = 2_000_000

#: How a page of HTML begins.
_HTML = ("<!doctype html", "<html")


class DocumentRefused(ValueError):
    """A document is not looked at further; the message says what was found and what was expected."""


def read_file(file: Path) -> bytes:
    """A regular file's content; not through a link, which could lead to anything that the tasks' user may read.

    Raises DocumentRefused.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as opened:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise DocumentRefused("found no regular file")
            return opened.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise DocumentRefused("found no such file") from None
    except (OSError, ValueError) as error:
        if isinstance(error, DocumentRefused):
            raise
        reason = getattr(error, "strerror", None) or "no path"
        raise DocumentRefused(f"found a file that cannot be read: {reason} (links are not followed)") from None


def text_of(content: bytes) -> str:
    """Markdown as text. Raises DocumentRefused for what is too large or no text."""
    if len(content) > MOST_BYTES:
        raise DocumentRefused(f"found more than {MOST_BYTES} bytes, expected at most that many")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DocumentRefused("found bytes that are no UTF-8, expected a text") from None
    if "\0" in text:
        raise DocumentRefused("found a NUL character, expected a text")
    if not text.strip():
        raise DocumentRefused("found an empty text")
    if text.lstrip()[:15].lower().startswith(_HTML):
        raise DocumentRefused("found a page of HTML, such as a login, expected Markdown")
    return text
