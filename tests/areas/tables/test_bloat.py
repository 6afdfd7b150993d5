"""Bloat (G54-G58) and constraints that do not hold for all rows (G60) on a real PostgreSQL: each appears and goes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.stages.platform import Platform
from tests.stages.platform import bare as bare  # noqa: PLC0414  # a fixture of the next one
from tests.stages.platform import platform as platform  # noqa: PLC0414  # the fixture
from tests.stages.sessions import to
from upkeep.areas.indexes import reindex
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import find
from upkeep.areas.tables import constraints
from upkeep.core.findings import Finding, Level
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings
from upkeep.settings.values import TableName
from upkeep.wires import database

CONFIG = settings(ROOT / "config")
TARGET = "primary"
GIB = 1024**3
#: The guide's four tables and the id of each.
GUIDE = {
    "user_consents": "G55",
    "data_processing_logs": "G56",
    "error_logs": "G57",
    "performance_alerts": "G58",
}


def limited(storage: int | None = GIB, timeout: float | None = None, **fields: Any) -> Settings:
    """Config with other limits of ``reindex``, indexes of any size by default, and a storage of this many bytes."""
    main = CONFIG.maintenance
    target = main.targets[TARGET].model_copy(update={"storage_bytes": storage})
    clocks = {"statement_timeout_seconds": timeout or main.sql.statement_timeout_seconds}
    update = {
        "reindex": main.reindex.model_copy(update={"min_bytes": 0} | fields),
        "targets": {TARGET: target},
        "sql": main.sql.model_copy(update=clocks),
    }
    return CONFIG.model_copy(update={"maintenance": main.model_copy(update=update)})


def only(*names: str, **fields: Any) -> Settings:
    """The same for some tables of schema public alone."""
    return limited(tables=tuple(TableName("public", name) for name in names), **fields)


def look(platform: Platform, name: str, config: Settings | None = None) -> dict[str, Finding]:
    """The findings of one check as the reader carries it out, by key."""
    config = config or limited()
    with database.session(to(platform.reader), config.maintenance.sql, read_only=True) as session:
        one = Look(session, config, datetime.now(UTC), target=TARGET)
        return {finding.key: finding for finding in carry_out(find(name), one).findings}


def proposed(platform: Platform, config: Settings | None = None, *taken: int) -> list[str]:
    """Names of the indexes that a plan would rebuild."""
    main = (config or limited()).maintenance
    with database.session(to(platform.reader), main.sql, read_only=True) as session:
        return [row["index"] for row in reindex.candidates(session, main, TARGET, taken)]


def do(platform: Platform, *statements: str) -> None:
    """Run statements as the superuser, each on its own."""
    with psycopg.connect(platform.admin, autocommit=True) as owner:
        for statement in statements:
            owner.execute(statement.encode())


def table(platform: Platform, name: str, rows: int = 20_000) -> None:
    """A table whose primary key has a few dozen pages, dense; statistics know it, and autovacuum leaves it alone."""
    at = sql.Identifier(name)
    with psycopg.connect(platform.admin, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE TABLE {} (id int, b text) WITH (autovacuum_enabled = false)").format(at))
        owner.execute(sql.SQL("INSERT INTO {} SELECT n, 'x' FROM generate_series(1, {}) n").format(at, rows))
        owner.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (id)").format(at))
        owner.execute(sql.SQL("VACUUM (ANALYZE) {}").format(at))


def hollow(platform: Platform, name: str) -> None:
    """Let nine rows of ten go and the pages stay."""
    with psycopg.connect(platform.admin, autocommit=True) as owner:
        owner.execute(sql.SQL("DELETE FROM {} WHERE id % 10 > 0").format(sql.Identifier(name)))
        owner.execute(sql.SQL("VACUUM (ANALYZE, TRUNCATE false) {}").format(sql.Identifier(name)))


# Bloat ----------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G55-G58", "fires", "silent")
@pytest.mark.parametrize(("name", "guide"), GUIDE.items(), ids=GUIDE.keys())
def test_a_hollow_index_fires_until_it_is_rebuilt(platform: Platform, name: str, guide: str) -> None:
    """Its table's own guide id, its share as measured; the plan has it; REINDEX ends both."""
    do(platform, "CREATE EXTENSION pgstattuple")
    table(platform, name)
    assert look(platform, "bloat", only(name))[f"bloat:public.{name}"].level is Level.OK
    assert proposed(platform) == []
    hollow(platform, name)
    finding = look(platform, "bloat", only(name))[f"bloat:public.{name}"]
    assert (finding.level, finding.guide) == (Level.ADVISORY, guide)
    assert f"public.{name}_pkey, 456 kB: 90 % (measured) bloat" in finding.detail
    assert finding.metadata[f"public.{name}_pkey"]["how"] == "measured"
    assert proposed(platform, only(name)) == [f"{name}_pkey"]
    do(platform, f"REINDEX INDEX CONCURRENTLY {name}_pkey")
    assert look(platform, "bloat", only(name))[f"bloat:public.{name}"].level is Level.OK
    assert proposed(platform, only(name)) == []


@pytest.mark.guide("G54", "fires", "silent")
def test_a_hollow_table_fires_until_it_is_full_again(platform: Platform) -> None:
    """Dead rows and free room as pgstattuple_approx sees them, whether or not VACUUM has been there."""
    do(platform, "CREATE EXTENSION pgstattuple")
    table(platform, "user_consents")
    config, key = only("user_consents"), "bloat:table:public.user_consents"
    assert look(platform, "bloat", config)[key].level is Level.OK
    do(platform, "DELETE FROM user_consents WHERE id % 2 = 0")
    finding = look(platform, "bloat", config)[key]
    assert (finding.level, finding.guide) == (Level.ADVISORY, "G54")
    assert "(measured) dead rows and free room" in finding.detail
    do(platform, "VACUUM user_consents")
    assert look(platform, "bloat", config)[key].level is Level.ADVISORY
    do(platform, "VACUUM FULL user_consents")
    assert look(platform, "bloat", config)[key].level is Level.OK


def test_without_the_extension_bloat_is_estimated_and_nothing_is_proposed(platform: Platform) -> None:
    """It says so and how to install it; the estimate falls silent with REINDEX too."""
    table(platform, "user_consents")
    config, key = only("user_consents"), "bloat:public.user_consents"
    found = look(platform, "bloat", config)
    assert (found[key].level, found["bloat:extension"].level) == (Level.OK, Level.ADVISORY)
    assert "CREATE EXTENSION pgstattuple" in found["bloat:extension"].remedy
    hollow(platform, "user_consents")
    finding = look(platform, "bloat", config)[key]
    assert finding.level is Level.ADVISORY
    assert "(estimated, extension pgstattuple is not installed) bloat" in finding.detail
    assert "nothing is proposed by it" in finding.remedy
    assert proposed(platform, config) == []
    do(platform, "REINDEX INDEX user_consents_pkey")
    assert look(platform, "bloat", config)[key].level is Level.OK
    do(platform, "CREATE EXTENSION pgstattuple")
    assert "bloat:extension" not in look(platform, "bloat", config)


def test_an_extension_that_the_role_may_not_call_is_none(platform: Platform) -> None:
    """Wherever it lies: without USAGE on its schema it cannot be called, with it it can."""
    do(platform, "CREATE SCHEMA extensions", "CREATE EXTENSION pgstattuple SCHEMA extensions")
    table(platform, "user_consents")
    config = only("user_consents")
    finding = look(platform, "bloat", config)["bloat:extension"]
    assert "may not call" in finding.detail
    assert "USAGE on schema extensions" in finding.remedy
    platform.sql("GRANT USAGE ON SCHEMA extensions TO {role}", role=platform.role)
    found = look(platform, "bloat", config)
    assert "bloat:extension" not in found
    assert "(measured)" in found["bloat:public.user_consents"].detail


@pytest.mark.guide("G54", "fires", "silent")
def test_bloat_of_partitions_is_told_as_their_sum(platform: Platform) -> None:
    """Twenty partitions are one finding with what they are together, and five are named."""
    do(platform, "CREATE EXTENSION pgstattuple", "CREATE TABLE years (id int, n int, note text) PARTITION BY LIST (id)")
    for number in range(20):
        quiet = "WITH (autovacuum_enabled = false)"
        do(platform, f"CREATE TABLE y{number} PARTITION OF years FOR VALUES IN ({number}) {quiet}")
    # A tenth stays in each, by count and not by chance: 100 rows, which fill their pages well.
    do(platform, "INSERT INTO years SELECT n % 20, n / 20, repeat('x', 200) FROM generate_series(0, 19999) n")
    key = "bloat:table:public.years"
    assert look(platform, "bloat", only("years"))[key].level is Level.OK
    do(platform, "DELETE FROM years WHERE n % 10 > 0")
    finding = look(platform, "bloat", only("years"))[key]
    assert finding.level is Level.ADVISORY
    assert finding.detail.startswith("20 partitions, ") and " % in all; " in finding.detail
    assert finding.detail.endswith("; and 15 more")
    do(platform, "VACUUM FULL years")
    assert look(platform, "bloat", only("years"))[key].level is Level.OK


@pytest.mark.guide("G54", "fires", "silent")
def test_a_small_table_that_cannot_be_measured_is_not_said_to_be_well(platform: Platform) -> None:
    """The role may not call pgstattuple and nothing was analysed: UNKNOWN with the reason, below min_bytes too."""
    do(platform, "CREATE EXTENSION pgstattuple", "CREATE TABLE small (id int) WITH (autovacuum_enabled = false)")
    do(platform, "REVOKE pg_monitor FROM " + sql.Identifier(platform.role).as_string())
    do(platform, "INSERT INTO small SELECT generate_series(1, 100)")
    config, key = only("small", min_bytes=1_000_000), "bloat:table:public.small"
    finding = look(platform, "bloat", config)[key]
    assert finding.level is Level.UNKNOWN
    assert "not known (role " in finding.detail and "may not call" in finding.detail
    assert finding.subject == "public.small is unknown"
    do(platform, "ANALYZE small", "GRANT SELECT ON small TO " + sql.Identifier(platform.role).as_string())
    assert look(platform, "bloat", config)[key].level is Level.OK


def test_a_table_that_was_never_analysed_is_unknown_without_the_extension(platform: Platform) -> None:
    """Nothing is healthy that was not looked at; ANALYZE is enough for an estimate."""
    do(platform, "CREATE TABLE error_logs (id int PRIMARY KEY) WITH (autovacuum_enabled = false)")
    do(platform, "INSERT INTO error_logs SELECT generate_series(1, 5000)")
    config = only("error_logs")
    found = look(platform, "bloat", config)
    assert {found[key].level for key in ("bloat:public.error_logs", "bloat:table:public.error_logs")} == {Level.UNKNOWN}
    do(platform, "ANALYZE error_logs")
    found = look(platform, "bloat", config)
    assert {found[key].level for key in ("bloat:public.error_logs", "bloat:table:public.error_logs")} == {Level.OK}


def test_a_table_that_is_not_there_is_unknown_until_it_is(platform: Platform) -> None:
    """A name that was misspelt is not healthy."""
    config = only("usre_consents")
    unseen = look(platform, "bloat", config)["bloat:public.usre_consents"]
    assert unseen.level is Level.UNKNOWN and "there is no table of this name in the database" in unseen.detail
    table(platform, "usre_consents")
    assert look(platform, "bloat", config)["bloat:public.usre_consents"].level is Level.OK


def test_what_is_too_large_or_locked_is_estimated(platform: Platform) -> None:
    """Reading waits for nobody and has its end; the reason stands beside the estimate, and it is not proposed."""
    do(platform, "CREATE EXTENSION pgstattuple")
    table(platform, "user_consents")
    hollow(platform, "user_consents")
    config, key = only("user_consents", measure_max_bytes=100_000), "bloat:public.user_consents"
    assert "estimated, it is larger than reindex.measure_max_bytes" in look(platform, "bloat", config)[key].detail
    assert proposed(platform, config) == []
    with psycopg.connect(platform.admin) as holder:
        holder.execute("LOCK TABLE user_consents IN ACCESS EXCLUSIVE MODE")
        holder.execute("REINDEX INDEX user_consents_pkey")
        config = only("user_consents")
        assert "it could not be measured (canceling statement due to lock timeout" in str(
            look(platform, "bloat", config)[key]
        )
        holder.rollback()
    assert proposed(platform, config) == ["user_consents_pkey"]


NOT_REBUILT = {
    "exclusion": "ALTER TABLE user_consents DROP CONSTRAINT user_consents_pkey;"
    " ALTER TABLE user_consents ADD CONSTRAINT e EXCLUDE USING btree (id WITH =)",
    "another method": "ALTER TABLE user_consents DROP CONSTRAINT user_consents_pkey;"
    " CREATE INDEX h ON user_consents USING hash (id)",
}


@pytest.mark.parametrize("statements", NOT_REBUILT.values(), ids=NOT_REBUILT.keys())
def test_what_cannot_be_rebuilt_or_measured_is_not_proposed(platform: Platform, statements: str) -> None:
    """The server refuses exclusion constraints CONCURRENTLY; other methods than B-tree are not judged."""
    do(platform, "CREATE EXTENSION pgstattuple")
    table(platform, "user_consents")
    do(platform, *statements.split(";"))
    hollow(platform, "user_consents")
    assert proposed(platform, only("user_consents")) == []
    assert "bloat:public.user_consents" in look(platform, "bloat", only("user_consents"))


def test_partitions_are_looked_at_each_for_itself(platform: Platform) -> None:
    """The parent's index is none to rebuild; the finding is the table's that config names."""
    do(
        platform,
        "CREATE EXTENSION pgstattuple",
        "CREATE TABLE user_consents (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF user_consents FOR VALUES FROM (0) TO (20000) WITH (autovacuum_enabled = false)",
        "CREATE TABLE high PARTITION OF user_consents FOR VALUES FROM (20000) TO (40000)",
        "INSERT INTO user_consents SELECT generate_series(0, 39999)",
        "DELETE FROM low WHERE id % 10 > 0",
        "VACUUM (ANALYZE, TRUNCATE false) low, high",
    )
    finding = look(platform, "bloat", only("user_consents"))["bloat:public.user_consents"]
    assert (finding.level, finding.guide) == (Level.ADVISORY, "G55")
    assert "public.low_pkey" in finding.detail
    assert "public.high_pkey" not in finding.detail
    assert proposed(platform, only("user_consents")) == ["low_pkey"]


def test_an_emptied_index_is_all_bloat_and_an_empty_one_is_none(platform: Platform) -> None:
    """A density of no rows is no number, and no reason to rebuild what has nothing."""
    do(platform, "CREATE EXTENSION pgstattuple", "CREATE TABLE error_logs (id int PRIMARY KEY)")
    table(platform, "user_consents")
    do(platform, "DELETE FROM user_consents", "VACUUM (TRUNCATE false) user_consents")
    assert proposed(platform, only("user_consents", "error_logs")) == ["user_consents_pkey"]
    do(platform, "REINDEX INDEX user_consents_pkey")
    assert proposed(platform, only("user_consents", "error_logs")) == []


def test_room_that_is_not_known_or_too_little_proposes_nothing(platform: Platform) -> None:
    """Without storage_bytes it is NOT COLLECTED, which is UNKNOWN as soon as something would be rebuilt."""
    do(platform, "CREATE EXTENSION pgstattuple")
    table(platform, "user_consents")
    unknown, enough = only("user_consents", storage=None), only("user_consents")
    room = look(platform, "bloat", unknown)["bloat:room"]
    assert (room.level, "NOT COLLECTED: targets.primary.storage_bytes" in room.detail) == (Level.OK, True)
    hollow(platform, "user_consents")
    room = look(platform, "bloat", unknown)["bloat:room"]
    assert (room.level, "nothing is rebuilt" in room.remedy) == (Level.UNKNOWN, True)
    assert proposed(platform, unknown) == []
    ((size,),) = platform.sql("SELECT pg_database_size(current_database())")
    little = only("user_consents", storage=size + 500_000)
    assert look(platform, "bloat", little)["bloat:room"].level is Level.WARNING
    assert proposed(platform, little) == []
    assert look(platform, "bloat", enough)["bloat:room"].level is Level.OK
    assert proposed(platform, enough) == ["user_consents_pkey"]


def test_small_and_taken_indexes_are_left_alone(platform: Platform) -> None:
    """What is approved elsewhere, or dropped by the same plan, is not proposed; nor what saves nothing."""
    do(platform, "CREATE EXTENSION pgstattuple")
    table(platform, "user_consents")
    hollow(platform, "user_consents")
    ((oid,),) = platform.sql("SELECT 'user_consents_pkey'::regclass::oid::bigint")
    assert proposed(platform, only("user_consents"), oid) == []
    assert proposed(platform, only("user_consents", min_bytes=10_000_000)) == []


@pytest.mark.parametrize(("version", "unsafe"), [(140_000, True), (140_003, True), (140_004, False), (170_010, False)])
def test_servers_that_lose_rows_rebuild_nothing(version: int, unsafe: bool) -> None:
    """14.0 to 14.3 made indexes that lacked rows."""
    assert bool(reindex.unsafe(version)) is unsafe


# Constraints ----------------------------------------------------------------------------------------------------

PARENT = "CREATE TABLE parent (a int, b text, PRIMARY KEY (a, b))"
CHILD = "CREATE TABLE child (x int, y text)"
CASES = {
    # what is made, a row that breaks it, what mends it
    "check": (
        "ALTER TABLE child ADD CONSTRAINT broken CHECK (x > 0) NOT VALID",
        "INSERT INTO child VALUES (-1, 'a'), (NULL, 'a'), (1, 'a')",
        "DELETE FROM child WHERE x < 0",
    ),
    "foreign key, simple": (
        "ALTER TABLE child ADD CONSTRAINT broken FOREIGN KEY (x, y) REFERENCES parent NOT VALID",
        "INSERT INTO child VALUES (1, 'a'), (2, NULL), (NULL, NULL), (3, 'c')",
        "INSERT INTO parent VALUES (1, 'a')",
    ),
    "foreign key, full": (
        "ALTER TABLE child ADD CONSTRAINT broken FOREIGN KEY (x, y) REFERENCES parent MATCH FULL NOT VALID",
        "INSERT INTO child VALUES (3, NULL), (NULL, NULL), (3, 'c')",
        "DELETE FROM child WHERE y IS NULL AND x IS NOT NULL",
    ),
}


@pytest.mark.guide("G60", "fires", "silent")
@pytest.mark.parametrize(("made", "broken", "mended"), CASES.values(), ids=CASES.keys())
def test_a_constraint_fires_with_its_violators_until_it_is_validated(
    platform: Platform, made: str, broken: str, mended: str
) -> None:
    """One row breaks it: a warning; none: advice to validate it, which the server then does."""
    do(platform, PARENT, CHILD, broken, "INSERT INTO parent VALUES (3, 'c')", made)
    finding = look(platform, "constraints")["constraints:public.child.broken"]
    assert (finding.level, finding.guide, finding.metadata) == (Level.WARNING, "G60", {"violators": 1})
    assert finding.detail.startswith("rows that break it: 1; ")
    do(platform, mended)
    finding = look(platform, "constraints")["constraints:public.child.broken"]
    assert (finding.level, finding.metadata) == (Level.ADVISORY, {"violators": 0})
    assert 'ALTER TABLE "public"."child" VALIDATE CONSTRAINT "broken"' in finding.remedy
    do(platform, "ALTER TABLE child VALIDATE CONSTRAINT broken")
    assert [finding.level for finding in look(platform, "constraints").values()] == [Level.OK]


def test_a_million_violators_are_counted_no_further(platform: Platform) -> None:
    """At least 1,000,000: the count ends there."""
    do(platform, CHILD, "INSERT INTO child SELECT -1, NULL FROM generate_series(1, 1000100)")
    do(platform, "ALTER TABLE child ADD CONSTRAINT broken CHECK (x > 0) NOT VALID")
    finding = look(platform, "constraints")["constraints:public.child.broken"]
    assert finding.detail.startswith("rows that break it: at least 1,000,000; ")
    assert finding.metadata == {"violators": constraints.MOST}


def test_a_count_that_takes_too_long_is_unknown_and_the_next_one_is_counted(platform: Platform) -> None:
    """The server's clock ends the one statement, and the check goes on."""
    do(
        platform,
        "CREATE FUNCTION slow(int) RETURNS boolean LANGUAGE sql VOLATILE AS"
        " 'SELECT pg_catalog.pg_sleep(0.01) IS NOT NULL'",
        CHILD,
        "INSERT INTO child SELECT 1 FROM generate_series(1, 1000)",
        "ALTER TABLE child ADD CONSTRAINT a_slow_one CHECK (slow(x)) NOT VALID",
        "ALTER TABLE child ADD CONSTRAINT broken CHECK (x > 1) NOT VALID",
    )
    found = look(platform, "constraints", limited(timeout=4))
    assert found["constraints:public.child.a_slow_one"].level is Level.UNKNOWN
    assert "longer than sql.statement_timeout_seconds" in found["constraints:public.child.a_slow_one"].detail
    assert found["constraints:public.child.broken"].metadata == {"violators": 1000}


def test_a_table_that_is_locked_is_unknown_and_nothing_waits(platform: Platform) -> None:
    """Whoever holds ACCESS EXCLUSIVE does not hold up the check."""
    do(platform, CHILD, "ALTER TABLE child ADD CONSTRAINT broken CHECK (x > 0) NOT VALID")
    with psycopg.connect(platform.admin) as holder:
        holder.execute("LOCK TABLE child IN ACCESS EXCLUSIVE MODE")
        finding = look(platform, "constraints")["constraints:public.child.broken"]
    assert (finding.level, "ACCESS EXCLUSIVE" in finding.detail) == (Level.UNKNOWN, True)
    assert look(platform, "constraints")["constraints:public.child.broken"].level is Level.ADVISORY


def test_rows_that_a_policy_hides_make_the_count_unknown(platform: Platform) -> None:
    """None that the reader sees breaks it, which says nothing; nobody would validate it by that."""
    do(platform, CHILD, "INSERT INTO child VALUES (-1)", "ALTER TABLE child ENABLE ROW LEVEL SECURITY")
    do(platform, "ALTER TABLE child ADD CONSTRAINT broken CHECK (x > 0) NOT VALID")
    finding = look(platform, "constraints")["constraints:public.child.broken"]
    assert finding.level is Level.UNKNOWN
    assert "row-level security" in finding.detail
    do(platform, "ALTER TABLE child DISABLE ROW LEVEL SECURITY")
    assert look(platform, "constraints")["constraints:public.child.broken"].metadata == {"violators": 1}


def test_an_expression_cannot_write(platform: Platform) -> None:
    """The reader's transaction is read-only: a function that writes ends as UNKNOWN."""
    do(
        platform,
        "CREATE TABLE trace (n int)",
        "CREATE FUNCTION spy(int) RETURNS boolean LANGUAGE sql AS 'INSERT INTO public.trace VALUES ($1); SELECT true'",
        CHILD,
        "INSERT INTO child VALUES (1)",
        "ALTER TABLE child ADD CONSTRAINT spying CHECK (spy(x)) NOT VALID",
    )
    platform.sql("GRANT INSERT ON trace TO {role}", role=platform.role)
    finding = look(platform, "constraints")["constraints:public.child.spying"]
    assert (finding.level, "read-only transaction" in finding.detail) == (Level.UNKNOWN, True)


NAMES = ["with \"quotes\" and 'more'", "100% %s %(oid)s {x} {}", "🧹 sweep 🐘", "select", "a.b"]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_kind_are_counted(platform: Platform, name: str) -> None:
    """Schema, table, column, constraint and operator: quoted wherever they stand in the counting statement."""
    with psycopg.connect(platform.admin, autocommit=True) as owner:
        at = {"n": sql.Identifier(name)}
        for statement in (
            "CREATE SCHEMA {n}",
            "CREATE TABLE {n}.{n} ({n} int PRIMARY KEY)",
            "CREATE TABLE {n}.child ({n} int)",
            "INSERT INTO {n}.child VALUES (7), (8)",
            "INSERT INTO {n}.{n} VALUES (8)",
            "ALTER TABLE {n}.child ADD CONSTRAINT {n} FOREIGN KEY ({n}) REFERENCES {n}.{n} NOT VALID",
            "ALTER TABLE {n}.child ADD CONSTRAINT c CHECK ({n} < 8 AND {n}::text <> '{{}} %s') NOT VALID",
        ):
            owner.execute(sql.SQL(statement).format(**at))
        owner.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(at["n"], sql.Identifier(platform.role)))
        owner.execute(
            sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(at["n"], sql.Identifier(platform.role))
        )
    found = look(platform, "constraints")
    assert {finding.metadata["violators"] for finding in found.values()} == {1}
    assert len(found) == 2


def test_children_of_a_table_are_counted_where_the_constraint_holds_for_them(platform: Platform) -> None:
    """A CHECK goes down to inheritance children, a foreign key and a CHECK with NO INHERIT do not."""
    do(
        platform,
        "CREATE TABLE parent (a int PRIMARY KEY)",
        "CREATE TABLE child (x int)",
        "CREATE TABLE grandchild () INHERITS (child)",
        "INSERT INTO grandchild VALUES (-1)",
        "ALTER TABLE child ADD CONSTRAINT down CHECK (x > 0) NOT VALID",
        "ALTER TABLE child ADD CONSTRAINT here CHECK (x > 0) NO INHERIT NOT VALID",
        "ALTER TABLE child ADD CONSTRAINT key FOREIGN KEY (x) REFERENCES parent NOT VALID",
    )
    found = {key: finding.metadata["violators"] for key, finding in look(platform, "constraints").items()}
    assert found["constraints:public.child.down"] == 1
    assert (found["constraints:public.child.here"], found["constraints:public.child.key"]) == (0, 0)


def test_a_check_of_the_whole_row_is_counted(platform: Platform) -> None:
    """The catalogue's text calls the row by its table's name."""
    do(
        platform,
        "CREATE TABLE w (id int)",
        "CREATE FUNCTION public.okay(w) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.id > 0'",
        "INSERT INTO w VALUES (1), (-1)",
        "ALTER TABLE w ADD CONSTRAINT c CHECK (public.okay(w)) NOT VALID",
        "GRANT SELECT ON w TO PUBLIC",
    )
    assert look(platform, "constraints")["constraints:public.w.c"].metadata["violators"] == 1


def test_a_key_between_two_collations_is_counted(platform: Platform) -> None:
    """As the server does: by the referenced column's."""
    do(
        platform,
        'CREATE TABLE p (id text COLLATE "C" PRIMARY KEY)',
        'CREATE TABLE k (id text COLLATE "POSIX")',
        "INSERT INTO p VALUES ('there')",
        "INSERT INTO k VALUES ('gone'), ('there')",
        "ALTER TABLE k ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES p NOT VALID",
        "GRANT SELECT ON p, k TO PUBLIC",
    )
    assert look(platform, "constraints")["constraints:public.k.f"].metadata["violators"] == 1


def test_a_check_of_a_partitioned_table_is_one_action_as_large_as_its_partitions(platform: Platform) -> None:
    """Validating it validates theirs: no second action, which would be refused, and no prediction of nothing."""
    do(
        platform,
        "CREATE TABLE big (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE big1 PARTITION OF big FOR VALUES FROM (0) TO (1000000)",
        "INSERT INTO big SELECT generate_series(1, 20000)",
        "ALTER TABLE big ADD CONSTRAINT f CHECK (id > 0) NOT VALID",
        "GRANT SELECT ON big, big1 TO PUBLIC",
    )
    with database.session(to(platform.reader), CONFIG.maintenance.sql, read_only=True) as session:
        (row,) = constraints.candidates(session, [])
    assert (row["table"], row["table_bytes"] > 500_000) == ("big", True)


DOMAINS = {
    # what is made, where values lie that break it, what mends them
    "a column": (
        ("CREATE TABLE t (v whole)", "INSERT INTO t VALUES (-1), (-2), (NULL), (1)"),
        2,
        ("UPDATE t SET v = 1",),
    ),
    "a domain over it, and a view of it": (
        (
            "CREATE DOMAIN over AS whole",
            "CREATE TABLE t (v over)",
            "INSERT INTO t VALUES (-1)",
            "CREATE VIEW w AS TABLE t",
        ),
        1,
        ("DELETE FROM t",),
    ),
    "partitions and children, each once": (
        (
            "CREATE TABLE t (v whole) PARTITION BY LIST (v)",
            "CREATE TABLE t1 PARTITION OF t DEFAULT",
            "CREATE TABLE base (v whole)",
            "CREATE TABLE child () INHERITS (base)",
            "INSERT INTO t VALUES (-1)",
            "INSERT INTO base VALUES (-1)",
            "INSERT INTO child VALUES (-1)",
        ),
        3,
        ("DELETE FROM t", "DELETE FROM base"),
    ),
}


@pytest.mark.guide("G60", "fires", "silent")
@pytest.mark.parametrize(("made", "broken", "mended"), DOMAINS.values(), ids=DOMAINS.keys())
def test_a_domains_constraint_fires_with_its_violators_until_it_is_validated(
    platform: Platform, made: tuple[str, ...], broken: int, mended: tuple[str, ...]
) -> None:
    """NOT VALID on a domain: counted over its columns; its remedy, run as it stands, ends it."""
    do(platform, "CREATE DOMAIN whole AS int", *made)
    do(
        platform,
        "ALTER DOMAIN whole ADD CONSTRAINT positive CHECK (VALUE > 0 AND VALUE::text <> 'VALUE %s {}') NOT VALID",
    )
    platform.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}", role=platform.role)
    key = "constraints:domain:public.whole.positive"
    finding = look(platform, "constraints")[key]
    assert (finding.level, finding.guide, finding.metadata) == (Level.WARNING, "G60", {"violators": broken})
    do(platform, *mended)
    finding = look(platform, "constraints")[key]
    assert (finding.level, finding.metadata) == (Level.ADVISORY, {"violators": 0})
    statement = 'ALTER DOMAIN "public"."whole" VALIDATE CONSTRAINT "positive"'
    assert f"By hand, at a quiet hour: {statement};" in finding.remedy
    do(platform, statement)
    assert [finding.level for finding in look(platform, "constraints").values()] == [Level.OK]


INSIDE = {
    "an array": ("CREATE TABLE t (v whole[])", "INSERT INTO t VALUES ('{-1}')"),
    "a composite": ("CREATE TYPE pair AS (a int, b whole)", "CREATE TABLE t (v pair)"),
    "an array of composites": ("CREATE TYPE pair AS (a int, b whole)", "CREATE TABLE t (v pair[])"),
    "a range": ("CREATE TYPE span AS RANGE (subtype = whole)", "CREATE TABLE t (v span)"),
}


@pytest.mark.parametrize("made", INSIDE.values(), ids=INSIDE.keys())
def test_a_domain_inside_another_type_is_unknown(platform: Platform, made: tuple[str, ...]) -> None:
    """It is not counted there, and the server refuses to validate it: the finding names the column."""
    do(platform, "CREATE DOMAIN whole AS int", *made)
    do(platform, "ALTER DOMAIN whole ADD CONSTRAINT positive CHECK (VALUE > 0) NOT VALID")
    finding = look(platform, "constraints")["constraints:domain:public.whole.positive"]
    assert (finding.level, "(public.t.v)" in finding.remedy) == (Level.UNKNOWN, True)
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        do(platform, "ALTER DOMAIN whole VALIDATE CONSTRAINT positive")
    do(platform, "DROP TABLE t")
    finding = look(platform, "constraints")["constraints:domain:public.whole.positive"]
    assert (finding.level, "it has no column" in finding.detail) == (Level.ADVISORY, True)
    do(platform, "ALTER DOMAIN whole VALIDATE CONSTRAINT positive")
    assert "constraints" in look(platform, "constraints")


def test_a_domains_values_that_cannot_be_read_are_unknown(platform: Platform) -> None:
    """Without the right to read a column nothing is said of it; with it its values are counted, whatever the names."""
    name = '100% "quoted" {x} 🐘'
    at = {"n": sql.Identifier(name), "t": sql.Identifier(f"{name}s")}
    with psycopg.connect(platform.admin, autocommit=True) as owner:
        for statement in (
            'CREATE DOMAIN {n} AS varchar(9) COLLATE "C"',
            'CREATE TABLE {t} ({n} {n} COLLATE "POSIX")',
            "INSERT INTO {t} VALUES ('x'), ('y')",
            "REVOKE ALL ON {t} FROM PUBLIC",
            "ALTER DOMAIN {n} ADD CONSTRAINT {n} CHECK (VALUE < 'y') NOT VALID",
        ):
            owner.execute(sql.SQL(statement).format(**at))
        owner.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(at["t"], sql.Identifier(platform.role)))
        (finding,) = look(platform, "constraints").values()
        assert (finding.level, "permission denied" in finding.detail) == (Level.UNKNOWN, True)
        owner.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(at["t"], sql.Identifier(platform.role)))
    (finding,) = look(platform, "constraints").values()
    assert (finding.level, finding.metadata) == (Level.WARNING, {"violators": 1})
