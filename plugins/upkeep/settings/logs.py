"""Where the target's logs lie, and how much of what they tell is too much (config/maintenance.yaml: logs, security)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from upkeep.settings.base import Frozen
from upkeep.settings.values import HoursText, Identifier, NetworkText, TableText


class Readable(Frozen):
    """A table of the target that checks read; what else such a section holds are its columns."""

    table: TableText


class SecurityLog(Readable):
    """The table with login_failure, login_success and rate_limited events, and its columns."""

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


class Logs(Frozen):
    """Where the target's logs lie, by class."""

    security: SecurityLog
    application: ApplicationLog
    alerts: AlertLog


class Security(Frozen):
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
    access_change_percent: float = Field(gt=0, le=1000, strict=True)
    account_classes: Mapping[
        Annotated[str, Field(pattern=r"^\S(.{0,38}\S)?$")], Annotated[str, Field(pattern=r"^[^\x00\\]+$")]
    ]
