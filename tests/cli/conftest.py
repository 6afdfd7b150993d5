"""What the tests of several commands share."""

from collections.abc import Iterator

import pytest

from tests.stages.forks import Forks, forks


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Airflow is imported once."""
    with forks(tmp_path_factory.mktemp("home")) as running:
        yield running
