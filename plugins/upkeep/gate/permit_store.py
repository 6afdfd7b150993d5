"""Permits and receipts: the authority for one attempt, and what was done under it; both are signed rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from upkeep.core import redaction
from upkeep.gate import predictions
from upkeep.gate.attempts import Receipt
from upkeep.gate.plan_store import plan_of_row
from upkeep.gate.predictions import PastAction
from upkeep.gate.signatures import chain
from upkeep.gate.signatures.chain import Entry
from upkeep.gate.signatures.keys import Signer
from upkeep.ledger.write import clean, plain
from upkeep.settings.signing import Signing
from upkeep.wires import queries
from upkeep.wires.database import Row, Session


@dataclass(frozen=True)
class Permit:
    """Single-use authority for one attempt at one action; ``before`` is what the catalogue said just before."""

    digest: str
    action_id: str
    attempt: int
    run_id: str
    backend_pid: int
    before: Mapping[str, Any]


def add_permit(session: Session, permit: Permit, signer: Signer) -> chain.Added:
    """Commit a permit.

    Raises psycopg.errors.UniqueViolation when somebody was faster, psycopg.errors.CheckViolation when the ledger itself
    finds no quorum for it, or not its time.
    """
    row = asdict(permit) | {"before": Jsonb(plain(dict(permit.before)))}
    added = chain.append(session, signer, "permits", permit.digest, "gate/add_permit", row)
    if added is None:
        raise LookupError(f"the permit for {permit.action_id} was not kept")
    return added


def add_receipt(session: Session, permit_id: int, receipt: Receipt, digest: str, signer: Signer) -> chain.Added | None:
    """Keep what was done under a permit of the plan with this digest; the first receipt stays, and this is None."""
    row = asdict(receipt) | {
        "permit_id": permit_id,
        "reason": clean(receipt.reason, redaction.people),
        "before": Jsonb(plain(dict(receipt.before))),
        "after": Jsonb(plain(dict(receipt.after))),
    }
    return chain.append(session, signer, "receipts", digest, "gate/add_receipt", row)


def permits_of_plan(session: Session, digest: str, signing: Signing) -> list[Row]:
    """Every permit of a plan with its receipt's columns, ``outcome`` None while it is unknown. Raises Tampered."""
    return permits_in(chain.of_plan(session, digest, signing))


def permits_in(entries: Iterable[Entry]) -> list[Row]:
    """The permits among a plan's entries with their receipts' columns, in the order they were given."""
    entries = tuple(entries)
    receipts = {entry.row["permit_id"]: entry for entry in entries if entry.place == "receipts"}
    found = []
    for permit in (entry for entry in entries if entry.place == "permits"):
        row = {name: permit.row[name] for name in ("id", "digest", "action_id", "attempt", "backend_pid")}
        found.append(row | {"permitted_at": permit.moment("permitted_at")} | _columns(receipts.get(permit.row_id)))
    return found


def receipt_of(row: Row) -> Receipt | None:
    """The receipt in a row of ``permits_of_plan``, if there is one."""
    if row["outcome"] is None:
        return None
    return Receipt(**{one.name: row[one.name] for one in fields(Receipt) if row[one.name] is not None})


def _columns(receipt: Entry | None) -> Row:
    """A receipt's columns, each None without one."""
    names = Receipt.__dataclass_fields__
    if receipt is None:
        return dict.fromkeys(names)
    row = {name: receipt.row[name] for name in names}
    times = {name: receipt.moment(name) for name in ("started_at", "ended_at") if row[name] is not None}
    return row | times


def unknown_permits(session: Session, target: str, signing: Signing) -> list[Row]:
    """Signed permits of a target without a receipt, with ``before`` and ``plan``.

    Raises ValueError for a changed plan, Tampered for a changed row.
    """
    found = []
    for row in session.rows(queries.load("gate/unknown_permits"), {"target": target}):
        plan, entries = plan_of_row(row), chain.of_plan(session, row["digest"], signing)
        open_ids = {permit["id"] for permit in permits_in(entries) if permit["outcome"] is None}
        found += [
            {**entry.row, "plan": plan} for entry in entries if entry.place == "permits" and entry.row_id in open_ids
        ]
    return found


def past_actions(session: Session, target: str, kind: str, since: datetime) -> list[PastAction]:
    """What the done actions of a kind were predicted to take and took, as far as receipts were written since.

    A plan whose text was changed in the ledger tells nothing here; that it was changed is the report's finding.
    """
    found = []
    parameters = {"target": target, "since": since}
    for row in session.rows(queries.load("gate/receipts_of_kind"), parameters):
        try:
            actions = plan_of_row(row).actions
        except ValueError:
            continue
        for action in actions:
            if action.kind == kind and action.id in row["took"]:
                base = predictions.base_ms(action.predicted_ms, row["measured"].get(action.id, {}))
                took, after = row["took"][action.id], row["after"][action.id] or {}
                found.append(PastAction(action.verb, base, took, action.oid, after))
    return found
