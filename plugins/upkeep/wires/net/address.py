"""What an integration is, what is seen of one, and how its address is shown. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote, urlsplit

from upkeep.wires.database import Connect

Headers = tuple[tuple[str, str], ...]

PORTS = {"http": 80, "https": 443, "postgres": 5432}


class ProbeKind(StrEnum):
    """How an integration is reached.

    ``TLS`` opens a connection and says nothing: a webhook acts on what it is told. ``CALL`` has a way of its own.
    """

    POSTGRES = "postgres"
    HTTP = "http"
    TLS = "tls"
    FOLDER = "folder"
    CALL = "call"


@dataclass(frozen=True)
class Address:
    """Where a server listens. As text it is scheme, host and port: a path may hold a token."""

    scheme: str
    host: str
    port: int
    path: str = field(default="/", repr=False)

    @property
    def encrypted(self) -> bool:
        """Whether whoever speaks there begins with TLS."""
        return self.scheme == "https"

    @property
    def local(self) -> bool:
        """Whether it is this machine itself, between whose processes nobody listens."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def address(url: str, *, with_query: bool = False) -> Address:
    """Where a URL leads. Raises ValueError, without showing it, when it leads nowhere; a user name is left out."""
    try:
        parts = urlsplit(url)
        host, port, usable = parts.hostname or "", parts.port, parts.scheme in ("http", "https")
    except ValueError:
        host, port, usable = "", None, False
    if not usable or not host or not host.isprintable() or any(sign.isspace() for sign in host):
        raise ValueError("found no usable address, expected one such as https://status.example/")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    query = quote(parts.query, safe="/?%:@!$&'()*+,;=~") if with_query else ""
    return Address(parts.scheme, host, port or PORTS[parts.scheme], f"{path}?{query}" if query else path)


def http_address(host: str, port: int | None, schema: str) -> Address:
    """Where a Connection of type http leads, as Airflow's hook puts it together. Raises ValueError as ``address``."""
    found = address(host if "://" in host else f"{schema or 'http'}://{host}")
    path = found.path if found.path.startswith("/") else "/"
    return Address(found.scheme, found.host, port or found.port, path)


@dataclass(frozen=True)
class Integration:
    """One thing that config names. ``broken`` says why it cannot even be tried.

    ``secrets`` are values that are taken out of whatever is said of it; ``used`` names its kind of use in the ledger,
    empty where none is recorded.
    """

    name: str
    title: str
    kind: ProbeKind
    address: Address | None = None
    folder: Path | None = None
    connect: Connect | None = field(default=None, repr=False)
    call: Callable[[], Headers] | None = field(default=None, repr=False)
    ca: Path | None = None
    expect_status: tuple[int, ...] = ()
    used: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    broken: str = ""


@dataclass(frozen=True)
class ProbeResult:
    """One look at one integration.

    ``said`` is what was found, in words; ``ends`` when its certificate does; ``distrust`` why that is not trusted;
    ``unseen`` why nothing was seen of it; ``encrypted`` is None where there is no wire; ``headers`` are those of its
    answer; ``looked`` is False when time or this program gave up before anything was known.
    """

    reached: bool
    said: str
    status: int | None = None
    encrypted: bool | None = None
    ends: datetime | None = None
    distrust: str = ""
    unseen: str = ""
    expired: bool = False
    headers: Headers = ()
    location: str = ""
    looked: bool = True


def hide(text: str, secrets: Iterable[str]) -> str:
    """A text without these values, also as a URL writes them; the longest first, for one may hold another."""
    forms = {form for secret in secrets if secret for form in (secret, quote(secret), quote(secret, safe=""))}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")
    return text
