"""What a run draws up and asks about: its plan and its sheets, each for that one run and no other of its id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from upkeep.core.units import utc
from upkeep.core.windows import Run, Window, WindowKind
from upkeep.gate import sheets
from upkeep.gate.plans import model
from upkeep.gate.plans.model import Plan, canonical, parse
from upkeep.gate.sheets import Sheet
from upkeep.ledger.write import clean, window_id
from upkeep.wires import queries
from upkeep.wires.database import Row, Session


@dataclass(frozen=True)
class StoredPlan:
    """A plan as the ledger has it; ``checklist`` are the rows that its form shows beside it."""

    plan: Plan
    digest: str
    measured: Mapping[str, Mapping[str, Any]]
    checklist: list[dict[str, Any]]
    planned_at: datetime


def add_plan(
    session: Session,
    window: Window,
    plan: Plan,
    measured: Mapping[str, Mapping[str, Any]],
    checklist: Iterable[Mapping[str, Any]] = (),
) -> StoredPlan:
    """Keep a run's plan; where the run has one already, that one stays and is returned.

    Raises ValueError for a run that does not say which one of its id it is.
    """
    text = canonical(plan)
    row = {
        "window_id": window_id(session, window),
        "target": plan.target,
        **asdict(require_instance(plan.run)),
        "purpose": "plan",
        "digest": model.digest(text),
        "body": text,
        "measured": Jsonb(measured),
        "checklist": Jsonb(clean(list(checklist))),
        "not_after": plan.not_after,
    }
    session.rows(queries.load("gate/add_plan"), row)
    stored = plan_of_run(session, plan.run)
    if stored is None:
        raise LookupError(f"the plan of {plan.run_id} was not kept")
    return stored


def require_instance(run: Run) -> Run:
    """The run itself. Raises ValueError when it does not say which one of its id it is."""
    if not run.instance:
        raise ValueError(
            f"run {run.run_id} carries no run instance, so nothing can be asked for it: Airflow's "
            "scheduler stamps a run when it starts it; load plugins/upkeep_plugin.py there and start a new run"
        )
    return run


def asked_by_another(session: Session, window: Window, now: datetime, alive: Callable[[Run], bool]) -> str:
    """Why this run is to ask nobody: another one that is still ``alive`` asks for the same work; empty when none does.

    That is a run by hand and the late run of a window that was missed: whichever asked first goes on. Until the end of
    the session's transaction no other run of the target draws up anything.
    """
    session.rows(queries.load("gate/one_asks"), {"target": window.target})
    if window.kind is WindowKind.CALENDAR and now < window.deadline:
        return ""
    for row in session.rows(queries.load("gate/asked_beside"), asdict(window)):
        if row["instance"] and alive(Run(row["dag_id"], row["run_id"], row["instance"])):
            return f"the run {row['run_id']}, which asks for the same work since {utc(row['since'])}"
    return ""


def _own(session: Session, statement: str, run: Run, purpose: str) -> Row | None:
    """What a run itself drew up; a run that does not say which one of its id it is has nothing."""
    parameters = asdict(run) | {"purpose": purpose}
    rows = session.rows(queries.load(f"gate/{statement}"), parameters) if run.instance else []
    return rows[0] if rows else None


def plan_of_run(session: Session, run: Run) -> StoredPlan | None:
    """The run's own plan, never one of a deleted run with its id.

    Raises ValueError when its text does not give its digest or is about another run: somebody changed it.
    """
    row = _own(session, "plan_of_run", run, "plan")
    if row is None:
        return None
    plan = plan_of_row(row)
    _same_run(plan.run, run, row["digest"])
    return StoredPlan(plan, row["digest"], row["measured"], row["checklist"], row["planned_at"])


def _same_run(found: Run, run: Run, digest: str) -> None:
    if found != run:
        raise ValueError(
            f"found {digest}, which its row gives to run {run.run_id} ({run.instance}), with a text about run "
            f"{found.run_id} ({found.instance}): it was changed in the ledger"
        )


def plan_by_digest(session: Session, digest: str) -> Plan | None:
    """The plan with a digest, None when there is none. Raises ValueError when its text does not give it."""
    rows = session.rows(queries.load("gate/plan_by_digest"), {"digest": digest})
    return plan_of_row(rows[0]) if rows else None


def plan_of_row(row: Row) -> Plan:
    """The plan of a row with ``body`` and ``digest``. Raises ValueError when they do not belong together."""
    if model.digest(row["body"]) != row["digest"]:
        raise ValueError(
            f"found a plan whose text does not give its digest {row['digest']}: it was changed in the ledger"
        )
    return parse(row["body"])


def sheet_of_row(row: Row) -> Sheet:
    """The sheet of a row with ``body`` and ``digest``. Raises ValueError when they do not belong together."""
    if model.digest(row["body"]) != row["digest"]:
        raise ValueError(f"found a sheet whose text does not give its digest {row['digest']}: it was changed")
    return sheets.parse(row["body"])


def plans_in_force(
    session: Session, target: str, now: datetime, run: Run, alive: Callable[[Run], bool]
) -> list[tuple[str, Plan]]:
    """(digest, plan) of other runs on this target whose time is not over and that are still ``alive``.

    Who deletes or ends a run withdraws what it asked; Airflow alone knows, and is asked through ``alive``.
    """
    parameters = {"target": target, "now": now, **asdict(run)}
    rows = session.rows(queries.load("gate/plans_in_force"), parameters)
    found = [(row["digest"], plan_of_row(row)) for row in rows]
    return [(digest, plan) for digest, plan in found if plan.instance and alive(plan.run)]


@dataclass(frozen=True)
class StoredSheet:
    """A sheet as the ledger has it; ``details`` are the lines that its form shows under an item, by id."""

    sheet: Sheet
    digest: str
    details: Mapping[str, list[str]]
    drawn_up_at: datetime


def add_sheet(session: Session, window: Window, sheet: Sheet, details: Mapping[str, Iterable[str]]) -> StoredSheet:
    """Keep a run's sheet; where the run has one for this purpose already, that one stays and is returned.

    Raises ValueError for a run that does not say which one of its id it is.
    """
    text = sheets.canonical(sheet)
    row = {
        "window_id": window_id(session, window),
        "target": sheet.target,
        **asdict(require_instance(sheet.run)),
        "purpose": sheet.purpose,
        "digest": model.digest(text),
        "body": text,
        "measured": Jsonb({key: clean(list(lines)) for key, lines in details.items()}),
        "checklist": Jsonb([]),
        "not_after": sheet.not_after,
    }
    session.rows(queries.load("gate/add_plan"), row)
    stored = sheet_of_run(session, sheet.run, sheet.purpose)
    if stored is None:
        raise LookupError(f"the {sheet.purpose} sheet of {sheet.run_id} was not kept")
    return stored


def sheet_of_run(session: Session, run: Run, purpose: str) -> StoredSheet | None:
    """The run's own sheet for a purpose. Raises ValueError as ``plan_of_run`` does."""
    row = _own(session, "sheet_of_run", run, purpose)
    if row is None:
        return None
    sheet = sheet_of_row(row)
    _same_run(sheet.run, run, row["digest"])
    return StoredSheet(sheet, row["digest"], row["measured"], row["planned_at"])
