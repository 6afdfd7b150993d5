"""VACUUM (ANALYZE) is two halves: one that ended after the first says so, and the rest alone is done the next time."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.stages.killing import kill
from tests.stages.sessions import running, until
from tests.stages.stage import HOUR, Go, Stage, changed, states
from upkeep.gate.permit_store import past_actions
from upkeep.gate.plan_store import StoredPlan
from upkeep.settings.maintenance import Maintenance

KEY = 1
#: ANALYZE evaluates an index's expression and VACUUM does not, so that it alone waits here.
WAITS = f"""
    CREATE FUNCTION waits(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_lock_shared({KEY}), pg_advisory_unlock_shared({KEY});
        RETURN $1;
    END $$
"""


def patient(stage: Stage) -> Maintenance:
    """Statements wait as long as the test needs."""
    return changed(stage.config, guards={"lock_timeout_seconds": 60.0})


@pytest.fixture
def halved(stage: Stage) -> StoredPlan:
    """An approved VACUUM whose second half waits for an advisory lock."""
    stage.dirty("kept")
    stage.do(WAITS, "CREATE INDEX slow ON kept (waits(id))")
    return stage.approved()


def counters(stage: Stage) -> tuple[int, int]:
    """How often the table was vacuumed and analysed by hand."""
    (row,) = stage.look("SELECT vacuum_count, analyze_count FROM pg_stat_user_tables WHERE relname = 'kept'")
    return row["vacuum_count"], row["analyze_count"]


@pytest.mark.guide("G59", "holds")
def test_killed_between_its_halves(stage: Stage, halved: StoredPlan, tmp_path: Path) -> None:
    """The next run says what is true, and only analyses; how long that took teaches nothing about VACUUM."""
    with psycopg.connect(stage.dsn) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [KEY])
        process = stage.process(halved, tmp_path, patient(stage))
        until(lambda: counters(stage) == (1, 0))
        kill(process)
        until(lambda: not running(stage.dsn, "VACUUM%kept"))
    assert stage.permits(halved) == [("kept", 1, None)]
    assert states(stage.apply(halved, run_id="the next run")) == {"kept": "done"}
    first, last = stage.receipts(halved)
    assert (first["outcome"], last["outcome"]) == ("partly done", "done")
    assert first["reason"].startswith("vacuumed, not analysed; the process that had the permit ended")
    assert counters(stage) == (1, 1)
    with stage.ledger.session() as session:
        assert past_actions(session, stage.name, "optimise", halved.planned_at - HOUR) == []


def test_cancelled_between_its_halves(stage: Stage, halved: StoredPlan) -> None:
    """Without a next attempt the outcome is what is true, and not that nothing was done."""
    with psycopg.connect(stage.dsn) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [KEY])
        going = Go(lambda: stage.apply(halved, config=patient(stage)))
        until(lambda: counters(stage) == (1, 0))
        (pid,) = stage.until_running("VACUUM%kept")
        stage.look("SELECT pg_cancel_backend(%s)", pid)
        outcome = going.result()["kept"]
    assert (outcome.state, outcome.reason.partition(";")[0]) == ("partly done", "vacuumed, not analysed")
    assert states(stage.apply(halved)) == {"kept": "done"}
    assert counters(stage) == (1, 1)


def test_the_rest_that_cannot_be_done_either_is_half_done_still(stage: Stage, halved: StoredPlan) -> None:
    """An attempt at the rest that meets lock_timeout does not make the first half untrue."""
    with psycopg.connect(stage.dsn) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [KEY])
        outcome = stage.apply(halved)["kept"]
    assert (outcome.state, outcome.reason.partition(";")[0]) == (
        "partly done",
        "vacuumed by an earlier attempt, not analysed",
    )
    assert [row["outcome"] for row in stage.receipts(halved)] == ["partly done", "partly done"]
    assert counters(stage) == (1, 0)
