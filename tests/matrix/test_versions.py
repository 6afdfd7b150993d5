"""What differs between PostgreSQL 14 and 18: which file a statement comes from, and that every check has an answer."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from sandbox.postgres import Cluster
from tests.areas.database import test_sizes as same
from tests.stages.platform import Platform, bare, login, started  # noqa: F401  # bare is a fixture
from upkeep.areas.backups import drill, restored
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import CHECKS, find
from upkeep.core.findings import Level, Topic
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database, queries

CONFIG = settings(ROOT / "config")
CLOCKS = CONFIG.maintenance.sql
#: The wheel's is 17; `make matrix` says which one it means.
MAJOR = int(os.environ.get("UPKEEP_MATRIX", "17"))


def test_the_server_is_the_one_that_is_meant(empty_database: str) -> None:
    """A matrix that runs five times on one and the same server proves nothing."""
    with database.session(lambda: psycopg.connect(empty_database), CLOCKS, read_only=True) as session:
        assert session.version // 10_000 == MAJOR


def test_what_a_restored_copy_is_asked_has_an_answer(empty_database: str) -> None:
    """Every statement of restoration and drill, on a server that is no copy: whole, in order, and its own system."""
    topic = Topic("restoration", "A copy", "G101")
    with database.session(lambda: psycopg.connect(empty_database), CLOCKS, read_only=False) as session:
        session.rows("CREATE TABLE public.error_logs (id serial PRIMARY KEY, timestamp timestamptz)")
        session.rows(
            "INSERT INTO public.error_logs (timestamp) SELECT now() - n * interval '1 h' FROM generate_series(1, 9) n"
        )
        findings = {finding.key: finding for finding in restored.look_through(session, topic)}
        assert {key: one.level for key, one in findings.items()} == dict.fromkeys(
            (f"restoration:{part}" for part in ("readable", "indexes", "sequences", "collations")), Level.OK
        ), findings
        now = datetime.now(UTC)
        mark = drill.landmark(session, CONFIG, now - 5 * timedelta(hours=1), now)
        assert mark is not None
        assert str(mark.log) == "public.error_logs"
        assert mark.quiet == timedelta(hours=1)


# Variants -------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Statements of the test's own in place of include/sql, beside those that every session runs at its start."""
    (tmp_path / "checks").mkdir()
    shutil.copytree(queries.FOLDER / "wires", tmp_path / "wires")
    monkeypatch.setattr(queries, "FOLDER", tmp_path)
    queries.load.cache_clear()
    yield tmp_path / "checks"
    queries.load.cache_clear()


def test_the_newest_variant_that_is_not_too_new_is_taken(folder: Path) -> None:
    """Between the plain file and two variants, each major gets its own; without a version, the plain one."""
    for name in ("one.sql", "one.pg15.sql", "one.pg17.sql", "one_more.pg14.sql", "one_more.sql"):
        (folder / name).write_text(name)
    taken = {major: queries.load("checks/one", major * 10_000 + 4) for major in range(14, 20)}
    assert taken == {
        14: "one.sql",
        15: "one.pg15.sql",
        16: "one.pg15.sql",
        17: "one.pg17.sql",
        18: "one.pg17.sql",
        19: "one.pg17.sql",
    }
    assert queries.load("checks/one") == "one.sql"


def test_a_server_older_than_all_variants_is_told_so(folder: Path) -> None:
    """Without a plain file there is nothing for an older server, and the message names it."""
    (folder / "one.pg16.sql").write_text("new")
    assert queries.load("checks/one", 160_002) == "new"
    with pytest.raises(FileNotFoundError, match=r"'checks/one' for PostgreSQL 15: .* include/sql/checks/one.sql"):
        queries.load("checks/one", 159_999)
    (folder / "one.pgx.sql").write_text("?")
    with pytest.raises(ValueError, match=r"found one.pgx.sql, expected a major"):
        queries.load("checks/one", 160_000)


def test_a_session_takes_the_variant_of_its_server(folder: Path, empty_database: str) -> None:
    """The server that answers decides, not what config or the driver believes."""
    for major in (MAJOR - 1, MAJOR, MAJOR + 1):
        (folder / f"one.pg{major}.sql").write_text(f"SELECT {major} AS major")
    with database.session(lambda: psycopg.connect(empty_database), CLOCKS, read_only=True) as session:
        assert session.row(session.load("checks/one")) == {"major": MAJOR}


def test_every_variant_is_for_a_major_that_the_matrix_runs() -> None:
    """A variant that nobody runs is not known to work; each is beside the plain file that it stands in for."""
    for file in (ROOT / "include" / "sql").rglob("*.pg*.sql"):
        name, _, major = file.stem.rpartition(".pg")
        assert int(major) in range(15, 19), file
        assert file.with_name(f"{name}.sql").is_file(), file


# Checks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_has_an_answer_on_every_major(
    cluster: Cluster, target_dsn: str, role_passwords: dict[str, str], name: str
) -> None:
    """In the seeded target no check fails, and none says that it does not know."""
    with psycopg.connect(target_dsn, autocommit=True) as admin:
        target = admin.info.dbname
        admin.execute(database.script("setup/target_grants", role="upkeep_read", database=target).encode())
        admin.execute("ANALYZE")  # a copy of the template knows of no rows
        for _ in range(3):  # before 15, statistics need time and a reason to be counted
            admin.execute("SELECT count(*) FROM application_logs WHERE id = 1")
            admin.execute("SELECT pg_stat_force_next_flush()")
    reader = cluster.dsn(target, "upkeep_read", role_passwords["upkeep_read"])
    with database.session(lambda: psycopg.connect(reader), CLOCKS, read_only=True) as session:
        looked = carry_out(find(name), Look(session, CONFIG, datetime.now(UTC)))
    assert looked.findings
    # What only time is missing for is known later: the server has just been started. What only a superuser may read
    # stays unknown.
    unknown = [finding for finding in looked.findings if finding.level is Level.UNKNOWN]
    assert [finding for finding in unknown if not {"until", "not_readable"} & finding.metadata.keys()] == []


@pytest.mark.parametrize("name", ["long_running_queries", "connections"])
def test_a_role_that_does_not_inherit_pg_monitor_judges_nothing(bare: Platform, name: str) -> None:  # noqa: F811
    """As WITH INHERIT FALSE from 16 on, in the words that all majors know; granted again, the check judges."""
    bare.sql("ALTER ROLE {role} NOINHERIT", role=bare.role)
    bare.sql("GRANT pg_monitor TO {role}", role=bare.role)
    assert bare.look(name).findings[0].level is Level.UNKNOWN
    bare.sql("REVOKE pg_monitor FROM {role}", role=bare.role)
    bare.sql("ALTER ROLE {role} INHERIT", role=bare.role)
    bare.sql("GRANT pg_monitor TO {role}", role=bare.role)
    assert bare.look(name).findings[0].level is Level.OK


# Grants ---------------------------------------------------------------------------------------------------------


def test_the_maintain_grants_let_the_role_vacuum(bare: Platform, cluster: Cluster) -> None:  # noqa: F811
    """Refused before and told so, allowed after, for a table that somebody else owns; from 17 on it may no more."""

    def refused() -> tuple[int, list[str] | None]:
        with database.session(lambda: psycopg.connect(bare.reader), CLOCKS, read_only=True) as session:
            row = session.row(session.load("setup/maintain_rights"))
        assert (row["role"], row["superuser"], row["tables"]) == (bare.role, False, 1)
        return row["refused"], row["names"]

    def vacuum() -> list[str]:
        with database.standing(lambda: psycopg.connect(bare.reader), CLOCKS) as session:
            session.rows('VACUUM (ANALYZE, TRUNCATE false) public."Worn ""out"""')
            return [notice.message for notice in session.notices if notice.severity == "WARNING"]

    name = str(psycopg.conninfo.conninfo_to_dict(bare.admin)["dbname"])
    with login(cluster, bare.admin, f'Owner "{secrets.token_hex(4)}"') as owner:
        names = {"table": 'Worn "out"', "owner": str(psycopg.conninfo.conninfo_to_dict(owner)["user"])}
        bare.sql("CREATE TABLE public.{table} AS SELECT 1 AS n", **names)
        bare.sql("ALTER TABLE public.{table} OWNER TO {owner}", **names)
        assert refused() == (1, ['public."Worn ""out"""'])
        assert "skipping" in " ".join(vacuum())
        file = queries.path("setup/maintain_grants", MAJOR * 10_000)
        owners = [row[0] for row in bare.sql(queries.load("setup/maintain_owners"))]
        assert owners == [names["owner"]]
        for _ in range(2):
            grants = database.script(f"setup/{file.stem}", role=bare.role, database=name, owner=owners[0])
            with psycopg.connect(bare.admin, autocommit=True) as admin:
                admin.execute(grants.encode())
        assert refused() == (0, None)
        assert vacuum() == []
        if MAJOR >= 17:
            with psycopg.connect(bare.reader) as role, pytest.raises(psycopg.errors.InsufficientPrivilege):
                role.execute('SELECT FROM public."Worn ""out"""')


def test_anybody_may_ask_which_server_it_is(bare: Platform) -> None:  # noqa: F811
    """The pin is a number that fits the setting; the role needs no grant for it."""
    with database.session(lambda: psycopg.connect(bare.reader), CLOCKS, read_only=True) as session:
        row = session.row(queries.load("setup/identity"))
    assert row == {"id": bare.sql("SELECT system_identifier::text FROM pg_control_system()")[0][0]}
    assert row["id"].isdecimal()


class SmallCluster(Cluster):
    """The 20 ordinary slots of test_checks_database's small server without reserved_connections."""

    def command(self) -> list[str]:
        return [
            *super().command(),
            *("-c", "max_connections=25", "-c", "superuser_reserved_connections=5"),
            *("-c", "autovacuum_naptime=1s", "-c", "autovacuum_vacuum_cost_delay=100ms"),
            *("-c", "autovacuum_vacuum_cost_limit=1"),
        ]


@pytest.fixture(scope="module")
def small(new_cluster: Callable[[], Cluster]) -> Iterator[Platform]:
    """The small server's database, with the project's own grants for its reader."""
    one = new_cluster()
    with started(SmallCluster(one.data, one.port, one.password)) as platform:
        yield platform


if MAJOR < 16:  # from 16 on they run where they stand
    test_levels_at_the_boundaries = same.test_levels_at_the_boundaries
    test_a_superusers_reserved_slots_make_more_than_all = same.test_a_superusers_reserved_slots_make_more_than_all
    test_states_are_counted = same.test_states_are_counted_and_background_processes_are_not
    test_an_autovacuum_is_no_long_query_and_no_connection = same.test_an_autovacuum_is_no_long_query_and_no_connection
