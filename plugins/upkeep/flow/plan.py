"""The plan: what this run would change, as data, drawn up once and kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from upkeep.core import windows
from upkeep.core.findings import Finding, Level
from upkeep.flow.connections import connection, postgres, replicas, trusted
from upkeep.flow.report_data.gathering import write_interim
from upkeep.flow.report_data.plan import tampering_finding
from upkeep.flow.report_data.steps import checklist_so_far
from upkeep.flow.runs import is_running, requester
from upkeep.flow.step import Frozen, Step, Superseded, may_ask
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from airflow.sdk import Context

    from upkeep.gate.plan_store import StoredPlan
    from upkeep.gate.plans.model import Plan
    from upkeep.ledger.write import LookResult
    from upkeep.wires.database import Session


class PlanOperator(Step):
    """Draw up the run's one plan, or find it again: clearing this task changes nothing (docs/gate.md)."""

    ui_color = "#f3e3a2"

    @property
    def source(self) -> str:
        from upkeep.areas.kinds import kinds

        asked = ", ".join(name for name, kind in kinds().items() if self.cadence in kind.cadences)
        return f"the target's catalogue and the ledger, by each kind of action: {asked}"

    def describe(self, window: windows.Window) -> str:
        return f"what {self.target} needs by its catalogue and by history, and drawn up a plan"

    def execute(self, context: Context) -> dict[str, Any]:
        summary = self.carry_out(context, lambda window: self.look(context, window))
        write_interim(context, self)
        return summary

    def look(self, context: Context, window: windows.Window) -> LookResult:
        from upkeep.gate.plan_store import add_plan, plan_of_run
        from upkeep.ledger import write
        from upkeep.wires import database

        config, now = settings().maintenance, datetime.now(UTC)
        with database.session(trusted(config.ledger.tasks), config.sql, read_only=False) as session:
            stored = plan_of_run(session, window.run)
            if stored is None:
                may_ask(session, window)
        if stored is None:
            allowed = self._authority(context, window, now)
            plan, measured = self._draw_up(context, window, allowed)
            # Not the first session: left idle while the target is asked, it would be ended by its own clock.
            with database.session(trusted(config.ledger.tasks), config.sql, read_only=False) as session:
                may_ask(session, window)  # again: another run may have asked while the target was
                stored = add_plan(session, window, plan, measured, checklist_so_far(session, window))
        self.log.info("Plan %s:\n%s", stored.digest, _listed(stored))
        return write.LookResult((*_left_undone(stored), *_findings(stored)))

    def _authority(self, context: Context, window: windows.Window, now: datetime) -> windows.Authority:
        """When it may run. Raises Frozen or Superseded when nothing may be changed then."""
        config = settings().maintenance
        cadences = config.cadences(self.target)
        run: Any = context["dag_run"]
        allowed = windows.authority(
            cadences[self.cadence],
            window,
            now,
            scheduled=run.run_type == "scheduled",
            when=windows.When(context["params"]["when"]),
            closed_response=timedelta(minutes=config.approval.closed_response_minutes),
        )
        if freeze := windows.freeze_of(config.freezes, window, max(now, allowed.not_before)):
            over = ", and the window was due in it" if freeze.end <= now else ""
            raise Frozen(f"{freeze.reason} (until {freeze.end:%Y-%m-%d %H:%M} UTC{over})")
        due = windows.covered_by(cadences["monthly"], allowed, config.freezes) if self.cadence == "weekly" else None
        if due and not self._left_by_monthly(due, now):
            raise Superseded(f"the monthly window of {due:%Y-%m-%d %H:%M} UTC covers it")
        return allowed

    def _left_by_monthly(self, due: datetime, now: datetime) -> bool:
        """Whether a freeze that began in the monthly window may have kept it from planning, and it has no plan so far.

        With a plan it has asked, and nobody is asked twice, whatever the freeze leaves undone.
        """
        from upkeep.wires import database, queries

        config = settings().maintenance
        if not any(due < freeze.start <= now for freeze in config.freezes):
            return False
        about = {"target": self.target, "cadence": "monthly", "due": due}
        with database.session(trusted(config.ledger.tasks), config.sql, read_only=True) as session:
            return not session.row(queries.load("gate/window_planned"), about)["planned"]

    def _draw_up(
        self, context: Context, window: windows.Window, allowed: windows.Authority
    ) -> tuple[Plan, dict[str, dict[str, Any]]]:
        from upkeep.areas import proposals
        from upkeep.gate.elsewhere import planned_elsewhere
        from upkeep.gate.plans import model
        from upkeep.gate.plans.model import numbered
        from upkeep.gate.proposing import ProposalSources
        from upkeep.wires import database

        config, now = settings().maintenance, datetime.now(UTC)
        read = config.targets[self.target].connections.read
        open_target = partial(database.session, postgres(read), config.sql, read_only=True)
        open_ledger = partial(database.session, trusted(config.ledger.tasks), config.sql, read_only=True)
        with open_ledger() as ledger:
            taken = tuple(planned_elsewhere(ledger, config, window, now, is_running))
        known = replicas(self.target)
        sources = ProposalSources(self.target, self.cadence, open_target, open_ledger, settings(), now, taken, known)
        collected = proposals.collect(sources)
        actions, measured = numbered(collected.proposals)
        plan = model.Plan(
            target=window.target,
            cadence=window.cadence,
            dag_id=window.dag_id,
            run_id=window.run_id,
            due=window.due,
            requested_by=requester(context["dag_run"]),
            database=_name(open_target, read),
            not_before=allowed.not_before,
            not_after=allowed.not_after,
            outside=allowed.outside,
            actions=actions,
            left_out=collected.left_out,
            failed=collected.failed,
            instance=window.instance,
        )
        return plan, measured


def _name(open_target: Callable[[], AbstractContextManager[Session]], read: str) -> str:
    """The target's database as the server calls it; as the Connection does where it does not answer."""
    from psycopg import Error

    try:
        with open_target() as target:
            return target.connection.info.dbname
    except Error:
        return connection(read, "postgres").schema or ""


def _left_undone(stored: StoredPlan) -> Iterator[Finding]:
    """What people approved before this plan and was not done; a plan that was changed since is its own finding."""
    from upkeep.areas import undone
    from upkeep.wires import database

    config = settings().maintenance
    with database.session(trusted(config.ledger.tasks), config.sql, read_only=True) as session:
        try:
            found = undone.before(session, stored, config.ledger.signing)
        except ValueError as why:
            found = tampering_finding(why)
    if found:
        yield found


def _findings(stored: StoredPlan) -> Iterator[Finding]:
    from upkeep.areas import proposals
    from upkeep.gate.plans.form import when
    from upkeep.gate.plans.model import MOST_ACTIONS

    plan, config = stored.plan, settings().maintenance
    verbs = [action.verb.upper() for action in plan.actions]
    counted = ", ".join(f"{verbs.count(verb)} {verb}" for verb in sorted(set(verbs)))
    nothing = "no action" if plan.failed else "nothing to do"
    more = f"; {plan.left_out} more candidates wait for the next window" if plan.left_out else ""
    yield Finding(
        key="plan",
        level=Level.ADVISORY if plan.left_out else Level.OK,
        subject="Plan",
        detail=f"{counted or nothing}{more}; {when(plan)}",
        expected=f"at most {MOST_ACTIONS} actions",
        remedy="The worst come first. Later windows take the rest; to be faster, trigger a manual run." if more else "",
        guide="G52",
        metadata={"digest": stored.digest},
    )
    yield from proposals.unknowns(plan)
    for role in plan.roles:
        if not config.holders(role):
            yield Finding(
                key=f"role:{role}",
                level=Level.WARNING,
                subject=f"Role {config.roles[role].title if role in config.roles else role}",
                detail="has no user: nobody is asked, and every action that needs it is refused",
                expected="at least one user",
                remedy=f"Name the people in config/maintenance.yaml: roles.{role}.users.",
                guide="G133",
            )


def _listed(stored: StoredPlan) -> str:
    lines = [f"  {action.id} {action.statement}" for action in stored.plan.actions]
    lines += [f"  could not propose: {said}" for said in stored.plan.failed]
    return "\n".join(lines) or "  nothing to do"
