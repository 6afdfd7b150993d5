"""The benches that bring up Airflow, over as little as they can; a sandbox each, so `make faults` runs them."""

from __future__ import annotations

import pytest

from bench.benches import BENCHES, ON_AIRFLOW
from tests.bench.test_benches import ALL, prints_what_it_found, run


def test_each_of_them_is_a_bench() -> None:
    """A name that no bench has would be run by nobody."""
    assert set(BENCHES) >= ON_AIRFLOW


if ALL:

    @pytest.mark.parametrize("name", sorted(ON_AIRFLOW - {"clone"}))
    def test_it_runs_on_a_sandbox_of_its_own(name: str) -> None:
        """`clone` is not among them: it compares two installations from empty caches, and that is all that it does."""
        prints_what_it_found(run(name))
