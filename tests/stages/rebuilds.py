"""A stage whose plan rebuilds bloated indexes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg import sql

from tests.stages.stage import Stage, changed
from upkeep.areas import proposals
from upkeep.areas.indexes import reindex
from upkeep.gate.plan_store import StoredPlan
from upkeep.gate.plans.model import Action, Proposal, numbered
from upkeep.gate.proposing import ProposalSources
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.settings.maintenance import Maintenance
from upkeep.settings.values import TableName

SHIPPED = settings(ROOT / "config")
PKEY = "worn_pkey"


@pytest.fixture
def worn(stage: Stage) -> Stage:
    """A target with room and a table whose primary key is mostly bloat, as measured."""
    stage.do("CREATE EXTENSION pgstattuple")
    stage.config = configured(stage)
    hollow(stage, "worn")
    return stage


def configured(stage: Stage, *names: str, storage: int | None = 1024**3, **fields: Any) -> Maintenance:
    """The stage's config with small limits, some tables, and a storage of this many bytes."""
    tables = tuple(TableName("public", name) for name in names or ("worn",))
    target = stage.config.targets[stage.name].model_copy(update={"storage_bytes": storage})
    config = changed(stage.config, reindex={"min_bytes": 0, "tables": tables} | fields)
    return config.model_copy(update={"targets": {stage.name: target}})


def hollow(stage: Stage, name: str, schema: str = "public", rows: int = 20_000) -> None:
    """A table with a primary key of which nine rows in ten are gone."""
    at = {"at": sql.Identifier(schema, name), "rows": sql.Literal(rows)}
    for statement in (
        "CREATE TABLE {at} (id int PRIMARY KEY, b text) WITH (autovacuum_enabled = false)",
        "INSERT INTO {at} SELECT n, 'x' FROM generate_series(1, {rows}) n",
        "DELETE FROM {at} WHERE id % 10 > 0",
        "VACUUM (ANALYZE, TRUNCATE false) {at}",
    ):
        stage.do(sql.SQL(statement).format(**at))


def collected(stage: Stage, *taken: Action, cadence: str = "monthly") -> tuple[list[Proposal], int]:
    """What the plan's task would plan."""
    asked = SHIPPED.model_copy(update={"maintenance": stage.config})
    about = (stage.name, cadence, stage.session, stage.ledger.session, asked, datetime.now(UTC), taken)
    found, left_out, failed = proposals.collect(ProposalSources(*about))
    assert failed == ()
    return found, left_out


def rebuilds(stage: Stage, *taken: Action) -> list[Proposal]:
    """The rebuilds among it: before PostgreSQL 15 the counters that VACUUM is planned by come late."""
    return [one for one in collected(stage, *taken)[0] if one.action.kind == reindex.KIND]


def planned(stage: Stage) -> StoredPlan:
    """A plan of the rebuilds, not decided yet."""
    actions, measured = numbered(rebuilds(stage))
    return stage.plan(actions=actions, measured=measured, cadence="monthly")


def approved(stage: Stage) -> StoredPlan:
    """A plan of the rebuilds that both roles approved."""
    return stage.decide(planned(stage))
