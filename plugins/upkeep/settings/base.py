"""What the settings' models share: the frozen base, the error, the names of the guide's metrics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

#: The folder of the package ``upkeep`` itself.
PACKAGE = Path(__file__).resolve().parents[1]
_SHIPPED = PACKAGE / "_shipped"

#: What holds ``include/``, ``config/`` and ``dags/``: a wheel's own copies, else the checkout around ``plugins/``.
ROOT = _SHIPPED if _SHIPPED.is_dir() else PACKAGE.parents[1]

#: The six metrics of the guide (G32-G37), in its order.
METRICS = (
    "overall_health",
    "response_time",
    "error_rate",
    "database_connections",
    "memory_usage",
    "cpu_usage",
)

#: The guide's expected database metrics (G45-G48).
EXPECTATIONS = ("query_response", "pool_usage", "cache_hit_ratio", "index_usage")

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
ConnectionId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]


class ConfigError(ValueError):
    """The configuration cannot be used; the message lists every problem, one a line."""


class FrozenModel(BaseModel):
    """Settings that cannot be changed and know no other keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def exactly(value: Mapping[str, T], names: tuple[str, ...]) -> Mapping[str, T]:
    """The mapping itself. Raises ValueError when it holds other names than these."""
    if set(value) != set(names):
        missing, extra = sorted(set(names) - set(value)), sorted(set(value) - set(names))
        raise ValueError(f"found missing {missing} and unknown {extra}, expected exactly {list(names)}")
    return value
