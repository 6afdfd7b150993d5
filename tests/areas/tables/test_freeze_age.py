"""Freeze age (G13) on a real PostgreSQL: the finding appears as transactions go by, and goes with a freeze."""

from __future__ import annotations

import psycopg
import pytest

from tests.stages.index_looks import bare as bare  # noqa: PLC0414  # a fixture of the next one
from tests.stages.index_looks import limited, look
from tests.stages.index_looks import platform as platform  # noqa: PLC0414  # the fixture
from tests.stages.platform import Platform
from upkeep.core.findings import Level


@pytest.mark.guide("G13", "fires", "silent")
def test_a_table_that_nears_a_freeze_by_force(platform: Platform) -> None:
    """G13: 81,000 transactions after a table with a limit of 100,000 an advisory, a warning where config says so."""
    platform.sql("CREATE TABLE aged WITH (autovacuum_freeze_max_age = 100000) AS SELECT repeat('x', 9000) AS wide")
    key = "freeze_age:table:public.aged"
    platform.sql("VACUUM (FREEZE) aged")
    assert list(look(platform, "freeze_age")) == ["freeze_age"]
    burn = "DO $$ BEGIN FOR i IN 1..81000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
    with psycopg.connect(platform.admin, autocommit=True) as owner:
        owner.execute("SET synchronous_commit = off")
        owner.execute(burn)
    finding = look(platform, "freeze_age")[key]
    assert (finding.level, finding.guide) == (Level.ADVISORY, "G13")
    assert finding.detail.startswith("81 % of its limit: 81,0")
    warned = look(platform, "freeze_age", limited("optimise", freeze_warning_percent=81.0))
    assert warned[key].level is Level.WARNING
    platform.sql("VACUUM (FREEZE) aged")
    assert list(look(platform, "freeze_age")) == ["freeze_age"]
    database_too = look(platform, "freeze_age", limited("optimise", freeze_advisory_percent=0.001))
    assert "freeze_age:database:template0" in database_too
