"""What was shown, decisions, permits, receipts; who has signed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from upkeep import ledger, plans, predictions, queries, redaction, sheets
from upkeep.database import Row, Session
from upkeep.gate.drawn_up import named, parsed, sheet_of_run
from upkeep.permits import Decision
from upkeep.predictions import Past
from upkeep.settings import Maintenance
from upkeep.windows import Run, Window


@dataclass(frozen=True)
class Receipt:
    """What was done under a permit: ``outcome`` is one of ``attempts``; waits and durations in milliseconds."""

    outcome: str
    reason: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    lock_wait_ms: int | None = None
    duration_ms: int | None = None
    wal_bytes: int | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answered:
    """A decision beside what was shown for it: who was asked, and about which actions."""

    decision: Decision
    asked: frozenset[str]
    shown: frozenset[str]


def identity(session: Session) -> str:
    """The UUID that the ledger was born with."""
    return str(session.row(queries.load("ledger/identity"))["id"])


def absent(session: Session, plan: plans.Plan, config: Maintenance) -> str:
    """Who has not signed on for a plan's window, as a refusal; empty where nobody is missing or has to."""
    if plan.cadence != "monthly":
        return ""
    try:
        stored = sheet_of_run(session, plan.run, sheets.SIGN_ON)
    except ValueError as why:
        return str(why)
    answers = decisions(session, stored.digest) if stored else ()
    holders = {role: config.holders(role) for role in config.roles}
    return sheets.absent(config.monthly.sign_on, stored.sheet if stored else None, answers, holders)


def add_shown(session: Session, window: Window, shown: Mapping[str, Any]) -> int:
    """Note what a role is about to be asked; returns the row's id."""
    row = {**shown, **asdict(named(window.run)), "window_id": ledger.window_id(session, window)}
    return int(session.row(queries.load("ledger/add_shown"), row)["id"])


def shown_of_task(session: Session, task: Mapping[str, Any]) -> Row | None:
    """The newest row that this task showed for this role and plan."""
    rows = session.rows(queries.load("ledger/shown_of_task"), task)
    return rows[0] if rows else None


def add_decision(session: Session, digest: str, shown_id: int, decision: Decision) -> None:
    """Keep an answer; the first one of a role stays."""
    row = {
        **asdict(decision),
        "action_ids": sorted(decision.approved),
        "reviewed": sorted(decision.reviewed),
        "digest": digest,
        "shown_id": shown_id,
        "comment": ledger.clean(decision.comment),
    }
    session.rows(queries.load("ledger/add_decision"), row)


def said_yes(session: Session, run: Run) -> set[tuple[str, str]]:
    """(person, role) of every yes in a run, to its plan or to a sheet."""
    rows = session.rows(queries.load("ledger/yes_in_run"), asdict(run))
    return {(row["person"], row["role"]) for row in rows}


def decisions(session: Session, digest: str) -> tuple[Decision, ...]:
    """All answers to a plan, in the order they came."""
    return tuple(
        Decision(
            row["role"],
            row["person"],
            frozenset(row["action_ids"]),
            row["responded_at"],
            row["comment"],
            frozenset(row["reviewed"]),
        )
        for row in session.rows(queries.load("ledger/decisions"), {"digest": digest})
    )


def answers(session: Session, digest: str) -> tuple[Answered, ...]:
    """All answers to a plan with what was asked, in the order they came."""
    return tuple(
        Answered(
            Decision(row["role"], row["person"], frozenset(row["action_ids"]), row["responded_at"], row["comment"]),
            frozenset(row["asked"]),
            frozenset(row["shown_ids"]),
        )
        for row in session.rows(queries.load("ledger/answers_to_plan"), {"digest": digest})
    )


@dataclass(frozen=True)
class Permit:
    """Single-use authority for one attempt at one action; ``before`` is what the catalogue said just before."""

    digest: str
    action_id: str
    attempt: int
    run_id: str
    backend_pid: int
    before: Mapping[str, Any]


def add_permit(session: Session, permit: Permit) -> int:
    """Commit a permit. Raises psycopg.errors.UniqueViolation when somebody was faster."""
    row = asdict(permit) | {"before": Jsonb(ledger.plain(dict(permit.before)))}
    return int(session.row(queries.load("ledger/add_permit"), row)["id"])


def add_receipt(session: Session, permit_id: int, receipt: Receipt) -> None:
    """Keep what was done."""
    row = asdict(receipt) | {
        "permit_id": permit_id,
        "reason": ledger.clean(receipt.reason, redaction.people),
        "before": Jsonb(ledger.plain(dict(receipt.before))),
        "after": Jsonb(ledger.plain(dict(receipt.after))),
    }
    session.rows(queries.load("ledger/add_receipt"), row)


def permits_of_plan(session: Session, digest: str) -> list[Row]:
    """Every permit of a plan with its receipt's columns, ``outcome`` None while it is unknown."""
    return session.rows(queries.load("ledger/permits_of_plan"), {"digest": digest})


def unknown_permits(session: Session, target: str) -> list[Row]:
    """Permits of a target without a receipt, with ``before`` and ``plan``. Raises ValueError for a changed plan."""
    rows = session.rows(queries.load("ledger/unknown_permits"), {"target": target})
    return [{**row, "plan": parsed(row)} for row in rows]


def past_actions(session: Session, target: str, kind: str, since: datetime) -> list[Past]:
    """What the done actions of a kind were predicted to take and took, as far as receipts were written since.

    A plan whose text was changed in the ledger tells nothing here; that it was changed is the report's finding.
    """
    found = []
    parameters = {"target": target, "since": since}
    for row in session.rows(queries.load("ledger/receipts_of_kind"), parameters):
        try:
            actions = parsed(row).actions
        except ValueError:
            continue
        for action in actions:
            if action.kind == kind and action.id in row["took"]:
                base = predictions.base_ms(action.predicted_ms, row["measured"].get(action.id, {}))
                took, after = row["took"][action.id], row["after"][action.id] or {}
                found.append(Past(action.verb, base, took, action.oid, after))
    return found
