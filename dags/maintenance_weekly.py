"""
### Weekly maintenance, Sundays 03:00 UTC, 2 hours

Carries out the guide's weekly window (G12) as far as it is built: which tables need VACUUM or ANALYZE, a plan, the
approval of exactly that plan, its application under guard, and the same look again.

**Touches** the target's database: evidence through the read-only Connection; *apply*, and nothing else, through
`maintain`. Only actions that every role on their list has approved, only in the plan's time, one after the other.

**People decide** under *Required Actions*: one question per role, to different people. Take out of the list what
should not run, then *Approve*; *Reject* is final for this plan. No answer is no approval: what needed it is left
undone. A plan is never changed; for another one start a new run.

**By hand**: *Trigger* asks when to apply. *For the next window* (the default) plans and asks now and waits for the
next Sunday without a slot. *Now, outside the calendar* says so to those who approve it, and is theirs to override.

**When it fails**: the report says of each action whether it was done, refused or left undone, and why. *Clear* on
*apply* is safe: what has a receipt is not done again, what a killed process left open is looked up in the catalogue.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable, TaskGroup

from upkeep.flow import DEFAULTS, Flow, dag_name, form
from upkeep.settings import settings


def maintenance_weekly(target: str) -> DAG:
    """The weekly window of one target."""
    flow = Flow(target, "weekly")
    candidates = "include/sql/optimise/candidates.sql"
    with DAG(
        dag_name("maintenance_weekly", target, settings().targets),
        schedule=CronTriggerTimetable(settings().maintenance.windows["weekly"].cron, timezone="UTC"),
        start_date=datetime(2025, 9, 14, tzinfo=UTC),  # the day of the guide
        catchup=False,
        max_active_runs=8,  # a run that waits for the next window must not hold up that window's own
        dagrun_timeout=timedelta(days=9),
        default_args=DEFAULTS,
        params=form("evidence", "after", mutates=True),
        tags=["upkeep", "weekly", target],
        description="Evidence, plan, approval by role, apply under guard, evidence again (G12)",
        doc_md=__doc__,
    ) as dag:
        with TaskGroup("evidence") as evidence:
            flow.check("dead_rows", guide="G54", statement=candidates)

        with TaskGroup("approve") as approve:
            flow.approvals()

        with TaskGroup("after") as after:
            flow.check("dead_rows", guide="G54", statement=candidates, trigger_rule="all_done", after_apply=True)

        opened, plan, apply = flow.open_window(), flow.plan(), flow.apply()
        opened >> evidence >> plan >> approve >> flow.wait_for_window() >> apply >> after
        after >> flow.report() >> flow.verdict()
    return dag


for name in settings().targets:
    maintenance_weekly(name)
