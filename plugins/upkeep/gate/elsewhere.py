"""What other runs' plans still have to do, or ask about in the same window: it is not planned a second time (X9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from upkeep.core.windows import Run, Window, WindowKind
from upkeep.gate.apply.circumstances import circumstances
from upkeep.gate.decision_store import decisions_in, missing_sign_on
from upkeep.gate.permit_store import permits_in
from upkeep.gate.permits import refusal
from upkeep.gate.plan_store import plans_in_force
from upkeep.gate.plans.model import Action, Plan
from upkeep.gate.signatures import chain
from upkeep.settings.maintenance import Maintenance
from upkeep.wires.database import Session


def planned_elsewhere(
    session: Session, config: Maintenance, window: Window, now: datetime, alive: Callable[[Run], bool]
) -> Iterator[Action]:
    """Actions of the target's other plans that people have approved and that are still to run, or that are asked now.

    What is done is not among them: the catalogue says by itself whether it is needed again. Nor is what a run asked
    that is no longer ``alive``, because it has ended or was deleted: nobody will do it.
    """
    for digest, plan in plans_in_force(session, window.target, now, window.run, alive):
        try:
            entries = chain.of_plan(session, digest, config.ledger.signing)
        except chain.Tampered:  # apply refuses it, and its report says why
            continue
        decisions = decisions_in(entries)
        done = {row["action_id"] for row in permits_in(entries) if row["outcome"] == "done"}
        at = circumstances(
            config, plan, max(now, plan.not_before), missing_sign_on=missing_sign_on(session, plan, config)
        )
        asked = _asked_by_weekly(plan, window, now)
        open_actions = (action for action in plan.actions if action.id not in done)
        yield from (action for action in open_actions if asked or not refusal(plan, action, decisions, at))


def _asked_by_weekly(plan: Plan, window: Window, now: datetime) -> bool:
    """Whether the weekly window asks this while a monthly one of the calendar is still to plan.

    The weekly one plans on that day where a freeze has kept the monthly one from it so far.
    """
    open_weekly = plan.cadence == "weekly" and not plan.outside and plan.not_before <= now
    return open_weekly and window.cadence == "monthly" and window.kind is WindowKind.CALENDAR
