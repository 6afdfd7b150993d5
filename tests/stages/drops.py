"""A stage whose plan drops indexes."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import sql

from tests.stages.stage import Stage, changed
from upkeep.areas import proposals
from upkeep.core.windows import Window, WindowKind
from upkeep.gate.plan_store import StoredPlan
from upkeep.gate.plans.model import Action, Proposal, numbered
from upkeep.gate.proposing import ProposalSources
from upkeep.ledger.write import LookResult, StepRecord, add_step, open_window
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.settings.maintenance import Maintenance

SHIPPED = settings(ROOT / "config")
#: Indexes of any size, by statistics of any age.
ANY: dict[str, Any] = {"statistics_days": 0.0, "min_bytes": 0}


def config(stage: Stage) -> Maintenance:
    """The stage's config with which every unused index is proposed."""
    return changed(stage.config, indexes=ANY)


def collected(stage: Stage, *taken: Action, **given: Any) -> tuple[list[Proposal], int]:
    """What the plan's task would plan; ``config`` and ``now`` can be given."""
    asked = SHIPPED.model_copy(update={"maintenance": given.get("config") or config(stage)})
    now = given.get("now") or datetime.now(UTC)
    about = (stage.name, "weekly", stage.session, stage.ledger.session, asked, now, taken)
    found, left_out, failed = proposals.collect(ProposalSources(*about))
    assert failed == ()
    return found, left_out


def planned(stage: Stage) -> StoredPlan:
    """A plan of all proposals, not decided yet."""
    actions, measured = numbered(collected(stage)[0])
    assert set(measured) == {action.id for action in actions}
    return stage.plan(actions=actions, measured=measured)


def approved(stage: Stage) -> StoredPlan:
    """A plan of all proposals that both roles approved."""
    return stage.decide(planned(stage))


def table(stage: Stage, *statements: str, name: str = "t") -> None:
    """A table with a few rows and what is made on it."""
    stage.do(
        sql.SQL("CREATE TABLE {} AS SELECT n AS a, 'x' || n AS b FROM generate_series(1, 50) n").format(
            sql.Identifier(name)
        ),
        *(statement.encode() for statement in statements),
    )


def names(stage: Stage) -> set[str]:
    """The indexes that are there."""
    return set(definitions(stage))


def definitions(stage: Stage) -> dict[str, tuple[str, bool, str | None]]:
    """Index → how it is made, whether it is valid, its tablespace."""
    rows = stage.look(
        "SELECT i.relname, pg_get_indexdef(i.oid) AS made, x.indisvalid AS valid, s.spcname AS space"
        " FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid LEFT JOIN pg_tablespace s ON s.oid = i.reltablespace"
        " WHERE i.oid >= 16384 AND i.relnamespace <> 'pg_toast'::regnamespace"
    )
    return {row["relname"]: (row["made"], row["valid"], row["space"]) for row in rows}


def note(stage: Stage, due: datetime, step: str, snapshot: dict[str, Any]) -> None:
    """A snapshot that a step of the target's weekly window left."""
    run = secrets.token_hex(4)
    week, hour = timedelta(days=7), timedelta(hours=1)
    window = Window(
        stage.name, "weekly", WindowKind.MANUAL, due, due + hour, due - week, due, run, "maintenance_weekly"
    )
    record = StepRecord(step, "ran", "", "a test", due, looked=LookResult((), snapshot=snapshot))
    with stage.ledger.session() as session:
        open_window(session, window)
        add_step(session, window, record)
