"""A stage with a foreign key that lacks an index, and what a restoration proved of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import sql

from tests.stages.sessions import until
from tests.stages.stage import Stage, changed
from upkeep.areas import proposals
from upkeep.areas.indexes import create
from upkeep.core.windows import Window, WindowKind
from upkeep.gate.plan_store import StoredPlan
from upkeep.gate.plans.model import Action, Proposal, numbered
from upkeep.gate.proposing import ProposalSources
from upkeep.ledger.write import LookResult, StepRecord, add_step, open_window
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.settings.maintenance import Maintenance

SHIPPED = settings(ROOT / "config")
INDEX = "many_one_idx"
#: What a restoration keeps of an index that was worth it.
PROVEN: dict[str, Any] = {
    "schema": "public",
    "table": "many",
    "constraint": "to_one",
    "columns": ["one"],
    "column_types": ["integer"],
    "seconds": 0.4,
    "bytes": 90_112,
    "table_bytes": 300_000,
    "before": 180.0,
    "after": 8.3,
    "indexed": True,
    "proven": True,
    "why": "",
}


@pytest.fixture
def lacking(stage: Stage) -> Stage:
    """A target with room, and a foreign key of 2,000 rows without an index."""
    refer(stage)
    stage.config = configured(stage)
    return stage


def refer(stage: Stage, name: str = "many", column: str = "one") -> None:
    """A table whose column refers to another one's."""
    names = {"name": sql.Identifier(name), "column": sql.Identifier(column)}
    for statement in (
        "CREATE TABLE IF NOT EXISTS one (id int PRIMARY KEY)",
        "INSERT INTO one SELECT generate_series(1, 500) ON CONFLICT DO NOTHING",
        "CREATE TABLE {name} (id int, {column} int CONSTRAINT to_one REFERENCES one) WITH (autovacuum_enabled = false)",
        "INSERT INTO {name} SELECT n, n % 500 + 1 FROM generate_series(1, 2000) n",
        "ANALYZE {name}",
        "INSERT INTO one VALUES (501)",
        "DELETE FROM one WHERE id = 501",
    ):
        stage.do(sql.SQL(statement).format(**names))
    until(lambda: stage.look("SELECT WHERE pg_stat_get_tuples_deleted('one'::regclass) > 0"))


def configured(stage: Stage, storage: int | None = 1024**3, **indexes: Any) -> Maintenance:
    """The stage's config in which 1,000 rows are a large table, and a storage of this many bytes."""
    target = stage.config.targets[stage.name].model_copy(update={"storage_bytes": storage})
    config = changed(stage.config, indexes={"advice_rows": 1000} | indexes)
    return config.model_copy(update={"targets": {stage.name: target}})


def proofs(stage: Stage, *trials: dict[str, Any], at: datetime) -> dict[str, Any]:
    """What a restoration of the stage's own cluster leaves, by data of that moment."""
    (row,) = stage.look("SELECT system_identifier::text FROM pg_control_system()")
    times = {"tried_at": at.isoformat(), "data_as_of": at.isoformat()}
    return {"trials": [row | times | one for one in trials]}


def prove(stage: Stage, *trials: dict[str, Any], ago: timedelta = timedelta(hours=1)) -> None:
    """A weekly window whose restoration tried some indexes so long ago."""
    at = datetime.now(UTC) - ago
    times = {"due": at, "deadline": at + timedelta(hours=2), "period_start": at - timedelta(days=7), "period_end": at}
    window = Window(
        stage.name, "weekly", WindowKind.CALENDAR, run_id=f"run_{at:%s%f}", dag_id="maintenance_weekly", **times
    )
    looked = LookResult((), snapshot=proofs(stage, *trials, at=at))
    with stage.ledger.session() as session:
        open_window(session, window)
        add_step(session, window, StepRecord("evidence.backups.restoration", "ran", "", "", at, looked=looked))


def creations(stage: Stage, *taken: Action, cadence: str = "weekly") -> list[Proposal]:
    """The indexes that the plan's task would plan to create."""
    asked = SHIPPED.model_copy(update={"maintenance": stage.config})
    about = (stage.name, cadence, stage.session, stage.ledger.session, asked, datetime.now(UTC), taken)
    found, _, failed = proposals.collect(ProposalSources(*about))
    assert failed == ()
    return [one for one in found if one.action.kind == create.KIND]


def approved(stage: Stage) -> StoredPlan:
    """A plan of the creations that both roles approved."""
    actions, measured = numbered(creations(stage))
    return stage.decide(stage.plan(actions=actions, measured=measured))
