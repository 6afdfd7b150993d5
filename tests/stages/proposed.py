"""A stage with a history of daily windows, from which thresholds are proposed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.stages.signing import SIGNER, config_folder, sign_again
from tests.stages.stage import Stage
from upkeep.areas.thresholds.force import KIND
from upkeep.areas.thresholds.propose import proposals_from_ledger
from upkeep.core.findings import Sample
from upkeep.core.windows import Window, WindowKind
from upkeep.gate.attempts import Receipt
from upkeep.gate.permit_store import Permit, add_permit, add_receipt
from upkeep.gate.plan_store import StoredPlan
from upkeep.gate.plans.model import Action, Proposal, numbered
from upkeep.ledger.write import LookResult, StepRecord, add_step, open_window
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings

SHIPPED = settings(ROOT / "config")
ERRORS = "error_rate"
ROLES = ("dba", "devops")
DAY = timedelta(days=1)
#: Four weeks of 0.2 to 0.3 %: warning is to begin at 0.37 and critical at 1.5.
QUIET = [0.2, 0.225, 0.25, 0.25, 0.25, 0.275, 0.3] * 4
PROPOSED = "error_rate: ok [0, 0.37), warning [0.37, 1.5], critical (1.5, 100]"


@pytest.fixture(autouse=True)
def shipped_configuration(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What `settings()` reads is the shipped configuration, whatever another test left there."""
    folder = config_folder(tmp_path_factory.mktemp("shipped"))
    monkeypatch.setenv("UPKEEP_CONFIG", str(folder))
    settings.cache_clear()
    yield folder
    settings.cache_clear()


def day(stage: Stage, ago: int, **fields: Any) -> Window:
    """The calendar's daily window so many days ago."""
    due = datetime.now(UTC).replace(hour=2, minute=0, second=0, microsecond=0) - ago * DAY
    about: dict[str, Any] = {
        "kind": WindowKind.CALENDAR,
        "run_id": f"scheduled__{ago}",
        "dag_id": "maintenance_daily",
    } | fields
    return Window(
        stage.name, "daily", due=due, deadline=due + DAY / 48, period_start=due - DAY, period_end=due, **about
    )


def measured(stage: Stage, window: Window, *values: float, state: str = "ran", metric: str = ERRORS) -> None:
    """Tries of one step of a window, each with a value."""
    with stage.ledger.session() as session:
        open_window(session, window)
        for value in values:
            samples = (Sample(metric, value, "%"),)
            record = StepRecord(f"health.{metric}", state, "", "source", window.due, looked=LookResult((), samples))
            add_step(session, window, record)


def days(stage: Stage, values: list[float], metric: str = ERRORS, first: int = 1) -> None:
    """One daily window for each value, the last one ``first`` days ago."""
    for ago, value in enumerate(values, first):
        measured(stage, day(stage, ago), value, metric=metric)


def both(kind: str) -> Settings:
    """The shipped config in which both roles of the tests must agree to a kind."""
    roles = {**SHIPPED.maintenance.approval.roles, kind: ROLES}
    approval = SHIPPED.maintenance.approval.model_copy(update={"roles": roles})
    return SHIPPED.model_copy(update={"maintenance": SHIPPED.maintenance.model_copy(update={"approval": approval})})


def proposals(stage: Stage, taken: tuple[Action, ...] = ()) -> list[Proposal]:
    """What the plan of a window would propose now."""
    with stage.ledger.session() as session:
        return proposals_from_ledger(session, stage.name, both(KIND), taken, datetime.now(UTC))


def planned(stage: Stage, found: list[Proposal] | None = None) -> StoredPlan:
    """A plan of what is proposed."""
    actions, _ = numbered(proposals(stage) if found is None else found)
    assert actions
    return stage.plan(actions=actions)


def in_ledger(stage: Stage, statement: str, *values: object) -> None:
    """Change the ledger as its superuser who has the key too, whom nothing stops."""
    stage.ledger.change(statement, *values)
    sign_again(stage.ledger.cluster.dsn(stage.ledger.name))


LATE = 60 * 60_000 + 30_000  # from the plan's beginning there is room for it, from now on there is not


def done_by_hand(stage: Stage, stored: StoredPlan, key: str) -> None:
    """A permit and a receipt of one action, as the tasks' role may write them."""
    with stage.ledger.session() as session:
        permit = add_permit(session, Permit(stored.digest, key, 1, stored.plan.run_id, 1, {}), SIGNER)
        add_receipt(session, permit.row_id, Receipt("done", ""), stored.digest, SIGNER)
