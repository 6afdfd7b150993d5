"""One question as its page shows it: what, why, what is predicted, the way back, and who may answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.exceptions import HTTPException

from upkeep.core.text import seconds
from upkeep.core.units import size
from upkeep.dashboard.questions import Task
from upkeep.dashboard.visitors import Visitor
from upkeep.gate import sheets
from upkeep.gate.permits import (
    PLAN_LABELS,
    FormLabels,
    InvalidAnswer,
    approved_ids,
    asked_until,
    comment_of,
    reviewed_of,
)
from upkeep.gate.plan_store import plan_of_row, sheet_of_row
from upkeep.gate.plans import form
from upkeep.gate.plans.model import Action, Plan
from upkeep.settings.load import Settings
from upkeep.wires import queries
from upkeep.wires.database import Row, Session


@dataclass(frozen=True)
class Choice:
    """One thing to say yes to; ``facts`` are pairs of a word and a text, ``code`` those of them that can be run."""

    id: str
    label: str
    why: str
    facts: tuple[tuple[str, str], ...] = ()
    code: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Content:
    """What is asked, from a plan or a sheet: its title, sentences about it, choices, and until when answers count."""

    title: str
    about: tuple[str, ...]
    choices: tuple[Choice, ...]
    labels: FormLabels
    until: datetime
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """A question and what became of it. ``content`` is None where it was changed in the ledger.

    ``answered`` says who answered what, ``open`` that Airflow waits and an answer would count, ``earlier`` that a run
    which was deleted had asked it: the one that has its id now has asked nothing yet.
    """

    task: Task
    digest: str
    role: str
    people: tuple[str, ...]
    content: Content | None
    checklist: Sequence[Mapping[str, Any]]
    answered: str
    comment: str
    open: bool
    mine: bool
    earlier: bool = False

    def answer(self, option: str, ticked: Sequence[str], reviewed: Sequence[str], comment: str) -> dict[str, Any]:
        """What Airflow is given. Raises HTTPException: 400 for what would decide nothing, 409 for what comes late."""
        if not self.open or self.content is None:
            raise HTTPException(409, "Nothing was answered: this is not asked, or not any more. Open it again")
        labels, ids = self.content.labels, [one.id for one in self.content.choices]
        params: dict[str, Any] = {"reviewed": list(reviewed), "comment": comment or None}
        if labels.listed:
            params[labels.listed] = list(ticked)
        try:
            approved_ids(option, params, ids, labels)
            reviewed_of(params, [row["guide"] for row in self.checklist])
            comment_of(params)
        except InvalidAnswer as why:
            raise HTTPException(400, f"Nothing was answered: {why}") from None
        return {"chosen_options": [option], "params_input": params}


def asked(
    session: Session,
    config: Settings,
    visitor: Visitor,
    task: Task,
    waiting: frozenset[Task],
    instance: str | None,
    now: datetime,
) -> Asked:
    """The question of a task of the run that is there now (``instance``; None: it was deleted).

    Raises HTTPException 404 where none was asked that this visitor may see.
    """
    dag_id, run_id, task_id, _ = task
    asked_for = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "targets": list(visitor.targets)}
    rows = session.rows(queries.load("dashboard/question"), asked_for)
    if not rows:
        raise HTTPException(404, f"Task {task_id} of run {run_id} has asked nothing that you may see.")
    (row,) = rows
    roles = config.maintenance.roles
    title = roles[row["role"]].title if row["role"] in roles else row["role"]
    try:
        content = _content(row, title, config)
    except (ValueError, KeyError, TypeError):
        content = None
    answered, earlier = row["person"] is not None, instance is not None and row["instance"] != instance
    return Asked(
        task=task,
        digest=row["digest"],
        role=title,
        people=tuple(row["asked"]),
        content=content,
        checklist=row["checklist"],
        answered=_answered(row, content.labels if content else PLAN_LABELS) if answered else "",
        comment=row["comment"] or "",
        open=content is not None and not answered and not earlier and task in waiting and now < content.until,
        mine=row["role"] in visitor.roles and row["target"] in visitor.answers,
        earlier=earlier,
    )


def _answered(row: Row, labels: FormLabels) -> str:
    what = f"{labels.did} {', '.join(row['approved'])}" if row["approved"] else labels.refused
    return f"{row['person']} {what}"


def _content(row: Row, title: str, config: Settings) -> Content:
    """Raises ValueError for a text that was changed in the ledger."""
    if row["purpose"] != "plan":
        return _of_sheet(row, title)
    plan = plan_of_row(row)
    titles = {name: role.title for name, role in config.maintenance.roles.items()}
    mine = [action for action in plan.actions if action.id in row["action_ids"]]
    more = f"{plan.left_out} more candidates wait for the next window." if plan.left_out else ""
    failed = [f"Could not be proposed: {said}" for said in plan.failed]
    return Content(
        title=form.subject(plan, row["role"], title),
        about=(
            form.when(plan),
            form.begins(plan),
            f"Asked by {plan.requested_by}, of database {plan.database}.",
        ),
        choices=tuple(_choice(plan, one, row["measured"].get(one.id, {}), titles) for one in mine),
        labels=PLAN_LABELS,
        until=asked_until(plan) - plan.shortest,
        notes=tuple(filter(None, (more, *failed))),
    )


def _choice(plan: Plan, action: Action, measured: Mapping[str, Any], titles: Mapping[str, str]) -> Choice:
    facts = [
        ("Predicted", f"takes about {seconds(action.predicted_ms)}, lock {action.lock}"),
        ("Needs a yes of", _named(titles.get(role, role) for role in action.roles)),
    ]
    if action.predicted_bytes:
        facts.append(("Gives back" if action.predicted_bytes > 0 else "Needs", size(abs(action.predicted_bytes))))
    if measured:
        facts.append(("Seen", _named(_value(name, value) for name, value in sorted(measured.items()))))
    if needed := [form.label(plan, one, {}) for one in plan.actions if one.id in action.needs]:
        facts.append(("Only after", _named(needed)))
    if how := form.HOW.get(action.verb):
        facts.append(("How", how))
    undo = [("Takes it back", action.undo)] if action.undo else []
    return Choice(
        action.id,
        form.label(plan, action, measured),
        action.because,
        tuple(facts),
        (("Statement", action.statement), *undo),
    )


def _value(name: str, value: Any) -> str:
    if not isinstance(value, int | float):
        return f"{name} {value}"
    return f"size {size(value)}" if name == "bytes" else f"{name} {value:,}"


def _named(names: Iterable[str]) -> str:
    return ", ".join(names)


def _of_sheet(row: Row, title: str) -> Content:
    sheet = sheet_of_row(row)
    labels = sheets.LABELS[sheet.purpose]
    return Content(
        title=sheets.subject(sheet, title),
        about=(sheets.ABOUT[sheet.purpose],),
        choices=tuple(
            Choice(
                item.id,
                f"{item.title} ({item.guide})" if item.guide else item.title,
                item.says,
                (("Evidence", item.evidence[:12]),) if item.evidence else (),
                lines=tuple(row["measured"].get(item.id, ())),
            )
            for item in sheet.items
            if item.id in row["action_ids"]
        ),
        labels=labels,
        until=sheet.not_after,
    )
