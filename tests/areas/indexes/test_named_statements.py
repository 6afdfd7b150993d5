"""Statements that config names, planned before and after a missing index is built on a server like a copy (G53)."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import conninfo, sql

from tests.stages import hostile
from tests.stages.restoring import KEYS
from tests.stages.sessions import to
from upkeep.areas.backups.restoration import TRIALS as TOPIC
from upkeep.areas.indexes import lacking, named, trial, trial_copy
from upkeep.core.findings import Finding, Level
from upkeep.settings.approval import NamedStatement
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database

CONFIG = settings(ROOT / "config").maintenance
INDEX = "index_trials:public.purchases:of_customer"
READS = "SELECT note FROM public.purchases WHERE customer = $1 AND note LIKE '%x'"
#: What nobody planned may be: each is code of the target's, or changes it.
STRANGE = """
CREATE VIEW shown AS SELECT * FROM purchases;
CREATE FUNCTION same(int, int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE 'secret of %', $1; END $$;
CREATE OPERATOR public.=== (FUNCTION = same, LEFTARG = int, RIGHTARG = int, RESTRICT = eqsel);
CREATE FUNCTION text_of(int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE 'secret of %', $1; END $$;
CREATE TYPE wrapped AS (n int);
CREATE FUNCTION wrap(int) RETURNS wrapped IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE 'secret of %', $1; END $$;
CREATE CAST (int AS wrapped) WITH FUNCTION wrap(int) AS IMPLICIT;
CREATE TABLE wraps (id int, w wrapped);
CREATE MATERIALIZED VIEW kept_rows AS SELECT id FROM purchases;
CREATE FOREIGN DATA WRAPPER nobody;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nobody;
CREATE FOREIGN TABLE far (id int) SERVER elsewhere;
CREATE TABLE parted (id int) PARTITION BY RANGE (id);
CREATE FOREIGN TABLE far_part PARTITION OF parted DEFAULT SERVER elsewhere;
CREATE FUNCTION checks(n int) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    IF session_user ~ '^upkeep_planner' THEN
        IF n = 500 THEN RAISE 'secret of %', (SELECT max(id) FROM public.customers); END IF;
        CREATE TEMP TABLE IF NOT EXISTS pg_depend AS SELECT * FROM pg_catalog.pg_depend WHERE false;
        PERFORM set_config('search_path', 'pg_temp, public', false);
        BEGIN
            DELETE FROM public.purchases;
        EXCEPTION WHEN insufficient_privilege THEN NULL;
        END;
        INSERT INTO public.anybodys VALUES (n);
    END IF;
    RETURN true;
END $$;
CREATE DOMAIN checked AS int CHECK (checks(VALUE));
CREATE TYPE mood AS ENUM ('open', 'shut');
CREATE TABLE holds (id int, ds checked[], d checked, e mood);
CREATE TABLE anybodys (n int);
GRANT INSERT ON anybodys TO PUBLIC;
"""
NOT_TAKEN = "the server does not take it"
REFUSED = {
    "bare_name": ("SELECT 1 FROM purchases", f"{NOT_TAKEN} at 'purchases' (SQLSTATE 42P01): there is no such table"),
    "no_table": ("SELECT 1 FROM public.gone", f"{NOT_TAKEN} at 'public.gone' (SQLSTATE 42P01): there is no such table"),
    "no_column": ("SELECT gone FROM public.purchases", f"{NOT_TAKEN} at 'gone' (SQLSTATE 42703)"),
    "no_grammar": ("SELECT FROM WHERE", f"{NOT_TAKEN} at 'WHERE' (SQLSTATE 42601)"),
    "not_closed": ("SELECT 1 /* ", f"{NOT_TAKEN} at '/*' (SQLSTATE 42601)"),
    "two": ("SELECT 1; DROP TABLE public.purchases", f"{NOT_TAKEN} (SQLSTATE 42601): "),
    "new_table": ("SELECT 1 AS n INTO public.made", NOT_TAKEN),
    "no_kind": ("DROP TABLE public.purchases", f"{NOT_TAKEN} at 'DROP' (SQLSTATE 42601)"),
    "breaks_out": ("SELECT 1; END; DROP TABLE public.purchases; --", f"{NOT_TAKEN} (SQLSTATE 42601): "),
    "function": ("SELECT 1 FROM public.purchases WHERE id = public.tell()", "it names function public.tell()"),
    "view": ("SELECT 1 FROM public.shown", f"{NOT_TAKEN} (SQLSTATE 55000): it reads a view or a foreign table"),
    "operator": ("SELECT 1 FROM public.purchases WHERE id OPERATOR(public.===) 5", "it names operator public.==="),
    "cast": ("SELECT (5::public.wrapped).n", "it names function public.wrap(integer)"),
    "far": ("SELECT 1 FROM public.far", "it names foreign table public.far"),
    "far_part": ("SELECT 1 FROM public.parted", "the server refused (SQLSTATE 55000)"),
    "deletes": ("DELETE FROM public.customers", "it names a change of rows"),
    "in_with": ("WITH gone AS (DELETE FROM public.customers RETURNING id) SELECT 1", "it names a change of rows"),
    "rules_in_with": ("WITH x AS (SELECT 1) UPDATE public.purchases SET note = ''", "it names a change of rows"),
    "locks": ("SELECT 1 FROM public.purchases FOR UPDATE", "the server refused (SQLSTATE 42501)"),
    "no_right": ("SELECT pg_read_file('PG_VERSION')", "the server refused (SQLSTATE 42501)"),
    "domain": ("SELECT 1 FROM public.holds WHERE ds = '{5}'", "it names type public.checked[]"),
    "domain_tells": ("SELECT 1 FROM public.holds WHERE ds = '{500}'", f"{NOT_TAKEN} at \"'{{500}}'\" (SQLSTATE P0001)"),
    "hides": (
        "SELECT 1 FROM public.holds WHERE ds = '{5}' AND public.tell() = 1",
        "it names function public.tell(), type",
    ),
}
PLANNED = {
    "reads": READS,
    "with": "WITH x AS (SELECT 1 AS n) SELECT 1 FROM public.purchases p JOIN x ON x.n = p.id -- a table with rules\n;",
    "in_type": "SELECT (w).n FROM public.wraps WHERE id = $1",
    "kept": "SELECT 1 FROM public.kept_rows WHERE id = $1",
    "braces": """SELECT '{}', '%s', '"', ':commandType 2', $1::pg_catalog.text[]""",
    "enumerations": "SELECT 1 FROM public.holds WHERE e = 'open' AND e = ANY ('{shut}') AND d = $1",
}


def statements(**texts: str) -> list[NamedStatement]:
    """As config names them, without what it would refuse by itself."""
    return [NamedStatement.model_construct(name=name, sql=text) for name, text in texts.items()]


@dataclass(frozen=True)
class Server:
    """A database with the tables of a restored copy, and what nobody planned may be."""

    dsn: str

    @property
    def dbname(self) -> str:
        """Its name."""
        return str(conninfo.conninfo_to_dict(self.dsn)["dbname"])

    def connect(self) -> psycopg.Connection[Any]:
        """A superuser's session."""
        return psycopg.connect(self.dsn)

    def connect_as(self, role: str) -> psycopg.Connection[Any]:
        """A session of a role, which a copy asks for no password."""
        password = secrets.token_hex(8)
        with self.connect() as admin:
            admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password)))
        return psycopg.connect(conninfo.make_conninfo(self.dsn, user=role, password=password))

    def free_bytes(self) -> int:
        """Enough."""
        return 2**50

    def stop(self) -> None:
        """No trial here lasts so long."""
        raise AssertionError

    def rows(self) -> list[Any]:
        """Which tables there are, and what those hold that a statement would change."""
        counts = (
            b"SELECT (SELECT count(*) FROM public.customers), (SELECT count(*) FROM public.purchases),"
            b" (SELECT sum(id) FROM public.states), (SELECT count(*) FROM public.anybodys)"
        )
        with self.connect() as session:
            tables = session.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND oid >= 16384 ORDER BY 1")
            return [*tables.fetchall(), session.execute(counts).fetchone()]


@pytest.fixture
def copy(empty_database: str) -> Iterator[Server]:
    """The roles that plan are the whole server's, and go with it."""
    one = Server(empty_database)
    with one.connect() as admin:
        hostile.choosing(admin)
        admin.execute("SET search_path = public")
        admin.execute(KEYS.encode())
        admin.execute(STRANGE)
        admin.execute("ANALYZE purchases, states, customers")
    yield one
    with one.connect() as admin:
        for (role,) in admin.execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^upkeep_planner_'").fetchall():
            admin.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(role)))


@pytest.fixture
def asked(copy: Server) -> trial.Wanted:
    """A key of which no lookup is counted."""
    config = CONFIG.indexes.model_copy(update={"advice_rows": 1})
    with database.session(to(copy.dsn), CONFIG.sql, read_only=True) as session:
        (row,) = session.rows("SELECT oid::bigint AS oid FROM pg_constraint WHERE conname = 'of_customer'")
        (key,) = session.rows(session.load("indexes/foreign_keys"), {"oids": [row["oid"]]})
        found = trial.wanted(session, config, None)
    return replace(found, keys=[{**key, "deletes": 0, "updates": 0}], unfit=0)


def tried(copy: Server, asked: trial.Wanted, *, analyse: bool = False) -> tuple[dict[str, Finding], list[Any]]:
    """The findings by key, and the trials of the snapshot."""
    found, body = trial.tried(copy, asked, CONFIG.sql, TOPIC, as_of=datetime.now(UTC), analyse=analyse)
    return {one.key: one for one in found}, body["trials"]


@pytest.mark.guide("G53", "holds")
def test_a_statement_proves_an_index_that_only_reads_need(copy: Server, asked: trial.Wanted) -> None:
    """Its costs stand in the finding and in the snapshot; without it the same index is not proven."""
    named_too = statements(of_customer=READS, newest="SELECT max(id) FROM public.purchases")
    without, _ = tried(copy, asked)
    found, (row,) = tried(copy, replace(asked, statements=named_too))
    nobody = "(no delete and no change of a referenced row is counted, so that nothing looks rows up by it)"
    assert list(without) == ["index_trials"]
    assert without["index_trials"].detail == "nothing to try; 1 not tried, as missing_indexes says"
    assert {one.level for one in found.values()} == {Level.OK}
    assert found["index_trials"].detail == "1 index tried, 1 proven"
    good, other = row["statements"]
    assert (good["proven"], good["indexed"], good["after"] < good["before"] / 2) == (True, True, True)
    assert (other["proven"], other["indexed"], other["after"]) == (False, False, other["before"])
    costs = f"estimated cost {good['before']:,.0f} before, {good['after']:,.0f} after, by the index"
    assert found[INDEX].detail.startswith("proven; built in ")
    assert found[INDEX].detail.endswith(f"{nobody}; statement of_customer: {costs}")
    said = found["index_trials:statement:of_customer"]
    assert said.detail.startswith("estimated cost ")
    assert lacking.proving(row, row, named_too) == {"statement of_customer": good}
    assert lacking.proving(row, row, []) == {}
    assert lacking.proving(row, row, statements(of_customer=f"{READS} ")) == {}
    assert lacking.proving(row, row, statements(renamed=READS)) == {"statement renamed": good}


@pytest.mark.guide("G53", "fires")
def test_a_statement_that_the_copy_refuses_is_said_until_it_is_corrected(copy: Server, asked: trial.Wanted) -> None:
    """What was found and what is expected; nothing of it is executed, and the index is tried all the same."""
    refused = statements(**{name: text for name, (text, _) in REFUSED.items()})
    before = copy.rows()
    found, (row,) = tried(copy, replace(asked, statements=[*refused, *statements(reads=READS)]))
    for name, (_, why) in REFUSED.items():
        one = found[f"index_trials:statement:{name}"]
        assert (one.level, one.expected) == (Level.UNKNOWN, named.EXPECTED)
        assert one.detail.startswith(f"not collected: {why}"), one.detail
        assert "secret" not in one.detail
        assert one.remedy.startswith("Correct indexes.statements in config/maintenance.yaml")
    assert [one["name"] for one in row["statements"]] == ["reads"]
    assert found[INDEX].detail.startswith("proven; ")
    found, _ = tried(copy, replace(asked, statements=statements(bare_name=READS)))
    assert {one.level for one in found.values()} == {Level.OK}
    assert copy.rows() == before


@pytest.mark.guide("G53", "holds")
def test_what_may_be_planned_is_planned_and_changes_nothing(copy: Server, asked: trial.Wanted) -> None:
    """With no index to try too."""
    before = copy.rows()
    found, _ = tried(copy, replace(asked, keys=[], statements=statements(**PLANNED)))
    assert {one.key: one.detail for one in found.values() if one.level is not Level.OK} == {}
    assert len(found) == 1 + len(PLANNED)
    assert copy.rows() == before


def test_a_copy_without_statistics_is_analysed_for_each_table_of_a_statement(copy: Server, asked: trial.Wanted) -> None:
    """A dump's has none."""
    joined = "SELECT 1 FROM public.purchases p JOIN public.states s ON s.id = p.state WHERE p.customer = $1"
    known = b"SELECT count(*) > 0 FROM pg_statistic WHERE starelid = 'public.states'::regclass"
    with copy.connect() as admin:
        admin.execute("DELETE FROM pg_statistic")
    tried(copy, replace(asked, statements=statements(joined=joined)), analyse=True)
    with copy.connect() as admin:
        assert admin.execute(known).fetchone() == (True,)


def test_a_server_that_cannot_refuse_views_and_foreign_tables_plans_none(
    copy: Server, asked: trial.Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minors before August 2024; the key's own lookup is planned there as ever."""
    with copy.connect() as session:
        version = session.info.server_version
    monkeypatch.setattr(named, "_RESTRICTS", {version // 10_000: version + 1})
    looked_up = replace(asked, keys=[{**asked.keys[0], "deletes": 1}], statements=statements(reads=READS))
    found, (row,) = tried(copy, looked_up)
    assert "which cannot be told to refuse views and foreign tables" in found["index_trials:statement:reads"].detail
    assert (row["proven"], row["statements"]) == (True, [])


@pytest.mark.guide("G53", "fires", "silent")
def test_a_statement_whose_table_is_of_another_target_is_said_so(copy: Server, asked: trial.Wanted) -> None:
    """It is no finding where config has several targets; a name without its schema is wrong everywhere."""
    named_too = statements(
        of_another="SELECT 1 FROM public.gone", bare="SELECT 1 FROM purchases", column=READS + " AND x"
    )
    found, _ = tried(copy, replace(asked, statements=named_too, only=False))
    said = {one.key.rpartition(":")[2]: (one.level, one.detail) for one in found.values()}
    assert said["of_another"][0] is Level.OK
    assert said["of_another"][1].startswith(f"not of this target: {NOT_TAKEN} at 'public.gone' (SQLSTATE 42P01)")
    assert (said["bare"][0], said["column"][0]) == (Level.UNKNOWN, Level.UNKNOWN)
    found, _ = tried(copy, replace(asked, statements=named_too, only=True))
    assert found["index_trials:statement:of_another"].level is Level.UNKNOWN
    with copy.connect() as admin:
        admin.execute("CREATE TABLE public.gone ()")
    found, _ = tried(copy, replace(asked, statements=named_too, only=False))
    assert found["index_trials:statement:of_another"].detail.startswith("estimated cost ")


@pytest.mark.guide("G53", "fires", "silent")
def test_no_statistics_are_asked_of_a_foreign_server(copy: Server, asked: trial.Wanted) -> None:
    """Nor for a table with a foreign one below it, a key's or a statement's; without it both are tried."""
    key = {**asked.keys[0], "deletes": 1}
    reads = statements(parted="SELECT 1 FROM public.parted WHERE id = $1")
    wanted = replace(asked, keys=[key], statements=reads)
    why = "not collected: a foreign table is below its table, which ANALYZE would ask for rows"
    with socket.create_server(("127.0.0.1", 0)) as production:
        production.setblocking(False)
        far = sql.SQL(
            "CREATE EXTENSION postgres_fdw;"
            "CREATE SERVER production FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port {port});"
            "CREATE USER MAPPING FOR PUBLIC SERVER production OPTIONS (user 'x', password 'x');"
            "DROP FOREIGN TABLE public.far_part;"
            "CREATE FOREIGN TABLE public.far_part PARTITION OF public.parted DEFAULT SERVER production;"
            "CREATE FOREIGN TABLE public.far_child () INHERITS (public.purchases) SERVER production"
        )
        with copy.connect() as admin:
            admin.execute(far.format(port=sql.Literal(str(production.getsockname()[1]))))
        found, _ = tried(copy, wanted, analyse=True)
        assert [found[one].detail for one in (INDEX, "index_trials:statement:parted")] == [why, why]
        with pytest.raises(BlockingIOError):
            production.accept()
    with copy.connect() as admin:
        admin.execute("DROP FOREIGN TABLE public.far_part, public.far_child")
    found, _ = tried(copy, wanted, analyse=True)
    assert {one.level for one in found.values()} == {Level.OK}
    assert found[INDEX].detail.startswith("proven; ")


@pytest.mark.guide("G53", "fires", "silent")
def test_a_build_that_counts_rows_anew_proves_nothing_by_that(copy: Server, asked: trial.Wanted) -> None:
    """Most rows were deleted and nobody has counted since: both costs are of what the build has counted."""
    pairs = (
        "SELECT count(*) FROM public.purchases a, public.purchases b WHERE a.note < b.note"
        " AND EXISTS (SELECT 1 FROM public.purchases c WHERE c.customer = $1)"
    )
    with copy.connect() as admin:
        admin.execute("DELETE FROM public.purchases WHERE id % 100 <> 0")
    _, (row,) = tried(copy, replace(asked, statements=statements(pairs=pairs, reads=READS)))
    by_name = {one["name"]: one for one in row["statements"]}
    assert (by_name["pairs"]["proven"], by_name["pairs"]["indexed"]) == (False, True)
    assert by_name["pairs"]["after"] > by_name["pairs"]["before"] / 2
    assert (by_name["reads"]["proven"], row["proven"]) == (True, True)


@pytest.mark.guide("G53", "holds")
def test_a_named_statement_takes_no_turn_of_other_keys(copy: Server, asked: trial.Wanted) -> None:
    """Of keys that are not looked up only those are tried of which it names the first column; all in their turn."""
    config = CONFIG.indexes.model_copy(update={"advice_rows": 1, "statements": tuple(statements(reads=READS))})
    with database.session(to(copy.dsn), CONFIG.sql, read_only=True) as session:
        found = trial.wanted(session, config, None)
    keys = [{**key, "updates": 0, "deletes": int(key["constraint"] == "tells")} for key in found.keys]
    assert {key["constraint"] for key in keys} >= {"of_customer", "in_state", "tells", "stays"}
    with copy.connect() as admin:
        admin.autocommit = True
        read = {"tables": named.tables(database.Session(admin), READS)}
    assert read["tables"] == {("public", "purchases"): {"customer", "note"}}
    of_column, said = trial.chosen(replace(found, keys=keys), [read])
    assert {key["constraint"] for key in of_column} == {"of_customer", "tells"}
    assert said == f"; {len(keys) - 2} not tried, as missing_indexes says"
    alone, _ = trial.chosen(replace(found, keys=keys), [])
    assert [key["constraint"] for key in alone] == ["tells"]


SLOW = """
CREATE TABLE public.slow (id int);
CREATE TABLE public.flag (n int);
CREATE FUNCTION public.slowly() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    IF session_user ~ '^upkeep_planner' AND EXISTS (SELECT 1 FROM public.flag) THEN PERFORM pg_sleep(60); END IF;
    RETURN 0;
END $$;
INSERT INTO public.slow VALUES (1);
CREATE INDEX ON public.slow ((id + public.slowly()));
"""


@pytest.mark.guide("G53", "holds")
def test_a_slow_host_takes_no_proof_of_a_statement_away(
    copy: Server, asked: trial.Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had proven stays as old as it was; of what the server plans again the newer answer counts."""
    named_too = statements(
        q="SELECT 1 FROM public.purchases WHERE customer = $1 AND NOT EXISTS (SELECT 1 FROM public.slow)"
    )
    more = statements(more="SELECT customer FROM public.purchases WHERE note = $1")
    looked_up = replace(asked, statements=[*named_too, *more])
    with copy.connect() as admin:
        admin.execute(SLOW)
    _, (before,) = tried(copy, looked_up)
    assert list(lacking.proving(before, before, looked_up.statements)) == ["statement q"]
    both = {**before, "statements": [{**one, "proven": True} for one in before["statements"]]}
    assert len(lacking.proving(both, both, looked_up.statements)) == 2
    with copy.connect() as admin:
        admin.execute("INSERT INTO public.flag VALUES (1)")
    monkeypatch.setattr(trial_copy, "_PLAN_SECONDS", 2.0)
    found, (kept,) = tried(copy, replace(looked_up, known={lacking.name(before): both}))
    said = found["index_trials:statement:q"]
    assert (said.level, said.remedy) == (Level.UNKNOWN, "Repeat the restoration.")
    assert kept["data_as_of"] == before["data_as_of"] and kept["tried_at"] > before["tried_at"]
    assert list(lacking.proving(kept, kept, looked_up.statements)) == ["statement q"]
    other = {**before, "statements": [{**one, "digest": "another"} for one in before["statements"]]}
    _, (anew,) = tried(copy, replace(looked_up, known={lacking.name(before): other}))
    assert anew["data_as_of"] != before["data_as_of"]
    assert lacking.proving(anew, anew, named_too) == {}


@pytest.mark.guide("G53", "fires")
def test_a_statement_that_stays_costs_its_own_time(
    copy: Server, asked: trial.Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code that catches its cancellation: the session is ended, and the others and the keys are tried."""
    monkeypatch.setattr(trial_copy, "_PLAN_SECONDS", 2.0)
    monkeypatch.setattr(trial_copy, "_PLAN_GRACE_SECONDS", 0.5)
    stays = statements(stays="SELECT 1 FROM public.staying WHERE id = 1", reads=READS)
    found, (row,) = tried(copy, replace(asked, statements=stays))
    assert found["index_trials:statement:stays"].level is Level.UNKNOWN
    assert found["index_trials:statement:reads"].level is Level.OK
    assert list(lacking.proving(row, row, stays)) == ["statement reads"]
