"""The guide's checklists for people (G118-G132): rows with evidence and owner, who acknowledged them and when.

A daily row is acknowledged here and kept in the ledger; a window that is reported anew asks anew. A weekly row is
reviewed in its plan's form, a monthly one attested with its task: what people said there stands here, or the question
that waits; where none waits any more, or none ever did, what is open is acknowledged here as well. No window waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from starlette.exceptions import HTTPException

from upkeep.areas.calendar.due import DueWindow
from upkeep.core.windows import CADENCES, CHANGING
from upkeep.dashboard.checklist_rows import (
    Checklist,
    ListedRow,
    ListedWindow,
    Mark,
    WaitingRows,
    open_rows,
    windows_without_report,
)
from upkeep.dashboard.deeds import acknowledging_roles, may_acknowledge, titles
from upkeep.dashboard.forms import remark
from upkeep.dashboard.now import calendar
from upkeep.dashboard.page import question_href
from upkeep.dashboard.questions import OpenQuestion
from upkeep.dashboard.visitors import Visitor
from upkeep.dashboard.windows import without_report
from upkeep.gate import sheets
from upkeep.report.checklist import GONE_BY, ITEMS, MISSING, TASKS, ChecklistItem
from upkeep.settings.load import Settings
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

#: What a report says of one row.
Said = Mapping[str, Any]

#: How far back rows that nobody acknowledged are listed.
REACH = {"daily": timedelta(days=30), "weekly": timedelta(days=65), "monthly": timedelta(days=130)}
#: How far back daily rows are counted that are too old to be listed.
OLDER = timedelta(days=90)
#: Where the rows of a cadence that asks people are answered: a plan or a sheet, and the group of the tasks that ask.
_ASKED = {"weekly": ("plan", "approve."), "monthly": (sheets.ATTEST, "attest.")}
_SILENT = "its report says nothing of it"


def checklists(
    session: Session, config: Settings, visitor: Visitor, questions: Sequence[OpenQuestion], now: datetime
) -> list[tuple[str, list[Checklist]]]:
    """Cadence → the checklist of each of the visitor's targets; of several the latest windows alone are listed."""
    found = {"daily": _daily(session, config, visitor, now)}
    found |= {cadence: _asked(session, config, visitor, cadence, questions, now) for cadence in CHANGING}
    seen = calendar(session, config, now)
    unreported = without_report(session, visitor.targets, seen, now - max(REACH.values()), now)
    asked = {"targets": list(visitor.targets), "cadence": "daily", "until": now - REACH["daily"]}
    asked |= {"after": now - OLDER, "rows": len(ITEMS["daily"])}
    rows = session.rows(queries.load("dashboard/checklist_older"), asked)
    older = {("daily", row["target"]): row["open"] for row in rows}
    whole = len(visitor.targets) == 1

    def checklist(target: str, cadence: str) -> Checklist:
        silent = windows_without_report(
            unreported, found[cadence], target, cadence, after=now - REACH[cadence], now=now
        )
        return _checklist(target, cadence, found[cadence], silent, older, whole=whole)

    return [(cadence, [checklist(target, cadence) for target in visitor.targets]) for cadence in CADENCES]


def waiting(session: Session, config: Settings, visitor: Visitor, now: datetime) -> WaitingRows:
    """The open daily rows (as ``ListedRow.open`` judges), of the visitor and of others; counted, not made."""
    found = _reported(session, visitor, "daily", now, rows=False)
    marks, rights = _marks(session, config, found), _rights(config, visitor)
    roles = {item.guide: config.routing.owner_of(item.groups) for item in ITEMS["daily"]}
    mine, others, oldest = 0, Counter[str](), timedelta()
    for row in found:
        for guide, role in roles.items():
            if (row["report_id"], guide) in marks or guide in row["superseded"]:
                continue
            _, for_me, _ = rights(row["target"], role)
            if for_me:
                mine, oldest = mine + 1, max(oldest, now - row["first_at"])
            else:
                others[_title(config, role)] += 1
    return WaitingRows(mine, oldest, others.total(), tuple(sorted(others)))


def acknowledge_rows(
    session: Session,
    config: Settings,
    visitor: Visitor,
    fields: Mapping[str, Sequence[str]],
    questions: Sequence[OpenQuestion],
    now: datetime,
) -> str:
    """Keep that a person went through the rows that they ticked; returns their cadence.

    Raises HTTPException, and then none is kept.
    """
    if not (ticked := dict.fromkeys(fields.get("choice", ()))):
        raise HTTPException(400, "Nothing was changed: found no row ticked, expected at least one")
    comment = remark(fields.get("comment", [""])[-1])
    windows = [*_daily(session, config, visitor, now, rows=False)]
    for asking in CHANGING:
        windows += _asked(session, config, visitor, asking, questions, now)
    listed = {row.choice: row for window in windows for row in window.rows if row.choice}
    for choice in ticked:
        if (row := listed.get(choice)) is None:
            raise HTTPException(
                404,
                "Nothing was changed: expected open rows of targets that you may see, as they were reported last",
            )
        if not row.may:
            raise HTTPException(403, f"Nothing was changed: expected a {row.who}, found {visitor.name}, who may not")
        role = row.role if row.role in visitor.roles else config.routing.owner
        report, _, guide = choice.partition(".")
        mark = {"report_id": int(report), "guide": guide, "person": visitor.person, "role": role, "comment": comment}
        if not session.rows(queries.load("dashboard/mark"), mark) and not _marked(session, mark):
            raise HTTPException(
                409, f"Nothing was changed: {row.item.title} is acknowledged already. Open the page again"
            )
    return next(window.cadence for window in windows for row in window.rows if row.choice in ticked)


def _marked(session: Session, mark: Mapping[str, Any]) -> bool:
    """Whether it is this person's own, as after a second click."""
    kept = session.rows(queries.load("dashboard/checklist_marks"), {"reports": [mark["report_id"]]})
    return any((one["guide"], one["person"]) == (mark["guide"], mark["person"]) for one in kept)


def _checklist(
    target: str,
    cadence: str,
    windows: Iterable[ListedWindow],
    silent: tuple[DueWindow, ...],
    older: Mapping[tuple[str, str], int],
    *,
    whole: bool,
) -> Checklist:
    """The latest is the calendar's; a run by hand stands first only where there is none of the calendar."""
    mine = [window for window in windows if window.target == target]
    latest = next((window for window in mine if window.kind == "calendar"), mine[0] if mine else None)
    others = tuple(window for window in mine if window is not latest and window.waits)
    earlier, folded = (others, ()) if whole else ((), others)
    return Checklist(target, cadence, latest, earlier, folded, silent, older.get((cadence, target), 0))


def _daily(
    session: Session, config: Settings, visitor: Visitor, now: datetime, *, rows: bool = True
) -> list[ListedWindow]:
    """The daily windows, the newest first; without their evidence where no ``rows`` are asked for.

    Rows are made where one is shown (the latest of a target; of one target any with an open row), else counted.
    """
    found = _reported(session, visitor, "daily", now, rows=False)
    marks, rights = _marks(session, config, found), _rights(config, visitor)
    waits = {row["report_id"]: open_rows(row, marks) for row in found}
    made = set(waits)
    if rows:
        latest = {row["target"]: row["report_id"] for row in reversed(found)}
        made = {*latest.values(), *(one for one, left in waits.items() if left and len(latest) == 1)}
        bodies = session.rows(queries.load("dashboard/checklist_rows"), {"reports": list(made)})
        said_of = {one["report_id"]: one["rows"] for one in bodies}
        found = [row | {"rows": said_of.get(row["report_id"])} for row in found]

    def listed(row: Row, item: ChecklistItem, said: Said) -> ListedRow:
        role, mark = config.routing.owner_of(item.groups), marks.get((row["report_id"], item.guide))
        if item.guide in row["superseded"]:  # a later window has done its looks: nobody is asked about it
            said = {**said, "state": GONE_BY}
        form = {} if said.get("state") == GONE_BY else _form(row, item, role, rights)
        return _evidence(config, item, said, role, (mark,) if mark else (), form)

    return [_window(row, listed) if (one := row["report_id"]) in made else _counted(row, waits[one]) for row in found]


def _asked(
    session: Session,
    config: Settings,
    visitor: Visitor,
    cadence: str,
    questions: Sequence[OpenQuestion],
    now: datetime,
) -> list[ListedWindow]:
    """The windows of a cadence that asks people, the newest first."""
    found, (purpose, group) = _reported(session, visitor, cadence, now), _ASKED[cadence]
    asked_of = {"windows": [row["id"] for row in found], "purpose": purpose}
    answers = session.rows(queries.load("dashboard/checklist_answers"), asked_of)
    marks, rights = _marks(session, config, found), _rights(config, visitor)

    def listed(row: Row, item: ChecklistItem, said: Said) -> ListedRow:
        task = TASKS.get(item.guide, "")
        role = config.maintenance.monthly.tasks[task] if task else config.routing.owner_of(item.groups)
        mine = [one for one in answers if _run(one) == _run(row) and (not task or task in one["asked"])]
        open_ = [one for one in questions if one.href.startswith(question_href(row["dag_id"], row["run_id"], group))]
        waits = tuple(one for one in open_ if not task or one.role == _title(config, role))
        told = (_mark(config, one, item.guide, task, row, said) for one in mine)
        here = None if row["interim"] else marks.get((row["report_id"], item.guide))
        shown = _evidence(config, item, said, role, tuple(one for one in (*told, here) if one))
        shown = replace(shown, asked=bool(mine), questions=waits)
        over = not row["interim"] and not waits
        return replace(shown, **_form(row, item, role, rights)) if over and (shown.open or here) else shown

    return [_window(row, listed) for row in found]


def _evidence(
    config: Settings,
    item: ChecklistItem,
    said: Said,
    role: str,
    marks: tuple[Mark, ...],
    form: Mapping[str, Any] | None = None,
) -> ListedRow:
    state, evidence = str(said.get("state", MISSING)), str(said.get("evidence", _SILENT))
    return ListedRow(item, state, evidence, role, _title(config, role), marks, **(form or {}))


def _rights(config: Settings, visitor: Visitor) -> Callable[[str, str], tuple[str, bool, bool]]:
    """Of a target's rows of a role: who may acknowledge them, whether they wait for the visitor, whether these may."""

    @cache
    def rights(target: str, role: str) -> tuple[str, bool, bool]:
        owner, mine = _title(config, role), {role, config.routing.owner} if role in visitor.unheld else {role}
        return (
            titles(config, acknowledging_roles(config, owner)),
            target in visitor.answers and bool(mine & visitor.roles),
            may_acknowledge(config, visitor, target, owner),
        )

    return rights


def _form(
    row: Row, item: ChecklistItem, role: str, rights: Callable[[str, str], tuple[str, bool, bool]]
) -> dict[str, Any]:
    """What a row has beside that can be acknowledged on this page."""
    who, mine, may = rights(row["target"], role)
    return {"who": who, "choice": f"{row['report_id']}.{item.guide}", "mine": mine, "may": may}


def _marks(session: Session, config: Settings, found: Iterable[Row]) -> dict[tuple[int, str], Mark]:
    """Report and item of the guide → who acknowledged the row on this page; an interim report takes no mark."""
    reports = {"reports": [row["report_id"] for row in found if not row["interim"]]}
    return {
        (row["report_id"], row["guide"]): Mark(
            row["person"], _title(config, row["role"]), row["marked_at"], comment=row["comment"]
        )
        for row in session.rows(queries.load("dashboard/checklist_marks"), reports)
    }


def _mark(config: Settings, answer: Row, guide: str, task: str, row: Row, said: Said) -> Mark | None:
    """What one role's answer says of a row, None where it says nothing of it."""
    if answer["person"] is None:
        return None
    yes = task in answer["approved"] if task else guide in answer["reviewed"]
    if not yes and not task:
        return None
    words = ("attested" if task else "reviewed") if yes else "declined to attest"
    checked = not yes or answer["decided_at"] < row["made_at"]
    if yes and checked:
        # The report held the answer against what was really asked, and against the evidence as it was then.
        yes = answer["person"] in (said.get("acknowledged") or ())
        words += "" if yes else ", which the report does not count,"
    role = _title(config, answer["role"])
    return Mark(answer["person"], role, answer["responded_at"], words, answer["comment"] or "", yes, checked)


def _run(row: Row) -> tuple[str, str, str]:
    """Whose a report, a plan or a sheet is."""
    return row["dag_id"], row["run_id"], row["instance"]


def _reported(session: Session, visitor: Visitor, cadence: str, now: datetime, *, rows: bool = True) -> list[Row]:
    asked = {"targets": list(visitor.targets), "cadence": cadence, "after": now - REACH[cadence], "now": now}
    return session.rows(queries.load("dashboard/checklist_windows"), asked | {"rows": rows})


def _window(row: Row, listed: Callable[[Row, ChecklistItem, Said], ListedRow]) -> ListedWindow:
    said = {one["guide"]: one for one in row["rows"] or ()}
    rows = tuple(listed(row, item, said.get(item.guide, {})) for item in ITEMS[row["cadence"]])
    return replace(_counted(row, 0), rows=rows)


def _counted(row: Row, waits: int) -> ListedWindow:
    named = {name: row[name] for name in ("target", "cadence", "kind", "due", "first_at")}
    return ListedWindow(**named, report=(row["dag_id"], row["run_id"]), rows=(), unlisted=waits)


def _title(config: Settings, role: str) -> str:
    roles = config.maintenance.roles
    return roles[role].title if role in roles else role
