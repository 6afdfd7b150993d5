"""Partitions on a real server: what is due as a whole is archived as a whole and dropped, or stays exactly as it is."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import sql

from tests.stages.config import config as config  # noqa: PLC0414  # the fixture
from tests.stages.keeping import Keeping
from tests.stages.keeping import keeping as keeping  # noqa: PLC0414  # the fixture
from tests.stages.parting import OLD, ROWS, SCHEMA, UNMAPPED, Parting, days
from tests.stages.parting import parting as parting  # noqa: PLC0414  # the fixture
from tests.stages.sessions import to, until
from tests.stages.stage import Go, changed
from upkeep.areas.retention import archives, delete, drop, partitions
from upkeep.areas.retention.look import RetentionLook
from upkeep.areas.retention.proof import Proof
from upkeep.areas.retention.restore import restore
from upkeep.areas.retention.store import DELETED, MANIFEST, OBJECT
from upkeep.core.findings import Finding, Level
from upkeep.gate.attempts import ObjectChanged
from upkeep.settings.values import TableName
from upkeep.wires import database

ALL = f"{ROWS} rows deleted, 0 kept for they were changed since"
YOUNG = 7
pytestmark = pytest.mark.usefixtures("read_by_forks")
#: The wheel's is 17; `make matrix` says which one it means.
MAJOR = int(os.environ.get("UPKEEP_MATRIX", "17"))


def findings(keeping: Keeping, maintain: str = "postgres") -> dict[str, Finding]:
    """What the check says of the class usual that is not well."""
    seen = archives.seen(keeping.config, keeping.stage.name)
    with keeping.stage.session() as session:
        look = RetentionLook(session, keeping.config, datetime.now(UTC), maintain, seen).whole()
    prefix = "retention:usual:"
    found = {one.key: one for one in look.findings if one.level is not Level.OK and one.key.startswith(prefix)}
    assert len(found) == sum(one.key in found for one in look.findings)
    return {key.removeprefix(prefix): one for key, one in found.items()}


def classes(keeping: Keeping) -> None:
    """Two classes of the log, of which rows that are special are kept for longer."""
    one = {"type": "error", "table": "public.log", "time": "at", "days": 90, "location": "here", "delete": True}
    special = one | {"type": "security", "days": 365, "where": {"kind": ["special"]}}
    keeping.write(classes={"usual": one, "special": special}, unmapped={"audit": "none"})


@contextmanager
def begun(parting: Parting) -> Iterator[Iterator[str]]:
    """A drop step by step; the archive is read again, and the partition is as it was."""
    (action,) = parting.keeping.proposed("delete").plan.actions
    with database.standing(to(parting.keeping.stage.dsn), parting.keeping.stage.config.sql) as session:
        session.rows("SET lock_timeout = '90s'")
        steps = delete.steps(session, action, {"deletion": "1"})
        assert "read again" in next(steps)
        assert next(steps).startswith("0 rows deleted")
        yield steps
        steps.close()


@pytest.mark.guide("G15", "G67", "holds")
@pytest.mark.usefixtures("started")
def test_a_partition_that_is_due_is_archived_as_a_whole_and_dropped(parting: Parting) -> None:
    """It alone, under the approval of that partition and archive; what it held comes back, the same rows."""
    keeping = parting.keeping
    every = parting.everything()
    (archive,) = keeping.proposed("archive").plan.actions
    assert (archive.schema, archive.table.split(" (")[0]) == (SCHEMA, OLD)
    name = parting.archived()
    manifest, sha256 = keeping.store().manifest(name)
    assert manifest["content"]["rows"] == ROWS and manifest["partition"]["name"] == OLD
    assert keeping.apply("archive") == {} and keeping.count() == ROWS + YOUNG  # due rows of the present one wait
    (action,) = keeping.proposed("delete").plan.actions
    assert action.statement.startswith("drop ") and f"partition {manifest['partition']['oid']} of" in action.statement
    assert action.statement.endswith(f" of {name} {sha256}") and action.lock == "ACCESS EXCLUSIVE"
    assert (action.schema, action.table.split(" (")[0]) == (SCHEMA, OLD)
    (outcome,) = keeping.apply("delete").values()
    assert (outcome.state, outcome.reason) == ("done", ALL)
    assert keeping.stage.look("SELECT 1 FROM pg_class WHERE relname = %s", OLD) == []
    assert parting.everything() == [row for row in every if row not in every[:ROWS]]
    record = json.loads(keeping.store().path(name + DELETED).read_text())
    assert (record["deleted"], record["kept"], record["gone"]) == (ROWS, 0, 0)
    assert keeping.proposed("archive", "delete").plan.actions == () and findings(keeping) == {}
    with database.session(to(keeping.stage.dsn), keeping.stage.config.sql, read_only=False) as session:
        assert restore(session, keeping.store(), name, TableName("public", "back")) == ROWS
    assert keeping.stage.look("SELECT * FROM back ORDER BY id") == every[:ROWS]


@pytest.mark.guide("G67", "holds")
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE {} SET body = 'changed' WHERE id = 7",
        "DELETE FROM {} WHERE id = 7",
        "INSERT INTO {} SELECT 1000, at, kind, body FROM {} WHERE id = 7",
        "UPDATE {} SET id = id + 100000",
    ],
    ids=["update", "delete", "insert", "keys"],
)
def test_a_partition_with_other_rows_than_its_archive_stays_and_is_archived_anew(parting: Parting, change: str) -> None:
    """Also of as many rows. It was never taken out of its log, the receipt says not done, the next archive is right."""
    keeping = parting.keeping
    parting.archived()
    stored = keeping.proposed("delete")
    parting.alter(change)
    every = parting.everything()
    (outcome,) = keeping.stage.applying(stored).run()
    assert outcome.state == "not done" and "rows came or changed since it was archived" in outcome.reason
    assert parting.is_attached and parting.everything() == every
    (again,) = keeping.stage.applying(stored).run()
    assert again.state in ("refused", "not done") and parting.is_attached
    assert keeping.proposed("delete").plan.actions == ()
    parting.archived()
    assert [one.state for one in keeping.apply("delete").values()] == ["done"]
    assert not parting.is_attached and keeping.count() == YOUNG


def test_a_change_that_is_not_committed_yet_is_waited_for_and_seen(parting: Parting) -> None:
    """The lock is taken before rows are compared."""
    parting.archived()
    stored = parting.keeping.proposed("delete")
    patient = changed(parting.keeping.stage.config, guards={"lock_timeout_seconds": 60.0, "poll_seconds": 10.0})
    with psycopg.connect(parting.keeping.stage.dsn) as holder:
        holder.execute("UPDATE log SET body = 'changed' WHERE id = 7")
        go = Go(lambda: parting.keeping.stage.apply(stored, config=patient))
        parting.keeping.stage.until_running("LOCK TABLE")
        holder.commit()
        (outcome,) = go.result().values()
    assert outcome.state == "not done" and "rows came or changed" in outcome.reason
    assert parting.is_attached and parting.keeping.count("body = 'changed'") == 1


def _hold(parting: Parting) -> None:
    parting.keeping.write(holds=[{"log": "usual", "reason": "case 4711", "by": "Jane"}])


def _days(parting: Parting, days: int) -> None:
    one = {"type": "error", "table": "public.log", "time": "at", "days": days, "location": "here", "delete": True}
    parting.keeping.write(classes={"usual": one})


def _flip(parting: Parting) -> None:
    path = parting.keeping.store().path(parting.names()[0] + OBJECT)
    raw = path.read_bytes()
    path.unlink()
    path.write_bytes(raw[:99] + bytes([raw[99] ^ 1]) + raw[100:])


def _named(parting: Parting) -> None:
    one = {"type": "error", "table": "public.log", "time": "at", "days": 90, "location": "here", "delete": True}
    other = {"type": "security", "table": f"{SCHEMA}.{OLD}", "time": "at", "days": 365, "location": "here"}
    parting.keeping.write(classes={"usual": one, "long": other}, unmapped={"audit": "none"})


BETWEEN: dict[str, tuple[Callable[[Parting], None], str]] = {
    "flip": (_flip, "were changed while rows were deleted"),
    "hold": (_hold, "a legal hold is on usual: case 4711"),
    "longer": (lambda p: _days(p, 500), "config/retention.yaml, was changed"),
    "class": (_named, "classes.long names"),
    "column": (lambda p: p.keeping.stage.do("ALTER TABLE log ADD more int DEFAULT 1"), "was changed since the plan"),
    "rename": (lambda p: p.alter("ALTER TABLE {} RENAME TO other"), "does not exist"),
    "schema": (lambda p: p.alter("ALTER TABLE {} SET SCHEMA public"), "does not exist"),
    "detached": (lambda p: p.alter("ALTER TABLE log DETACH PARTITION {}"), "was detached, renamed, or put elsewhere"),
    "other": (
        lambda p: p.keeping.stage.do(
            sql.SQL("ALTER TABLE {} RENAME TO other").format(p.old),
            sql.SQL("CREATE TABLE {} (LIKE log)").format(p.old),
        ),
        "was detached, renamed, or put elsewhere",
    ),
    "key": (
        lambda p: p.alter("ALTER TABLE {} ADD UNIQUE (id); CREATE TABLE notes (log bigint REFERENCES {} (id))"),
        "other tables refer to it: public.notes",
    ),
    "key of the log": (
        lambda p: p.keeping.stage.do(
            "CREATE TABLE notes (l bigint, a timestamptz, k text, FOREIGN KEY (l, a, k) REFERENCES log)"
        ),
        "other tables refer to it",
    ),
    "trigger": (
        lambda p: p.alter(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';"
            "CREATE TRIGGER keeps AFTER DELETE ON {} FOR EACH ROW EXECUTE FUNCTION f()"
        ),
        "triggers or rules run when its rows are deleted: keeps",
    ),
    "view": (lambda p: p.alter("CREATE VIEW seen AS SELECT * FROM {}"), "views are of it: public.seen"),
    "published": (lambda p: p.alter("CREATE PUBLICATION p FOR TABLE log"), "it is published, .*: p$"),
}


@pytest.mark.guide("G15", "G67", "holds")
@pytest.mark.parametrize("what", BETWEEN)
def test_whatever_changes_before_the_drop_stops_it(parting: Parting, what: str) -> None:
    """Archive, hold, policy, catalogue: the partition is as it was, and no record says that it went."""
    parting.archived()
    change, why = BETWEEN[what]
    with begun(parting) as steps:
        change(parting)
        with pytest.raises((ObjectChanged, psycopg.Error), match=why):
            list(steps)
    rows = parting.keeping.stage.look("SELECT count(*) AS n FROM log")[0]["n"]
    assert rows == (YOUNG if what == "detached" else ROWS + YOUNG)
    assert parting.keeping.stage.look("SELECT 1 FROM pg_class WHERE relname IN (%s, 'other')", OLD)
    assert not list(parting.keeping.places.rglob(f"*{DELETED}"))


def _after_comparing(monkeypatch: pytest.MonkeyPatch, then: Callable[[], object]) -> None:
    """Do something once the partition's rows were compared, while it is locked."""
    compare = drop._same_rows

    def both(*given: object) -> None:
        compare(*given)  # type: ignore[arg-type]
        then()

    monkeypatch.setattr(drop, "_same_rows", both)


def _while_it_waits(parting: Parting, then: Callable[[], object]) -> list[str]:
    """Do something while the DROP waits for somebody who reads the log; what it said once they have read."""
    with begun(parting) as steps, ThreadPoolExecutor(1) as pool, psycopg.connect(parting.keeping.stage.dsn) as reader:
        reader.execute("SELECT count(*) FROM log")
        ended = pool.submit(list, steps)
        until(lambda: parting.keeping.stage.look("SELECT 1 FROM pg_locks WHERE NOT granted AND mode = %s", MODE))
        then()
        reader.rollback()
        return ended.result()


def _classes_too(parting: Parting, *, kind: str, **more: object) -> None:
    """A class that keeps the same rows longer."""
    one = {"type": "error", "table": "public.log", "time": "at", "days": 90, "location": "here", "delete": True}
    longer = {"type": kind, "table": "public.log", "time": "at", "days": 3650, "location": "here"} | more
    unmapped = {name: "none here" for name in UNMAPPED if name != kind}
    parting.keeping.write(classes={"usual": one, "long": longer}, unmapped=unmapped)


def _renamed(parting: Parting) -> None:
    one = {"type": "error", "table": "public.log", "time": "at", "days": 90, "location": "here", "delete": True}
    parting.keeping.write(classes={"other": one})


LAST: dict[str, tuple[Callable[[Parting], None], str]] = {
    "hold": (_hold, "a legal hold is on usual: case 4711"),
    "longer": (lambda p: _days(p, 100), "or one that keeps its rows longer, was changed"),
    "where": (lambda p: _classes_too(p, kind="security", where={"kind": ["usual"]}), "keeps its rows longer, was"),
    "audit": (lambda p: _classes_too(p, kind="audit", where={"kind": ["other"]}), "an audit log in public.log too"),
    "gone": (_renamed, "its class is no longer in"),
    "class": (_named, "classes.long names"),
}


@pytest.mark.guide("G67", "holds")
@pytest.mark.parametrize("what", LAST)
def test_a_policy_of_the_last_moment_keeps_the_partition(
    parting: Parting, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """After everything was looked at, while the DROP waits: the policy is read once more between it and its commit."""
    parting.archived()
    change, why = LAST[what]
    monkeypatch.setattr(drop, "CLOCK", "90s")  # a change in one wait, and no try after it
    with pytest.raises(ObjectChanged, match=why):
        _while_it_waits(parting, lambda: change(parting))
    assert parting.is_attached and parting.keeping.count() == ROWS + YOUNG


@pytest.mark.guide("G67", "holds")
@pytest.mark.parametrize("kind", [OBJECT, MANIFEST])
def test_an_archive_that_goes_while_the_drop_waits_keeps_the_partition(parting: Parting, kind: str) -> None:
    """Archive and catalogue are looked at before each try: it is not tried again by an archive that is gone."""
    path = parting.keeping.store().path(parting.archived() + kind)

    def gone() -> None:
        path.unlink()
        until(lambda: not _drops(parting))  # long before it would have given up

    with pytest.raises(ObjectChanged, match="stopped"):
        _while_it_waits(parting, gone)
    assert parting.is_attached and parting.keeping.count() == ROWS + YOUNG


def _drops(parting: Parting) -> bool:
    """Whether somebody holds the partition locked."""
    query = "SELECT 1 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = %s AND l.mode = %s"
    return bool(parting.keeping.stage.look(query, OLD, "ExclusiveLock"))


@pytest.mark.guide("G67", "holds")
def test_a_partition_whose_name_was_another_tables_when_it_was_locked_stays(parting: Parting) -> None:
    """Schemas swap before the LOCK and back after it: the partition itself is not locked, whatever its name is now."""
    parting.archived()
    stage = parting.keeping.stage
    schema, away, other = (sql.Identifier(name) for name in (SCHEMA, "away", "other"))
    rename = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
    stage.do("CREATE SCHEMA other", sql.SQL("CREATE TABLE {} (LIKE log)").format(sql.Identifier("other", OLD)))
    with begun(parting) as steps, ThreadPoolExecutor(1) as pool, psycopg.connect(stage.dsn) as holder:
        stage.do(rename.format(schema, away), rename.format(other, schema))
        holder.execute("LOCK TABLE pg_publication IN ACCESS EXCLUSIVE MODE")  # which the look at the catalogue meets
        ended = pool.submit(list, steps)
        until(lambda: stage.look("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'pg_publication'::regclass"))
        stage.do(rename.format(schema, other), rename.format(away, schema))
        holder.rollback()
        with pytest.raises(ObjectChanged, match="its name was another table's when it was locked"):
            ended.result()
    assert parting.is_attached and parting.keeping.count() == ROWS + YOUNG


@pytest.mark.guide("G67", "holds")
def test_a_table_that_takes_the_name_at_the_last_moment_stays(
    parting: Parting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A schema can be renamed although its table is locked, and while the DROP waits."""
    parting.archived()
    schema, away = sql.Identifier(SCHEMA), sql.Identifier("away")
    swap = (
        sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(schema, away),
        sql.SQL("CREATE SCHEMA {}").format(schema),
        sql.SQL("CREATE TABLE {} AS SELECT 1 AS precious").format(parting.old),
    )
    monkeypatch.setattr(drop, "CLOCK", "90s")
    with pytest.raises(ObjectChanged, match="its name became another table's"):
        _while_it_waits(parting, lambda: parting.keeping.stage.do(*swap))
    assert parting.keeping.count() == ROWS + YOUNG
    with psycopg.connect(parting.keeping.stage.dsn) as connection:
        assert connection.execute(sql.SQL("SELECT precious FROM {}").format(parting.old)).fetchall() == [(1,)]


@pytest.mark.guide("G67", "holds")
def test_a_log_that_takes_the_name_at_the_last_moment_stays(parting: Parting, monkeypatch: pytest.MonkeyPatch) -> None:
    """The partition has the log's name in another schema: DROP RESTRICT would take the log with all its partitions."""
    parting.alter("ALTER TABLE {} RENAME TO log")
    parting.archived()
    schema, away, public = (sql.Identifier(name) for name in (SCHEMA, "away", "public"))
    rename = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
    monkeypatch.setattr(drop, "CLOCK", "90s")
    swap = (rename.format(schema, away), rename.format(public, schema))
    stage = parting.keeping.stage
    with pytest.raises(ObjectChanged, match="its name became another table's"):
        _while_it_waits(parting, lambda: stage.do(*swap))
    stage.do(rename.format(schema, public), rename.format(away, schema))
    assert parting.keeping.count() == ROWS + YOUNG


@pytest.mark.guide("G63", "holds")
def test_a_months_plan_counts_what_its_archive_has(parting: Parting) -> None:
    """Due by a row of the default partition; rows of a partition that goes as a whole are of that month too."""
    keeping = parting.keeping
    keeping.stage.do("CREATE TABLE log_default PARTITION OF log DEFAULT")
    for age in (111.5, 120, 128.5, 131.5):  # so that one of the month of the last is in the partition
        keeping.fill(1, age)
    planned = [one for one in keeping.proposed("archive").plan.actions if " partition " not in one.statement]
    counted = sum(int(re.search(r"([\d,]+) rows", one.because)[1].replace(",", "")) for one in planned)  # type: ignore[index]
    assert {one.state for one in keeping.apply("archive").values()} == {"done"}
    found = [keeping.store().manifest(name)[0] for name in parting.names()]
    assert counted == sum(one["content"]["rows"] for one in found if "partition" not in one) > 0


@pytest.mark.guide("G67", "holds")
def test_nobody_who_writes_into_it_is_drawn_into_a_deadlock(parting: Parting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who holds the log and waits for the partition goes on; ours gives way before it asks for the log."""
    parting.archived()
    update = "UPDATE log SET body = 'changed' WHERE id = 7 AND pg_sleep(0) IS NOT NULL RETURNING id"
    writers: list[Go] = []

    def wait() -> None:
        writers.append(Go(lambda: {"rows": parting.keeping.stage.look(update)}))  # type: ignore[dict-item]
        until(lambda: parting.keeping.stage.look("SELECT 1 FROM pg_locks WHERE NOT granted"))

    _after_comparing(monkeypatch, wait)
    with begun(parting) as steps, pytest.raises(ObjectChanged, match="others wait to write"):
        list(steps)
    assert writers[0].result() == {"rows": [{"id": 7}]} and parting.is_attached


@pytest.mark.guide("G67", "holds")
def test_while_the_log_is_read_for_long_nothing_is_dropped_and_others_go_on(
    parting: Parting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pg_dump does. Whoever comes meanwhile is served; when it is over the partition goes."""
    parting.archived()
    monkeypatch.setattr(drop, "TRIES", 3)
    stored = parting.keeping.proposed("delete")
    with psycopg.connect(parting.keeping.stage.dsn) as reader:
        reader.execute("SELECT count(*) FROM log")
        go = Go(lambda: parting.keeping.stage.apply(stored))
        while go.is_alive():
            assert parting.keeping.count() == ROWS + YOUNG
        (outcome,) = go.result().values()
    assert outcome.state == "not done", outcome.reason
    assert "its lock was not free" in outcome.reason or "wait for a lock of ours" in outcome.reason
    assert parting.is_attached and parting.names()
    assert [one.reason for one in parting.keeping.apply("delete").values()] == [ALL]


@pytest.mark.guide("G67", "holds")
def test_a_drop_that_could_not_be_noted_is_noted_by_the_next_run_though_nothing_is_due(parting: Parting) -> None:
    """Killed after its commit: no row is due, and the plan has the drop again, which finds it done."""
    name = parting.archived()
    with begun(parting) as steps:
        assert next(steps).startswith("0 rows deleted") and next(steps) == ALL
    assert not parting.is_attached and parting.names() == [name]
    assert parting.keeping.proposed("archive").plan.actions == ()
    (outcome,) = parting.keeping.apply("delete").values()
    assert outcome.state == "done" and f"{ROWS} were gone already" in outcome.reason
    assert parting.names() == [] and parting.keeping.proposed("archive", "delete").plan.actions == ()


@pytest.mark.guide("G67", "holds")
def test_a_server_that_ends_in_the_middle_leaves_the_partition_where_it_was(
    parting: Parting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session is ended after the DROP, before its commit."""
    parting.archived()
    held = Proof.policy_still_holds

    def ended(proof: Proof, now: datetime) -> None:
        held(proof, now)
        assert parting.keeping.stage.look("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE mode = %s", MODE)

    monkeypatch.setattr(Proof, "policy_still_holds", ended)
    with begun(parting) as steps, pytest.raises(psycopg.OperationalError):
        list(steps)
    assert parting.is_attached and parting.keeping.count() == ROWS + YOUNG
    monkeypatch.undo()


MODE = "AccessExclusiveLock"


@pytest.mark.guide("G15", "fires", "silent")
def test_a_partition_that_somebody_detached_is_told_until_it_is_attached(parting: Parting) -> None:
    """Nobody's detached table is forgotten: it is named, nothing is dropped, and attached it goes as before."""
    name = parting.archived()
    bound = parting.keeping.store().manifest(name)[0]["partition"]["bound"]
    stored = parting.keeping.proposed("delete")
    parting.alter("ALTER TABLE log DETACH PARTITION {}")
    found = findings(parting.keeping)
    assert set(found) == {f"stuck:{name}"} and "attach it again, or drop it by hand" in found[f"stuck:{name}"].detail
    assert parting.keeping.proposed("delete").plan.actions == ()
    (outcome,) = parting.keeping.stage.applying(stored).run()
    assert outcome.state == "refused" and "attach it again, or drop it by hand" in outcome.reason
    parting.alter(f"ALTER TABLE log ATTACH PARTITION {{}} {bound}")
    assert findings(parting.keeping) == {}
    assert [one.reason for one in parting.keeping.apply("delete").values()] == [ALL]


@pytest.mark.guide("G15", "fires")
def test_a_detached_partition_whose_columns_changed_is_still_there(parting: Parting) -> None:
    """By its name: nothing says that its rows are gone, and its archive is not over."""
    name, store = parting.archived(), parting.keeping.store()
    stored = parting.keeping.proposed("delete")
    parting.alter("ALTER TABLE log DETACH PARTITION {}")
    parting.alter("ALTER TABLE {} RENAME COLUMN body TO old_body")
    assert set(findings(parting.keeping)) == {f"stuck:{name}"}
    assert parting.keeping.proposed("delete").plan.actions == ()
    (outcome,) = parting.keeping.stage.applying(stored).run()
    assert outcome.state == "refused" and "attach it again, or drop it by hand" in outcome.reason
    assert parting.names() == [name] and store.record(name + DELETED) == {}


@pytest.mark.guide("G15", "holds")
def test_another_table_that_has_the_oid_of_a_partition_is_not_it(parting: Parting) -> None:
    """It is gone, and the next run notes it: nothing is told of a table that would have to be attached."""
    name, store = parting.archived(), parting.keeping.store()
    manifest, _ = store.manifest(name)
    parting.alter("DROP TABLE {}")
    parting.keeping.stage.do("CREATE TABLE other (id bigint, body text)")
    (other,) = parting.keeping.stage.look("SELECT 'other'::regclass::oid::bigint AS oid")
    path = store.path(name + MANIFEST)
    path.unlink()
    path.write_text(json.dumps(manifest | {"partition": manifest["partition"] | other}))
    assert findings(parting.keeping) == {}
    (outcome,) = parting.keeping.apply("delete").values()
    assert outcome.state == "done" and f"{ROWS} were gone already" in outcome.reason
    assert parting.names() == []
    assert parting.keeping.stage.look("SELECT 1 AS n FROM pg_class WHERE relname = 'other'") == [{"n": 1}]


@pytest.mark.guide("G15", "holds")
def test_a_drops_prediction_knows_few_rows_that_are_large(parting: Parting) -> None:
    """All of a partition is read to compare it, whatever its rows are: two of 4 MB take more than a moment."""
    keeping = parting.keeping
    parting.alter("ALTER TABLE {} ALTER body SET STORAGE EXTERNAL")
    large = (
        "INSERT INTO log (at, body) SELECT now() - interval '120 days', repeat('x', 4000000) FROM generate_series(1, 2)"
    )
    keeping.stage.do(large)
    parting.archived()
    (action,) = keeping.proposed("delete").plan.actions
    assert action.predicted_ms >= 1000 * 8 / keeping.config.maintenance.optimise.megabytes_per_second * 0.95


def _computes_otherwise(parting: Parting, kind: str) -> None:
    """Give the log a column of this kind, which the past partition computes in another way."""
    stage, column = parting.keeping.stage, f"length bigint GENERATED ALWAYS AS (id {{}} 1) {kind}"
    stage.do(f"ALTER TABLE log ADD {column.format('+')}")
    (found,) = stage.look("SELECT pg_get_expr(relpartbound, oid) AS bound FROM pg_class WHERE relname = %s", OLD)
    stage.do(
        sql.SQL("ALTER TABLE log DETACH PARTITION {}").format(parting.old),
        sql.SQL("ALTER TABLE {} DROP length").format(parting.old),
        sql.SQL(f"ALTER TABLE {{}} ADD {column.format('-')}").format(parting.old),
        sql.SQL(f"ALTER TABLE log ATTACH PARTITION {{}} {found['bound']}").format(parting.old),
    )


@pytest.mark.guide("G15", "silent")
def test_a_partition_that_computes_a_stored_column_otherwise_goes(parting: Parting) -> None:
    """It has the values that it has, whichever way they are read. Before PostgreSQL 16 none can be attached."""
    if MAJOR < 16:
        with pytest.raises(psycopg.errors.DatatypeMismatch, match="conflicting generation expression"):
            _computes_otherwise(parting, "STORED")
        return
    _computes_otherwise(parting, "STORED")
    parting.archived()
    assert findings(parting.keeping) == {}
    assert [one.reason for one in parting.keeping.apply("delete").values()] == [ALL]


if MAJOR >= 18:  # before it no column is virtual: `make matrix` runs this

    def test_a_partition_that_computes_a_virtual_column_otherwise_is_told_and_not_archived_each_week(
        parting: Parting,
    ) -> None:
        """Read through the log it has other values, and no archive is as it is."""
        _computes_otherwise(parting, "VIRTUAL")
        parting.archived()
        assert "it computes columns otherwise than the log" in findings(parting.keeping)["hindered"].detail
        assert parting.keeping.proposed("archive", "delete").plan.actions == () and parting.is_attached


@pytest.mark.guide("G15", "fires", "silent")
def test_an_interrupted_detachment_is_told_until_it_is_over(parting: Parting) -> None:
    """Its rows are not seen through the log; the server says so only to who asks for it."""
    parting.archived()
    with psycopg.connect(parting.keeping.stage.dsn) as reader:
        reader.execute("SELECT count(*) FROM log")
        with suppress(psycopg.errors.LockNotAvailable), psycopg.connect(parting.keeping.stage.dsn) as detacher:
            detacher.autocommit = True
            detacher.execute("SET lock_timeout = '200ms'")
            detacher.execute(sql.SQL("ALTER TABLE log DETACH PARTITION {} CONCURRENTLY").format(parting.old))
    assert not parting.is_attached
    found = findings(parting.keeping)
    assert found["detaching"].level is Level.WARNING and OLD in found["detaching"].detail
    assert parting.keeping.proposed("archive", "delete").plan.actions == ()
    parting.alter("ALTER TABLE log DETACH PARTITION {} FINALIZE")
    assert "detaching" not in findings(parting.keeping)


@pytest.mark.guide("G15", "fires", "silent")
def test_parts_that_are_not_dropped_are_named_with_why(parting: Parting) -> None:
    """A default partition, by list, by hash below a range; empty, none is named."""
    stage = parting.keeping.stage
    stage.do("CREATE TABLE log_default PARTITION OF log DEFAULT")
    parting.add("public", "log_by_hash", 140, 130, more="PARTITION BY HASH (id)")
    parting.add("public", "log_by_list", 150, 140, more="PARTITION BY LIST (kind)")
    stage.do(
        "CREATE TABLE log_hash_0 PARTITION OF log_by_hash FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
        "CREATE TABLE \"Log List\" PARTITION OF log_by_list FOR VALUES IN ('usual')",
    )
    assert findings(parting.keeping) == {}
    for age in (135, 145, 155):
        parting.keeping.fill(2, age)
    found = findings(parting.keeping)
    assert set(found) == {"partitions"}
    detail = found["partitions"].detail
    assert "public.log_default (2 rows due): it is the default partition" in detail
    assert "public.log_hash_0 (2 rows due): it is no range of the log's time alone" in detail
    assert "public.Log List (2 rows due): it is no range of the log's time alone" in detail
    assert OLD not in detail and "log_present" not in detail
    actions = parting.keeping.proposed("archive").plan.actions
    assert sum(" partition " in one.statement for one in actions) == 1 and len(actions) > 1
    outcomes = parting.keeping.apply("archive")
    assert {one.state for one in outcomes.values()} == {"done"}
    assert [one.reason for one in parting.keeping.apply("delete").values()] == [ALL]
    assert parting.keeping.count() == 6 + YOUNG
    stage.do("DELETE FROM log WHERE at < now() - interval '130 days'")
    assert findings(parting.keeping) == {}


@pytest.mark.guide("G15", "holds")
def test_ranges_at_any_depth_of_any_hour_and_without_a_beginning_go(parting: Parting) -> None:
    """By list above and by time below; two of one day, whose bounds are in another zone; one from MINVALUE on."""
    stage = parting.keeping.stage
    parting.add("public", "log_by_list", 150, 140, more="PARTITION BY LIST (kind)")
    stage.do("CREATE TABLE log_usual PARTITION OF log_by_list FOR VALUES IN ('usual') PARTITION BY RANGE (at)")
    parting.add("public", "deep_1", 145.25, 144.75, "log_usual")
    parting.add("public", "deep_2", 144.75, 144.25, "log_usual")
    first = sql.SQL("CREATE TABLE log_first PARTITION OF log FOR VALUES FROM (MINVALUE) TO ({})")
    stage.do(first.format(days(200)))
    for ago in (145, 144.5, 400):
        stage.do(
            sql.SQL("INSERT INTO log (at, body) SELECT {}::timestamptz, n FROM generate_series(1, 3) n").format(
                days(ago)
            )
        )
    outcomes = parting.keeping.apply("archive")
    assert len(outcomes) == 4 and {one.state for one in outcomes.values()} == {"done"}
    assert all(" partition " in statement for statement in outcomes)
    outcomes = parting.keeping.apply("delete")
    assert {one.state for one in outcomes.values()} == {"done"}, [one.reason for one in outcomes.values()]
    assert parting.keeping.count() == YOUNG
    left = stage.look("SELECT c.relname::text AS n FROM pg_class c WHERE relkind = 'r' AND relispartition")
    assert [one["n"] for one in left] == ["log_present"]


@pytest.mark.guide("G15", "G67", "holds")
def test_a_partition_with_rows_of_a_longer_class_or_under_a_hold_is_archived_by_month_and_stays(
    parting: Parting,
) -> None:
    """One such row is enough; what is the class's and due is archived as that of any table."""
    classes(parting.keeping)
    parting.keeping.fill(1, 120, "special")
    outcomes = parting.keeping.apply("archive")
    assert {one.state for one in outcomes.values()} == {"done"}
    assert outcomes and not any(" partition " in statement for statement in outcomes)
    assert parting.keeping.apply("delete") == {} and parting.keeping.count() == ROWS + YOUNG + 1
    assert "1 of its rows are of another class" in findings(parting.keeping)["partitions"].detail
    parting.keeping.stage.do("DELETE FROM log WHERE kind = 'special'")
    assert " partition " in next(iter(parting.keeping.apply("archive")))
    assert [one.reason for one in parting.keeping.apply("delete").values()] == [ALL]


@pytest.mark.guide("G67", "holds")
def test_rows_that_a_new_class_keeps_longer_stay_although_they_are_archived_and_unchanged(parting: Parting) -> None:
    """Their age and class are asked again when it is to be dropped, not only their content."""
    keeping = parting.keeping
    keeping.fill(1, 120, "special")
    parting.archived()
    classes(keeping)
    (outcome,) = keeping.apply("delete").values()
    assert outcome.state == "not done" and "only 25 of its rows are of the class, due" in outcome.reason
    assert parting.is_attached and keeping.count() == ROWS + YOUNG + 1
    assert not any(" partition " in statement for statement in keeping.apply("archive"))


@pytest.mark.guide("G67", "holds")
def test_a_manifest_that_names_a_partition_of_other_days_drops_nothing(parting: Parting) -> None:
    """A forged one, of the present partition under the days of a past one."""
    name = parting.archived()
    store = parting.keeping.store()
    manifest, _ = store.manifest(name)
    with parting.keeping.stage.session() as session:
        tree = partitions.tree(session, parting.keeping.config.retention.classes["usual"])
    (present,) = (part for part in tree if part.name == "log_present")
    path = store.path(name + MANIFEST)
    path.unlink()
    path.write_text(json.dumps(manifest | {"partition": present.identity}))
    assert parting.keeping.proposed("delete").plan.actions == ()


@pytest.mark.guide("G67", "holds")
def test_a_row_of_another_class_that_comes_after_the_plan_is_not_archived_with_the_rest(parting: Parting) -> None:
    """The export counts all rows of the partition in its own snapshot; nothing is an archive of a part of them."""
    classes(parting.keeping)
    stored = parting.keeping.proposed("archive")
    assert any(" partition " in one.statement for one in stored.plan.actions)
    parting.keeping.fill(1, 120, "special")
    (outcome,) = (one for one in parting.keeping.stage.applying(stored).run() if " partition " in one.action.statement)
    assert outcome.state == "not done" and "holds 26 rows, of which only 25 are due" in outcome.reason
    assert not any("partition" in parting.keeping.store().manifest(name)[0] for name in parting.names())


@pytest.mark.guide("G15", "fires", "silent")
def test_a_role_that_does_not_own_the_partition_is_told_and_refused(parting: Parting) -> None:
    """The check names role, owner and remedy before; what is planned is refused with the same; owned, it goes."""
    keeping = parting.keeping
    role = f"mere_{keeping.stage.name}"
    keeping.stage.do(
        f"CREATE ROLE {role} LOGIN PASSWORD 'x' IN ROLE pg_monitor",
        sql.SQL("GRANT USAGE ON SCHEMA public, {} TO {}").format(sql.Identifier(SCHEMA), sql.Identifier(role)),
        f"GRANT SELECT ON log TO {role}",
    )
    dsn = psycopg.conninfo.make_conninfo(keeping.stage.dsn, user=role, password="x")
    mine = keeping.stage.connectors(maintain=dsn)
    try:
        (outcome,) = keeping.stage.applying(keeping.proposed("archive"), connectors=mine).run()
        assert outcome.state == "done", outcome.reason
        said = findings(keeping, role)["owner"]
        assert said.level is Level.WARNING and f"role {role} may not drop {SCHEMA}.{OLD}" in said.detail
        assert "GRANT" not in said.detail  # to be a member of a superuser is to be one
        stored = keeping.proposed("delete")
        (outcome,) = keeping.stage.applying(stored, connectors=mine).run()
        assert outcome.state == "refused" and f"ALTER TABLE {SCHEMA}.{OLD} OWNER TO {role}" in outcome.reason
        assert parting.is_attached
        parting.alter(f"ALTER TABLE {{}} OWNER TO {role}")
        assert OLD not in findings(keeping, role)["owner"].detail
        (outcome,) = keeping.stage.applying(stored, connectors=mine).run()
        assert outcome.reason == ALL and keeping.count() == YOUNG
        keeping.stage.do(f"ALTER TABLE log_present OWNER TO {role}")
        assert findings(keeping, role) == {}
    finally:
        keeping.stage.do("DROP TABLE log", f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.guide("G15", "fires", "silent")
def test_to_be_a_member_of_the_owner_is_said_only_of_one_who_owns_nothing_else(parting: Parting) -> None:
    """With another table of the owner, an audit log for one, the role could take rows out of that too."""
    keeping, name = parting.keeping, parting.keeping.stage.name
    role, owner, other = (f"{what}_{name}" for what in ("mere", "owner", "other"))
    keeping.stage.do(*(f"CREATE ROLE {one}" for one in (role, owner, other)))
    try:
        keeping.stage.do(f"ALTER TABLE log OWNER TO {owner}", f"ALTER TABLE log_present OWNER TO {owner}")
        parting.alter(f"ALTER TABLE {{}} OWNER TO {owner}")
        assert f"(GRANT {owner} TO {role}, or ALTER TABLE {SCHEMA}.{OLD}" in findings(keeping, role)["owner"].detail
        keeping.stage.do("CREATE TABLE audit_log (id int)", f"ALTER TABLE audit_log OWNER TO {other}")
        assert f"GRANT {owner} TO {role}" in findings(keeping, role)["owner"].detail
        keeping.stage.do(f"GRANT {other} TO {owner}")
        said = findings(keeping, role)["owner"].detail
        assert "GRANT" not in said and f"(ALTER TABLE {SCHEMA}.{OLD} OWNER TO {role}" in said
        keeping.stage.do("DROP TABLE audit_log")
        assert f"GRANT {owner} TO {role}" in findings(keeping, role)["owner"].detail
    finally:
        roles = f"{role}, {owner}, {other}"
        keeping.stage.do(f"DROP OWNED BY {roles} CASCADE", f"DROP ROLE {roles}")


@pytest.mark.guide("G15", "fires", "silent")
@pytest.mark.parametrize(
    ("spoil", "mend", "finding"),
    [
        ("CREATE VIEW seen AS SELECT * FROM {}", "DROP VIEW seen", "views are of it: public.seen"),
        ("CREATE PUBLICATION p FOR TABLE {}", "DROP PUBLICATION p", "it is published, and a drop is not replicated: p"),
        ("CREATE PUBLICATION p FOR ALL TABLES", "DROP PUBLICATION p", "it is published"),
        (
            "ALTER TABLE {} ADD UNIQUE (id); CREATE TABLE n (l bigint REFERENCES {} (id))",
            "DROP TABLE n",
            "other tables refer to it: public.n",
        ),
        ("CREATE RULE keeps AS ON DELETE TO {} DO ALSO NOTIFY gone", "DROP RULE keeps ON {}", "triggers or rules run"),
        (
            "CREATE TABLE kinds AS SELECT DISTINCT kind FROM log; ALTER TABLE kinds ADD PRIMARY KEY (kind);"
            "ALTER TABLE {} ADD CONSTRAINT mine FOREIGN KEY (kind) REFERENCES kinds",
            "ALTER TABLE {} DROP CONSTRAINT mine",
            "it has foreign keys that the log has not, and a drop locks what they refer to: mine",
        ),
        (
            'ALTER SEQUENCE log_numbers SET SCHEMA "Old ""Logs";ALTER SEQUENCE "Old ""Logs".log_numbers OWNED BY {}.id',
            'ALTER SEQUENCE "Old ""Logs".log_numbers OWNED BY NONE',
            "it owns sequences, which go with it: ",
        ),
        (
            "CREATE FUNCTION reads() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM {}; END",
            "DROP FUNCTION reads",
            r"others depend on it: function public.reads\(\)",
        ),
        (
            "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM public.log; END';"
            "CREATE EVENT TRIGGER on_drop ON sql_drop WHEN TAG IN ('DROP INDEX', 'DROP TABLE') EXECUTE FUNCTION f()",
            "ALTER EVENT TRIGGER on_drop DISABLE;"
            "CREATE FUNCTION pgrst_drop_watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NOTIFY pgrst; END';"
            "CREATE EVENT TRIGGER pgrst_drop_watch ON sql_drop EXECUTE FUNCTION pgrst_drop_watch()",
            "event triggers run when a table is dropped: on_drop",
        ),
        ("ALTER TABLE log DROP CONSTRAINT log_pkey", "ALTER TABLE log ADD PRIMARY KEY (id, at, kind)", "key"),
    ],
    ids=[
        "view",
        "published",
        "all published",
        "referenced",
        "rule",
        "own key",
        "sequence",
        "function",
        "event trigger",
        "no key",
    ],
)
def test_what_a_drop_would_meet_is_said_and_nothing_is_planned(
    parting: Parting, spoil: str, mend: str, finding: str
) -> None:
    """A plan of before is refused; mended it goes."""
    keeping = parting.keeping
    if finding != "key":
        parting.archived()
    stored = keeping.proposed("delete")
    parting.alter(spoil)
    assert keeping.proposed("delete").plan.actions == ()
    found = findings(keeping)
    assert finding in found if finding == "key" else re.search(finding, found["hindered"].detail)
    for outcome in keeping.stage.applying(stored).run() if stored.plan.actions else ():
        assert outcome.state == "refused" and parting.is_attached, outcome.reason
        assert re.search(finding, outcome.reason)
    parting.alter(mend)
    assert findings(keeping) == {}
    if finding == "key":
        parting.archived()
    assert [one.reason for one in keeping.apply("delete").values()] == [ALL]


@pytest.mark.guide("G15", "fires", "silent")
@pytest.mark.parametrize(
    ("spoil", "mend", "finding"),
    [
        ("CREATE VIEW seen AS SELECT * FROM middle", "DROP VIEW seen", "views are of it: public.seen"),
        (
            "CREATE TRIGGER keeps AFTER DELETE ON middle FOR EACH STATEMENT EXECUTE FUNCTION f()",
            "DROP TRIGGER keeps ON middle",
            "triggers or rules run when its rows are deleted: keeps",
        ),
        (
            "CREATE TRIGGER keeps AFTER DELETE ON middle FOR EACH ROW EXECUTE FUNCTION f()",
            "DROP TRIGGER keeps ON middle",
            "triggers or rules run when its rows are deleted: keeps",
        ),
    ],
    ids=["view", "statement", "row"],
)
def test_what_hangs_in_a_partition_of_partitions_keeps_those_below(
    parting: Parting, spoil: str, mend: str, finding: str
) -> None:
    """As in the partition itself; in the log a view is no hindrance."""
    parting.add("public", "middle", 150, 140, more="PARTITION BY RANGE (at)")
    parting.add("public", "leaf", 150, 140, "middle")
    function = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'"
    parting.keeping.stage.do("CREATE VIEW whole AS SELECT * FROM log", function, spoil)
    found = findings(parting.keeping)
    assert set(found) == {"hindered"} and f"public.leaf: {finding}" in found["hindered"].detail
    parting.keeping.stage.do(mend)
    assert findings(parting.keeping) == {}


def test_values_that_lie_outside_their_rows_are_not_read_by_the_check_and_by_looks_at_a_drop(parting: Parting) -> None:
    """Of a large log they are nearly all of it. Whoever reads one waits for the index that finds it."""
    stage, keeping = parting.keeping.stage, parting.keeping
    stage.do(
        sql.SQL("ALTER TABLE {} ALTER body SET STORAGE EXTERNAL").format(parting.old),
        "INSERT INTO log (at, body) SELECT now() - interval '120 days', repeat('x', 20000) FROM generate_series(1, 3)",
    )
    parting.archived()
    (action,) = keeping.proposed("delete").plan.actions
    (index,) = stage.look(
        "SELECT i.indexrelid::regclass::text AS name FROM pg_class c JOIN pg_index i ON i.indrelid = c.reltoastrelid"
        " WHERE c.relname = %s",
        OLD,
    )
    with psycopg.connect(stage.dsn) as holder:
        holder.execute(f"REINDEX INDEX {index['name']}")
        assert findings(keeping) == {}
        with stage.session() as session:
            state = delete.state(session, action)
        assert state is not None and state["rows"] is None and not state["gone"]
        read = "SELECT set_config('lock_timeout', '1ms', false); SELECT sum(length(body || '')) FROM log"
        with pytest.raises(psycopg.errors.LockNotAvailable):
            stage.do(read)


@pytest.mark.guide("G67", "holds")
def test_a_partition_that_is_detached_while_it_is_to_be_dropped_is_not_said_to_be_gone(parting: Parting) -> None:
    """Its rows left the log, and no row is gone."""
    parting.archived()
    (action,) = parting.keeping.proposed("delete").plan.actions

    def state() -> dict[str, object] | None:
        with parting.keeping.stage.session() as session:
            return delete.state(session, action)

    before = state()
    assert before is not None
    parting.alter("ALTER TABLE log DETACH PARTITION {}")
    assert delete.partly(action, before, state()) == ""
    parting.alter("DROP TABLE {}")
    assert "its partition is gone" in delete.partly(action, before, state())


@pytest.mark.guide("G15", "holds")
def test_two_archives_of_one_partition_are_both_over_when_it_is_dropped(parting: Parting) -> None:
    """As two runs at once may leave them: the first drops it, the second finds it gone."""
    name = parting.archived()
    store = parting.keeping.store()
    for kind in (OBJECT, MANIFEST):
        store.path(f"{name}_2{kind}").write_bytes(store.path(name + kind).read_bytes())
    outcomes = parting.keeping.apply("delete")
    assert sorted(one.reason for one in outcomes.values()) == [
        f"0 rows deleted, 0 kept for they were changed since, {ROWS} were gone already",
        ALL,
    ]
    assert parting.names() == []


@pytest.mark.guide("G15", "holds")
@pytest.mark.parametrize(
    "forged",
    [{"partition": 7}, {"partition": {"oid": -1, "schema": "a", "name": "b", "bound": "c"}}, {"partition": {}}],
)
def test_a_manifest_of_no_real_partition_holds_up_nothing(parting: Parting, forged: dict[str, object]) -> None:
    """A file that somebody wrote there is no archive of a period; the others go by."""
    name = parting.archived()
    store = parting.keeping.store()
    manifest, _ = store.manifest(name)
    store.path("2026-01_x" + OBJECT).write_bytes(store.path(name + OBJECT).read_bytes())
    store.path("2026-01_x" + MANIFEST).write_text(json.dumps(manifest | forged))
    assert set(findings(parting.keeping)) <= {"stuck:2026-01_x"}
    assert [one.reason for one in parting.keeping.apply("delete").values()] == [ALL]


def test_a_statement_says_delete_or_drop_as_it_is() -> None:
    """Neither can be read as the other."""
    rows, part = ("delete a/b 2026-01-01..2026-02-01 of n s", "drop a/b 2026-01-01..2026-02-01 partition 7 of n s")
    assert [str(delete.parse(one)) for one in (rows, part)] == [rows, part]
    for wrong in (rows.replace("delete", "drop"), part.replace("drop", "delete")):
        with pytest.raises(ValueError, match="expected delete target/class"):
            delete.parse(wrong)


@pytest.mark.guide("G67", "holds")
def test_the_bytes_are_hashed_in_a_step_of_its_own(parting: Parting) -> None:
    """The gate looks at time and guards after it: a large archive takes long, and the drop has what is left."""
    parting.archived()
    with begun(parting) as steps:
        assert next(steps).startswith("0 rows deleted") and parting.is_attached
        assert list(steps) == [ALL]


@pytest.mark.guide("G67", "holds")
def test_a_drop_does_not_begin_after_the_plans_end(parting: Parting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing may take as long as the step may; then nothing is dropped any more."""
    parting.archived()
    with database.standing(to(parting.keeping.stage.dsn), parting.keeping.stage.config.sql) as session:
        (action,) = parting.keeping.proposed("delete").plan.actions
        steps = delete.steps(session, action, {"deletion": "1"})
        assert "read again" in next(steps)
        assert all(next(steps).startswith("0 rows deleted") for _ in range(2))  # before the bytes are hashed, and after
        session.rows("SET statement_timeout = '1s'")
        ended = session.row(session.load("retention/time_left"))["ms"] / 1000
        clock, moved = drop.time.monotonic, [0.0]
        monkeypatch.setattr(drop.time, "monotonic", lambda: clock() + moved[0])
        _after_comparing(monkeypatch, lambda: moved.__setitem__(0, ended))
        with pytest.raises(ObjectChanged, match="its time was over"):
            list(steps)
    assert parting.is_attached and parting.keeping.count() == ROWS + YOUNG


@pytest.mark.guide("G67", "holds")
def test_a_log_that_refers_to_a_table_goes_while_that_one_is_used(parting: Parting) -> None:
    """A foreign key of the log itself is no hindrance: the keys of partitions lock nothing of what they refer to."""
    stage = parting.keeping.stage
    stage.do(
        "CREATE TABLE kinds (kind text PRIMARY KEY)",
        "INSERT INTO kinds VALUES ('usual')",
        "ALTER TABLE log ADD FOREIGN KEY (kind) REFERENCES kinds",
    )
    parting.archived()
    with psycopg.connect(stage.dsn) as user:
        user.execute("UPDATE kinds SET kind = kind")
        assert [one.reason for one in parting.keeping.apply("delete").values()] == [ALL]
