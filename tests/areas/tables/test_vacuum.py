"""Which tables are proposed for VACUUM and ANALYZE, and what their catalogue rows say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.stages.sessions import until
from tests.stages.stage import Stage, changed, configured, states
from upkeep.areas.tables import vacuum as optimise
from upkeep.gate import predictions
from upkeep.gate.permit_store import past_actions
from upkeep.gate.plans.form import body
from upkeep.gate.plans.model import MOST_ACTIONS, numbered
from upkeep.settings.approval import Optimise

VERSION = 170_000
SEEN = {"live_rows": 1, "dead_rows": 1, "changed_rows": 1, "table_bytes": 0, "index_bytes": 0, "visible_pages": 0}
SEEN |= {"updates": 0, "hot_updates": 0, "deletes": 0}
ROW = {"vacuum": True, "oid": 1, "schema": "public", "table": "t", "shape": "s", **SEEN}


def verbs(stage: Stage) -> dict[str, str]:
    """table → verb of what would be planned."""
    actions, _ = numbered(optimise.propose(stage.candidates(), stage.config.optimise, ("dba",), VERSION))
    return {action.table: action.verb for action in actions}


def fill(stage: Stage, name: str, rows: int) -> None:
    """A fresh table with so many rows, analysed, that autovacuum leaves alone."""
    table = sql.Identifier(name)
    stage.do(
        sql.SQL("CREATE TABLE {} (id int) WITH (autovacuum_enabled = false)").format(table),
        sql.SQL("INSERT INTO {} SELECT generate_series(1, {})").format(table, rows),
    )
    stage.do(sql.SQL("ANALYZE {}").format(table))  # its own session: what one has changed is counted at its end


@pytest.mark.guide("G59", "fires", "silent")
@pytest.mark.parametrize("percent", [9, 10])
def test_dead_rows_make_a_vacuum_from_the_limit_on(stage: Stage, percent: int) -> None:
    """10 % of 20,000 rows are a candidate and 9 % are none; after VACUUM it is gone."""
    fill(stage, "t", 20_000)
    assert verbs(stage) == {}
    stage.do(f"DELETE FROM t WHERE id <= {20_000 * percent // 100}".encode())
    dead = "SELECT n_dead_tup AS dead FROM pg_stat_user_tables"
    until(lambda: stage.look(dead)[0]["dead"] == 20_000 * percent // 100)
    assert verbs(stage) == ({"t": "vacuum"} if percent == 10 else {})
    stage.do("VACUUM (ANALYZE) t")
    assert verbs(stage) == {}


@pytest.mark.guide("G52", "fires", "silent")
def test_changed_rows_alone_make_an_analyze(stage: Stage) -> None:
    """New rows since the last ANALYZE are no work for VACUUM; after ANALYZE there is no candidate."""
    fill(stage, "t", 10_000)
    stage.do("INSERT INTO t SELECT generate_series(1, 2000)")
    until(lambda: verbs(stage) == {"t": "analyze"})
    stage.do("ANALYZE t")
    assert until(lambda: verbs(stage) == {}) is True


def test_few_rows_are_left_alone_and_a_table_of_dead_rows_only_is_not(stage: Stage) -> None:
    """All of 500 rows dead are below dead_rows; all of 5,000 are a candidate although none lives."""
    for name, rows in (("few", 500), ("all", 5000)):
        fill(stage, name, rows)
        stage.do(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
    until(lambda: verbs(stage) == {"all": "vacuum"})


def test_the_worst_come_first_and_what_is_taken_is_left_out(stage: Stage) -> None:
    """By dead rows; tables that another plan in force holds are not proposed again."""
    for name, rows in (("small", 2000), ("large", 8000), ("middle", 4000)):
        fill(stage, name, rows)
        stage.do(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
    until(lambda: len(verbs(stage)) == 3)
    assert list(verbs(stage)) == ["large", "middle", "small"]
    taken = [row["oid"] for row in stage.candidates() if row["table"] == "large"]
    with stage.session() as session:
        rows = optimise.candidates(session, stage.config.optimise, taken)
    assert [(row["table"], row["candidates"]) for row in rows] == [("middle", 2), ("small", 2)]


NAMES = {
    "63 bytes": "n" * 63,
    "63 bytes of two each": "ä" * 31,
    "quoted": "with \"quotes\" and 'more'",
    "emoji": "🧹 sweep 🐘",
    "percent": "100% %s %(oid)s %%",
    "newline": "first\nsecond; DROP TABLE x",
    "keyword": "select",
    "backslash": r"C:\temp",
    "dots": "a.b.c",
    "dollar": "$$ $1",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_table_of_any_name_is_planned_and_vacuumed(stage: Stage, name: str) -> None:
    """Its statement names exactly it, in a schema of such a name too, and its permit and receipt are written."""
    schema = name[:20]
    stage.do(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    stage.dirty(name, schema=schema)
    stage.dirty("bystander")
    stored = stage.plan()
    chosen = {action.id for action in stored.plan.actions if action.table == name}
    outcomes = stage.apply(stage.decide(stored, ids=chosen))
    assert outcomes[name].state == "done", outcomes[name]
    assert stage.vacuums() == {name: 1, "bystander": 0}
    assert not any("\n" in text for text in stage.said)


def test_what_is_not_ours_is_left_alone(stage: Stage) -> None:
    """Temporary tables, system schemas, TOAST and partitioned parents are never proposed; partitions are."""
    stage.do(
        "CREATE TABLE parent (id int, wide text) PARTITION BY RANGE (id)",
        "CREATE TABLE part PARTITION OF parent FOR VALUES FROM (0) TO (100000) WITH (autovacuum_enabled = false)",
        "ALTER TABLE part ALTER wide SET STORAGE EXTERNAL",
        "ALTER TABLE part SET (toast.autovacuum_enabled = false)",
        "INSERT INTO parent SELECT n, repeat('x', 3000) FROM generate_series(1, 3000) n",
        "DELETE FROM parent WHERE id % 3 > 0",
    )
    toast = "SELECT n_dead_tup AS dead FROM pg_stat_all_tables WHERE schemaname = 'pg_toast' ORDER BY 1 DESC LIMIT 1"
    with psycopg.connect(stage.dsn, autocommit=True) as owner:
        owner.execute("CREATE TEMP TABLE mine AS SELECT generate_series(1, 5000) AS id")
        owner.execute("DELETE FROM mine")
        owner.execute("CREATE TABLE scratch (id int)")
        owner.execute("DROP TABLE scratch")
        owner.execute("SELECT pg_stat_force_next_flush()")
        owner.execute("SELECT 1")
        until(lambda: stage.look(toast)[0]["dead"] > 1000)
        until(lambda: verbs(stage) == {"part": "vacuum"})
    stored = stage.approved()
    assert stage.apply(stored)["part"].state == "done"
    assert stage.look(toast)[0]["dead"] == 0


@pytest.mark.guide("G52", "G59", "holds")
def test_an_inheritance_child_that_nobody_approved_is_left_alone(stage: Stage) -> None:
    """From PostgreSQL 18 on VACUUM and ANALYZE of a parent go through its children too; what was planned does not."""
    for parent in ("parent", "moved"):
        stage.do(
            f"CREATE TABLE {parent} (id int, wide text) WITH (autovacuum_enabled = false)".encode(),
            f"CREATE TABLE {parent}_child () INHERITS ({parent}) WITH (autovacuum_enabled = false)".encode(),
            f"INSERT INTO {parent} SELECT n, 'x' FROM generate_series(1, 3000) n".encode(),
            f"INSERT INTO {parent}_child SELECT n, 'x' FROM generate_series(1, 3000) n".encode(),
        )
    stage.do("DELETE FROM ONLY parent WHERE id % 3 > 0", "DELETE FROM parent_child WHERE id % 3 > 0")
    until(lambda: len(verbs(stage)) == 4)
    stored = stage.plan()
    chosen = {action.id for action in stored.plan.actions if action.table in ("parent", "moved")}
    outcomes = stage.apply(stage.decide(stored, ids=chosen))
    assert {outcomes[table].action.verb: outcomes[table].state for table in ("parent", "moved")} == {
        "vacuum": "done",
        "analyze": "done",
    }
    counted = "SELECT relname AS name, vacuum_count + analyze_count AS n FROM pg_stat_user_tables"
    counts = {row["name"]: row["n"] for row in stage.look(counted)}
    assert (counts["parent"], counts["moved"]) == (2, 1)
    assert (counts["parent_child"], counts["moved_child"]) == (0, 0)


@pytest.mark.parametrize(("version", "only"), [(170_010, False), (180_000, True), (190_001, True)])
def test_only_stands_where_the_server_knows_it(version: int, only: bool) -> None:
    """Before PostgreSQL 18 the word would be a syntax error."""
    for vacuum in (True, False):
        (proposal,) = optimise.propose([ROW | {"vacuum": vacuum}], configured().optimise, ("dba",), version)
        assert proposal.action.statement.endswith(' ONLY "public"."t"') is only


def test_an_unlogged_table_and_a_materialised_view_are_maintained_too(stage: Stage) -> None:
    """Both keep dead rows as any table does."""
    stage.do(
        "CREATE UNLOGGED TABLE u (id int) WITH (autovacuum_enabled = false)",
        "INSERT INTO u SELECT generate_series(1, 5000)",
        "CREATE MATERIALIZED VIEW v WITH (autovacuum_enabled = false) AS SELECT id FROM u",
        "CREATE UNIQUE INDEX ON v (id)",
        "DELETE FROM u",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
    )
    until(lambda: len(verbs(stage)) == 2)
    assert {outcome.state for outcome in stage.apply(stage.approved()).values()} == {"done"}


def test_ten_thousand_candidates_make_two_hundred_actions(stage: Stage) -> None:
    """The plan holds the cap and says how many wait; the lower the limits, the more candidates."""
    with psycopg.connect(stage.dsn, autocommit=True) as owner:
        for start in range(0, 10_000, 500):
            owner.execute(
                "DO $$ BEGIN FOR n IN " + str(start) + ".." + str(start + 499) + " LOOP"
                " EXECUTE format('CREATE TABLE c_%s (id int) WITH (autovacuum_enabled = false)', n);"
                " EXECUTE format('INSERT INTO c_%s VALUES (1)', n); END LOOP; END $$"
            )
    stage.config = changed(stage.config, optimise={"dead_rows": 1})
    rows = until(stage.candidates, lambda found: found and found[0]["candidates"] == 10_000)
    assert len(rows) == MOST_ACTIONS + 1
    stored = stage.plan(left_out=rows[0]["candidates"] - MOST_ACTIONS)
    assert (len(stored.plan.actions), stored.plan.left_out) == (200, 9_800)
    form = body(stored.plan, "dba", stored.measured, ["ann"])
    assert "9800 more candidates wait for the next window" in form


def test_a_locked_table_does_not_stop_planning(stage: Stage) -> None:
    """Sizes wait for ACCESS EXCLUSIVE; the plan takes what the catalogue noted instead of waiting."""
    stage.dirty("held")
    stage.do("ANALYZE held", "UPDATE held SET id = id")
    with psycopg.connect(stage.dsn) as holder:
        holder.execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
        (row,) = stage.candidates()
        assert row["table_bytes"] > 100_000
        with stage.session() as session:
            action = optimise.propose([row], stage.config.optimise, ("dba",), VERSION)[0].action
            now = optimise.state(session, action)
        assert now is not None
        assert now["total_bytes"] is None
        assert optimise.obstacle(action, now) == ""


# Pure -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "before", "after", "done"),
    [
        ("vacuum", (3, 3), (4, 4), True),
        ("vacuum", (3, 3), (3, 3), False),
        ("vacuum", (3, 3), (4, 3), False),  # its ANALYZE was cancelled
        ("vacuum", (3, 3), (1, 1), True),  # statistics were reset by a crash, and it ran after that
        ("vacuum", (3, 3), (0, 0), False),
        ("analyze", (3, 3), (3, 4), True),
        ("analyze", (3, 3), (4, 3), False),
        ("analyze", (3, 3), None, False),
    ],
)
def test_the_counters_say_what_was_done(
    verb: str, before: tuple[int, int], after: tuple[int, int] | None, done: bool
) -> None:
    """VACUUM (ANALYZE) counts twice; a table that is gone shows nothing."""

    def row(counts: tuple[int, int]) -> dict[str, Any]:
        return dict(zip(("vacuum_count", "analyze_count"), counts, strict=True))

    row_of = ROW | {"vacuum": verb == "vacuum"}
    action = optimise.propose([row_of], configured().optimise, ("dba",), VERSION)[0].action
    assert optimise.was_done(action, row(before), row(after) if after else None) is done


def test_predictions_grow_with_size_and_with_the_cost_delay() -> None:
    """An empty table takes the least; indexes count for VACUUM; ANALYZE reads a sample however large the table is."""
    config = configured().optimise
    gigabyte = 1024**3

    def predict(verb: str, table: int, index: int, config: Optimise) -> int:
        worn = {"live_rows": 2_000_000, "dead_rows": 1_000_000, "table_bytes": table, "index_bytes": index}
        return optimise.predicted_ms(verb, SEEN | worn, config, {})

    assert predict("vacuum", 0, 0, config) == predict("analyze", 8192, 0, config) == 50
    assert predict("vacuum", gigabyte, gigabyte, config) > predict("vacuum", gigabyte, 0, config) > 20_000
    assert predict("analyze", gigabyte, 0, config) == predict("analyze", 50 * gigabyte, 0, config)
    gentle = config.model_copy(update={"vacuum_cost_delay_ms": 20.0})
    assert predict("vacuum", gigabyte, 0, gentle) > 2 * predict("vacuum", gigabyte, 0, config)


def test_hot_updates_since_the_last_receipt_lower_the_prediction(stage: Stage) -> None:
    """The receipt of a plan's VACUUM keeps the counters; rows deleted before it cost a second visit no more."""
    stage.do(
        "CREATE TABLE t (id int PRIMARY KEY, n int, wide text) WITH (autovacuum_enabled = false, fillfactor = 40)",
        "INSERT INTO t SELECT n, 0, repeat('x', 300) FROM generate_series(1, 20000) n",
        "DELETE FROM t WHERE id % 2 = 0",
    )
    until(stage.candidates)
    assert states(stage.apply(stage.approved())) == {"t": "done"}
    stage.do("UPDATE t SET n = 1")
    (row,) = until(stage.candidates)
    assert (row["updates"], row["hot_updates"], row["deletes"]) == (10_000, 10_000, 10_000)
    with stage.ledger.session() as session:
        past = past_actions(session, stage.name, optimise.KIND, datetime.now(UTC) - timedelta(hours=1))
    last = predictions.learned(past, 5).after["vacuum", row["oid"]]
    assert (last["updates"], last["deletes"]) == (0, 10_000)
    config = stage.config.optimise
    known, blind = (optimise.predicted_ms("vacuum", row, config, counters) for counters in (last, {}))
    assert known < 0.7 * blind
