"""Baselines on a real ledger: from history to an approved version that judges, and every row that does not count."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from tests.stages.proposed import LATE, both, day, done_by_hand, in_ledger
from tests.stages.proposed import shipped_configuration as shipped_configuration  # noqa: PLC0414  # every test's
from tests.stages.signing import SIGNER
from tests.stages.stage import Stage
from upkeep.areas import proposals
from upkeep.areas.baselines import change, force
from upkeep.areas.baselines import look as baselines_look
from upkeep.areas.baselines.change import write
from upkeep.areas.baselines.force import KIND, BaselinesInForce
from upkeep.areas.baselines.look import drift_since
from upkeep.areas.baselines.propose import history, proposals_from_ledger
from upkeep.areas.baselines.subjects import subjects
from upkeep.areas.health.latencies import ResponseTimes, judge
from upkeep.core.findings import Finding, Level, Sample
from upkeep.core.windows import Window, WindowKind
from upkeep.gate.permit_store import Permit, add_permit
from upkeep.gate.plan_store import StoredPlan
from upkeep.gate.plans.model import Action, Proposal, numbered
from upkeep.gate.proposing import ProposalSources
from upkeep.ledger.write import LookResult, StepRecord, add_step, open_window
from upkeep.settings.base import ROOT, ConfigError
from upkeep.settings.load import settings
from upkeep.settings.thresholds import Thresholds

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from airflow.sdk import DAG

    from upkeep.flow.operators import LookOperator

SHIPPED = settings(ROOT / "config")
CONFIG = SHIPPED.thresholds
TRUST = "trust-scorer latency"
#: Four weeks of 100 to 130 ms: median 112, MAD 6.
QUIET = [100.0, 106.0, 110.0, 112.0, 114.0, 118.0, 130.0] * 4
PROPOSED = "baseline of trust-scorer latency: 112 ms (median of 28 windows, upper 139 ms)"


def measured(stage: Stage, window: Window, *samples: Sample, state: str = "ran") -> None:
    """One try of a step of a window with these samples."""
    with stage.ledger.session() as session:
        open_window(session, window)
        record = StepRecord("performance.times", state, "", "source", window.due, looked=LookResult((), samples))
        add_step(session, window, record)


def timed(stage: Stage, values: list[float], first: int = 1, function: str = "trust-scorer") -> None:
    """The warm median of one daily window for each value, the newest ``first`` days ago."""
    for ago, value in enumerate(reversed(values), first):
        measured(stage, day(stage, ago), Sample("latency", value, "ms", function))


def proposed(stage: Stage, taken: tuple[Action, ...] = ()) -> list[Proposal]:
    """What the plan of a window would propose now."""
    with stage.ledger.session() as session:
        return proposals_from_ledger(session, stage.name, both(KIND), taken, datetime.now(UTC))


def planned(stage: Stage, found: list[Proposal] | None = None) -> StoredPlan:
    """A monthly plan of what is proposed."""
    actions, _ = numbered(proposed(stage) if found is None else found)
    assert actions
    return stage.plan(actions=actions, cadence="monthly", dag_id="maintenance_monthly")


def in_force(stage: Stage, config: Thresholds = CONFIG, back_to: datetime | None = None) -> BaselinesInForce:
    """The baselines of the stage's target, as the tasks' role reads them."""
    with stage.ledger.session() as session:
        return force.in_force(session, config, stage.name, back_to)


def told(stage: Stage, config: Thresholds = CONFIG) -> dict[str, Finding]:
    """The monthly look's findings that are not ok, by key; without those of what was never measured."""
    now = datetime.now(UTC)
    standing = in_force(stage, config, drift_since(config, now))
    with stage.ledger.session() as session:
        values = history(session, stage.name, config, now)
    found = {finding.key: finding for finding in baselines_look.found(values, standing, config, now)}
    empty = {f"baseline:{name}" for name in values if not values[name]}
    return {key: one for key, one in found.items() if one.level is not Level.OK and key not in empty}


def judged_at(stage: Stage, milliseconds: float, at: datetime | None = None) -> Finding:
    """A warm call of trust-scorer as the daily window judges it now."""
    times = {"trust-scorer": ResponseTimes((milliseconds, milliseconds))}
    (finding,) = judge(times, {}, (), at or datetime.now(UTC), SHIPPED, in_force(stage)).findings
    return finding


def approved(stage: Stage, values: list[float] = QUIET) -> StoredPlan:
    """History, plan, both approvals, apply: the next version of trust-scorer's baseline."""
    timed(stage, values)
    stored = stage.decide(planned(stage))
    outcome = stage.apply(stored)[TRUST]
    assert (outcome.state, outcome.reason) == ("done", "")
    return stored


# From history to a version ---------------------------------------------------------------------------------------


@pytest.mark.guide("G26", "G130", "fires", "silent", "holds")
def test_what_people_approve_is_in_force_and_judges(stage: Stage) -> None:
    """History proposes, two people approve, apply writes version 1 as it was hashed; then 160 ms are ok and 174 not."""
    timed(stage, QUIET)
    assert [(key, one.level) for key, one in told(stage).items()] == [(f"baseline:{TRUST}", Level.ADVISORY)]
    assert judged_at(stage, 160).level is Level.WARNING, "the guide's 150 ms"
    stored = planned(stage)
    assert [action.statement for action in stored.plan.actions] == [PROPOSED]
    stage.decide(stored)
    assert in_force(stage) == BaselinesInForce(stage.name, {}), "neither a plan nor an approval changes anything"
    assert stage.apply(stored)[TRUST].state == "done"

    version = in_force(stage).of(TRUST)
    assert version is not None
    assert (version.number, version.people) == (1, ("ann", "bob"))
    assert force.statement(version.baseline, subjects(CONFIG)[TRUST]) == PROPOSED
    assert [judged_at(stage, value).level for value in (160, 174)] == [Level.OK, Level.WARNING]
    assert "by its baseline, version 1, approved by ann and bob on 20" in judged_at(stage, 160).expected
    assert told(stage) == {} and proposed(stage) == []
    assert stage.apply(stored)[TRUST].state == "done", "applied again, nothing is written twice"
    rows = stage.ledger.ask("SELECT version, statement FROM upkeep.baselines WHERE target = %s", stage.name)
    assert rows == [(1, PROPOSED)]


@pytest.mark.guide("G26", "holds")
def test_a_profile_of_weekdays_is_approved_and_judges_its_day(stage: Stage) -> None:
    """Twelve weeks with quick weekends: 100 ms are ordinary on a workday and twice as slow on a weekend."""
    quick = [50.0 + ago % 3 if day(stage, ago).due.weekday() > 4 else 110.0 + ago % 5 for ago in range(85, 0, -1)]
    approved(stage, quick)
    version = in_force(stage).of(TRUST)
    assert version is not None and len(version.baseline.weekdays) == 7
    days = {due.weekday(): due for due in (day(stage, ago).due for ago in range(7))}
    levels = {weekday: judged_at(stage, 100, due).level for weekday, due in days.items()}
    assert [levels[weekday] for weekday in range(7)] == [Level.OK] * 5 + [Level.WARNING] * 2
    assert told(stage) == {} and proposed(stage) == []


def test_each_subject_counts_its_versions_and_one_plan_may_hold_several(stage: Stage) -> None:
    """A function, a metric and an expected metric in one plan are version 1 each; later one of them is version 2."""
    for ago in range(30, 0, -1):
        samples = (
            Sample("latency", 100.0, "ms", "trust-scorer"),
            Sample("response_time", 200.0, "ms"),
            Sample("expectation:cache_hit_ratio", 99.0, "%", "sql"),
            Sample("expectation:cache_hit_ratio", 12.0, "%", "function"),
        )
        measured(stage, day(stage, ago), *samples)
    stored = stage.decide(planned(stage))
    assert [action.statement for action in stored.plan.actions] == [
        "baseline of trust-scorer latency: 100 ms (median of 30 windows, upper 100 ms)",
        "baseline of response_time: 200 ms (median of 30 windows, upper 200 ms)",
        "baseline of cache_hit_ratio: 99 % (median of 30 windows, lower 99 %)",
    ]
    assert {outcome.state for outcome in stage.apply(stored).values()} == {"done"}
    timed(stage, [130.0] * 30)  # tries of the same windows: the newest counts
    (one,) = proposed(stage)
    assert (one.action.oid, one.action.undo) == (1, stored.plan.actions[0].statement)
    assert stage.apply(stage.decide(planned(stage)))[TRUST].state == "done"
    versions = {name: mine[0].number for name, mine in in_force(stage).versions.items()}
    assert versions == {TRUST: 2, "response_time": 1, "cache_hit_ratio": 1}


def test_another_target_keeps_its_own(stage: Stage, kept: Any, empty_database: str) -> None:
    """What people approved for one system judges no other."""
    approved(stage)
    other = Stage(kept, empty_database)
    assert in_force(other) == BaselinesInForce(other.name, {})


def test_the_monthly_plan_holds_them_first(stage: Stage) -> None:
    """Few and quick before what takes long; what is approved elsewhere is not planned again."""
    timed(stage, QUIET)
    for ago in range(30, 0, -1):
        measured(
            stage, day(stage, ago), Sample("error_rate", 0.1, "%"), Sample("latency", 112.0, "ms", "vibe-analyzer")
        )

    def kinds(cadence: str, taken: tuple[Action, ...] = ()) -> list[tuple[str, str]]:
        about = (stage.name, cadence, stage.session, stage.ledger.session, SHIPPED, datetime.now(UTC), taken)
        found, left_out, failed = proposals.collect(ProposalSources(*about))
        assert (left_out, failed) == (0, ())
        return [(one.action.kind, one.action.table) for one in found]

    monthly = kinds("monthly")
    assert monthly[:3] == [
        ("baselines", "vibe-analyzer latency"),
        ("baselines", "error_rate"),
        ("thresholds", "error_rate"),
    ]
    assert "baselines" not in {kind for kind, _ in kinds("weekly")}
    taken = tuple(replace(one.action, id="1") for one in proposed(stage))
    assert "baselines" not in {kind for kind, _ in kinds("monthly", taken)}


# History ---------------------------------------------------------------------------------------------------------


def test_history_is_one_value_a_calendar_window(stage: Stage) -> None:
    """The newest try counts and a failed one has no value; windows by hand, weekly ones and old ones are left out."""
    one = Sample("latency", 1.0, "ms", "trust-scorer")
    timed(stage, [1.0, 2.0], first=2)
    timed(stage, [3.0], first=2)
    measured(stage, day(stage, 1), replace(one, value=4.0))
    measured(stage, day(stage, 1), replace(one, value=4.0), state="failed")
    measured(stage, replace(day(stage, 2), kind=WindowKind.MANUAL, run_id="manual__1"), replace(one, value=9.0))
    measured(stage, replace(day(stage, 2), cadence="weekly"), replace(one, value=9.0))
    measured(stage, day(stage, CONFIG.baselines.history_days + 1), replace(one, value=9.0))
    measured(stage, day(stage, 4), replace(one, value=9.0, subject="vibe-analyzer"))
    with stage.ledger.session() as session:
        found = history(session, stage.name, CONFIG, datetime.now(UTC))
    assert found[TRUST] == [(day(stage, 3).due, 1.0), (day(stage, 2).due, 3.0)]


@pytest.mark.guide("G26", "fires", "silent")
def test_one_week_of_history_proposes_nothing_and_says_what_is_missing(stage: Stage) -> None:
    """Seven windows, then all but one of four weeks, then the last one."""
    timed(stage, QUIET[:7])
    assert "7 of 28 daily windows; 21 more needed" in told(stage)[f"baseline:{TRUST}"].detail
    timed(stage, QUIET[:27])
    assert proposed(stage) == []
    timed(stage, QUIET)
    assert [one.action.statement for one in proposed(stage)] == [PROPOSED]


# Drift -----------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G26", "fires", "silent")
def test_three_approved_steps_are_a_drift_until_the_first_is_long_ago(stage: Stage) -> None:
    """100 → 112 → 125 → 140 ms, each approved: a warning with the third; half a year later it is what it has been."""
    for number, (value, ago) in enumerate(((100.0, 150), (112.0, 100), (125.0, 50)), 1):
        approved(stage, [value] * 30)
        then = "UPDATE upkeep.baselines SET in_force_from = now() - %s * interval '1 day'"
        in_ledger(stage, f"{then} WHERE target = %s AND version = %s", ago, stage.name, number)
    assert told(stage) == {}, "25 % is not more than 25 %"
    approved(stage, [140.0] * 30)
    (drift,) = told(stage).values()
    assert (drift.key, drift.level) == (f"baseline:{TRUST}:drift", Level.WARNING)
    assert drift.detail.startswith("100 → 140 ms, 40 % worse than version 1 of 20")
    assert drift.detail.endswith("; 3 approved steps since")
    earlier = "UPDATE upkeep.baselines SET in_force_from = in_force_from - interval '100 days'"
    in_ledger(stage, f"{earlier} WHERE target = %s", stage.name)
    assert told(stage) == {}, "125 ms, in force until a hundred days ago, and 140 ms are 12 %"


# What is refused ---------------------------------------------------------------------------------------------------


def test_a_baseline_that_somebody_else_changed_meanwhile_is_left_alone(stage: Stage) -> None:
    """Two plans on none: the second one's precondition is gone when its turn comes."""
    timed(stage, QUIET)
    first, second = stage.decide(planned(stage)), stage.decide(planned(stage))
    assert stage.apply(first)[TRUST].state == "done"
    outcome = stage.apply(second)[TRUST]
    assert (outcome.state, outcome.reason) == (
        "refused",
        "version 1 is in force for trust-scorer latency by now, the plan was drawn up on 0",
    )
    assert stage.permits(second) == []


@pytest.mark.guide("G26", "G39-G43", "holds")
@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (PROPOSED.replace("112", "10000").replace("139", "10000"), "lets it reach 12500 ms, expected at most 300 ms"),
        (PROPOSED.replace("trust-scorer", "vibe-analyzer"), "its statement is about vibe-analyzer latency"),
        (PROPOSED.replace("trust-scorer", "gone-scorer"), "found a baseline of 'gone-scorer latency'"),
        ("DROP TABLE upkeep.baselines", "expected a baseline as"),
    ],
)
def test_an_approved_statement_outside_the_bounds_is_refused(stage: Stage, statement: str, why: str) -> None:
    """Two people approved it, and config's hard bounds still say no: nothing is written."""
    timed(stage, QUIET)
    (one,) = proposed(stage)
    stored = stage.decide(planned(stage, [Proposal(replace(one.action, statement=statement))]))
    outcome = stage.apply(stored)[TRUST]
    assert outcome.state == "refused"
    assert why in outcome.reason
    assert stage.ledger.ask("SELECT 1 FROM upkeep.baselines WHERE target = %s", stage.name) == []


def test_one_role_alone_puts_nothing_in_force(stage: Stage) -> None:
    """The other's silence refuses it."""
    timed(stage, QUIET)
    stored = stage.decide(planned(stage), {"dba": "ann"})
    assert stage.apply(stored)[TRUST].state == "refused"
    assert in_force(stage).of(TRUST) is None


# Rows that do not verify -------------------------------------------------------------------------------------------


def changed(statement: str) -> Callable[[Stage, StoredPlan], None]:
    """Change rows of a plan."""
    return lambda stage, stored: in_ledger(stage, statement, stored.digest)


ALTERED: Mapping[str, tuple[Callable[[Stage, StoredPlan], None], str]] = {
    "a slower one": (
        changed("UPDATE upkeep.baselines SET statement = replace(statement, '139', '230') WHERE digest = %s"),
        "found no such action '1' in its plan",
    ),
    "another function's": (
        changed("UPDATE upkeep.baselines SET subject = 'vibe-analyzer latency' WHERE digest = %s"),
        "found no such action '1' in its plan",
    ),
    "another action": (
        changed("UPDATE upkeep.baselines SET action_id = '7' WHERE digest = %s"),
        "found no such action '7' in its plan",
    ),
    "the plan's text": (
        changed("UPDATE upkeep.plans SET body = replace(body, '139', '230') WHERE digest = %s"),
        "whose text does not give its digest",
    ),
    "a missing decision": (
        changed("DELETE FROM upkeep.decisions WHERE digest = %s AND role = 'devops'"),
        "no answer from devops",
    ),
    "somebody who was not asked": (
        changed("UPDATE upkeep.decisions SET person = 'mallory' WHERE role = 'dba' AND digest = %s"),
        "found an answer of mallory as dba to what was not asked of them",
    ),
    "no receipt": (
        changed("DELETE FROM upkeep.receipts r USING upkeep.permits p WHERE p.id = r.permit_id AND p.digest = %s"),
        "found no receipt that says it was done under a permit",
    ),
}


@pytest.mark.guide("G26", "fires", "silent", "holds")
@pytest.mark.parametrize(("alter", "why"), ALTERED.values(), ids=ALTERED.keys())
def test_a_row_that_does_not_verify_is_ignored_and_told(
    stage: Stage, alter: Callable[[Stage, StoredPlan], None], why: str
) -> None:
    """Content with version 1; after the change the guide judges again, and the monthly look is critical about it."""
    stored = approved(stage)
    assert told(stage) == {}
    alter(stage, stored)
    assert in_force(stage).versions == {}
    assert judged_at(stage, 160).level is Level.WARNING
    rows = [one for key, one in told(stage).items() if key.startswith("baseline:row:")]
    assert [(row.level, why in row.detail) for row in rows] == [(Level.CRITICAL, True)]


def test_a_row_written_by_hand_does_not_hide_the_one_that_verifies(stage: Stage) -> None:
    """The tasks' role adds a row for a plan that nobody approved: version 1 stays in force, and version 2 is told."""
    stored = approved(stage)
    forged = replace(stored.plan.actions[0], statement=PROPOSED.replace("139", "230"), id="1")
    nobodys = stage.plan(actions=(forged,))
    with stage.ledger.session() as session:
        write(session, forged, nobodys.digest)
        write(session, forged, nobodys.digest)
    version = in_force(stage).of(TRUST)
    assert version is not None and version.number == 1
    assert "no answer from dba" in told(stage)[f"baseline:row:{TRUST}:2"].detail
    assert judged_at(stage, 174).level is Level.WARNING


def test_the_receipt_of_another_action_of_the_plan_is_none(stage: Stage) -> None:
    """Both are approved, one ran out of time and its row is written by hand: the other's receipt is no proof of it."""
    for ago in range(30, 0, -1):
        samples = (Sample("latency", 100.0, "ms", "trust-scorer"), Sample("response_time", 200.0, "ms"))
        measured(stage, day(stage, ago), *samples)
    first, second = planned(stage).plan.actions
    late = replace(first, predicted_ms=LATE)
    stored = stage.decide(stage.plan(actions=(late, second)))
    assert [outcome.state for outcome in stage.apply(stored).values()] == ["refused", "done"]
    with stage.ledger.session() as session:
        write(session, late, stored.digest)
    now = in_force(stage)
    assert {subject: mine[0].number for subject, mine in now.versions.items()} == {second.table: 1}
    assert [(row.subject, row.why) for row in now.ignored] == [
        (late.table, "found no receipt that says it was done under a permit, expected one")
    ]


def test_a_baseline_of_another_subject_is_not_that_of_the_row(stage: Stage) -> None:
    """An action about one function whose statement is another's: approved, and with a receipt, it judges neither."""
    timed(stage, QUIET)
    (one,) = planned(stage).plan.actions
    crossed = replace(one, table="vibe-analyzer latency")
    stored = stage.decide(stage.plan(actions=(crossed,)))
    done_by_hand(stage, stored, crossed.id)
    with stage.ledger.session() as session:
        write(session, crossed, stored.digest)
    now = in_force(stage)
    assert now.versions == {}
    assert [row.why for row in now.ignored] == [f"found a baseline of {TRUST}, expected one of vibe-analyzer latency"]


def test_another_targets_row_is_no_use(stage: Stage, kept: Any, empty_database: str) -> None:
    """A row copied from one system to another names an action of the first one."""
    stored = approved(stage)
    other = Stage(kept, empty_database)
    in_ledger(stage, "UPDATE upkeep.baselines SET target = %s WHERE digest = %s", other.name, stored.digest)
    (row,) = in_force(other).ignored
    assert f"found trust-scorer latency of target {stage.name!r}" in row.why


def test_bounds_that_are_narrowed_take_a_version_out_of_force(stage: Stage) -> None:
    """What was allowed when it was approved and is not now judges nothing, and is told; widened again it counts."""
    approved(stage)
    limits = {**CONFIG.baselines.limits, "trust-scorer": (40.0, 160.0)}
    narrow = CONFIG.model_copy(update={"baselines": CONFIG.baselines.model_copy(update={"limits": limits})})
    assert in_force(stage, narrow).versions == {}
    row = told(stage, narrow)[f"baseline:row:{TRUST}:1"]
    assert row.level is Level.CRITICAL
    assert "lets it reach 173.75 ms, expected at most 160 ms" in row.detail
    assert in_force(stage).of(TRUST) is not None


def test_a_function_that_is_gone_from_config_leaves_an_approved_row_behind(stage: Stage) -> None:
    """Nobody has to look who wrote it: it is said to be gone; without its approval it would be critical."""
    stored = approved(stage)
    latencies = {name: one for name, one in CONFIG.latencies.items() if name != "trust-scorer"}
    less = CONFIG.model_copy(update={"latencies": latencies})
    assert in_force(stage, less).versions == {}
    assert told(stage, less)[f"baseline:row:{TRUST}:1"].level is Level.ADVISORY
    in_ledger(stage, "DELETE FROM upkeep.decisions WHERE digest = %s", stored.digest)
    assert told(stage, less)[f"baseline:row:{TRUST}:1"].level is Level.CRITICAL


def test_the_tasks_role_can_change_no_row(stage: Stage) -> None:
    """It adds; what is there stays as it is."""
    approved(stage)
    for statement in ("UPDATE upkeep.baselines SET version = 9", "DELETE FROM upkeep.baselines"):
        with stage.ledger.session() as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.rows(statement)


@pytest.mark.parametrize("wrote", [True, False])
def test_a_permit_without_receipt_is_settled_by_what_the_ledger_shows(stage: Stage, wrote: bool) -> None:
    """The process died after the permit, with or without the row: the next go says which, and ends with version 1."""
    timed(stage, QUIET)
    stored = stage.decide(planned(stage))
    (action,) = stored.plan.actions
    with stage.ledger.session() as session:
        before = change.state(session, action)
        add_permit(session, Permit(stored.digest, action.id, 1, "a run that died", 1, before), SIGNER)
    if wrote:
        with stage.ledger.session() as session:
            write(session, action, stored.digest)
        assert in_force(stage).versions == {}, "without its receipt it does not count"
    assert stage.apply(stored)[TRUST].state == "done"
    expected = [(TRUST, 1, "done")] if wrote else [(TRUST, 1, "not done"), (TRUST, 2, "done")]
    assert stage.permits(stored) == expected
    assert [version.number for version in in_force(stage).versions[TRUST]] == [1]


# The tasks themselves ----------------------------------------------------------------------------------------------


def task_times(stage: Stage) -> Finding:
    """Trust-scorer as the daily task judges it."""
    with DAG("times", schedule=None):
        task = LookOperator(
            task_id="function_latencies",
            inspection="function_latencies",
            guide="G38",
            target=stage.name,
            cadence="daily",
        )
    window = day(stage, 0)
    (found,) = [one for one in task.look(window).findings if one.key == "latency:trust-scorer"]
    return found


def task_trigger(stage: Stage) -> Finding:
    """The scaling trigger for response times as the weekly task judges it."""
    task = LookOperator(task_id="capacity", inspection="capacity", guide="G18", target=stage.name, cadence="weekly")
    (found,) = [one for one in task.look(day(stage, 0)).findings if one.key == "capacity:response_time"]
    return found


def task_look(stage: Stage) -> dict[str, Finding]:
    """The monthly task's findings by key."""
    task = LookOperator(task_id="baselines", inspection="baselines", guide="G26", target=stage.name, cadence="monthly")
    assert "in the last 90 days" in task.describe(day(stage, 0))
    return {one.key: one for one in task.look(day(stage, 0)).findings}


@pytest.mark.guide("G26", "G39-G43", "G96", "holds")
def test_the_tasks_judge_by_what_people_approved(judged: Stage) -> None:
    """Before: the guide's number and the function's own; after: both name the version that two people approved."""
    for ago, value in enumerate(QUIET, 1):
        samples = Sample("latency", value, "ms", "trust-scorer"), Sample("response_time", 200.0, "ms")
        measured(judged, day(judged, ago), *samples)
    measured(judged, day(judged, 0), Sample("response_time", 320.0, "ms"))

    assert task_times(judged).metadata["baseline"] == 0
    assert task_trigger(judged).detail.endswith("no baseline of ours is in force (G26)")
    assert task_look(judged)["baseline:response_time"].level is Level.ADVISORY

    stored = judged.decide(planned(judged))
    assert {outcome.state for outcome in judged.apply(stored).values()} == {"done"}

    one = task_times(judged)
    assert one.metadata["baseline"] == 1
    assert "by its baseline, version 1, approved by ann and bob" in one.expected
    trigger = task_trigger(judged)
    assert trigger.level is Level.WARNING
    assert trigger.detail.startswith("160 % of the baseline: 320 ms by our baseline of 200 ms (version 1, approved by")
    assert task_look(judged)["baseline:response_time"].level is Level.OK


def test_a_ledger_of_an_older_version_is_named(judged: Stage) -> None:
    """Falling back to the guide's number would judge by what nobody can name: the tasks fail, and say what to do."""
    measured(judged, day(judged, 0), Sample("response_time", 320.0, "ms"))
    in_ledger(judged, "ALTER TABLE upkeep.baselines RENAME TO elsewhere")
    try:
        for look in (task_times, task_trigger, task_look):
            with pytest.raises(
                ConfigError, match=r"a ledger without the table upkeep\.baselines, expected one of this"
            ):
                look(judged)
    finally:
        in_ledger(judged, "ALTER TABLE upkeep.elsewhere RENAME TO baselines")
