"""What the Blob service answers: a blob, a page of a list, or an error, and which of them it is."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from xml.etree import ElementTree

import requests

#: Answers after which the same request may succeed.
_AGAIN = {408, 429, 500, 502, 503, 504}
OFFLINE = "Archive"


class BlobError(Exception):
    """The service refused, or was not reached; ``code`` is its own word for it, empty where it gave none.

    No OSError but where it is of one blob, that it is there, or is not, or is offline: who takes a file that cannot be
    read for a damaged one must not do so because a network is down.
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


class Offline(BlobError, OSError):
    """The blob is in tier Archive: its bytes cannot be read before it is rehydrated. It is not damaged."""


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


def page_of(content: bytes) -> ElementTree.Element | None:
    """A page of a list; None of what is none: an empty one must not be taken for an empty container."""
    try:
        page = ElementTree.fromstring(content)  # noqa: S314  # the account's own answer, over TLS
    except ElementTree.ParseError:
        return None
    return page if page.tag == "EnumerationResults" and page.find("NextMarker") is not None else None


def blob_of(answer: requests.Response) -> Blob:
    """What an answer's headers say of a blob. Raises BlobError for one that is not the Blob service's."""
    etag, length = answer.headers.get("ETag", ""), answer.headers.get("Content-Length", "")
    if not etag or not length.isdecimal():
        raise BlobError("found an answer without ETag and Content-Length, expected one of the Blob service")
    given = (answer.headers.get(key, "") for key in ("Content-MD5", "x-ms-access-tier", "x-ms-copy-status"))
    return Blob(int(length), etag, *given)


def plainly(why: Exception, address: str) -> BlobError:
    """An error without what it says itself: that may hold the address with its SAS."""
    if isinstance(why, BlobError):
        return why
    return Unreached(f"{address}: found no answer ({type(why).__name__}), expected the Blob service")


def refusal(answer: requests.Response, asked: str) -> BlobError:
    """What the service said, as the error that it is."""
    code, status = answer.headers.get("x-ms-error-code", ""), answer.status_code
    kinds = {"BlobNotFound": Missing, "BlobArchived": Offline, "BlobAlreadyExists": Exists}
    kind = kinds.get(code) or (Refused if status in (401, 403) else BlobError)
    wanted = "expected what the Blob service answers then" if status < 400 else "expected success"
    return kind(f"{asked}: found {status} {code or answer.reason}, {wanted}", status, code)


_SIGNATURE = re.compile(r"(?<=sig=)[^&\s\"']+")


class _Unsigned(logging.Filter):
    """Takes the signature out of what is said of a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        if "sig=" in said:
            record.msg, record.args = _SIGNATURE.sub("***", said), ()
        return True


for _name in ("urllib3.connectionpool", "urllib3.util.retry"):  # at DEBUG they say each request's whole URL
    logging.getLogger(_name).addFilter(_Unsigned())
