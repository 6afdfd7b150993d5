"""What made a proposal true must be true still: foreign keys, constraints and sizes that came after the approval."""

from __future__ import annotations

import pytest

from tests.stages.drops import approved, names, table
from tests.stages.rebuilds import PKEY
from tests.stages.rebuilds import approved as rebuilds
from tests.stages.rebuilds import worn as worn  # noqa: PLC0414  # the fixture
from tests.stages.stage import Stage, states
from tests.stages.validations import approved as validations
from upkeep.gate.attempts import outgrown
from upkeep.gate.plan_store import StoredPlan

GROWN = "bytes since the plan was drawn up: its prediction no longer holds"
KEY = "CREATE TABLE r (a int PRIMARY KEY); INSERT INTO r SELECT DISTINCT a FROM t; ALTER TABLE t ADD {}"

NEEDED = {
    "a foreign key of its table": (
        "CREATE INDEX idle ON t (a)",
        KEY.format("CONSTRAINT theirs FOREIGN KEY (a) REFERENCES r"),
        "foreign key theirs is looked up by it by now",
    ),
    "two of them": (
        "CREATE INDEX idle ON t (a, b)",
        KEY.format("CONSTRAINT one FOREIGN KEY (a) REFERENCES r, ADD CONSTRAINT two FOREIGN KEY (a) REFERENCES r"),
        "foreign key one, two is looked up by it by now",
    ),
    "a replica's identity": (
        "CREATE UNIQUE INDEX kept ON t (a); CREATE UNIQUE INDEX idle ON t (a)",
        "ALTER TABLE t ALTER a SET NOT NULL; ALTER TABLE t REPLICA IDENTITY USING INDEX idle",
        "a constraint, a replica's identity, CLUSTER or a partitioned index rests on it by now",
    ),
    "a foreign key of another table": (
        "CREATE UNIQUE INDEX kept ON t (a); CREATE UNIQUE INDEX idle ON t (a)",
        "DROP INDEX kept; CREATE TABLE other (a int REFERENCES t (a)); CREATE UNIQUE INDEX kept ON t (a)",
        "a constraint, a replica's identity, CLUSTER or a partitioned index rests on it by now",
    ),
    "a constraint": (
        "CREATE UNIQUE INDEX kept ON t (a); CREATE UNIQUE INDEX idle ON t (a)",
        "ALTER TABLE t ADD CONSTRAINT idle UNIQUE USING INDEX idle",
        "a constraint, a replica's identity, CLUSTER or a partitioned index rests on it by now",
    ),
}


@pytest.mark.guide("G53", "holds")
@pytest.mark.parametrize(("made", "meanwhile", "why"), NEEDED.values(), ids=NEEDED.keys())
def test_an_index_that_somebody_came_to_need_stays(stage: Stage, made: str, meanwhile: str, why: str) -> None:
    """Between approval and apply; no permit is given."""
    table(stage, *made.split(";"))
    stored = approved(stage)
    stage.do(*(statement.encode() for statement in meanwhile.split(";")))
    outcome = stage.apply(stored)["idle"]
    assert (outcome.state, outcome.reason) == ("refused", why)
    assert (stage.permits(stored), "idle" in names(stage)) == ([], True)


def test_a_twin_that_a_foreign_key_is_looked_up_by_goes(stage: Stage) -> None:
    """The other one does the same for it."""
    table(stage, "CREATE INDEX kept ON t (a)", "CREATE INDEX idle ON t (a)")
    stored = approved(stage)
    stage.do(*(statement.encode() for statement in KEY.format("FOREIGN KEY (a) REFERENCES r").split(";")))
    assert states(stage.apply(stored)) == {"idle": "done"}


# Sizes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("planned", "now", "grown"),
    [
        (200_000, 2_000_000, False),
        (200_000, 2_000_001, True),
        (1, 1024**2, False),
        (1, 1024**2 + 1, True),
        (None, 2**40, False),
        (200_000, None, False),
    ],
)
def test_from_which_size_on_a_thing_has_outgrown_its_plan(planned: int | None, now: int | None, grown: bool) -> None:
    """More than ten times as large, and more than a mebibyte; of what has no size nobody knows."""
    said = outgrown(planned, now)
    assert bool(said) is grown
    assert not grown or said.startswith(f"it has grown from {planned:,} to {now:,} bytes")


def refused_as_grown(stage: Stage, stored: StoredPlan) -> None:
    """Every action of the plan is refused for that reason, and nothing has run."""
    outcomes = stage.apply(stored)
    assert {outcome.state for outcome in outcomes.values()} == {"refused"}
    assert all(outcome.reason.endswith(GROWN) for outcome in outcomes.values()), outcomes
    assert stage.permits(stored) == []


@pytest.mark.guide("G52", "holds")
def test_a_table_that_grew_by_an_order_of_magnitude_is_not_vacuumed(stage: Stage) -> None:
    """Tenfold is refused with both sizes; what grew less runs."""
    stage.dirty("grown", "same")
    stored = stage.approved()
    stage.do("INSERT INTO grown SELECT n, repeat('x', 300) FROM generate_series(1, 40000) n")
    stage.do("INSERT INTO same SELECT n, repeat('x', 300) FROM generate_series(1, 6000) n")
    outcomes = stage.apply(stored)
    assert states(outcomes) == {"grown": "refused", "same": "done"}
    assert outcomes["grown"].reason.endswith(GROWN)


@pytest.mark.guide("G53", "holds")
def test_an_index_that_grew_by_an_order_of_magnitude_is_not_dropped(stage: Stage) -> None:
    """Whoever fills it wants it."""
    table(stage, "CREATE INDEX idle ON t (b)")
    stored = approved(stage)
    stage.do("INSERT INTO t SELECT n, 'x' || n FROM generate_series(1, 50000) n")
    refused_as_grown(stage, stored)


@pytest.mark.guide("G55-G58", "holds")
def test_an_index_that_grew_by_an_order_of_magnitude_is_not_rebuilt(worn: Stage) -> None:
    """Whatever room there is for it by now."""
    stored = rebuilds(worn)
    worn.do("INSERT INTO worn SELECT n, 'x' FROM generate_series(20001, 220000) n")
    refused_as_grown(worn, stored)
    assert [action.table for action in stored.plan.actions] == [PKEY]


@pytest.mark.guide("G60", "holds")
def test_a_constraint_whose_table_grew_by_an_order_of_magnitude_is_not_validated(stage: Stage) -> None:
    """Its table is read whole."""
    table(stage, "ALTER TABLE t ADD CONSTRAINT small CHECK (a < 1000000) NOT VALID")
    stored = validations(stage)
    stage.do("INSERT INTO t SELECT n, repeat('x', 300) FROM generate_series(1, 10000) n")
    refused_as_grown(stage, stored)
