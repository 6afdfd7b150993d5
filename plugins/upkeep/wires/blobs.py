"""The wire to a container of Azure Blob Storage: the few operations that archives need, signed by a SAS.

A blob is created by one Put Blob with ``If-None-Match: *`` and ``Content-MD5``, sent from a file: there whole or not at
all, and possible with a SAS that may create and not write. Put Block and Put Block List need the permission to write,
which overwrites too; no library sends a Put Blob without having all of it in memory. No message holds the SAS.

Source: learn.microsoft.com/rest/api/storageservices, version 2021-12-02 of the Blob service.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from io import BufferedIOBase
from typing import Any
from urllib.parse import quote, unquote

import requests
import tenacity
import urllib3

from upkeep.wires.blob_answers import (
    Blob,
    BlobError,
    Exists,
    Missing,
    Refused,
    Unreached,
    blob_of,
    page_of,
    plainly,
    refusal,
)
from upkeep.wires.net.deadline import Budget, by

VERSION = "2021-12-02"
#: Bytes that one Put Blob takes at most.
MOST = 5000 * 1024**2
#: Seconds to connect, and to wait for the next bytes of an answer.
PATIENCE = (10, 60)
#: Seconds that all attempts of a request have that is small, its answer read whole.
WHOLE = 300
#: Seconds that all requests together have which a transaction waits for: spent while one is waited for.
HASTE = 3.0
#: Bytes a second that a large blob goes at least, and seconds besides: longer is no answer.
SLOWEST, BESIDES = 500_000, 600
#: Attempts of a request, and seconds before the second one: doubled each time.
ATTEMPTS, PAUSE = 4, 0.5
_BLOCK = 1024**2
#: Blobs of one answer to a list: as many as the service gives.
PAGE = 5000


@dataclass(frozen=True)
class Container:
    """A container by its URL; ``sas`` gives what its requests are signed by, and is asked before each.

    One with a ``budget`` tries each request once, and all of them have that time: for what a transaction waits for.
    """

    url: str
    sas: Callable[[], str] = field(repr=False)
    budget: Budget | None = None
    session: requests.Session = field(default_factory=requests.Session, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.session.trust_env = self.url.startswith("https:")  # through no proxy in clear

    def in_haste(self) -> Container:
        """The same, whose requests have HASTE, all together."""
        return replace(self, budget=Budget(HASTE))

    def address(self, name: str) -> str:
        """A blob's URL, without a credential."""
        return f"{self.url}/{quote(name)}"

    def head(self, name: str, end: float | None = None) -> Blob:
        """What the service says of a blob. Raises Missing, BlobError."""
        return blob_of(self._again("HEAD", name, end=end))

    def has(self, name: str) -> bool:
        """Whether there is such a blob. Raises BlobError."""
        try:
            self.head(name)
        except Missing:
            return False
        return True

    def read(self, name: str) -> bytes:
        """A small blob's bytes. Raises Missing, Offline, BlobError."""
        answer = self._again("GET", name)
        blob_of(answer)
        return answer.content

    def download(self, name: str, into: BufferedIOBase) -> None:
        """A blob's bytes into a file, all of one version; where the line breaks it goes on. Raises BlobError."""
        etag, whole = "", -1
        failed, began = 0, time.monotonic()
        end = began + WHOLE
        while whole < 0 or into.tell() < whole:
            at = into.tell()
            try:
                headers = {"Range": f"bytes={at}-", "If-Match": etag} if at else {}
                with self._send("GET", name, {206 if at else 200}, headers=headers, stream=True, end=end) as answer:
                    found = blob_of(answer)
                    if not at:
                        etag, whole = found.etag, found.size
                        end = began + BESIDES + whole / SLOWEST
                    elif answer.headers.get("Content-Range") != f"bytes {at}-{whole - 1}/{whole}":
                        raise BlobError(f"{self.address(name)}: found another range, expected the rest of it")
                    while block := answer.raw.read1(_BLOCK):  # what has come, be it a byte: the clock is looked at
                        into.write(block)
                        if time.monotonic() > end:
                            raise BlobError(f"{self.address(name)}: found it too slow, expected {SLOWEST:,} bytes/s")
            except (BlobError, requests.RequestException, urllib3.exceptions.HTTPError) as why:
                failed = failed + 1 if into.tell() == at else 1
                if failed >= ATTEMPTS or (isinstance(why, BlobError) and not why.transient):
                    raise plainly(why, self.address(name)) from None
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
        sent, end = 0, time.monotonic() + BESIDES + size / SLOWEST  # of all attempts

        def send() -> None:
            nonlocal sent
            if time.monotonic() > end:  # the last one may read the file still
                raise Unreached(f"{self.address(name)}: found it too slow, expected {SLOWEST:,} bytes/s")
            content.seek(0)
            sent += 1
            body = content if size else b""
            answer = self._send("PUT", name, {201}, headers=headers, data=body, size=size, end=end)
            if answer.headers.get("Content-MD5") != hashed:
                there = self.head(name, end)
                if (there.size, there.md5) != (size, hashed):
                    raise BlobError(f"{self.address(name)}: found other bytes there, expected those that were sent")

        try:
            retrying()(send)
        except BlobError as why:
            # Of what is there the service says 403 to a SAS that may only create, and 409 or 412 to another; of the
            # last attempt there may have been no answer.
            found = self._there(name) if why.status in (403, 409, 412) or why.transient else None
            if found is None:
                raise
            if why.transient and (found.size, found.md5) == (size, hashed):
                return
            if sent == 1 or (found.size, found.md5) != (size, hashed):
                raise Exists(
                    f"{self.address(name)}: found a blob of that name, expected none", why.status, why.code
                ) from None

    def copy(self, source: str, name: str) -> None:
        """Ask for an online copy of a blob, which rehydrates one in tier Archive: hours. Raises Exists, BlobError."""
        headers = {"x-ms-copy-source": f"{self.address(source)}?{self.sas()}", "x-ms-access-tier": "Hot"}
        headers |= {"x-ms-rehydrate-priority": "Standard", "If-None-Match": "*"}
        try:
            self._again("PUT", name, {202}, headers=headers)
        except BlobError as why:  # of one that is there, or whose answer was lost, as in ``put``
            if (why.status in (403, 409, 412) or why.transient) and self._there(name):
                raise Exists(f"{self.address(name)}: found a blob of that name", why.status, why.code) from None
            raise

    def names(self, prefix: str) -> list[str]:
        """The blobs directly below a prefix that ends with ``/``, without it. Raises BlobError."""
        found, marker, seen = [], "", {""}
        while True:
            asked = {
                "restype": "container",
                "comp": "list",
                "prefix": prefix,
                "marker": marker,
                "maxresults": str(PAGE),
            }
            answer = self._again("GET", "", query="&".join(f"{key}={quote(value, '')}" for key, value in asked.items()))
            page = page_of(answer.content)
            if page is None:
                raise BlobError(f"{self.url}: found no list of blobs in the answer")
            for element in page.iterfind("Blobs/Blob/Name"):
                text = element.text or ""
                name = (unquote(text) if element.get("Encoded") == "true" else text).removeprefix(prefix)
                found += [name] if name and "/" not in name else []
            marker = page.findtext("NextMarker") or ""
            if not marker:
                return found
            if marker in seen:
                raise BlobError(f"{self.url}: found the same page of the list twice")
            seen.add(marker)

    def may(self, name: str) -> dict[str, bool]:
        """Whether the credential may ``read``, ``delete`` and ``overwrite``, asked of a blob that is not there.

        Raises BlobError.

        The service looks at the permission first (403), and then for the blob (404).
        """
        asked = {"read": partial(self._again, "HEAD", name), "delete": partial(self._again, "DELETE", name, {202})}
        asked["overwrite"] = partial(self._again, "PUT", name, query="comp=metadata")
        return {what: _allowed(ask) for what, ask in asked.items()}

    def _there(self, name: str) -> Blob | None:
        try:
            return self.head(name, time.monotonic() + sum(PATIENCE))
        except BlobError:
            return None

    def _again(
        self, method: str, name: str, expected: Collection[int] = (200,), end: float | None = None, **more: Any
    ) -> requests.Response:
        end = end or time.monotonic() + WHOLE
        retry = retrying(1 if self.budget else None)
        answer: requests.Response = retry(self._send, method, name, expected, end=end, **more)
        return answer

    def _send(
        self,
        method: str,
        name: str,
        expected: Collection[int],
        *,
        end: float,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        data: BufferedIOBase | bytes = b"",
        size: int = 0,
        stream: bool = False,
    ) -> requests.Response:
        """One request, which sends ``size`` bytes; its answer, of a status that is ``expected``, by ``end`` or within
        the budget. Raises BlobError.
        """
        address = self.address(name) if name else self.url
        connecting, waiting = PATIENCE
        if size:  # what is sent waits by the first of the two
            connecting, waiting = waiting, waiting + size // SLOWEST
        request = partial(
            self.session.request,
            method,
            f"{address}?{query}{'&' if query else ''}{self.sas()}",
            headers={"x-ms-version": VERSION, "Accept-Encoding": "identity", **(headers or {})},
            data=data,
            auth=lambda request: request,  # none of a .netrc
            stream=stream,
            timeout=(connecting, waiting),
            allow_redirects=False,
        )
        try:
            answer = self.budget.spend(request) if self.budget else by(end, request)
        except OSError as why:  # requests' own errors, no answer in time, certificates that are not there
            raise plainly(why, address) from None
        if answer.status_code not in expected:
            answer.close()
            raise refusal(answer, f"{method} {address}")
        return answer


def retrying(attempts: int | None = None) -> tenacity.Retrying:
    """Calls what it is given, again where the service may answer later."""
    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(attempts or ATTEMPTS),
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
