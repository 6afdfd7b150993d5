"""Which looks end with the opening of their window: those that wait for nothing else and are not to run."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from upkeep.core.windows import Window, WindowKind

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from airflow.sdk import DAG, TaskGroup

    from upkeep.flow.dag import Flow
    from upkeep.flow.ends import OpenWindowOperator
    from upkeep.flow.report_data.steps import step_result

DUE = datetime(2026, 11, 8, 3, tzinfo=UTC)
WINDOW = Window(
    "primary", "weekly", WindowKind.CALENDAR, DUE, DUE + timedelta(hours=2), DUE - timedelta(7), DUE, "r", "d", "dora"
)
DEAD_ROWS, TRENDS = "evidence.optimisation.dead_rows", "evidence.trends.get_error_trends"


@pytest.fixture(scope="module")
def opened() -> OpenWindowOperator:
    """The opening of a small weekly DAG: a look at the present, one that asks about the period, and what follows."""
    flow = Flow("primary", "weekly")
    with DAG("d", schedule=None):
        first = flow.open_window()
        with TaskGroup("evidence") as evidence:
            with TaskGroup("optimisation"):
                flow.check("tables/dead_rows", guide="G54")
            with TaskGroup("trends"):
                flow.call("error-tracking", "get_error_trends", guide="G22")
        with TaskGroup("after") as after, TaskGroup("optimisation"):
            flow.check("tables/dead_rows", guide="G54", after_apply=True)
        first >> evidence >> flow.plan() >> flow.apply() >> after
    return first


def idle(
    opened: OpenWindowOperator,
    now: datetime,
    *groups: str,
    dry_run: bool = False,
    states: dict[str, str | None] | None = None,
) -> dict[str, tuple[str, str]]:
    """Step → state and reason of what is ended; ``states`` are Airflow's of the tasks."""
    ti = SimpleNamespace(dag_id="d", run_id="r", try_number=1, get_task_states=lambda **_: {"r": states or {}})
    context: Any = {"ti": ti, "params": {"groups": groups or ("optimisation", "trends"), "dry_run": dry_run}}
    return {record.step: (record.state, record.reason) for record in opened.idle(context, WINDOW, now)}


def test_a_window_in_time_with_all_its_groups_ends_nothing(opened: OpenWindowOperator) -> None:
    """Each look runs."""
    assert idle(opened, DUE) == {}


def test_a_superseded_window_ends_looks_at_the_present_and_nothing_behind_them(opened: OpenWindowOperator) -> None:
    """Plan, apply and the looks after it wait for their turn: behind a skipped one the report would begin at once."""
    state, reason = idle(opened, DUE + timedelta(8)).pop(DEAD_ROWS)
    assert (state, "window of 2026-11-15 03:00 UTC is due by now" in reason) == ("superseded", True)
    assert set(idle(opened, DUE + timedelta(8))) == {DEAD_ROWS}


def test_a_group_that_was_left_out_ends_with_its_reason(opened: OpenWindowOperator) -> None:
    """And with who left it out."""
    assert idle(opened, DUE, "trends") == {DEAD_ROWS: ("not collected", "group 'optimisation' was left out by dora")}


def test_a_dry_run_ends_each_first_look_with_what_it_would_have_asked(opened: OpenWindowOperator) -> None:
    """The first looks alone."""
    found = idle(opened, DUE, dry_run=True)
    assert set(found) == {DEAD_ROWS, TRENDS}
    assert all("dry run; would have asked: " in reason for _, reason in found.values())


@pytest.mark.parametrize("state", ["success", "failed", "running", "queued", "up_for_retry"])
def test_what_has_run_or_runs_stays_as_it_is(opened: OpenWindowOperator, state: str) -> None:
    """The opening cleared alone, weeks later: evidence that was collected is not written over with "superseded"."""
    assert idle(opened, DUE + timedelta(8), states={DEAD_ROWS: state, TRENDS: state}) == {}
    assert set(idle(opened, DUE + timedelta(8), states={DEAD_ROWS: "skipped", TRENDS: state})) == {DEAD_ROWS}


def result(state: str | None, row: dict[str, Any] | None) -> tuple[str, bool]:
    """A step's state in the report, and whether the report links to a log."""
    context: Any = {"ti": SimpleNamespace(dag_id="d", run_id="r")}
    found = step_result(context, DEAD_ROWS, state, row)
    return found.state, bool(found.log_url)


def test_the_report_links_to_no_log_of_a_look_that_never_ran(opened: OpenWindowOperator) -> None:
    """Airflow has a log of each task that was started, and of no other: not of what the opening has ended."""
    ti = SimpleNamespace(dag_id="d", run_id="r", try_number=1, get_task_states=lambda **_: {"r": {}})
    context: Any = {"ti": ti, "params": {"groups": ["trends"], "dry_run": False}}
    (ended,) = opened.idle(context, WINDOW, DUE)
    row = {**asdict(ended), "ended_at": DUE, "findings": [], "digest": ""}
    assert result("skipped", row) == ("not collected", False)
    assert result("skipped", {**row, "try_number": 1}) == ("not collected", True)  # it has said so itself
    assert result("upstream_failed", {**row, "state": "ran", "try_number": 1}) == ("failed", True)


@pytest.mark.parametrize(("state", "logged"), [(None, False), ("upstream_failed", False), ("failed", True)])
def test_a_task_without_a_record_has_a_log_if_it_was_started(state: str | None, logged: bool) -> None:
    """One that was killed has; one whose turn never came has not."""
    assert result(state, None) == ("failed", logged)
