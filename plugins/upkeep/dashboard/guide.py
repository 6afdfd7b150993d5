"""The page of the guide (G139): each of its items with the tasks that look, their SQL, and what they found last.

``guide.yaml`` has the items; what a task reads is said by the registry of checks. Results are the ledger's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import yaml

from upkeep.areas.registry import CHECKS, INSPECTIONS
from upkeep.core.findings import Level
from upkeep.core.windows import rounded_down
from upkeep.dashboard.page import report_href
from upkeep.report.checklist import ITEMS
from upkeep.report.model import AFTER, BEFORE
from upkeep.wires import queries
from upkeep.wires.database import Row, Session
from upkeep.wires.functions.contract import FUNCTIONS

#: How far back results are looked for, and in how many of each step's newest looks.
REACH, LOOKS = timedelta(days=100), 10
#: The chapters of the guide, each with the number of its last item.
CHAPTERS = (
    ("Schedule", 30),
    ("Health and baselines", 48),
    ("SQL", 60),
    ("Logs", 68),
    ("Security", 83),
    ("Performance and capacity", 98),
    ("Backup and recovery", 105),
    ("Alerts, people, documents", 139),
)
#: What the sections of a report are called.
SECTIONS = {
    "findings": "Findings",
    "gate": "Plan and what became of it",
    "signing": "Who signed",
    "checklist": "Checklist",
}


@dataclass(frozen=True)
class Item:
    """An item of the guide as ``guide.yaml`` has it; ``at`` names tasks or groups of them, their cadence first.

    Its result is that of the findings under its id; ``whole``: of all that its tasks find; ``like``: of another item.
    """

    guide: str
    title: str
    at: tuple[str, ...] = ()
    whole: bool = False
    like: str = ""
    section: str = "findings"
    note: str = ""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks or groups that look, as Airflow calls them."""
        return tuple(f"maintenance_{place}" for place in self.at)

    @property
    def sources(self) -> tuple[str, ...]:
        """What these tasks read, each once: files or folders of SQL, a function and its action, or what else."""
        return _sources(self.at)


@dataclass(frozen=True)
class Result:
    """What was found last of an item on a target; ``href``: its place in the report, empty where none was written.

    ``since``: a later window was to look and did not, or not with every task of a whole group; since when.
    """

    target: str
    level: Level
    due: datetime
    href: str
    since: datetime | None = None


@dataclass(frozen=True)
class ItemResults:
    """An item and its last result on each target that has one; ``missing`` are the others."""

    item: Item
    results: tuple[Result, ...]
    missing: tuple[str, ...]

    @property
    def alike(self) -> list[tuple[Result, ...]]:
        """The results of targets of which the same is said together, the worst first."""
        same: dict[tuple[Level, datetime, datetime | None], list[Result]] = {}
        for one in sorted(self.results, key=lambda one: one.level.rank):
            same.setdefault((one.level, one.due, one.since), []).append(one)
        return [tuple(group) for group in same.values()]


@cache
def items() -> tuple[Item, ...]:
    """The guide's items in their order; a row of a checklist is looked at where its evidence is."""
    rests_on = {
        row.guide: tuple(f"{cadence}.{step.rstrip('.')}" for step in row.steps)
        for cadence, rows in ITEMS.items()
        for row in rows
    }
    given = yaml.safe_load((Path(__file__).parent / "guide.yaml").read_text(encoding="utf-8"))
    return tuple(
        Item(guide, **{**one, "at": tuple(one.get("at") or rests_on.get(guide, ()))}) for guide, one in given.items()
    )


def results(session: Session, targets: Sequence[str], now: datetime) -> list[ItemResults]:
    """Each item of the guide with what was found of it last; that a look is missing is seen within five minutes."""
    hour, minutes = rounded_down(now, timedelta(hours=1)), rounded_down(now, timedelta(minutes=5))
    asked = {"after": hour - REACH, "looks": LOOKS, "now": minutes}
    statement, known = queries.load("dashboard/guide"), {item.guide: item for item in items()}
    placed = {target: _placed(session.rows(statement, {"target": target, **asked})) for target in targets}
    found = []
    for item in items():
        like = known[item.like] if item.like else item
        seen = [_result(item, like, target, placed[target]) for target in targets]
        missing = tuple(target for target, one in zip(targets, seen, strict=True) if not one)
        found.append(ItemResults(item, tuple(one for one in seen if one), missing))
    return found


def _placed(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of each item, and those of each task and of each group that it is in."""
    placed: dict[str, list[Row]] = {}
    for row in rows:
        names = f"{row['cadence']}.{row['step']}".split(".")
        for place in (row["guide"], *(".".join(names[:length]) for length in range(1, len(names) + 1))):
            placed.setdefault(place, []).append(row)
    return placed


def _result(item: Item, like: Item, target: str, placed: Mapping[str, list[Row]]) -> Result | None:
    mine = _newest(row for one in (item.at if item.whole else (like.guide,)) for row in placed.get(one, ()))
    if not mine:
        return None
    due = max(row["due"] for row in mine)
    last = [row for row in mine if row["due"] == due]
    worst = min(last, key=lambda row: Level(row["level"]).rank)
    # One that others have looked at since is not unknown, unless it needs all of them.
    unseen = any(row["unseen"] for row in mine) if item.whole else all(row["unseen"] for row in last)
    level = Level(worst["level"])
    if unseen and (level is not Level.CRITICAL or not item.whole):
        level = Level.UNKNOWN
    key = worst["key"] if item.section == "findings" else ""
    href = report_href(worst["dag_id"], worst["run_id"], key) + ("" if key else f"#{item.section}")
    since = min(row["due"] for row in mine if row["unseen"]) if unseen else None
    return Result(target, level, due, href if worst["reported"] else "", since)


def _newest(rows: Iterable[Row]) -> list[Row]:
    """Without what was looked at before a plan was applied where the look after it told how things were."""
    newest: dict[tuple[str, str, str], Row] = {}
    for row in sorted(rows, key=lambda row: (row["due"], row["step"].startswith(f"{AFTER}."))):
        name = row["step"].removeprefix(f"{BEFORE}.").removeprefix(f"{AFTER}.")
        newest[row["cadence"], name, row["guide"]] = row
    return list(newest.values())


def _within(place: str, task: str) -> bool:
    """Whether a place is this task, or in this group."""
    return place == task or place.startswith(f"{task}.")


@cache
def _sources(at: tuple[str, ...]) -> tuple[str, ...]:
    tasks = (place for item in items() for place in item.at if any(_within(place, mine) for mine in at))
    return tuple(dict.fromkeys(filter(None, map(_source, tasks))))


def _source(place: str) -> str:
    """What a task reads, by its name; empty for a group and for what reads no source of its own."""
    name = place.rpartition(".")[2]
    if name in CHECKS:
        return str(queries.source(CHECKS[name].path))
    if name in INSPECTIONS:
        return INSPECTIONS[name].source
    return next((f"{function} {name}" for function, actions in FUNCTIONS.items() if name in actions), "")


def chapters(found: Sequence[ItemResults]) -> list[tuple[str, Sequence[ItemResults]]]:
    """The items by chapter, in the guide's order."""
    firsts = (0, *(last for _, last in CHAPTERS))
    return [(name, found[first:last]) for (name, last), first in zip(CHAPTERS, firsts, strict=False)]
