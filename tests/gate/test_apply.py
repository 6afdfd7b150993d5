"""Applying a plan on real servers: what is permitted runs once, and what is refused touches nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.stages.ledger import Ledger
from tests.stages.sessions import until
from tests.stages.signing import SIGNER
from tests.stages.stage import BOTH, HOUR, SLOW, Go, Stage, changed, states
from upkeep.gate.apply.target import LOCK
from upkeep.gate.permit_store import Permit, add_permit
from upkeep.gate.plan_store import StoredPlan, plan_of_run
from upkeep.settings.approval import Freeze, Role
from upkeep.wires.queries import FOLDER


@pytest.mark.guide("G52", "G59", "fires", "silent")
def test_what_both_roles_approved_is_done_and_is_no_candidate_any_more(stage: Stage) -> None:
    """A permit and a receipt for each action with waits, sizes, WAL, before and after; nothing is left to plan."""
    stage.dirty("dead")
    stage.do("CREATE TABLE moved (id int) WITH (autovacuum_enabled = false)", "ANALYZE moved")
    stage.do("INSERT INTO moved SELECT generate_series(1, 5000)")
    until(stage.candidates, lambda rows: len(rows) == 2)
    stored = stage.approved()
    assert [action.verb for action in stored.plan.actions] == ["vacuum", "analyze"]
    outcomes = stage.apply(stored)
    assert {table: outcome.state for table, outcome in outcomes.items()} == {"dead": "done", "moved": "done"}
    assert until(stage.candidates, lambda rows: not rows) == []
    assert stage.permits(stored) == [("dead", 1, "done"), ("moved", 1, "done")]
    vacuum, analyze = stage.receipts(stored)
    assert (vacuum["before"]["dead_rows"], vacuum["after"]["dead_rows"]) == (2000, 0)
    assert analyze["before"]["changed_rows"] == 5000
    assert analyze["after"]["changed_rows"] == 0
    assert analyze["after"]["analyze_count"] == 2
    assert vacuum["wal_bytes"] > 0
    for row in (vacuum, analyze):
        assert row["lock_wait_ms"] == 0
        assert row["duration_ms"] >= 0
        assert row["started_at"] <= row["ended_at"]
        assert row["reason"] == ""
        assert row["before"]["total_bytes"] > 0
    with stage.ledger.session() as session:
        kept = plan_of_run(session, stored.plan.run)
    assert kept is not None
    assert all(action.predicted_ms > 0 for action in kept.plan.actions)


def test_what_has_a_receipt_is_not_done_again(stage: Stage) -> None:
    """A cleared and repeated apply says done, with the first receipt, and runs nothing."""
    stage.dirty("once")
    stored = stage.approved()
    first, again = stage.apply(stored)["once"], stage.apply(stored)["once"]
    assert (again.state, again.reason) == ("done", "in an earlier try")
    assert first.receipt is not None
    assert again.receipt is not None
    assert again.receipt.duration_ms == first.receipt.duration_ms
    assert stage.vacuums() == {"once": 1}


def test_only_the_actions_that_everybody_approved_run(stage: Stage) -> None:
    """{1, 2} and {2, 3} let 2 run; each of the others says who did not approve it."""
    stage.dirty("a", "b", "c")
    stored = stage.plan()
    stage.decide(stored, {"dba": "ann"}, {"1", "2"})
    stage.decide(stored, {"devops": "bob"}, {"2", "3"})
    outcomes = stage.apply(stored)
    assert {table: outcome.state for table, outcome in outcomes.items()} == {
        "a": "refused",
        "b": "done",
        "c": "refused",
    }
    assert outcomes["a"].reason == "bob as devops did not approve it"
    assert outcomes["c"].reason == "ann as dba did not approve it"
    assert stage.permits(stored) == [("b", 1, "done")]
    assert stage.vacuums() == {"a": 0, "b": 1, "c": 0}


def test_an_action_whose_need_is_not_done_is_refused(stage: Stage) -> None:
    """What stands on a rejected action does not run, what stands on a done one does."""
    stage.dirty("a", "b", "c")
    a, b, c = stage.plan().plan.actions
    needing = (a, replace(b, needs=(a.id,)), replace(c, needs=(b.id,)))
    stored = stage.decide(stage.plan(actions=needing), ids={a.id, b.id, c.id})
    assert [outcome.state for outcome in stage.apply(stored).values()] == ["done"] * 3
    stored = stage.decide(stage.plan(actions=needing), ids={b.id, c.id})
    outcomes = stage.apply(stored)
    assert outcomes["b"].reason == "it needs 1, which is not done"
    assert outcomes["c"].reason == "it needs 2, which is not done"
    assert stage.permits(stored) == []


def test_a_need_that_failed_stops_what_stands_on_it_and_nothing_else(stage: Stage) -> None:
    """The first was tried and not done: the second, which needs it, has no permit; the third goes on."""
    stage.dirty("a", "b", "c")
    a, b, c = stage.plan().plan.actions
    stored = stage.approved(actions=(a, replace(b, needs=(a.id,)), c))
    with psycopg.connect(stage.dsn) as holder:
        holder.execute("LOCK TABLE a IN SHARE MODE")
        outcomes = stage.apply(stored)
    assert states(outcomes) == {"a": "not done", "b": "refused", "c": "done"}
    assert outcomes["b"].reason == "it needs 1, which is not done"
    assert stage.permits(stored) == [("a", 1, "not done"), ("a", 2, "not done"), ("c", 1, "done")]
    assert stage.vacuums() == {"a": 0, "b": 0, "c": 1}


def test_a_need_that_was_met_in_an_earlier_try_is_met(stage: Stage) -> None:
    """The run is cleared after its first action was done: what stands on it runs now."""
    stage.dirty("a", "b")
    a, b = stage.plan().plan.actions
    stored = stage.plan(actions=(a, replace(b, needs=(a.id,))))
    stage.decide(stored, {"dba": "ann"})
    stage.decide(stored, {"devops": "bob"})
    with psycopg.connect(stage.dsn) as holder:
        holder.execute("LOCK TABLE b IN SHARE MODE")
        assert states(stage.apply(stored)) == {"a": "done", "b": "not done"}
    assert states(stage.apply(stored)) == {"a": "done", "b": "done"}
    assert stage.vacuums() == {"a": 1, "b": 1}


NOW = datetime.now(UTC).replace(microsecond=0)
Case = tuple[dict[str, Any], dict[str, str], dict[str, Any], str]

#: What is different about the plan, who answers, config's roles and freezes: the reason.
REFUSED: dict[str, Case] = {
    "nobody answered": ({}, {}, {}, "no answer from dba by"),
    "one role is silent": ({}, {"dba": "ann"}, {}, "no answer from devops by"),
    # The ledger keeps the first yes of a person.
    "one person for two roles": (
        {},
        {"dba": "eve", "devops": "eve"},
        {},
        "no answer from devops by",
    ),  # the first stays
    "left the role": ({}, {"dba": "carl", "devops": "bob"}, {}, "carl, who approved as dba, does not hold that role"),
    "role without users": (
        {},
        BOTH,
        {"roles": {"dba": Role(title="DBA"), "devops": Role(title="DevOps", users=("bob",))}},
        "role dba has no user",
    ),
    "asked by a stranger": ({"requested_by": "mallory"}, BOTH, {}, "whom config/maintenance.yaml: people does not"),
    "frozen": (
        {},
        BOTH,
        {"freezes": (Freeze(start=NOW - HOUR, end=NOW + 24 * HOUR, reason="Holidays"),)},
        "frozen: Holidays",
    ),
    "too early": ({"not_before": NOW + HOUR, "not_after": NOW + 2 * HOUR}, BOTH, {}, "its window opens at"),
    "too late": ({"not_before": NOW - 2 * HOUR, "not_after": NOW - HOUR}, BOTH, {}, "came after"),
}


@pytest.mark.parametrize(("fields", "people", "sections", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_touches_nothing(
    stage: Stage, fields: dict[str, Any], people: dict[str, str], sections: dict[str, Any], reason: str
) -> None:
    """No permit, no statement, not even a connection to the target."""
    stage.dirty("kept")
    stored = stage.decide(stage.plan(**fields), people)
    outcome = stage.apply(
        stored,
        config=stage.config.model_copy(update=sections),
        connectors=stage.connectors(maintain=lambda: pytest.fail("connected"), watch=lambda: pytest.fail("connected")),
    )["kept"]
    assert outcome.state == "refused"
    assert reason in outcome.reason
    assert stage.permits(stored) == []
    assert stage.vacuums() == {"kept": 0}


def test_the_requester_alone_cannot_approve(stage: Stage) -> None:
    """Where one role is enough, whoever asked needs somebody else; anybody else is enough."""
    stage.dirty("kept")
    lone = tuple(replace(action, roles=("dba",)) for action in stage.plan().plan.actions)
    stored = stage.decide(stage.plan(actions=lone, requested_by="ann"), {"dba": "ann"})
    assert stage.apply(stored)["kept"].reason == "ann requested it and cannot be the only approver"
    stored = stage.decide(stage.plan(actions=lone, requested_by="ann"), {"dba": "eve"})
    assert stage.apply(stored)["kept"].state == "done"


def test_outside_the_calendar_needs_the_override_that_config_can_forbid(stage: Stage) -> None:
    """The same quorum is the override; with approval.override off nothing runs."""
    stage.dirty("kept")
    stored = stage.approved(outside=True)
    forbidding = changed(stage.config, approval={"override": False})
    assert "outside the calendar" in stage.apply(stored, config=forbidding)["kept"].reason
    assert stage.permits(stored) == []
    assert stage.apply(stored)["kept"].state == "done"


def test_what_is_not_predicted_to_end_in_time_does_not_start(stage: Stage) -> None:
    """Two actions, one of which would take longer than what is left: that one is refused, the other runs."""
    stage.dirty("long", "short")
    actions = stage.plan().plan.actions
    long = replace(actions[0], predicted_ms=2 * 3_600_000)
    stored = stage.approved(actions=(long, actions[1]))
    outcomes = stage.apply(stored)
    assert "would not end before" in outcomes["long"].reason
    assert stage.permits(stored) == [("short", 1, "done")]


def test_what_would_run_into_a_freeze_does_not_start(stage: Stage) -> None:
    """T is far away, but a freeze begins in a quarter of an hour: what ends before it runs."""
    stage.dirty("long", "short")
    actions = stage.plan().plan.actions
    stored = stage.approved(actions=(replace(actions[0], predicted_ms=1_800_000), actions[1]))
    soon = datetime.now(UTC) + HOUR / 4
    config = stage.config.model_copy(update={"freezes": (Freeze(start=soon, end=soon + 24 * HOUR, reason="Holidays"),)})
    outcomes = stage.apply(stored, config=config)
    assert "would not end before the freeze of" in outcomes["long"].reason
    assert stage.permits(stored) == [("short", 1, "done")]


def test_time_that_runs_out_while_the_permit_is_written_stops_the_statement(stage: Stage) -> None:
    """The clock is looked at once more after the permit: its receipt says not done, and nothing ran."""
    stage.dirty("kept")
    stored = stage.approved()
    late = lambda: stored.plan.not_after if stage.permits(stored) else datetime.now(UTC)  # noqa: E731
    outcome = stage.apply(stored, clock=late)["kept"]
    assert (outcome.state, outcome.reason) == ("not done", "its time was over when the permit was written")
    assert stage.permits(stored) == [("kept", 1, "not done")]
    assert stage.vacuums() == {"kept": 0}


@pytest.mark.parametrize("hours", [-1, 1])
def test_only_this_hosts_clock_decides(stage: Stage, hours: int) -> None:
    """With a clock an hour away from the servers', N and T are where that clock says; the ledger's own lock apart."""
    shifted: Callable[[], datetime] = lambda: datetime.now(UTC) + hours * HOUR  # noqa: E731
    stage.dirty("kept")
    there = shifted()
    fields = {"not_before": there - timedelta(minutes=1), "not_after": there + timedelta(minutes=20)}
    stored = stage.decide(stage.plan(**fields), at=there)
    assert "the ledger refuses a permit: by its own clock" in stage.apply(stored, clock=shifted)["kept"].reason
    with psycopg.connect(stage.ledger.dsn("owner"), autocommit=True) as owner:
        owner.execute("ALTER TABLE upkeep.permits DISABLE TRIGGER permit_holds")
        try:
            outcome = stage.apply(stored, clock=shifted)["kept"]
        finally:
            owner.execute("ALTER TABLE upkeep.permits ENABLE TRIGGER permit_holds")
    assert outcome.state == "done"
    assert outcome.receipt is not None
    assert outcome.receipt.started_at is not None
    assert outcome.receipt.started_at >= there


def test_no_statement_of_apply_asks_the_target_for_the_time() -> None:
    """Neither apply's SQL nor the catalogue's of its actions knows now()."""
    files = [*(FOLDER / "gate/apply").glob("*.sql"), *(FOLDER / "tables").glob("[dt]*.sql")]
    assert len(files) >= 8
    clocks = re.compile(r"now\s*\(|_timestamp|current_time|current_date|age\s*\(|timeofday", re.IGNORECASE)
    assert [file.name for file in files if clocks.search(file.read_text())] == []


# What nobody may change ---------------------------------------------------------------------------------------


GATE = {"plans": "body", "shown": "asked", "decisions": "person", "permits": "attempt", "receipts": "outcome"}


@pytest.mark.parametrize(("table", "column"), [*GATE.items(), ("identity", "id")])
@pytest.mark.parametrize("verb", ["UPDATE upkeep.{0} SET {1} = {1}", "DELETE FROM upkeep.{0}", "TRUNCATE upkeep.{0}"])
def test_the_tasks_role_cannot_change_what_the_gate_remembers(kept: Ledger, table: str, column: str, verb: str) -> None:
    """The five tables can be added to at most, and the identity not even that."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege), kept.session() as session:
        session.rows(verb.format(table, column))


def altered(stage: Stage, stored: StoredPlan) -> None:
    """What only the ledger's owner can do: another table in the plan's text."""
    with psycopg.connect(stage.ledger.dsn("owner")) as connection:
        done = connection.execute(
            "UPDATE upkeep.plans SET body = replace(body, 'kept', 'lost') WHERE digest = %s", [stored.digest]
        )
        assert done.rowcount == 1


def test_a_plan_that_was_altered_in_the_ledger_is_not_read(stage: Stage) -> None:
    """Its text no longer gives its digest, and reading it says so."""
    stage.dirty("kept")
    stored = stage.approved()
    altered(stage, stored)
    with pytest.raises(ValueError, match="does not give its digest"), stage.ledger.session() as session:
        plan_of_run(session, stored.plan.run)


def test_a_permit_of_an_altered_plan_stops_everything_on_that_target(stage: Stage) -> None:
    """What a process left under a plan that is no longer the approved one cannot be told: a person must look."""
    stage.dirty("kept")
    first, second = stage.approved(), stage.approved()
    with stage.ledger.session() as session:
        before = {"vacuum_count": 0, "analyze_count": 0}
        add_permit(session, Permit(first.digest, "1", 1, "run", 1, before), SIGNER)
    altered(stage, first)
    outcome = stage.apply(second)["kept"]
    assert outcome.state == "refused"
    assert "was changed in the ledger" in outcome.reason
    assert stage.vacuums() == {"kept": 0}


def test_another_plan_under_an_approved_digest_is_refused(stage: Stage) -> None:
    """Apply takes the plan whose digest people approved, and no other."""
    stage.dirty("kept", "other")
    stored = stage.approved()
    swapped = replace(stored.plan.actions[0], statement="DROP TABLE public.kept")
    forged = replace(stored, plan=replace(stored.plan, actions=(swapped, *stored.plan.actions[1:])))
    outcomes = stage.apply(forged)
    assert all("it is not the one people approved" in outcome.reason for outcome in outcomes.values())
    assert stage.vacuums() == {"kept": 0, "other": 0}


# Two at once --------------------------------------------------------------------------------------------------


@pytest.mark.guide("X9", "holds")
def test_two_processes_at_once_make_one_mutation_each(stage: Stage, tmp_path: Path) -> None:
    """Both end well, each action has one permit, and each table was vacuumed once."""
    stage.dirty("a", "b", "c", "d")
    stored = stage.approved()
    processes = [stage.process(stored, tmp_path / str(number)) for number in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    logs = [(tmp_path / str(number) / "log").read_text() for number in range(2)]
    assert all(re.findall(r"OUTCOME (.) done\n", log) == list("abcd") for log in logs), logs
    assert stage.permits(stored) == [(table, 1, "done") for table in "abcd"]
    assert stage.vacuums() == {"a": 1, "b": 1, "c": 1, "d": 1}


@pytest.mark.guide("X9", "holds")
def test_another_plan_waits_for_the_lock_of_a_target_and_is_refused_with_its_words(
    stage: Stage, tmp_path: Path
) -> None:
    """Two plans share no row of the ledger: the lock alone keeps the second from what a process does for the first."""
    stage.dirty("slow")
    first, second = stage.approved(), stage.approved()
    process = stage.process(first, tmp_path, changed(stage.config, optimise=SLOW))
    (pid,) = stage.until_running("VACUUM%slow")
    name = stage.look("SELECT application_name AS name FROM pg_stat_activity WHERE pid = %s", pid)[0]["name"]
    impatient = changed(stage.config, guards={"patience_seconds": 0.5})
    outcome = stage.apply(second, config=impatient)["slow"]
    assert (outcome.state, outcome.reason) == (
        "refused",
        f"another maintenance holds this target's lock: PID {pid} ({name})",
    )
    assert stage.permits(second) == []
    stage.do(f"SELECT pg_cancel_backend({pid})".encode())
    assert process.wait(60) == 0
    assert stage.permits(first) == [("slow", 1, "not done")]
    assert stage.vacuums() == {"slow": 0}


@pytest.mark.guide("X9", "holds")
def test_who_waits_for_the_lock_goes_on_when_it_is_free(stage: Stage) -> None:
    """Nothing is done and no permit is written meanwhile; afterwards the lock is taken, used and given back."""
    stage.dirty("kept")
    stored = stage.approved()
    waiting = "query LIKE '%%pg_try_advisory_lock%%' AND pid NOT IN (%s, pg_backend_pid())"
    asking = f"SELECT 1 AS x FROM pg_stat_activity WHERE {waiting}"
    with psycopg.connect(stage.dsn, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        go = Go(lambda: stage.apply(stored))
        until(lambda: stage.look(asking, holder.info.backend_pid))
        assert stage.permits(stored) == []
        assert stage.vacuums() == {"kept": 0}
        holder.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        assert go.result()["kept"].state == "done"
        until(lambda: holder.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone() == (True,))
    assert stage.vacuums() == {"kept": 1}


def test_a_permit_that_somebody_else_wrote_is_not_used(stage: Stage) -> None:
    """A permit that appears between looking and writing belongs to another: this action is left to them."""
    stage.dirty("kept")
    stored = stage.approved()
    looked = 0

    def clock() -> datetime:
        nonlocal looked
        looked += 1
        if looked == 2:  # after the permits were read, before ours is written
            with stage.ledger.session() as session:
                before = {"vacuum_count": 0, "analyze_count": 0}
                add_permit(session, Permit(stored.digest, "1", 1, "elsewhere", 1, before), SIGNER)
        return datetime.now(UTC)

    outcome = stage.apply(stored, clock=clock)["kept"]
    assert (outcome.state, outcome.reason) == ("refused", "another process holds the permit for attempt 1")
    assert stage.vacuums() == {"kept": 0}


def test_a_plan_without_an_action_is_applied_by_doing_nothing(stage: Stage) -> None:
    """No outcome, no connection."""
    stored = stage.plan()
    assert stored.plan.actions == ()
    assert stage.apply(stored, connectors=stage.connectors(maintain=lambda: pytest.fail("connected"))) == {}
