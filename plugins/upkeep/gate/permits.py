"""From decisions to a permit: the eight rules of the gate that need no database. Pure; the clock is an argument.

An approval is never stored: whether one action may run now is worked out afresh, immediately before it, from the
plan, the decisions on its digest, and what config says now of people and roles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from upkeep.core.windows import fits
from upkeep.gate.plans.model import SCHEDULE, Action, Plan

APPROVE, REJECT = "Approve", "Reject"


@dataclass(frozen=True)
class Decision:
    """One authenticated person's answer for one role: the ids of the actions they let run, none for a rejection.

    ``reviewed`` are the rows of the checklist that they marked; they decide nothing.
    """

    role: str
    person: str
    approved: frozenset[str]
    responded_at: datetime
    comment: str = ""
    reviewed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Circumstances:
    """What is true at this moment: who holds which role, who asked (None: everybody), what is already done.

    ``unknown`` is the name that made it everybody, empty where that is the plan's.

    ``frozen`` is the reason of a freeze that holds now, ``freezes_at`` when the next one begins, ``override`` whether
    config lets approvers leave the calendar, ``missing_sign_on`` who has not signed on where the window needs that.
    """

    now: datetime
    holders: Mapping[str, frozenset[str]]
    requester: frozenset[str] | None
    override: bool = True
    frozen: str = ""
    missing_sign_on: str = ""
    freezes_at: datetime | None = None
    done: frozenset[str] = field(default_factory=frozenset)
    unknown: str = ""


def refusal(plan: Plan, action: Action, decisions: Iterable[Decision], at: Circumstances) -> str:
    """Why an action may not run now; empty when it may. Of several decisions for one role the first stays."""
    by_role: dict[str, Decision] = {}
    for decision in decisions:
        by_role.setdefault(decision.role, decision)
    approvers, why = _approvers(action, by_role, plan, at)
    return why or _requested(approvers, plan, at) or _timing(plan, action, at) or _needs(action, at)


def _approvers(
    action: Action, by_role: Mapping[str, Decision], plan: Plan, at: Circumstances
) -> tuple[frozenset[str], str]:
    """The people who let it run, one for each role of its list; or why they do not suffice."""
    approvers: set[str] = set()
    for role in action.roles:
        decision = by_role.get(role)
        if not at.holders.get(role):
            return frozenset(), f"role {role} has no user (config/maintenance.yaml: roles.{role}.users)"
        if decision is None:
            return frozenset(), f"no answer from {role} by {_minute(asked_until(plan) - plan.shortest)}"
        if action.id not in decision.approved:
            return frozenset(), f"{decision.person} as {role} did not approve it"
        if not decision.responded_at < plan.not_after:
            return frozenset(), f"the answer of {decision.person} as {role} came after {_minute(plan.not_after)}"
        if decision.person not in at.holders[role]:
            return frozenset(), f"{decision.person}, who approved as {role}, does not hold that role any more"
        if decision.person in approvers:
            return frozenset(), f"{decision.person} approved for two roles; each role needs a different person"
        approvers.add(decision.person)
    return frozenset(approvers), ""


def asked_until(plan: Plan) -> datetime:
    """Until when people are asked: for the next window until it opens, else until the authority ends.

    Who asked tells the two apart, not the due time: that of a manual run is whatever its requester wrote.
    """
    return plan.not_after if plan.outside or plan.requested_by == SCHEDULE else plan.not_before


def _requested(approvers: frozenset[str], plan: Plan, at: Circumstances) -> str:
    if at.requester is None:
        name = at.unknown or plan.requested_by
        return (
            f"it was requested by {name!r}, whom config/maintenance.yaml: people does not know: that "
            "counts as requested by everybody, and a requester cannot be the only approver"
        )
    if not approvers - at.requester:
        return f"{', '.join(sorted(approvers))} requested it and cannot be the only approver"
    if plan.outside and plan.requested_by == SCHEDULE and len(approvers) < 2:
        return (
            "the scheduled run is late, and one approver is not enough for it: whoever delayed it is not known, and "
            "cannot be the only approver; trigger a manual run"
        )
    return ""


def _timing(plan: Plan, action: Action, at: Circumstances) -> str:
    if at.frozen:
        return f"frozen: {at.frozen}"
    if at.missing_sign_on:
        return at.missing_sign_on
    if plan.outside and not at.override:
        return "it would run outside the calendar, and config/maintenance.yaml: approval.override forbids that"
    if at.now < plan.not_before:
        return f"its window opens at {_minute(plan.not_before)}"
    if at.now >= plan.not_after:
        return f"its time was over at {_minute(plan.not_after)}"
    predicted = timedelta(milliseconds=action.predicted_ms)
    for end, what in ((plan.not_after, ""), (at.freezes_at, "the freeze of ")):
        if end is not None and not fits(at.now, predicted, end):
            return f"it is predicted to take {action.predicted_ms} ms and would not end before {what}{_minute(end)}"
    return ""


def _needs(action: Action, at: Circumstances) -> str:
    missing = [needed for needed in action.needs if needed not in at.done]
    return f"it needs {', '.join(missing)}, which is not done" if missing else ""


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


# Answers ------------------------------------------------------------------------------------------------------


class InvalidAnswer(ValueError):
    """An answer that decides nothing; the message says what was found and what was expected."""


@dataclass(frozen=True)
class FormLabels:
    """A form's two buttons, the name of its list with what is said beside it, and how an answer is told.

    ``listed`` is empty where there is one thing to say yes to, and the button says it.
    """

    yes: str = APPROVE
    no: str = REJECT
    listed: str = "actions"
    hint: str = "Take out what should not run."
    did: str = "approved"
    refused: str = "rejected everything"


#: The form of a plan (docs/gate.md, The form).
PLAN_LABELS = FormLabels()


def approved_ids(
    option: str, params: Mapping[str, Any], asked: Iterable[str], labels: FormLabels = PLAN_LABELS
) -> frozenset[str]:
    """The ids that an answer says yes to. Raises InvalidAnswer: a yes names what it is to, silence is never "all"."""
    known, listed = frozenset(asked), labels.listed
    if option == labels.no:
        return frozenset()
    if option != labels.yes:
        raise InvalidAnswer(f"found the answer {option[:100]!r}, expected {labels.yes} or {labels.no}")
    if not listed:
        return known
    if listed not in params:
        raise InvalidAnswer(f"found no list of {listed}, expected the ids of the {listed} that are meant")
    found = params[listed]
    if not isinstance(found, list):
        raise InvalidAnswer(f"found {listed} of type {type(found).__name__}, expected a list of ids")
    if other := sorted({type(item).__name__ for item in found if not isinstance(item, str)}):
        raise InvalidAnswer(f"found {', '.join(other)} among the {listed}, expected a list of ids")
    if not found:
        raise InvalidAnswer(f"found {labels.yes} with no {listed}, expected at least one id, or {labels.no}")
    if unknown := sorted(set(found) - known):
        cut = [item[:50] for item in unknown[:5]]
        raise InvalidAnswer(f"found {listed} {cut}, expected ids from the form: {sorted(known)[:20]}")
    return frozenset(found)


def reviewed_of(params: Mapping[str, Any], rows: Iterable[str]) -> frozenset[str]:
    """The rows of the checklist that an answer marks as reviewed, none when it says nothing of them.

    Raises InvalidAnswer for anything but ids of rows that were shown.
    """
    found, known = params.get("reviewed") or [], sorted(rows)
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise InvalidAnswer(f"found a checklist {str(found)[:50]!r}, expected a list of its rows' ids")
    if unknown := sorted(set(found) - set(known)):
        raise InvalidAnswer(f"found checklist rows {[item[:50] for item in unknown[:5]]}, expected some of {known}")
    return frozenset(found)


def comment_of(params: Mapping[str, Any]) -> str:
    """The comment of an answer, at most 2,000 characters. Raises InvalidAnswer when it is no text."""
    found = params.get("comment")
    if found is not None and not isinstance(found, str):
        raise InvalidAnswer(f"found a comment of type {type(found).__name__}, expected text")
    return (found or "")[:2000]
