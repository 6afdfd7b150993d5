"""Where a document's links lead: files and anchors within the documents' folder, addresses on the web."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from upkeep.areas.documents.markdown import Link, anchors
from upkeep.settings.values import is_web
from upkeep.wires.functions.contract import quoted
from upkeep.wires.net.files import DocumentRefused, read_file, text_of

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_MARKDOWN = (".md", ".markdown")


@dataclass(frozen=True)
class DeadLink:
    """A link that leads nowhere: on which line, how it is shown, and why."""

    line: int
    shown: str
    why: str


@dataclass(frozen=True)
class Links:
    """One document's links: those that lead nowhere, those to the web, and how many there are in all."""

    dead: tuple[DeadLink, ...]
    web: tuple[Link, ...]
    all: int


def shown(target: str) -> str:
    """A link for a report: of an address neither user name nor query, which may be secrets."""
    if not is_web(target):
        return quoted(target.partition("?")[0], 100)
    try:
        parts = urlsplit(target)
        port = f":{parts.port}" if parts.port else ""
        return quoted(f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}", 100)
    except ValueError:
        return "an address that is none"


def local_links(found: Iterable[Link], text: str, place: Path | str, root: Path | None) -> Links:
    """Look at the links that need no network. ``place`` is the document's file, or its URL.

    Nothing outside ``root`` is looked at; without one, a document from the web, relative links lead to the web too.
    """
    every = tuple(found)
    own = anchors(text)
    other = cache(_anchors)
    dead: list[DeadLink] = []
    web: list[Link] = []
    for link in every:
        target = f"https:{link.target}" if link.target.startswith("//") else link.target
        if is_web(target):
            web.append(Link(link.line, target))
        elif _SCHEME.match(target):
            continue  # mailto: and its like lead to programs
        elif target.startswith("#"):
            if why := _no_anchor(unquote(target[1:]), own):
                dead.append(DeadLink(link.line, shown(target), why))
        elif isinstance(place, str):
            web.append(Link(link.line, urljoin(place, target)))
        elif why := _no_file(target, place, root or place.parent, other):
            dead.append(DeadLink(link.line, shown(target), why))
    return Links(tuple(dead), tuple(web), len(every))


def _no_anchor(name: str, known: frozenset[str]) -> str:
    if not name or name in known or name.lower() in known or name == "top":
        return ""
    return "no heading or id of that name"


def _no_file(target: str, document: Path, root: Path, other: Callable[[Path], frozenset[str] | str]) -> str:
    """Why a relative link leads nowhere; empty when it leads somewhere."""
    path, _, anchor = target.partition("#")
    name = unquote(path.partition("?")[0])
    if not name:
        return "it names nothing"
    if name.startswith("/"):
        return "an absolute path, which is another place for everybody"
    try:
        file = (document.parent / name).resolve()
        if not file.is_relative_to(root.resolve()):
            return f"it leads out of {root}, where nothing is looked at"
        if not file.exists():
            return "no such file"
    except (OSError, ValueError, RuntimeError):
        return "no path that can be followed"
    if not anchor or file.suffix.lower() not in _MARKDOWN:
        return ""
    known = other(file)
    return f"its heading was not looked for: {known}" if isinstance(known, str) else _no_anchor(unquote(anchor), known)


def _anchors(file: Path) -> frozenset[str] | str:
    """The anchors of another document, or why it is not read."""
    try:
        return anchors(text_of(read_file(file)))
    except DocumentRefused as reason:
        return str(reason)
