"""The faults that the twin can show: a JSON file of function → fault, read at each request.

An entry is the fault's name, or an object with its options:
``{"fault": "slow_when_cold", "seconds": 2.5, "after_seconds": 600}``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Fault(BaseModel):
    """One fault; only ``slow_when_cold`` has options: how long the first call takes after how much silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fault: Literal[
        "http_500", "success_false", "truncated", "html", "never", "slow_when_cold", "expired_key", "rolled_back"
    ]
    seconds: float = Field(default=2.5, ge=0, allow_inf_nan=False)
    after_seconds: float = Field(default=600, ge=0, allow_inf_nan=False)


def read(file: Path | None, function: str) -> Fault | None:
    """The fault to show now. Raises ValueError for one that does not exist."""
    if file is None or not file.exists():
        return None
    entry = json.loads(file.read_text(encoding="utf-8")).get(function)
    if entry is None:
        return None
    try:
        return Fault.model_validate({"fault": entry} if isinstance(entry, str) else entry)
    except ValidationError:
        raise ValueError(f"found the fault {entry!r} in {file.name}, expected one of the documented") from None
