"""The tasks themselves judge by the version in force and name it: a call, a check, the weekly look, the report."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from tests.stages.proposed import ERRORS, PROPOSED, QUIET, day, days, in_ledger, measured, planned
from tests.stages.stage import Stage, uri
from upkeep.core.findings import Finding, Level
from upkeep.report.model import Report
from upkeep.report.page import to_html
from upkeep.settings.base import ConfigError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.flow.ends import ReportOperator
    from upkeep.flow.operators import CallOperator, CheckOperator, LookOperator


def of(stage: Stage) -> dict[str, Any]:
    """What every task is bound to."""
    return {"target": stage.name, "cadence": "daily"}


def called(stage: Stage) -> Finding:
    """The error rate of 0.4 % as the call's task judges it."""
    task = CallOperator(
        task_id="status", function="production-monitoring", action="system_status", guide="G8", **of(stage)
    )
    (found,) = [one for one in task.look(day(stage, 0)).findings if one.key == f"metric:{ERRORS}"]
    return found


def checked(stage: Stage) -> Finding:
    """The connections as the check's task judges them."""
    task = CheckOperator(task_id="connections", check="database/connections", guide="G51", **of(stage))
    (found,) = task.look(day(stage, 0)).findings
    return found


def looked(stage: Stage) -> dict[str, Finding]:
    """The weekly look's findings by key."""
    task = LookOperator(task_id="thresholds", inspection="thresholds", guide="G19", **of(stage))
    assert "daily windows" in task.describe(day(stage, 0))
    return {one.key: one for one in task.look(day(stage, 0)).findings}


def report(stage: Stage) -> Report:
    """What the report's task gathers."""
    window = day(stage, 0)
    task = ReportOperator(task_id="report", **of(stage))
    context: Any = {
        "ti": SimpleNamespace(dag_id=window.dag_id, run_id=window.run_id, try_number=1),
        "params": {"dry_run": False},
    }
    with stage.ledger.session() as session:
        return task._gather(session, context, window, {"health.error_rate": "success"})


@pytest.mark.guide("G19", "fires", "silent", "holds")
def test_a_daily_window_is_judged_by_what_people_approved_a_week_before(judged: Stage) -> None:
    """0.4 % is ok by the file; with version 2 the same answer is a warning, and every part says "version 2"."""
    days(judged, QUIET)
    measured(judged, day(judged, 0), QUIET[0])
    assert (called(judged).level, called(judged).metadata["thresholds"]) == (Level.OK, 1)
    assert checked(judged).metadata["thresholds"] == 1
    assert "; proposed: " in looked(judged)[f"thresholds:{ERRORS}"].detail
    assert report(judged).thresholds == "version 1, as config/thresholds.yaml"

    stored = planned(judged)
    assert [action.statement for action in stored.plan.actions] == [PROPOSED]
    assert judged.apply(judged.decide(stored))[ERRORS].state == "done"

    found = called(judged)
    assert (found.level, found.metadata["thresholds"]) == (Level.WARNING, 2)
    assert found.expected == "below 0.37 % (critical: above 1.5 %)"
    assert checked(judged).metadata["thresholds"] == 2
    assert looked(judged)[f"thresholds:{ERRORS}"].level is Level.OK
    one = report(judged)
    assert one.thresholds.startswith("version 2, approved by ann and bob on 20")
    assert one.thresholds in to_html(one)
    bands = {history.metric: history.bands for history in one.history}
    assert bands[ERRORS].edges == (0.37, 1.5)


def test_without_the_ledger_nothing_is_judged(judged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """By which version is not known then: the task fails instead of falling back to the file."""
    measured(judged, day(judged, 0), 0.1)
    gone = psycopg.conninfo.make_conninfo(judged.ledger.dsn("tasks"), port=1)
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_LEDGER", uri(gone))
    for look in (called, checked, looked):
        with pytest.raises(psycopg.OperationalError):
            look(judged)


def test_a_ledger_of_an_older_version_is_named(judged: Stage) -> None:
    """Not a word about the target's Connection: what to do is to upgrade the ledger."""
    measured(judged, day(judged, 0), 0.1)
    in_ledger(judged, "ALTER TABLE upkeep.thresholds RENAME TO elsewhere")
    try:
        for look in (called, checked, looked):
            with pytest.raises(
                ConfigError, match=r"'upkeep_ledger': found a ledger without the table upkeep\.thresholds"
            ):
                look(judged)
    finally:
        in_ledger(judged, "ALTER TABLE upkeep.elsewhere RENAME TO thresholds")
