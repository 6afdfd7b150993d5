"""Apply: the one place that changes a target, and only what a permit names (docs/gate.md, rules 3 to 8).

One session holds the target's advisory lock and runs every statement; when that session is lost, so is the lock.
Before each statement the decisions are read and judged again, the preconditions are looked at in that session, and
a permit is committed; after it a receipt says what happened. A permit without a receipt means that a process died:
whoever holds the lock next looks at the catalogue and writes the receipt.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg

from upkeep.core.text import visible
from upkeep.gate.apply.authority import PlanAuthority
from upkeep.gate.apply.execution import (
    Execution,
    LookFailed,
    SessionLost,
    error_line,
    execute,
    outcome_of,
    remove_leftovers,
    write_to_ledger,
)
from upkeep.gate.apply.guards import Guard
from upkeep.gate.apply.ledger_session import LedgerSession
from upkeep.gate.apply.outcomes import REFUSED, UNKNOWN, ActionOutcome
from upkeep.gate.apply.preconditions import obstacle_to, state_of
from upkeep.gate.apply.target import ApplyRefused, locked_session, watching_session
from upkeep.gate.attempts import DONE, ELSEWHERE, NOT_DONE, PARTLY, Receipt
from upkeep.gate.kind import ActionKinds, kind_of
from upkeep.gate.permit_store import Permit, receipt_of
from upkeep.gate.plan_store import StoredPlan
from upkeep.gate.plans import model
from upkeep.gate.plans.model import Action, Plan, canonical
from upkeep.gate.signatures.keys import Signer
from upkeep.settings.maintenance import Maintenance
from upkeep.wires.database import Connect, Row, Session


@dataclass(frozen=True)
class Connectors:
    """How to connect: to the ledger as the tasks' role, to the target to maintain it and to watch it."""

    ledger: Connect
    maintain: Connect
    watch: Connect


@dataclass
class ApplyRun:
    """One run of apply over one plan. ``clock`` is this host's time in UTC; the target's clock decides nothing.

    ``requested_by`` is Airflow's name for who asked for the run as it is now, beside the plan's own.
    ``kinds`` are the known kinds of action, by name. ``config`` holds for the whole run;
    ``reread`` says what config says now of people, freezes and the override, and may raise ConfigError.
    """

    connectors: Connectors
    kinds: ActionKinds
    config: Maintenance
    reread: Callable[[], Maintenance]
    stored: StoredPlan
    run_id: str
    signer: Signer
    say: Callable[[str], None]
    requested_by: str
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    outcomes: dict[str, ActionOutcome] = field(default_factory=dict)
    #: How often each action was tried by this process.
    tries: Counter[str] = field(default_factory=Counter)
    authority: PlanAuthority = field(init=False)

    def __post_init__(self) -> None:
        self.authority = PlanAuthority(
            self.stored, self.config, self.reread, self.signer, self.requested_by, self.clock
        )

    def run(self) -> list[ActionOutcome]:
        """Apply what may be applied; an outcome for each action, in the plan's order.

        A server that goes away is waited for, ``patience_seconds`` from the last permit on.
        """
        patience = self.config.guards.patience_seconds
        give_up, tried = time.monotonic() + patience, 0
        while self._open_actions():
            try:
                self._apply_under_lock()
            except ApplyRefused as why:
                return self._end(REFUSED, str(why))
            except (SessionLost, LookFailed, psycopg.Error) as error:
                self.say(f"Could not go on: {error_line(error)}")
                if self.tries.total() > tried:
                    give_up, tried = time.monotonic() + patience, self.tries.total()
                if time.monotonic() >= give_up or self._time_is_over():
                    return self._end(NOT_DONE, f"left undone: {error_line(error)}")
                self._pause()
        return self._end(NOT_DONE, "left undone")

    def _end(self, state: str, reason: str) -> list[ActionOutcome]:
        """Note what is left; an action whose permit has no receipt stays unknown."""
        for action in self._open_actions():
            if action.id not in self.outcomes:
                self._note(ActionOutcome(action, state, reason))
        return [self.outcomes[action.id] for action in self.stored.plan.actions]

    def _time_is_over(self) -> bool:
        return self.clock() >= self.stored.plan.not_after

    def _pause(self) -> None:
        time.sleep(self.config.guards.poll_seconds)

    def _open_actions(self) -> list[Action]:
        """Actions without a final outcome: a lost one is looked at again by whoever holds the lock next."""
        closed = {key for key, outcome in self.outcomes.items() if outcome.state != UNKNOWN}
        return [action for action in self.stored.plan.actions if action.id not in closed]

    def _note(self, outcome: ActionOutcome) -> ActionOutcome:
        self.outcomes[outcome.action.id] = outcome
        reason = f": {outcome.reason}" if outcome.reason else ""
        self.say(f"{outcome.action.id} {visible(outcome.action.statement)}: {outcome.state}{reason}")
        return outcome

    def _apply_under_lock(self) -> None:
        """Take the lock, look after what a dead process left, then go through the actions."""
        if model.digest(canonical(self.stored.plan)) != self.stored.digest:
            raise ApplyRefused(
                f"the plan does not give its digest {self.stored.digest}: it is not the one people approved"
            )
        with LedgerSession(self.connectors.ledger, self.config.sql, self.config.ledger.patience_seconds) as ledger:
            if self._nothing_to_do(ledger):
                return
            with (
                locked_session(self.connectors.maintain, self.config, self.stored.plan) as target,
                watching_session(self.connectors.watch, self.config, target) as watching,
            ):
                guard = Guard(watching, self.config, target.connection.info.backend_pid, self.say)
                self._reconcile(ledger, target, guard)
                permits = self.authority.permits(ledger)  # whoever else adds one meets the ledger's UNIQUE
                for action in self._open_actions():
                    earlier = [row for row in permits if row["action_id"] == action.id]
                    self._apply_action(
                        ledger, Execution(target, guard, action, kind_of(self.kinds, action), self.clock), earlier
                    )
                if unseen := self._open_actions():
                    raise LookFailed(self.outcomes[unseen[0].id].reason)

    def _nothing_to_do(self, ledger: LedgerSession) -> bool:
        """Whether every action is refused and no permit is open: then the target is not even touched."""
        refusals = {action.id: self._refusal(ledger, action) for action in self._open_actions()}
        if not all(refusals.values()) or self.authority.permits(ledger) or self.authority.open_permits(ledger):
            return False
        for action in self._open_actions():
            self._note(ActionOutcome(action, REFUSED, refusals[action.id]))
        return True

    # What a dead process left ---------------------------------------------------------------------------------

    def _reconcile(self, ledger: LedgerSession, target: Session, guard: Guard) -> None:
        """Give every permit of this target that has no receipt one, by what the catalogue shows; clear its remains."""
        for permit in self.authority.open_permits(ledger):
            plan: Plan = permit["plan"]
            if plan.database != self.stored.plan.database:
                continue
            action = next(action for action in plan.actions if action.id == permit["action_id"])
            left_ms = (plan.not_after - self.clock()) / timedelta(milliseconds=1)
            try:
                execution = Execution(target, guard, action, kind_of(self.kinds, action), self.clock)
                left = remove_leftovers(execution, permit["before"], left_ms)
                after = self._state(ledger, target, action)
            except LookFailed as why:  # the others need not wait for this one
                self.say(f"Permit {permit['id']} has no receipt, and {why}")
                continue
            outcome, half = outcome_of(kind_of(self.kinds, action), action, permit["before"], after)
            ended = "the process that had the permit ended without a receipt"
            ended += f"; run {self.run_id} looked at the catalogue"
            receipt = Receipt(
                PARTLY if left and outcome == NOT_DONE else outcome,
                "; ".join(text for text in (half, ended, left) if text),
                before=permit["before"],
                after=after or {},
            )
            self.authority.add_receipt(ledger, permit["id"], receipt, permit["digest"])
            self.say(f"Permit {permit['id']} had no receipt: {receipt.outcome}")

    # One action -----------------------------------------------------------------------------------------------

    def _apply_action(self, ledger: LedgerSession, execution: Execution, earlier: list[Row]) -> ActionOutcome:
        """Try one action until it is done, refused, or not worth another try."""
        action = execution.action
        if done := next((row for row in earlier if row["outcome"] == DONE), None):
            return self._note(ActionOutcome(action, DONE, done["reason"] or "in an earlier try", receipt_of(done)))
        if any(row["outcome"] is None for row in earlier):
            return self._note(
                ActionOutcome(action, UNKNOWN, "its permit has no receipt, and it could not be looked at")
            )
        receipts = [receipt for row in earlier if (receipt := receipt_of(row))]
        last = ActionOutcome(action, receipts[-1].outcome, receipts[-1].reason, receipts[-1]) if receipts else None
        if last and last.state == ELSEWHERE:  # people must look first
            return self._note(last)
        while last is None or self.tries[action.id] < self.config.guards.lock_attempts:
            if not_now := self._not_now(ledger, execution):
                tried = last if last and self.tries[action.id] and not_now.state == REFUSED else None
                return self._note(tried or not_now)
            try:
                last, again = self._attempt(ledger, execution, receipts)
            except LookFailed as why:
                return self._note(self._look_failed(action, why))
            if not again:
                return self._note(last)
            self._pause()
        return self._note(last)

    def _look_failed(self, action: Action, why: LookFailed) -> ActionOutcome:
        """A look that could not look is the outcome of its action alone."""
        begun = self.outcomes.get(action.id)
        if begun is not None and begun.state == UNKNOWN:
            return ActionOutcome(action, UNKNOWN, f"its permit has no receipt, and {why}")
        return ActionOutcome(action, NOT_DONE, f"left undone: {why}")

    def _not_now(self, ledger: LedgerSession, execution: Execution) -> ActionOutcome | None:
        """Why an action is not begun now. People are asked twice: nothing waits in vain, and a wait may be long."""
        action = execution.action
        if why := self._refusal(ledger, action):
            return ActionOutcome(action, REFUSED, why)
        if why := execution.guard.wait_until_quiet(self._time_is_over):
            return ActionOutcome(action, NOT_DONE, f"left undone: {why}")
        why = self._refusal(ledger, action)
        return ActionOutcome(action, REFUSED, why) if why else None

    def _attempt(
        self, ledger: LedgerSession, execution: Execution, earlier: list[Receipt]
    ) -> tuple[ActionOutcome, bool]:
        """Permit, look again, run, receipt (added to those of ``earlier`` attempts); the outcome, and whether another
        attempt makes sense. Raises LookFailed.
        """
        action, target, kind = execution.action, execution.target, execution.kind
        attempt = len(earlier) + 1
        before = self._state(ledger, target, action)
        if before is None or self._obstacle(action, before):
            return ActionOutcome(action, REFUSED, self._obstacle(action, before)), False
        noted = kind.note(action, before, earlier[0].before if earlier else None) if kind.note else {}
        before |= noted
        pid = target.connection.info.backend_pid
        permit = Permit(self.stored.digest, action.id, attempt, self.run_id, pid, before)
        try:
            number = self.authority.add_permit(ledger, permit)
        except psycopg.errors.CheckViolation as error:
            return ActionOutcome(action, REFUSED, f"the ledger refuses a permit: {error.diag.message_primary}"), False
        except psycopg.errors.UniqueViolation:
            return ActionOutcome(action, REFUSED, f"another process holds the permit for attempt {attempt}"), False
        self.tries[action.id] += 1
        self.outcomes[action.id] = ActionOutcome(
            action, UNKNOWN, "its permit has no receipt; the next run finds out what it did"
        )
        # Writing the permit may have taken long: time and table are looked at once more.
        left_ms = int((self.stored.plan.not_after - self.clock()) / timedelta(milliseconds=1))
        now = self._state(ledger, target, action)
        why = self._obstacle(action, now)
        if left_ms <= action.predicted_ms:
            why = why or "its time was over when the permit was written"
        receipt, again = Receipt(NOT_DONE, why, before=before), False
        if now is not None and not why and kind.write is None:
            receipt, again = execute(execution, now | noted, left_ms)
        elif now is not None and not why:
            receipt, again = ledger.once(partial(write_to_ledger, kind, action, self.stored, self.clock, now))
        self.authority.add_receipt(ledger, number, receipt, self.stored.digest)
        earlier.append(receipt)
        return ActionOutcome(action, receipt.outcome, receipt.reason, receipt), again

    def _obstacle(self, action: Action, now: Row | None) -> str:
        planned, target = self.stored.measured.get(action.id, {}), self.stored.plan.target
        return obstacle_to(kind_of(self.kinds, action), action, now, planned, self.config, target)

    def _state(self, ledger: LedgerSession, target: Session, action: Action) -> Row | None:
        return state_of(kind_of(self.kinds, action), action, ledger, target, self.config)

    def _refusal(self, ledger: LedgerSession, action: Action) -> str:
        done = frozenset(key for key, outcome in self.outcomes.items() if outcome.state == DONE)
        return self.authority.refusal(ledger, action, done)
