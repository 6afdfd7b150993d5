"""
### Alerts: when the watch sees a change, after each report and every ten minutes

Tells people what is not ok, once, through the channels of `config/routing.yaml`, and when it is over (G106-G116).

**Touches** the ledger alone, and sends messages. A report of any window wakes it, a change that the watch saw (a
trigger in the triggerer that polls each target every half minute, as long as this DAG is not paused), and so does the
clock: reminders, ends of quiet hours, windows that were missed while nothing ran, and messages that a channel did not
take are looked through then. What wakes it says nothing: what is so is read from the ledger.

**People decide** nothing here. `python -m upkeep alerts` lists what is open and what was not delivered;
`python -m upkeep acknowledge` silences an alert until it clears or until a date.

**When it fails**: a red *judge* or *deliver* could not reach the ledger; the next run takes up what was left. A
channel that takes nothing never makes it red: its messages stay due, and the other channels are told of it. *Clear*
is safe: what was told is not told again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable

from upkeep.flow.alerts import NEWS, DeliverOperator, JudgeOperator
from upkeep.flow.dag import DEFAULTS
from upkeep.flow.watch import ALERTS
from upkeep.settings.load import settings


def maintenance_alerts() -> DAG:
    """What all targets' people are told."""
    clock = CronTriggerTimetable(settings().routing.every, timezone="UTC")
    with DAG(
        "maintenance_alerts",
        schedule=AssetOrTimeSchedule(timetable=clock, assets=NEWS | ALERTS),
        start_date=datetime(2025, 9, 14, tzinfo=UTC),  # the day of the guide
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=1),
        default_args=DEFAULTS,
        tags=["upkeep-alerts"],
        description="What is not ok is told once, to the right people, and so is its end (G106-G116)",
        doc_md=__doc__,
    ) as dag:
        JudgeOperator(task_id="judge") >> DeliverOperator(task_id="deliver", execution_timeout=timedelta(minutes=30))
    return dag


maintenance_alerts()
