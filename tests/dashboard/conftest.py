"""The pages of one target that no other test has, three hours after its newest daily window was due."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.stages.ledger import Ledger
from tests.stages.pages import Site, as_dashboard, config_with, served
from upkeep.core.windows import Window


@pytest.fixture(scope="module")
def today() -> datetime:
    """Three hours after a daily window was due, the newest of which that is so, with no window open."""
    now = datetime.now(UTC)
    five = now.replace(hour=5, minute=0, second=0, microsecond=0)
    return five if five <= now else five - timedelta(days=1)


@pytest.fixture
def site(book: Ledger, window: Window, tmp_path: Path, today: datetime) -> Iterator[Site]:
    """The pages of one target."""
    with served(config_with(tmp_path, window.target), as_dashboard(book), today) as found:
        yield found


@pytest.fixture(scope="module")
def blank(book: Ledger, today: datetime, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The pages of one target of which nothing is known, for all tests that only ask."""
    config = config_with(tmp_path_factory.mktemp("blank"), f"target_{secrets.token_hex(4)}")
    with served(config, as_dashboard(book), today) as found:
        yield found
