"""What headers say of an end to come: Deprecation (RFC 9745), Sunset (RFC 8594), Warning (RFC 7234). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: Headers of one answer that are told of; a server may send any number.
MOST = 10

_SECONDS = re.compile(r"@(-?\d{1,15})")
_QUOTED_DATE = re.compile(r'"([A-Z][a-z]{2}, [^"]{1,60})"\s*$')


@dataclass(frozen=True)
class HeaderNotice:
    """One header: ``kind`` is its name in lower case, ``at`` the moment it names, if it names one."""

    kind: str
    at: datetime | None
    said: str


def notices(headers: Iterable[tuple[str, str]]) -> tuple[HeaderNotice, ...]:
    """The three headers among an answer's, in its order."""
    readers = {"deprecation": _deprecation, "sunset": _http_date, "warning": _warning}
    found = [(name.lower(), value.strip()) for name, value in headers if name.lower() in readers and value.strip()]
    return tuple(HeaderNotice(name, readers[name](value), value) for name, value in dict.fromkeys(found))[:MOST]


def _deprecation(value: str) -> datetime | None:
    """``@1688169599`` is the RFC's; drafts before it had an HTTP date or ``true``."""
    if not (seconds := _SECONDS.match(value)):
        return _http_date(value)
    try:
        return datetime.fromtimestamp(int(seconds[1]), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _warning(value: str) -> datetime | None:
    """The date at a warning's end, if it has one: ``299 - "Deprecated" "Sat, 01 Aug 2026 00:00:00 GMT"``."""
    date = _QUOTED_DATE.search(value[-200:])
    return _http_date(date[1]) if date else None
