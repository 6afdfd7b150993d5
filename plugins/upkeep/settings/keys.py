"""The section ``keys`` of ``config/maintenance.yaml``: how old an API key may become."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pydantic import Field

from upkeep.settings.base import ConnectionId, FrozenModel


class Keys(FrozenModel):
    """Days until a key is to be rotated and before its end (G80); ``rotated`` says it of keys that carry no date."""

    rotation_days: int = Field(ge=1, le=3650, strict=True)
    expiry_warning_days: int = Field(ge=1, le=365, strict=True)
    rotated: Mapping[ConnectionId, date] = Field(default_factory=dict)
