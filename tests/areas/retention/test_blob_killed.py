"""A run that archives to a container and deletes is killed at each of its requests in turn: no row is lost."""

from __future__ import annotations

import pytest
import yaml

from tests.areas.retention.test_blobs import findings
from tests.stages.azurite import azurite as azurite  # noqa: PLC0414  # the fixture
from tests.stages.contained_runs import Runs
from tests.stages.containers import Contained
from tests.stages.containers import config as config  # noqa: PLC0414  # the fixture
from tests.stages.containers import contained as contained  # noqa: PLC0414  # the fixture
from tests.stages.containers import keeping as keeping  # noqa: PLC0414  # the fixture
from upkeep.areas.retention.store import DELETED, MANIFEST

#: Rows of the log, and of a batch.
ROWS, BATCH = 30, 10
pytestmark = pytest.mark.usefixtures("read_by_forks")


@pytest.fixture
def runs(contained: Contained) -> Runs:
    """Due rows of a class whose archived rows may be deleted."""
    classes = yaml.safe_load((contained.keeping.folder / "retention.yaml").read_text())["classes"]
    deleted = {name: one | {"delete": True} for name, one in classes.items()}
    contained.keeping.write(classes=deleted, batch_rows=BATCH)
    contained.keeping.fill(ROWS)
    return Runs(contained)


@pytest.mark.guide("G15", "G67", "holds")
def test_a_run_that_is_killed_at_any_request_loses_no_row(runs: Runs) -> None:
    """That request done or not; the next run goes on by itself, and at the end all rows are in a sound archive."""
    contained, at = runs.contained, 0
    while True:
        at += 1
        killed = runs.killed("archive", at, done=bool(at % 2))
        runs.judge()
        assert len(runs.rows()) == ROWS
        if contained.store.names(MANIFEST):
            break
    assert at > 3 and (killed or at > 5), at
    left, at = [], 0
    while True:
        at += 2
        killed = runs.killed("delete", at, done=bool(at % 4))
        runs.judge()
        left.append(len(runs.rows()))
        if not killed:
            break
    assert at > 10 and left[-1] == 0 and set(left) & set(range(1, ROWS)), left  # some ended between two batches
    (name,) = contained.store.names(MANIFEST)
    assert contained.store.has(name + DELETED) and contained.keeping.proposed("archive", "delete").plan.actions == ()
    assert set(findings(contained)) <= {"retention:usual:orphans"}


def test_the_judge_sees_a_row_that_is_nowhere(runs: Runs) -> None:
    """One that was deleted and never archived."""
    runs.contained.keeping.stage.do("DELETE FROM log WHERE id = (SELECT min(id) FROM log)")
    with pytest.raises(AssertionError, match="1 rows are neither in the log nor in an archive"):
        runs.judge()
