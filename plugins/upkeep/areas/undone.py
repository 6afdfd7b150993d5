"""What people approved last time and what was not done: the first thing that the next plan says, with its remedy."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from upkeep.areas.tables import vacuum
from upkeep.core.findings import Finding, Level, Topic
from upkeep.gate.decision_store import decisions_in
from upkeep.gate.permit_store import permits_in
from upkeep.gate.permits import Decision
from upkeep.gate.plan_store import StoredPlan, plan_by_digest
from upkeep.gate.plans.model import Action, Plan
from upkeep.gate.signatures import chain
from upkeep.settings.signing import Signing
from upkeep.wires import queries
from upkeep.wires.database import Session

#: How the server says that a right is missing, over its versions: of VACUUM, of DDL, of a schema.
_RIGHTS = re.compile(r"permission denied|must be owner|only (?:table or database owner|superuser)", re.IGNORECASE)
_NAMES = re.compile(r"\"[^\"]*\"|(?<=must be owner of )(\w+) .*")
#: Groups of reasons that a finding spells out.
MOST_REASONS = 3
NEVER_TRIED = "it was not tried; that plan's report says why"


def before(session: Session, stored: StoredPlan, signing: Signing) -> Finding | None:
    """What the target's last approved plan left undone, if anything. Raises ValueError when that was changed."""
    parameters = {"target": stored.plan.target, "digest": stored.digest, "planned_at": stored.planned_at}
    for row in session.rows(queries.load("gate/last_approved_plan"), parameters):
        if plan := plan_by_digest(session, row["digest"]):
            entries = chain.of_plan(session, row["digest"], signing)
            return undone(plan, decisions_in(entries), permits_in(entries))
    return None


def undone(plan: Plan, decisions: Iterable[Decision], permits: Iterable[Mapping[str, Any]]) -> Finding | None:
    """The approved actions of a plan without a receipt "done", grouped by reason. Pure; permits in their order."""
    said_yes = {(decision.role, action) for decision in decisions for action in decision.approved}
    became: dict[str, Mapping[str, Any]] = {}
    for permit in permits:
        if (became.get(permit["action_id"]) or {}).get("outcome") != "done":
            became[permit["action_id"]] = permit
    missing = [
        (action, _reason(became.get(action.id)))
        for action in plan.actions
        if all((role, action.id) in said_yes for role in action.roles)
        and (became.get(action.id) or {}).get("outcome") != "done"
    ]
    if not missing:
        return None
    counted = Counter(_NAMES.sub("…", reason) for _, reason in missing).most_common()
    told = [f"{count} because: {reason}" for reason, count in counted[:MOST_REASONS]]
    if more := sum(count for _, count in counted[MOST_REASONS:]):
        told.append(f"{more} for other reasons")
    several = len(missing) != 1
    return Topic("plan:undone", "Approved before and not done", "G52").finding(
        Level.WARNING,
        f"{len(missing)} approved action{'s' if several else ''} of the plan for {plan.due:%Y-%m-%d %H:%M} UTC "
        f"{'were' if several else 'was'} not done: {'; '.join(told)}",
        "everything that people approved is done",
        _remedy(missing),
        {"run": plan.run_id, "actions": [action.id for action, _ in missing]},
    )


def _reason(permit: Mapping[str, Any] | None) -> str:
    if permit is None:
        return NEVER_TRIED
    return str(permit["reason"] or "nothing was recorded") if permit["outcome"] else "nobody knows what became of it"


def _remedy(missing: Iterable[tuple[Action, str]]) -> str:
    """The grants that would have let them run; else where each is told."""
    denied = {action.kind == vacuum.KIND for action, reason in missing if _RIGHTS.search(reason)}
    grants = [f"`python -m upkeep grants {what}`" for what in (["maintain"] * (True in denied))]
    grants += ["`python -m upkeep grants indexes`"] * (False in denied)
    if grants:
        return f"Run {' and '.join(grants)} and have the printed GRANT executed; then the next window does them."
    return "Read that plan's report for each of them; what is still needed is proposed anew."
