"""Tables that need VACUUM or ANALYZE (G52, G54) on a real PostgreSQL: it appears with dead rows, VACUUM ends it."""

from __future__ import annotations

import time

import pytest

from tests.stages.logs import look
from tests.stages.logs import platform as platform  # noqa: PLC0414  # the fixture
from tests.stages.platform import Platform, until
from upkeep.core.findings import Finding, Level


def of(platform: Platform, table: str) -> Finding | None:
    """The finding about a table, if there is one."""
    found = [finding for finding in look(platform, "dead_rows").findings if finding.key == f"dead_rows:public.{table}"]
    return found[0] if found else None


def soon(platform: Platform, table: str, text: str) -> Finding | None:
    """The finding about a table once it has this text, None once there is none: before 15 the counters come late."""
    for _ in range(50):
        finding = of(platform, table)
        if (finding is None) == (not text) and (finding is None or text in finding.detail + finding.subject):
            return finding
        time.sleep(0.1)
    return of(platform, table)


@pytest.mark.guide("G54", "fires", "silent")
def test_dead_rows_fire_until_vacuum(platform: Platform) -> None:
    """G54: two thirds of a table are dead; also a table without a live row is not hidden by the division."""
    platform.sql("CREATE TABLE worn (id int PRIMARY KEY, note text) WITH (autovacuum_enabled = false)")
    platform.sql("INSERT INTO worn SELECT n, 'a' FROM generate_series(1, 3000) n")
    platform.sql("ANALYZE worn")
    assert soon(platform, "worn", "") is None
    platform.sql("UPDATE worn SET note = 'b'")
    finding = soon(platform, "worn", "3,000 of 6,000")
    assert finding is not None
    assert (finding.level, finding.guide) == (Level.ADVISORY, "G54")
    assert "3,000 of 6,000 rows are dead (50.0 %)" in finding.detail
    platform.sql("DELETE FROM worn")
    emptied = soon(platform, "worn", "6,000 of 6,000")
    assert emptied is not None
    assert "6,000 of 6,000 rows are dead (100.0 %)" in emptied.detail
    platform.sql("VACUUM ANALYZE worn")
    assert soon(platform, "worn", "") is None


@pytest.mark.guide("G52", "fires", "silent")
def test_changed_rows_fire_until_analyze(platform: Platform) -> None:
    """G52: a table whose rows changed since its last ANALYZE, and no dead ones."""
    platform.sql("CREATE TABLE filled (id int) WITH (autovacuum_enabled = false)")
    platform.sql("INSERT INTO filled SELECT generate_series(1, 3000)")
    finding = soon(platform, "filled", "ANALYZE")
    assert finding is not None
    assert finding.subject == "public.filled needs ANALYZE"
    platform.sql("ANALYZE filled")
    assert soon(platform, "filled", "") is None


@pytest.mark.guide("G54", "fires", "silent")
@pytest.mark.parametrize(("rows", "told"), [(999, False), (1000, True)])
def test_forgotten_counters_matter_from_the_limit_on(platform: Platform, rows: int, told: bool) -> None:
    """optimise.dead_rows, 1,000 as shipped: fewer rows cannot have so many dead ones."""
    platform.sql(f"CREATE TABLE lost WITH (autovacuum_enabled = false) AS SELECT generate_series(1, {rows}) AS id")
    platform.sql("ANALYZE lost")
    platform.sql("SELECT pg_stat_reset_single_table_counters('lost'::regclass)")
    until(
        lambda: "dead_rows:uncounted" in {one.key for one in look(platform, "dead_rows").findings},
        lambda is_: is_ is told,
    )


@pytest.mark.guide("G54", "fires", "silent")
def test_counters_that_were_reset_know_nothing_of_dead_rows(platform: Platform) -> None:
    """Two thirds dead and the counters forgotten: UNKNOWN and no ok, until ANALYZE has counted again."""
    platform.sql("CREATE TABLE lost (id int, note text) WITH (autovacuum_enabled = false)")
    platform.sql("INSERT INTO lost SELECT n, 'a' FROM generate_series(1, 3000) n")
    platform.sql("ANALYZE lost")
    platform.sql("UPDATE lost SET note = 'b'")
    assert soon(platform, "lost", "3,000 of 6,000") is not None
    platform.sql("SELECT pg_stat_reset_single_table_counters('lost'::regclass)")
    for _ in range(50):
        found = {finding.key: finding for finding in look(platform, "dead_rows").findings}
        if found.keys() == {"dead_rows:uncounted"}:
            break
        time.sleep(0.1)
    assert found.keys() == {"dead_rows:uncounted"}
    finding = found["dead_rows:uncounted"]
    assert finding.level is Level.UNKNOWN
    assert finding.detail.startswith("not known of public.lost: the server's counters were reset or lost")
    platform.sql("ANALYZE lost")
    assert soon(platform, "lost", "3,000 of 6,000") is not None
    assert "dead_rows:uncounted" not in {finding.key for finding in look(platform, "dead_rows").findings}


@pytest.mark.guide("G54", "fires", "silent")
def test_the_partitions_of_a_table_are_one_finding(platform: Platform) -> None:
    """Eight worn partitions are one finding with their sum, and none once they are vacuumed."""
    platform.sql("CREATE TABLE years (id int, note text) PARTITION BY LIST (id)")
    for number in range(8):
        platform.sql(
            f"CREATE TABLE y{number} PARTITION OF years FOR VALUES IN ({number}) WITH (autovacuum_enabled = false)"
        )
    platform.sql("INSERT INTO years SELECT n % 8, 'a' FROM generate_series(1, 16000) n")
    platform.sql("UPDATE years SET note = 'b'")
    finding = soon(platform, "years", "16,000 of 32,000")
    assert finding is not None
    assert finding.subject == "public.years needs VACUUM"
    assert finding.detail.endswith(" and 3 more)") and "; partitions: 8 (public.y" in finding.detail
    assert {one.key for one in look(platform, "dead_rows").findings} == {"dead_rows:public.years"}
    platform.sql("VACUUM ANALYZE years")
    assert soon(platform, "years", "") is None
