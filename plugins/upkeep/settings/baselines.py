"""The section ``baselines`` of ``config/thresholds.yaml``: what counts as ordinary, and how far people may move it."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, ValidationInfo, field_validator

from upkeep.settings.base import FrozenModel
from upkeep.settings.values import Range

_WEEK = 7


class Baselines(FrozenModel):
    """When a baseline is proposed from history (G26), what it lets pass, and when its drift is told.

    ``limits`` is of each function [lowest, highest] millisecond that its baseline may let its response time reach.
    """

    least_windows: int = Field(ge=7, le=400, strict=True)
    history_days: int = Field(ge=7, le=400, strict=True)
    weekday_windows: int = Field(ge=4, le=57, strict=True)
    least_change_percent: float = Field(gt=0, le=100, strict=True)
    drift_percent: float = Field(gt=0, le=1000, strict=True)
    drift_months: int = Field(ge=1, le=36, strict=True)
    tolerance_percent: float = Field(ge=100, le=300, strict=True)
    limits: Mapping[str, Range]

    @field_validator("history_days")
    @classmethod
    def _enough(cls, value: int, info: ValidationInfo) -> int:
        least = info.data.get("least_windows", 0)
        if value < least:
            raise ValueError(f"found {value}, in which there are never least_windows ({least}), expected at least that")
        return value

    @field_validator("weekday_windows")
    @classmethod
    def _weeks_enough(cls, value: int, info: ValidationInfo) -> int:
        weeks = info.data.get("history_days", value * _WEEK) // _WEEK
        if value > weeks:
            raise ValueError(f"found {value}, expected at most the weeks in history_days ({weeks})")
        return value
