"""The section ``integrations`` of ``config/maintenance.yaml``: further third parties, and when a certificate is old."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from upkeep.settings.base import FrozenModel, Name
from upkeep.settings.values import Folder, WebAddress


class Endpoint(FrozenModel):
    """A third party that no Connection names. ``ca`` is a file with authorities beside the machine's own.

    ``expect_status`` are the statuses that a HEAD or GET of ``url`` may have; without it each one below 500.
    """

    name: Name
    url: WebAddress
    ca: Folder | None = None
    expect_status: tuple[Annotated[int, Field(ge=100, le=599, strict=True)], ...] = ()


class Integrations(FrozenModel):
    """What is reached beside the Connections that config names, and how many days a certificate must be left (G29)."""

    certificate_warning_days: float = Field(gt=0, le=3650, strict=True)
    certificate_critical_days: float = Field(ge=0, le=3650, strict=True)
    endpoints: tuple[Endpoint, ...] = Field(default=(), max_length=100)

    @field_validator("certificate_critical_days")
    @classmethod
    def _sooner(cls, value: float, info: ValidationInfo) -> float:
        if value >= info.data.get("certificate_warning_days", float("inf")):
            raise ValueError(
                f"found {value:g}, expected less than certificate_warning_days "
                f"({info.data['certificate_warning_days']:g})"
            )
        return value

    @field_validator("endpoints")
    @classmethod
    def _one_name_each(cls, value: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        names = [endpoint.name for endpoint in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"found the name {twice[0]!r} of two endpoints, expected a name for each")
        return value
