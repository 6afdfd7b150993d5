"""Documents and links on the web: one GET of a document, one HEAD of each link."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from urllib.parse import urlsplit

from upkeep.settings.maintenance import Http
from upkeep.wires.net.address import address
from upkeep.wires.net.files import MOST_BYTES, DocumentRefused
from upkeep.wires.net.http import OpenConnection, Unreachable, ask
from upkeep.wires.net.parallel import CancelScope, side_by_side

#: How many links are tried at a time, and how many at most.
AT_ONCE, MOST = 8, 500

#: Statuses that say that nothing is there.
_GONE = (404, 410)


def fetch(url: str, http: Http) -> bytes:
    """A document from its URL. Raises DocumentRefused."""
    found = side_by_side({url: partial(_fetch, url, http)}, http.total_timeout_seconds, 1)
    content = found.get(url, f"no answer within {http.total_timeout_seconds:g} s (config: http.total_timeout_seconds)")
    if isinstance(content, str):
        raise DocumentRefused(content)
    return content


def _fetch(url: str, http: Http, ending: CancelScope) -> bytes | str:
    where = address(url)
    try:
        with OpenConnection(where, http, ending) as line:
            if where.encrypted:
                line.secure()
            answer = line.request("GET", MOST_BYTES)
    except Unreachable as trouble:
        return str(trouble)
    return answer.body if answer.status == 200 else f"answered {answer.status}, expected 200"


def dead_addresses(urls: Iterable[str], http: Http, seconds: float) -> tuple[dict[str, str], frozenset[str]]:
    """URL → why it leads nowhere, and those that time was too short for."""
    every = list(dict.fromkeys(urls))
    jobs = {url: partial(_why_dead, url, http) for url in every[:MOST]}
    found = side_by_side(jobs, seconds, AT_ONCE)
    return {url: why for url, why in found.items() if why}, frozenset(every) - frozenset(found)


def _why_dead(url: str, http: Http, ending: CancelScope) -> str:
    try:
        if "@" in urlsplit(url).netloc:
            return "it holds a user name; not tried"
        answer, _ = ask(address(url, with_query=True), http, ending)
    except ValueError:
        return "no address that can be tried"
    except Unreachable as trouble:
        return str(trouble) or "not reached"
    return f"answered {answer.status}" if answer.status in _GONE or answer.status >= 500 else ""
