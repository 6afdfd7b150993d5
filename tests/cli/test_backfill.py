"""`python -m upkeep backfill`: what it makes of missed windows, and of an Airflow whose real database says no.

That Airflow makes the runs is in tests/e2e.
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.postgres import Cluster
from tests.stages.config import MAIN
from tests.stages.config import config as config  # noqa: PLC0414  # a fixture
from tests.stages.ledger import Ledger, upgraded
from upkeep.areas.calendar.due import DueWindow, State

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.cli.backfill import problem, stretches
    from upkeep.flow.backfills import DagState
from upkeep.settings.base import ROOT

SUNDAY = datetime(2026, 11, 1, 3, tzinfo=UTC)


def missed(week: int) -> DueWindow:
    """The weekly window of one of the Sundays."""
    due = SUNDAY + timedelta(weeks=week)
    return DueWindow("primary", "weekly", due, due + timedelta(hours=2), State.MISSED, "")


@pytest.mark.parametrize(
    ("weeks", "expected"),
    [
        ((), []),
        ((0,), [[0]]),
        ((2, 0, 1), [[0, 1, 2]]),
        ((0, 1, 3, 4), [[0, 1], [3, 4]]),
        ((0, 2, 4), [[0], [2], [4]]),
    ],
)
def test_a_window_that_is_not_to_be_carried_out_is_not_between_two(
    weeks: tuple[int, ...], expected: list[list[int]]
) -> None:
    """One that was waived or frozen has no run either: a backfill over it would carry it out."""
    found = stretches([missed(week) for week in weeks], "weekly")
    assert [[(one.due - SUNDAY) // timedelta(weeks=1) for one in stretch] for stretch in found] == expected


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (DagState(known=False, paused=False, backfilling=False), "found no such DAG in Airflow"),
        (DagState(known=True, paused=True, backfilling=False), "found it paused, expected it unpaused"),
        (DagState(known=True, paused=False, backfilling=True), "found a backfill that has not ended"),
        (DagState(known=True, paused=False, backfilling=False), ""),
    ],
)
def test_what_airflow_could_not_do_is_said_before_it_is_asked(state: DagState, said: str) -> None:
    """The DAG's name, what was found and what was expected; nothing to say is nothing."""
    found = problem("maintenance_weekly", state)
    assert said in found
    assert bool(said) == bool(found)


#: One process after the other would import Airflow each time. What each command printed and returned, by what was so.
STORY = """
import contextlib, io, json, sys, threading
from datetime import datetime
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from upkeep.cli.main import main
from upkeep.flow import backfills

due, older = map(datetime.fromisoformat, sys.argv[1:])
told = {}

def backfill(name, *arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["backfill", *(arguments or ["weekly"])])
    told[name] = code, out.getvalue(), err.getvalue()

def run(at):
    with create_session() as session:
        kind = dict(run_type="scheduled", state="running", run_after=at)
        session.add(DagRun(dag_id="maintenance_weekly", run_id=f"scheduled__{at.isoformat()}", logical_date=at, **kind))

waits, runs_at = threading.Event(), backfills.runs_at

def asked(dag_id, dues):
    found = runs_at(dag_id, dues)
    if dues == [due]:  # it has seen both windows without a run, and waits for the last one's
        waits.set()
    return found

def later():
    waits.wait(300)
    run(due)

backfills.runs_at = asked

backfill("no DAG")
with create_session() as session:
    session.add(DagBundleModel(name="dags"))
    session.flush()
    session.add(DagModel(dag_id="maintenance_weekly", bundle_name="dags", is_paused=False, fileloc="weekly.py"))
hand = threading.Thread(target=later)
hand.start()
backfill("its own run comes")
hand.join()
run(older)
backfill("all have runs")
backfill("of nothing", "monthly")
backfill("of another target", "weekly", "--target", "other")
print(json.dumps(told))
"""


@pytest.fixture
def book(cluster: Cluster) -> Iterator[Ledger]:
    """A ledger in which no weekly window has ever run."""
    with upgraded(cluster) as found:
        yield found


def test_what_airflows_own_database_says(book: Ledger, config: Path, tmp_path: Path) -> None:
    """No such DAG; its own run comes meanwhile, and Airflow refuses the rest; none without a run; nothing missed."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    due = now - timedelta(hours=1)
    older = due - timedelta(weeks=1)
    content = yaml.safe_load((config / MAIN).read_text())
    cron = f"{due.minute} {due.hour} * * {(due.weekday() + 1) % 7}"
    content["windows"]["weekly"] = {"cron": cron, "length_minutes": 1}
    content["targets"]["primary"]["since"] = older.isoformat()
    (config / MAIN).write_text(yaml.safe_dump(content))
    since = "INSERT INTO upkeep.calendars (target, cadence, since, until) VALUES ('primary', 'weekly', %s, %s)"
    book.change(since, older, older - timedelta(minutes=1))
    environ = {
        **book.environment(tmp_path),
        "UPKEEP_CONFIG": str(config),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }

    def python(*argv: str) -> str:
        done = subprocess.run(
            [sys.executable, *argv], env=environ, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    python("-m", "airflow", "db", "migrate")
    told: dict[str, Any] = json.loads(python("-c", STORY, due.isoformat(), older.isoformat()).splitlines()[-1])
    code, out, err = told["no DAG"]
    assert (code, out.splitlines()[0]) == (1, "2 weekly windows of primary missed:")
    assert err.startswith("maintenance_weekly: found no such DAG in Airflow")
    code, out, err = told["its own run comes"]
    assert f"Airflow has made a run for {due:%Y-%m-%d %H:%M} UTC itself." in out
    assert (code, err.partition(":")[0]) == (1, "airflow backfill create")
    code, out, err = told["all have runs"]
    assert (code, err) == (0, "")
    assert out.count(" has its date: clear that one") == 2
    nothing = "No monthly window of primary is missed: there is nothing to backfill.\n"
    assert told["of nothing"] == [0, nothing, ""]
    code, out, err = told["of another target"]
    assert (code, out, err.partition(", expected")[0]) == (
        2,
        "",
        "config/maintenance.yaml: targets: found no target 'other'",
    )
