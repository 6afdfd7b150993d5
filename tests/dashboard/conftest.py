"""The pages of one target that no other test has, three hours after its newest daily window was due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.stages.ledger import Ledger
from tests.stages.pages import Site, as_dashboard, config_with, served
from upkeep.core.windows import Window


@pytest.fixture
def today() -> datetime:
    """Three hours after the newest daily window was due, with no window open."""
    return datetime.now(UTC).replace(hour=5, minute=0, second=0, microsecond=0)


@pytest.fixture
def site(book: Ledger, window: Window, tmp_path: Path, today: datetime) -> Iterator[Site]:
    """The pages of one target."""
    with served(config_with(tmp_path, window.target), as_dashboard(book), today) as found:
        yield found
