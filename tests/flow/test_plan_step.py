"""Whether the plan's step draws up a plan: on days with a freeze, and for a window that people have waived."""

from __future__ import annotations

import os
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.stages.stage import Stage
from upkeep.core.windows import When
from upkeep.ledger.read import latest_steps
from upkeep.ledger.write import open_window
from upkeep.settings.load import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from airflow.sdk.exceptions import AirflowSkipException

    from upkeep.flow.plan import PlanOperator
    from upkeep.flow.runs import STAMP
    from upkeep.flow.step import window_of

MINUTE = timedelta(minutes=1)
NOW = datetime.now(UTC).replace(second=0, microsecond=0)
DUE = {"monthly": NOW - 90 * MINUTE, "weekly": NOW - 30 * MINUTE}
FROZEN = "frozen: Release (until "


def drawn(stage: Stage, cadence: str, *frozen: datetime, weekly: datetime = DUE["weekly"]) -> str:
    """What the step says with a freeze between two moments, if they are given; empty where it draws up a plan.

    The weekly window is due at ``weekly``.
    """
    due = weekly if cadence == "weekly" else DUE[cadence]
    file = Path(os.environ["UPKEEP_CONFIG"], "maintenance.yaml")
    config = yaml.safe_load(file.read_text())
    config["windows"]["monthly"] |= {"cron": f"{DUE['monthly']:%-M %-H %-d} * *", "length_minutes": 240}
    config["windows"]["weekly"] |= {"cron": f"{weekly:%-M %-H} * * {weekly:%w}", "length_minutes": 120}
    config["targets"][stage.name]["since"] = (NOW - timedelta(weeks=2)).isoformat()
    if frozen:
        start, end = (moment.isoformat() for moment in frozen)
        config["freezes"] = [{"start": start, "end": end, "reason": "Release"}]
    file.write_text(yaml.safe_dump(config))
    settings.cache_clear()
    run = SimpleNamespace(
        dag_id=f"maintenance_{cadence}",
        run_id=f"scheduled__{cadence}_{stage.name}",
        run_type="scheduled",
        logical_date=due,
        run_after=due,
        conf={STAMP: stage.name},
    )
    params = {"groups": [], "dry_run": False, "when": When.NEXT.value}
    context: Any = {"dag_run": run, "params": params, "ti": SimpleNamespace(try_number=1)}
    task = PlanOperator(task_id="plan", guide="G52", target=stage.name, cadence=cadence)
    window = window_of(context, stage.name, cadence)
    with stage.ledger.session() as session:
        open_window(session, window)
    try:
        task.carry_out(context, lambda found: task.look(context, found))
        said = ""
    except AirflowSkipException as why:
        said = str(why)
    with stage.ledger.session() as session:
        (step,) = latest_steps(session, window)
        mine = "SELECT digest FROM upkeep.plans WHERE target = %(target)s AND dag_id = %(dag)s"
        plans = session.rows(mine, {"target": stage.name, "dag": window.dag_id})
    assert step["state"] == (said.partition(":")[0] or "ran")
    assert len(plans) == (not said)
    return said


@pytest.mark.guide("X9", "holds")
def test_a_weekly_window_does_its_own_changes_where_a_freeze_has_begun_in_the_monthly_one(judged: Stage) -> None:
    """X9: the monthly one may have planned nothing in it; a freeze that is over would leave the changes to nobody."""
    assert drawn(judged, "weekly", NOW - 60 * MINUTE, NOW - 45 * MINUTE) == ""


@pytest.mark.guide("X9", "holds")
@pytest.mark.parametrize("begins", [NOW - 20 * MINUTE, NOW + 60 * MINUTE], ids=["a freeze that began", "one to come"])
def test_nobody_is_asked_twice_on_a_day_with_a_freeze_in_the_monthly_window(judged: Stage, begins: datetime) -> None:
    """X9: the monthly window had planned before the freeze began, so the weekly one does not."""
    assert drawn(judged, "monthly") == ""
    said = drawn(judged, "weekly", begins, begins + 10 * MINUTE)
    assert said == f"superseded: the monthly window of {DUE['monthly']:%Y-%m-%d %H:%M} UTC covers it"


@pytest.mark.guide("X9", "holds")
def test_the_monthly_window_does_the_weekly_changes_on_a_day_without_a_freeze(judged: Stage) -> None:
    """X9: one that ended as the monthly window began is none of that day's."""
    due = f"the monthly window of {DUE['monthly']:%Y-%m-%d %H:%M} UTC covers it"
    assert drawn(judged, "weekly", NOW - 120 * MINUTE, DUE["monthly"]) == f"superseded: {due}"


@pytest.mark.parametrize("cadence", ["weekly", "monthly"])
def test_no_plan_is_drawn_up_in_a_freeze(judged: Stage, cadence: str) -> None:
    """It began in the monthly window and has not ended: both say so, and neither names the other."""
    said = drawn(judged, cadence, NOW - 60 * MINUTE, NOW + 60 * MINUTE)
    assert said == f"{FROZEN}{NOW + 60 * MINUTE:%Y-%m-%d %H:%M} UTC)"


def test_a_window_that_was_due_in_a_freeze_plans_nothing_after_it(judged: Stage) -> None:
    """Its row in the ledger says frozen, so its run does too."""
    end = NOW - 5 * MINUTE
    said = drawn(judged, "weekly", NOW - 40 * MINUTE, end)
    assert said == f"{FROZEN}{end:%Y-%m-%d %H:%M} UTC, and the window was due in it)"


@pytest.mark.parametrize("state", ["missed", "waived"])
def test_a_late_run_of_a_waived_window_asks_nobody(judged: Stage, state: str) -> None:
    """Backfilled, or made by Airflow when its DAG is unpaused: people have said that nothing is to be done for it."""
    due = NOW - 180 * MINUTE
    watched = "INSERT INTO upkeep.calendars (target, cadence, since, until) VALUES (%s, 'weekly', %s, %s)"
    judged.ledger.change(watched, judged.name, due - timedelta(weeks=1), due)
    columns = "target, cadence, due, deadline, state, reason"
    row = f"INSERT INTO upkeep.due_windows ({columns}) VALUES (%s, 'weekly', %s, %s, %s, %s)"
    judged.ledger.change(row, judged.name, due, due + 120 * MINUTE, state, "ann (Technical Lead): The host moved")
    said = drawn(judged, "weekly", weekly=due)
    waived = "not collected: the window was waived by ann (Technical Lead): The host moved; nobody is asked for it"
    assert said == (waived if state == "waived" else "")
