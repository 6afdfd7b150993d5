"""The sections ``trends`` and ``capacity`` of ``config/maintenance.yaml``: what a look at history needs and judges."""

from __future__ import annotations

from pydantic import Field

from upkeep.settings.base import FrozenModel


class Trends(FrozenModel):
    """When a week is worse than the one before (G17)."""

    worse_percent: float = Field(gt=0, le=1000, strict=True)


class Capacity(FrozenModel):
    """How much history a forecast needs, and how near the storage's limit may be (G18)."""

    least_days: float = Field(ge=1, le=365, strict=True)
    least_points: int = Field(ge=4, le=365, strict=True)
    horizon_days: float = Field(gt=0, le=3650, strict=True)
