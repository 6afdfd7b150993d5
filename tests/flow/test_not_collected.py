"""What nobody has configured is said to be not collected, with the setting that would change that."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta

import pytest

from upkeep.core.findings import Level
from upkeep.core.windows import Window, WindowKind
from upkeep.report.model import StepResult, missing_step
from upkeep.settings.load import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.core.findings import NotCollected
    from upkeep.flow.operators import LookOperator

DUE = datetime(2026, 5, 4, 2, tzinfo=UTC)
WINDOW = Window(
    target="primary",
    cadence="daily",
    kind=WindowKind.CALENDAR,
    due=DUE,
    deadline=DUE + timedelta(minutes=30),
    period_start=DUE - timedelta(days=1),
    period_end=DUE,
    run_id="scheduled__1",
    dag_id="maintenance_daily",
    requested_by="the schedule",
)


@pytest.mark.guide("G99", "fires")
def test_without_configured_backups_whether_there_is_one_is_unknown() -> None:
    """The shipped configuration is such a one: the reason names the setting, and in the report it is UNKNOWN."""
    assert settings().target("primary").backups is None
    step = LookOperator(
        task_id="newest_backup", inspection="newest_backup", target="primary", cadence="daily", guide="G99"
    )
    with pytest.raises(NotCollected, match=r"targets\.primary\.backups") as caught:
        step.look(WINDOW)
    result = StepResult("backups.newest_backup", "backups", step.source, caught.value.state, str(caught.value))
    finding = missing_step(result)
    assert finding.level is Level.UNKNOWN
    assert "targets.primary.backups" in finding.detail
