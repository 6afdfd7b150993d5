"""What became of an action, and how large its thing was and is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from upkeep.gate.attempts import Receipt
from upkeep.gate.plans.model import Action
from upkeep.wires.database import Row

REFUSED, UNKNOWN = "refused", "unknown"


@dataclass(frozen=True)
class ActionOutcome:
    """What became of one action: as its receipt says (see ``attempts``), refused (not tried), unknown (a permit of it
    has no receipt).
    """

    action: Action
    state: str
    reason: str
    receipt: Receipt | None = None


def sizes(measured: Mapping[str, Any], now: Row) -> tuple[int | None, int | None]:
    """Bytes of a thing when it was planned and now, of its table where that is noted; None where a kind has no size, or
    it is not known.
    """
    return measured.get("table bytes", measured.get("bytes")), now.get("table_bytes", now.get("bytes"))
