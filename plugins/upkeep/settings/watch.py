"""``watch``: how often targets are polled, how many samples make a change, how long samples are kept."""

from __future__ import annotations

from pydantic import Field

from upkeep.settings.base import FrozenModel


class Watch(FrozenModel):
    """``every_seconds`` between two polls of a target, ``samples`` in a row that change a state (flapping is no news).

    Samples are kept for ``keep_days``, then as one row an hour for ``keep_hours_days``; an alert that is over, what
    people were told of it, and a message that was delivered for ``keep_alerts_days``.
    """

    every_seconds: int = Field(default=30, ge=1, le=3600, strict=True)
    samples: int = Field(default=3, ge=1, le=100, strict=True)
    keep_days: int = Field(default=7, ge=1, le=400, strict=True)
    keep_hours_days: int = Field(default=400, ge=1, le=4000, strict=True)
    keep_alerts_days: int = Field(default=400, ge=7, le=4000, strict=True)
