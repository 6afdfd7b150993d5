"""What people are asked and have not answered, as the ledger knows it and Airflow still asks it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select

from upkeep.areas.alerts.questions import about
from upkeep.core.windows import instance_of
from upkeep.dashboard.page import question_href
from upkeep.dashboard.visitors import Visitor
from upkeep.gate.plan_store import plan_of_row
from upkeep.gate.plans import form
from upkeep.settings.load import Settings
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

log = logging.getLogger(__name__)

#: A task of Airflow's: DAG, run, task, map index.
Task = tuple[str, str, str, int]
#: Which run has an id now, of a DAG.
Instance = Callable[[str, str], str | None]
#: The tasks of these DAGs that wait for a person.
Waiting = Callable[[Collection[str]], frozenset[Task]]


def waiting_in_airflow(dag_ids: Collection[str]) -> frozenset[Task]:
    """What Airflow asks at this moment: a question of a run that was deleted, failed or marked is none any more."""
    query = (
        select(TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index)
        .join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
        .where(TaskInstance.dag_id.in_(dag_ids), TaskInstance.state == TaskInstanceState.AWAITING_INPUT)
    )
    with create_session() as session:
        return frozenset((row[0], row[1], row[2], row[3]) for row in session.execute(query))


def instance_in_airflow(dag_id: str, run_id: str) -> str | None:
    """Which run has this id now, as ``flow.listener`` calls it; None where none has: it was deleted."""
    query = select(DagRun.id, DagRun.created_at).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
    with create_session() as session:
        row = session.execute(query).one_or_none()
    return None if row is None else instance_of(row[0], row[1])


@dataclass(frozen=True)
class OpenQuestion:
    """One role's question: what about, until when, who may answer, and where. ``mine``: the visitor may."""

    target: str
    role: str
    about: str
    asked_at: datetime
    until: datetime
    people: tuple[str, ...]
    href: str
    mine: bool
    begins: str = ""
    changed: bool = False


def open_questions(
    session: Session, config: Settings, visitor: Visitor, waiting: frozenset[Task], now: datetime
) -> list[OpenQuestion]:
    """What waits, what the visitor may answer first, then by when the answer is due."""
    rows = session.rows(queries.load("dashboard/questions"), {"targets": list(visitor.targets), "now": now})
    found = [_question(row, config, visitor) for row in rows if _task(row) in waiting]
    return sorted((one for one in found if one.until > now), key=lambda one: (not one.mine, one.until, one.role))


def _task(row: Row) -> Task:
    return row["dag_id"], row["run_id"], row["task_id"], row["map_index"]


def _question(row: Row, config: Settings, visitor: Visitor) -> OpenQuestion:
    words, until, begins, changed = row["purpose"], row["not_after"], "", False
    try:
        words, until = about(row)
        begins = form.begins(plan_of_row(row)) if row["purpose"] == "plan" else ""
    except (ValueError, KeyError, TypeError):
        log.warning("the %s %s is not what was planned", row["purpose"], row["digest"])
        changed = True
    roles = config.maintenance.roles
    return OpenQuestion(
        target=row["target"],
        role=roles[row["role"]].title if row["role"] in roles else row["role"],
        about=words,
        asked_at=row["shown_at"],
        until=until,
        people=tuple(row["asked"]),
        href=question_href(row["dag_id"], row["run_id"], row["task_id"]),
        mine=row["role"] in visitor.roles and row["target"] in visitor.answers,
        begins=begins,
        changed=changed,
    )
