"""
### Daily maintenance

Carries out the guide's daily window (G1): asks the monitoring functions, looks into the database, writes one
report, says one verdict. It only reads, but for a canary row where people have approved one; nobody has to decide
anything.

**Touches** the functions behind the target's `functions` Connection (POST, read-only actions) and the database
behind its `read` Connection (a read-only role, every statement under a timeout). Writes to the ledger, and where
`targets.<target>.canary` is set a row to `upkeep_canary.written`, by a login that may do nothing else (G102).

**The report** is the *Report* tab of a run; the logs of *report* and *verdict* name its address.

**When something is red**: a red *step* could not look; its log's last line says which setting or server was at
fault, and the report counts it as UNKNOWN. A red *verdict* is news about the platform, not about this DAG: open
the report, worst finding first. Repeat a step with *Clear task* (downstream included): report and verdict follow.

**By hand**: *Trigger* asks for the groups to run and whether to only say what would be asked (*Dry run*).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable, TaskGroup

from upkeep.flow.dag import DEFAULTS, Flow, form, targets_of
from upkeep.settings.load import dag_name, settings

GROUPS = ("calendar", "health", "performance", "errors", "database", "security", "backups")


def maintenance_daily(target: str) -> DAG:
    """The daily window of one target."""
    flow = Flow(target, "daily")
    with DAG(
        dag_name("maintenance_daily", target, settings().targets),
        schedule=CronTriggerTimetable(settings().maintenance.cadences(target)["daily"].cron, timezone="UTC"),
        start_date=datetime(2025, 9, 14, tzinfo=UTC),  # the day of the guide
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=2),
        default_args=DEFAULTS,
        tags=["upkeep", "daily", target],
        description="Health, performance, errors, database, security, backups: asked, judged, reported (G1)",
        doc_md=flow.runbook(__doc__),
    ) as dag:
        opened = flow.open_window()

        with TaskGroup("calendar") as calendar:
            flow.look("due_windows", guide="G1")

        with TaskGroup("health") as health:
            flow.call("production-monitoring", "system_status", guide="G8")

        with TaskGroup("performance") as performance:
            flow.latencies()
            flow.check("health/overnight_alerts", guide="G118")

        with TaskGroup("errors") as errors:
            flow.call("error-tracking", "get_error_analytics", guide="G10")

        with TaskGroup("database") as database:
            flow.call("database-scalability", "performance_analysis", guide="G9")
            told = flow.call("database-scalability", "scalability_report", report_scope="performance", guide="G44")
            told >> flow.check("database/database_expectations", guide="G45", trigger_rule="all_done")
            flow.check("database/table_sizes", guide="G49")
            flow.check("database/long_running_queries", guide="G50")
            flow.check("database/connections", guide="G51")
            flow.check("health/server", guide="G5")

        with TaskGroup("security") as security:
            authentication = {"category": "authentication", "severity": "high"}
            flow.call("error-tracking", "get_errors", filters=authentication, guide="G69")
            flow.check("security/failed_logins", guide="G70")
            flow.check("security/new_addresses", guide="G70")
            flow.check("security/rate_limits", guide="G71")
            flow.check("security/service_role_hours", guide="G72")
            flow.look("scan_age", guide="G6")

        with TaskGroup("backups") as backups:
            flow.backups()
            flow.canary()
            flow.check("backups/contents", guide="G101")

        looks = [calendar, health, performance, errors, database, security, backups]
        opened >> looks >> flow.report() >> flow.verdict()
    dag.params = form(*GROUPS)  # last, or each task holds a copy
    return dag


for name in targets_of("maintenance_daily"):
    maintenance_daily(name)
