"""The weekly window's way of a missing index: told by its check, proven on the restored copy, and planned after it."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from sandbox.postgres import identity, programs
from tests.stages.dumping import Dumped
from tests.stages.proving import INDEX, refer
from tests.stages.stage import Stage
from upkeep.core.findings import Finding, Level
from upkeep.core.windows import When, Window
from upkeep.gate.plan_store import plan_of_run
from upkeep.gate.plans.model import Action
from upkeep.ledger.read import latest_steps
from upkeep.ledger.write import open_window
from upkeep.settings.load import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from airflow.sdk.exceptions import AirflowSkipException

    from upkeep.flow.operators import CheckOperator, LookOperator
    from upkeep.flow.plan import PlanOperator
    from upkeep.flow.runs import STAMP
    from upkeep.flow.step import window_of

KEY = "missing_indexes:public.many:to_one"
TRIAL = "index_trials:public.many:to_one"


@pytest.fixture
def due() -> datetime:
    """When a weekly window began that is open now."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=30)


@pytest.fixture
def dumped(judged: Stage, tmp_path: Path) -> Iterator[Path]:
    """A target with a foreign key that lacks an index, its dump, and where dumps are restored."""
    refer(judged)
    dumps, scratch = tmp_path / "dumps", tmp_path / "scratch"
    for folder in (dumps, scratch):
        folder.mkdir()
    os.chown(scratch, identity().uid, identity().gid)
    dump = Dumped(judged.dsn, dumps).take("good", "-Fd")
    rested = datetime.now(UTC).timestamp() - 120
    for file in dump.iterdir():
        os.utime(file, (rested, rested))
    yield tmp_path
    shutil.rmtree(scratch)


def configure(stage: Stage, folder: Path, due: datetime, *, restore: bool) -> None:
    """A weekly window that is open now, and the section of config."""
    file = Path(os.environ["UPKEEP_CONFIG"], "maintenance.yaml")
    config = yaml.safe_load(file.read_text())
    later = due + timedelta(days=10)  # no monthly window is open now, on whichever day this is
    config["windows"]["monthly"] |= {"cron": f"0 2 {later:%-d %-m} *", "length_minutes": 240}
    config["windows"]["weekly"] |= {"cron": f"{due:%-M %-H} * * {due:%w}", "length_minutes": 120}
    config["indexes"] |= {"advice_rows": 1000}
    dumps: dict[str, Any] = {"folder": str(folder / "dumps")}
    if restore:
        words = list(identity().prefix or ("env",))
        dumps["restore"] = {"scratch": str(folder / "scratch"), "programs": str(programs()), "run_as": words}
    config["targets"][stage.name] |= {"storage_bytes": 1024**3, "dumps": dumps}
    file.write_text(yaml.safe_dump(config))
    settings.cache_clear()


def looked(stage: Stage, due: datetime, run_id: str) -> tuple[Any, Window, dict[str, Finding]]:
    """What a run's restoration and the check after it bring, with its context and window."""
    run = SimpleNamespace(
        dag_id="maintenance_weekly",
        run_id=f"{run_id}_{stage.name}",
        run_type="scheduled",
        logical_date=due,
        run_after=due,
        conf={STAMP: stage.name},
    )
    params = {"groups": [], "dry_run": False, "when": When.NEXT.value}
    context: Any = {"dag_run": run, "params": params, "ti": SimpleNamespace(try_number=1)}
    check = CheckOperator(task_id="missing_indexes", check="indexes/missing_indexes", guide="G14", **about(stage))
    restoration = LookOperator(task_id="restoration", inspection="restoration", guide="G101", **about(stage))
    window = window_of(context, stage.name, "weekly")
    with stage.ledger.session() as session:
        open_window(session, window)
    with suppress(AirflowSkipException):
        restoration.carry_out(context, restoration.look)
    check.carry_out(context, check.look)
    with stage.ledger.session() as session:
        return context, window, {one.key: one for step in latest_steps(session, window) for one in step["findings"]}


def about(stage: Stage) -> dict[str, Any]:
    """Whose step it is."""
    return {"target": stage.name, "cadence": "weekly"}


def planned(stage: Stage, context: Any, window: Window) -> dict[str, Action]:
    """The plan that the same run draws up after it, by kind."""
    plan = PlanOperator(task_id="plan", guide="G52", **about(stage))
    plan.carry_out(context, lambda found: plan.look(context, found))
    with stage.ledger.session() as session:
        stored = plan_of_run(session, window.run)
    assert stored is not None
    assert stored.plan.failed == ()
    return {one.kind: one for one in stored.plan.actions}


@pytest.mark.guide("G14", "holds")
@pytest.mark.guide("G53", "holds")
def test_an_index_is_planned_in_the_window_whose_restoration_has_proven_it(
    judged: Stage, dumped: Path, due: datetime
) -> None:
    """The restoration says what it did, the check after it that it is proven, the plan what it would take."""
    configure(judged, dumped, due, restore=True)
    context, window, findings = looked(judged, due, "scheduled__1")
    assert findings[KEY].level is Level.ADVISORY
    assert findings[KEY].remedy == "It is proven (index_trials): a plan proposes it."
    assert findings[TRIAL].level is Level.OK, findings[TRIAL]
    assert findings[TRIAL].detail.startswith("proven; built in ")
    action = planned(judged, context, window)["missing_indexes"]
    assert (action.table, action.roles) == (INDEX, ("dba", "devops"))
    assert action.because.endswith(findings[TRIAL].detail.split("; ")[1])
    judged.do(action.statement.encode())
    _, _, findings = looked(judged, due, "scheduled__2")
    assert KEY not in findings
    assert findings["index_trials"].detail == "no foreign key of a large table lacks one: nothing to try"


def test_without_a_restoration_it_stays_advice_and_says_why(judged: Stage, dumped: Path, due: datetime) -> None:
    """Dumps are looked at, none is restored: the finding names the setting, and nothing is planned."""
    configure(judged, dumped, due, restore=False)
    context, window, findings = looked(judged, due, "scheduled__1")
    assert findings[KEY].level is Level.ADVISORY
    assert findings[KEY].remedy.startswith("Advice only, for no restoration is configured (config/maintenance.yaml: ")
    assert f"targets.{judged.name}.backups.restore" in findings[KEY].remedy
    assert "missing_indexes" not in planned(judged, context, window)
