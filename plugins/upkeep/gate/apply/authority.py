"""What the ledger, config and the clock say of a plan at this moment: its permits, and whether an action may run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from upkeep.gate import decision_store
from upkeep.gate.apply.circumstances import circumstances
from upkeep.gate.apply.ledger_session import LedgerSession
from upkeep.gate.apply.target import ApplyRefused
from upkeep.gate.attempts import Receipt
from upkeep.gate.permit_store import Permit, add_permit, add_receipt, permits_in, unknown_permits
from upkeep.gate.permits import refusal
from upkeep.gate.plan_store import StoredPlan
from upkeep.gate.plans.model import Action
from upkeep.gate.signatures import chain
from upkeep.gate.signatures.chain import Head, Tampered
from upkeep.gate.signatures.keys import Signer
from upkeep.settings.base import ConfigError
from upkeep.settings.maintenance import Maintenance
from upkeep.wires.database import Row


@dataclass
class PlanAuthority:
    """A plan's signed rows, read afresh for each answer; see ``ApplyRun`` for what it is given."""

    stored: StoredPlan
    config: Maintenance
    reread: Callable[[], Maintenance]
    signer: Signer
    requested_by: str
    clock: Callable[[], datetime]
    #: How far this process has seen the ledger's chain of signed rows reach: it cannot become shorter.
    chain_head: Head | None = None

    def permits(self, ledger: LedgerSession) -> list[Row]:
        """The plan's permits with their receipts. Raises ApplyRefused when a row is not as it was signed."""
        try:
            return permits_in(self._entries(ledger, self.config))
        except Tampered as why:
            raise ApplyRefused(str(why)) from None

    def open_permits(self, ledger: LedgerSession) -> list[Row]:
        """The target's permits that have no receipt, of whatever plan. Raises ApplyRefused."""
        signing, target = self.config.ledger.signing, self.stored.plan.target
        try:
            return ledger.once(lambda session: unknown_permits(session, target, signing))
        except ValueError as why:
            raise ApplyRefused(f"{why}; a permit of it has no receipt, and what it did cannot be told") from None

    def refusal(self, ledger: LedgerSession, action: Action, done: frozenset[str]) -> str:
        """Why an action may not run now; empty when it may. ``done`` are the ids of the actions that are done."""
        plan = self.stored.plan
        try:
            config = self.reread()
        except ConfigError as why:
            return f"config can no longer be read: {why}"
        try:
            decisions = decision_store.decisions_in(self._entries(ledger, config))
        except Tampered as why:
            return str(why)
        missing = ledger.once(lambda session: decision_store.missing_sign_on(session, plan, config))
        at = circumstances(config, plan, self.clock(), done, missing, self.requested_by)
        return refusal(plan, action, decisions, at)

    def add_permit(self, ledger: LedgerSession, permit: Permit) -> int:
        """Commit a permit, once; its id. Raises as ``permit_store.add_permit`` does."""
        number, self.chain_head = ledger.once(lambda session: add_permit(session, permit, self.signer))
        return number

    def add_receipt(self, ledger: LedgerSession, permit: int, receipt: Receipt, digest: str) -> None:
        """Keep what was done under a permit of the plan with this digest."""
        added = ledger.with_retry(lambda session: add_receipt(session, permit, receipt, digest, self.signer))
        self.chain_head = added.head if added else self.chain_head

    def _entries(self, ledger: LedgerSession, config: Maintenance) -> tuple[chain.Entry, ...]:
        """The plan's signed rows, with all that was signed since verified. Raises Tampered."""
        entries, head = ledger.once(
            lambda session: chain.unbroken_of_plan(session, self.stored.digest, config.ledger.signing, self.chain_head)
        )
        self.chain_head = head or self.chain_head
        return entries
