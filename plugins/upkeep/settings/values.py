"""Values that config writes as text or pairs: folders, web addresses, names, tables, hours, networks, ranges, zones."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, Field, GetCoreSchemaHandler, PlainValidator
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class WrittenAs:
    """How a value that knows no pydantic is written: as these fields, so that an error names the one that is wrong."""

    fields: type[BaseModel]
    make: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.make, handler(self.fields))


def _absolute(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError(f"found {str(value)!r}, expected an absolute path")
    return value


Folder = Annotated[Path, AfterValidator(_absolute)]


def _zone(value: object) -> ZoneInfo:
    try:
        return ZoneInfo(value if isinstance(value, str) else "")
    except (ValueError, OSError, KeyError):
        raise ValueError(f"found {value!r}, expected a time zone such as 'Europe/Berlin' or 'UTC'") from None


Zone = Annotated[ZoneInfo, PlainValidator(_zone, json_schema_input_type=str)]


def is_web(value: str) -> bool:
    """Whether a text is meant as a web address."""
    return value.lower().startswith(("http://", "https://"))


def web_address(value: str) -> str:
    """The URL itself. Raises ValueError, without showing it, unless it is one that holds no secret's place."""
    try:
        parts = urlsplit(value)
        usable = is_web(value) and bool(parts.hostname) and parts.port != 0 and not parts.query and not parts.fragment
    except ValueError:
        usable = False
    if not usable or any(sign in "@?#\\" or sign.isspace() or not sign.isprintable() for sign in value):
        # What was found is not said: it may hold a password.
        raise ValueError(
            "found something else, expected a URL such as https://status.example/ without user name, query or fragment"
        )
    return value


#: ``http`` or ``https``, and nothing in it that is a secret's place.
WebAddress = Annotated[str, AfterValidator(web_address)]


def _identifier(value: str) -> str:
    # PostgreSQL cuts a longer name silently, and would then read another table.
    if not value or "\0" in value or len(value.encode()) > 63:
        raise ValueError(f"found {value!r}, expected a name of 1 to 63 bytes")
    return value


Identifier = Annotated[str, AfterValidator(_identifier)]


class TableName(NamedTuple):
    """A table by schema and name, both as the catalogue spells them."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


def _table_name(value: object) -> TableName:
    schema, dot, table = value.partition(".") if isinstance(value, str) else ("", "", "")
    if not dot:
        raise ValueError(f"found {value!r}, expected schema.table, such as public.security_logs")
    return TableName(_identifier(schema), _identifier(table))


#: ``schema.table`` without quotes; what follows the first dot is the table's name.
TableText = Annotated[TableName, PlainValidator(_table_name, json_schema_input_type=str)]


class Hours(NamedTuple):
    """Times of day, UTC: from ``start`` up to but not including ``end``; past midnight when end comes first."""

    start: time
    end: time

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"


def _hours(value: object) -> Hours:
    start, _, end = value.partition("-") if isinstance(value, str) else ("", "", "")
    try:
        hours = Hours(*(datetime.strptime(text.strip(), "%H:%M").time() for text in (start, end)))
    except ValueError:
        raise ValueError(f"found {value!r}, expected times of day (UTC) such as '22:00-02:00'") from None
    if hours.start == hours.end:
        raise ValueError(f"found {value!r}, expected a start and an end that differ")
    return hours


HoursText = Annotated[Hours, PlainValidator(_hours, json_schema_input_type=str)]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(value: object) -> Network:
    try:
        return ipaddress.ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f"found {value!r}, expected an address or network such as '192.0.2.0/24'") from None


NetworkText = Annotated[Network, PlainValidator(_network, json_schema_input_type=str)]


def _range(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"found {list(value)}, expected the lower end first")
    return value


Range = Annotated[
    tuple[Annotated[float, Field(allow_inf_nan=False)], Annotated[float, Field(allow_inf_nan=False)]],
    AfterValidator(_range),
]
