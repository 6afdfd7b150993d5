"""Which indexes are rebuilt, and what may be read and must be free for it (G55-G58)."""

from __future__ import annotations

from pydantic import Field, field_validator

from upkeep.settings.base import FrozenModel
from upkeep.settings.values import TableName, TableText


class Reindex(FrozenModel):
    """``bloat_percent`` is room that a rebuild gives back, by the size; sizes in bytes.

    ``room_factor`` times an index's size must be free before it is rebuilt: the second copy, and what is written of it
    to the WAL and to sort files.
    """

    tables: tuple[TableText, ...]
    bloat_percent: float = Field(gt=0, lt=100, strict=True)
    min_bytes: int = Field(ge=0, strict=True)
    measure_max_bytes: int = Field(ge=0, strict=True)
    room_factor: float = Field(ge=1, le=100, strict=True)

    @field_validator("tables")
    @classmethod
    def _each_once(cls, value: tuple[TableName, ...]) -> tuple[TableName, ...]:
        if twice := sorted({str(table) for table in value if value.count(table) > 1}):
            raise ValueError(f"found {twice[0]} twice, expected each table once")
        return value
