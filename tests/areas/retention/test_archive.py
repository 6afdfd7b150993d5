"""Archives on a real server and real files: what goes in comes back, what was not verified is no archive."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
import yaml

from tests.stages.keeping import Keeping
from tests.stages.keeping import config as config  # noqa: PLC0414  # the fixture
from tests.stages.keeping import keeping as keeping  # noqa: PLC0414  # the fixture
from tests.stages.sessions import until
from tests.stages.stage import uri
from upkeep.areas.retention import archives, reread
from upkeep.areas.retention.look import RetentionLook
from upkeep.areas.retention.store import MANIFEST, OBJECT
from upkeep.settings.load import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.cli.main import main


@pytest.mark.guide("G62", "G67", "holds")
def test_due_rows_are_archived_by_month_and_stay(keeping: Keeping) -> None:
    """Each class's own; a row that is young, special or under a hold is in no archive, and none is deleted."""
    keeping.fill(5, 89)
    keeping.fill(7, 120)
    keeping.fill(4, 120, "special")
    keeping.fill(3, 400, "special")
    before = keeping.count()
    outcomes = keeping.apply("archive")
    assert sorted(one.state for one in outcomes.values()) == ["done", "done"], [one.reason for one in outcomes.values()]
    assert {statement.split("/")[1].split()[0] for statement in outcomes} == {"usual", "special"}
    contents = {}
    for name in ("usual", "special"):
        (manifest,) = keeping.store(name).names(MANIFEST)
        content, _ = keeping.store(name).manifest(manifest)
        contents[name] = content["content"]["rows"]
        rows = pq.read_table(keeping.store(name).path(manifest + OBJECT)).to_pylist()
        assert {row["kind"] for row in rows} == {name} and len(rows) == contents[name]
        assert keeping.store(name).orphans() == []
    assert contents == {"usual": 7, "special": 3}
    assert keeping.count() == before
    assert keeping.apply("archive") == {}  # what is archived is archived once


@pytest.mark.guide("G67", "holds")
@pytest.mark.parametrize("hurt", ["flip", "cut", "remove", "swap"])
def test_a_spoilt_archive_is_found(keeping: Keeping, hurt: str, tmp_path: Path) -> None:
    """By another process, from its bytes: one bit, the end, the whole file, another month's archive in its place."""
    keeping.fill(50, 120)
    keeping.apply("archive")
    store = keeping.store()
    (name,) = store.names(MANIFEST)
    path, manifest = store.path(name + OBJECT), store.manifest(name)[0]
    reread.compare(reread.read(store, name + OBJECT), manifest["content"], name)
    raw = bytearray(path.read_bytes())
    other = tmp_path / "other"
    if hurt == "flip":
        raw[len(raw) // 3] ^= 1
    elif hurt == "cut":
        raw = raw[:-9]
    elif hurt == "swap":
        keeping.stage.do("DELETE FROM log")
        keeping.fill(51, 120)
        other.mkdir()
        keeping.places = other
        keeping.write(locations={"here": {"title": "h", "path": str(other)}})
        keeping.apply("archive")
        (swapped,) = keeping.store().names(MANIFEST)
        raw = bytearray(keeping.store().path(swapped + OBJECT).read_bytes())
    path.unlink()
    if hurt != "remove":
        path.write_bytes(bytes(raw))
    with pytest.raises(reread.NotAsWritten):
        reread.compare(reread.read(store, name + OBJECT), manifest["content"], name)


@pytest.mark.guide("G67", "holds")
def test_what_cannot_be_written_is_no_archive(keeping: Keeping) -> None:
    """A place that takes nothing: not done, with the reason, and the next window plans it again."""
    keeping.fill(5, 120)
    keeping.places.rmdir()  # what is to be mounted there is not
    (outcome,) = keeping.apply("archive").values()
    assert outcome.state == "not done" and f"found no folder {keeping.places}" in outcome.reason
    keeping.places.mkdir()
    (outcome,) = keeping.apply("archive").values()
    assert outcome.state == "done"


#: Before another process reads an archive again, other bytes lie on the disk than were written; as many, and a file of
#: the same rows.
SPOILS = """
import pathlib, sys
if "upkeep.areas.retention.reading" in sys.orig_argv:
    file = pathlib.Path(sys.orig_argv[-2])
    raw = file.read_bytes()
    assert {was!r} in raw
    file.write_bytes(raw.replace({was!r}, {now!r}))
"""


@pytest.mark.guide("G67", "holds")
@pytest.mark.parametrize(("was", "now"), [(b"body", b"jody"), (b'"kind": "text"', b'"kind": "uext"')])
def test_bytes_that_were_not_written_are_no_archive(
    keeping: Keeping, was: bytes, now: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column's name and a type's are no part of the rows' content: the file's bytes are compared as well."""
    keeping.fill(5, 120)
    with monkeypatch.context() as spoilt:
        (tmp_path / "sitecustomize.py").write_text(SPOILS.format(was=was, now=now))
        spoilt.syspath_prepend(str(tmp_path))
        (outcome,) = keeping.apply("archive").values()
    assert outcome.state == "not done" and "nothing was archived" in outcome.reason
    assert "found sha256" in outcome.reason
    assert not keeping.store().names(MANIFEST)
    (outcome,) = keeping.apply("archive").values()
    assert outcome.state == "done"


@pytest.mark.guide("G67", "holds")
def test_a_class_that_config_changed_after_the_plan_is_refused(keeping: Keeping) -> None:
    """Longer or shorter: people approved another policy."""
    keeping.fill(5, 120)
    stored = keeping.proposed("archive")
    classes = yaml.safe_load((keeping.folder / "retention.yaml").read_text())["classes"]
    keeping.write(classes=classes | {"usual": classes["usual"] | {"days": 100}})
    (outcome,) = keeping.stage.applying(stored).run()
    assert outcome.state == "refused" and "config/retention.yaml" in outcome.reason
    assert not keeping.store().names(MANIFEST) and not list(keeping.places.iterdir())


@pytest.mark.guide("G62", "G67", "holds")
def test_a_retention_that_was_shortened_is_said_where_it_is_approved(keeping: Keeping) -> None:
    """Earlier and now, in the action's own words, until rows were archived by it."""
    keeping.fill(5, 120)
    keeping.apply("archive")
    keeping.fill(2, 60)
    classes = yaml.safe_load((keeping.folder / "retention.yaml").read_text())["classes"]
    keeping.write(classes=classes | {"usual": classes["usual"] | {"days": 30}})
    (action,) = keeping.proposed("archive").plan.actions
    changed = " (RETENTION CHANGED: it was 90 days when rows of this class were last archived)"
    assert action.because == f"2 rows are older than 30 days{changed}"
    keeping.apply("archive")
    keeping.fill(1, 200)
    (action,) = keeping.proposed("archive").plan.actions
    assert action.because == "1 rows are older than 30 days"


@pytest.mark.guide("G67", "fires", "silent")
def test_a_process_that_ends_before_the_manifest_leaves_an_orphan_and_no_archive(keeping: Keeping) -> None:
    """SIGKILL as the object is there: told, no archive, and the next plan archives the rows; nothing is lost."""
    keeping.fill(20, 120)
    stored = keeping.proposed("archive")
    process = keeping.stage.process(stored, keeping.folder / "job")
    until(lambda: keeping.store().names(OBJECT) or keeping.store().names(MANIFEST))
    if process.poll() is None:
        process.kill()
    process.wait(30)
    archived = bool(keeping.store().names(MANIFEST))
    assert archived or keeping.store().orphans()
    outcomes = keeping.stage.applying(stored).run()
    assert [one.state for one in outcomes] == ["done"]
    (name,) = keeping.store().names(MANIFEST)
    assert keeping.store().manifest(name)[0]["content"]["rows"] == keeping.count() == 20


def look(keeping: Keeping) -> set[str]:
    """What the check of retention says of the log's files."""
    seen = archives.seen(keeping.config, keeping.stage.name)
    with keeping.stage.session() as session:
        found = RetentionLook(session, keeping.config, datetime.now(UTC), seen=seen).whole().findings
    return {one.key for one in found if one.key.endswith(":orphans")}


@pytest.mark.guide("G67", "fires", "silent")
def test_the_commands_list_read_again_and_restore(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was archived is restored with all its rows; a flipped bit and an orphan are named until mended."""
    content = yaml.safe_load((keeping.folder / "maintenance.yaml").read_text())
    content["targets"] = {keeping.stage.name: content["targets"]["primary"]}
    (keeping.folder / "maintenance.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    settings.cache_clear()
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_TARGET_MAINTAIN", uri(keeping.stage.dsn))
    keeping.fill(9, 120)
    keeping.apply("archive")
    store = keeping.store()
    (name,) = store.names(MANIFEST)
    assert main(["archive", "find"]) == 0 and f"usual {name} " in capsys.readouterr().out
    assert main(["archive", "verify"]) == 0 and "1 archives are as they were" in capsys.readouterr().out
    info, role = psycopg.conninfo.conninfo_to_dict(keeping.stage.dsn), f"reads_{keeping.stage.name}"
    keeping.stage.do(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    with monkeypatch.context() as lesser:
        dsn = psycopg.conninfo.make_conninfo(**(info | {"user": role, "password": "x"}))
        lesser.setenv("AIRFLOW_CONN_UPKEEP_TARGET_MAINTAIN", uri(dsn))
        assert main(["archive", "restore", name, "--into", "public.undone"]) == 1
    keeping.stage.do(f"DROP ROLE {role}")
    assert "GRANT CREATE ON SCHEMA public" in capsys.readouterr().err
    assert main(["archive", "restore", name, "--into", "public.back"]) == 0
    same = "SELECT count(*) AS n FROM log l JOIN back b USING (id, at, kind, body)"
    assert keeping.stage.look(same)[0]["n"] == 9 and "9 rows of" in capsys.readouterr().out
    assert main(["archive", "restore", name, "--into", "public.back"]) == 1 and "exists" in capsys.readouterr().err
    assert main(["archive", "restore", "gone", "--into", "public.other"]) == 2
    assert look(keeping) == set()
    good = store.path(name + OBJECT).read_bytes()
    store.path(name + OBJECT).write_bytes(good[:40] + bytes([good[40] ^ 1]) + good[41:])
    store.path("2026-01_left.parquet").write_bytes(good)
    assert main(["archive", "verify"]) == 1
    said = capsys.readouterr().err
    assert f"usual {name}: {name}.parquet" in said and "2026-01_left.parquet: found no manifest" in said
    assert main(["archive", "restore", name, "--into", "public.other"]) == 1
    assert look(keeping) == {"retention:usual:orphans"}
    store.path(name + OBJECT).write_bytes(good)
    store.path("2026-01_left.parquet").unlink()
    assert main(["archive", "verify"]) == 0 and look(keeping) == set()
