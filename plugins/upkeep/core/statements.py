"""SQL statements of other people as they may be shown: without what their literals and comments hold."""

from __future__ import annotations

import re

#: PostgreSQL's lexemes (its documentation, 4.1 Lexical Structure), each in the strictest reading; no backslash fits.
#: A comment's repetition is not possessive: Python 3.11.2, Debian 12's, matches no group of these alternatives so.
_LEXEME = re.compile(
    r"""
    (?P<blank> [ \t\n\r\f\v]+ | --[^\r\n]*+ | /\*(?:[^*/]++|\*(?!/)|/(?!\*))*\*/ )
    | (?P<literal> '(?:[^'\\]++|'')*+'
                 | \$(?P<tag>(?:[A-Za-z_\x80-\U0010FFFF][A-Za-z0-9_\x80-\U0010FFFF]*+)?)\$.*?\$(?P=tag)\$
                 | \.?[0-9][A-Za-z0-9_.\x80-\U0010FFFF]*+ )
    | (?P<kept> [A-Za-z_\x80-\U0010FFFF][A-Za-z0-9_$\x80-\U0010FFFF]*+ | "[^"\\]*+" | \$[0-9]++
              | -(?!-) | /(?!\*) | [^A-Za-z0-9_\x80-\U0010FFFF\s'"$\\/-] )
    """,
    re.VERBOSE | re.DOTALL,
)
#: Characters of a statement that a finding shows; a server may be set to keep up to a megabyte of each.
MAX_STATEMENT = 2000


def redact(query: str) -> str:
    """A statement without its literals and comments, on one line: log text must not carry people's data.

    Where the end of a literal or comment is not certain (the server cut the text inside it, a backslash
    that is an escape or not depending on server settings, nested comments) the text ends there.
    """
    shown = ""
    end = 0
    while end < len(query) and len(shown) < MAX_STATEMENT and (lexeme := _LEXEME.match(query, end)):
        end = lexeme.end()
        match lexeme.lastgroup:
            case "blank":
                shown = f"{shown.rstrip()} "
            case "literal":
                shown += "?"
            case _:
                shown += lexeme.group()
    return " ".join(shown[:MAX_STATEMENT].split()) + ("…" if end < len(query) or len(shown) > MAX_STATEMENT else "")
