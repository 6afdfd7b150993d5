"""Text from elsewhere in Markdown: shown whole, obeyed never. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any


def seconds(milliseconds: int) -> str:
    """A duration for people."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    return f"{milliseconds / 1000:.0f} s" if milliseconds < 120_000 else f"{milliseconds / 60_000:.0f} min"


def plain(value: Any) -> str:
    """A measured value: numbers with separators, text as code."""
    return f"{value:,}" if isinstance(value, int | float) else code(str(value))


# Text that Markdown cannot take for anything else. Escaping would not do: GFM looks for addresses (www., @) after
# it has removed the backslashes, so whatever is not of these words and signs becomes a code span.
_PROSE = re.compile(r"(?!\d+[.)])[A-Za-z0-9](?:[A-Za-z0-9,;%()]| (?=\S)|(?<=\d)\.(?=\d)|(?<=\w)[_-](?=[A-Za-z0-9]))*")


def prose(text: str) -> str:
    """Our own words as they are; anything that might mean something in Markdown as code."""
    return text if _PROSE.fullmatch(text) else code(text)


def code(text: str) -> str:
    """Text from elsewhere as a Markdown code span that it cannot leave, with everything invisible made visible."""
    return f"`{visible(text).replace('`', _spelled('`')) or '⟨empty⟩'}`"


# The brackets that spell a character out, and those that look like them.
_BRACKETS = "\u27e8\u27e9\u2329\u232a\u3008\u3009\u276c\u276d\u2770\u2771\u29fc\u29fd\u2039\u203a"
# Blank to the eye though Unicode calls them letters or symbols: Hangul fillers (NFKC knows them), Braille, a note head.
_FILLERS = ("\u1160", "\u115f")
_BLANK = "\u2800\U0001d159"


def visible(text: str) -> str:
    """Text that no other text looks like, letters of other scripts apart; what would hide is spelled ⟨U+XXXX⟩.

    Spelled out are control, bidi and zero-width characters, newlines, spaces that Markdown or HTML would drop, marks
    (they overlay each other and their neighbours) and the brackets of the spelling itself; and all but ASCII in a
    text with a canonical equivalent (UAX 15), or with right-to-left letters beside digits: there two orders look the
    same (UAX 9).
    """
    ascii_only = not unicodedata.is_normalized("NFC", text) or _reordered(text)
    shown = "".join(
        _spelled(character) if _hidden(character) or (ascii_only and not character.isascii()) else character
        for character in text
    )
    return re.sub(r"\A | \Z|(?<= ) ", _spelled(" "), shown)


_QUOTED = re.compile(
    r"""(?<![\w$])(?:[Ee]'(?:[^'\\]|\\.|'')*'|(?:[Uu]&|[BbXxNn])'(?:[^']|'')*'|[Uu]&"(?:[^"]|"")*")"""
    r"""|'(?:[^']|'')*'|"(?:[^"]|"")*\"""",
    re.DOTALL,
)
_SQL = re.compile(r"[A-Z]{4,} ")


def runnable(statement: str) -> str:
    """A statement that shows what it holds and can be run as it is shown.

    A quoted name or text that would hide something is written with PostgreSQL's own escapes (``U&"…"``, ``E'…'``),
    which say the same to the server; all else stays as it is, also what ``U&``, ``N`` or ``$$`` quotes: PostgreSQL
    deparses nothing so. What is no SQL is made visible.
    """
    if not _SQL.match(statement):
        return visible(statement)
    return f"{_QUOTED.sub(_escaped, statement).rstrip(' ;')};"


def _escaped(found: re.Match[str]) -> str:
    quoted = found[0]
    if quoted[0] in "Ee":
        return re.sub(r"\\?(.)", _in_escapes, quoted, flags=re.DOTALL)
    inner = quoted[1:-1]
    spaces = "\n\t" if quoted[0] == "'" else ""  # in a text they are layout, in a name they hide it
    hides = any(_hidden(one) and one not in spaces for one in inner) or (quoted[0] == '"' and visible(inner) != inner)
    if quoted[0] not in "'\"" or not hides:
        return quoted
    before = found.string[found.start() - 1 : found.start()]
    apart = " " if re.match(r"[\w$]", before) else ""  # or U& would be of that word
    return f"{apart}U&{quoted[0]}{''.join(_unicode(one) for one in inner)}{quoted[0]}"


def _in_escapes(found: re.Match[str]) -> str:
    number = ord(found[1])
    if not _hidden(found[1]) or found[1] in "\n\t":
        return found[0]
    return f"\\u{number:04X}" if number < 0x10000 else f"\\U{number:08X}"


def _unicode(character: str) -> str:
    if "!" <= character <= "~":
        return character * 2 if character == "\\" else character
    number = ord(character)
    return f"\\{number:04X}" if number < 0x10000 else f"\\+{number:06X}"


def _hidden(character: str) -> bool:
    category = unicodedata.category(character)
    return (
        category[0] in "CM"
        or category in ("Zl", "Zp")
        or (category == "Zs" and character != " ")
        or character in _BRACKETS + _BLANK
        or unicodedata.normalize("NFKC", character) in _FILLERS
    )


def _reordered(text: str) -> bool:
    classes = {unicodedata.bidirectional(character) for character in text}
    return bool(classes & {"R", "AL", "AN"}) and bool(classes & {"EN", "AN"})


def _spelled(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"


def anchor(key: str) -> str:
    """Where a report's page has what a key names: a digest, for a key may hold anything."""
    return f"f-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
