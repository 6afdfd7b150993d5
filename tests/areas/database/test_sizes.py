"""The daily database checks on a real PostgreSQL, as a role with the grants of include/sql/setup and nothing more."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from sandbox.postgres import Cluster
from tests.stages.platform import (
    CONFIG,
    NOW,
    Platform,
    grant,
    limited,
    login,
    started,
    until,
)
from tests.stages.platform import bare as bare  # noqa: PLC0414  # a fixture
from tests.stages.platform import platform as platform  # noqa: PLC0414  # a fixture
from upkeep.areas.database import sizes as database_checks
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import CHECKS, find
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult
from upkeep.settings.base import ROOT
from upkeep.wires import database
from upkeep.wires.queries import source

SECRET, NUMBER = "S3CRETMARKER", "8675309"


@contextmanager
def asleep(platform: Platform) -> Iterator[int]:
    """A session of the superuser that runs a statement for as long as the block; yields its PID."""
    connection = psycopg.connect(platform.admin, autocommit=True)
    try:
        connection.pgconn.send_query(b"SELECT pg_sleep(600)")
        yield connection.info.backend_pid
    finally:
        connection.cancel_safe()
        connection.close()


# G50 ------------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G5", "G50", "fires", "silent")
def test_a_transaction_left_open_is_found_until_it_ends(platform: Platform) -> None:
    """A session idle in transaction beyond the limit is a warning that says so, and is gone after its commit."""
    with psycopg.connect(platform.admin, application_name="the forgetful") as forgetful:
        forgetful.execute("SELECT 1")
        pid = forgetful.info.backend_pid
        finding = until(lambda: platform.long_queries(0.3), lambda found: pid in found)[pid]
        assert finding.detail.startswith("idle in transaction")
        assert "last statement: SELECT ?" in finding.detail
        assert finding.key == f"long_running_queries:postgres:{pid}"
        assert finding.metadata["application"] == "the forgetful"
        assert finding.metadata["age_seconds"] > 0.3
        forgetful.commit()
        assert pid not in platform.long_queries(0.3)


@pytest.mark.guide("G50", "fires", "silent")
def test_a_transaction_that_failed_and_stays_open_is_found(platform: Platform) -> None:
    """The state "idle in transaction (aborted)" holds back vacuum as well, and is named."""
    with psycopg.connect(platform.admin) as forgetful:
        with pytest.raises(psycopg.errors.DivisionByZero):
            forgetful.execute("SELECT 1 / 0")
        pid = forgetful.info.backend_pid
        finding = until(lambda: platform.long_queries(0.3), lambda found: pid in found)[pid]
        assert finding.detail.startswith("idle in transaction (aborted)")
        forgetful.rollback()
        assert pid not in platform.long_queries(0.3)


@pytest.mark.guide("G5", "G50", "fires", "silent")
def test_a_statement_that_runs_is_found_until_it_ends(platform: Platform) -> None:
    """An active statement beyond the limit is a warning with its wait event, and is gone once it is cancelled."""
    with asleep(platform) as pid:
        finding = until(lambda: platform.long_queries(0.3), lambda found: pid in found)[pid]
        assert finding.detail.startswith("running for")
        assert "waiting for Timeout/PgSleep" in finding.detail
        assert "statement: SELECT pg_sleep(?)" in finding.detail
        assert f"pg_cancel_backend({pid})" in finding.remedy
        assert finding.metadata["state"] == "active"
        platform.sql(f"SELECT pg_cancel_backend({pid})")
        until(lambda: platform.long_queries(0.3), lambda found: pid not in found)


@pytest.mark.guide("G50", "holds")
def test_a_statement_is_as_old_as_itself_and_not_as_its_transaction(platform: Platform) -> None:
    """What runs is judged by when it began, however long its transaction is open."""
    clock = "SELECT extract(epoch FROM clock_timestamp())::float8"
    with psycopg.connect(platform.admin) as working, psycopg.connect(platform.admin, autocommit=True) as other:

        def seconds() -> float:
            (now,) = other.execute(clock).fetchone() or (0.0,)
            return float(now)

        working.execute("SELECT 1")
        opened = seconds()
        until(lambda: seconds() - opened > 2)
        began = seconds()
        working.pgconn.send_query(b"SELECT pg_sleep(600)")
        pid = working.info.backend_pid
        finding = until(
            lambda: platform.long_queries(0.1), lambda found: pid in found and found[pid].metadata["state"] == "active"
        )[pid]
        assert finding.metadata["age_seconds"] <= seconds() - began
        working.cancel_safe()
        working.close()


@pytest.mark.guide("G50", "silent")
def test_what_is_younger_than_the_limit_is_not_found(platform: Platform) -> None:
    """With config's own five minutes a fresh statement and a fresh transaction are no finding."""
    with psycopg.connect(platform.admin) as forgetful, asleep(platform):
        forgetful.execute("SELECT 1")
        (finding,) = platform.look("long_running_queries").findings
    assert finding.level is Level.OK
    assert "5 minutes" in finding.detail


@pytest.mark.guide("G50", "holds")
def test_neither_idle_sessions_nor_our_own_are_found(platform: Platform) -> None:
    """With a limit of next to nothing, an old idle session and the checking session itself stay out."""
    with psycopg.connect(platform.admin, autocommit=True) as idle, psycopg.connect(platform.admin) as forgetful:
        idle.execute("SELECT 1")
        forgetful.execute("SELECT 1")
        config = limited(long_query_minutes=1e-9)
        connect = database.session(lambda: psycopg.connect(platform.reader), config.maintenance.sql, read_only=True)
        with connect as session:
            looked = carry_out(find("long_running_queries"), Look(session, config, NOW))
            own = session.connection.info.backend_pid
        found = {finding.metadata["pid"] for finding in looked.findings}
        assert forgetful.info.backend_pid in found
        assert not found & {idle.info.backend_pid, own}


@pytest.mark.guide("G50", "holds")
def test_no_literal_reaches_the_finding(platform: Platform) -> None:
    """A string, a number, a dollar quote and a comment of an open transaction are nowhere in what is recorded."""
    query = f"SELECT /* {SECRET} */ '{SECRET}', {NUMBER}, $tag${SECRET}$tag$, E'\\t{SECRET}' -- {SECRET}"
    with psycopg.connect(platform.admin) as forgetful, psycopg.connect(platform.admin) as binding:
        forgetful.execute(query.encode())
        binding.execute("SELECT %s::text, %s::int", [SECRET, int(NUMBER)])
        pids = {forgetful.info.backend_pid, binding.info.backend_pid}
        found = until(lambda: platform.long_queries(0.1), lambda found: pids <= found.keys())
    recorded = repr([found[pid] for pid in pids])
    assert "SELECT ?, ?, ?, E…" in recorded
    assert "SELECT $1::text, $2::int" in recorded
    assert SECRET not in recorded
    assert NUMBER not in recorded


@pytest.mark.guide("G50", "holds")
def test_a_statement_that_the_server_cut_inside_a_string_shows_none_of_it(platform: Platform) -> None:
    """The server keeps 1024 bytes: a string whose end is missing hides all the same."""
    with psycopg.connect(platform.admin) as forgetful:
        forgetful.execute(f"SELECT a, '{SECRET * 200}' FROM (VALUES (1)) AS t(a)".encode())
        pid = forgetful.info.backend_pid
        finding = until(lambda: platform.long_queries(0.1), lambda found: pid in found)[pid]
    assert finding.detail.endswith("SELECT a,…")
    assert SECRET[:4] not in repr(finding)


@pytest.mark.guide("G50", "holds")
def test_a_user_of_any_name_is_named(platform: Platform, cluster: Cluster) -> None:
    """Mixed case, blanks, quotes and letters beyond ASCII in a user's name arrive as they are."""
    name = f'Wéird "User" 100% o\'{secrets.token_hex(3)}'
    with login(cluster, platform.admin, name) as dsn, psycopg.connect(dsn) as forgetful:
        forgetful.execute("SELECT 1")
        pid = forgetful.info.backend_pid
        finding = until(lambda: platform.long_queries(0.1), lambda found: pid in found)[pid]
        forgetful.rollback()
    assert finding.metadata["user"] == name
    assert finding.subject == f"PID {pid} of {name}"


def test_sessions_of_a_database_in_another_encoding_are_found(platform: Platform) -> None:
    """The server hands out the bytes of other databases' statements as they came; they need not be UTF-8."""
    name = f"latin_{secrets.token_hex(4)}"
    platform.sql("CREATE DATABASE {name} TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'", name=name)
    try:
        with psycopg.connect(platform.admin, dbname=name, client_encoding="utf8") as forgetful:
            forgetful.execute("SELECT 1 AS größe")
            pid = forgetful.info.backend_pid
            finding = until(lambda: platform.long_queries(0.1), lambda found: pid in found)[pid]
    finally:
        platform.sql("DROP DATABASE {name} WITH (FORCE)", name=name)
    assert "SELECT ? AS gr\N{REPLACEMENT CHARACTER}" in finding.detail


# G50 and G51 without the grants ---------------------------------------------------------------------------------


@pytest.mark.guide("G50", "G51", "fires", "silent")
@pytest.mark.parametrize("name", ["long_running_queries", "connections"])
def test_a_role_that_cannot_see_sessions_judges_nothing_until_granted(bare: Platform, name: str) -> None:
    """Without pg_monitor the answer is UNKNOWN with the remedy, never a false ok; with it, the check judges."""
    with psycopg.connect(bare.admin) as forgetful:
        forgetful.execute("SELECT 1")
        looked = bare.look(name)
        (finding,) = looked.findings
        assert finding.level is Level.UNKNOWN
        assert bare.role in finding.detail
        assert "pg_monitor" in finding.expected
        assert "python -m upkeep grants target" in finding.remedy
        assert looked.samples == ()
        grant(bare)
        assert bare.look(name).findings[0].level is Level.OK


@pytest.mark.guide("G50", "G51", "fires", "silent")
@pytest.mark.parametrize("name", ["long_running_queries", "connections"])
def test_a_member_of_pg_monitor_that_inherits_nothing_judges_nothing(bare: Platform, name: str) -> None:
    """Membership alone shows no session: the privileges must be in force without SET ROLE."""
    bare.sql("GRANT pg_monitor TO {role} WITH INHERIT FALSE", role=bare.role)
    unseen = bare.look(name).findings[0]
    assert unseen.level is Level.UNKNOWN and "cannot see other users' sessions" in unseen.detail
    bare.sql("GRANT pg_monitor TO {role} WITH INHERIT TRUE", role=bare.role)
    assert bare.look(name).findings[0].level is Level.OK


@pytest.mark.guide("G50", "fires", "silent")
def test_more_long_queries_than_are_shown_are_counted(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest ones are named and a last finding says how many more; with fewer there is none."""
    monkeypatch.setattr(database_checks, "SHOWN", 2)

    def found() -> dict[str, Finding]:
        return {one.key: one for one in platform.look("long_running_queries", long_query_minutes=0.001).findings}

    with ExitStack() as sessions:
        for _ in range(2):
            sessions.enter_context(asleep(platform))
        until(found, lambda found: len(found) == 2)
        with ExitStack() as others:
            newer = {others.enter_context(asleep(platform)) for _ in range(3)}
            keys = until(found, lambda found: "long_running_queries:more" in found and found)
            three = until(found, lambda found: found["long_running_queries:more"].metadata["more"] == 3)
            assert len(keys) == len(three) == 3
            assert three["long_running_queries:more"].detail == "3 more than the 2 oldest ones, which are named"
            assert not any(key.endswith(str(pid)) for key in three for pid in newer)
        assert "long_running_queries:more" not in until(found, lambda found: len(found) == 2)
    assert until(found, lambda found: "long_running_queries" in found)["long_running_queries"].level is Level.OK


# G51 ------------------------------------------------------------------------------------------------------------


class SmallCluster(Cluster):
    """A server with 25 connections, of which 20 are for ordinary roles, and an autovacuum that is always at it."""

    def command(self) -> list[str]:
        return [
            *super().command(),
            *("-c", "max_connections=25", "-c", "superuser_reserved_connections=2", "-c", "reserved_connections=3"),
            *("-c", "autovacuum_naptime=1s", "-c", "autovacuum_vacuum_cost_delay=100ms"),
            *("-c", "autovacuum_vacuum_cost_limit=1"),
        ]


@pytest.fixture(scope="module")
def small(new_cluster: Callable[[], Cluster]) -> Iterator[Platform]:
    """The small server's database, with the project's own grants for its reader."""
    one = new_cluster()
    with started(SmallCluster(one.data, one.port, one.password)) as platform:
        yield platform


@pytest.mark.guide("G5", "G51", "fires", "silent")
def test_levels_at_the_boundaries(small: Platform) -> None:
    """With 20 slots, 15 taken are 75 % and ok, 16 warn, 18 are 90 % and warn, 19 are critical, and back again."""

    def taken(number: int) -> tuple[Level, int, int]:
        """Let this many connections be taken, the check's own among them, and look."""
        while len(held) > number - 1:
            held.pop().close()
        while len(held) < number - 1:
            held.append(stack.enter_context(psycopg.connect(small.reader)))

        def look() -> tuple[Level, int, int]:
            (finding,) = small.look("connections").findings
            return finding.level, sum(finding.metadata["states"].values()), finding.metadata["available"]

        return until(look, lambda found: found[1] == number)  # a closed connection's backend takes its time

    held: list[psycopg.Connection[Any]] = []
    with ExitStack() as stack:
        assert taken(1) == (Level.OK, 1, 20)
        assert taken(15) == (Level.OK, 15, 20)
        assert taken(16) == (Level.WARNING, 16, 20)
        assert taken(18) == (Level.WARNING, 18, 20)
        assert taken(19) == (Level.CRITICAL, 19, 20)
        assert taken(20) == (Level.CRITICAL, 20, 20)
        assert taken(18) == (Level.WARNING, 18, 20)
        assert taken(15) == (Level.OK, 15, 20)


@pytest.mark.guide("G51", "fires")
def test_a_superusers_reserved_slots_make_more_than_all(small: Platform) -> None:
    """When superusers fill the reserved slots too, more than 100 % is critical, not an absurd number."""
    with ExitStack() as stack:
        for _ in range(22):
            stack.enter_context(psycopg.connect(small.admin))
        with pytest.raises(psycopg.OperationalError, match="remaining connection slots"):
            small.look("connections")
        small_admin = Platform(small.admin, small.admin, "postgres")
        (finding,) = until(
            lambda: small_admin.look("connections").findings,
            lambda found: sum(found[0].metadata["states"].values()) == 23,
        )
    assert finding.level is Level.CRITICAL
    assert "23 of 20 connections are taken (115.0 %)" in finding.detail


@pytest.mark.guide("G51", "holds")
def test_states_are_counted_and_background_processes_are_not(small: Platform) -> None:
    """Each state has its number in the finding and a sample; the server's own processes take no client's slot."""
    with (
        psycopg.connect(small.admin, autocommit=True),
        psycopg.connect(small.admin) as forgetful,
        psycopg.connect(small.admin) as second,
    ):
        forgetful.execute("SELECT 1")
        second.execute("SELECT 1")
        expected = {"active": 1, "idle": 1, "idle in transaction": 2}
        looked = until(
            lambda: small.look("connections"), lambda found: found.findings[0].metadata["states"] == expected
        )
    assert [(sample.metric, sample.subject, sample.value) for sample in looked.samples] == [
        ("connections_used", "", 20.0),
        ("connections", "idle in transaction", 2.0),
        ("connections", "active", 1.0),
        ("connections", "idle", 1.0),
    ]
    assert "4 of 20 connections are taken (20.0 %)" in looked.findings[0].detail
    ((processes,),) = small.sql("SELECT count(*) FROM pg_stat_activity WHERE state IS NULL")
    assert processes >= 3


@pytest.mark.guide("G50", "G51", "holds")
def test_an_autovacuum_is_no_long_query_and_no_connection(small: Platform) -> None:
    """A worker that has been vacuuming for longer than the limit is neither listed nor counted."""
    small.sql("CREATE TABLE churned AS SELECT n, repeat('x', 500) AS filler FROM generate_series(1, 50000) AS n")
    small.sql("DELETE FROM churned WHERE n % 2 = 0")
    old = """
        SELECT pid FROM pg_stat_activity
        WHERE backend_type = 'autovacuum worker' AND clock_timestamp() - xact_start > interval '0.5 s'
    """
    ((worker,), *_) = until(lambda: small.sql(old))
    with psycopg.connect(small.admin) as forgetful:
        forgetful.execute("SELECT 1")
        pid = forgetful.info.backend_pid
        found = until(lambda: small.long_queries(0.3), lambda found: pid in found)
        states = small.look("connections").findings[0].metadata["states"]
    assert (worker,) in small.sql(old)
    assert worker not in found
    assert sum(states.values()) == 2


# G49 ------------------------------------------------------------------------------------------------------------


def sizes(looked: LookResult) -> dict[str, float]:
    """Table → bytes, in the check's order."""
    return {sample.subject: sample.value for sample in looked.samples if sample.metric == "table_bytes"}


def growth(looked: LookResult) -> dict[str, float | None]:
    """Table → bytes a day."""
    return {row["table"]: row["growth_bytes_per_day"] for row in looked.findings[0].metadata["tables"]}


@pytest.mark.guide("G49", "fires", "silent")
def test_a_database_without_tables_is_unknown_until_it_has_one(platform: Platform) -> None:
    """Nothing to look at is UNKNOWN with a remedy, before the first table and after the last."""
    (finding,) = platform.look("table_sizes").findings
    assert finding.level is Level.UNKNOWN
    assert "right database" in finding.remedy
    platform.sql("CREATE TABLE one (id int)")
    assert platform.look("table_sizes").findings[0].level is Level.OK
    platform.sql("DROP TABLE one")
    unseen = platform.look("table_sizes").findings[0]
    assert unseen.level is Level.UNKNOWN and "found no table; schemas looked at: public" in unseen.detail


@pytest.mark.guide("G49", "holds")
def test_names_of_any_kind_have_the_sizes_that_the_server_says(platform: Platform) -> None:
    """Mixed case, blanks, quotes, dots and percent signs do not disturb; sizes are the server's, largest first."""
    names = ["plain", "Mixed Case", 'quo"te', "o'clock", "do.t", "100%", "größe", "SELECT"]
    for number, name in enumerate(names):
        platform.sql("CREATE TABLE {name} (id int PRIMARY KEY, filler text)", name=name)
        rows = f"SELECT n, repeat('x', 900) FROM generate_series(1, {100 * (number + 1)}) AS n"
        platform.sql(f"INSERT INTO {{name}} {rows}", name=name)
    looked = platform.look("table_sizes")
    told = platform.sql("""
        SELECT 'public.' || relname, pg_total_relation_size(oid) FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 2 DESC
    """)
    assert {subject for subject, _ in told} == {f"public.{name}" for name in names}
    assert list(sizes(looked).items()) == [(subject, float(size)) for subject, size in told]
    assert looked.findings[0].level is Level.OK
    assert "the 8 largest tables" in looked.findings[0].detail


@pytest.mark.guide("G49", "holds")
def test_what_counts_as_a_table(platform: Platform) -> None:
    """A partitioned table is one with the sum of its partitions; views are none; every schema counts."""
    platform.sql("CREATE TABLE parent (id int PRIMARY KEY) PARTITION BY LIST (id)")
    for number in range(20):
        platform.sql(f"CREATE TABLE part{number} PARTITION OF parent FOR VALUES IN ({number})")
    platform.sql("INSERT INTO parent SELECT generate_series(0, 19)")
    platform.sql("CREATE VIEW looking AS SELECT 1 AS one")
    platform.sql("CREATE MATERIALIZED VIEW kept AS SELECT 1 AS one")
    platform.sql("CREATE SCHEMA elsewhere")
    platform.sql("CREATE TABLE elsewhere.other (id int)")
    looked = platform.look("table_sizes")
    assert sizes(looked).keys() == {"public.parent", "public.kept", "elsewhere.other"}
    told = platform.sql("SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('parent') WHERE isleaf")
    assert sizes(looked)["public.parent"] == float(told[0][0]) > 20 * 8192
    assert "schemas looked at: elsewhere, public" in looked.findings[0].detail
    assert sizes(platform.look("table_sizes", schemas=("elsewhere",))).keys() == {"elsewhere.other"}
    (absent,) = platform.look("table_sizes", schemas=("gone",)).findings
    assert (absent.level, absent.detail) == (
        Level.UNKNOWN,
        "found no schema gone (config: checks.schemas); schemas looked at: none",
    )


@pytest.mark.guide("G49", "holds")
def test_only_so_many_tables_are_listed(platform: Platform) -> None:
    """The limit of config keeps the largest."""
    for number in range(5):
        platform.sql(f"CREATE TABLE t{number} AS SELECT generate_series(1, {20_000 * number})")
    looked = platform.look("table_sizes", largest_tables=2)
    assert list(sizes(looked)) == ["public.t4", "public.t3"]
    assert [row["table"] for row in looked.findings[0].metadata["tables"]] == ["public.t4", "public.t3"]


@pytest.mark.guide("G49", "holds")
def test_growth_is_bytes_a_day_since_the_earlier_sample(platform: Platform) -> None:
    """A table that grew, one that shrank and one that is new: a positive rate, a negative one, and none."""
    for name in ("Grown", "shrunk", "new"):
        platform.sql("CREATE TABLE {name} AS SELECT generate_series(1, 50000) AS n", name=name)
    first = platform.look("table_sizes")
    assert growth(first) == {"public.Grown": None, "public.shrunk": None, "public.new": None}
    assert "known from the next day on" in first.findings[0].detail
    two_days_ago = NOW - timedelta(days=2)
    earlier = {("table_bytes", name): (sizes(first)[name], two_days_ago) for name in ("public.Grown", "public.shrunk")}
    platform.sql('INSERT INTO "Grown" SELECT generate_series(1, 100000)')
    platform.sql("TRUNCATE shrunk")
    second = platform.look("table_sizes", earlier)
    rates = growth(second)
    for name in ("public.Grown", "public.shrunk"):
        assert rates[name] == (sizes(second)[name] - sizes(first)[name]) / 2
    assert rates["public.Grown"] > 0 > rates["public.shrunk"]
    assert rates["public.new"] is None
    assert "together they grow by" in second.findings[0].detail


@pytest.mark.guide("G18", "holds")
def test_the_size_of_the_whole_database_is_a_sample(platform: Platform) -> None:
    """What the server says, as the role that checks come with: one point of what growth is forecast from."""
    platform.sql("CREATE TABLE one AS SELECT generate_series(1, 50000) AS n")
    samples = {sample.metric: sample for sample in platform.look("table_sizes").samples}
    ((told,),) = platform.sql("SELECT pg_database_size(current_database())")
    assert samples["database_bytes"].value == pytest.approx(told, rel=0.05) and told > 2**20
    assert (samples["database_bytes"].unit, samples["database_bytes"].subject) == ("bytes", "")


@pytest.mark.guide("G49", "holds")
def test_rows_that_are_dead_are_counted_with_the_tables_size(platform: Platform) -> None:
    """As the server counts them, a partitioned table as the sum of its partitions."""
    platform.sql("CREATE TABLE kept (id int) WITH (autovacuum_enabled = false)")
    platform.sql("INSERT INTO kept SELECT generate_series(1, 500)")
    platform.sql("DELETE FROM kept WHERE id <= 200")
    platform.sql("CREATE TABLE parent (id int) PARTITION BY LIST (id)")
    for number in range(3):
        platform.sql(f"CREATE TABLE part{number} PARTITION OF parent FOR VALUES IN ({number})")
    platform.sql("INSERT INTO parent SELECT generate_series(0, 2)")

    def counted() -> dict[tuple[str, str], float]:
        samples = platform.look("table_sizes").samples
        return {(one.metric, one.subject): one.value for one in samples if one.unit == "rows"}

    expected = {
        ("table_live_rows", "public.kept"): 300.0,
        ("table_dead_rows", "public.kept"): 200.0,
        ("table_live_rows", "public.parent"): 3.0,
        ("table_dead_rows", "public.parent"): 0.0,
    }
    until(counted, lambda found: found == expected)


@pytest.mark.guide("G49", "G53", "holds")
def test_each_index_has_its_size_its_scans_and_when_it_was_last_used(platform: Platform) -> None:
    """Unused until it is scanned; what is no number is kept from look to look, also on servers that know no time."""
    platform.sql("CREATE TABLE one (id int PRIMARY KEY, other int)")
    platform.sql('CREATE INDEX "By Other" ON one (other)')
    platform.sql("INSERT INTO one SELECT n, n FROM generate_series(1, 20000) n")

    def looked(at: datetime, before: LookResult | None = None) -> LookResult:
        earlier = {(one.metric, one.subject): (one.value, NOW) for one in before.samples} if before else {}
        previous = (NOW, before.snapshot) if before else None
        connect = database.session(lambda: psycopg.connect(platform.reader), CONFIG.maintenance.sql, read_only=True)
        with connect as session:
            return carry_out(find("table_sizes"), Look(session, CONFIG, at, earlier, previous=previous))

    def scans(found: LookResult) -> float:
        (value,) = (one.value for one in found.samples if (one.metric, one.subject) == ("index_scans", name))
        return value

    name = "public.By Other"
    first = looked(NOW)
    sizes = {one.subject: one.value for one in first.samples if one.metric == "index_bytes"}
    assert sizes.keys() == {"public.one_pkey", name} and min(sizes.values()) > 100_000
    known = first.snapshot["indexes"]
    assert known[name] == {
        "table": "public.one", "unique": False, "valid": True, "known": NOW.isoformat(), "used": None
    }  # fmt: skip
    assert known["public.one_pkey"]["unique"] and first.snapshot["since"] is not None
    platform.sql("SET enable_seqscan = off; SELECT FROM one WHERE other = 7")
    second = until(lambda: looked(NOW + timedelta(days=1), first), lambda found: scans(found) == scans(first) + 1)
    told = second.snapshot["indexes"][name]
    assert told["known"] == NOW.isoformat() and told["used"] is not None
    third = looked(NOW + timedelta(days=2), second)
    assert third.snapshot["indexes"][name]["used"] == told["used"]


@pytest.mark.guide("G49", "holds")
def test_an_index_of_a_partitioned_table_is_one(platform: Platform) -> None:
    """With the sum of its partitions' sizes; other tables' indexes are not among them."""
    platform.sql("CREATE TABLE parent (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    for number in range(3):
        bounds = f"FROM ({1000 * number}) TO ({1000 * number + 1000})"
        platform.sql(f"CREATE TABLE part{number} PARTITION OF parent FOR VALUES {bounds}")
    platform.sql("INSERT INTO parent SELECT generate_series(0, 2999)")
    platform.sql("CREATE TABLE small (id int PRIMARY KEY)")
    looked = platform.look("table_sizes", largest_tables=1)
    ((told,),) = platform.sql("""
        SELECT sum(pg_relation_size(c.oid)) FROM pg_class c
        WHERE c.relkind = 'i' AND c.relname LIKE 'part%' AND c.relnamespace = 'public'::regnamespace
    """)
    found = [(one.subject, one.value) for one in looked.samples if one.metric == "index_bytes"]
    assert found == [("public.parent_pkey", float(told))]


def test_shrinking_is_said_in_words(platform: Platform) -> None:
    """When the tables together lost bytes, the sentence says that they shrink, without a minus sign."""
    platform.sql("CREATE TABLE shrunk AS SELECT generate_series(1, 50000) AS n")
    earlier = {("table_bytes", "public.shrunk"): (1e9, NOW - timedelta(days=1))}
    detail = platform.look("table_sizes", earlier).findings[0].detail
    assert "together they shrink by 952 MB a day" in detail


def test_tables_are_sized_without_the_right_to_read_them(bare: Platform) -> None:
    """Sizes need neither SELECT on the tables nor USAGE on their schema: growth is watched before any grant."""
    bare.sql("CREATE TABLE hidden AS SELECT generate_series(1, 1000) AS n")
    bare.sql("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    with psycopg.connect(bare.reader) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT FROM public.hidden")
    assert list(sizes(bare.look("table_sizes"))) == ["public.hidden"]


@pytest.mark.guide("G49", "fires")
def test_a_database_without_schema_public_is_unknown(platform: Platform) -> None:
    """A deployment that keeps its tables elsewhere is told so, not called healthy."""
    platform.sql("CREATE TABLE one (id int)")
    platform.sql("DROP SCHEMA public CASCADE")
    unseen = platform.look("table_sizes").findings[0]
    assert unseen.level is Level.UNKNOWN and "found no table; schemas looked at: none" in unseen.detail


def test_a_table_that_is_dropped_meanwhile_is_left_out(platform: Platform) -> None:
    """A table that the snapshot still shows and the disk no longer holds has no size; the others keep theirs.

    Repeatable read makes the moment between catalogue and disk as long as the test needs it.
    """
    platform.sql("CREATE TABLE kept (id int PRIMARY KEY)")
    platform.sql("CREATE TABLE dropped (id int PRIMARY KEY)")
    opened = psycopg.connect(platform.reader)
    with database.connected(lambda: opened) as session:
        session.connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        session.row("SELECT 1 AS snapshot")
        platform.sql("DROP TABLE dropped")
        assert session.row("SELECT count(*) AS n FROM pg_class WHERE relname = 'dropped'")["n"] == 1
        looked = carry_out(find("table_sizes"), Look(session, CONFIG, NOW))
    assert list(sizes(looked)) == ["public.kept"]


@pytest.mark.guide("X11", "holds")
def test_a_table_locked_for_good_ends_the_look_in_time(platform: Platform) -> None:
    """Sizing waits for an exclusive lock no longer than lock_timeout, and looks again once it is free (X11)."""
    platform.sql("CREATE TABLE locked (id int)")
    with psycopg.connect(platform.admin) as holder:
        holder.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(psycopg.errors.LockNotAvailable) as caught:
            platform.look("table_sizes")
    assert "sql.lock_timeout_seconds" in database.explain(caught.value, "some_connection")
    assert list(sizes(platform.look("table_sizes"))) == ["public.locked"]


def test_every_check_is_found_by_name_and_an_unknown_one_is_not() -> None:
    """The registry holds what DAG files name and no more, names it when asked for something else; each has SQL."""
    named = {
        path for file in (ROOT / "dags").glob("*.py") for path in re.findall(r'check\("([\w/]+)"', file.read_text())
    }
    assert {check.path for check in CHECKS.values()} == named
    assert all((ROOT / source(check.path)).exists() for check in CHECKS.values())
    with pytest.raises(LookupError, match=r"'no_such', expected one of: access_patterns, access_review, audit, "):
        find("no_such")


@pytest.mark.guide("G50", "fires", "silent")
def test_sessions_that_are_not_tracked_are_unknown(platform: Platform) -> None:
    """Without track_activities no session says since when it is busy: an empty list is no ok."""
    platform.sql("ALTER ROLE {role} SET track_activities = off", role=platform.role)
    (finding,) = platform.look("long_running_queries").findings
    assert finding.level is Level.UNKNOWN
    assert "track_activities is off" in finding.detail
    platform.sql("ALTER ROLE {role} RESET track_activities", role=platform.role)
    assert {finding.level for finding in platform.look("long_running_queries").findings} == {Level.OK}
