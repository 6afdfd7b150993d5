"""What the ledger says of earlier windows, on a real PostgreSQL: metrics over time, and what was found before."""

from __future__ import annotations

import secrets
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.stages.ledger import DAY, DUE, Ledger, finding, later, record, write
from upkeep.areas.health.latencies import ResponseTimes, judge, last_called
from upkeep.core.findings import Level, Sample
from upkeep.core.windows import Window, WindowKind
from upkeep.ledger.read import HISTORY, earlier_samples, metric_history, months, previous_findings, remembered
from upkeep.ledger.write import StepRecord
from upkeep.report.changes import compare
from upkeep.report.model import Report
from upkeep.settings.base import METRICS, ROOT
from upkeep.settings.load import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.flow.ends import ReportOperator


CONFIG = settings(ROOT / "config")
CPU = "cpu_usage"


def sampled(value: float, *, step: str = "health.system_status", metric: str = CPU, subject: str = "") -> StepRecord:
    """A step that measured one number."""
    return record(step=step, samples=(Sample(metric, value, "%", subject),))


def values(book: Ledger, window: Window, metric: str = CPU) -> list[tuple[int, str, float | None]]:
    """(days since the first window, kind, value) of one metric's history, oldest first."""
    with book.session() as session:
        rows = metric_history(session, window, [metric])[metric]
    return [((row["due"] - DUE).days, row["kind"], row["value"]) for row in rows]


def test_a_metric_has_a_row_for_each_window_and_none_where_it_was_not_measured(book: Ledger, window: Window) -> None:
    """Oldest first, this window last; a window whose step failed, or that has no step, has no value."""
    write(book, window, sampled(10))
    write(book, later(window, 1), record(step="health.system_status", state="failed"))
    write(book, later(window, 2))
    write(book, later(window, 3), sampled(40))
    expected = [(0, "calendar", 10.0), (1, "calendar", None), (2, "calendar", None), (3, "calendar", 40.0)]
    assert values(book, later(window, 3)) == expected
    with book.session() as session:
        first = metric_history(session, window, [CPU, "never"])
    assert first["never"] == [{**first[CPU][0], "metric": "never", "value": None}]
    assert (first[CPU][0]["due"], first[CPU][0]["period_start"]) == (DUE, DUE - DAY)


def test_the_latest_try_of_a_step_says_what_was_measured(book: Ledger, window: Window) -> None:
    """A second try replaces the first, also when it failed and measured nothing."""
    write(book, window, sampled(10), sampled(20))
    write(book, later(window, 1), sampled(30), record(step="health.system_status", state="failed"))
    assert values(book, later(window, 1)) == [(0, "calendar", 20.0), (1, "calendar", None)]


def test_of_two_steps_with_one_metric_the_later_counts_and_parts_of_a_metric_never(
    book: Ledger, window: Window
) -> None:
    """One row for each window whatever was measured; a sample with a subject is another number."""
    write(book, window, sampled(1, step="a"), sampled(2, step="b"), sampled(3, step="c", subject="part"))
    assert values(book, window) == [(0, "calendar", 2.0)]


def test_the_last_thirty_windows_are_asked_and_nothing_later_or_of_another_target(book: Ledger, window: Window) -> None:
    """Neither a later window, nor another target's, nor another cadence's."""
    for day in range(33):
        write(book, later(window, day), sampled(day))
    write(book, replace(later(window, 31), cadence="weekly"), sampled(999))
    write(book, replace(later(window, 31), target=f"other_{secrets.token_hex(4)}"), sampled(999))
    found = values(book, later(window, 31))
    assert [value for _, _, value in found] == [float(day) for day in range(2, 32)]
    assert HISTORY == len(found) == 30


def test_manual_windows_are_told_apart_and_the_window_asked_for_is_always_last(book: Ledger, window: Window) -> None:
    """Two windows of the same due time: the one that reports ends its own history."""
    by_hand = replace(window, kind=WindowKind.MANUAL, run_id="manual__1")
    write(book, by_hand, sampled(7))
    write(book, window, sampled(10))
    assert values(book, window) == [(0, "manual", 7.0), (0, "calendar", 10.0)]
    assert values(book, by_hand) == [(0, "calendar", 10.0), (0, "manual", 7.0)]


def test_a_hostile_name_of_a_metric_is_a_name(book: Ledger, window: Window) -> None:
    """Names are bound values."""
    name = "'; DROP TABLE upkeep.samples; --%s"
    write(book, window, sampled(5, metric=name))
    assert values(book, window, name) == [(0, "calendar", 5.0)]


# What was found before ------------------------------------------------------------------------------------------


def previous(book: Ledger, window: Window) -> dict[str, tuple[str, int]]:
    """Key → (level, days since the first window) of what was found before a window."""
    with book.session() as session:
        rows = previous_findings(session, window)
    assert len({(row["step"], row["key"]) for row in rows}) == len(rows)
    return {row["key"]: (row["level"].value, (row["due"] - DUE).days) for row in rows}


def test_the_findings_of_the_window_before_appear_and_disappear(book: Ledger, window: Window) -> None:
    """None before the first; then the last window's that were not ok; never this one's own or a later one's."""
    write(book, window, record(finding("a"), finding("fine", Level.OK), finding("c", Level.CRITICAL)))
    write(book, later(window, 1), record(finding("b", Level.ADVISORY)))
    write(book, later(window, 2), record())
    assert previous(book, window) == {}
    assert previous(book, later(window, 1)) == {"a": ("warning", 0), "c": ("critical", 0)}
    assert previous(book, later(window, 2)) == {"b": ("advisory", 1)}
    assert previous(book, later(window, 3)) == {}
    assert previous(book, replace(later(window, 1), target="nobody")) == {}
    assert previous(book, replace(later(window, 1), cadence="weekly")) == {}


@pytest.mark.parametrize("state", ["failed", "superseded", "not collected"])
def test_what_a_step_last_saw_is_kept_while_it_does_not_run(book: Ledger, window: Window, state: str) -> None:
    """A dry run or a failure in between forgets nothing, and another step's own look is not held back by it."""
    write(book, window, record(finding("a")), record(finding("b"), step="other"))
    failed = (finding("step:a.step", Level.UNKNOWN),) if state == "failed" else ()
    write(book, later(window, 1), record(*failed, state=state), record(step="other"))
    expected = {"a": ("warning", 0)} | ({"step:a.step": ("unknown", 1)} if failed else {})
    assert previous(book, later(window, 2)) == expected
    write(book, later(window, 2), record(finding("c")))
    assert previous(book, later(window, 3)) == {"c": ("warning", 2)}


def test_the_latest_try_says_what_was_found(book: Ledger, window: Window) -> None:
    """What only the first try saw was not there."""
    write(book, window, record(finding("a")), record(finding("b")))
    assert previous(book, later(window, 1)) == {"b": ("warning", 0)}


def test_of_one_key_the_latest_window_and_there_the_worst_level_counts(book: Ledger, window: Window) -> None:
    """A check may say the same key twice."""
    write(book, window, record(finding("a", Level.CRITICAL)))
    write(book, later(window, 1), record(finding("a"), finding("a", Level.UNKNOWN), state="failed"))
    assert previous(book, later(window, 2)) == {"a": ("unknown", 1)}


def test_ten_thousand_long_findings_come_back_short(book: Ledger, window: Window) -> None:
    """Texts are cut at 300 characters on the server."""
    many = [finding(f"k:{i}", subject="s" * 400, detail="d" * 2_000) for i in range(10_000)]
    write(book, window, record(*many))
    with book.session() as session:
        rows = previous_findings(session, later(window, 1))
    assert len(rows) == 10_000
    assert {(len(row["subject"]), len(row["detail"])) for row in rows} == {(300, 300)}


# The report's own look, gathered as the task does ---------------------------------------------------------------


def gather(book: Ledger, window: Window) -> Report:
    """What the report task puts together from the ledger, with Airflow's part played by plain values."""
    task = ReportOperator(task_id="report", target=window.target, cadence="daily")
    ti = SimpleNamespace(dag_id=window.dag_id, run_id=window.run_id, try_number=1)
    context: Any = {"ti": ti, "params": {"dry_run": False}}
    with book.session() as session:
        return task._gather(session, context, window, {"health.system_status": "success"})


@pytest.mark.guide("G1", "fires", "silent")
def test_a_late_window_is_found_by_its_own_report_and_gone_from_the_next(
    book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Advisory and new in the late one; gone in the next, which is on time; a manual one does not look."""
    monkeypatch.setenv("UPKEEP_CONFIG", str(ROOT / "config"))
    settings.cache_clear()
    now = datetime.now(UTC)
    first = Window(
        "primary", "daily", WindowKind.CALENDAR, now - DAY, now - DAY / 2, now - 2 * DAY, now - DAY, "r1", "d"
    )
    write(book, first, replace(sampled(50), started_at=now - DAY))
    one = gather(book, first)
    assert [(f.key, f.level, one.is_new(f, s)) for f, s in one.placed] == [("window:late", Level.ADVISORY, True)]
    assert [history.metric for history in one.history] == list(METRICS)
    assert [history.title for history in one.history][-1] == "CPU usage"
    assert [point.value for point in one.history[-1].points] == [50.0]
    assert one.history[-1].bands == settings().thresholds.metrics[CPU]

    second = replace(later(first, 1), run_id="r2")
    assert second.due == now
    write(book, second, replace(sampled(60), started_at=now))
    two = gather(book, replace(second, deadline=now + timedelta(hours=1)))
    assert two.own == () and two.previous == first.due
    assert [was.key for was, _ in compare(two).gone] == ["window:late"]
    assert [point.value for point in two.history[-1].points] == [50.0, 60.0]

    by_hand = replace(later(second, 1), kind=WindowKind.MANUAL, run_id="manual__1")
    write(book, by_hand)
    assert gather(book, by_hand).own == ()
    looks = book.ask("SELECT count(*) FROM upkeep.steps s WHERE step = %s AND run_id = %s", "report", "manual__1")
    assert looks == [(0,)]


# What a check remembers ----------------------------------------------------------------------------------------


def known(book: Ledger, window: Window, reach: timedelta = 30 * DAY) -> dict[str, float]:
    """Subject → value of what one step remembers before a window."""
    with book.session() as session:
        return {subject: value for (_, subject), value in remembered(session, window, "a.step", reach).items()}


def seen(subject: str, value: float, **changed: Any) -> StepRecord:
    """A step that has something to remember."""
    return record(**{"step": "a.step", **changed}, samples=(Sample("seen", value, "s", subject),))


def test_a_window_remembers_what_had_ended_when_it_begins(book: Ledger, window: Window) -> None:
    """Neither itself when it is carried out again, nor a later or an overlapping one, nor another step or target."""
    write(book, window, seen("first", 1))
    second, third = later(window, 1), later(window, 2)
    by_hand = replace(second, kind=WindowKind.MANUAL, run_id="by hand", period_start=second.period_start - DAY / 2)
    overlapping = replace(by_hand, run_id="overlaps", period_end=third.period_start + DAY / 2)
    write(book, second, seen("second", 2), seen("second", 2.5))
    write(book, second, seen("failed", 2, state="failed"), seen("another", 2, step="b.step"))
    write(book, by_hand, seen("by hand", 3))
    write(book, overlapping, seen("overlaps", 3))
    write(book, third, seen("third", 4), seen("first", 4))
    write(book, replace(window, target=f"{window.target}_other"), seen("elsewhere", 5))
    assert known(book, window) == {}
    assert known(book, second) == {"first": 1.0}
    assert known(book, third) == {"first": 1.0, "second": 2.5, "by hand": 3.0}
    assert known(book, later(window, 3)) == {
        "first": 4.0,
        "second": 2.5,
        "by hand": 3.0,
        "overlaps": 3.0,
        "third": 4.0,
    }


def test_a_backfilled_window_adds_to_memory_and_takes_nothing_from_it(book: Ledger, window: Window) -> None:
    """An older window that is carried out later than a newer one does not put its older times over it."""
    write(book, later(window, 1), seen("it", 2))
    write(book, window, seen("it", 1), seen("only then", 1))
    assert known(book, later(window, 2)) == {"it": 2.0, "only then": 1.0}


def test_memory_reaches_as_far_as_it_is_asked(book: Ledger, window: Window) -> None:
    """A period that ended exactly that long ago lies outside; a check that remembers nothing is told nothing."""
    write(book, window, seen("it", 1))
    assert known(book, later(window, 3), 2 * DAY + timedelta(microseconds=1)) == {"it": 1.0}
    assert known(book, later(window, 3), 2 * DAY) == {}
    assert known(book, later(window, 1), timedelta(0)) == {}


# Response times ---------------------------------------------------------------------------------------------------

TIMES = "performance.function_latencies"


@pytest.mark.guide("G38", "holds")
def test_a_call_that_brought_a_first_time_alone_ends_the_silence(book: Ledger, window: Window) -> None:
    """What a step recorded of an earlier window is what the next one takes for its last calls, whatever the metric."""
    looked = judge({"trust-scorer": ResponseTimes((900.0,), "found status 500")}, {}, (), DUE, CONFIG)
    assert [sample.metric for sample in looked.samples] == ["latency_cold"]
    write(book, window, record(step=TIMES, samples=looked.samples))
    now = datetime.now(UTC) + timedelta(minutes=9)
    with book.session() as session:
        called = last_called(earlier_samples(session, window.target, TIMES, now))
    again = {"trust-scorer": ResponseTimes((20.0, 20.0))}
    assert judge(again, called, (), now, CONFIG).findings[0].metadata["cold"] is False
    assert judge(again, called, (), now + timedelta(minutes=2), CONFIG).findings[0].metadata["cold"] is True


# Month against month ----------------------------------------------------------------------------------------------


def due_at(window: Window, due: datetime) -> Window:
    """The same target's window at another time."""
    return replace(window, due=due, deadline=due + DAY, period_start=due - DAY, period_end=due, run_id=f"at {due}")


def test_a_month_is_the_median_of_its_windows_and_twelve_of_them_are_asked(book: Ledger, window: Window) -> None:
    """By the windows' due times in UTC, oldest first; the thirteenth month back, later ones and parts are left out."""
    first = DUE.replace(day=1)
    for day, value in ((0, 10), (1, 20), (2, 60)):
        write(book, due_at(window, first + day * DAY), sampled(value))
    write(book, due_at(window, first - timedelta(hours=3)), sampled(5))
    write(book, due_at(window, first - 364 * DAY), sampled(1))
    write(book, due_at(window, first + 3 * DAY), sampled(99, subject="part"))
    write(book, due_at(window, first + 4 * DAY), sampled(99))
    with book.session() as session:
        found = months(session, window.target, first + 3 * DAY, [CPU, "never"])
    before = (first - DAY).replace(day=1)
    midnight = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}
    assert found == {CPU: [(before.replace(**midnight), 5.0), (first.replace(**midnight), 20.0)], "never": []}
