"""``targets.<t>.backups``: where they lie and what they must be like."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from upkeep.settings.base import FrozenModel
from upkeep.settings.values import Folder


class Backups(FrozenModel):
    """Where a target's base backups and archived WAL lie, and what they must be like (G99, G100).

    ``max_wal_age_hours`` of None judges no age: of a server that may write nothing for longer.
    """

    base: Folder
    wal: Folder
    max_age_hours: float = Field(default=26, gt=0, allow_inf_nan=False)
    critical_age_hours: float = Field(default=50, gt=0, allow_inf_nan=False, validate_default=True)
    max_wal_age_hours: float | None = Field(default=2, gt=0, allow_inf_nan=False)
    min_bytes: int = Field(default=1_000_000, ge=0, strict=True)
    verify_program: str = Field(default="pg_verifybackup", pattern=r"^[^\x00]+$")
    verify_timeout_seconds: float = Field(default=900, gt=0, le=86_400)

    @field_validator("critical_age_hours")
    @classmethod
    def _later(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("max_age_hours", 0):
            raise ValueError(f"found {value:g}, expected at least max_age_hours ({info.data['max_age_hours']:g})")
        return value
