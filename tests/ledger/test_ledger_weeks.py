"""What the ledger says week against week, its points for a forecast, and receipts that correct predictions."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.stages.ledger import DAY, DUE, Ledger, later, record, write
from tests.stages.ledger import book as book  # noqa: PLC0414  # a fixture
from tests.stages.ledger import window as window  # noqa: PLC0414  # a fixture
from tests.stages.signing import SIGNER
from tests.stages.weeks import connected as connected  # noqa: PLC0414  # a fixture
from tests.stages.weeks import measured, weekly, weeks
from upkeep.areas.performance import trends
from upkeep.core.findings import Finding, Level, Sample
from upkeep.core.windows import Window, WindowKind
from upkeep.gate.attempts import Receipt
from upkeep.gate.decision_store import add_decision, add_shown
from upkeep.gate.permit_store import Permit, add_permit, add_receipt, past_actions
from upkeep.gate.permits import Decision
from upkeep.gate.plan_store import StoredPlan, add_plan
from upkeep.gate.plans.model import Action, Plan
from upkeep.gate.predictions import NOTE, PastAction
from upkeep.ledger.read import answers_of_window, metric_points
from upkeep.ledger.write import FunctionAnswer, StepRecord
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.flow.operators import LookOperator
    from upkeep.flow.report_data.history import history, worth_showing


def test_each_week_has_the_latest_try_of_its_window_and_no_other_target_counts(book: Ledger, window: Window) -> None:
    """A week without a sample is missing, so is a failed one; later weeks and those before the twelve are left out."""
    for week, value in ((0, 1.0), (1, 2.0), (3, 4.0), (13, 14.0), (14, 15.0)):
        write(book, weekly(window, week), measured(99.0), measured(value))
    write(book, weekly(window, 4), measured(5.0), measured(5.0, state="failed"))
    write(book, replace(weekly(window, 12), target=f"{window.target}_other"), measured(9.0))
    write(book, weekly(window, 13), measured(3.0, step="evidence.two", subject="high"))
    assert weeks(book, weekly(window, 13)) == {"": {0: 14.0, 10: 4.0, 12: 2.0}, "high": {0: 3.0}}
    assert weeks(book, weekly(window, 0)) == {"": {0: 1.0}}


def test_of_several_windows_in_a_week_the_median_counts(book: Ledger, window: Window) -> None:
    """Seven daily windows are one number, whatever one of them saw."""
    for day, value in enumerate((1.0, 1.0, 2.0, 3.0, 999.0, 3.0, 2.0)):
        write(book, later(window, day), measured(value, "rate_limited_requests"))
    assert weeks(book, later(window, 6), "rate_limited_requests") == {"": {0: 2.0}}
    assert weeks(book, later(window, 13), "rate_limited_requests") == {"": {1: 2.0}}


def test_points_come_in_order_from_every_window_and_end_at_the_moment(book: Ledger, window: Window) -> None:
    """Parts of the metric, failed steps and other targets are not among them."""
    for day in range(3):
        write(book, later(window, day), measured(float(day), "database_bytes"))
    write(book, later(window, 3), measured(9.0, "database_bytes", state="failed"))
    write(book, later(window, 4), measured(9.0, "database_bytes", subject="part"))
    write(book, replace(window, target=f"{window.target}_other"), measured(9.0, "database_bytes"))
    with book.session() as session:
        now = session.row("SELECT clock_timestamp() AS now")["now"]
        points = metric_points(session, window.target, "database_bytes", now - DAY, now)
        middle = points[1][0]
        some = metric_points(session, window.target, "database_bytes", points[0][0], middle)
    assert [value for _, value in points] == [0.0, 1.0, 2.0] and some == [points[1]]


def test_answers_of_a_window_come_newest_first(book: Ledger, window: Window) -> None:
    """Of one action, from the steps of this window that ran."""

    def answered(body: str, action: str = "report", **changed: Any) -> StepRecord:
        return record(**{"step": "evidence.one", **changed}, answer=FunctionAnswer("f", action, body))

    write(
        book, window, answered("1"), answered("2", step="evidence.two"), answered("3", "other", step="evidence.three")
    )
    write(book, later(window, 1), answered("4"))
    with book.session() as session:
        assert answers_of_window(session, window, "f", "report") == ["2", "1"]
        assert answers_of_window(session, window, "f", "never") == []


# The steps as tasks carry them out ------------------------------------------------------------------------------


def by_key(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    """The findings by key."""
    return {finding.key: finding for finding in findings}


@pytest.mark.guide("G17", "fires", "silent")
def test_the_trends_step_compares_this_window_with_the_weeks_before(connected: Ledger, window: Window) -> None:
    """The first week has nothing to compare with; a worse one fires, the next falls silent; a missing one is said."""
    step = LookOperator(task_id="trends", inspection="trends", guide="G17", target=window.target, cadence="weekly")
    seen = []
    for week, value in ((0, 100.0), (1, 130.0), (2, 131.0), (4, 130.0)):
        write(connected, weekly(window, week), measured(value))
        seen.append(by_key(step.look(weekly(window, week)).findings)["trend:week_errors"])
    assert [finding.level for finding in seen] == [Level.OK, Level.ADVISORY, Level.OK, Level.OK]
    assert "first week, nothing to compare with" in seen[0].detail
    assert "130 errors, last week 100 errors (+30 %)" in seen[1].detail
    assert "2 weeks ago 131 errors" in seen[3].detail and "without a sample: last week" in seen[3].detail
    assert set(by_key(step.look(weekly(window, 4)).findings)) == {f"trend:{metric.name}" for metric in trends.METRICS}


def test_a_second_run_in_one_week_is_compared_with_the_week_before_and_not_with_the_first(
    connected: Ledger, window: Window
) -> None:
    """What this window measured goes before what another of the same week did."""
    step = LookOperator(task_id="trends", inspection="trends", guide="G17", target=window.target, cadence="weekly")
    write(connected, weekly(window, 0), measured(100.0))
    write(connected, weekly(window, 1), measured(500.0))
    hand = replace(
        weekly(window, 1), kind=WindowKind.MANUAL, run_id="manual__1", period_end=weekly(window, 1).due + DAY / 2
    )
    write(connected, hand, measured(104.0))
    assert "104 errors" in by_key(step.look(hand).findings)["trend:week_errors"].detail


@pytest.mark.guide("G18", "G94", "fires", "silent")
def test_the_capacity_step_reads_sizes_and_the_report_of_its_window(connected: Ledger, window: Window) -> None:
    """Two months of sizes on the ledger's clock, the function's advice from the answer that was kept."""
    mine = replace(weekly(window, 0), target="primary", run_id=f"run_{window.target}")
    step = LookOperator(task_id="capacity", inspection="capacity", guide="G18", target="primary", cadence="weekly")
    write(connected, mine)
    empty = by_key(step.look(mine).findings)
    assert {finding.level for finding in empty.values()} == {Level.UNKNOWN}
    room = 10 * 2**30
    told = {
        "report_scope": "capacity",
        "connections_percent": 80.0,
        "storage_capacity_bytes": room,
        "recommendations": [{"trigger": "connections", "advice": "Pool."}],
    }
    body = json.dumps({"success": True, "result": told})
    answer = FunctionAnswer("database-scalability", "scalability_report", body)
    sizes = tuple(Sample("database_bytes", float(2**30 + day * 50 * 2**20), "bytes") for day in range(61))
    write(connected, mine, record(step="evidence.report", answer=answer), record(step="sizes", samples=sizes))
    moved = "UPDATE upkeep.samples SET taken_at = now() - (%s - value) / %s * interval '1 day' WHERE metric = %s"
    connected.change(moved, 2**30 + 60 * 50 * 2**20, 50 * 2**20, "database_bytes")
    found = by_key(step.look(mine).findings)
    assert found["capacity:connections"].level is Level.WARNING
    assert "The function advises: Pool." in found["capacity:connections"].remedy
    assert found["capacity:storage"].level is Level.OK
    assert found["capacity:forecast"].level is Level.ADVISORY
    assert "reaches 80 % in 83 days" in found["capacity:forecast"].detail


@pytest.mark.guide("G27", "fires", "silent")
def test_the_scaling_step_reads_each_metric_and_looks_back_on_forecasts(connected: Ledger, window: Window) -> None:
    """Four months of samples on the ledger's clock: the trigger's days, three back-tests; without them UNKNOWN."""
    mine = replace(weekly(window, 0), target="primary", cadence="monthly", run_id=f"run_{window.target}")
    step = LookOperator(task_id="scaling", inspection="scaling", guide="G27", target="primary", cadence="monthly")
    write(connected, mine)
    empty = by_key(step.look(mine).findings)
    of = [empty[f"scaling:{name}"].level for name in ("connections", "response_time", "error_rate")]
    assert of == [Level.UNKNOWN] * 3
    percent = tuple(Sample("connections_used", 10 + day / 2, "%") for day in range(121))
    write(connected, mine, record(step="database.connections", samples=percent))
    moved = "UPDATE upkeep.samples SET taken_at = now() - (70 - value) * 2 * interval '1 day' WHERE metric = %s"
    connected.change(moved, "connections_used")
    found = by_key(step.look(mine).findings)
    assert found["scaling:connections"].level is Level.ADVISORY
    assert "reaches 75 % in 10 days" in found["scaling:connections"].detail
    tests = [row for row in found["scaling:backtest"].metadata["tests"] if row["metric"] == "connections_used"]
    assert found["scaling:backtest"].level is Level.OK
    assert [(row["days"], row["inside"]) for row in tests] == [(30, True), (60, True), (90, True)]
    assert found["scaling:error_rate"].level is Level.UNKNOWN


@pytest.mark.guide("G17", "holds")
def test_the_weekly_report_has_the_history_of_its_own_numbers(connected: Ledger, window: Window) -> None:
    """Those that some window has measured, with bands where the metric has some; a daily one has the six metrics."""
    write(connected, weekly(window, 0), measured(5.0), measured(90.0, "week_response_time", step="evidence.two"))
    write(connected, weekly(window, 1), measured(6.0))
    with connected.session() as session:
        bands = settings(ROOT / "config").thresholds.metrics
        shown = worth_showing(history(session, weekly(window, 1), bands), "weekly")
    assert [(one.metric, one.unit, [point.value for point in one.points]) for one in shown] == [
        ("week_response_time", "ms", [90.0, None]),
        ("week_errors", "errors", [5.0, 6.0]),
    ]
    assert shown[0].bands == settings().thresholds.metrics["response_time"] and shown[1].bands is None
    assert shown[1].guide == "G22"


# Receipts -------------------------------------------------------------------------------------------------------


def planned(
    book: Ledger, window: Window, *predicted: int, notes: dict[str, dict[str, Any]] | None = None
) -> StoredPlan:
    """A kept plan of one VACUUM for each prediction."""
    actions = tuple(
        Action(str(n), "optimise", "vacuum", "VACUUM t", "public", "t", n, "", ("dba",), "why", "lock", ms, 0)
        for n, ms in enumerate(predicted, 1)
    )
    moments = (window.due, "olga", "platform", window.due, datetime.now(UTC).replace(microsecond=0) + DAY, False)
    plan = Plan(window.target, "weekly", window.target, window.run_id, *moments, actions, instance=window.instance)
    write(book, window)
    ids = [action.id for action in actions]
    shown = {"dag_id": plan.dag_id, "run_id": plan.run_id, "task_id": "dba", "map_index": -1, "try_number": 1}
    shown |= {"role": "dba", "body_digest": "", "action_ids": ids, "asked": ["ann"]}
    with book.session() as session:
        stored = add_plan(session, window, plan, notes or {}, "")
        number = add_shown(session, window, shown | {"digest": stored.digest}, SIGNER)
        add_decision(session, stored.digest, number, Decision("dba", "ann", frozenset(ids), DUE), SIGNER)
    return stored


def done(
    book: Ledger, stored: StoredPlan, action: str, took: int | None, outcome: str = "done", attempt: int = 1
) -> None:
    """A permit and its receipt."""
    with book.session() as session:
        permit = add_permit(session, Permit(stored.digest, action, attempt, "run", 1, {}), SIGNER)
        receipt = Receipt(outcome, "", DUE, DUE, 0, took, 0)
        add_receipt(session, permit.row_id, receipt, stored.digest, SIGNER)


def took(past: list[PastAction]) -> list[tuple[str, int, int]]:
    """Verb, prediction and duration of each."""
    return [(one.verb, one.base_ms, one.actual_ms) for one in past]


def test_past_actions_are_those_that_were_done_with_what_was_predicted_before_correction(
    book: Ledger, window: Window
) -> None:
    """Not those undone, unmeasured, without a receipt, of another target, kind or time."""
    note = {"2": {NOTE: "from 1000 ms by x1.4, the median of 9 receipts"}}
    stored = planned(book, window, 100, 1400, 300, 400, 500, notes=note)
    done(book, stored, "1", None, "not done")
    done(book, stored, "1", 170, attempt=2)
    done(book, stored, "2", 1500)
    done(book, stored, "3", 9, "not done")
    done(book, stored, "4", None)
    done(book, planned(book, replace(window, target=f"{window.target}_b", run_id="b"), 7), "1", 8)
    with book.session() as session:
        now = session.row("SELECT clock_timestamp() AS now")["now"]
        past = past_actions(session, window.target, "optimise", now - DAY)
        assert sorted(took(past)) == [("vacuum", 100, 170), ("vacuum", 1000, 1500)]
        assert past_actions(session, window.target, "indexes", now - DAY) == []
        assert past_actions(session, window.target, "optimise", now + timedelta(hours=1)) == []


def test_a_plan_that_was_changed_tells_nothing_and_the_others_do(book: Ledger, window: Window) -> None:
    """A changed text is the report's finding; planning goes on."""
    first, second = planned(book, window, 100), planned(book, later(window, 7), 200)
    done(book, first, "1", 110)
    done(book, second, "1", 220)
    book.change("UPDATE upkeep.plans SET body = replace(body, 'olga', 'eve') WHERE digest = %s", first.digest)
    with book.session() as session:
        now = session.row("SELECT clock_timestamp() AS now")["now"]
        assert took(past_actions(session, window.target, "optimise", now - DAY)) == [("vacuum", 200, 220)]
