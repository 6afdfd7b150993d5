"""The benches that bring up Airflow, over as little as they can: that they still run."""

from __future__ import annotations

import pytest

from bench.benches import ON_AIRFLOW
from tests.bench.test_benches import prints_what_it_found


@pytest.mark.parametrize("name", sorted(ON_AIRFLOW - {"clone"}))
def test_it_runs_on_a_sandbox_of_its_own(name: str) -> None:
    """`clone` is not among them: it compares two installations from empty caches, and that is all that it does."""
    prints_what_it_found(name)
