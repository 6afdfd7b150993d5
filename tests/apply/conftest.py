"""Fixtures of the tests of apply: one ledger for all, a target database for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.postgres import Cluster
from tests.apply.stage import Stage
from tests.sql.test_ledger import Ledger, create, drawn, upgrade


@pytest.fixture(scope="session")
def kept(cluster: Cluster) -> Iterator[Ledger]:
    """The ledger; each test writes under a target of its own."""
    found = drawn(cluster)
    try:
        create(found)
        upgrade(found)
        yield found
    finally:
        found.drop()


@pytest.fixture
def stage(kept: Ledger, empty_database: str) -> Stage:
    """A target in a fresh database."""
    return Stage(kept, empty_database)
