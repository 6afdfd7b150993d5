"""The plan and what became of it: who was asked, who answered, what was done, predicted beside measured. Pure.

The ledger's receipts decide: an action is done when a receipt says so, unknown while a permit has none. Only where
there is no permit does the apply step's own word count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from upkeep.core.findings import Level
from upkeep.core.units import utc
from upkeep.gate.attempts import DONE, ELSEWHERE, NOT_DONE, PARTLY, Receipt
from upkeep.gate.permits import Decision, asked_until
from upkeep.gate.plans import form
from upkeep.gate.plans.model import Action, Plan

#: What can have become of an action.
REFUSED, UNKNOWN, NOT_YET = "refused", "unknown", "not applied yet"
#: The order in which a reader needs them, with the level that each one looks like.
STATES = {
    ELSEWHERE: Level.CRITICAL,
    UNKNOWN: Level.UNKNOWN,
    PARTLY: Level.WARNING,
    NOT_DONE: Level.WARNING,
    REFUSED: Level.ADVISORY,
    NOT_YET: Level.ADVISORY,
    DONE: Level.OK,
}
#: What a role said: of one action, or of all (then "approved" also stands for a part of them).
APPROVED, REJECTED, LEFT_OUT, NO_ANSWER = "approved", "rejected", "left out", "no answer"


@dataclass(frozen=True)
class Attempt:
    """One permit, and its receipt if there is one."""

    number: int
    receipt: Receipt | None = None

    @property
    def outcome(self) -> str | None:
        """How it ended; None while nobody knows."""
        return self.receipt.outcome if self.receipt else None

    @property
    def reason(self) -> str:
        """Why it ended so; empty while nobody knows."""
        return self.receipt.reason if self.receipt else ""


@dataclass(frozen=True)
class ReportedOutcome:
    """What the apply step said of one action."""

    state: str
    reason: str


@dataclass(frozen=True)
class RoleAnswer:
    """What one role said: person, time and comment are empty without an answer; ``note`` is what hindered one."""

    role: str
    title: str
    state: str
    person: str = ""
    at: datetime | None = None
    comment: str = ""
    note: str = ""
    log_url: str = ""
    approved: frozenset[str] = frozenset()
    asked: tuple[str, ...] = ()
    reviewed: frozenset[str] = frozenset()

    def of(self, action: Action) -> str:
        """What it says of one action."""
        if self.state in (NO_ANSWER, REJECTED):
            return self.state
        return APPROVED if action.id in self.approved else LEFT_OUT


@dataclass(frozen=True)
class ActionResult:
    """One action and what became of it. ``seen`` is what was measured when the plan was drawn up."""

    action: Action
    answers: tuple[RoleAnswer, ...]
    state: str
    reason: str
    attempts: tuple[Attempt, ...] = ()
    seen: Mapping[str, Any] = field(default_factory=dict)

    @property
    def last(self) -> Attempt | None:
        """The attempt that counts: the one that did it, else the last."""
        done = [attempt for attempt in self.attempts if attempt.outcome == DONE]
        tried = done or self.attempts
        return tried[-1] if tried else None

    @property
    def receipt(self) -> Receipt | None:
        """The receipt of the attempt that counts."""
        return self.last.receipt if self.last else None

    @property
    def divided(self) -> bool:
        """Whether some role approved only a part of what it was asked: then each action has its own story."""
        return any(answer.state == APPROVED and len(answer.approved) < len(answer.asked) for answer in self.answers)

    @property
    def ratio(self) -> float | None:
        """How long it took by how long it was predicted to take; None unless it was done."""
        receipt = self.receipt
        if self.state != DONE or receipt is None or receipt.duration_ms is None or not self.action.predicted_ms:
            return None
        return receipt.duration_ms / self.action.predicted_ms

    @property
    def freed_bytes(self) -> int | None:
        """The room that dropping something gave back; None where nothing was dropped or its size is not known."""
        receipt = self.receipt
        if self.state != DONE or receipt is None or receipt.after:
            return None
        return receipt.before.get("bytes")


@dataclass(frozen=True)
class Gate:
    """A run's plan, the answers to it, and its actions in the plan's order."""

    plan: Plan
    digest: str
    planned_at: datetime
    answers: tuple[RoleAnswer, ...]
    actions: tuple[ActionResult, ...]

    @property
    def when(self) -> str:
        """When the plan may run, as the form said it."""
        return form.when(self.plan)

    @property
    def counts(self) -> dict[str, int]:
        """Actions by state, every state named, what needs a reader most first."""
        states = [became.state for became in self.actions]
        return {state: states.count(state) for state in STATES}


@dataclass(frozen=True)
class PlanRecord:
    """What the ledger and the apply step tell of one plan, gathered by ``flow``.

    ``attempts``, ``outcomes`` and ``measured`` are by action id, ``titles`` (in words), ``notes`` (what hindered the
    question) and ``log_urls`` by role. ``undecided`` says why apply came to no outcome, if it came to none.
    """

    decisions: tuple[Decision, ...] = ()
    attempts: Mapping[str, tuple[Attempt, ...]] = field(default_factory=dict)
    outcomes: Mapping[str, ReportedOutcome] = field(default_factory=dict)
    measured: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    log_urls: Mapping[str, str] = field(default_factory=dict)
    undecided: str = ""


def plan_results(plan: Plan, digest: str, planned_at: datetime, told: PlanRecord, now: datetime) -> Gate:
    """Put together what became of a plan as of ``now``."""
    answers = tuple(_answer(plan, role, told) for role in plan.roles)
    by_role = {answer.role: answer for answer in answers}
    actions = []
    for action in plan.actions:
        attempts = tuple(sorted(told.attempts.get(action.id, ()), key=lambda attempt: attempt.number))
        state, reason = _became(action.id, attempts, told, over=now >= plan.not_after)
        mine = tuple(by_role[role] for role in action.roles)
        seen = told.measured.get(action.id, {})
        actions.append(ActionResult(action, mine, state, in_words(reason, told.titles), attempts, seen))
    return Gate(plan, digest, planned_at, answers, tuple(actions))


def _answer(plan: Plan, role: str, told: PlanRecord) -> RoleAnswer:
    title, asked = told.titles.get(role, role), plan.ids_for(role)
    url, note = told.log_urls.get(role, ""), told.notes.get(role, "")
    decision = next((one for one in told.decisions if one.role == role), None)
    if decision is None:
        note = "; ".join(part for part in (f"asked until {utc(asked_until(plan))}", note) if part)
        return RoleAnswer(role, title, NO_ANSWER, note=note, log_url=url, asked=asked)
    state = APPROVED if decision.approved else REJECTED
    person, at, comment = decision.person, decision.responded_at, decision.comment
    approved, reviewed = decision.approved, decision.reviewed
    return RoleAnswer(role, title, state, person, at, comment, note, url, approved, asked, reviewed)


def _became(key: str, attempts: tuple[Attempt, ...], told: PlanRecord, *, over: bool) -> tuple[str, str]:
    """The state of an action and its reason; a receipt says more than the apply step."""
    done = next((attempt for attempt in attempts if attempt.outcome == DONE), None)
    outcome = told.outcomes.get(key)
    if done:
        return DONE, done.reason
    if attempts and attempts[-1].outcome is None:
        return (
            UNKNOWN,
            "its permit has no receipt: whether it ran is not known; the next run looks it up in the catalogue",
        )
    if half := next((one for one in reversed(attempts) if one.outcome in (PARTLY, ELSEWHERE)), None):
        later = outcome.reason if outcome and outcome.reason != half.reason else ""
        return str(half.outcome), "; ".join(text for text in (half.reason, later) if text)
    if outcome and outcome.state in (NOT_DONE, REFUSED):
        return outcome.state, outcome.reason
    if attempts:
        return NOT_DONE, attempts[-1].reason
    if outcome:
        return UNKNOWN, f"the apply step said {outcome.state}, but the ledger has no permit for it"
    why = told.undecided or "the apply step did not mention it"
    return (NOT_DONE, f"left undone, and its time is over: {why}") if over else (NOT_YET, why)


def in_words(reason: str, titles: Mapping[str, str]) -> str:
    """A reason with a role's title where the gate writes its name in config."""
    if not titles:
        return reason
    names = "|".join(re.escape(name) for name in titles)
    return re.sub(rf"\b(from|as|role) ({names})(?=\b)", lambda found: f"{found[1]} {titles[found[2]]}", reason)


# In a sentence ------------------------------------------------------------------------------------------------


_WORDS = {
    ELSEWHERE: "may have changed another object than the planned one",
    DONE: "done",
    PARTLY: "partly done",
    REFUSED: "refused",
    NOT_DONE: "left undone",
    NOT_YET: "not applied yet",
    UNKNOWN: "unknown (nobody knows yet whether it ran)",
}


def sentence(told: Gate) -> str:
    """What became of the plan, for the headline: "2 actions done, 1 refused (no answer from DevOps Engineer)"."""
    if not told.actions:
        return "the plan is empty: nothing had to be changed"
    said: list[str] = []
    for state, words in _WORDS.items():
        if mine := [became for became in told.actions if became.state == state]:
            noun = "" if said else " action" if len(mine) == 1 else " actions"
            said.append(f"{len(mine):,}{noun} {words}" + (_because(mine) if state == REFUSED else ""))
    return ", ".join(said)


def _because(refused: list[ActionResult]) -> str:
    """Why, when there is one reason that fits into a headline."""
    shorts = {_short(became) for became in refused}
    if len(shorts) == 1 and (only := shorts.pop()):
        return f" ({only})"
    return " (for several reasons)" if len(shorts) > 1 else ""


def _short(became: ActionResult) -> str:
    """Who did not let an action run; empty when that is not why."""
    silent = [answer.title for answer in became.answers if answer.state == NO_ANSWER]
    against = [answer.title for answer in became.answers if answer.of(became.action) in (REJECTED, LEFT_OUT)]
    said = [f"no answer from {' and '.join(silent)}"] if silent else []
    said += [f"not approved by {' and '.join(against)}"] if against else []
    return ", ".join(said)


def next_step(told: Gate) -> str:
    """What to do about what was not done; empty when everything was."""
    counts = told.counts
    if counts[ELSEWHERE]:
        return "Inspect the object that is named below at once: a statement of the plan may have run on it."
    if counts[UNKNOWN]:
        return "Trigger a run of this DAG: it looks up in the catalogue what became of the action without a receipt."
    if counts[PARTLY]:
        return "See below what of it was done. The next window proposes the rest, if it is still needed."
    if counts[NOT_DONE]:
        return "See below why it was left undone. The next window proposes it again, if it is still needed."
    if counts[NOT_YET]:
        return "Open the log of task apply, fix the cause, then clear that task: the approvals still count."
    silent = [answer.title for answer in told.answers if answer.state == NO_ANSWER]
    if counts[REFUSED] and silent:
        return f"Ask why no answer came from {' and '.join(silent)}; the next window asks again."
    return "Nothing at once: what was refused is proposed again in the next window." if counts[REFUSED] else ""
