"""The plan: what this run would change, as data, drawn up once and kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from upkeep import windows
from upkeep.findings import Finding, Level
from upkeep.flow import told
from upkeep.flow.connections import postgres, replicas, trusted
from upkeep.flow.step import Frozen, Step, Superseded
from upkeep.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Context

    from upkeep.database import Session
    from upkeep.gate import Stored
    from upkeep.ledger import Looked
    from upkeep.plans import Action, Plan


class PlanOperator(Step):
    """Draw up the run's one plan, or find it again: clearing this task changes nothing (APPROVAL.md)."""

    ui_color = "#f3e3a2"

    @property
    def source(self) -> str:
        return "include/sql: optimise, indexes, reindex, constraints; the ledger"

    def describe(self, window: windows.Window) -> str:
        return f"what {self.target} needs by its catalogue and by history, and drawn up a plan"

    def execute(self, context: Context) -> dict[str, Any]:
        return self.carry_out(context, lambda window: self._look(context, window))

    def _look(self, context: Context, window: windows.Window) -> Looked:
        from upkeep import database, gate, ledger

        config, now = settings().maintenance, datetime.now(UTC)
        with database.session(trusted(config.ledger.tasks), config.sql, read_only=False) as session:
            stored = gate.plan_of_run(session, window.dag_id, window.run_id)
            if stored is None:
                allowed = self._authority(context, window, now)
                plan, measured = self._draw_up(context, window, allowed, session)
                stored = gate.add_plan(session, window, plan, measured, told.checklist_so_far(session, window))
        self.log.info("Plan %s:\n%s", stored.digest, _listed(stored))
        return ledger.Looked(tuple(_findings(stored)))

    def _authority(self, context: Context, window: windows.Window, now: datetime) -> windows.Authority:
        """When it may run. Raises Frozen or Superseded when nothing may be changed then."""
        config = settings().maintenance
        run: Any = context["dag_run"]
        allowed = windows.authority(
            config.windows[self.cadence],
            window,
            now,
            scheduled=run.run_type == "scheduled",
            when=windows.When(context["params"]["when"]),
            closed_response=timedelta(minutes=config.approval.closed_response_minutes),
        )
        if freeze := windows.frozen(config.freezes, max(now, allowed.not_before)):
            raise Frozen(f"{freeze.reason} (until {freeze.end:%Y-%m-%d %H:%M} UTC)")
        if self.cadence == "weekly" and (due := windows.covered_by(config.windows.get("monthly"), allowed)):
            raise Superseded(f"the monthly window of {due:%Y-%m-%d %H:%M} UTC covers it")
        return allowed

    def _draw_up(
        self, context: Context, window: windows.Window, allowed: windows.Authority, ledger: Session
    ) -> tuple[Plan, dict[str, dict[str, Any]]]:
        from upkeep import database, plans, proposals

        config, now = settings().maintenance, datetime.now(UTC)
        taken = tuple(_approved_elsewhere(ledger, window, now))
        read = config.targets[self.target].connections.read
        with database.session(postgres(read), config.sql, read_only=True) as target:
            known = replicas(self.target)
            sources = proposals.Sources(self.target, self.cadence, target, ledger, settings(), now, taken, known)
            found, left_out = proposals.collect(sources)
            name = target.connection.info.dbname
        actions, measured = plans.numbered(found)
        plan = plans.Plan(
            target=window.target,
            cadence=window.cadence,
            dag_id=window.dag_id,
            run_id=window.run_id,
            due=window.due,
            requested_by=_requester(context),
            database=name,
            not_before=allowed.not_before,
            not_after=allowed.not_after,
            outside=allowed.outside,
            actions=actions,
            left_out=left_out,
        )
        return plan, measured


def _requester(context: Context) -> str:
    """Airflow's name for who asked; only the scheduler's own runs count as asked by nobody."""
    from upkeep.plans import SCHEDULE

    run: Any = context["dag_run"]
    name = getattr(run, "triggering_user_name", None)
    if run.run_type == "scheduled" and not name:
        return SCHEDULE
    return "somebody unknown" if not name or name == SCHEDULE else str(name)


def _approved_elsewhere(session: Session, window: windows.Window, now: datetime) -> Iterator[Action]:
    """Actions of other runs' plans that people have approved and that are still to run: they are not planned again.

    What is done is not among them: the catalogue says by itself whether it is needed again.
    """
    from upkeep import gate
    from upkeep.apply import circumstances
    from upkeep.permits import refusal

    config = settings().maintenance
    for digest, plan in gate.plans_in_force(session, window.target, now, window.dag_id, window.run_id):
        decisions = gate.decisions(session, digest)
        done = {row["action_id"] for row in gate.permits_of_plan(session, digest) if row["outcome"] == "done"}
        at = circumstances(config, plan, max(now, plan.not_before), absent=gate.absent(session, plan, config))
        open_actions = (action for action in plan.actions if action.id not in done)
        yield from (action for action in open_actions if not refusal(plan, action, decisions, at))


def _findings(stored: Stored) -> Iterator[Finding]:
    from upkeep import plans

    plan, config = stored.plan, settings().maintenance
    verbs = [action.verb.upper() for action in plan.actions]
    counted = ", ".join(f"{verbs.count(verb)} {verb}" for verb in sorted(set(verbs)))
    more = f"; {plan.left_out} more candidates wait for the next window" if plan.left_out else ""
    yield Finding(
        key="plan",
        level=Level.ADVISORY if plan.left_out else Level.OK,
        subject="Plan",
        detail=f"{counted or 'nothing to do'}{more}; {plans.when(plan)}",
        expected=f"at most {plans.MOST_ACTIONS} actions",
        remedy="The worst come first; a window a week catches up, or run one by hand." if more else "",
        guide="G52",
        metadata={"digest": stored.digest},
    )
    for role in plan.roles:
        if not config.holders(role):
            yield Finding(
                key=f"role:{role}",
                level=Level.WARNING,
                subject=f"Role {config.roles[role].title if role in config.roles else role}",
                detail="has no user: nobody is asked, and what needs it is refused",
                expected="at least one user",
                remedy=f"Name the people in config/maintenance.yaml: roles.{role}.users.",
                guide="G133",
            )


def _listed(stored: Stored) -> str:
    return "\n".join(f"  {action.id} {action.statement}" for action in stored.plan.actions) or "  nothing to do"
