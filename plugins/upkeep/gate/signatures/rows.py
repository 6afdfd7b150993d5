"""What is signed of a row: its place in the ledger's chain and all its columns that hold something. Pure.

Both sides, what is about to be written and what PostgreSQL gives back as JSON, come to the same RFC 8785 text. Numbers
that JSON's double cannot hold become text under a key that no jsonb can contain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import rfc8785
from psycopg.types.json import Jsonb

from upkeep.gate.canonical import moment

#: The columns of each signed table that are times.
TIMES: Mapping[str, tuple[str, ...]] = {
    "shown": ("shown_at",),
    "decisions": ("responded_at", "decided_at"),
    "permits": ("permitted_at",),
    "receipts": ("started_at", "ended_at", "written_at"),
}

_EXACT = 2**53


def message(
    ledger: str, entry: int, follows: str, about: Mapping[str, Any], signed_at: str, row: Mapping[str, Any]
) -> bytes:
    """The bytes to sign. ``about`` are place, row_id, digest and key_id, ``follows`` is the signature before."""
    content = {
        "ledger": ledger,
        "entry": entry,
        "follows": follows,
        "place": about["place"],
        "row_id": about["row_id"],
        "digest": about["digest"],
        "key_id": about["key_id"],
        "signed_at": signed_at,
        "row": {name: value for name, value in row.items() if value is not None},
    }
    return rfc8785.dumps(content)


def as_sent(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as it is handed to the database."""
    return {name: _sent(value) for name, value in row.items()}


def _sent(value: Any) -> Any:
    if isinstance(value, datetime):
        return moment(value)
    plain = value.obj if isinstance(value, Jsonb) else value
    return _numbers(json.loads(json.dumps(plain), parse_float=Decimal, parse_int=Decimal))


def as_found(place: str, content: str) -> dict[str, Any]:
    """A row as ``to_jsonb`` gives it."""
    row = json.loads(content, parse_float=Decimal, parse_int=Decimal)
    return {name: _time(value) if name in TIMES[place] else _numbers(value) for name, value in row.items()}


def _time(value: Any) -> Any:
    """A time in the one way to write it; anything else (infinity, the year 12000) as it is, which nobody signed."""
    try:
        return moment(datetime.fromisoformat(value))
    except (TypeError, ValueError):
        return str(value) if value is not None else None


def _numbers(value: Any) -> Any:
    match value:
        case Decimal():
            if value == value.to_integral_value() and abs(value) < _EXACT:
                return int(value)
            return {"\0": format(value, "f").rstrip("0") if "." in format(value, "f") else format(value, "f")}
        case dict():
            return {key: _numbers(item) for key, item in value.items()}
        case list():
            return [_numbers(item) for item in value]
        case _:
            return value
