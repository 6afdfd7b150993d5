"""What was shown and decided, which are signed rows (docs/gate.md, rule 11); who has signed on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from upkeep.core.windows import Run, Window
from upkeep.gate import sheets
from upkeep.gate.permits import Decision
from upkeep.gate.plan_store import require_instance, sheet_of_run
from upkeep.gate.plans.model import Plan
from upkeep.gate.signatures import chain
from upkeep.gate.signatures.chain import Entry
from upkeep.gate.signatures.keys import Signer
from upkeep.ledger.write import clean, window_id
from upkeep.settings.maintenance import Maintenance
from upkeep.settings.signing import Signing
from upkeep.wires import queries
from upkeep.wires.database import Session


@dataclass(frozen=True)
class DecisionRecord:
    """A decision beside what was shown for it: who was asked, and about which actions."""

    decision: Decision
    asked: frozenset[str]
    shown: frozenset[str]


def ledger_identity(session: Session) -> str:
    """The UUID that the ledger was born with."""
    return str(session.row(queries.load("ledger/identity"))["id"])


def missing_sign_on(session: Session, plan: Plan, config: Maintenance) -> str:
    """Who has not signed on for a plan's window, as a refusal; empty where nobody is missing or has to."""
    if plan.cadence != "monthly":
        return ""
    try:
        stored = sheet_of_run(session, plan.run, sheets.SIGN_ON)
        answers = decisions(session, stored.digest, config.ledger.signing) if stored else ()
    except ValueError as why:
        return str(why)
    holders = {role: config.holders(role) for role in config.roles}
    return sheets.missing_sign_on(config.monthly.sign_on, stored.sheet if stored else None, answers, holders)


def add_shown(session: Session, window: Window, shown: Mapping[str, Any], signer: Signer) -> int:
    """Note what a role is about to be asked; returns the row's id."""
    row = {**shown, **asdict(require_instance(window.run)), "window_id": window_id(session, window)}
    added = chain.append(session, signer, "shown", shown["digest"], "gate/add_shown", row)
    if added is None:
        raise LookupError(f"what {shown['role']} is asked was not kept")
    return added.row_id


def shown_of_task(session: Session, task: Mapping[str, Any], signing: Signing) -> Mapping[str, Any] | None:
    """What the latest try of this task showed last, for this role and plan. Raises Tampered."""
    entries = chain.of_plan(session, task["digest"], signing)
    shown = [entry.row for entry in entries if entry.place == "shown"]
    mine = [row for row in shown if all(row[name] == value for name, value in task.items())]
    return max(mine, key=lambda row: (row["try_number"], row["id"]), default=None)


def add_decision(session: Session, digest: str, shown_id: int, decision: Decision, signer: Signer) -> None:
    """Keep an answer, unless a later try has asked since; the first one of a role stays."""
    row = {
        "shown_id": shown_id,
        "digest": digest,
        "role": decision.role,
        "person": decision.person,
        "action_ids": sorted(decision.approved),
        "reviewed": sorted(decision.reviewed),
        "comment": clean(decision.comment),
        "responded_at": decision.responded_at,
    }
    chain.append(session, signer, "decisions", digest, "gate/add_decision", row)


def approvals_in_run(session: Session, run: Run) -> set[tuple[str, str]]:
    """(person, role) of every yes in a run, to its plan or to a sheet."""
    rows = session.rows(queries.load("gate/yes_in_run"), asdict(run))
    return {(row["person"], row["role"]) for row in rows}


def decisions(session: Session, digest: str, signing: Signing) -> tuple[Decision, ...]:
    """All answers to a plan, in the order they came. Raises Tampered when one is not as it was signed."""
    return decisions_in(chain.of_plan(session, digest, signing))


def decisions_in(entries: Iterable[Entry]) -> tuple[Decision, ...]:
    """The answers among a plan's entries."""
    return tuple(_decision(entry) for entry in entries if entry.place == "decisions")


def _decision(entry: Entry) -> Decision:
    row = entry.row
    approved, reviewed = frozenset(row["action_ids"]), frozenset(row["reviewed"])
    return Decision(row["role"], row["person"], approved, entry.moment("responded_at"), row["comment"], reviewed)


def decision_records(entries: Iterable[Entry]) -> tuple[DecisionRecord, ...]:
    """The answers among a plan's entries with what was asked, in the order they came."""
    entries = tuple(entries)
    shown = {entry.row_id: entry.row for entry in entries if entry.place == "shown"}
    return tuple(
        DecisionRecord(
            _decision(entry),
            frozenset(shown[entry.row["shown_id"]]["asked"]),
            frozenset(shown[entry.row["shown_id"]]["action_ids"]),
        )
        for entry in entries
        if entry.place == "decisions" and entry.row["shown_id"] in shown
    )
