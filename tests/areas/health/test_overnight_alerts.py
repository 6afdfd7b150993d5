"""Overnight alerts (G118) on a real PostgreSQL: it appears with an alert, and disappears when somebody acknowledges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from sandbox.postgres import Cluster
from tests.stages.logs import NOON, look, one
from tests.stages.logs import platform as platform  # noqa: PLC0414  # the fixture
from tests.stages.platform import Platform
from upkeep.core.findings import Level

BEFORE = NOON - timedelta(days=3)


def alert(platform: Platform, severity: str, at: datetime = NOON) -> None:
    """Write one alert of the platform."""
    platform.sql(
        "INSERT INTO performance_alerts (created_at, metric, value, threshold, severity)"
        f" VALUES ('{at.astimezone(UTC).isoformat()}', 'response_time', 1200, 1000, '{severity}')"
    )


@pytest.mark.guide("G118", "fires", "silent")
@pytest.mark.parametrize(("severity", "level"), [("critical", Level.WARNING), ("warning", Level.ADVISORY)])
def test_an_open_alert_fires_until_it_is_acknowledged(
    cluster: Cluster, platform: Platform, severity: str, level: Level
) -> None:
    """G118: an alert of the period that nobody acknowledged; older ones and acknowledged ones are silent."""
    finding = one(look(platform, "overnight_alerts"))
    assert finding.level is Level.UNKNOWN
    assert "public.performance_alerts has never held an alert" in finding.detail
    alert(platform, severity, at=BEFORE)
    assert one(look(platform, "overnight_alerts")).level is Level.OK
    alert(platform, severity)
    finding = one(look(platform, "overnight_alerts"))
    assert (finding.level, finding.guide) == (level, "G118")
    assert f"1 {severity} of response_time" in finding.detail
    platform.sql("UPDATE performance_alerts SET acknowledged = true")
    assert one(look(platform, "overnight_alerts")).level is Level.OK


@pytest.mark.guide("G118", "fires", "silent")
def test_a_table_of_alerts_that_is_absent_is_unknown(platform: Platform) -> None:
    """No table is not "no alerts": the setting is named."""
    alert(platform, "warning", at=BEFORE)
    platform.sql("ALTER TABLE performance_alerts RENAME TO elsewhere")
    finding = one(look(platform, "overnight_alerts"))
    assert finding.level is Level.UNKNOWN
    assert "logs.alerts" in finding.remedy
    platform.sql("ALTER TABLE elsewhere RENAME TO performance_alerts")
    assert one(look(platform, "overnight_alerts")).level is Level.OK


@pytest.mark.guide("G118", "fires", "silent")
def test_an_alert_that_says_neither_is_open(platform: Platform) -> None:
    """NULL is not "acknowledged"."""
    platform.sql("ALTER TABLE performance_alerts ALTER acknowledged DROP NOT NULL")
    alert(platform, "warning")
    platform.sql("UPDATE performance_alerts SET acknowledged = NULL")
    finding = one(look(platform, "overnight_alerts"))
    assert (finding.level, finding.detail.split(":")[0]) == (
        Level.ADVISORY,
        "1 alerts in the period, 1 not acknowledged",
    )
    platform.sql("UPDATE performance_alerts SET acknowledged = true")
    assert one(look(platform, "overnight_alerts")).level is Level.OK


@pytest.mark.guide("G118", "fires", "silent")
def test_many_warnings_do_not_hide_a_critical_one(platform: Platform) -> None:
    """A hundred groups of two warnings, and one critical alert: the level, both sums and its name are there."""
    platform.sql("""
        INSERT INTO performance_alerts (created_at, metric, value, threshold, severity)
        SELECT '2026-05-03 12:00Z', 'metric ' || n % 100, 1, 1, 'warning' FROM generate_series(1, 200) AS n
    """)
    assert one(look(platform, "overnight_alerts")).level is Level.ADVISORY
    alert(platform, "critical")
    looked = look(platform, "overnight_alerts")
    finding = one(looked)
    assert finding.level is Level.WARNING
    assert finding.detail.startswith(
        "201 alerts in the period, 201 not acknowledged: 1 critical of response_time, 2 warning of metric 0,"
    )
    assert finding.detail.endswith(" and 96 more")
    assert [sample.value for sample in looked.samples] == [201.0]
    assert len(finding.metadata["alerts"]) == 50
    platform.sql("UPDATE performance_alerts SET acknowledged = true WHERE severity = 'critical'")
    assert one(look(platform, "overnight_alerts")).level is Level.ADVISORY


def test_hostile_alerts_are_cut_and_break_nothing(platform: Platform) -> None:
    """HTML, bidirectional marks, percent signs, a megabyte of text and no text at all; CRITICAL is critical."""
    platform.sql("ALTER TABLE performance_alerts DROP CONSTRAINT performance_alerts_severity_check")
    platform.sql("ALTER TABLE performance_alerts ALTER metric DROP NOT NULL, ALTER severity DROP NOT NULL")
    texts = ("<script>alert('1')</script>", "\u202egro.elpmaxe@nimda", "100%s %(start)s {table}", "x" * 1_000_000, None)
    with psycopg.connect(platform.admin) as connection:
        for text in texts:
            connection.execute(
                "INSERT INTO performance_alerts (created_at, metric, value, threshold, severity)"
                " VALUES (%s, %s, 1, 1, %s)",
                [NOON, text, text],
            )
    finding = one(look(platform, "overnight_alerts"))
    assert finding.level is Level.ADVISORY
    assert {row["metric"] for row in finding.metadata["alerts"]} == {(text or "no metric")[:200] for text in texts}
    assert len(finding.detail) < 1_500
    platform.sql("UPDATE performance_alerts SET severity = 'CRITICAL' WHERE metric IS NULL")
    assert one(look(platform, "overnight_alerts")).level is Level.WARNING
