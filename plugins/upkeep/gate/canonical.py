"""The one way to write what people are asked, so that its digest is that of what they were shown. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import rfc8785

T = TypeVar("T")

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


def moment(value: datetime) -> str:
    """A time in UTC, to the microsecond."""
    return value.astimezone(UTC).strftime(_TIME)


def write(content: Mapping[str, Any], optional: Iterable[str]) -> str:
    """RFC 8785 canonical JSON; a field of ``optional`` came later: it is left out when empty, and old texts stay."""
    kept = {name: value for name, value in content.items() if value or name not in set(optional)}
    written = {name: moment(value) if isinstance(value, datetime) else value for name, value in kept.items()}
    return rfc8785.dumps(written).decode()


def read(
    text: str, what: str, times: Iterable[str], build: Callable[[dict[str, Any]], T], write_again: Callable[[T], str]
) -> T:
    """The thing of a canonical text. Raises ValueError when the text is not its own canonical form."""
    try:
        content = json.loads(text)
        found = {name: datetime.strptime(content[name], _TIME).replace(tzinfo=UTC) for name in times}
        thing = build({**content, **found})
    except (TypeError, KeyError) as error:
        raise ValueError(f"found no {what} ({error}), expected the text that was shown") from None
    if write_again(thing) != text:
        raise ValueError(f"found a {what} that is not in its canonical form, expected the text that was shown")
    return thing
