"""What the ledger knows of a window's signatures, held against the evidence as it is now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from upkeep.flow.report_data.plan import tampering_finding
from upkeep.gate import sheets
from upkeep.gate.permits import asked_until
from upkeep.settings.load import settings
from upkeep.settings.monthly import MONTHLY_TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from upkeep.core import windows
    from upkeep.core.findings import Finding
    from upkeep.core.windows import Run
    from upkeep.gate.sheets import Signature
    from upkeep.report.evidence import Evidence
    from upkeep.report.signatures import Task, WindowSignatures
    from upkeep.settings.signing import Signing
    from upkeep.wires.database import Session


def signatures_of_run(session: Session, window: windows.Window) -> WindowSignatures | None:
    """Who signed what in this run, None where nobody was asked to sign on or to attest.

    Raises ValueError when a sheet or the plan was changed in the ledger.
    """
    from upkeep.ledger.read import latest_steps
    from upkeep.report import evidence, signatures

    sign_on = _signatures(session, window, sheets.SIGN_ON)
    steps = latest_steps(session, window)
    found = evidence.by_task(steps)
    digests = {task: one.digest for task, one in found.items()}
    attestations = _signatures(session, window, sheets.ATTEST, digests)
    if sign_on is None and attestations is None:
        return None
    sign_on, attested = sign_on or (), {one.item.id: one for one in attestations or ()}
    tasks = tuple(_task(one, attested.get(task)) for task, one in found.items())
    so_far = signatures.WindowSignatures(sign_on, tasks, None, *_plan(session, window), evidence.again(steps))
    sign_off = _signatures(session, window, sheets.SIGN_OFF, {sheets.WINDOW: so_far.digest})
    return replace(so_far, sign_off=sign_off[0] if sign_off else None)


def _signatures(
    session: Session, window: windows.Window, purpose: str, evidence: Mapping[str, str] | None = None
) -> tuple[Signature, ...] | None:
    from upkeep.gate.decision_store import decisions
    from upkeep.gate.plan_store import sheet_of_run

    stored = sheet_of_run(session, window.run, purpose)
    if stored is None:
        return None
    return sheets.signatures(stored.sheet, decisions(session, stored.digest, _signing()), evidence)


def _signing() -> Signing:
    return settings().maintenance.ledger.signing


def _task(found: Evidence, signature: Signature | None) -> Task:
    from upkeep.report import signatures

    guide, title = MONTHLY_TASKS[found.task]
    config = settings().maintenance
    reasons = sorted({step["reason"] for step in found.steps if step["reason"]})
    return signatures.Task(
        name=found.task,
        guide=guide,
        title=title,
        owner=config.roles[config.monthly.tasks[found.task]].title,
        worst=found.findings[0].level if found.findings else None,
        says=found.says if found.collected else f"NOT COLLECTED: {'; '.join(reasons) or 'no step looked'}",
        evidence=found.digest,
        signature=signature,
    )


def _plan(session: Session, window: windows.Window) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The plan's digest, and what the ledger's permits and receipts say of each of its actions by id."""
    from upkeep.gate.permit_store import permits_of_plan
    from upkeep.gate.plan_store import plan_of_run

    stored = plan_of_run(session, window.run)
    if stored is None:
        return "", ()
    became: dict[str, str] = {}
    for row in permits_of_plan(session, stored.digest, _signing()):
        if became.get(row["action_id"]) != "done":
            became[row["action_id"]] = row["outcome"] or "unknown"
    states = tuple((action.id, became.get(action.id, "not tried")) for action in stored.plan.actions)
    return stored.digest, states


def signatures_of_window(
    session: Session, window: windows.Window
) -> tuple[WindowSignatures | None, tuple[Finding, ...]]:
    """Who signed what and whose name is missing; a finding when a sheet in the ledger was changed."""
    from upkeep.report.signatures import signature_findings

    if window.cadence != "monthly":
        return None, ()
    try:
        signing = signatures_of_run(session, window)
    except ValueError as why:
        return None, (tampering_finding(why),)
    return signing, signature_findings(signing) if signing else ()


def waited_for(session: Session, run: Run, now: datetime) -> tuple[str, ...]:
    """Titles of the roles that this run asks and that have not answered, in config's order.

    Raises ValueError when a sheet or the plan was changed in the ledger.
    """
    from upkeep.gate.decision_store import decisions
    from upkeep.gate.plan_store import plan_of_run, sheet_of_run

    asked = []
    if stored := plan_of_run(session, run):
        asked.append((stored.digest, stored.plan.roles, asked_until(stored.plan)))
    for purpose in (sheets.SIGN_ON, sheets.ATTEST):
        if sheet := sheet_of_run(session, run, purpose):
            asked.append((sheet.digest, tuple(one.role for one in sheet.sheet.items), sheet.sheet.not_after))
    missing = {
        role
        for digest, roles, until in asked
        if until > now
        for role in {*roles} - {one.role for one in decisions(session, digest, _signing())}
    }
    config = settings().maintenance
    return tuple(role.title for name, role in config.roles.items() if name in missing and config.holders(name))


def work_ended(session: Session, window: windows.Window) -> datetime | None:
    """When the window's work was over, None where that is now: waiting for the sign-off does not make it late."""
    from upkeep.gate import sheets
    from upkeep.gate.plan_store import sheet_of_run

    try:
        sheet = sheet_of_run(session, window.run, sheets.SIGN_OFF)
    except ValueError:  # the sheet was changed, which is a finding already
        return None
    return sheet.drawn_up_at if sheet else None
