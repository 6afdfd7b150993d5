"""Overnight alerts (G118) on a real PostgreSQL: it appears with an alert, and disappears when somebody acknowledges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.postgres import Cluster
from tests.sql.test_checks_database import Platform
from tests.sql.test_checks_security import NOON, look, one
from tests.sql.test_checks_security import platform as platform  # noqa: PLC0414  # the fixture
from upkeep.findings import Level

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
    assert one(look(platform, "overnight_alerts")).level is Level.OK
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
    platform.sql("ALTER TABLE performance_alerts RENAME TO elsewhere")
    finding = one(look(platform, "overnight_alerts"))
    assert finding.level is Level.UNKNOWN
    assert "logs.alerts" in finding.remedy
    platform.sql("ALTER TABLE elsewhere RENAME TO performance_alerts")
    assert one(look(platform, "overnight_alerts")).level is Level.OK
