"""Where a target's npm packages are declared, and which minor versions of PostgreSQL the team knows as current."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from upkeep.settings.base import FrozenModel
from upkeep.settings.values import Folder


def _registry(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in value
    except ValueError:
        usable = False
    if not usable or any(sign.isspace() for sign in value):
        # What was found is not said: it may hold a password.
        raise ValueError("found something else, expected a URL such as https://registry.example/ without a user name")
    return value


class Checkout(FrozenModel):
    """The folder with a target's package.json and package-lock.json, and the npm that reads a copy of them (G73, G74).

    ``registry`` has no user name in it: what npm says of it is kept in reports.
    """

    folder: Folder
    registry: Annotated[str, AfterValidator(_registry)]
    npm: str = Field(default="npm", pattern=r"^[^\x00]+$")
    timeout_seconds: float = Field(default=120, gt=0, le=3600)


class Patches(FrozenModel):
    """Major → the newest minor version of PostgreSQL, as somebody looked it up on the day ``as_of`` (G16)."""

    as_of: date
    postgres_minors: Mapping[Annotated[int, Field(ge=10, le=99)], Annotated[int, Field(ge=0, le=999)]] = Field(
        min_length=1
    )
