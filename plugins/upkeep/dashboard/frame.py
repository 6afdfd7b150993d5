"""What stands around each page: the list of the pages, and who looks at them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from upkeep.dashboard.visitors import Visitor
from upkeep.settings.load import Settings

#: The pages, as they are called and where they lie.
PAGES = {
    "": "Home",
    "windows": "Windows",
    "findings": "Findings",
    "trends": "Trends",
    "databases": "Databases",
    "checklists": "Checklists",
    "guide": "Guide",
}


def frame(place: str, visitor: Visitor, config: Settings, now: datetime) -> dict[str, Any]:
    """What every page's frame shows."""
    return {
        "place": place,
        "pages": PAGES,
        "visitor": visitor,
        "titles": visitor.titles(config.maintenance),
        "several": len(visitor.targets) > 1,
        "now": now,
        "up": "",
    }
