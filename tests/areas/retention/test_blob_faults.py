"""What a container, its service and this machine do to archives: each is told for what it is, no row pays for it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import yaml
from azure.storage.blob import StandardBlobTier

from tests.areas.retention.test_blobs import connection, findings
from tests.stages.azurite import LEAST, MOST
from tests.stages.azurite import azurite as azurite  # noqa: PLC0414  # the fixture
from tests.stages.blob_wire import HANGS, UNANSWERED, Asked, Said
from tests.stages.containers import Contained, flipped, target_in_config
from tests.stages.containers import config as config  # noqa: PLC0414  # the fixture
from tests.stages.containers import contained as contained  # noqa: PLC0414  # the fixture
from tests.stages.containers import keeping as keeping  # noqa: PLC0414  # the fixture
from tests.stages.sessions import to
from tests.stages.stage import uri
from upkeep.areas import proposals
from upkeep.areas.retention import delete, look, restore
from upkeep.areas.retention.store import BEGUN, MANIFEST, OBJECT
from upkeep.cli.check.archives import store_rows
from upkeep.cli.main import main
from upkeep.core.findings import Level
from upkeep.gate.attempts import ObjectChanged
from upkeep.gate.proposing import PartlyAsked, ProposalSources
from upkeep.settings.load import settings
from upkeep.settings.values import TableName
from upkeep.wires import blobs, database
from upkeep.wires.blob_answers import BlobError

pytestmark = pytest.mark.usefixtures("read_by_forks")


def sources(contained: Contained) -> ProposalSources:
    """What a weekly plan is made of."""
    keeping = contained.keeping
    given = keeping.stage.name, "weekly", keeping.stage.session, keeping.stage.ledger.session
    return ProposalSources(*given, keeping.config, datetime.now(UTC))


@pytest.mark.guide("G67", "holds")
def test_a_rule_finds_objects_by_their_prefix_and_nothing_else(contained: Contained) -> None:
    """A lifecycle rule selects by what names begin with: manifests and records begin otherwise."""
    contained.archived()
    assert [one.state for one in contained.keeping.apply("delete").values()] == ["done"]
    names = contained.bucket.names()
    moved = {name for name in names if name.startswith("upkeep/objects/")}
    assert moved == {name for name in names if name.endswith(OBJECT)} and len(names) == 4
    assert all(name.startswith("upkeep/records/") for name in set(names) - moved)


@pytest.mark.guide("G67", "fires", "silent")
def test_a_manifest_in_tier_archive_is_of_its_archive_alone(
    contained: Contained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """UNKNOWN; its rows are not archived anew, the other archive goes on; `archive restore` asks for it back."""
    keeping, bucket = contained.keeping, contained.bucket
    name = contained.archived()
    keeping.fill(5, 200)
    assert [one.state for one in keeping.apply("archive").values()] == ["done"]
    said = bucket.read(manifest := contained.blob(MANIFEST, name))
    bucket.tier(manifest, StandardBlobTier.ARCHIVE)
    assert findings(contained) == {f"retention:usual:offline:{name}": Level.UNKNOWN}
    classes = yaml.safe_load((keeping.folder / "retention.yaml").read_text())["classes"]
    keeping.write(classes={one: kept | {"delete": False} for one, kept in classes.items()})
    assert findings(contained) == {f"retention:usual:offline:{name}": Level.UNKNOWN}
    assert keeping.apply("archive") == {}
    keeping.write(classes={one: kept | {"delete": True} for one, kept in classes.items()})
    assert keeping.apply("archive") == {}
    assert [one.state for one in keeping.apply("delete").values()] == ["done"] and keeping.count() == 25
    target_in_config(keeping, keeping.folder)
    settings.cache_clear()
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_TARGET_MAINTAIN", uri(keeping.stage.dsn))
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_ARCHIVE", connection(contained.sas))
    assert main(["archive", "find"]) == 0 and f"usual {name} its manifest cannot be read" in capsys.readouterr().out
    assert main(["archive", "verify"]) == 0 and "1 were not read (tier Archive)" in capsys.readouterr().out
    contained.wire.once("PUT", f"{MANIFEST}.rehydrated", Said(202, "", {"x-ms-copy-status": "pending"}))
    assert main(["archive", "restore", name, "--into", "public.back"]) == 1
    assert f"its rehydration was asked for, as {name}{MANIFEST}.rehydrated" in capsys.readouterr().err
    bucket.write(contained.store.blob(f"{name}{MANIFEST}.rehydrated"), said)
    assert main(["archive", "restore", name, "--into", "public.back"]) == 0
    assert findings(contained) == {}
    assert [one.state for one in keeping.apply("delete").values()] == ["done"] and keeping.count() == 0


@pytest.mark.guide("G67", "holds")
def test_no_transaction_waits_for_a_store_that_is_asked_at_length(contained: Contained) -> None:
    """While the check and the plan ask it, no session of theirs is open within a transaction."""
    keeping = contained.keeping
    contained.archived()
    keeping.fill(3, 160)
    waiting: list[int] = []
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state ~ 'idle in transaction'"

    def count(_: Asked) -> None:
        with psycopg.connect(keeping.stage.dsn, autocommit=True) as session:
            (found,) = session.execute(query).fetchone() or (None,)
            waiting.append(int(found))

    contained.wire.rules.append(count)
    config = SimpleNamespace(
        retention=keeping.config.retention,
        maintenance=keeping.config.maintenance,
        target=lambda _: SimpleNamespace(connections=SimpleNamespace(maintain=None)),
    )
    given: Any = SimpleNamespace(config=config, target=keeping.stage.name, read=keeping.stage.session)
    assert look.inspect(given).findings and keeping.proposed("archive", "delete").plan.actions
    assert waiting and set(waiting) == {0}


@pytest.mark.guide("G67", "holds")
def test_a_service_that_hangs_ends_a_deletion_and_not_its_session(
    contained: Contained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the transaction it is waited for shortly; the rest of the rows stays, and the next run finishes."""
    keeping = contained.keeping
    contained.archived(55)
    (action,) = keeping.proposed("delete").plan.actions
    hangs: Callable[[Asked], str] = lambda _: HANGS  # noqa: E731
    with database.standing(to(keeping.stage.dsn), keeping.stage.config.sql) as session:
        steps = delete.steps(session, action, {"deletion": "1"})
        for _ in range(3):
            next(steps)
        monkeypatch.setattr(blobs, "HASTE", 0.2)
        contained.wire.rules.append(hangs)
        with pytest.raises(ObjectChanged, match=r"^stopped: .*found no answer"):
            list(steps)
        assert session.row("SELECT count(*) AS n FROM public.log")["n"] == 45
    contained.wire.rules.remove(hangs)
    monkeypatch.setattr(blobs, "HASTE", 3)
    assert [one.state for one in keeping.apply("delete").values()] == ["done"] and keeping.count() == 0


@pytest.mark.guide("G67", "holds")
def test_an_answer_that_is_not_the_services_is_no_success(contained: Contained) -> None:
    """A redirection without an address, a page of whoever lies between, a 201 of other bytes."""
    wire, store = contained.wire, contained.store
    page = Said(200, "", {"Content-Type": "text/html"}, b"<html>log in</html>")
    for number, said in enumerate((Said(302), page, Said(204), Said(206))):
        wire.always("PUT", f"one_{number}", said)
        with pytest.raises(BlobError, match=f"found {said.status} "):
            store.put(f"one_{number}", {})
    contained.bucket.write(store.blob("others"), b"of somebody else")
    wire.once("PUT", "others", Said(201, "", {"ETag": '"1"'}))
    with pytest.raises(BlobError, match="found other bytes there"):
        store.put("others", {})
    contained.archived()
    wire.always("GET", MANIFEST, page)
    with pytest.raises(BlobError, match="without ETag") as why:
        store.manifest(contained.archive())
    assert not isinstance(why.value, OSError)
    assert findings(contained) == {"retention:usual:store": Level.UNKNOWN} | {
        f"retention:usual:unread:{contained.archive()}": Level.UNKNOWN
    }


@pytest.mark.guide("G67", "holds")
def test_a_list_that_is_none_is_not_an_empty_container(contained: Contained, monkeypatch: pytest.MonkeyPatch) -> None:
    """All pages of it are read; any other XML, one cut short, one that begins again is refused."""
    store = contained.store
    for number in range(5):
        store.put(f"one_{number}", {})
    monkeypatch.setattr(blobs, "PAGE", 2)
    assert sorted(store.everything()) == [f"one_{number}" for number in range(5)]
    lists = [one for one in contained.wire.asked if "comp=list" in one.query]
    assert len(lists) == 1 + 3
    empty = b"<EnumerationResults><Blobs/>%s</EnumerationResults>"
    for body, why in (
        (b"<html/>", "found no list"),
        (empty % b"", "found no list"),
        (b"", "found no list"),
        (empty % b"<NextMarker>a</NextMarker>", "the same page"),
    ):
        contained.wire.rules[:] = [partial(_listed, body)]
        with pytest.raises(BlobError, match=why):
            store.everything()


def _listed(body: bytes, asked: Asked) -> Said | None:
    return Said(200, "", {}, body) if "comp=list" in asked.query else None


def _small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


def _killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.guide("G67", "fires", "silent")
@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("harm", [_small_files, _killed])
def test_a_machine_that_cannot_read_is_no_damage(
    contained: Contained, harm: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A temporary directory that is full, a reader that the system killed: UNKNOWN, and nothing is archived anew."""
    name = contained.archived()
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "run", partial(subprocess.run, preexec_fn=harm))
        assert findings(contained) == {f"retention:usual:unread:{name}": Level.UNKNOWN}
        for kind in ("archive", "delete"):
            with pytest.raises(PartlyAsked, match="could not be read again"):
                contained.keeping.proposed(kind)
    assert findings(contained) == {} and contained.keeping.proposed("archive").plan.actions == ()


@pytest.mark.guide("G67", "fires", "silent")
@pytest.mark.usefixtures("started")
def test_that_no_process_can_be_started_is_no_damage(contained: Contained, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a container as of a full temporary directory: UNKNOWN, and nothing is archived anew."""
    name = contained.archived()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "/no/such/program")
        assert findings(contained) == {f"retention:usual:unread:{name}": Level.UNKNOWN}
        with pytest.raises(PartlyAsked, match="no process was started for it"):
            contained.keeping.proposed("archive")
    assert findings(contained) == {} and contained.keeping.proposed("archive").plan.actions == ()


@pytest.mark.guide("G67", "holds")
def test_rows_are_named_by_the_bytes_that_were_read_again(contained: Contained) -> None:
    """The download that rows are deleted by brings others: not one row goes."""
    keeping = contained.keeping
    contained.archived(55)
    (action,) = keeping.proposed("delete").plan.actions
    content = contained.bucket.read(contained.blob(OBJECT))
    with database.standing(to(keeping.stage.dsn), keeping.stage.config.sql) as session:
        steps = delete.steps(session, action, {"deletion": "1"})
        next(steps)
        contained.wire.once("GET", OBJECT, Said(200, "", {"ETag": '"1"'}, flipped(content)))
        with pytest.raises(ObjectChanged, match="read again with other bytes"):
            list(steps)
    assert keeping.count() == 55


@pytest.mark.guide("G67", "fires")
def test_what_was_found_before_a_store_failed_is_told(contained: Contained) -> None:
    """Of a critical finding, and of each archive for itself: one that cannot be read does not hide the next."""
    keeping, bucket = contained.keeping, contained.bucket
    first = contained.archived()
    keeping.fill(5, 200)
    assert [one.state for one in keeping.apply("archive").values()] == ["done"]
    (second,) = set(contained.store.names(MANIFEST)) - {first}
    early, late = sorted((first, second))
    bucket.write(contained.blob(OBJECT, late), flipped(bucket.read(contained.blob(OBJECT, late))))
    contained.wire.always("GET", f"{early}{OBJECT}", Said(500, "InternalError"))
    assert findings(contained) == {
        f"retention:usual:unread:{early}": Level.UNKNOWN,
        f"retention:usual:damaged:{late}": Level.WARNING,
    }
    contained.store.put(late + BEGUN, {})
    bucket.client.delete_blob(contained.blob(MANIFEST, late))
    contained.wire.rules.append(lambda asked: Said(500, "InternalError") if asked.method == "DELETE" else None)
    assert findings(contained) == {
        "retention:usual:torn": Level.CRITICAL,
        "retention:usual:store": Level.UNKNOWN,
        f"retention:usual:unread:{early}": Level.UNKNOWN,
    }


@pytest.mark.guide("G67", "holds")
def test_a_store_that_fails_stops_its_class_alone(contained: Contained) -> None:
    """The other class is archived and deleted; the plan says which was not asked."""
    keeping = contained.keeping
    contained.archived()
    keeping.fill(3, 160)
    keeping.fill(4, 400, "special")
    contained.wire.rules.append(lambda asked: Said(503, "ServerBusy") if _special(asked) else None)
    found = proposals.collect(sources(contained))
    assert [one.action.kind for one in found.proposals if one.action.kind in ("archive", "delete")] == [
        "archive",
        "delete",
    ]
    assert all("usual" in one.action.statement for one in found.proposals if one.action.kind in ("archive", "delete"))
    failed = [said for said in found.failed if said.startswith(("archive: special: ", "delete: special: "))]
    assert len(failed) == 2 and all("503 ServerBusy" in said for said in failed)


def _special(asked: Asked) -> bool:
    return "/special/" in asked.path or "special" in asked.query


@pytest.mark.guide("G67", "holds")
@pytest.mark.parametrize("fields", [{"prefix": "other"}, {"connection": "upkeep_other"}])
def test_an_approval_is_of_a_container(contained: Contained, fields: dict[str, str]) -> None:
    """Another place between approval and apply, or between two batches: nothing is done. People see the address."""
    keeping = contained.keeping
    contained.archived(55)
    keeping.fill(3, 160)
    stored = keeping.proposed("archive", "delete")
    archive = next(one for one in stored.plan.actions if one.kind == "archive")
    assert archive.because.endswith(f"; they go to {contained.store.place}")
    contained.set_up(**fields)
    outcomes = keeping.stage.applying(stored).run()
    assert {one.state for one in outcomes} == {"refused"} and keeping.count() == 58
    assert all("its class in config/retention.yaml, were changed" in one.reason for one in outcomes)
    contained.set_up()
    action = next(one for one in stored.plan.actions if one.kind == "delete")
    with database.standing(to(keeping.stage.dsn), keeping.stage.config.sql) as session:
        steps = delete.steps(session, action, {"deletion": "1"})
        for _ in range(3):
            next(steps)
        contained.set_up(**fields)
        with pytest.raises(ObjectChanged, match=r"was changed since the plan"):
            list(steps)
    assert keeping.count() == 48


@pytest.mark.guide("G67", "fires", "silent")
def test_check_says_what_a_sas_lacks_and_has_too_much(contained: Contained, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what it says itself, and where it says nothing by trying."""

    def rows(permissions: str) -> list[tuple[bool | None, str]]:
        monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_ARCHIVE", connection(contained.bucket.sas(permissions, 24 * 30)))
        return [(row.can, row.why) for row in store_rows(contained.keeping.config)]

    assert rows(LEAST) == [(True, ""), (True, "")]
    for permissions, lacks in (("rl", "create"), ("cl", "read")):
        assert rows(permissions)[0][0] is False and f"may not {lacks}, expected sp=rcl" in rows(permissions)[0][1]
    for permissions, may in (("rclx", "delete versions"), ("rclt", "write tags"), (MOST, "delete and overwrite")):
        answers, harmless = rows(permissions)
        assert answers[0] and harmless[0] is False and f"may {may}, expected sp=rcl" in harmless[1]


@pytest.mark.guide("G67", "holds")
def test_the_last_answer_may_be_lost_too(contained: Contained) -> None:
    """What is there with the same bytes is what was sent; where that cannot be seen either, it is not known."""
    contained.wire.always("PUT", "one", UNANSWERED)
    contained.wire.rules.append(lambda asked: UNANSWERED if asked.path.endswith("two") else None)
    contained.store.put("one", {"a": 1})
    assert contained.store.record("one") == {"a": 1}
    with pytest.raises(BlobError, match="found no answer"):
        contained.store.put("two", {"a": 1})


def test_a_download_that_creeps_ends(contained: Contained, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that come, and no end to them: there is a time by which a blob of a size must be there."""
    contained.bucket.write(contained.store.blob("big"), bytes(100))
    monkeypatch.setattr(blobs, "BESIDES", -1)
    with pytest.raises(BlobError, match="too slow"), contained.store.open("big"):
        pass


@pytest.mark.guide("G67", "holds")
def test_a_restore_waits_for_a_store_longer_than_a_statement_may_take(
    contained: Contained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the store is asked, no clock ends the session that it is restored in."""
    name, keeping = contained.archived(), contained.keeping
    clock, clocks = "idle_in_transaction_session_timeout", []
    with database.session(to(keeping.stage.dsn), keeping.stage.config.sql, read_only=False) as session:

        def checked(*given: Any) -> Any:
            clocks.append(session.row(f"SHOW {clock}")[clock])
            return asked(*given)

        asked = restore.checked
        monkeypatch.setattr(restore, "checked", checked)
        assert restore.restore(session, contained.store, name, TableName("public", "back")) == 25
    assert clocks == ["0"]


@pytest.mark.guide("G67", "silent")
def test_an_object_in_tier_archive_whose_md5_is_not_said_is_no_damage(contained: Contained) -> None:
    """Its size is compared, and that is said."""
    name = contained.archived()
    size = str(len(contained.bucket.read(contained.blob(OBJECT))))
    said = {"ETag": '"1"', "x-ms-access-tier": "Archive", "Content-Length": size}
    contained.wire.always("HEAD", OBJECT, Said(200, "", said))
    assert findings(contained) == {f"retention:usual:offline:{name}": Level.UNKNOWN}


def test_find_says_what_a_manifest_is_that_somebody_wrote(
    contained: Contained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, and no sign that a terminal obeys."""
    contained.bucket.write(contained.store.blob(f"2026-01_x{MANIFEST}"), b"{}")
    hostile = b'{"start": "2026-01-01", "end": "\\u001b[2Jxxxx", "content": {"rows": 1, "bytes": 2}}'
    contained.bucket.write(contained.store.blob(f"2026-01_y{MANIFEST}"), hostile)
    target_in_config(contained.keeping, contained.keeping.folder)
    settings.cache_clear()
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_ARCHIVE", connection(contained.sas))
    assert main(["archive", "find"]) == 0
    said = capsys.readouterr().out
    assert "2026-01_x its manifest cannot be read (KeyError" in said and "2026-01_y" in said and "\x1b" not in said
