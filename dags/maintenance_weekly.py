"""
### Weekly maintenance

Carries out the guide's weekly window (G12-G19): evidence, a plan drawn from it, the approval of exactly that plan, its
application under guard, and the same looks again. Due log rows are archived and read back, and where config lets it the
next week deletes what a verified archive holds (G15).

The newest backup is restored in a scratch folder and compared with what was recorded of the target (G101). Indexes that
foreign keys lack are built on that copy; one that is proven there, by plans before and after, is proposed (G53).

**Touches** the target's database: evidence through the read-only Connection; *apply*, and nothing else, through
`maintain`: VACUUM, ANALYZE, CREATE and DROP INDEX CONCURRENTLY, DELETE of archived log rows, and once, where config
asks for it, a schema for canary rows (G102). Thresholds that are approved go into the ledger. Only actions that every
role on their list has approved, only in the plan's time, one after the other.

**People decide** under *Required Actions*: one question per role, to different people, with the weekly checklist
(G123-G127) and its evidence. Take out of the list what should not run, then *Approve*; *Reject* is final for this
plan. No answer is no approval: what needed it is left undone. A plan is never changed; for another one start a new
run.

**By hand**: *Trigger* asks when to apply. *For the next window* (the default) plans and asks now and waits for it
without a slot. *Now, outside the calendar* says so to those who approve it, and is theirs to override.

**When it fails**: the report says of each action whether it was done, refused or left undone, and why. *Clear* on
*apply* is safe: what has a receipt is not done again, what a killed process left open is looked up in the catalogue.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable, TaskGroup

from upkeep.flow.dag import DEFAULTS, Flow, form, targets_of
from upkeep.settings.load import dag_name, settings

GROUPS = ("optimisation", "indexes", "logs", "patches", "access", "trends", "capacity", "thresholds", "backups")
#: From which mean on a statement is slow, in milliseconds (G84).
SLOW = {"min_duration": settings().thresholds.statements.slow_ms}
#: G85, and the one that the guide reindexes beside them.
GUIDES_TABLES = ["user_consents", "data_processing_logs", "error_logs", "performance_alerts"]


def maintenance_weekly(target: str) -> DAG:
    """The weekly window of one target."""
    flow = Flow(target, "weekly")
    with DAG(
        dag_name("maintenance_weekly", target, settings().targets),
        schedule=CronTriggerTimetable(settings().maintenance.cadences(target)["weekly"].cron, timezone="UTC"),
        start_date=datetime(2025, 9, 14, tzinfo=UTC),  # the day of the guide
        catchup=False,
        max_active_runs=8,  # a run that waits for the next window must not hold up that window's own
        dagrun_timeout=timedelta(days=9),
        default_args=DEFAULTS,
        tags=["upkeep", "weekly", target],
        description="Evidence, plan, approval by role, apply under guard, evidence again (G12)",
        doc_md=flow.runbook(__doc__),
    ) as dag:
        with TaskGroup("evidence") as evidence:
            with TaskGroup("optimisation"):
                flow.check("tables/dead_rows", guide="G54")
                flow.check("tables/freeze_age", guide="G13")

            with TaskGroup("indexes"):
                flow.call("database-scalability", "index_recommendations", table_filters={}, guide="G20")
                named = {"include_tables": GUIDES_TABLES}
                by_table = "index_recommendations_by_table"
                flow.call(
                    "database-scalability", "index_recommendations", name=by_table, table_filters=named, guide="G85"
                )
                flow.check("indexes/unused_indexes", guide="G53")
                flow.check("indexes/duplicate_indexes", guide="G14")
                flow.check("indexes/invalid_indexes", guide="G14")
                missing = flow.check("indexes/missing_indexes", guide="G14", trigger_rule="all_done")

            with TaskGroup("logs"):
                flow.retention()

            with TaskGroup("patches"):
                flow.patches()
                flow.check("patches/version_lag", guide="G16")

            with TaskGroup("access"):
                flow.check("security/access_patterns", guide="G75")
                flow.check("security/new_queries", guide="G76")
                flow.check("security/permissions", guide="G77")

            with TaskGroup("trends"):
                calls = [
                    flow.call("production-monitoring", "performance_report", guide="G21"),
                    flow.call("error-tracking", "get_error_trends", guide="G22"),
                ]
                flow.call("database-scalability", "query_optimization", query_filters=SLOW, guide="G84")
                calls >> flow.look("trends", guide="G17", trigger_rule="all_done")
                flow.check("performance/slow_queries", guide="G84")

            with TaskGroup("capacity"):
                flow.call("database-scalability", "database_metrics", metrics_type="capacity", guide="G90")
                told = flow.call("database-scalability", "scalability_report", report_scope="capacity", guide="G94")
                told >> flow.look("capacity", guide="G18", trigger_rule="all_done")

            with TaskGroup("thresholds"):
                flow.look("thresholds", guide="G19")

            with TaskGroup("backups"):
                flow.restoration() >> missing  # which says what the copy proved

        with TaskGroup("approve") as approve:
            flow.approvals()

        with TaskGroup("after") as after:
            again = {"trigger_rule": "all_done", "after_apply": True}
            with TaskGroup("optimisation"):
                flow.check("tables/dead_rows", guide="G54", **again)

            with TaskGroup("indexes"):
                flow.check("indexes/unused_indexes", guide="G53", **again)
                flow.check("indexes/duplicate_indexes", guide="G14", **again)
                flow.check("indexes/invalid_indexes", guide="G14", **again)

            with TaskGroup("logs"):
                flow.retention(**again)

        opened, plan, apply = flow.open_window(), flow.plan(), flow.apply()
        opened >> evidence >> plan >> approve >> flow.wait_for_window() >> apply >> after
        after >> flow.report() >> flow.verdict()
    dag.params = form(*GROUPS, mutates=True)  # last, or each task holds a copy
    return dag


for name in targets_of("maintenance_weekly"):
    maintenance_weekly(name)
