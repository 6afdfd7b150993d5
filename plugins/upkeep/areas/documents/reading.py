"""One look at all the documents that config names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from upkeep.areas.documents.links import DeadLink, Links, local_links, shown
from upkeep.areas.documents.markdown import DocumentMetadata, declared, links
from upkeep.settings.documents import Document, Documents
from upkeep.settings.maintenance import Http
from upkeep.settings.values import is_web
from upkeep.wires.net.files import DocumentRefused, read_file, text_of
from upkeep.wires.net.pages import dead_addresses, fetch


@dataclass(frozen=True)
class DocumentReading:
    """What was read of one document. ``refused`` says why it was not; ``untried`` counts links to the web that
    config leaves out, ``late`` those that time was too short for.
    """

    document: Document
    refused: str = ""
    digest: str = ""
    said: DocumentMetadata = field(default_factory=DocumentMetadata)
    links: Links = field(default_factory=lambda: Links((), (), 0))
    untried: int = 0
    late: int = 0


def look_at_all(config: Documents, http: Http, seconds: float) -> tuple[DocumentReading, ...]:
    """Read each and look where its links lead; those to the web only when config says so, and within some seconds."""
    root = _root(config.reviewed)
    readings = [_read(document, root, http) for document in config.reviewed]
    if not config.check_links:
        return tuple(replace(one, untried=len(one.links.web)) for one in readings)
    dead, late = dead_addresses((link.target for one in readings for link in one.links.web), http, seconds)
    return tuple(_with_web(one, dead, late) for one in readings)


def _root(documents: Iterable[Document]) -> Path | None:
    """The folder that holds them all: what their relative links may lead to."""
    folders = [Path(document.path).parent for document in documents if not is_web(document.path)]
    common = Path(os.path.commonpath(folders)) if folders else Path("/")
    return None if common == Path("/") else common  # all of a machine is no folder of documents


def _read(document: Document, root: Path | None, http: Http) -> DocumentReading:
    online = is_web(document.path)
    try:
        content = fetch(document.path, http) if online else read_file(Path(document.path))
        text = text_of(content)
        found = links(text)
    except DocumentRefused as reason:
        return DocumentReading(document, refused=str(reason))
    place = document.path if online else Path(document.path)
    return DocumentReading(
        document,
        digest=hashlib.sha256(content).hexdigest(),
        said=declared(text),
        links=local_links(found, text, place, root),
    )


def _with_web(one: DocumentReading, dead: dict[str, str], late: frozenset[str]) -> DocumentReading:
    gone = [DeadLink(link.line, shown(link.target), dead[link.target]) for link in one.links.web if link.target in dead]
    every = tuple(sorted((*one.links.dead, *gone), key=lambda found: found.line))
    return replace(one, links=replace(one.links, dead=every), late=sum(link.target in late for link in one.links.web))
