"""Why a row of the ledger that says it is in force counts: the plan, the decisions and the receipt behind it.

A row is worth what its decisions are worth. Each time it is read, its plan must give its digest and hold this action
for this target, every role of the action's list must have answered for it, and a permit of it must have a receipt
"done"; all of these are signed rows that must verify. A row put in force stays so when its people leave: they held the
role when they were asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from upkeep.gate import permits
from upkeep.gate.decision_store import DecisionRecord, decision_records
from upkeep.gate.permit_store import permits_in
from upkeep.gate.plan_store import plan_by_digest
from upkeep.gate.plans.model import Action, Plan
from upkeep.gate.signatures import chain
from upkeep.settings.load import settings
from upkeep.wires.database import Row, Session

Decisions = tuple[permits.Decision, ...]


@dataclass(frozen=True)
class Claim:
    """What a row claims: that people approved this statement about a subject of this target, as a kind of action."""

    kind: str
    target: str
    subject: str
    statement: str


def decisions_behind(session: Session, row: Row, claim: Claim) -> Decisions:
    """The decisions behind a row with ``digest`` and ``action_id``, in the order of the action's roles.

    Raises ValueError saying why the row does not verify.
    """
    plan = plan_by_digest(session, row["digest"])
    if plan is None:
        raise ValueError(f"found no plan {row['digest']}, expected the one that it was approved in")
    action = next((action for action in plan.actions if action.id == row["action_id"]), None)
    said = (claim.kind, plan.target, claim.subject, claim.statement)
    if action is None or (action.kind, action.schema, action.table, action.statement) != said:
        raise ValueError(f"found no such action {row['action_id']!r} in its plan, expected {claim.statement!r}")
    if plan.target != claim.target:
        raise ValueError(f"found {claim.subject} of target {plan.target!r}, expected it of {claim.target!r}")
    entries = chain.of_plan(session, row["digest"], settings().maintenance.ledger.signing)
    decisions = _decisions(entries, plan, action)
    if (action.id, "done") not in {(row["action_id"], row["outcome"]) for row in permits_in(entries)}:
        raise ValueError("found no receipt that says it was done under a permit, expected one")
    return decisions


def _decisions(entries: tuple[chain.Entry, ...], plan: Plan, action: Action) -> Decisions:
    """The decisions that let the action run, one for each of its roles. Raises ValueError when they do not suffice."""
    answered = [one for one in decision_records(entries) if one.decision.role in action.roles]
    if why := next(_not_asked(answered, action), ""):
        raise ValueError(why)
    asked = {one.decision.role: one.asked for one in answered}
    # Who held the role when it was asked, not who holds it today; its time and requester were judged by apply.
    holders = {role: asked.get(role, frozenset({"nobody"})) for role in action.roles}
    at = permits.Circumstances(plan.not_before, holders, frozenset(), done=frozenset(action.needs))
    decisions = tuple(one.decision for one in answered)
    if why := permits.refusal(plan, action, decisions, at):
        raise ValueError(why)
    first: dict[str, permits.Decision] = {}
    for decision in decisions:
        first.setdefault(decision.role, decision)
    return tuple(first[role] for role in action.roles)


def _not_asked(answered: list[DecisionRecord], action: Action) -> Iterator[str]:
    for one in answered:
        if one.decision.person not in one.asked or action.id not in one.shown:
            yield f"found an answer of {one.decision.person} as {one.decision.role} to what was not asked of them"
