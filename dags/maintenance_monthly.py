"""
### Monthly maintenance

Carries out the guide's monthly window (G23-G30): four roles sign on, evidence is collected for each task and attested
by its owner, a plan is drawn up, approved and applied, and the Technical Lead signs off. The disaster-recovery drill
(G25) restores the newest backup in a scratch folder: to a moment, past it, and to the end of the archive.

**Touches** the target's database: evidence through the read-only Connection; *apply*, and nothing else, through
`maintain`: REINDEX, CREATE and DROP INDEX CONCURRENTLY, VALIDATE CONSTRAINT, VACUUM, ANALYZE. Baselines and thresholds
that are approved go into the ledger. Of a weekly window that is open at the same time it does the changes too; that one
says so and plans none, unless a freeze touches the monthly window.

**People decide** under *Required Actions*, four times:

- *sign_on*: each of the four roles, a person of its own. Evidence does not wait for them. Without all four nothing is
  changed, and that a role cannot be filled is said at the start.
- *attest*: the owner of a task puts their name to its evidence, which is named by its digest. Evidence that is
  collected anew afterwards makes the attestation void.
  *rollback* asks for a deed: its owner rolls a function back, or deploys it again, and attests that. Health and version
  of each function are looked at before the question and after the answers. Upkeep deploys nothing.
- *approve*: as in the weekly window, which actions of the plan may run.
- *sign_off*: the Technical Lead, over all of it; the report with that name on it is the run's last page.

No answer is never a yes: the report says whose is missing.

**By hand**: *Trigger* asks when to apply, as in the weekly window.

**When it fails**: the report says of each task what was collected and who attested it, of each action whether it was
done, refused or left undone, and why. *Clear* on *apply* is safe; a sheet or plan that was drawn up stays as it is, for
another one start a new run.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, TaskGroup

from upkeep.flow.dag import DEFAULTS, Flow, form, targets_of
from upkeep.settings.load import dag_name, settings

TASKS = ("audit", "recovery", "rollback", "baselines", "capacity", "documentation", "integrations", "cost", "database")


def what_a_plan_changes(flow: Flow, **task: Any) -> None:
    """The looks that are repeated after the plan was applied."""
    flow.check("tables/bloat", guide="G54", **task)
    flow.check("tables/constraints", guide="G60", **task)
    flow.check("tables/dead_rows", guide="G54", **task)
    flow.check("indexes/unused_indexes", guide="G53", **task)
    flow.check("indexes/duplicate_indexes", guide="G14", **task)
    flow.check("indexes/invalid_indexes", guide="G14", **task)


def maintenance_monthly(target: str) -> DAG:
    """The monthly window of one target."""
    flow = Flow(target, "monthly")
    with DAG(
        dag_name("maintenance_monthly", target, settings().targets),
        schedule=CronTriggerTimetable(settings().maintenance.cadences(target)["monthly"].cron, timezone="UTC"),
        start_date=datetime(2025, 9, 14, tzinfo=UTC),  # the day of the guide
        catchup=False,
        max_active_runs=8,  # a run that waits for the next window must not hold up that window's own
        dagrun_timeout=timedelta(days=40),
        default_args=DEFAULTS,
        tags=["upkeep", "monthly", target],
        description="Sign-on, evidence attested by its owners, plan, approval, apply, report, sign-off (G23)",
        doc_md=flow.runbook(__doc__),
    ) as dag:
        with TaskGroup("sign_on") as sign_on:
            flow.sign_on()

        with TaskGroup("evidence") as evidence:
            with TaskGroup("audit"):
                flow.check("security/audit", guide="G78")
                flow.check("security/access_review", guide="G81")
                flow.look("api_keys", guide="G80")
                report = flow.call("gdpr-compliance", "compliance_report", report_type="monthly", guide="G82")
                report >> flow.check("compliance/consents", guide="G83", trigger_rule="all_done")

            with TaskGroup("recovery"):
                flow.drill()

            with TaskGroup("rollback"):
                flow.rollback()

            with TaskGroup("baselines"):
                flow.look("baselines", guide="G26")

            with TaskGroup("capacity"):
                flow.call("database-scalability", "database_metrics", metrics_type="capacity", guide="G90")
                told = flow.call("database-scalability", "scalability_report", report_scope="capacity", guide="G94")
                told >> flow.look("scaling", guide="G27", trigger_rule="all_done")

            with TaskGroup("documentation"):
                flow.documents()

            with TaskGroup("integrations"):
                flow.integrations()

            with TaskGroup("cost"):
                flow.look("costs", guide="G30", trigger_rule="all_done")

            with TaskGroup("database"):
                what_a_plan_changes(flow)

        with TaskGroup("attest") as attest:
            flow.attestations()

        with TaskGroup("approve") as approve:
            flow.approvals()

        with TaskGroup("after") as after:
            with TaskGroup("rollback") as rolled_back:
                flow.rollback(trigger_rule="all_done", after_apply=True)

            with TaskGroup("database") as changed:
                what_a_plan_changes(flow, trigger_rule="all_done", after_apply=True)

        with TaskGroup("sign_off") as sign_off:
            flow.sign_off()

        plan, apply, written = flow.plan(), flow.apply(), flow.report()
        flow.open_window() >> [sign_on, evidence]
        evidence >> attest
        attest >> rolled_back
        [sign_on, attest] >> plan >> approve >> flow.wait_for_window() >> apply >> changed
        after >> written >> [flow.verdict(), sign_off]
    dag.params = form(*TASKS, mutates=True)  # last, or each task holds a copy
    return dag


for name in targets_of("maintenance_monthly"):
    maintenance_monthly(name)
