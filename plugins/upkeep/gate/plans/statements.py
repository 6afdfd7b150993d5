"""A statement that still works when it was shown and copied: nothing in it is invisible. Pure."""

from __future__ import annotations

import re

from upkeep.core.text import visible

#: A quoted name, an escape string, a string: all in which a statement of the catalogue has somebody else's characters.
_QUOTED = re.compile(r"""(?<![&\w])(?:"(?:[^"]|"")*"|E'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*')""", re.DOTALL)


def copyable(statement: str) -> str:
    """The same statement with each quoted part that is not as it looks written with Unicode escapes.

    That is ``U&"…"`` for a name and ``U&'…'`` for a string; in an ``E'…'`` the escapes are its own. Whatever a page
    would spell out, drop or reorder is escaped: control, bidi and zero-width characters, spaces at an end.
    """
    return _QUOTED.sub(_escaped, statement)


def _escaped(match: re.Match[str]) -> str:
    text = match[0]
    inner = text[2:-1] if text.startswith("E") else text[1:-1]
    if visible(inner) == inner:
        return text
    if text.startswith("E"):
        return "E'" + "".join(c if _plain(c) else f"\\U{ord(c):08X}" for c in inner) + "'"
    quote = text[0]
    return f"U&{quote}" + "".join(_unicode(c) for c in inner) + quote


def _plain(character: str) -> bool:
    return "!" <= character <= "~"


def _unicode(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if _plain(character):
        return character
    return f"\\{ord(character):04X}" if ord(character) < 0x10000 else f"\\+{ord(character):06X}"
