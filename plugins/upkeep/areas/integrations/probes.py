"""One look at each integration, all side by side, under one clock."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

import psycopg

from upkeep.settings.maintenance import Http, Sql
from upkeep.wires import database, queries
from upkeep.wires.net.address import Address, Integration, ProbeKind, ProbeResult, hide
from upkeep.wires.net.http import Distrust, OpenConnection, Unreachable, ask
from upkeep.wires.net.parallel import CancelScope, side_by_side

#: Integrations that are asked at the same time.
AT_ONCE = 32


@dataclass(frozen=True)
class Timeouts:
    """Config's clocks for both kinds of wire."""

    http: Http
    sql: Sql


def look_at_all(integrations: Iterable[Integration], patience: Timeouts) -> dict[str, ProbeResult]:
    """What was seen of each, by name; the total clock is that of one HTTP call.

    What is not known when it is over has not been looked at.
    """
    every = {one.name: one for one in integrations}

    jobs = {name: partial(look_at, one, patience) for name, one in every.items()}
    found = side_by_side(jobs, patience.http.total_timeout_seconds, AT_ONCE)
    slow = ProbeResult(
        reached=False,
        said=f"nothing was known after {patience.http.total_timeout_seconds:g} s (config: http.total_timeout_seconds)",
    )
    return {name: found.get(name, slow) for name in every}


def look_at(one: Integration, patience: Timeouts, ending: CancelScope) -> ProbeResult:
    """One look, without the integration's secrets in what is said of it."""
    if one.broken:
        return ProbeResult(reached=False, said=hide(one.broken, one.secrets))
    probe = _PROBES[one.kind]
    try:
        seen = probe(one, patience, ending)
    except Distrust as error:
        seen = ProbeResult(reached=True, said="", encrypted=True, distrust=str(error), expired=error.expired)
    except Unreachable as error:
        seen = ProbeResult(reached=False, said=str(error))
    except Exception as error:
        # Its text may hold anything, and one integration must not take the others with it.
        seen = ProbeResult(reached=False, said=f"the look itself failed ({type(error).__name__})", looked=False)
    headers = tuple((name, hide(value, one.secrets)) for name, value in seen.headers)
    location = hide(seen.location, one.secrets)
    return replace(seen, said=hide(seen.said, one.secrets), headers=headers, location=location)


def _known_address(one: Integration) -> Address:
    if one.address is None:
        raise Unreachable("no address is known of it")
    return one.address


def _http(one: Integration, patience: Timeouts, ending: CancelScope) -> ProbeResult:
    address = _known_address(one)
    answer, ends = ask(address, patience.http, ending, one.ca)
    location = next((value for name, value in answer.headers if name.lower() == "location"), "")
    return ProbeResult(
        reached=True,
        said=f"answered {answer.status}",
        status=answer.status,
        encrypted=address.encrypted,
        ends=ends,
        headers=answer.headers,
        location=_origin(location) if 300 <= answer.status < 400 else "",
    )


def _origin(location: str) -> str:
    """Scheme and host of where a redirect leads: the rest may hold a token."""
    with suppress(ValueError):
        parts = urlsplit(location)
        if parts.scheme in ("http", "https") and parts.hostname and parts.hostname.isprintable():
            return f"{parts.scheme}://{parts.hostname[:200]}"
    return "another path of the same host"


def _tls(one: Integration, patience: Timeouts, ending: CancelScope) -> ProbeResult:
    address = _known_address(one)
    with OpenConnection(address, patience.http, ending, one.ca) as line:
        if address.encrypted:
            line.secure()
        return ProbeResult(
            reached=True,
            said="listens; nothing was sent to it",
            encrypted=address.encrypted,
            ends=line.ends,
        )


def _postgres(one: Integration, patience: Timeouts, ending: CancelScope) -> ProbeResult:
    if one.connect is None:
        raise Unreachable("no way to connect is known of it")
    try:
        with database.session(one.connect, patience.sql, read_only=True) as session:
            session.row(queries.load("integrations/alive"))
            encrypted = bool(session.connection.pgconn.ssl_in_use)
    except psycopg.Error as error:
        said = hide(str(error), one.secrets)  # before white space is mended or anything is cut: both would hide one
        raise Unreachable(" ".join(said.split())[:500] or type(error).__name__) from None
    seen = ProbeResult(reached=True, said="logged in and answered", encrypted=encrypted)
    if one.address is None:
        return replace(seen, encrypted=None, unseen="the Connection names no single host" if encrypted else "")
    if not encrypted:
        return seen
    return _certificate_of_postgres(one, one.address, patience, ending, seen)


def _certificate_of_postgres(
    one: Integration, address: Address, patience: Timeouts, ending: CancelScope, seen: ProbeResult
) -> ProbeResult:
    """The same look with what a second handshake, verified, says of the certificate; the driver does not tell."""
    try:
        with OpenConnection(address, patience.http, ending, one.ca) as line:
            if not line.offers_tls():
                return replace(seen, unseen="asked a second time, it offers no TLS")
            line.secure()
            return replace(seen, ends=line.ends)
    except Distrust as error:
        return replace(seen, distrust=str(error), expired=error.expired)
    except Unreachable as error:
        return replace(seen, unseen=str(error))


def _folder(one: Integration, patience: Timeouts, ending: CancelScope) -> ProbeResult:
    folder = one.folder
    if folder is None or not folder.is_dir():
        raise Unreachable("found no such folder")
    try:
        with os.scandir(folder) as entries:
            empty = next(entries, None) is None
    except OSError as error:
        raise Unreachable(f"the folder cannot be read: {error.strerror or type(error).__name__}") from None
    if empty:
        said = "the folder is empty: nothing shows that it is the one that is meant, and that it is mounted"
        return ProbeResult(reached=False, said=said, looked=False)
    return ProbeResult(reached=True, said="can be read")


def _call(one: Integration, patience: Timeouts, ending: CancelScope) -> ProbeResult:
    """Its own way has its own clock and message."""
    if one.call is None:
        raise Unreachable("no way to ask is known of it")
    return ProbeResult(reached=True, said="answered", headers=one.call())


_PROBES = {
    ProbeKind.POSTGRES: _postgres,
    ProbeKind.HTTP: _http,
    ProbeKind.TLS: _tls,
    ProbeKind.FOLDER: _folder,
    ProbeKind.CALL: _call,
}
