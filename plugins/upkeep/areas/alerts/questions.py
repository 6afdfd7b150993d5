"""Questions that nobody has answered when their time is nearly over, or is: one story for each plan and sheet.

Who is asked is reminded by the sensor that waits for them; this tells everybody else, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter

from upkeep.areas.alerts.episodes import Trouble
from upkeep.areas.alerts.troubles import MOST_CAUSE, MOST_DETAIL, REACH, safe
from upkeep.core.findings import Level
from upkeep.core.units import count, utc
from upkeep.core.windows import Run
from upkeep.gate import sheets
from upkeep.gate.permits import asked_until
from upkeep.gate.plan_store import plan_of_row
from upkeep.settings.load import Settings
from upkeep.wires import queries
from upkeep.wires.database import Row, Session


def unanswered(session: Session, config: Settings, alive: Callable[[Run], bool], now: datetime) -> list[Trouble]:
    """What waits for an answer and has little time left, or had none in time, until a later window asks anew.

    ``alive`` says whether a run still goes on: one that was ended without a report asks nothing any more.
    """
    found: list[Trouble] = []
    for target in config.targets:
        rows = session.rows(queries.load("alerts/unanswered"), {"target": target, "after": now - REACH})
        for _, asked in groupby(rows, itemgetter("digest")):
            found += _of_digest(target, list(asked), config, alive, now)
    return found


def about(row: Row) -> tuple[str, datetime]:
    """What a role is asked, in words, and until when. Raises ValueError for a text that was changed in the ledger."""
    if row["purpose"] != "plan":
        sheet = sheets.parse(row["body"])
        return f"{sheet.cadence} {sheet.purpose}: {count(len(row['action_ids']), 'item')}", sheet.not_after
    plan = plan_of_row(row)
    mine = [action.verb for action in plan.actions if action.id in row["action_ids"]]
    verbs = ", ".join(f"{mine.count(verb)} × {verb}" for verb in sorted(set(mine)))
    of = f" of {len(plan.actions)}" if len(plan.actions) > len(mine) else ""
    noun = "action" if len(plan.actions) == 1 else "actions"
    return f"{plan.cadence} plan: {len(mine)}{of} {noun} ({verbs})", asked_until(plan) - plan.shortest


def _of_digest(
    target: str, rows: Sequence[Row], config: Settings, alive: Callable[[Run], bool], now: datetime
) -> Iterator[Trouble]:
    first = min(rows, key=itemgetter("shown_at"))
    try:
        said = {row["role"]: about(row) for row in rows}
    except (ValueError, KeyError, TypeError):
        return  # it was changed in the ledger: the report says so, and it is answered by nobody
    until = said[first["role"]][1]
    if now < _late(first["shown_at"], until, timedelta(minutes=config.maintenance.approval.remind_minutes)):
        return
    over = now >= until
    run = Run(first["dag_id"], first["run_id"], first["instance"])
    if (over and first["asked_anew"]) or not ((over and first["reported"]) or alive(run)):
        return
    titles = {role: config.maintenance.roles[role].title if role in config.maintenance.roles else role for role in said}
    who = " and ".join(titles.values())
    what = "; ".join(f"{titles[role]}: {words}" for role, (words, _) in said.items())
    remedy = "What needs it stays undone; a new run asks again." if over else f"Answer in Airflow, run {run.run_id}."
    yield Trouble(
        target=target,
        key=f"question:{first['digest'][:32]}",
        level=Level.WARNING,
        cause=safe(f"No answer{'' if over else ' yet'} from {who}: {first['cadence']} {first['purpose']}", MOST_CAUSE),
        detail=safe(f"Asked at {utc(first['shown_at'])} until {utc(until)}; {what}", MOST_DETAIL),
        remedy=remedy,
        members=tuple(f"question:{first['digest'][:32]}:{role}" for role in said),
        findings=len(said),
        owner=who,
        since=first["shown_at"],
        dag_id=run.dag_id,
        run_id=run.run_id,
        reminded=False,
    )


def _late(asked_at: datetime, until: datetime, remind: timedelta) -> datetime:
    """From when on it is told: so long before the end, yet not before half of the time has gone."""
    return max(until - remind, asked_at + (until - asked_at) / 2)
