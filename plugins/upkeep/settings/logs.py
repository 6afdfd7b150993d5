"""Where the target's logs lie, and how much of what they tell is too much (config/maintenance.yaml: logs, security)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from upkeep.settings.base import FrozenModel
from upkeep.settings.values import HoursText, Identifier, NetworkText, TableText


class Readable(FrozenModel):
    """A table of the target that checks read; what else such a section holds are its columns."""

    table: TableText


class SecurityLog(Readable):
    """The table with the events of ``security.events``, and its columns."""

    time: Identifier
    event: Identifier
    account: Identifier
    address: Identifier


class ApplicationLog(Readable):
    """The table with one row per request, and its columns."""

    time: Identifier
    status: Identifier
    role: Identifier
    address: Identifier


class AlertLog(Readable):
    """The table with one row per alert of the platform, and its columns; ``acknowledged`` is a boolean."""

    time: Identifier
    metric: Identifier
    severity: Identifier
    acknowledged: Identifier


EventName = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$"), AfterValidator(lambda name: name.lower())
]
EventNames = Annotated[tuple[EventName, ...], Field(min_length=1)]


class Events(FrozenModel):
    """What this deployment calls the events that the checks count, small and large letters alike.

    ``other`` is what else the log holds and no check asks for: a name that is nowhere here makes "none" UNKNOWN.
    """

    login_failure: EventNames
    login_success: EventNames
    rate_limited: EventNames
    role_change: EventNames
    other: tuple[EventName, ...]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [name for kind in self.model_dump().values() for name in kind]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"found {twice[0]!r} twice, expected each name of an event once")
        return self

    @property
    def known(self) -> list[str]:
        """Every name that config explains."""
        return [name for kind in self.model_dump().values() for name in kind]


class Logs(FrozenModel):
    """Where the target's logs lie, by class."""

    security: SecurityLog
    application: ApplicationLog
    alerts: AlertLog


class Security(FrozenModel):
    """Limits of the security checks (G6, G70-G72, G75, G81); counts are per window's period.

    ``account_classes`` is name → LIKE pattern, in the order in which they are tried; what fits none is among others.
    """

    failed_logins_per_address: int = Field(ge=0, strict=True)
    failed_logins_per_account: int = Field(ge=0, strict=True)
    new_address_days: int = Field(ge=1, le=365, strict=True)
    rate_limited_percent: float = Field(ge=0, le=100, strict=True)
    rate_limited_events: int = Field(ge=0, strict=True)
    odd_hours: tuple[HoursText, ...]
    service_role_addresses: tuple[NetworkText, ...]
    events: Events
    access_change_percent: float = Field(gt=0, le=1000, strict=True)
    account_classes: Mapping[
        Annotated[str, Field(pattern=r"^\S(.{0,38}\S)?$")], Annotated[str, Field(pattern=r"^[^\x00\\]+$")]
    ]
