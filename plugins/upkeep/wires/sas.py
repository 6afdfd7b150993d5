"""The credential of a container of Azure Blob Storage, a SAS: where it comes from, and what it says it may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import parse_qs

import requests
from requests.adapters import HTTPAdapter

from upkeep.wires.blob_answers import Refused

#: How a Connection's name becomes its SAS: whoever knows Airflow says so for what it calls.
_LOOKUP: ContextVar[Callable[[str], str] | None] = ContextVar("SAS of a Connection", default=None)

#: The sessions that are begun in a block, by their scheme, for a plain one goes through no proxy.
_SESSIONS: ContextVar[dict[str, requests.Session] | None] = ContextVar("sessions of a block", default=None)


@contextmanager
def credentials(lookup: Callable[[str], str]) -> Iterator[None]:
    """Within the block the SAS of a Connection comes from ``lookup``, which may raise ValueError; at its end the
    sessions that were begun in it are closed.
    """
    sessions: dict[str, requests.Session] = {}
    token, other = _LOOKUP.set(lookup), _SESSIONS.set(sessions)
    try:
        yield
    finally:
        _LOOKUP.reset(token)
        _SESSIONS.reset(other)
        for session in sessions.values():
            session.close()


def session_of_the_block(url: str) -> requests.Session:
    """The session of the block of ``credentials`` for such a URL: a few connections for all containers that are asked.

    Outside any block it is a new one.
    """
    sessions, scheme = _SESSIONS.get(), url.partition(":")[0]
    if sessions is None:
        return requests.Session()
    if scheme not in sessions:
        sessions[scheme] = session = requests.Session()
        session.mount(f"{scheme}://", _Closed())
    return sessions[scheme]


class _Closed(HTTPAdapter):
    """Closes its connections when it is closed; urllib3 2 leaves that to the collector of garbage."""

    def close(self) -> None:
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            pools = manager.pools
            for pool in [pools.get(key) for key in pools.keys()]:  # noqa: SIM118  # no dict
                if pool is not None:
                    pool.close()
        super().close()


def sas_of(connection_id: str) -> str:
    """The SAS of a Connection. Raises Refused with the reason when there is none."""
    lookup = _LOOKUP.get()
    try:
        if lookup is not None:
            return lookup(connection_id)
    except ValueError as why:  # ConfigError
        raise Refused(str(why)) from None
    raise Refused(f"Connection {connection_id!r}: found no way to ask for it in this process")


def sas_text(given: str) -> str:
    """A SAS as what follows ``?`` in a URL, of which it may be given too. Raises ValueError, which does not show it."""
    text = given.strip().rpartition("?")[2]
    if "sig" not in parse_qs(text) or not text.isascii() or not text.isprintable() or set(' "<>\\') & set(text):
        raise ValueError("found no SAS, expected one such as sv=…&sp=rcl&se=…&sig=…")
    return text


#: What a letter of ``sp`` lets a SAS do; source: Create a service SAS, "Specify permissions".
_MAY = {
    "r": "read",
    "a": "append",
    "c": "create",
    "w": "overwrite",
    "d": "delete",
    "x": "delete versions",
    "y": "delete for good",
    "l": "list",
    "t": "write tags",
    "f": "find by tags",
    "m": "move",
    "e": "execute",
    "o": "take ownership",
    "p": "change rights",
    "i": "change the immutability policy",
}
#: Read, create, list.
NEEDED = "rcl"


def said_of(sas: str) -> tuple[list[str], list[str]] | None:
    """What a SAS may by its own ``sp`` beyond reading, creating and listing, and what of that it may not.

    None of one by a stored access policy, which does not say it.
    """
    given = parse_qs(sas).get("sp")
    if not given:
        return None
    more = [_MAY.get(letter, f"do {letter!r}") for letter in given[0] if letter not in NEEDED]
    return more, [_MAY[letter] for letter in NEEDED if letter not in given[0]]
