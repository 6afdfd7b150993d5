"""What a Markdown text says of itself: dates and owner, links, anchors. Pure; each expression reads a line once.

A part of CommonMark and GitHub's habits: inline links and images, reference definitions, autolinks; headings and
``id``/``name`` of HTML. What stands in code is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime

from upkeep.wires.net.files import DocumentRefused

#: Links of one document; a page of more is made by a program.
MOST_LINKS = 2_000

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_CODE = re.compile(r"(`{1,10})[^`]+\1")
_INLINE = re.compile(r"\]\(\s{0,9}(?:<([^<>]*)>|([^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*))")
_REFERENCE = re.compile(r" {0,3}\[[^\]]{1,200}\]:\s{0,9}<?([^\s<>]+)")
_AUTOLINK = re.compile(r"<(https?://[^\s<>]+)>", re.IGNORECASE)
_ID = re.compile(r"""<[a-zA-Z][^<>]{0,200}?\b(?:id|name)=["']([^"'<>]{1,200})["']""")
_HEADING = re.compile(r" {0,3}#{1,6}(?=\s|$)")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)\s*$")
_LINK_TEXT = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
_LABEL = re.compile(
    r"[\s>*_|#-]{0,20}(last[ _-]updated|last[ _-]reviewed|next[ _-]review|owner)[\s*_]{0,5}[:|][\s*_|]{0,10}(.*)",
    re.IGNORECASE,
)
_ISO = re.compile(r"(?<!\d)(\d{4}-\d{2}-\d{2})(?!\d)")
_FORMATS = ("%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y", "%d. %B %Y", "%Y/%m/%d")


@dataclass(frozen=True)
class Link:
    """Where something leads, and on which line it stands, counted from 1."""

    line: int
    target: str


@dataclass(frozen=True)
class DocumentMetadata:
    """What a document says of itself. ``next_review`` is its words, ``next_date`` the day if they name one."""

    updated: date | None = None
    next_review: str = ""
    next_date: date | None = None
    owner: str = ""


def _lines(text: str) -> list[str]:
    """As an editor counts them; ``splitlines`` also splits at signs that no editor takes for a line's end."""
    return [line.rstrip("\r") for line in text.split("\n")]


def prose(text: str) -> Iterator[tuple[int, str]]:
    """(line number, line) of what is not fenced code, with inline code left out."""
    fence = ""
    for number, line in enumerate(_lines(text), start=1):
        opened = _FENCE.match(line)
        if fence:
            if opened and opened[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif opened:
            fence = opened[1]
        else:
            yield number, _CODE.sub("", line)


def declared(text: str) -> DocumentMetadata:
    """The last line of each label counts: it is the footer, or the newest of several."""
    found: dict[str, str] = {}
    for _, line in prose(text):
        if label := _LABEL.match(line):
            name = label[1].lower().replace("_", " ").replace("-", " ")
            found[name] = label[2].strip(" \t*_|").strip()[:200]
    days = [day for name in ("last updated", "last reviewed") if (day := _date(found.get(name, "")))]
    upcoming = found.get("next review", "")
    return DocumentMetadata(max(days, default=None), upcoming, _date(upcoming), found.get("owner", ""))


def _date(text: str) -> date | None:
    if iso := _ISO.search(text):
        with suppress(ValueError):
            return date.fromisoformat(iso[1])
    for form in _FORMATS:
        with suppress(ValueError):
            return datetime.strptime(text, form).date()
    return None


def links(text: str) -> tuple[Link, ...]:
    """Every link in order. Raises DocumentRefused when there are more than a person would write."""
    found: list[Link] = []
    for number, line in prose(text):
        targets = [match[1] if match[1] is not None else match[2] for match in _INLINE.finditer(line)]
        targets += [match[1] for match in _AUTOLINK.finditer(line)]
        if (reference := _REFERENCE.match(line)) and not reference[0].lstrip().startswith("[^"):
            targets.append(reference[1])
        found += [Link(number, target) for target in targets]
        if len(found) > MOST_LINKS:
            raise DocumentRefused(f"found more than {MOST_LINKS} links, expected at most that many")
    return tuple(found)


def anchors(text: str) -> frozenset[str]:
    """What ``#…`` may name, as GitHub makes it of headings, and what HTML names itself."""
    found: set[str] = set()
    counts: dict[str, int] = {}
    previous = ""
    for _, line in prose_with_code(text):
        found.update(match[1] for match in _ID.finditer(line))
        heading = _HEADING.match(line)
        underlined = previous.strip() and _UNDERLINE.match(line)
        if heading or underlined:
            slug = _slug(line[heading.end() :].strip().rstrip("#") if heading else previous)
            seen = counts.get(slug, 0)
            counts[slug] = seen + 1
            found.add(f"{slug}-{seen}" if seen else slug)
        previous = "" if heading else line
    return frozenset(found)


def prose_with_code(text: str) -> Iterator[tuple[int, str]]:
    """The lines outside fenced code as they stand: a heading may name a command."""
    kept = _lines(text)
    return ((number, kept[number - 1]) for number, _ in prose(text))


def _slug(title: str) -> str:
    plain = _LINK_TEXT.sub(r"\1", title).strip().lower()
    return "".join(sign for sign in plain if sign.isalnum() or sign in "_- ").replace(" ", "-")
