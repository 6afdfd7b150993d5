"""Deletion on a real server and real files: what a verified archive holds goes, and nothing else."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.stages.keeping import Keeping
from tests.stages.keeping import config as config  # noqa: PLC0414  # the fixture
from tests.stages.keeping import keeping as keeping  # noqa: PLC0414  # the fixture
from tests.stages.sessions import to, until
from tests.stages.stage import Go, changed
from tests.stages.unsound import VARIANTS
from upkeep.areas.retention import archives, batches, delete, reading
from upkeep.areas.retention.look import RetentionLook
from upkeep.areas.retention.restore import restore
from upkeep.areas.retention.store import BEGUN, DELETED, MANIFEST, OBJECT
from upkeep.core.findings import Level
from upkeep.gate.attempts import ObjectChanged
from upkeep.settings.values import TableName
from upkeep.wires import database

ALL = "25 rows deleted, 0 kept for they were changed since"
pytestmark = pytest.mark.usefixtures("read_by_forks")


def allow(keeping: Keeping, **fields: Any) -> None:
    """Let archived rows of both classes be deleted, ten at a time; other fields of the class usual."""
    classes = yaml.safe_load((keeping.folder / "retention.yaml").read_text())["classes"]
    both = {name: one | {"delete": True} for name, one in classes.items()}
    keeping.write(classes=both | {"usual": both["usual"] | fields}, batch_rows=10)


def archived(keeping: Keeping) -> str:
    """25 rows of 120 days in an archive, which may be deleted; its name."""
    allow(keeping)
    keeping.fill(25, 120)
    assert [one.state for one in keeping.apply("archive").values()] == ["done"]
    (name,) = keeping.store().names(MANIFEST)
    return name


@contextmanager
def begun(keeping: Keeping) -> Iterator[Iterator[str]]:
    """A deletion step by step; the archive is read again and ten rows are gone."""
    (action,) = keeping.proposed("delete").plan.actions
    with database.standing(to(keeping.stage.dsn), keeping.stage.config.sql) as session:
        steps = delete.steps(session, action, {"deletion": "1"})
        assert "read again" in next(steps)
        assert next(steps).startswith("0 rows deleted")  # opened; time and guards are looked at before the first batch
        assert next(steps).startswith("10 rows deleted") and keeping.count() == 15
        yield steps
        steps.close()


def findings(keeping: Keeping) -> dict[str, Level]:
    """What the check of retention says of the class usual beside what is due."""
    seen = archives.seen(keeping.config, keeping.stage.name)
    with keeping.stage.session() as session:
        look = RetentionLook(session, keeping.config, datetime.now(UTC), "postgres", seen).whole()
    found = [*look.findings, *archives.damage(keeping.config, keeping.stage.name)]
    return {one.key: one.level for one in found if one.level is not Level.OK and one.key.startswith("retention:usual:")}


@pytest.mark.guide("G15", "G66", "G67", "holds")
@pytest.mark.usefixtures("started")
def test_what_is_archived_is_deleted_and_noted(keeping: Keeping) -> None:
    """In batches; young rows, those of a longer class and one that came later stay; that is the next archive's."""
    keeping.fill(5, 89)
    keeping.fill(4, 120, "special")
    name = archived(keeping)
    keeping.fill(1, 120)
    stored = keeping.proposed("delete")
    (action,) = stored.plan.actions
    assert action.statement.endswith(f" of {name} {keeping.store().manifest(name)[1]}") and name in action.undo
    (outcome,) = keeping.stage.applying(stored).run()
    assert (outcome.state, outcome.reason) == ("done", ALL)
    progress = [text for text in keeping.stage.said if text.startswith("Progress: ")]
    assert progress[0] == "Progress: its archive was read again and is as it was written"
    assert keeping.count() == 10 and keeping.count("kind = 'special'") == 4
    record = json.loads(keeping.store().path(name + DELETED).read_text())
    assert (record["deleted"], record["kept"], record["gone"]) == (25, 0, 0)
    assert record["deletion"] == keeping.stage.receipts(stored)[0]["before"]["deletion"]
    seen = archives.seen(keeping.config, keeping.stage.name)
    with keeping.stage.session() as session:
        look = RetentionLook(session, keeping.config, datetime.now(UTC), seen=seen).whole()
    (due,) = (one for one in look.findings if one.key == "retention:usual")
    assert due.detail.startswith("1 row due") and ", 25 deleted;" in due.detail
    assert keeping.apply("delete") == {}
    assert [one.state for one in keeping.apply("archive").values()] == ["done"]
    assert [one.reason for one in keeping.apply("delete").values()] == [ALL.replace("25", "1")]
    assert keeping.count() == 9


@pytest.mark.guide("G67", "holds")
def test_rows_of_any_year_go_the_same_way(keeping: Keeping) -> None:
    """A time of two thousand years ago, which an application may have written, holds up nothing."""
    allow(keeping)
    keeping.stage.do("INSERT INTO log (at, body) VALUES ('0044-03-15 12:00Z', 'the Ides')")
    (outcome,) = keeping.apply("archive").values()
    assert outcome.state == "done", outcome.reason
    assert [one.state for one in keeping.apply("delete").values()] == ["done"]
    assert keeping.count() == 0


@pytest.mark.guide("G67", "holds")
def test_rows_are_told_by_keys_of_any_text(keeping: Keeping) -> None:
    """Keys of two columns, with what an array's literal must quote: each row goes, and it alone."""
    allow(keeping)
    keeping.stage.do(
        'ALTER TABLE log DROP CONSTRAINT log_pkey, ADD "A ""%s""" text NOT NULL DEFAULT \'\'',
        'ALTER TABLE log ADD PRIMARY KEY (body, "A ""%s""")',
    )
    keys = ['"', "\\", '\\"', ",", "{}", "", " ", "NULL", "a\nb", "'", "\u00fc\\\\", "%s"]
    insert = 'INSERT INTO log (at, body, "A ""%%s""") SELECT now() - %s * interval \'1 day\', %s, %s RETURNING 1'
    for age in (120, 10):
        for key in keys:
            keeping.stage.look(insert, age, key, f"{key}{age}")
    assert [one.state for one in keeping.apply("archive").values()] == ["done"]
    assert [one.reason for one in keeping.apply("delete").values()] == [ALL.replace("25", str(len(keys)))]
    assert keeping.count() == keeping.count("at > now() - interval '90 days'") == len(keys)


def test_a_transaction_has_as_many_rows_as_go_in_its_time() -> None:
    """More by and by, fewer at once, never few: a lock that was waited for is no reason to end at single rows.

    Of few rows, the rest of a group, it learns that they were slow; that they were quick says nothing.
    """
    assert batches.next_size(1000, 1000, 0.001) == 2000
    assert batches.next_size(1000, 1000, 0.032) == 1250
    assert batches.next_size(8000, 8000, 0.16) == 2000
    assert batches.next_size(8000, 8000, 30.0) == batches.LEAST
    assert batches.next_size(8000, 4000, 0.08) == 2000
    assert batches.next_size(8000, 10, 0.001) == 8000


@pytest.mark.guide("G15", "holds")
@pytest.mark.parametrize("forged", ["end", "name", "record", "version"])
def test_a_file_that_somebody_wrote_beside_the_archives_holds_up_nothing(keeping: Keeping, forged: str) -> None:
    """A period that is none, a name that is not one word, a record that is no mapping, a form not known yet."""
    name = archived(keeping)
    store = keeping.store()
    manifest, _ = store.manifest(name)
    other = "2026-01_x y" if forged == "name" else "2026-01_x"
    store.path(other + OBJECT).write_bytes(store.path(name + OBJECT).read_bytes())
    said = {"end": {"end": "2026-01-01T01:02:03"}, "version": {"version": 3}}.get(forged, {})
    store.path(other + MANIFEST).write_text(json.dumps(manifest | said))
    if forged == "record":
        store.path(other + DELETED).write_text("[1]")
    assert [one.reason for one in keeping.apply("delete").values()] == [ALL]
    assert keeping.proposed("archive").plan.actions == ()


@pytest.mark.guide("G67", "holds")
def test_a_row_that_is_changed_while_its_deletion_waits_stays(keeping: Keeping) -> None:
    """The deletion waits for its lock and compares the new content; kept, counted, and archived anew the next time."""
    archived(keeping)
    stored = keeping.proposed("delete")
    patient = changed(keeping.stage.config, guards={"lock_timeout_seconds": 60.0, "poll_seconds": 10.0})
    with psycopg.connect(keeping.stage.dsn) as holder:
        holder.execute("UPDATE log SET body = 'changed' WHERE id = (SELECT min(id) FROM log)")
        go = Go(lambda: keeping.stage.apply(stored, config=patient))
        keeping.stage.until_running("DELETE FROM")
        holder.commit()
        (outcome,) = go.result().values()
    assert (outcome.state, outcome.reason) == ("done", "24 rows deleted, 1 kept for they were changed since")
    assert keeping.stage.look("SELECT body FROM log") == [{"body": "changed"}]
    keeping.apply("archive")
    keeping.apply("delete")
    assert keeping.count() == 0


def _write(keeping: Keeping, kind: str, change: Callable[[bytes], bytes | None], name: str = "") -> None:
    path = keeping.store().path((name or keeping.store().names(MANIFEST)[0]) + kind)
    new = change(path.read_bytes())
    path.unlink()
    if new is not None:
        path.write_bytes(new)


def _hold(keeping: Keeping) -> None:
    keeping.write(holds=[{"log": "usual", "reason": "case 4711", "by": "Jane"}])


BETWEEN: dict[str, tuple[Callable[[Keeping], None], str]] = {
    "flip": (lambda k: _write(k, OBJECT, lambda raw: raw[:99] + bytes([raw[99] ^ 1]) + raw[100:]), "not as it was"),
    "cut": (lambda k: _write(k, OBJECT, lambda raw: raw[:-9]), "not as it was written"),
    "remove": (lambda k: _write(k, OBJECT, lambda raw: None), "it is gone"),
    "rewritten": (lambda k: _write(k, OBJECT, lambda raw: raw), "it was changed while rows were deleted"),
    "manifest": (lambda k: _write(k, MANIFEST, lambda raw: raw + b" "), "not the one that was approved"),
    "no manifest": (lambda k: _write(k, MANIFEST, lambda raw: None), "No such file"),
    "hold": (_hold, "a legal hold is on usual: case 4711"),
    "longer": (lambda k: allow(k, days=500), "config/retention.yaml, was changed"),
    "no longer": (lambda k: allow(k, delete=False), "classes.usual.delete is not true"),
    "no yaml": (lambda k: k.write(classes={}), "classes"),
    "column": (lambda k: k.stage.do("ALTER TABLE log ADD more int DEFAULT 1"), "was changed since the plan"),
    "key": (
        lambda k: k.stage.do("CREATE TABLE notes (log bigint REFERENCES log ON DELETE CASCADE)"),
        "Other tables refer to public.log",
    ),
    "trigger": (
        lambda k: k.stage.do(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
            "CREATE TRIGGER keeps AFTER DELETE ON log FOR EACH ROW EXECUTE FUNCTION f()",
        ),
        "Triggers run when rows of public.log are deleted: keeps",
    ),
}


@pytest.mark.guide("G15", "G67", "holds")
@pytest.mark.parametrize("what", BETWEEN)
def test_whatever_changes_between_two_batches_stops_it(keeping: Keeping, what: str) -> None:
    """Archive, manifest, hold, policy, catalogue: the batch under way is rolled back, not one row more goes."""
    archived(keeping)
    change, why = BETWEEN[what]
    with begun(keeping) as steps:
        change(keeping)
        with pytest.raises(ObjectChanged, match=why):
            next(steps)
    assert keeping.count() == 15
    assert not list(keeping.places.rglob(f"*{DELETED}"))


@pytest.mark.guide("G67", "holds")
@pytest.mark.usefixtures("started")
def test_that_no_process_can_be_started_makes_no_archive_count_as_damaged(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is its month archived a second time nor its deletion left out without a word: it is an error."""
    archived(keeping)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "/no/such/program")
        for kind in ("archive", "delete"):
            with pytest.raises(FileNotFoundError):
                keeping.proposed(kind)
    assert keeping.proposed("archive").plan.actions == ()


@pytest.mark.guide("G67", "holds")
def test_bytes_that_change_under_the_same_times_are_found_at_the_end(keeping: Keeping) -> None:
    """The last rows are gone by then; it is said and not noted as deleted, and the check calls it critical."""
    name = archived(keeping)
    with begun(keeping) as steps:
        for _ in range(2):
            next(steps)
        _write(keeping, OBJECT, lambda raw: raw[:99] + bytes([raw[99] ^ 1]) + raw[100:])
        with pytest.raises(ObjectChanged, match="its bytes were changed while rows were deleted"):
            next(steps)
    assert findings(keeping) == {f"retention:usual:damaged:{name}": Level.CRITICAL}


@pytest.mark.guide("G15", "G67", "holds")
def test_every_row_of_a_large_archive_is_gone_through_once(keeping: Keeping) -> None:
    """Several groups and readings, transactions of other sizes; one row was changed and one is gone."""
    allow(keeping)
    keeping.write(batch_rows=10_000)
    rows, wide = 24_000, "INSERT INTO log (at, body) SELECT now() - interval '120 days', repeat('x', 1000) || n"
    keeping.stage.look(
        f"WITH made AS ({wide} FROM generate_series(1, %s) n RETURNING 1) SELECT count(*) FROM made", rows
    )
    assert [one.state for one in keeping.apply("archive").values()] == ["done"]
    (name,) = keeping.store().names(MANIFEST)
    groups = pq.read_metadata(keeping.store().path(name + OBJECT))
    assert groups.num_row_groups > 1 and groups.row_group(0).num_rows > reading.READ
    keeping.stage.do("UPDATE log SET body = 'changed' WHERE id = 11111", "DELETE FROM log WHERE id = 23456")
    (outcome,) = keeping.apply("delete").values()
    expected = f"{rows - 2:,} rows deleted, 1 kept for they were changed since, 1 were gone already"
    assert (outcome.state, outcome.reason) == ("done", expected)
    assert keeping.stage.look("SELECT id, body FROM log") == [{"id": 11111, "body": "changed"}]


@pytest.mark.guide("G67", "holds")
def test_a_deletion_that_went_through_fewer_rows_than_were_archived_is_not_done(keeping: Keeping) -> None:
    """By a proof that looks at nothing, over a file with one row less: that alone is enough to stop it."""
    name = archived(keeping)
    path = keeping.store().path(name + OBJECT)
    (action,) = keeping.proposed("delete").plan.actions
    table = pq.read_table(path)
    path.unlink()
    pq.write_table(table.slice(1), path)
    with (
        database.standing(to(keeping.stage.dsn), keeping.stage.config.sql) as session,
        pytest.raises(ObjectChanged, match="went through 24 rows, expected 25"),
    ):
        list(VARIANTS["deletes before it verifies"].steps(session, action, {"deletion": "1"}))
    assert keeping.count() == 1 and not keeping.store().has(name + DELETED)


@pytest.mark.guide("G15", "G67", "fires", "silent")
def test_a_damaged_archive_is_not_deleted_by_and_its_rows_are_archived_anew(keeping: Keeping) -> None:
    """No deletion is planned by it, an archive of the same rows is, and that one's deletion then."""
    name = archived(keeping)
    good = keeping.store().path(name + OBJECT).read_bytes()
    assert findings(keeping) == {}
    _write(keeping, OBJECT, lambda raw: raw[:-9])
    assert findings(keeping) == {f"retention:usual:damaged:{name}": Level.WARNING}
    assert keeping.apply("delete") == {} and keeping.count() == 25
    assert [one.state for one in keeping.apply("archive").values()] == ["done"]
    assert [one.reason for one in keeping.apply("delete").values()] == [ALL]
    keeping.store().path(name + OBJECT).write_bytes(good)
    assert findings(keeping) == {}


def version_1(keeping: Keeping, name: str) -> None:
    """Write an archive as version 1 had it: each row's md5 beside its values."""
    store = keeping.store()
    manifest, path = store.manifest(name)[0], store.path(name + OBJECT)
    table = pq.read_table(path)
    texts = ["".join(":" if v is None else f"{len(v.encode())}:{v}" for v in row.values()) for row in table.to_pylist()]
    hashed = [hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() for text in texts]
    path.unlink()
    pq.write_table(table.append_column("upkeep_row_md5", [hashed]), path)
    raw = path.read_bytes()
    content = manifest["content"] | {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    store.path(name + MANIFEST).write_text(json.dumps(manifest | {"version": 1, "content": content}))


@pytest.mark.guide("G15", "G67", "fires", "silent")
def test_an_archive_of_version_1_is_read_and_restored_and_not_deleted_by(keeping: Keeping) -> None:
    """Even one whose rows began to be deleted is not called damaged; what is in the log still is archived anew."""
    name = archived(keeping)
    store = keeping.store()
    now = store.manifest(name)[0]
    assert findings(keeping) == {}
    stored = keeping.proposed("delete")
    version_1(keeping, name)
    (refused,) = keeping.stage.applying(stored).run()
    assert "manifest is gone, or is not the one that was approved" in refused.reason
    other = {f"retention:usual:version:{name}": Level.ADVISORY}
    assert findings(keeping) == other
    store.put(name + BEGUN, {})
    assert findings(keeping) == other and keeping.proposed("delete").plan.actions == ()
    with database.session(to(keeping.stage.dsn), keeping.stage.config.sql, read_only=False) as session:
        assert restore(session, store, name, TableName("public", "back")) == 25
    assert keeping.stage.look("SELECT count(*) AS n FROM log JOIN back USING (id, at, kind, body)") == [{"n": 25}]
    assert [one.state for one in keeping.apply("archive").values()] == ["done"]
    assert [one.reason for one in keeping.apply("delete").values()] == [ALL]
    _write(keeping, OBJECT, lambda raw: raw[:99] + bytes([raw[99] ^ 1]) + raw[100:], name)
    assert findings(keeping) == {f"retention:usual:damaged:{name}": Level.CRITICAL}
    store.path(name + MANIFEST).write_text(json.dumps(now | {"version": 3}))
    assert findings(keeping) == other
    store.path(name + DELETED).write_text("{}")
    assert findings(keeping) == {}


@pytest.mark.guide("G67", "holds")
def test_a_plan_that_deletes_by_an_archive_of_version_1_stops_before_its_first_row(keeping: Keeping) -> None:
    """Approved when that version was in force, applied by this one."""
    name = archived(keeping)
    (action,) = keeping.proposed("delete").plan.actions
    version_1(keeping, name)
    of_old = replace(action, statement=f"{action.statement[:-64]}{keeping.store().manifest(name)[1]}")
    with (
        database.standing(to(keeping.stage.dsn), keeping.stage.config.sql) as session,
        pytest.raises(ObjectChanged, match=f"nothing is deleted by it: {name}: another version of Upkeep wrote it"),
    ):
        next(delete.steps(session, of_old, {"deletion": "1"}))
    assert keeping.count() == 25


@pytest.mark.guide("G67", "holds")
@pytest.mark.parametrize(
    "columns",
    [
        {"other": ["1", "2"]},
        {"id": pa.nulls(2, pa.string())},
        {"id": pa.array(["1", None])},
        {"id": pa.array([1, 2])},
    ],
    ids=["missing", "null", "one null", "numbers"],
)
def test_another_file_in_an_archives_place_is_an_error_that_apply_knows(
    columns: dict[str, Any], tmp_path: Path
) -> None:
    """Put there after it was read again, with no key of texts in it: ValueError, upon which a deletion stops."""
    pq.write_table(pa.table(columns), tmp_path / "file.parquet")
    with pytest.raises(ValueError, match="one column id with a text in each row"):
        next(reading.hashed(tmp_path / "file.parquet", ["id"]))


@pytest.mark.guide("G15", "fires", "silent")
def test_an_archive_that_lost_its_manifest_after_its_rows_went_is_critical(keeping: Keeping) -> None:
    """It is no file to be tidied away: the rows are nowhere else."""
    name = archived(keeping)
    keeping.apply("delete")
    manifest = keeping.store().path(name + MANIFEST)
    assert findings(keeping) == {} and keeping.store().has(name + BEGUN)
    text = manifest.read_bytes()
    manifest.unlink()
    assert findings(keeping) == {"retention:usual:torn": Level.CRITICAL}
    manifest.write_bytes(text)
    assert findings(keeping) == {}


@pytest.mark.guide("G15", "G67", "fires", "silent")
@pytest.mark.parametrize(
    ("spoil", "mend", "finding"),
    [
        ("ALTER TABLE log DROP CONSTRAINT log_pkey", "ALTER TABLE log ADD CONSTRAINT log_pkey PRIMARY KEY (id)", "key"),
        ("CREATE TABLE heir () INHERITS (log)", "DROP TABLE heir", "key"),
        ("CREATE TABLE notes (log bigint REFERENCES log)", "DROP TABLE notes", "referenced"),
        ("CREATE RULE keeps AS ON DELETE TO log DO ALSO NOTIFY gone", "DROP RULE keeps ON log", "triggers"),
        ("ALTER TABLE log RENAME body TO text", "ALTER TABLE log RENAME text TO body", "stuck"),
    ],
    ids=["no key", "heir", "referenced", "rule", "columns"],
)
def test_what_must_not_be_deleted_from_is_archived_only_and_said(
    keeping: Keeping, spoil: str, mend: str, finding: str
) -> None:
    """Nothing is proposed, the check says why; a plan of before is refused; mended it goes."""
    archived(keeping)
    stored = keeping.proposed("delete")
    keeping.stage.do(spoil)
    assert keeping.proposed("delete").plan.actions == ()
    assert finding in {key.split(":")[2] for key in findings(keeping)}
    (outcome,) = keeping.stage.applying(stored).run()
    assert outcome.state == "refused" and keeping.count() == 25, outcome.reason
    keeping.stage.do(mend)
    assert findings(keeping) == {}
    assert [one.reason for one in keeping.apply("delete").values()] == [ALL]


@pytest.mark.guide("G15", "G67", "holds")
def test_a_hold_and_a_longer_retention_are_asked_when_planned_and_when_applied(keeping: Keeping) -> None:
    """A hold on any row of the period keeps them all; one on other days, and on another class's rows, keeps none."""
    archived(keeping)
    stored = keeping.proposed("delete")
    for sections in (
        {"holds": [{"log": "usual", "reason": "case 1", "by": "Jane"}]},
        {"holds": [{"log": "usual", "reason": "case 1", "by": "Jane", "end": datetime.now(UTC)}]},
    ):
        keeping.write(**sections)
        assert keeping.proposed("delete").plan.actions == ()
        (outcome,) = keeping.stage.applying(stored).run()
        assert outcome.state == "refused" and "a legal hold is on usual: case 1" in outcome.reason
    keeping.write(holds=[])
    allow(keeping, days=200)
    assert keeping.proposed("delete").plan.actions == ()
    allow(keeping, days=90)
    keeping.write(
        holds=[
            {"log": "usual", "reason": "c", "by": "Jane", "start": datetime.now(UTC)},
            {"log": "special", "reason": "c", "by": "Jane"},
        ]
    )
    assert [one.reason for one in keeping.apply("delete").values()] == [ALL]


@pytest.mark.guide("G15", "fires", "silent")
def test_the_role_that_may_not_delete_is_told_and_refused(keeping: Keeping) -> None:
    """A role with the grants of `archive` alone."""
    archived(keeping)
    stored = keeping.proposed("delete")
    info = psycopg.conninfo.conninfo_to_dict(keeping.stage.dsn)
    role = f"mere_{keeping.stage.name}"
    keeping.stage.do(
        f"CREATE ROLE {role} LOGIN PASSWORD 'x' IN ROLE pg_monitor",
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT SELECT ON log TO {role}",
    )
    try:
        dsn = psycopg.conninfo.make_conninfo(**(info | {"user": role, "password": "x"}))
        run = keeping.stage.applying(stored, connectors=keeping.stage.connectors(maintain=dsn))
        (outcome,) = run.run()
        assert outcome.state == "refused" and "has no DELETE on it" in outcome.reason
        keeping.stage.do(f"GRANT DELETE ON log TO {role}")
        (outcome,) = keeping.stage.applying(stored, connectors=keeping.stage.connectors(maintain=dsn)).run()
        assert outcome.reason == ALL
    finally:
        keeping.stage.do(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.guide("G15", "holds")
def test_it_waits_while_a_guard_says_so_and_stops_at_the_plans_end(keeping: Keeping) -> None:
    """Between two batches the target is looked at; what is left is the next run's, which finishes it."""
    archived(keeping)
    stored = keeping.proposed("delete")
    full = changed(keeping.stage.config, guards={"connections_percent": 0.001, "patience_seconds": 0.0})
    (outcome,) = keeping.stage.applying(stored, config=full).run()
    assert outcome.state == "not done" and "of the connections are in use" in outcome.reason
    until(lambda: keeping.count() == 25)
    (outcome,) = keeping.stage.applying(stored).run()
    assert (outcome.state, outcome.reason) == ("done", ALL)
