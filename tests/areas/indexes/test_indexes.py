"""Indexes that can go or are missing (G53) on a real PostgreSQL: each finding appears and goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sandbox.postgres import Cluster
from tests.stages.index_looks import CONFIG, carried_out, limited, look
from tests.stages.platform import Platform, grant, until
from tests.stages.platform import bare as bare  # noqa: PLC0414  # a fixture of the next one
from tests.stages.platform import platform as platform  # noqa: PLC0414  # the fixture
from tests.stages.sessions import to
from tests.stages.standby import standby
from upkeep.areas.indexes import propose
from upkeep.core.findings import Level
from upkeep.settings.load import Settings
from upkeep.wires import database
from upkeep.wires.database import Connect

TABLE = "CREATE TABLE t (id int PRIMARY KEY, a int, b text, c inet)"


def proposed(
    platform: Platform,
    replicas: Mapping[str, Connect] | None = None,
    config: Settings | None = None,
    now: datetime | None = None,
    previous: tuple[datetime, Any] | None = None,
) -> set[str]:
    """Names of the indexes that a plan would drop."""
    main, at = (config or limited()).maintenance, now or datetime.now(UTC)
    with database.session(to(platform.reader), main.sql, read_only=True) as session:
        seen = propose.usage(session, main.indexes, replicas or {}, main.sql, at)
        known = propose.known_since(previous)
        return {row["index"] for row in propose.candidates(session, main, seen, known, at, ())}


def use(dsn: str, query: str) -> None:
    """Read by index and let the scan be counted."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET enable_bitmapscan = off")
        connection.execute(query.encode())
        if connection.info.server_version >= 150000:
            connection.execute("SELECT pg_stat_force_next_flush()")


# Unused ---------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G53", "fires", "silent")
def test_an_unused_index_fires_until_it_is_used(platform: Platform) -> None:
    """G53: it says table, size, since when, how to drop and how to recreate; one scan ends it."""
    platform.sql(TABLE)
    platform.sql('CREATE INDEX "Idle 🐘" ON t (a) WHERE b IS NOT NULL')
    finding = look(platform, "unused_indexes")["unused_indexes:public.Idle 🐘"]
    assert (finding.level, finding.guide) == (Level.ADVISORY, "G53")
    assert finding.detail.startswith("on t, 8.0 kB, not scanned since ")
    assert 'DROP INDEX CONCURRENTLY "public"."Idle 🐘"' in finding.remedy
    recreate = 'CREATE INDEX CONCURRENTLY "Idle 🐘" ON public.t USING btree (a) WHERE (b IS NOT NULL)'
    assert recreate in finding.remedy
    assert proposed(platform) == {"Idle 🐘"}
    use(platform.admin, "SELECT a FROM t WHERE a = 1 AND b IS NOT NULL")
    until(lambda: look(platform, "unused_indexes"), lambda found: list(found) == ["unused_indexes"])
    assert look(platform, "unused_indexes")["unused_indexes"].level is Level.OK
    assert proposed(platform) == set()


EXCLUDED = {
    "primary": "SELECT",
    "unique": "CREATE UNIQUE INDEX i ON t (a)",
    "unique constraint": "ALTER TABLE t ADD CONSTRAINT i UNIQUE (a)",
    "deferrable constraint": "ALTER TABLE t ADD CONSTRAINT i UNIQUE (a) DEFERRABLE",
    "exclusion": "ALTER TABLE t ADD CONSTRAINT i EXCLUDE USING gist (c inet_ops WITH &&)",
    "expression": "CREATE INDEX i ON t (lower(b))",
    "replica identity": "ALTER TABLE t ALTER a SET NOT NULL; CREATE UNIQUE INDEX i ON t (a);"
    " ALTER TABLE t REPLICA IDENTITY USING INDEX i",
    "clustered": "CREATE INDEX i ON t (a); CLUSTER t USING i",
    "partitioned": "CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p DEFAULT;"
    " CREATE INDEX i ON p (id)",
    "temporary": "CREATE TEMP TABLE m (id int); CREATE INDEX i ON m (id)",
}


@pytest.mark.guide("G53", "silent")
@pytest.mark.parametrize("statements", EXCLUDED.values(), ids=EXCLUDED.keys())
def test_an_index_with_other_work_is_not_unused(platform: Platform, statements: str) -> None:
    """What keeps rows unique, carries a constraint or statistics, or cannot be dropped alone is never proposed."""
    platform.sql(TABLE)
    with psycopg.connect(platform.admin, autocommit=True) as owner:
        for statement in statements.split(";"):
            owner.execute(statement.encode())
        assert list(look(platform, "unused_indexes")) == ["unused_indexes"]
        assert proposed(platform) == set()


SUPPORT = {
    "its columns": "CREATE INDEX i ON many (x, y)",
    "in another order, and more": "CREATE INDEX i ON many (y, x, id)",
    "without rows that refer to nothing": "CREATE INDEX i ON many (x, y) WHERE x IS NOT NULL",
    "hash": "ALTER TABLE many DROP CONSTRAINT to_one; ALTER TABLE one ADD UNIQUE (y);"
    " ALTER TABLE many ADD CONSTRAINT to_one FOREIGN KEY (y) REFERENCES one (y); CREATE INDEX i ON many USING hash (y)",
}


@pytest.mark.guide("G53", "fires", "silent")
@pytest.mark.parametrize("statements", SUPPORT.values(), ids=SUPPORT.keys())
def test_an_index_that_supports_a_foreign_key_is_not_unused(platform: Platform, statements: str) -> None:
    """Never scanned and never proposed; without the key it is, and with it nothing is said to be missing."""
    platform.sql("CREATE TABLE one (x int, y int, PRIMARY KEY (x, y))")
    platform.sql("CREATE TABLE many (id int, x int, y int, CONSTRAINT to_one FOREIGN KEY (x, y) REFERENCES one)")
    for statement in statements.split(";"):
        platform.sql(statement)
    assert list(look(platform, "unused_indexes")) == ["unused_indexes"]
    assert proposed(platform) == set()
    assert list(look(platform, "missing_indexes", limited(advice_rows=1))) == ["missing_indexes"]
    platform.sql("ALTER TABLE many DROP CONSTRAINT to_one")
    assert list(look(platform, "unused_indexes")) == ["unused_indexes:public.i"]
    assert proposed(platform) == {"i"}


@pytest.mark.parametrize("columns", ["(id, x, y)", "(x, y) WHERE id > 0", "(x, id, y)"])
def test_an_index_that_does_not_support_a_foreign_key_is_unused(platform: Platform, columns: str) -> None:
    """Dropping it leaves what is said to be missing as it was."""
    platform.sql("CREATE TABLE one (x int, y int, PRIMARY KEY (x, y))")
    platform.sql("CREATE TABLE many (id int, x int, y int, CONSTRAINT to_one FOREIGN KEY (x, y) REFERENCES one)")
    platform.sql(f"CREATE INDEX i ON many {columns}")
    small = set(look(platform, "missing_indexes"))
    assert proposed(platform) == {"i"}
    platform.sql("DROP INDEX i")
    assert set(look(platform, "missing_indexes")) == small == {"missing_indexes", "missing_indexes:small"}


@pytest.mark.guide("G53", "silent")
def test_an_index_by_which_a_log_is_read_is_not_unused(bare: Platform) -> None:
    """Config names the log's time column: without the index its checks are UNKNOWN once the table is large."""
    for schema_table, time in (
        (CONFIG.maintenance.logs.security.table, CONFIG.maintenance.logs.security.time),
        (CONFIG.maintenance.compliance.processing.table, CONFIG.maintenance.compliance.processing.time),
    ):
        name = {"s": sql.Identifier(schema_table.schema, schema_table.table), "c": sql.Identifier(time)}
        with psycopg.connect(bare.admin, autocommit=True) as owner:
            owner.execute(sql.SQL("CREATE TABLE {s} (id int, {c} timestamptz)").format(**name))
            owner.execute(sql.SQL("CREATE INDEX ON {s} ({c})").format(**name))
            owner.execute(sql.SQL("CREATE INDEX ON {s} USING brin ({c}, id)").format(**name))
            owner.execute(sql.SQL("CREATE INDEX by_id ON {s} (id, {c})").format(**name))
            assert proposed(bare) == {"by_id"}
            owner.execute(sql.SQL("DROP TABLE {s}").format(**name))
    assert proposed(bare) == set()


def test_an_index_of_one_partition_alone_is_proposed(platform: Platform) -> None:
    """It hangs on no index of the parent; once it is attached to one, it is not proposed any more."""
    platform.sql("CREATE TABLE p (id int) PARTITION BY RANGE (id)")
    platform.sql("CREATE TABLE p1 PARTITION OF p DEFAULT")
    platform.sql("CREATE INDEX own ON p1 (id)")
    assert proposed(platform) == {"own"}
    platform.sql("CREATE INDEX of_all ON p (id)")
    assert proposed(platform) == set()


def test_small_indexes_are_left_alone(platform: Platform) -> None:
    """Below min_bytes there is nothing to gain."""
    platform.sql(TABLE)
    platform.sql("CREATE INDEX i ON t (a)")
    assert list(look(platform, "unused_indexes", limited(min_bytes=8192))) == ["unused_indexes:public.i"]
    assert list(look(platform, "unused_indexes", limited(min_bytes=8193))) == ["unused_indexes"]


@pytest.mark.guide("G53", "fires", "silent")
def test_young_statistics_say_nothing(platform: Platform) -> None:
    """Reset just now: UNKNOWN with the day from which it can be judged; from that day on there is a finding."""
    platform.sql(TABLE)
    platform.sql("CREATE INDEX i ON t (a)")
    platform.sql("SELECT pg_stat_reset()")
    since = "SELECT stats_reset AT TIME ZONE 'UTC' FROM pg_stat_database WHERE datname = current_database()"
    reset = until(lambda: platform.sql(since)[0][0])  # before 15 a collector hears of it a moment later
    thirty, now = limited(statistics_days=30.0), datetime.now(UTC)
    for later in (timedelta(0), timedelta(days=1), timedelta(days=29, hours=23)):
        (finding,) = look(platform, "unused_indexes", thirty, now=now + later).values()
        assert (finding.key, finding.level) == ("unused_indexes", Level.UNKNOWN)
        assert "statistics reach back " in finding.detail
        assert finding.metadata["until"][:10] == f"{reset + timedelta(days=30):%Y-%m-%d}"
    assert list(look(platform, "unused_indexes", thirty, now=now + timedelta(days=31))) == ["unused_indexes:public.i"]


@pytest.mark.guide("G53", "fires", "silent", "holds")
def test_a_new_index_waits_as_long_as_statistics_must_reach_back(platform: Platform) -> None:
    """Since when each is known is carried on by OID; one that was made or rebuilt meanwhile waits anew."""
    platform.sql(TABLE)
    platform.sql("CREATE INDEX old ON t (a)")
    thirty, first = limited(statistics_days=30.0), datetime.now(UTC) + timedelta(days=31)
    noted = carried_out(platform, "unused_indexes", thirty, first)
    (finding,) = noted.findings
    assert f"known since {first:%Y-%m-%d}" in finding.detail
    assert finding.remedy.startswith(f"Not proposed before {first + timedelta(days=30):%Y-%m-%d}: ")
    assert proposed(platform, config=thirty, now=first) == set()
    platform.sql("CREATE INDEX new ON t (b)")
    later, previous = first + timedelta(days=30), (first, noted.snapshot)
    looked = carried_out(platform, "unused_indexes", thirty, later, previous=previous)
    remedies = {finding.key.rpartition(".")[2]: finding.remedy for finding in looked.findings}
    assert remedies["old"].startswith("The weekly plan proposes it. ")
    assert remedies["new"].startswith("Not proposed before ")
    assert proposed(platform, config=thirty, now=later, previous=previous) == {"old"}
    assert set(looked.snapshot.values()) == {first.isoformat(), later.isoformat()}
    platform.sql("REINDEX INDEX CONCURRENTLY old")
    assert proposed(platform, config=thirty, now=later, previous=previous) == set()
    platform.sql("DROP INDEX old")
    assert len(carried_out(platform, "unused_indexes", thirty, later, previous=previous).snapshot) == 1


def test_while_statistics_are_too_young_indexes_grow_older_already(platform: Platform) -> None:
    """The look says UNKNOWN and notes what is there; where counters mean nothing, it leaves the last snapshot alone."""
    platform.sql(TABLE)
    platform.sql("CREATE INDEX i ON t (a)")
    now, thirty = datetime.now(UTC), limited(statistics_days=30.0)
    looked = carried_out(platform, "unused_indexes", thirty, now)
    assert [finding.level for finding in looked.findings] == [Level.UNKNOWN]
    assert list(looked.snapshot.values()) == [now.isoformat()]
    platform.sql("ALTER ROLE {role} SET track_counts = off", role=platform.role)
    assert carried_out(platform, "unused_indexes", thirty, now).snapshot is None


def test_counters_that_nobody_reset_say_that_the_server_started_then(platform: Platform) -> None:
    """A moment that is no reset is named for what it is (before 15 a database begins with one); a reset ends it."""
    platform.sql(TABLE)
    platform.sql("CREATE INDEX i ON t (a)")
    never = "SELECT stats_reset IS NULL FROM pg_stat_database WHERE datname = current_database()"
    if platform.sql("SELECT current_setting('server_version_num')::int < 150000")[0][0]:
        until(lambda: not platform.sql(never)[0][0])  # its collector hears of a database a moment later
    started = bool(platform.sql(never)[0][0])
    for config, key in ((limited(), ":public.i"), (limited(statistics_days=30.0), "")):
        finding = look(platform, "unused_indexes", config)[f"unused_indexes{key}"]
        assert (", when the server started" in finding.detail) is started
    platform.sql("SELECT pg_stat_reset()")
    assert "started" not in look(platform, "unused_indexes")["unused_indexes:public.i"].detail


def test_statistics_that_were_never_reset_reach_back_to_the_servers_start(platform: Platform) -> None:
    """They may be older, but a crash would have emptied them."""
    ((reset, started),) = platform.sql(
        "SELECT stats_reset, pg_postmaster_start_time() FROM pg_stat_database WHERE datname = current_database()"
    )
    with database.session(to(platform.reader), CONFIG.maintenance.sql, read_only=True) as session:
        assert session.row(session.load("indexes/statistics"))["since"] == (reset or started)


def test_without_counters_nothing_is_known(platform: Platform) -> None:
    """track_counts off: UNKNOWN, and no day from which it will be known."""
    platform.sql("ALTER ROLE {role} SET track_counts = off", role=platform.role)
    (finding,) = look(platform, "unused_indexes").values()
    assert (finding.level, "until" in finding.metadata) == (Level.UNKNOWN, False)
    assert "track_counts is off" in finding.detail


def test_more_than_fifty_are_counted(platform: Platform) -> None:
    """The largest 50 are shown, and one more finding says how many there are."""
    for name in range(53):
        platform.sql(f"CREATE TABLE many_{name} AS SELECT 1 AS a")
        platform.sql(f"CREATE INDEX ON many_{name} (a)")
    found = look(platform, "unused_indexes")
    assert len(found) == 51
    assert found["unused_indexes:more"].detail == "3 more; the largest are shown"


def test_an_index_that_somebody_is_rebuilding_does_not_stop_the_look(platform: Platform) -> None:
    """Its size would wait for ACCESS EXCLUSIVE; the catalogue's own count stands in."""
    platform.sql(TABLE)
    platform.sql("CREATE INDEX i ON t (a)")
    with psycopg.connect(platform.admin) as holder:
        holder.execute("REINDEX INDEX i")
        assert list(look(platform, "unused_indexes")) == ["unused_indexes:public.i"]


# Standbys -------------------------------------------------------------------------------------------------------


@pytest.fixture
def follower(cluster: Cluster, platform: Platform, port: int) -> Iterator[Platform]:
    """A standby that follows the platform's server, and two indexes that nothing uses on the primary."""
    platform.sql(TABLE)
    platform.sql("CREATE INDEX here ON t (a)")
    platform.sql("CREATE INDEX there ON t (b)")
    with standby(cluster, port):
        admin, reader = (
            make_conninfo(**{**conninfo_to_dict(dsn), "port": port}) for dsn in (platform.admin, platform.reader)
        )
        until(lambda: platform.sql("SELECT count(*) FROM pg_stat_replication")[0][0] == 1)
        yield Platform(admin, reader, platform.role)
    until(lambda: platform.sql("SELECT count(*) FROM pg_stat_replication")[0][0] == 0)


@pytest.mark.guide("G53", "fires", "silent")
def test_an_index_that_only_a_standby_uses_is_used(platform: Platform, follower: Platform) -> None:
    """Asked over its Connection the standby's scans count; the other index is a finding and is proposed."""
    replicas = {"upkeep_replica": to(follower.reader)}
    assert proposed(platform, replicas) == {"here", "there"}
    use(follower.admin, "SELECT b FROM t WHERE b = 'x'")
    until(lambda: proposed(platform, replicas), lambda names: names == {"here"})
    assert list(look(platform, "unused_indexes", replicas=replicas)) == ["unused_indexes:public.here"]


def test_a_standby_that_nobody_asked_stops_the_proposal(platform: Platform, follower: Platform) -> None:
    """Without its Connection both are findings that say so, and none is an action."""
    found = look(platform, "unused_indexes")
    assert set(found) == {"unused_indexes:public.here", "unused_indexes:public.there"}
    for finding in found.values():
        assert "not known whether a replica uses it: 1 standbys follow, and config names 0" in finding.detail
        assert finding.remedy.startswith("Not proposed: ")
    assert proposed(platform) == set()


WRONG: dict[str, tuple[Callable[[Platform, Platform], str], str]] = {
    "the primary itself": (lambda here, _: here.reader, "found a server that is not in recovery"),
    "another database": (
        lambda _, there: make_conninfo(**{**conninfo_to_dict(there.admin), "dbname": "postgres"}),
        "found another server or database",
    ),
    "nobody there": (
        lambda here, _: make_conninfo(**{**conninfo_to_dict(here.reader), "port": 1}),
        "could not be reached",
    ),
}


@pytest.mark.parametrize(("dsn", "said"), WRONG.values(), ids=WRONG.keys())
def test_a_replica_connection_that_leads_elsewhere(
    platform: Platform, follower: Platform, dsn: Callable[[Platform, Platform], str], said: str
) -> None:
    """What a standby uses is then not known: findings say why, nothing is proposed."""
    replicas = {"upkeep_replica": to(dsn(platform, follower))}
    assert proposed(platform, replicas) == set()
    found = look(platform, "unused_indexes", replicas=replicas)
    assert said in found["unused_indexes:public.here"].detail


@pytest.mark.guide("G53", "fires", "silent")
def test_a_configured_standby_that_follows_no_more_is_told(platform: Platform, follower: Platform) -> None:
    """It answers and receives nothing: findings say so and nothing is proposed, until it follows again."""
    replicas = {"upkeep_replica": to(follower.reader)}
    assert proposed(platform, replicas) == {"here", "there"}
    (connect,) = follower.sql("SHOW primary_conninfo")[0]
    with psycopg.connect(follower.admin, autocommit=True) as standing:
        standing.execute("ALTER SYSTEM SET primary_conninfo = ''")
        standing.execute("SELECT pg_reload_conf()")
        until(lambda: proposed(platform, replicas), lambda names: not names)
        said = look(platform, "unused_indexes", replicas=replicas)["unused_indexes:public.here"].detail
        assert "Connection 'upkeep_replica': found a standby that receives no WAL" in said
        standing.execute(sql.SQL("ALTER SYSTEM SET primary_conninfo = {}").format(sql.Literal(connect)))
        standing.execute("SELECT pg_reload_conf()")
    until(lambda: proposed(platform, replicas), lambda names: names == {"here", "there"})


def test_on_a_standby_nothing_is_judged(platform: Platform, follower: Platform) -> None:
    """A read Connection that leads to one says what is read there, not on the primary."""
    (finding,) = look(follower, "unused_indexes").values()
    assert (finding.level, "this is a standby" in finding.detail) == (Level.UNKNOWN, True)


# Duplicates -----------------------------------------------------------------------------------------------------


def duplicates(platform: Platform) -> set[str]:
    """Names of the indexes that a finding calls a duplicate, those that may be needless apart."""
    found = look(platform, "duplicate_indexes")
    return {key.rpartition(".")[2] for key, finding in found.items() if finding.subject.endswith("is a duplicate")}


@pytest.mark.guide("G14", "G53", "fires", "silent")
def test_a_duplicate_fires_until_it_is_dropped(platform: Platform) -> None:
    """G53: of two that nobody uses the older one is kept; after the drop nothing is left."""
    platform.sql(TABLE)
    platform.sql("CREATE INDEX old ON t (a)")
    platform.sql('CREATE INDEX "New" ON t (a)')
    finding = look(platform, "duplicate_indexes")["duplicate_indexes:public.New"]
    assert finding.detail == "on t, 8.0 kB: old does exactly the same"
    assert 'DROP INDEX CONCURRENTLY "public"."New"' in finding.remedy
    assert proposed(platform) == {"New"}
    platform.sql('DROP INDEX "New"')
    assert list(look(platform, "duplicate_indexes")) == ["duplicate_indexes"]


@pytest.mark.guide("G53", "fires")
@pytest.mark.parametrize(("used", "goes"), [("a", "b"), ("b", "a")])
def test_of_duplicates_the_used_one_stays(platform: Platform, used: str, goes: str) -> None:
    """Whichever is older: only one of the two was there while the queries ran."""
    platform.sql(TABLE)
    made = {name: f"CREATE INDEX {name} ON t (a)" for name in "ab"}
    platform.sql(made[used])
    use(platform.admin, "SELECT a FROM t WHERE a = 1")
    until(lambda: platform.sql("SELECT sum(idx_scan) FROM pg_stat_user_indexes")[0][0])
    platform.sql(made[goes])
    assert duplicates(platform) == proposed(platform) == {goes}
    ((oid,),) = platform.sql("SELECT to_regclass('{name}')::oid::bigint", name=used)
    with psycopg.connect(platform.admin, autocommit=True) as owner:  # the same, with the younger one used
        owner.execute(f"REINDEX INDEX CONCURRENTLY {used}".encode())  # its counter goes along with it
    assert platform.sql("SELECT to_regclass('{name}')::oid::bigint", name=used)[0][0] > oid
    until(lambda: platform.sql("SELECT sum(idx_scan) FROM pg_stat_user_indexes")[0][0])  # before 15 a collector is told
    assert duplicates(platform) == proposed(platform) == {goes}


@pytest.mark.guide("G53", "holds")
def test_the_twin_that_stays_is_as_young_as_the_drop(platform: Platform) -> None:
    """Not in the same plan and not in the next ones: it is known to be unused from the drop on only."""
    platform.sql(TABLE)
    platform.sql("CREATE INDEX stays ON t (a)")
    thirty, now = limited(statistics_days=30.0), datetime.now(UTC) + timedelta(days=400)
    noted = carried_out(platform, "unused_indexes", thirty, now)
    assert len(noted.snapshot) == 1
    platform.sql("CREATE INDEX goes ON t (a)")
    later = now + timedelta(days=40)
    noted = carried_out(platform, "unused_indexes", thirty, later, previous=(now, noted.snapshot))
    assert proposed(platform, config=thirty, now=later, previous=(later, noted.snapshot)) == {"goes"}
    platform.sql("DROP INDEX goes")
    after = carried_out(platform, "unused_indexes", thirty, later, previous=(later, noted.snapshot))
    assert list(after.snapshot.values()) == [later.isoformat()]
    for days, names in ((29, set()), (30, {"stays"})):
        at = later + timedelta(days=days)
        assert proposed(platform, config=thirty, now=at, previous=(later, after.snapshot)) == names


KEPT = {
    "the one that is unique": ("CREATE INDEX x ON t (a); CREATE UNIQUE INDEX y ON t (a)", {"x"}),
    "the constraint's": ("CREATE UNIQUE INDEX x ON t (a); ALTER TABLE t ADD CONSTRAINT y UNIQUE (a)", {"x"}),
    "beside the primary key": ("CREATE INDEX x ON t (id)", {"x"}),
    "two constraints": ("ALTER TABLE t ADD CONSTRAINT x UNIQUE (a); ALTER TABLE t ADD CONSTRAINT y UNIQUE (a)", set()),
    "unique beside deferrable": (
        "ALTER TABLE t ADD CONSTRAINT y UNIQUE (a) DEFERRABLE; CREATE UNIQUE INDEX x ON t (a)",
        set(),
    ),
    "expressions": ("CREATE INDEX x ON t (lower(b)); CREATE INDEX y_longer ON t (lower(b))", {"y_longer"}),
    "predicates": ("CREATE INDEX x ON t (a) WHERE a > 1; CREATE INDEX y ON t (a) WHERE a > 1", {"y"}),
    "another predicate": ("CREATE INDEX x ON t (a) WHERE a > 1; CREATE INDEX y ON t (a) WHERE a > 2", set()),
    "another direction": ("CREATE INDEX x ON t (a); CREATE INDEX y ON t (a DESC)", set()),
    "another class": ("CREATE INDEX x ON t (b); CREATE INDEX y ON t (b text_pattern_ops)", set()),
    "another collation": ('CREATE INDEX x ON t (b); CREATE INDEX y ON t (b COLLATE "C")', set()),
    "another method": ("CREATE INDEX x ON t (a); CREATE INDEX y ON t USING hash (a)", set()),
    "another order": ("CREATE INDEX x ON t (a, b); CREATE INDEX y ON t (b, a)", set()),
    "included columns": ("CREATE INDEX x ON t (a) INCLUDE (b); CREATE INDEX y ON t (a, b)", set()),
    "three of a kind": ("CREATE INDEX x ON t (a); CREATE INDEX y ON t (a); CREATE INDEX z ON t (a)", {"y", "z"}),
}


@pytest.mark.guide("G53", "fires", "silent")
@pytest.mark.parametrize(("statements", "needless"), KEPT.values(), ids=KEPT.keys())
def test_only_what_does_exactly_the_same_is_a_duplicate(
    platform: Platform, statements: str, needless: set[str]
) -> None:
    """What is unique or rests on a constraint is kept; any difference in what an index can do makes it none."""
    platform.sql(TABLE)
    for statement in statements.split(";"):
        platform.sql(statement)
    assert duplicates(platform) == needless


def test_a_unique_index_that_takes_null_otherwise_is_no_duplicate(platform: Platform) -> None:
    """From 15 on NULLS NOT DISTINCT refuses what the other lets in."""
    with psycopg.connect(platform.admin) as connection:
        alike = "NULLS NOT DISTINCT" if connection.info.server_version >= 150_000 else "WHERE a > 1"
    platform.sql(TABLE)
    platform.sql("CREATE UNIQUE INDEX x ON t (a)")
    platform.sql(f"CREATE UNIQUE INDEX y ON t (a) {alike}")
    assert duplicates(platform) == set()


def test_a_left_prefix_is_advice_and_no_action(platform: Platform) -> None:
    """The longer index can answer for the shorter one, but people weigh it."""
    platform.sql(TABLE)
    platform.sql("CREATE INDEX short ON t (a)")
    platform.sql("CREATE INDEX long ON t (a, b)")
    use(platform.admin, "SELECT a, b FROM t WHERE a = 1 AND b = 'x'")
    finding = look(platform, "duplicate_indexes")["duplicate_indexes:public.short"]
    assert (finding.subject, "Advice only" in finding.remedy) == ("public.short may be needless", True)
    assert "the first ones of long" in finding.detail
    with database.session(to(platform.reader), CONFIG.maintenance.sql, read_only=True) as session:
        assert propose.duplicates(session) == []
    platform.sql("DROP INDEX long")
    assert list(look(platform, "duplicate_indexes")) == ["duplicate_indexes"]


# Invalid --------------------------------------------------------------------------------------------------------


@contextmanager
def writing(platform: Platform) -> Iterator[None]:
    """A transaction that may have written to the table stays open."""
    with psycopg.connect(platform.admin) as holder:
        holder.execute("LOCK TABLE t IN ROW EXCLUSIVE MODE")
        yield


@pytest.mark.guide("G14", "G53", "fires", "silent")
def test_an_invalid_index_fires_until_it_is_rebuilt(platform: Platform) -> None:
    """G53: CREATE UNIQUE INDEX CONCURRENTLY over equal rows leaves one; it is proposed; REINDEX ends it."""
    platform.sql(TABLE)
    platform.sql("INSERT INTO t SELECT n, 1 FROM generate_series(1, 2) n")
    with pytest.raises(psycopg.errors.UniqueViolation):
        platform.sql("CREATE UNIQUE INDEX CONCURRENTLY half ON t (a)")
    finding = look(platform, "invalid_indexes")["invalid_indexes:public.half"]
    assert finding.level is Level.WARNING
    assert "CREATE UNIQUE INDEX CONCURRENTLY half" in finding.remedy
    assert proposed(platform) == {"half"}
    platform.sql("DELETE FROM t WHERE id = 1")
    platform.sql("REINDEX INDEX CONCURRENTLY half")
    assert list(look(platform, "invalid_indexes")) == ["invalid_indexes"]


@pytest.mark.guide("G53", "silent")
@pytest.mark.parametrize(
    "statement", ["CREATE INDEX CONCURRENTLY i ON t (b)", "DROP INDEX CONCURRENTLY x", "REINDEX TABLE CONCURRENTLY t"]
)
def test_what_is_under_way_is_not_invalid(platform: Platform, statement: str) -> None:
    """An index that is being built, rebuilt or dropped just now belongs to whoever does it."""
    platform.sql(TABLE)
    platform.sql("CREATE INDEX x ON t (a)")
    invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
    with psycopg.connect(platform.admin, autocommit=True) as worker, writing(platform):
        worker.pgconn.send_query(statement.encode())
        until(lambda: platform.sql(invalid)[0][0] > 0)
        assert list(look(platform, "invalid_indexes")) == ["invalid_indexes"]
        worker.cancel_safe()
        while worker.pgconn.get_result():
            pass
    until(lambda: "invalid_indexes" not in look(platform, "invalid_indexes"))


@pytest.mark.guide("G53", "fires", "silent")
def test_while_a_build_goes_on_that_one_may_not_see_nothing_is_ok(bare: Platform) -> None:
    """The reader without pg_monitor sees that an index is built and not whose: one left invalid may hide behind it."""
    bare.sql(TABLE)
    bare.sql("INSERT INTO t SELECT n, 1 FROM generate_series(1, 2) n")
    with pytest.raises(psycopg.errors.UniqueViolation):
        bare.sql("CREATE UNIQUE INDEX CONCURRENTLY half ON t (a)")
    assert list(look(bare, "invalid_indexes")) == ["invalid_indexes:public.half"]
    building = "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()"
    with psycopg.connect(bare.admin, autocommit=True) as worker, writing(bare):
        worker.pgconn.send_query(b"CREATE INDEX CONCURRENTLY i ON t (b)")
        until(lambda: bare.sql(building)[0][0] > 0)
        (finding,) = look(bare, "invalid_indexes").values()
        assert (finding.key, finding.level) == ("invalid_indexes", Level.UNKNOWN)
        assert "an index is being built, and this role may not see which" in finding.detail
        grant(bare)
        assert look(bare, "invalid_indexes").get("invalid_indexes") is None or (
            look(bare, "invalid_indexes")["invalid_indexes"].level is Level.OK
        )
        worker.cancel_safe()
        while worker.pgconn.get_result():
            pass
    found = until(lambda: look(bare, "invalid_indexes"), lambda keys: "invalid_indexes" not in keys)
    assert "invalid_indexes:public.half" in found


@pytest.mark.parametrize("name", ["unused_indexes", "duplicate_indexes", "invalid_indexes", "missing_indexes"])
def test_a_database_without_a_table_is_unknown_until_it_has_one(platform: Platform, name: str) -> None:
    """Nothing is wrong with no index at all: nobody has looked at the right database."""
    (finding,) = look(platform, name).values()
    assert (finding.level, finding.detail) == (Level.UNKNOWN, "the database has no table")
    platform.sql("CREATE TABLE t (id int)")
    (finding,) = look(platform, name).values()
    assert finding.level is Level.OK


def parted(platform: Platform) -> None:
    """A table of two partitions with rows."""
    platform.sql("CREATE TABLE p (id int NOT NULL, b text) PARTITION BY RANGE (id)")
    platform.sql("CREATE TABLE low PARTITION OF p FOR VALUES FROM (0) TO (10)")
    platform.sql('CREATE TABLE "High 🐘" PARTITION OF p FOR VALUES FROM (10) TO (20)')
    platform.sql("INSERT INTO p SELECT n, 'x' FROM generate_series(0, 19) n")


PARENTS = {
    "plain": ("CREATE INDEX {n} ON ONLY p USING btree (b DESC, id) WHERE (b <> ' ON ONLY ')", 2),
    "a name of 63 bytes": ("CREATE INDEX {long} ON ONLY p (id) INCLUDE (b)", 2),
    "unique": ("CREATE UNIQUE INDEX {n} ON ONLY p (id)", 2),
    "primary key": ("ALTER TABLE ONLY p ADD CONSTRAINT {n} PRIMARY KEY (id)", 3),
    "unique constraint": ("ALTER TABLE ONLY p ADD CONSTRAINT {n} UNIQUE (id, b)", 3),
}


@pytest.mark.guide("G53", "fires", "silent")
@pytest.mark.parametrize(("statement", "each"), PARENTS.values(), ids=PARENTS.keys())
def test_an_index_of_a_partitioned_table_names_the_partitions_that_lack_one(
    platform: Platform, statement: str, each: int
) -> None:
    """No build that ended halfway and nothing to drop: its remedy, run as it stands, makes it valid."""
    parted(platform)
    platform.sql(statement, n="Waits 'here'", long="n" * 63)
    (finding,) = look(platform, "invalid_indexes").values()
    assert (finding.level, finding.subject.endswith(" is not complete")) == (Level.WARNING, True)
    assert finding.detail == "on p: public.low has none attached; public.High 🐘 has none attached"
    assert "It is not dropped." in finding.remedy
    assert proposed(platform) == set()
    statements = finding.metadata["statements"]
    assert finding.remedy.endswith("; ".join(statements))
    run(platform, statements[:each])
    (finding,) = look(platform, "invalid_indexes").values()
    assert finding.detail == "on p: public.High 🐘 has none attached"
    run(platform, finding.metadata["statements"])
    assert list(look(platform, "invalid_indexes")) == ["invalid_indexes"]


def run(platform: Platform, statements: list[str]) -> None:
    """Run what a remedy says."""
    with psycopg.connect(platform.admin, autocommit=True) as owner:
        for statement in statements:
            owner.execute(statement.encode())


@pytest.mark.guide("G53", "fires", "silent")
def test_an_invalid_index_of_a_partition_is_rebuilt_where_it_hangs(platform: Platform) -> None:
    """Attached and invalid: both are named, neither is dropped, and the remedy makes the part valid."""
    parted(platform)
    platform.sql("CREATE INDEX whole ON ONLY p (b)")
    platform.sql('CREATE INDEX fine ON "High 🐘" (b)')
    platform.sql("ALTER INDEX whole ATTACH PARTITION fine")
    with psycopg.connect(platform.admin) as holder, psycopg.connect(platform.admin, autocommit=True) as worker:
        holder.execute("LOCK TABLE low IN ROW EXCLUSIVE MODE")
        worker.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            worker.execute("CREATE INDEX CONCURRENTLY half ON low (b)")
    platform.sql("ALTER INDEX whole ATTACH PARTITION half")
    found = look(platform, "invalid_indexes")
    assert set(found) == {"invalid_indexes:public.whole", "invalid_indexes:public.half"}
    whole = found["invalid_indexes:public.whole"]
    assert whole.detail == "on p: that of public.low (half) is invalid"
    assert 'REINDEX INDEX CONCURRENTLY "public"."half"' in found["invalid_indexes:public.half"].remedy
    assert proposed(platform) == set()
    run(platform, whole.metadata["statements"])
    left = look(platform, "invalid_indexes")
    assert "invalid_indexes:public.half" not in left
    if left.keys() != {"invalid_indexes"}:  # servers that mark a parent only when a part is attached
        assert "each partition has a valid one" in left["invalid_indexes:public.whole"].detail
        platform.sql("DROP INDEX whole")
        platform.sql("CREATE INDEX whole ON p (b)")
    assert list(look(platform, "invalid_indexes")) == ["invalid_indexes"]


def test_an_index_over_a_foreign_partition_says_what_helps(platform: Platform) -> None:
    """A foreign table can have no index: no statement that could not run."""
    parted(platform)
    platform.sql("CREATE FOREIGN DATA WRAPPER w")
    platform.sql("CREATE SERVER s FOREIGN DATA WRAPPER w")
    platform.sql("CREATE FOREIGN TABLE far PARTITION OF p FOR VALUES FROM (20) TO (30) SERVER s")
    platform.sql("CREATE INDEX waits ON ONLY p (id)")
    finding = look(platform, "invalid_indexes")["invalid_indexes:public.waits"]
    assert "public.far has none attached" in finding.detail
    assert "A foreign table can have no index" in finding.remedy
    platform.sql("DROP INDEX waits")
    platform.sql("CREATE INDEX waits ON p (id)")
    assert list(look(platform, "invalid_indexes")) == ["invalid_indexes"]


@pytest.mark.guide("G53", "fires", "silent")
@pytest.mark.parametrize("name", ["people_ccnew", "people_ccold3"])
def test_an_index_that_is_only_named_like_a_leftover(platform: Platform, name: str) -> None:
    """It is valid and used: advice to rename it, which ends it, and nothing is proposed."""
    platform.sql(TABLE)
    platform.sql(f"CREATE INDEX {name} ON t (a)")
    use(platform.admin, "SELECT a FROM t WHERE a = 1")
    finding = until(
        lambda: look(platform, "invalid_indexes")[f"invalid_indexes:name:public.{name}"],
        lambda found: "scanned 1 times" in found.detail,
    )
    assert finding.level is Level.ADVISORY
    assert proposed(platform) == set()
    platform.sql("CREATE TABLE people (id int)")
    taken = look(platform, "invalid_indexes")[f"invalid_indexes:name:public.{name}"]
    assert "By hand" not in taken.remedy
    platform.sql("DROP TABLE people")
    run(platform, [finding.remedy.partition("By hand: ")[2]])
    assert list(look(platform, "invalid_indexes")) == ["invalid_indexes"]


@pytest.mark.guide("G53", "fires", "silent")
def test_a_leftover_of_a_rebuild_is_not_made_valid_but_dropped(platform: Platform) -> None:
    """Rebuilt it would be a duplicate of the index that it was to replace."""
    platform.sql(TABLE)
    platform.sql("CREATE INDEX i ON t (a)")
    with psycopg.connect(platform.admin, autocommit=True) as worker, writing(platform):
        worker.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            worker.execute("REINDEX INDEX CONCURRENTLY i")
    finding = look(platform, "invalid_indexes")["invalid_indexes:public.i_ccnew"]
    assert "REINDEX" not in finding.remedy
    assert proposed(platform) >= {"i_ccnew"}
    platform.sql("DROP INDEX i_ccnew")
    assert list(look(platform, "invalid_indexes")) == ["invalid_indexes"]


# Missing --------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G53", "fires", "silent")
def test_a_foreign_key_without_index_fires_until_there_is_one(platform: Platform) -> None:
    """G53, advice: its columns must come first, in any order, and the index must hold all rows."""
    platform.sql("CREATE TABLE one (x int, y int, PRIMARY KEY (x, y))")
    platform.sql("INSERT INTO one SELECT 1, n FROM generate_series(1, 200) n")
    platform.sql("CREATE TABLE many (id int, x int, y int, CONSTRAINT to_one FOREIGN KEY (x, y) REFERENCES one)")
    platform.sql("INSERT INTO many SELECT n, 1, n FROM generate_series(1, 200) n")
    key, config = "missing_indexes:public.many:to_one", limited(advice_rows=100, advice_scans=1_000_000)
    finding = until(lambda: look(platform, "missing_indexes", config).get(key))
    assert finding is not None
    assert (finding.level, finding.remedy.startswith("Advice only")) == (Level.ADVISORY, True)
    assert "to_one (x, y) refers to one" in finding.detail
    for useless in ("(id, x, y)", "(x)", "(x, y) WHERE id > 0"):
        platform.sql(f"CREATE INDEX ON many {useless}")
        assert key in look(platform, "missing_indexes", config)
    platform.sql("CREATE INDEX ON many (y, x, id)")
    assert list(look(platform, "missing_indexes", config)) == ["missing_indexes"]


@pytest.mark.guide("G53", "fires")
def test_a_key_to_a_partitioned_table_is_one(platform: Platform) -> None:
    """PostgreSQL keeps one more of it for each partition; an index is missing once."""
    platform.sql("CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    platform.sql("CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (1000)")
    platform.sql("CREATE TABLE high PARTITION OF parts DEFAULT")
    platform.sql("CREATE TABLE many (id int PRIMARY KEY, part int CONSTRAINT to_part REFERENCES parts)")
    platform.sql("INSERT INTO parts SELECT generate_series(1, 2000)")
    platform.sql("INSERT INTO many SELECT n, n FROM generate_series(1, 2000) n")
    platform.sql("ANALYZE many")
    config, key = limited(advice_rows=100, advice_scans=1_000_000), "missing_indexes:public.many:to_part"
    until(lambda: key in look(platform, "missing_indexes", config))
    assert [one for one in look(platform, "missing_indexes", config) if "public.many" in one] == [key]


@pytest.mark.guide("G53", "fires", "silent")
def test_a_foreign_key_of_a_small_table_is_named(platform: Platform) -> None:
    """Not left out without a word; an index ends it, and a reset of the counters makes no table small."""
    platform.sql("CREATE TABLE one (x int PRIMARY KEY)")
    platform.sql("CREATE TABLE many (x int CONSTRAINT to_one REFERENCES one)")
    platform.sql("INSERT INTO one SELECT generate_series(1, 200)")
    platform.sql("INSERT INTO many SELECT generate_series(1, 200)")
    platform.sql("ANALYZE many")
    high, low = limited(advice_rows=1000), limited(advice_rows=200, advice_scans=1_000_000)
    finding = look(platform, "missing_indexes", high)["missing_indexes:small"]
    assert finding.level is Level.OK
    assert "1 of tables with fewer than 1,000 rows: public.many (to_one)" in finding.detail
    platform.sql("SELECT pg_stat_reset()")
    until(lambda: "missing_indexes:public.many:to_one" in look(platform, "missing_indexes", low))
    platform.sql("CREATE INDEX ON many (x)")
    for config in (high, low):
        assert list(look(platform, "missing_indexes", config)) == ["missing_indexes"]


@pytest.mark.guide("G53", "fires", "silent")
def test_a_large_table_that_is_read_from_end_to_end(platform: Platform) -> None:
    """G53, advice: more often than the limit and than by index; reads by index end it."""
    platform.sql("CREATE TABLE t (id int PRIMARY KEY, a int)")
    platform.sql("INSERT INTO t SELECT n, n FROM generate_series(1, 200) n")
    platform.sql("ANALYZE t")
    key, config = "missing_indexes:public.t", limited(advice_rows=100, advice_scans=3)
    for _ in range(3):
        platform.sql("SELECT count(*) FROM t WHERE a = 1")
    finding = until(lambda: look(platform, "missing_indexes", config).get(key))
    assert finding is not None
    assert "it has 200 rows" in finding.detail
    for _ in range(10):
        use(platform.admin, "SELECT id FROM t WHERE id = 1")
    until(lambda: list(look(platform, "missing_indexes", config)) == ["missing_indexes"])


@pytest.mark.guide("G53", "fires", "silent")
def test_reads_of_young_statistics_prove_nothing(platform: Platform) -> None:
    """Reset just now: no table was read from end to end, and nobody knows whether any is; later it is ok."""
    platform.sql("CREATE TABLE t (id int PRIMARY KEY)")
    platform.sql("SELECT pg_stat_reset()")
    thirty, now = limited(statistics_days=30.0), datetime.now(UTC)
    found = look(platform, "missing_indexes", thirty, now=now)
    assert {key: one.level for key, one in found.items()} == {
        "missing_indexes": Level.OK,
        "missing_indexes:reads": Level.UNKNOWN,
    }
    assert found["missing_indexes"].detail == "no large table lacks one for a foreign key"
    assert "statistics reach back 0.0 days only" in found["missing_indexes:reads"].detail
    later = look(platform, "missing_indexes", thirty, now=now + timedelta(days=31))
    assert [one.detail for one in later.values()] == ["no large table lacks one for a foreign key or for its reads"]
    platform.sql("ALTER ROLE {role} SET track_counts = off", role=platform.role)
    assert "track_counts is off" in look(platform, "missing_indexes")["missing_indexes:reads"].detail


@pytest.mark.guide("G53", "fires", "silent")
def test_a_table_whose_rows_nobody_counted_is_not_small(platform: Platform) -> None:
    """Never analysed and its counters reset: UNKNOWN by its name, until ANALYZE has counted."""
    platform.sql("CREATE TABLE one (x int PRIMARY KEY)")
    platform.sql("CREATE TABLE many (x int CONSTRAINT to_one REFERENCES one) WITH (autovacuum_enabled = off)")
    platform.sql("INSERT INTO one SELECT generate_series(1, 200)")
    platform.sql("INSERT INTO many SELECT generate_series(1, 200)")
    counted = "SELECT n_live_tup FROM pg_stat_all_tables WHERE relid = 'many'::regclass"
    until(lambda: platform.sql(counted)[0][0] == 200)
    platform.sql("SELECT pg_stat_reset()")
    config = limited(advice_rows=201)
    found = until(lambda: look(platform, "missing_indexes", config), lambda keys: "missing_indexes:uncounted" in keys)
    assert found["missing_indexes:uncounted"].level is Level.UNKNOWN
    assert found["missing_indexes:uncounted"].detail == "public.many (to_one)"
    assert "missing_indexes:small" not in found
    platform.sql("ANALYZE many")
    assert set(look(platform, "missing_indexes", config)) == {"missing_indexes", "missing_indexes:small"}
