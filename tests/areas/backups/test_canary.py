"""The canary (G102): off until people have approved it, a login that adds rows and no more, the RPO by its rows."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, NoReturn

import psycopg
import pytest
from psycopg import sql

from tests.stages.platform import login
from tests.stages.sessions import to
from tests.stages.stage import Stage, states
from upkeep.areas import proposals
from upkeep.areas.backups import canary
from upkeep.areas.backups.canary import Written
from upkeep.core.findings import Finding, Level, Sample
from upkeep.core.windows import Window, WindowKind
from upkeep.gate.plans.model import Action, Proposal, numbered
from upkeep.gate.proposing import ProposalSources
from upkeep.ledger.write import LookResult, StepRecord, add_step, open_window
from upkeep.settings.approval import Freeze
from upkeep.settings.backups import Canary
from upkeep.settings.base import ROOT, ConfigError
from upkeep.settings.load import settings
from upkeep.wires import database
from upkeep.wires.database import Connect

SHIPPED = settings(ROOT / "config")
NOW = datetime(2026, 11, 1, 3, tzinfo=UTC)
LIMIT = timedelta(hours=2)
OK, WARNING, UNKNOWN = Level.OK, Level.WARNING, Level.UNKNOWN


@pytest.fixture
def writer(stage: Stage) -> Iterator[str]:
    """A login without any right, and config that names it."""
    name = f'Canary "{secrets.token_hex(4)}"'
    with login(stage.ledger.cluster, stage.dsn, name) as dsn:
        target = stage.config.targets[stage.name].model_copy(update={"canary": Canary(connection="c", role=name)})
        stage.config = stage.config.model_copy(update={"targets": {stage.name: target}})
        yield dsn


def planned(stage: Stage, *taken: Action) -> list[Proposal]:
    """What the plan's task would plan of the canary."""
    asked = SHIPPED.model_copy(update={"maintenance": stage.config})
    about = (stage.name, "weekly", stage.session, stage.ledger.session, asked, datetime.now(UTC), taken)
    found, _, failed = proposals.collect(ProposalSources(*about))
    assert failed == ()
    return [one for one in found if one.action.kind == canary.KIND]


def made(stage: Stage) -> str:
    """Let people approve it and apply it; what became of it."""
    stored = stage.decide(stage.plan(actions=numbered(planned(stage))[0]))
    return states(stage.apply(stored))[canary.TABLE]


def given(stage: Stage, trusted: Callable[[str], Connect] | None = None) -> Any:
    """What the inspections are given, with this way to a trusted Connection."""
    asked = SHIPPED.model_copy(update={"maintenance": stage.config})
    ways = {"ledger": stage.ledger.session, "read": stage.session, "trusted": trusted}
    return SimpleNamespace(target=stage.name, config=asked, **ways)


def written(stage: Stage, dsn: str) -> LookResult:
    """What the daily step brings, with a trusted Connection to this."""
    return canary.write(given(stage, lambda _: to(dsn)))


def pinned(stage: Stage, **fields: Any) -> None:
    """Let config say something else of the target."""
    target = stage.config.targets[stage.name].model_copy(update=fields)
    stage.config = stage.config.model_copy(update={"targets": {stage.name: target}})


def told(looked: LookResult) -> tuple[Level, str]:
    (finding,) = looked.findings
    return finding.level, finding.detail


@pytest.mark.guide("G102", "holds")
def test_it_is_off_without_its_section(stage: Stage) -> None:
    """Nothing is planned and nothing written, and that is said and fails nothing."""
    assert planned(stage) == []
    level, detail = told(written(stage, stage.dsn))
    assert (level, detail.startswith("no canary: it is off")) == (Level.OK, True)
    assert stage.look("SELECT 1 FROM pg_namespace WHERE nspname = 'upkeep_canary'") == []


@pytest.mark.guide("G102", "holds")
def test_a_plan_makes_it_and_a_row_comes_each_day(stage: Stage, writer: str) -> None:
    """Not before people have approved it; then a row of the server's time, and its undo takes all of it away."""
    level, detail = told(written(stage, writer))
    assert (level, detail.startswith("not there yet: ")) == (Level.ADVISORY, True)
    (proposal,) = planned(stage)
    assert planned(stage, proposal.action) == []
    assert made(stage) == "done"
    assert planned(stage) == []
    looked = written(stage, writer)
    assert told(looked)[0] is Level.OK, looked
    rows = stage.look("SELECT written_at FROM upkeep_canary.written")
    assert [row["written_at"].isoformat() for row in rows] == [looked.snapshot["at"]]
    assert looked.snapshot["system_identifier"] == stage.config.targets[stage.name].system_identifier
    stage.do(proposal.action.undo.encode())
    assert len(planned(stage)) == 1


@pytest.mark.guide("G102", "holds")
def test_its_login_adds_rows_and_may_do_nothing_else(stage: Stage, writer: str) -> None:
    """Not read, change or delete one, nor make anything; and nobody else was given anything."""
    assert made(stage) == "done"
    refused = (
        "SELECT * FROM upkeep_canary.written",
        "UPDATE upkeep_canary.written SET written_at = now()",
        "DELETE FROM upkeep_canary.written",
        "TRUNCATE upkeep_canary.written",
        "CREATE TABLE upkeep_canary.mine (a int)",
        "DROP TABLE upkeep_canary.written",
    )
    with psycopg.connect(writer, autocommit=True) as connection:
        for statement in refused:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
    with login(stage.ledger.cluster, stage.dsn, f"other_{secrets.token_hex(4)}") as other:
        assert "not written: the Connection logs in as other_" in told(written(stage, other))[1]
        with psycopg.connect(other) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO upkeep_canary.written VALUES (now())")


@pytest.mark.parametrize("pin", [None, "7400000000000000000"])
def test_another_server_than_the_pinned_one_gets_no_row(stage: Stage, writer: str, pin: str | None) -> None:
    """The Connection is a trusted one, and who pins no server gets no row (rule 8)."""
    assert made(stage) == "done"
    right = stage.config.targets[stage.name].system_identifier
    pinned(stage, system_identifier=pin)
    level, detail = told(written(stage, writer))
    assert (level, f"system_identifier: found {pin or 'nothing'}, expected that of" in detail) == (Level.UNKNOWN, True)
    assert stage.look("SELECT written_at FROM upkeep_canary.written") == []
    pinned(stage, system_identifier=right)
    assert told(written(stage, writer))[0] is Level.OK


def test_another_database_of_the_right_server_gets_no_row(stage: Stage, writer: str) -> None:
    """It is named; while the target does not answer it is not told apart, and the role's grants are strange there."""
    assert made(stage) == "done"
    beside = psycopg.conninfo.make_conninfo(writer, dbname="postgres")
    name = psycopg.conninfo.conninfo_to_dict(stage.dsn)["dbname"]
    level, detail = told(written(stage, beside))
    assert (level, detail) == (UNKNOWN, f"not written: Connection 'c' leads to database postgres, expected {name}")
    assert stage.look("SELECT written_at FROM upkeep_canary.written") == []
    assert told(written(stage, writer))[0] is OK

    def away() -> NoReturn:
        raise psycopg.OperationalError("the target does not answer")

    there = given(stage, lambda _: to(beside))
    there.read = away
    assert "has rights of its own" in told(canary.write(there))[1]


def test_a_freeze_stops_it(stage: Stage, writer: str) -> None:
    """Nothing is changed in one, and this is said so."""
    assert made(stage) == "done"
    calm, now = stage.config, datetime.now(UTC)
    freeze = Freeze(start=now - LIMIT, end=now + LIMIT, reason="Holidays")
    stage.config = calm.model_copy(update={"freezes": (freeze,)})
    level, detail = told(written(stage, writer))
    assert (level, detail.startswith("not written: nothing is changed until "), "Holidays" in detail) == (
        OK,
        True,
        True,
    )
    assert stage.look("SELECT written_at FROM upkeep_canary.written") == []
    stage.config = calm
    assert written(stage, writer).snapshot


def test_without_its_connection_it_is_unknown(stage: Stage, writer: str) -> None:
    """An absent Connection, or one that operators may edit, fails no step."""

    def absent(name: str) -> Connect:
        def connect() -> NoReturn:
            raise ConfigError(f"Connection {name!r}: found none")

        return connect

    assert told(canary.write(given(stage, absent))) == (Level.UNKNOWN, "not written: Connection 'c': found none")
    assert told(written(stage, writer))[0] is Level.ADVISORY


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("ALTER ROLE {role} CREATEROLE", "attributes such as SUPERUSER or CREATEDB"),
        ("GRANT pg_read_all_settings TO {role}", "membership in a role"),
        ("CREATE TABLE theirs (a int); ALTER TABLE theirs OWNER TO {role}", "objects that it owns"),
        ("GRANT SELECT ON upkeep_canary.written TO {role}", "more than INSERT into upkeep_canary.written, grants"),
        ("GRANT DELETE ON upkeep_canary.written TO PUBLIC", "more than INSERT into upkeep_canary.written"),
        ("GRANT CREATE ON SCHEMA upkeep_canary TO {role}", "grants of its own"),
        ("GRANT SELECT (written_at) ON upkeep_canary.written TO {role}", "grants of its own"),
        ("CREATE TABLE theirs (a int); GRANT SELECT ON theirs TO {role}", "grants of its own"),
        ("GRANT CREATE ON DATABASE {database} TO {role}", "grants of its own"),
    ],
)
def test_rights_of_its_own_are_named_and_refused(stage: Stage, writer: str, more: str, said: str) -> None:
    """Whatever it may beside adding rows; that it may connect is needed where nobody else may."""
    names = psycopg.conninfo.conninfo_to_dict(writer)
    known = {"role": sql.Identifier(str(names["user"])), "database": sql.Identifier(str(names["dbname"]))}
    assert made(stage) == "done"
    stage.do(sql.SQL("GRANT CONNECT ON DATABASE {database} TO {role}").format(**known))
    assert told(written(stage, writer))[0] is Level.OK
    stage.do(sql.SQL(more).format(**known))
    level, detail = told(written(stage, writer))
    assert (level, f"has rights of its own: {said}" in detail) == (Level.UNKNOWN, True), detail


def test_somebody_elses_schema_is_left_alone(stage: Stage, writer: str) -> None:
    """It says whose the schema is, and tells nobody to drop it."""
    with login(stage.ledger.cluster, stage.dsn, f"Other {secrets.token_hex(4)}") as other:
        owner = str(psycopg.conninfo.conninfo_to_dict(other)["user"])
        stage.do(sql.SQL("CREATE SCHEMA upkeep_canary AUTHORIZATION {}").format(sql.Identifier(owner)))
        (finding,) = written(stage, writer).findings
    assert finding.level is Level.UNKNOWN
    assert f"{owner} owns the schema" in finding.detail
    assert "leave it alone" in finding.remedy
    assert "rop " not in finding.remedy


@pytest.mark.parametrize(
    ("meanwhile", "said"),
    [
        ("CREATE SCHEMA upkeep_canary", "there is a schema upkeep_canary by now"),
        ("ALTER ROLE {role} CREATEDB", "has rights of its own by now"),
    ],
)
def test_what_changed_since_the_plan_is_refused(stage: Stage, writer: str, meanwhile: str, said: str) -> None:
    """And a role that has rights of its own is neither planned for nor written with."""
    role = sql.Identifier(str(psycopg.conninfo.conninfo_to_dict(writer)["user"]))
    stored = stage.decide(stage.plan(actions=numbered(planned(stage))[0]))
    stage.do(sql.SQL(meanwhile).format(role=role))
    outcome = stage.apply(stored)[canary.TABLE]
    assert (outcome.state, said in outcome.reason) == ("refused", True), outcome
    assert planned(stage) == []
    assert told(written(stage, writer))[0] is Level.UNKNOWN


def test_who_may_not_make_a_schema_makes_nothing(stage: Stage, writer: str) -> None:
    """What `python -m upkeep grants canary` prints is what it needs."""
    stored = stage.decide(stage.plan(actions=numbered(planned(stage))[0]))
    with login(stage.ledger.cluster, stage.dsn, f"maintains_{secrets.token_hex(4)}") as maintain:
        names = psycopg.conninfo.conninfo_to_dict(maintain)
        role, dbname = str(names["user"]), str(names["dbname"])
        stage.do(f"GRANT pg_monitor TO {role}".encode())
        outcome = stage.apply(stored, connectors=stage.connectors(maintain=maintain))[canary.TABLE]
        assert (outcome.state, "permission denied for database" in outcome.reason) == ("not done", True), outcome
        stage.do(database.script("setup/canary_grants", role=role, database=dbname).encode())
        again = stage.decide(stage.plan(actions=numbered(planned(stage))[0]))
        assert states(stage.apply(again, connectors=stage.connectors(maintain=maintain))) == {canary.TABLE: "done"}
        assert told(written(stage, writer))[0] is Level.OK


def test_a_server_that_does_not_answer_is_unknown(stage: Stage, writer: str) -> None:
    """The step has looked, and says what came of it."""
    level, detail = told(written(stage, f"{writer} port=1"))
    assert (level, detail.startswith("not written: ")) == (Level.UNKNOWN, True)


# By its rows ----------------------------------------------------------------------------------------------------

HOURS, DAILY = timedelta(hours=1), SHIPPED.maintenance.windows["daily"]


def judged(copied: float | None, *ago: float, there: bool = True) -> tuple[Finding, tuple[Sample, ...]]:
    """The newest row of the copy and those of the ledger, so many hours before the incident."""
    rows = tuple(NOW - one * HOURS for one in ago)
    return canary.reached(None if copied is None else NOW - copied * HOURS, Written(there, rows, DAILY), NOW, LIMIT)


@pytest.mark.guide("G102", "fires", "silent")
@pytest.mark.parametrize(
    ("copied", "ago", "level", "said"),
    [
        (0.9, (0.9, 25, 49), OK, "54 min before the incident; none that must be there is missing"),
        (25, (0.9, 25, 49), OK, "25 hours before the incident; none that must be there is missing"),
        (25, (25, 49), OK, "none that must be there is missing"),
        (73, (0.9, 25, 49, 73), WARNING, "one of 2026-10-31 02:00 UTC, 25 hours before it, is missing"),
        (49, (0.9, 25, 49), WARNING, "25 hours before it, is missing"),
        (None, (0.9, 25), WARNING, "no canary row in the copy; one of 2026-10-31 02:00 UTC"),
        (None, (0.9,), UNKNOWN, "no canary row in the copy; by the ledger none was written from 2026-10-30 02:00"),
        (None, (), UNKNOWN, "none was written from"),
        (25, (), UNKNOWN, "none was written from"),
        (
            90 * 24,
            (90 * 24,),
            UNKNOWN,
            "is of 2026-08-03 03:00 UTC, 90 days before the incident; by the ledger none was",
        ),
    ],
)
def test_a_row_that_must_be_there_and_is_not_is_a_warning(
    copied: float | None, ago: tuple[float, ...], level: Level, said: str
) -> None:
    """Written longer than the RPO before the incident, whatever came since; without such a one nothing is known."""
    finding, samples = judged(copied, *ago)
    assert (finding.level, said in finding.detail) == (level, True), finding
    assert [(one.metric, one.value) for one in samples] == ([] if copied is None else [("canary_age", copied * 3600)])


@pytest.mark.guide("G102", "holds")
def test_switched_off_again_it_is_silent(stage: Stage, writer: str) -> None:
    """Whatever was written before, and whatever the copy has; switched on and never made it is unknown."""
    kept(stage, NOW, table=7)
    on = canary.written(given(stage), None, SERVER)
    assert on == Written(False, (), DAILY)
    finding, _ = canary.reached(None, on, NOW, LIMIT)
    assert (finding.level, "the target has no table" in finding.detail) == (UNKNOWN, True)
    pinned(stage, canary=None)
    assert canary.written(given(stage), 7, SERVER) is None
    for copied in (None, NOW):
        finding, samples = canary.reached(copied, None, NOW, LIMIT)
        assert (finding.level, finding.detail.startswith("no canary: it is off"), samples) == (OK, True, ())


SERVER = "7400000000000000001"


def kept(stage: Stage, at: datetime, *, table: int, server: str = SERVER) -> None:
    """Let the ledger know of a row, as the daily step does."""
    run = secrets.token_hex(4)
    window = Window(stage.name, "daily", WindowKind.CALENDAR, at, at + LIMIT, at - LIMIT, at, run, "maintenance_daily")
    with stage.ledger.session() as session:
        open_window(session, window)
        looked = LookResult((), snapshot={"at": at.isoformat(), "system_identifier": server, "table": table})
        add_step(session, window, StepRecord("backups.canary", "ran", "", "", at, looked=looked))


@pytest.mark.guide("G102", "holds")
def test_only_rows_of_the_targets_own_table_count(stage: Stage, writer: str) -> None:
    """Newest first; not those of a table that was dropped since, nor of another server."""
    days = [NOW - n * timedelta(days=1) for n in range(4)]
    kept(stage, days[2], table=8)
    kept(stage, days[1], table=8)
    kept(stage, days[3], table=7)
    kept(stage, days[0], table=8, server="7400000000000000002")
    assert canary.written(given(stage), 8, SERVER) == Written(True, (days[1], days[2]), DAILY)


@pytest.mark.guide("G102", "holds")
def test_the_newest_row_is_read_in_the_copy(stage: Stage, writer: str) -> None:
    """None where there is no table, or no row in it; what was written is known by the table's own OID."""
    read = partial(database.session, to(stage.dsn), stage.config.sql, read_only=True)
    with read() as session:
        assert canary.in_copy(session) is None
    assert made(stage) == "done"
    with read() as session:
        assert canary.in_copy(session) is None
    body = written(stage, writer).snapshot
    with read() as session:
        found = canary.in_copy(session)
        assert canary.table_of(session) == body["table"]
    assert found is not None
    assert found.isoformat() == body["at"]
