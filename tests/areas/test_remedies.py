"""A remedy that is a statement works as it stands: copied from the finding and run, it makes the finding go away.

Names of tables and indexes hold what a page would drop, spell out or reorder: a newline, a bidi control, two spaces.
"""

from __future__ import annotations

import re
import time
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql

from tests.stages.index_looks import CONFIG, look, slow_from
from tests.stages.platform import Platform, until
from tests.stages.platform import bare as bare  # noqa: PLC0414  # a fixture of the next one
from tests.stages.platform import platform as platform  # noqa: PLC0414  # the fixture
from upkeep.core.findings import Finding, Level
from upkeep.core.units import visible

#: Names that do not survive being shown; each is quoted where a situation is made.
STRANGE = 'i"\n\u202e  é\\ '
PLAIN = "i"

#: Where a remedy has its statements: behind these words, up to those.
_STATEMENT = re.compile(
    r"(?:By hand(?:, one after the other)?: |it is made again by |; |^)"
    r"((?:DROP|CREATE|ALTER|REINDEX|VACUUM)\b.*?)"
    r"(?=; it is made again| makes it valid|; (?:CREATE|ALTER|REINDEX|DROP|VACUUM)\b|$)",
    re.DOTALL,
)


def statements(finding: Finding) -> list[str]:
    """What a person would copy from the page; nothing of it is spelled out there."""
    assert visible(finding.remedy) == finding.remedy
    assert "⟨U+" not in finding.remedy
    assert "\n" not in finding.remedy
    return _STATEMENT.findall(finding.remedy)


def run(platform: Platform, *said: str) -> None:
    """Run each by itself, as psql would."""
    with psycopg.connect(platform.admin, autocommit=True) as owner:
        for statement in said:
            owner.execute(statement.encode())


def made(platform: Platform, name: str, *texts: str) -> None:
    """Make a situation: {i} is the index, {j} another one."""
    for text in texts:
        platform.sql(text, i=name, j=f"{name}2"[:60])


def found(platform: Platform, check: str, key: str) -> Finding | None:
    """The finding, None when there is none (any more)."""
    return look(platform, check).get(key)


def definitions(platform: Platform) -> list[str]:
    """All indexes of the schema as the server prints them."""
    return [row[0] for row in platform.sql("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")]


TABLE = "CREATE TABLE t (a int, b text) WITH (autovacuum_enabled = false)"
ROWS = "INSERT INTO t SELECT n, n::text FROM generate_series(1, 3000) n"


@dataclass(frozen=True)
class Situation:
    """What makes a finding of a check whose remedy drops an index and says how it is made again."""

    check: str
    makes: tuple[str, ...]


DROPS = {
    "unused": Situation("unused_indexes", ("CREATE INDEX {i} ON t (b) WHERE b > E'\\n\\\\' AND b <> 'ü  '",)),
    "duplicate": Situation("duplicate_indexes", ("CREATE INDEX {j} ON t (a)", "CREATE INDEX {i} ON t (a)")),
}


@pytest.mark.parametrize("name", [PLAIN, STRANGE], ids=["plain", "strange"])
@pytest.mark.parametrize("situation", DROPS.values(), ids=DROPS.keys())
def test_a_drop_and_its_undo_work_as_they_stand(platform: Platform, name: str, situation: Situation) -> None:
    """The statement ends the finding; the one that makes the index again makes exactly that one."""
    made(platform, name, TABLE, ROWS, *situation.makes)
    before = definitions(platform)
    (finding,) = (one for one in look(platform, situation.check).values() if one.level is not Level.OK)
    drop, again = statements(finding)
    run(platform, drop)
    assert found(platform, situation.check, finding.key) is None
    assert len(definitions(platform)) == len(before) - 1
    run(platform, again)
    assert definitions(platform) == before
    assert found(platform, situation.check, finding.key) is not None


def broken(platform: Platform, name: str, head: str) -> Finding:
    """A build that ended halfway, and what is said of it."""
    made(platform, name, TABLE, "INSERT INTO t VALUES (1, 'x'), (1, 'y')")
    with psycopg.connect(platform.admin, autocommit=True) as owner:
        owner.execute("SET statement_timeout = '30s'")
        with pytest.raises(psycopg.Error):
            owner.execute(sql.SQL(head).format(i=sql.Identifier(name)))  # type: ignore[arg-type]
    return look(platform, "invalid_indexes")[f"invalid_indexes:public.{name}"]


@pytest.mark.parametrize("name", [PLAIN, STRANGE], ids=["plain", "strange"])
def test_an_invalid_index_becomes_valid_as_its_remedy_says(platform: Platform, name: str) -> None:
    """One that a division by zero left is rebuilt once no row divides by zero."""
    finding = broken(platform, name, "CREATE INDEX CONCURRENTLY {i} ON t ((1 / (a - 1)))")
    rebuild, drop, _ = statements(finding)
    run(platform, "DELETE FROM t", rebuild)
    assert found(platform, "invalid_indexes", finding.key) is None
    assert drop.startswith("DROP INDEX CONCURRENTLY")


@pytest.mark.parametrize("name", [PLAIN, STRANGE], ids=["plain", "strange"])
def test_a_unique_index_over_duplicates_is_not_said_to_become_valid_by_itself(platform: Platform, name: str) -> None:
    """REINDEX fails while two rows have the same key, and the remedy says so; without them it ends the finding."""
    finding = broken(platform, name, "CREATE UNIQUE INDEX CONCURRENTLY {i} ON t (a)")
    assert "it fails while two rows have the same key" in finding.remedy
    rebuild, _, _ = statements(finding)
    with pytest.raises(psycopg.errors.UniqueViolation):
        run(platform, rebuild)
    leftover = [key for key in look(platform, "invalid_indexes") if "_cc" in key]
    assert leftover  # what the failed attempt left is told as well, with what drops it
    drop, _ = statements(look(platform, "invalid_indexes")[leftover[0]])
    run(platform, drop, "DELETE FROM t WHERE b = 'y'", rebuild)
    assert look(platform, "invalid_indexes")["invalid_indexes"].level is Level.OK


def test_an_index_named_like_a_leftover_is_renamed(platform: Platform) -> None:
    """The statement gives it the name without the ending, and the finding ends."""
    made(platform, "x\n_ccnew", TABLE, "CREATE INDEX {i} ON t (a)")
    (finding,) = (one for one in look(platform, "invalid_indexes").values() if one.level is not Level.OK)
    run(platform, *statements(finding))
    assert look(platform, "invalid_indexes")["invalid_indexes"].level is Level.OK


def test_an_index_of_a_partitioned_table_is_completed(platform: Platform) -> None:
    """The statements, one after the other, make the missing part and attach it."""
    made(
        platform,
        STRANGE,
        "CREATE TABLE p (a int) PARTITION BY RANGE (a)",
        "CREATE TABLE {j} PARTITION OF p FOR VALUES FROM (0) TO (9)",
        "CREATE INDEX {i} ON ONLY p (a)",
    )
    (finding,) = (one for one in look(platform, "invalid_indexes").values() if one.level is not Level.OK)
    run(platform, *finding.metadata["statements"])
    assert "; ".join(finding.metadata["statements"]) in finding.remedy
    assert visible(finding.remedy) == finding.remedy
    assert look(platform, "invalid_indexes")["invalid_indexes"].level is Level.OK


@pytest.mark.parametrize("name", [PLAIN, STRANGE], ids=["plain", "strange"])
def test_a_domain_is_validated(platform: Platform, name: str) -> None:
    """The statement marks the constraint as held."""
    made(platform, name, "CREATE DOMAIN {i} AS int", "CREATE TABLE t (a {i})", "INSERT INTO t VALUES (1)")
    made(platform, name, "ALTER DOMAIN {i} ADD CONSTRAINT {j} CHECK (value > 0) NOT VALID")
    (finding,) = (one for one in look(platform, "constraints").values() if one.level is not Level.OK)
    (validate,) = re.findall(r"ALTER DOMAIN [^;]*", finding.remedy)
    assert visible(validate) == validate
    run(platform, validate)
    assert {one.level for one in look(platform, "constraints").values()} == {Level.OK}


def test_a_long_session_is_ended_by_what_is_said(platform: Platform) -> None:
    """pg_cancel_backend ends the statement, pg_terminate_backend the session, by the finding's own PID."""
    with closing(psycopg.connect(platform.admin)) as forgetful:
        forgetful.execute("SELECT 1")
        pid = forgetful.info.backend_pid
        time.sleep(0.2)
        finding = until(lambda: platform.long_queries(0.1), lambda each: pid in each)[pid]
        run(platform, *re.findall(r"SELECT pg_\w+_backend\(\d+\)", finding.remedy))
        until(lambda: pid not in platform.long_queries(0.1))


def test_a_slow_statement_is_explained_as_is_said(platform: Platform) -> None:
    """What EXPLAIN takes is taken as pg_stat_statements has it; of a DO nothing of the kind is said."""
    platform.sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    platform.sql("SELECT pg_stat_statements_reset()")
    platform.sql(TABLE)
    platform.sql("SELECT count(*) FROM t, pg_sleep(0.02) WHERE a > 3")
    platform.sql("DO $$ BEGIN PERFORM pg_sleep(0.02); END $$")
    slow = look(platform, "slow_queries", slow_from(CONFIG, 10.0))
    by_text = {word: one for one in slow.values() for word in ("DO", "SELECT count") if f": {word}" in one.detail}
    assert "EXPLAIN takes no statement of this kind" in by_text["DO"].remedy
    select = by_text["SELECT count"]
    assert "EXPLAIN (GENERIC_PLAN)" in select.remedy
    (query,) = platform.sql("SELECT query FROM pg_stat_statements WHERE query LIKE 'SELECT count(*) FROM t,%'")[0]
    if platform.sql("SELECT current_setting('server_version_num')::int >= 160000")[0][0]:
        run(platform, f"EXPLAIN (GENERIC_PLAN) {query}")
