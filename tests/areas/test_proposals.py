"""Each kind proposes on its own: what fails for one is an UNKNOWN of the plan, and the others' actions are in it."""

from __future__ import annotations

import secrets
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.stages.drops import note
from tests.stages.platform import login
from tests.stages.proposed import PROPOSED, QUIET, days
from tests.stages.sessions import to, until
from tests.stages.stage import HOUR, Stage, changed
from upkeep.areas import proposals
from upkeep.areas.kinds import kinds as known
from upkeep.areas.look import Look, carry_out
from upkeep.areas.proposals import CollectedProposals
from upkeep.areas.registry import find
from upkeep.core.findings import Finding, Level
from upkeep.core.windows import Authority
from upkeep.gate.plans.form import body
from upkeep.gate.plans.model import Plan, numbered
from upkeep.gate.proposing import ProposalSources
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings
from upkeep.settings.values import TableName
from upkeep.wires import database
from upkeep.wires.database import Session

SHIPPED = settings(ROOT / "config")


@pytest.fixture
def worn(stage: Stage) -> Stage:
    """A target with a proposal of each of the week's three kinds, and a constraint to validate."""
    stage.dirty("dead")
    stage.do(
        "CREATE TABLE t (a int, b int)",
        "CREATE INDEX idle ON t (b)",  # not of a: counting the rows that break the constraint would read by it
        "ALTER TABLE t ADD CONSTRAINT positive CHECK (a > 0) NOT VALID",
    )
    days(stage, QUIET)
    return stage


def config(stage: Stage) -> Settings:
    """Every unused index counts, and no lock is waited for long."""
    waits = {"lock_timeout_seconds": 0.3}
    main = changed(stage.config, indexes={"statistics_days": 0.0, "min_bytes": 0}, sql=waits)
    return SHIPPED.model_copy(update={"maintenance": main})


def collected(stage: Stage, cadence: str = "weekly", **given: Any) -> CollectedProposals:
    """What the plan's task would plan; ``target`` can be another way to it."""
    asked = config(stage)

    def ledger() -> AbstractContextManager[Session]:
        return database.session(to(stage.ledger.dsn("tasks")), asked.maintenance.sql, read_only=True)

    target = given.get("target") or stage.session
    return proposals.collect(
        ProposalSources(stage.name, cadence, target, ledger, asked, datetime.now(UTC), given.get("taken", ()))
    )


def kinds(found: CollectedProposals) -> list[str]:
    """The kinds of the actions, in their order."""
    return list(dict.fromkeys(one.action.kind for one in found.proposals))


def of_the_target() -> list[str]:
    """The week's kinds that look at the target: all but those kept in the ledger, and the canary, which is off."""
    return [name for name, kind in known().items() if "weekly" in kind.cadences and not kind.write and name != "canary"]


def findings(stage: Stage, found: CollectedProposals) -> tuple[Finding, ...]:
    """What the plan's step says of those that could not propose, of the plan as the ledger gives it back."""
    stored = stage.plan(actions=numbered(found.proposals)[0], failed=found.failed)
    assert stored.plan.failed == found.failed
    return proposals.unknowns(stored.plan)


def test_a_right_that_is_missing_costs_one_kind(worn: Stage) -> None:
    """The others' actions are in the plan; one UNKNOWN names kind, Connection and cause, until it is granted."""
    with login(worn.ledger.cluster, worn.dsn, f"reads_{secrets.token_hex(4)}") as reader:

        def target() -> AbstractContextManager[Session]:
            return database.session(to(reader), config(worn).maintenance.sql, read_only=True)

        worn.do("REVOKE SELECT ON pg_catalog.pg_stat_replication FROM PUBLIC")
        found = collected(worn, target=target)
        assert kinds(found) == ["thresholds", "optimise"]
        (finding,) = findings(worn, found)
        assert (finding.key, finding.level, finding.guide) == ("plan:indexes", Level.UNKNOWN, "G52")
        assert "Connection 'upkeep_target_read': the role lacks a permission" in finding.detail
        assert "permission denied for view pg_stat_replication" in finding.detail
        worn.do("GRANT SELECT ON pg_catalog.pg_stat_replication TO PUBLIC")
        found = collected(worn, target=target)
    assert kinds(found) == ["thresholds", "indexes", "optimise"]
    assert findings(worn, found) == ()


@pytest.mark.parametrize("table", ["thresholds", "baselines"])
def test_a_lock_in_the_ledger_costs_the_kinds_that_need_it(worn: Stage, table: str) -> None:
    """It is not waited for beyond its clock, and what the target needs is proposed."""
    with psycopg.connect(worn.ledger.cluster.dsn(worn.ledger.name)) as holder:
        holder.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier("upkeep", table)))
        found = collected(worn, "monthly")
    assert {"indexes", "validate", "optimise"} <= set(kinds(found))
    assert table not in kinds(found)
    (finding,) = findings(worn, found)
    assert finding.key == f"plan:{table}"
    assert "Connection 'upkeep_ledger': a lock was not free in time" in finding.detail
    assert findings(worn, collected(worn, "monthly")) == ()


def test_a_lock_in_the_target_costs_the_kinds_that_need_it(worn: Stage) -> None:
    """Whoever locks a catalogue stops those that ask it, and none of the others.

    Of these two PostgreSQL keeps no cache: a login does not wait for them, as it may for ``pg_constraint``.
    """
    with psycopg.connect(worn.dsn) as holder:
        holder.execute("LOCK TABLE pg_catalog.pg_depend, pg_catalog.pg_inherits IN ACCESS EXCLUSIVE MODE")
        found = collected(worn, "monthly")
    assert {"baselines", "thresholds"} <= set(kinds(found))
    assert {"indexes", "validate"} <= {said.partition(":")[0] for said in found.failed}
    assert all("a lock was not free in time" in said for said in found.failed)
    assert collected(worn, "monthly").failed == ()


BROKEN: dict[str, Any] = {"a list": [1], "no moment": {"1": "yesterday"}, "no OID": {"x": "2026-01-01T00:00:00+00:00"}}


@pytest.mark.parametrize("snapshot", BROKEN.values(), ids=BROKEN.keys())
def test_a_stored_row_that_makes_no_sense_costs_one_kind(worn: Stage, snapshot: Any) -> None:
    """The next good snapshot ends it."""
    now = datetime.now(UTC)
    note(worn, now, "evidence.indexes.unused_indexes", snapshot)
    found = collected(worn)
    assert kinds(found) == ["thresholds", "optimise"]
    assert [finding.key for finding in findings(worn, found)] == ["plan:indexes"]
    note(worn, now + timedelta(hours=1), "evidence.indexes.unused_indexes", {})
    found = collected(worn)
    assert (kinds(found), found.failed) == (["thresholds", "indexes", "optimise"], ())


def test_a_broken_row_of_baselines_costs_no_other_kind(worn: Stage) -> None:
    """Whatever stands there: the month's other kinds propose what they did."""
    before = collected(worn, "monthly")
    stored = worn.plan()
    columns = "target, subject, version, statement, digest, action_id, in_force_from"
    worn.ledger.change(
        f"INSERT INTO upkeep.baselines ({columns}) VALUES (%s, 'response_time', 1, 'nonsense', %s, '1', 'infinity')",
        worn.name,
        stored.digest,
    )
    try:
        found = collected(worn, "monthly")
        others = [one.action for one in before.proposals if one.action.kind != "baselines"]
        assert [one.action for one in found.proposals] == others
        assert len(others) < len(before.proposals)
        assert {finding.key for finding in findings(worn, found)} == {"plan:baselines"}
    finally:
        worn.ledger.change("DELETE FROM upkeep.baselines WHERE target = %s", worn.name)
    assert collected(worn, "monthly").failed == ()


def test_a_target_that_does_not_answer_leaves_what_the_ledger_proposes(worn: Stage) -> None:
    """A way to nowhere: an UNKNOWN for each kind that looks at the target, and the bands are in the plan."""

    def nowhere() -> AbstractContextManager[Session]:
        return database.session(to(f"{worn.dsn} port=1"), config(worn).maintenance.sql, read_only=True)

    found = collected(worn, target=nowhere)
    assert [one.action.statement for one in found.proposals] == [PROPOSED]
    assert [finding.key for finding in findings(worn, found)] == [f"plan:{kind}" for kind in of_the_target()]
    assert all("could not be reached" in said for said in found.failed)


@pytest.mark.guide("G54", "fires", "silent")
def test_a_bloated_table_whose_counters_were_reset_is_vacuumed(stage: Stage) -> None:
    """The finding's remedy names what the plan holds; once it was done, it says that no plan proposes it any more."""
    stage.dirty("worn", "other")
    stage.do("CREATE EXTENSION pgstattuple", "SELECT pg_stat_reset()")
    until(lambda: not stage.candidates())
    tables = {"tables": (TableName("public", "worn"),), "min_bytes": 0}
    stage.config = changed(stage.config, reindex=tables)

    def look() -> Finding:
        with stage.session() as session:
            seen = Look(session, config(stage), datetime.now(UTC), target=stage.name)
            found = carry_out(find("bloat"), seen).findings
        return {one.key: one for one in found}["bloat:table:public.worn"]

    assert "0 rows counted as dead, 2,000 measured" in look().detail
    assert look().remedy.startswith("The next plan proposes VACUUM of public.worn: ")
    found = collected(stage)
    assert [(one.action.verb, one.action.table) for one in found.proposals] == [("vacuum", "worn")]
    stored = stage.decide(stage.plan(actions=numbered(found.proposals)[0]))
    assert stage.apply(stored)["worn"].state == "done"
    assert collected(stage).proposals == []
    assert look().level is Level.ADVISORY  # its room is free now, and stays
    assert look().remedy.startswith("No plan proposes VACUUM: fewer rows are dead than ")
    stage.do("DROP EXTENSION pgstattuple", "ANALYZE worn", "SELECT pg_stat_reset()")
    until(lambda: "by hand" in look().remedy)
    stage.do(look().remedy.partition("by hand: ")[2].encode())
    stage.do("VACUUM FULL worn", "ANALYZE worn")
    until(lambda: look().level is Level.OK)


def test_the_form_says_which_kinds_could_not_propose(worn: Stage) -> None:
    """With the cause as text from elsewhere: it can write nothing into the form."""
    whole = body(worn.plan().plan, "dba", {}, ["ann"])
    assert "Could not propose" not in whole
    said = ("indexes: permission denied for table **x** `y`\n# z", "reindex: a lock")
    lines = body(worn.plan(failed=said).plan, "dba", {}, ["ann"]).splitlines()
    at = lines.index("These kinds of action could not propose anything; what they would have proposed is missing here:")
    assert lines[at + 2 : at + 4] == [
        "- **indexes**: `permission denied for table **x** ⟨U+0060⟩y⟨U+0060⟩⟨U+000A⟩# z`",
        "- **reindex**: `a lock`",
    ]


def test_the_plans_step_draws_up_what_is_left(judged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator itself, over its Connections: the read one leads nowhere, and there is a plan that says so."""
    from upkeep.flow.plan import PlanOperator  # noqa: PLC0415  # only where a configuration is set

    days(judged, QUIET)
    now = datetime.now(UTC)
    stored = judged.plan()
    window = judged.window(stored.plan)
    context: Any = {"dag_run": SimpleNamespace(run_type="scheduled", triggering_user_name=None)}
    task = PlanOperator(task_id="plan", guide="G52", target=judged.name, cadence="weekly")

    def drawn() -> Plan:
        return task._draw_up(context, window, Authority(now, now + HOUR, outside=False))[0]

    whole = drawn()
    assert (whole.failed, whole.database) == ((), stored.plan.database)
    uri = f"postgres://x:y@localhost:1/{stored.plan.database}"
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_TARGET_READ", uri)
    left = drawn()
    assert [said.partition(":")[0] for said in left.failed] == of_the_target()
    assert [action.statement for action in left.actions] == [PROPOSED]
    assert left.database == stored.plan.database
