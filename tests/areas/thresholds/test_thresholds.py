"""Thresholds on a real ledger: from history to an approved version that judges, and every row that does not count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.stages.answers import STATUS, status
from tests.stages.proposed import (
    ERRORS,
    LATE,
    PROPOSED,
    QUIET,
    ROLES,
    SHIPPED,
    day,
    days,
    done_by_hand,
    in_ledger,
    measured,
    planned,
    proposals,
)
from tests.stages.proposed import shipped_configuration as shipped_configuration  # noqa: PLC0414  # every test's
from tests.stages.signing import SIGNER, config_folder, sign_again
from tests.stages.stage import BOTH, Stage
from upkeep.areas import answers
from upkeep.areas.thresholds import change, force
from upkeep.areas.thresholds import propose as thresholds_propose
from upkeep.areas.thresholds.change import write
from upkeep.areas.thresholds.force import ThresholdsInForce
from upkeep.areas.thresholds.propose import propose
from upkeep.core.findings import Finding, Level
from upkeep.core.windows import WindowKind
from upkeep.gate.permit_store import Permit, add_permit
from upkeep.gate.plan_store import StoredPlan
from upkeep.gate.plans.model import Proposal
from upkeep.settings.base import METRICS
from upkeep.settings.load import Settings, settings

CONFIG = SHIPPED.thresholds


def in_force(stage: Stage, config: Any = CONFIG) -> ThresholdsInForce:
    """What the stage's target is judged by, as the tasks' role reads it."""
    with stage.ledger.session() as session:
        return force.in_force(session, config, stage.name)


def told(stage: Stage, config: Any = CONFIG) -> dict[str, Finding]:
    """The weekly look's findings that are not ok, by key; without those of metrics that nothing was measured of."""
    with stage.ledger.session() as session:
        values = thresholds_propose.history(session, stage.name, config, datetime.now(UTC))
        now = force.in_force(session, config, stage.name)
    found = {finding.key: finding for finding in thresholds_propose.found(values, now, config)}
    empty = {f"thresholds:{metric}" for metric in METRICS if not values[metric]}
    return {key: one for key, one in found.items() if one.level is not Level.OK and key not in empty}


def judged(stage: Stage, value: float) -> Finding:
    """The error rate as a daily call judges it now."""
    source = SHIPPED.maintenance.metrics[ERRORS]
    config: Settings = in_force(stage).over(SHIPPED)
    looked = answers.read(*STATUS, status(source.path, value), config)
    (found,) = [finding for finding in looked.findings if finding.key == f"metric:{ERRORS}"]
    return found


def second_version(stage: Stage) -> StoredPlan:
    """History, plan, both approvals, apply: version 2 of the error rate's bands."""
    days(stage, QUIET)
    stored = stage.decide(planned(stage))
    outcome = stage.apply(stored)[ERRORS]
    assert (outcome.state, outcome.reason) == ("done", "")
    return stored


# From history to a version ---------------------------------------------------------------------------------------


@pytest.mark.guide("G19", "fires", "silent", "holds")
def test_what_people_approve_is_in_force_and_the_old_version_is_kept(stage: Stage) -> None:
    """The finding proposes, two people approve, apply writes version 2 as it was hashed, the next look is content."""
    days(stage, QUIET)
    assert [(key, one.level) for key, one in told(stage).items()] == [("thresholds:error_rate", Level.ADVISORY)]
    assert in_force(stage).words == "version 1, as config/thresholds.yaml"
    stored = planned(stage)
    assert [action.statement for action in stored.plan.actions] == [PROPOSED]
    assert in_force(stage).version == 1, "a plan changes nothing"
    stage.decide(stored)
    assert in_force(stage).version == 1, "an approval changes nothing"
    assert stage.apply(stored)[ERRORS].state == "done"

    now = in_force(stage)
    assert (now.version, now.versions[ERRORS], now.versions["cpu_usage"], now.ignored) == (2, 2, 1, ())
    assert force.statement(ERRORS, now.thresholds.metrics[ERRORS]) == PROPOSED
    assert now.words.startswith("version 2, approved by ann and bob on 20")
    assert told(stage) == {} and proposals(stage) == []
    assert stored.plan.actions[0].undo == force.statement(ERRORS, CONFIG.metrics[ERRORS])
    assert stage.apply(stored)[ERRORS].state == "done", "applied again, nothing is written twice"
    rows = stage.ledger.ask("SELECT version, statement FROM upkeep.thresholds WHERE target = %s", stage.name)
    assert rows == [(2, PROPOSED)]


@pytest.mark.guide("G19", "fires", "silent")
def test_the_new_boundary_judges_and_is_named(stage: Stage) -> None:
    """0.37 % was ok and is a warning under version 2, 0.369 % is ok; each finding says by which version."""
    before = judged(stage, 0.37)
    assert (before.level, before.metadata["thresholds"]) == (Level.OK, 1)
    second_version(stage)
    for value, level in ((0.369, Level.OK), (0.37, Level.WARNING), (1.5, Level.WARNING), (1.51, Level.CRITICAL)):
        after = judged(stage, value)
        assert (after.level, after.metadata["thresholds"]) == (level, 2)
    assert judged(stage, 0.4).expected == "below 0.37 % (critical: above 1.5 %)"


def test_versions_count_up_by_target_and_the_newest_of_a_metric_is_in_force(stage: Stage) -> None:
    """Two metrics in one plan are versions 2 and 3; weeks later the first one gets version 4, and 2 stays written."""
    days(stage, [20.0] * 28, metric="cpu_usage")
    days(stage, QUIET)
    stored = stage.decide(planned(stage))
    assert {table: outcome.state for table, outcome in stage.apply(stored).items()} == {
        ERRORS: "done",
        "cpu_usage": "done",
    }
    now = in_force(stage)
    assert (now.version, now.versions[ERRORS], now.versions["cpu_usage"]) == (3, 2, 3)
    days(stage, [0.9] * 28)  # tries of the same windows: the newest counts
    assert [one.action.oid for one in proposals(stage)] == [2]
    assert stage.apply(stage.decide(planned(stage)))[ERRORS].state == "done"
    now = in_force(stage)
    assert (now.version, now.versions[ERRORS], now.versions["cpu_usage"]) == (4, 4, 3)
    written = stage.ledger.ask("SELECT version FROM upkeep.thresholds WHERE target = %s ORDER BY 1", stage.name)
    assert written == [(2,), (3,), (4,)]


def test_another_target_keeps_its_own(stage: Stage, kept: Any, empty_database: str) -> None:
    """What people approved for one system judges no other."""
    second_version(stage)
    other = Stage(kept, empty_database)
    assert (in_force(other).version, in_force(other).ignored) == (1, ())


def test_a_subset_is_approved(stage: Stage) -> None:
    """Of two proposals one is left out by one role: that one is refused, the other is in force."""
    days(stage, [20.0] * 28, metric="cpu_usage")
    days(stage, QUIET)
    stored = planned(stage)
    first, second = stored.plan.actions
    stage.decide(stored, {"dba": "ann"})
    stage.decide(stored, {"devops": "bob"}, {second.id})
    outcomes = stage.apply(stored)
    assert {outcomes[first.table].state, outcomes[second.table].state} == {"refused", "done"}
    assert outcomes[second.table].state == "done"
    assert in_force(stage).versions[first.table] == 1


# History ---------------------------------------------------------------------------------------------------------


def history(stage: Stage) -> list[float]:
    """The error rate's values, oldest first."""
    with stage.ledger.session() as session:
        return thresholds_propose.history(session, stage.name, CONFIG, datetime.now(UTC))[ERRORS]


def test_history_is_one_value_a_calendar_window(stage: Stage) -> None:
    """The newest try counts and a failed one has no value; windows by hand, weekly ones and old ones are left out."""
    measured(stage, day(stage, 3), 1.0, 2.0)
    measured(stage, day(stage, 2), 3.0)
    measured(stage, day(stage, 1), 4.0)
    measured(stage, day(stage, 1), 4.0, state="failed")
    measured(stage, replace(day(stage, 2), kind=WindowKind.MANUAL, run_id="manual__1"), 9.0)
    measured(stage, replace(day(stage, 2), cadence="weekly"), 9.0)
    measured(stage, day(stage, CONFIG.proposals.history_days + 1), 9.0)
    assert history(stage) == [2.0, 3.0]


def test_a_week_missing_is_no_obstacle_and_too_few_windows_are_one(stage: Stage) -> None:
    """Four weeks with values within five propose; one window less proposes nothing and says so."""
    days(stage, QUIET[:13])
    days(stage, QUIET[13:27], first=21)
    assert proposals(stage) == []
    assert told(stage)["thresholds:error_rate"].detail.endswith("no proposal: 27 of 28 daily windows; 1 more needed")
    measured(stage, day(stage, 35), QUIET[27])
    assert [one.action.statement for one in proposals(stage)] == [PROPOSED]


def test_what_another_plan_still_has_to_do_is_not_proposed_again(stage: Stage) -> None:
    """Approved elsewhere: left out; an action of another kind or of another metric is no reason."""
    days(stage, QUIET)
    (one,) = proposals(stage)
    taken = replace(one.action, id="1")
    assert proposals(stage, (taken,)) == []
    assert len(proposals(stage, (replace(taken, kind="optimise"), replace(taken, table="cpu_usage")))) == 1


# What is refused ---------------------------------------------------------------------------------------------------


def test_bands_that_somebody_else_changed_meanwhile_are_left_alone(stage: Stage) -> None:
    """Two plans on version 1: the second one's precondition is gone when its turn comes."""
    days(stage, QUIET)
    first, second = stage.decide(planned(stage)), stage.decide(planned(stage))
    assert stage.apply(first)[ERRORS].state == "done"
    outcome = stage.apply(second)[ERRORS]
    assert (outcome.state, outcome.reason) == (
        "refused",
        "version 2 is in force for error_rate by now, the plan was drawn up on 1",
    )
    assert stage.permits(second) == []


@pytest.mark.guide("G19", "holds")
@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("error_rate: ok [0, 3), warning [3, 5], critical (5, 100]", "found the edge of warning at 3, expected one"),
        ("cpu_usage: ok [0, 50), warning [50, 70], critical (70, 100]", "its statement is about cpu_usage"),
        ("DROP TABLE upkeep.thresholds", "expected bands of one of: "),
    ],
)
def test_an_approved_statement_outside_the_bounds_is_refused(stage: Stage, statement: str, why: str) -> None:
    """Two people approved it, and config's hard bounds still say no: nothing is written."""
    days(stage, QUIET)
    (one,) = proposals(stage)
    stored = stage.decide(planned(stage, [Proposal(replace(one.action, statement=statement))]))
    outcome = stage.apply(stored)[ERRORS]
    assert outcome.state == "refused"
    assert why in outcome.reason
    assert stage.ledger.ask("SELECT 1 FROM upkeep.thresholds WHERE target = %s", stage.name) == []


def test_a_file_that_was_changed_meanwhile_refuses(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version is still 1, but its bands are others than those the plan shows as what takes it back."""
    days(stage, QUIET)
    stored = stage.decide(planned(stage))
    folder = config_folder(tmp_path)
    file = folder / "thresholds.yaml"
    file.write_text(
        file.read_text().replace('ok: "[0, 0.5)",  warning: "[0.5, 2]"', 'ok: "[0, 0.6)", warning: "[0.6, 2]"')
    )
    monkeypatch.setenv("UPKEEP_CONFIG", str(folder))
    settings.cache_clear()
    outcome = stage.apply(stored)[ERRORS]
    assert outcome.state == "refused"
    assert "config/thresholds.yaml was changed since the plan was drawn up: error_rate: ok [0, 0.6)" in outcome.reason


# Rows that do not verify -------------------------------------------------------------------------------------------


def without(table: str) -> Callable[[Stage, StoredPlan], None]:
    """Take a plan's rows out of one of the ledger's tables."""
    statements = {
        "decision": "DELETE FROM upkeep.decisions WHERE digest = %s AND role = 'devops'",
        "receipt": "DELETE FROM upkeep.receipts r USING upkeep.permits p WHERE p.id = r.permit_id AND p.digest = %s",
    }
    return lambda stage, stored: in_ledger(stage, statements[table], stored.digest)


def changed(statement: str) -> Callable[[Stage, StoredPlan], None]:
    """Change rows of a plan."""
    return lambda stage, stored: in_ledger(stage, statement, stored.digest)


def eve_for_both(stage: Stage, stored: StoredPlan) -> None:
    """One person who holds both roles was asked for both, and answered for both."""
    in_ledger(stage, "UPDATE upkeep.shown SET asked = '{eve}' WHERE digest = %s", stored.digest)
    in_ledger(stage, "UPDATE upkeep.decisions SET person = 'eve' WHERE digest = %s", stored.digest)


ALTERED: Mapping[str, tuple[Callable[[Stage, StoredPlan], None], str]] = {
    "looser bands, outside the bounds": (
        changed("UPDATE upkeep.thresholds SET statement = replace(statement, '0.37', '1.39') WHERE digest = %s"),
        "found no such action '1' in its plan",
    ),
    "far beyond": (
        changed(
            "UPDATE upkeep.thresholds SET statement = 'error_rate: ok [0, 50), warning [50, 60], critical (60, 100]' "
            "WHERE digest = %s"
        ),
        "found the edge of warning at 50",
    ),
    "another metric's name": (
        changed("UPDATE upkeep.thresholds SET metric = 'cpu_usage' WHERE digest = %s"),
        "found no such action '1' in its plan",
    ),
    "no metric at all": (
        changed("UPDATE upkeep.thresholds SET metric = 'gpu' WHERE digest = %s"),
        "found no such action '1' in its plan",
    ),
    "another action": (
        changed("UPDATE upkeep.thresholds SET action_id = '7' WHERE digest = %s"),
        "found no such action '7' in its plan",
    ),
    "the plan's text": (
        changed("UPDATE upkeep.plans SET body = replace(body, '0.37', '0.35') WHERE digest = %s"),
        "whose text does not give its digest",
    ),
    "a missing decision": (without("decision"), "no answer from devops"),
    "a decision without this action": (
        changed("UPDATE upkeep.decisions SET action_ids = '{}' WHERE role = 'dba' AND digest = %s"),
        "ann as dba did not approve it",
    ),
    "somebody who was not asked": (
        changed("UPDATE upkeep.decisions SET person = 'mallory' WHERE role = 'dba' AND digest = %s"),
        "found an answer of mallory as dba to what was not asked of them",
    ),
    "an action that was not shown": (
        changed("UPDATE upkeep.shown SET action_ids = '{}' WHERE role = 'dba' AND digest = %s"),
        "found an answer of ann as dba to what was not asked of them",
    ),
    "an answer after the time was over": (
        changed("UPDATE upkeep.decisions SET responded_at = now() + interval '2 hours' WHERE digest = %s"),
        "the answer of ann as dba came after",
    ),
    "no receipt": (without("receipt"), "found no receipt that says it was done under a permit"),
    "a receipt that says not done": (
        changed(
            "UPDATE upkeep.receipts r SET outcome = 'not done' FROM upkeep.permits p "
            "WHERE p.id = r.permit_id AND p.digest = %s"
        ),
        "found no receipt that says it was done under a permit",
    ),
}


@pytest.mark.guide("G19", "fires", "silent", "holds")
@pytest.mark.parametrize(("alter", "why"), ALTERED.values(), ids=ALTERED.keys())
def test_a_row_that_does_not_verify_is_ignored_and_told(
    stage: Stage, alter: Callable[[Stage, StoredPlan], None], why: str
) -> None:
    """Content with version 2; after the change the file judges again, and the weekly look is critical about the row."""
    stored = second_version(stage)
    assert told(stage) == {}
    alter(stage, stored)
    now = in_force(stage)
    assert (now.version, now.thresholds) == (1, CONFIG)
    assert now.words == "version 1, as config/thresholds.yaml; 1 newer row that does not verify left out"
    assert judged(stage, 0.4).level is Level.OK
    row = told(stage)["thresholds:row:2"]
    assert (row.level, row.subject) == (Level.CRITICAL, "A thresholds row does not verify")
    assert why in row.detail


def test_the_receipt_of_another_action_of_the_plan_is_none(stage: Stage) -> None:
    """Both are approved, one ran out of time and its row is written by hand: the other's receipt is no proof of it."""
    days(stage, [20.0] * 28, metric="cpu_usage")
    days(stage, QUIET)
    first, second = planned(stage).plan.actions
    late = replace(first, predicted_ms=LATE)
    stored = stage.decide(stage.plan(actions=(late, second)))
    outcomes = stage.apply(stored)
    assert "would not end before" in outcomes[late.table].reason
    assert outcomes[second.table].state == "done"
    with stage.ledger.session() as session:
        write(session, late, stored.digest)
    now = in_force(stage)
    assert (now.versions[late.table], now.versions[second.table]) == (1, 2)
    assert [(row.metric, row.why) for row in now.ignored] == [
        (late.table, "found no receipt that says it was done under a permit, expected one")
    ]


def test_bands_of_another_metric_are_not_those_of_the_row(stage: Stage) -> None:
    """An action about one metric whose statement is another's: approved, and with a receipt, it judges neither."""
    days(stage, QUIET)
    (one,) = planned(stage).plan.actions
    crossed = replace(one, table="cpu_usage")
    stored = stage.decide(stage.plan(actions=(crossed,)))
    done_by_hand(stage, stored, crossed.id)
    with stage.ledger.session() as session:
        write(session, crossed, stored.digest)
    now = in_force(stage)
    assert (now.version, now.thresholds) == (1, CONFIG)
    assert [row.why for row in now.ignored] == ["found bands of error_rate, expected them of cpu_usage"]


def test_a_forged_newer_row_does_not_hide_the_one_that_verifies(stage: Stage) -> None:
    """The tasks' role adds a row for a plan that nobody approved: version 2 stays in force, and version 3 is told."""
    second_version(stage)
    forged = replace(proposals_of(stage, [0.9] * 28)[0].action, statement=PROPOSED.replace("0.37", "1.3"), id="1")
    stored = stage.plan(actions=(forged,))
    with stage.ledger.session() as session:
        write(session, forged, stored.digest)
        write(session, forged, stored.digest)
    now = in_force(stage)
    assert (now.version, [row.version for row in now.ignored]) == (2, [3])
    assert "no answer from dba" in told(stage)["thresholds:row:3"].detail
    assert judged(stage, 0.4).metadata["thresholds"] == 2


def proposals_of(stage: Stage, values: list[float]) -> list[Proposal]:
    """What these values alone would propose."""
    return propose({ERRORS: values}, in_force(stage), CONFIG, ROLES)


def test_bounds_that_are_narrowed_take_a_version_out_of_force(stage: Stage) -> None:
    """What was allowed when it was approved and is not now judges nothing, and is told; widened again it counts."""
    second_version(stage)
    narrow = CONFIG.bounds[ERRORS].model_copy(update={"warning": (0.4, 1.5)})
    config = CONFIG.model_copy(update={"bounds": {**CONFIG.bounds, ERRORS: narrow}})
    assert in_force(stage, config).version == 1
    assert "expected one from 0.4 to 1.5" in told(stage, config)["thresholds:row:2"].detail
    assert in_force(stage).version == 2


@pytest.mark.parametrize("table", ["shown", "decisions", "permits"])
def test_a_row_behind_it_that_was_altered_without_the_key_takes_it_out_of_force(stage: Stage, table: str) -> None:
    """What its owner alters in the ledger is named, whatever the altered row says; signed again it would count."""
    second_version(stage)
    column = {"shown": "task_id", "decisions": "comment", "permits": "run_id"}[table]
    stage.ledger.change(f"UPDATE upkeep.{table} SET {column} = 'another' WHERE digest IN"
                        " (SELECT digest FROM upkeep.thresholds WHERE target = %s)", stage.name)  # fmt: skip
    assert in_force(stage).version == 1
    assert f"found {table} row" in told(stage)["thresholds:row:2"].detail
    sign_again(stage.ledger.cluster.dsn(stage.ledger.name))
    assert in_force(stage).version == 2


def test_the_tasks_role_can_change_no_row(stage: Stage) -> None:
    """It adds; what is there stays as it is."""
    second_version(stage)
    for statement in ("UPDATE upkeep.thresholds SET version = 9", "DELETE FROM upkeep.thresholds"):
        with stage.ledger.session() as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.rows(statement)


# Deaths in between -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrote", [True, False])
def test_a_permit_without_receipt_is_settled_by_what_the_ledger_shows(stage: Stage, wrote: bool) -> None:
    """The process died after the permit, with or without the row: the next go says which, and ends with version 2."""
    days(stage, QUIET)
    stored = stage.decide(planned(stage))
    (action,) = stored.plan.actions
    with stage.ledger.session() as session:
        before = change.state(session, action)
        add_permit(session, Permit(stored.digest, action.id, 1, "a run that died", 1, before), SIGNER)
    if wrote:
        with stage.ledger.session() as session:
            write(session, action, stored.digest)
        assert in_force(stage).version == 1, "without its receipt it does not count"
    assert stage.apply(stored)[ERRORS].state == "done"
    expected = [(ERRORS, 1, "done")] if wrote else [(ERRORS, 1, "not done"), (ERRORS, 2, "done")]
    assert stage.permits(stored) == expected
    assert (in_force(stage).version, in_force(stage).ignored) == (2, ())


def test_both_people_are_named(stage: Stage) -> None:
    """In the order of the action's roles, whoever answered first."""
    days(stage, QUIET)
    stored = planned(stage)
    for role in reversed(ROLES):
        stage.decide(stored, {role: BOTH[role]})
    stage.apply(stored)
    assert in_force(stage).approved_by == ("ann", "bob")
