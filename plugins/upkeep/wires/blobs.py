"""The wire to a container of Azure Blob Storage: the few operations that archives need, signed by a SAS.

A blob is created by one Put Blob with ``If-None-Match: *`` and ``Content-MD5``, sent from a file: there whole or not at
all, and possible with a SAS that may create and not write. Put Block and Put Block List need the permission to write,
which overwrites too; no library sends a Put Blob without having all of it in memory. No message holds the SAS.

Source: learn.microsoft.com/rest/api/storageservices, version 2021-12-02 of the Blob service.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from io import BufferedIOBase
from typing import Any
from urllib.parse import parse_qs, quote, unquote
from xml.etree import ElementTree

import requests
import tenacity

VERSION = "2021-12-02"
#: Bytes that one Put Blob takes at most.
MOST = 5000 * 1024**2
#: Seconds to connect, and to wait for the next bytes of an answer.
PATIENCE = (10, 60)
#: Attempts of a request, and seconds before the second one: doubled each time.
ATTEMPTS, PAUSE = 4, 0.5
_BLOCK = 1024**2
#: Answers after which the same request may succeed.
_AGAIN = {408, 429, 500, 502, 503, 504}
OFFLINE = "Archive"


class BlobError(Exception):
    """The service refused, or was not reached; ``code`` is its own word for it, empty where it gave none.

    No OSError but where it says that a blob is there or is not: who takes a file that cannot be read for a damaged one
    must not do so because a network is down.
    """

    def __init__(self, message: str, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status, self.code = status, code

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in _AGAIN


class Unreached(BlobError):
    """There was no answer, or it broke off."""

    transient = True


class Missing(BlobError, FileNotFoundError):
    """There is no such blob in the container, which is there."""


class Offline(BlobError):
    """The blob is in tier Archive: its bytes cannot be read before it is rehydrated."""


class Refused(BlobError):
    """The credential may not do it, has ended, or is not the account's."""


class Exists(BlobError, FileExistsError):
    """There is a blob of that name."""


@dataclass(frozen=True)
class Blob:
    """What the service says of a blob without its bytes: bytes, ETag, MD5 (base64) and tier; how a copy to it goes."""

    size: int
    etag: str
    md5: str
    tier: str
    copy: str

    @property
    def offline(self) -> bool:
        """Whether its bytes cannot be read."""
        return self.tier == OFFLINE


#: How a Connection's name becomes its SAS: whoever knows Airflow says so for what it calls.
_LOOKUP: ContextVar[Callable[[str], str] | None] = ContextVar("SAS of a Connection", default=None)


@contextmanager
def credentials(lookup: Callable[[str], str]) -> Iterator[None]:
    """Within the block the SAS of a Connection comes from ``lookup``, which may raise ValueError."""
    token = _LOOKUP.set(lookup)
    try:
        yield
    finally:
        _LOOKUP.reset(token)


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


@dataclass(frozen=True)
class Container:
    """A container by its URL; ``sas`` gives what its requests are signed by, and is asked before each."""

    url: str
    sas: Callable[[], str] = field(repr=False)
    _session: requests.Session = field(default_factory=requests.Session, repr=False, compare=False)

    def address(self, name: str) -> str:
        """A blob's URL, without a credential."""
        return f"{self.url}/{quote(name)}"

    def head(self, name: str) -> Blob:
        """What the service says of a blob. Raises Missing, BlobError."""
        return _blob(self._again("HEAD", name))

    def has(self, name: str) -> bool:
        """Whether there is such a blob. Raises BlobError."""
        try:
            self.head(name)
        except Missing:
            return False
        return True

    def read(self, name: str) -> bytes:
        """A small blob's bytes. Raises Missing, Offline, BlobError."""
        return self._again("GET", name).content

    def download(self, name: str, into: BufferedIOBase) -> None:
        """A blob's bytes into a file, all of one version; where the line breaks it goes on. Raises BlobError."""
        etag, whole = "", -1
        failed = 0
        while whole < 0 or into.tell() < whole:
            at = into.tell()
            try:
                headers = {"Range": f"bytes={at}-", "If-Match": etag} if at else {}
                with self._send("GET", name, headers=headers, stream=True) as answer:
                    if at and answer.status_code != 206:
                        raise BlobError(
                            f"{self.address(name)}: found {answer.status_code}, expected 206: the rest of it"
                        )
                    found = _blob(answer)
                    etag, whole = found.etag, at + found.size
                    for block in answer.iter_content(_BLOCK):
                        into.write(block)
            except (BlobError, requests.RequestException) as why:
                failed = failed + 1 if into.tell() == at else 1
                if failed >= ATTEMPTS or (isinstance(why, BlobError) and not why.transient):
                    raise _plainly(why, self.address(name)) from None
                tenacity.nap.sleep(PAUSE * 2 ** (failed - 1))

    def put(self, name: str, content: BufferedIOBase, tier: str | None = None) -> None:
        """Create a blob of a file's bytes, once and whole. Raises Exists, Refused, BlobError."""
        md5 = hashlib.file_digest(content, partial(hashlib.md5, usedforsecurity=False)).digest()
        size = content.tell()
        if size > MOST:
            raise BlobError(
                f"{self.address(name)}: found {size:,} bytes, expected at most {MOST:,}: what one Put Blob takes"
            )
        hashed = base64.b64encode(md5).decode()
        headers = {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*", "Content-MD5": hashed}
        headers |= {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        headers |= {"x-ms-access-tier": tier} if tier else {}
        sent = 0

        def send() -> None:
            nonlocal sent
            content.seek(0)
            sent += 1
            self._send("PUT", name, headers=headers, data=content if size else b"")

        try:
            _retrying()(send)
        except BlobError as why:
            # Of what is there the service says 403 to a SAS that may only create, and 409 or 412 to another.
            found = self._there(name) if why.status in (403, 409, 412) else None
            if found is None:
                raise
            if sent == 1 or (found.size, found.md5) != (size, hashed):
                raise Exists(
                    f"{self.address(name)}: found a blob of that name, expected none", why.status, why.code
                ) from None

    def copy(self, source: str, name: str) -> None:
        """Ask for an online copy of a blob, which rehydrates one in tier Archive: hours. Raises Exists, BlobError."""
        headers = {"x-ms-copy-source": f"{self.address(source)}?{self.sas()}", "x-ms-access-tier": "Hot"}
        self._again("PUT", name, headers=headers | {"x-ms-rehydrate-priority": "Standard", "If-None-Match": "*"})

    def names(self, prefix: str) -> list[str]:
        """The blobs directly below a prefix that ends with ``/``, without it. Raises BlobError."""
        found, marker = [], ""
        while True:
            asked = {"restype": "container", "comp": "list", "prefix": prefix, "marker": marker}
            answer = self._again("GET", "", query="&".join(f"{key}={quote(value, '')}" for key, value in asked.items()))
            try:
                page = ElementTree.fromstring(answer.content)  # noqa: S314  # the account's own answer, over TLS
            except ElementTree.ParseError:
                raise BlobError(f"{self.url}: found no list of blobs in the answer") from None
            for element in page.iterfind("Blobs/Blob/Name"):
                text = element.text or ""
                name = (unquote(text) if element.get("Encoded") == "true" else text).removeprefix(prefix)
                found += [name] if name and "/" not in name else []
            marker = page.findtext("NextMarker") or ""
            if not marker:
                return found

    def may(self, name: str) -> dict[str, bool]:
        """Whether the credential may ``delete`` and ``overwrite``, asked of a blob that is not there. Raises BlobError.

        The service looks at the permission first (403), and then for the blob (404).
        """
        asked = {"delete": partial(self._again, "DELETE", name)}
        asked["overwrite"] = partial(self._again, "PUT", name, query="comp=metadata")
        return {what: _allowed(ask) for what, ask in asked.items()}

    def _there(self, name: str) -> Blob | None:
        try:
            return self.head(name)
        except BlobError:
            return None

    def _again(self, method: str, name: str, **more: Any) -> requests.Response:
        answer: requests.Response = _retrying()(self._send, method, name, **more)
        return answer

    def _send(
        self,
        method: str,
        name: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        data: BufferedIOBase | bytes = b"",
        stream: bool = False,
    ) -> requests.Response:
        """One request; its answer. Raises BlobError."""
        address = self.address(name) if name else self.url
        try:
            answer = self._session.request(
                method,
                f"{address}?{query}{'&' if query else ''}{self.sas()}",
                headers={"x-ms-version": VERSION, "Accept-Encoding": "identity", **(headers or {})},
                data=data,
                auth=lambda request: request,  # none of a .netrc
                stream=stream,
                timeout=PATIENCE,
                allow_redirects=False,
            )
        except requests.RequestException as why:
            raise _plainly(why, address) from None
        if not answer.ok or answer.is_redirect:
            answer.close()
            raise _refusal(answer, f"{method} {address}")
        return answer


def _retrying() -> tenacity.Retrying:
    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        retry=tenacity.retry_if_exception(lambda why: isinstance(why, BlobError) and why.transient),
        wait=tenacity.wait_exponential(PAUSE, max=8),
        reraise=True,
    )


def _allowed(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except Missing:
        return True
    except Refused as why:
        if why.code == "AuthorizationPermissionMismatch":
            return False
        raise
    return True


def _blob(answer: requests.Response) -> Blob:
    """What an answer's headers say of a blob. Raises BlobError for one that is not the Blob service's."""
    etag, length = answer.headers.get("ETag", ""), answer.headers.get("Content-Length", "")
    if not etag or not length.isdecimal():
        raise BlobError("found an answer without ETag and Content-Length, expected one of the Blob service")
    given = (answer.headers.get(key, "") for key in ("Content-MD5", "x-ms-access-tier", "x-ms-copy-status"))
    return Blob(int(length), etag, *given)


def _plainly(why: Exception, address: str) -> BlobError:
    """An error without what it says itself: that may hold the address with its SAS."""
    if isinstance(why, BlobError):
        return why
    return Unreached(f"{address}: found no answer ({type(why).__name__}), expected the Blob service")


def _refusal(answer: requests.Response, asked: str) -> BlobError:
    """What the service said, as the error that it is."""
    code, status = answer.headers.get("x-ms-error-code", ""), answer.status_code
    kinds = {"BlobNotFound": Missing, "BlobArchived": Offline, "BlobAlreadyExists": Exists}
    kind = kinds.get(code) or (Refused if status in (401, 403) else BlobError)
    return kind(f"{asked}: found {status} {code or answer.reason}, expected success", status, code)
