"""A database and roles with hostile defaults (tests/stages/hostile.py): looks, plans and changes are as they were.

Each check and each planner once; ``make hostile`` runs all the tests of SQL and of apply in such databases.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import pytest
from psycopg.conninfo import conninfo_to_dict

from sandbox import target
from sandbox.postgres import Cluster
from tests.stages import hostile
from tests.stages.ledger import ROLES, Ledger
from tests.stages.readers import found_by_all, reader_of
from tests.stages.rebuilds import hollow
from tests.stages.sessions import to, until
from tests.stages.stage import Stage, changed
from upkeep.areas import proposals
from upkeep.core.findings import Finding
from upkeep.gate.plans.model import Proposal
from upkeep.gate.proposing import ProposalSources
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.settings.values import TableName
from upkeep.wires import pooling

SHIPPED = settings(ROOT / "config")
#: What is never twice the same: sessions, clocks, what the server has counted.
MOVING = {
    "connections",
    "expectation:cache_hit_ratio:sql",
    "expectation:pool_usage:sql",
    "expectation:query_response:sql",
    "long_running_queries",
    "new_queries",
    "server:clock",
}
#: The audit says of these defaults what there is to say.
SAID = {"audit:settings:row_security", "audit:setting_overrides:database {}: row_security"}


@contextmanager
def hostile_to(stage: Stage) -> Iterator[None]:
    """Such defaults for the stage's target, its ledger and the roles that come to them."""
    with ExitStack() as stack:
        stack.enter_context(hostile.defaults(stage.dsn, target.ROLES))
        kept = stage.ledger
        stack.enter_context(hostile.defaults(kept.cluster.dsn(kept.name), [kept.login(role) for role in ROLES]))
        yield


@pytest.fixture
def worn(kept: Ledger, target_dsn: str) -> Stage:
    """A seeded target in which every planner of the target finds something."""
    stage = Stage(kept, target_dsn)
    hollow(stage, "worn")
    stage.dirty("dirty")
    stage.do(
        "CREATE TABLE checked (id int PRIMARY KEY, at timestamptz, took interval, raw bytea, ratio float8)",
        "INSERT INTO checked SELECT n, '2026-01-01', '1 day', '\\xff', n / 3.0 FROM generate_series(1, 100) n",
        "CREATE INDEX idle ON checked (took) WHERE at > '2025-12-31' AND ratio > 0.1::float8",
        "CREATE INDEX twin ON checked (took) WHERE at > '2025-12-31' AND ratio > 0.1::float8",
        "CREATE INDEX lonely ON checked (raw) WHERE raw > '\\x00'",
        "ALTER TABLE checked ADD CONSTRAINT late CHECK (at > '2020-01-31' AND took < '2 days' OR ratio = 0.1)"
        " NOT VALID",
        "ANALYZE checked",
    )
    one = stage.config.targets[stage.name].model_copy(update={"storage_bytes": 2**40})
    stage.config = changed(
        stage.config,
        reindex={"min_bytes": 0, "tables": (TableName("public", "worn"),)},
        indexes={"statistics_days": 0.0, "min_bytes": 0},
    ).model_copy(update={"targets": {stage.name: one}})
    until(lambda: {"dirty"} <= {row["table"] for row in stage.candidates()})
    return stage


def proposed(stage: Stage, cadence: str = "monthly") -> tuple[list[Proposal], int]:
    """What the plan's task would plan."""
    asked = SHIPPED.model_copy(update={"maintenance": stage.config})
    about = (stage.name, cadence, stage.session, stage.ledger.session, asked, datetime.now(UTC), ())
    found, left_out, failed = proposals.collect(ProposalSources(*about))
    assert failed == ()
    return found, left_out


def said(found: dict[str, tuple[Finding, ...]]) -> dict[str, tuple[object, ...]]:
    """All that findings say, by key; of what moves the level alone."""
    each = [one for findings in found.values() for one in findings]
    return {one.key: (one.level, *(() if one.key in MOVING else (one.detail, one.remedy))) for one in each}


def test_every_check_finds_what_it_finds_without_them(
    cluster: Cluster, worn: Stage, role_passwords: dict[str, str]
) -> None:
    """Level, detail and remedy of each finding are the same; only the audit says that a default is no good one."""
    reader = reader_of(cluster, worn.dsn, role_passwords)
    now, asked = datetime.now(UTC), SHIPPED.model_copy(update={"maintenance": worn.config})

    def look() -> dict[str, tuple[object, ...]]:
        return said(found_by_all(reader, now, asked))

    look()  # the first one reads an index or two for the first time
    plain = look()
    with hostile_to(worn):
        there = look()
    more = {key.format(conninfo_to_dict(worn.dsn)["dbname"]) for key in SAID}
    assert there.keys() - plain.keys() == (set() if hostile.EVERYWHERE else more)
    assert {key: there.get(key) for key in plain if there.get(key) != plain[key]} in (
        {},
        {"audit:setting_overrides": None},
    )


def test_every_planner_proposes_what_it_proposes_without_them(worn: Stage) -> None:
    """Statements, shapes, undos and what people are shown are the same; every kind of the target is there."""
    plain = proposed(worn)
    with hostile_to(worn):
        there = proposed(worn)
    assert there == plain
    assert {one.action.kind for one in plain[0]} == {"indexes", "validate", "optimise", "reindex"}


def test_no_default_looks_like_a_pooler(worn: Stage, cluster: Cluster, role_passwords: dict[str, str]) -> None:
    """What would stop every change: a direct connection stays one, also where texts come as bytes."""
    name = str(conninfo_to_dict(worn.dsn)["dbname"])
    reader = cluster.dsn(name, "upkeep_read", role_passwords["upkeep_read"])
    with hostile_to(worn):
        assert pooling.detect(to(reader)).kind == "none"
        assert pooling.detect(to(worn.dsn)).kind == "none"
