"""Archives in Azure Blob Storage: Microsoft's emulator behind a wire that may be cut, and Microsoft's SDK beside it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import yaml
from azure.storage.blob import StandardBlobTier

from sandbox.ports import free_port
from tests.stages.azurite import LEAST, MOST
from tests.stages.azurite import azurite as azurite  # noqa: PLC0414  # the fixture
from tests.stages.blob_wire import HALF, UNANSWERED, UNSENT, Asked, Said
from tests.stages.containers import Contained, flipped, target_in_config
from tests.stages.containers import config as config  # noqa: PLC0414  # the fixture
from tests.stages.containers import contained as contained  # noqa: PLC0414  # the fixture
from tests.stages.containers import keeping as keeping  # noqa: PLC0414  # the fixture
from tests.stages.sessions import to
from tests.stages.stage import uri
from upkeep.areas import proposals
from upkeep.areas.retention import archives, delete, restore
from upkeep.areas.retention.look import RetentionLook
from upkeep.areas.retention.store import BEGUN, DELETED, MANIFEST, OBJECT
from upkeep.core.findings import Level
from upkeep.gate.attempts import ObjectChanged
from upkeep.gate.proposing import ProposalSources
from upkeep.settings.load import settings
from upkeep.settings.values import TableName
from upkeep.wires import database
from upkeep.wires.blob_answers import BlobError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.cli.check.archives import store_rows
    from upkeep.cli.main import main

pytestmark = pytest.mark.usefixtures("read_by_forks")


def findings(contained: Contained) -> dict[str, Level]:
    """What the check of retention says of the class usual beside what is due."""
    keeping = contained.keeping
    seen = archives.seen(keeping.config, keeping.stage.name)
    with keeping.stage.session() as session:
        look = RetentionLook(session, keeping.config, datetime.now(UTC), "postgres", seen).whole()
    found = [*look.findings, *archives.damage(keeping.config, keeping.stage.name)]
    return {one.key: one.level for one in found if one.level is not Level.OK and one.key.startswith("retention:usual:")}


@pytest.mark.guide("G15", "G62", "G67", "holds")
@pytest.mark.usefixtures("started")
def test_rows_go_to_a_container_and_come_back(contained: Contained) -> None:
    """By a SAS that may read, create and list; Microsoft's SDK sees the bytes that the manifest names."""
    keeping, store = contained.keeping, contained.store
    contained.set_up(tier="Cool")
    name = contained.archived()
    content = store.manifest(name)[0]["content"]
    raw, said = (
        contained.bucket.read(contained.blob(OBJECT)),
        contained.bucket.client.get_blob_client(contained.blob(OBJECT)),
    )
    assert (content["sha256"], content["bytes"], content["rows"]) == (hashlib.sha256(raw).hexdigest(), len(raw), 25)
    assert bytes(said.get_blob_properties().content_settings.content_md5) == hashlib.md5(raw).digest()
    assert said.get_blob_properties().blob_tier == "Cool"
    assert keeping.apply("archive") == {} and findings(contained) == {}
    before = keeping.stage.look("SELECT * FROM log ORDER BY id")
    (outcome,) = keeping.apply("delete").values()
    assert (outcome.state, keeping.count()) == ("done", 0), outcome.reason
    beside = [contained.blob(kind) for kind in (OBJECT, MANIFEST, BEGUN, DELETED)]
    assert contained.bucket.names() == sorted(beside) and store.record(name + DELETED)["deleted"] == 25
    with database.session(to(keeping.stage.dsn), keeping.stage.config.sql, read_only=False) as session:
        assert restore.restore(session, store, name, TableName("public", "back")) == 25
    assert keeping.stage.look("SELECT * FROM back ORDER BY id") == before
    asked = [one for one in contained.wire.asked if "/upkeep-" not in one.path]  # not what the look asks it may do
    puts = [one for one in asked if one.method == "PUT"]
    assert all(one.headers["If-None-Match"] == "*" and one.headers["Content-MD5"] for one in puts)
    assert {one.method for one in asked} == {"GET", "PUT", "HEAD"}


@pytest.mark.guide("G67", "holds")
def test_an_object_is_created_once(contained: Contained) -> None:
    """Whatever the SAS may: the second is refused, and what is there stays."""
    contained.store.put("one.json", {"a": 1})
    for permissions in (LEAST, MOST):
        contained.sas = contained.bucket.sas(permissions)
        with pytest.raises(FileExistsError):
            contained.store.put("one.json", {"a": 2})
    contained.wire.once("PUT", "one.json", Said(403, "UnauthorizedBlobOverwrite"))  # Azure's own word for it
    with pytest.raises(FileExistsError):
        contained.store.put("one.json", {"a": 2})
    assert contained.store.record("one.json") == {"a": 1} and contained.store.record("other.json") == {}


@pytest.mark.guide("G67", "holds")
def test_whatever_is_done_to_an_object_between_two_batches_stops_its_deletion(contained: Contained) -> None:
    """The same bytes written again, none, another tier, another manifest, a store that answers no more: the transaction
    that looked at it is rolled back and the rest of the rows stays, each time; the next run finishes.
    """
    keeping, bucket, rules = contained.keeping, contained.bucket, contained.wire.rules
    contained.archived(55)
    (action,) = keeping.proposed("delete").plan.actions
    name, manifest = contained.blob(OBJECT), contained.blob(MANIFEST)
    content, said = bucket.read(name), bucket.read(manifest)
    harms: list[tuple[Callable[[], object], Callable[[], object], str]] = [
        (lambda: bucket.write(name, content), lambda: None, "it was changed while"),
        (lambda: bucket.client.delete_blob(name), lambda: bucket.write(name, content), "it is gone"),
        (
            lambda: bucket.tier(name, StandardBlobTier.ARCHIVE),
            lambda: bucket.tier(name, StandardBlobTier.HOT),
            "^stopped, not collected: its archive is in tier Archive",
        ),
        (lambda: bucket.write(manifest, b"{}"), lambda: bucket.write(manifest, said), "manifest is not the one"),
        (lambda: rules.append(lambda _: UNSENT), rules.clear, "^stopped: .*expected the Blob service"),
    ]
    for batches, (harm, heal, expected) in enumerate(harms, 1):
        with database.standing(to(keeping.stage.dsn), keeping.stage.config.sql) as session:
            steps = delete.steps(session, action, {"deletion": "1"})
            for _ in range(batches + 2):
                next(steps)
            harm()
            with pytest.raises(ObjectChanged, match=expected):
                list(steps)
        assert keeping.count() == 55 - 10 * batches
        heal()
    assert [one.state for one in keeping.apply("delete").values()] == ["done"] and keeping.count() == 0


@pytest.mark.guide("G67", "holds")
def test_a_line_that_breaks_is_tried_again(contained: Contained) -> None:
    """Before a blob was there or after, which a second attempt can tell by its bytes alone: once, and whole."""
    for permissions in (LEAST, MOST):
        contained.sas = contained.bucket.sas(permissions)
        store = contained.store
        for number, what in enumerate((UNSENT, UNANSWERED, Said(503, "ServerBusy"), Said(500, "InternalError"))):
            contained.wire.once("PUT", f"{permissions}_{number}", what)
            store.put(f"{permissions}_{number}", {"a": number})
            assert store.record(f"{permissions}_{number}") == {"a": number}
            with pytest.raises(FileExistsError):
                store.put(f"{permissions}_{number}", {"a": number})  # by another one, who sent it once
        contained.wire.once("PUT", "others", UNANSWERED)
        contained.bucket.write(contained.blob("", "others"), b"of somebody else")
        with pytest.raises(FileExistsError):
            store.put("others", {"a": 1})
    assert len(contained.bucket.names()) == 9
    contained.sas = contained.bucket.sas(LEAST)
    contained.wire.once("PUT", OBJECT, UNANSWERED)
    contained.wire.once("PUT", MANIFEST, UNANSWERED)
    contained.wire.once("GET", OBJECT, HALF)
    contained.archived()
    assert findings(contained) == {}


def test_a_download_goes_on_where_it_was_cut_and_of_the_same_bytes_only(contained: Contained) -> None:
    """The rest is asked for by range and ETag; of a blob that was replaced meanwhile nothing is taken."""
    contained.bucket.write(contained.blob("", "big"), content := bytes(range(256)) * 12_000)
    contained.wire.once("GET", "big", HALF)
    contained.wire.once("GET", "big", HALF)
    with contained.store.open("big") as file:
        assert file.read() == content
    ranges = [one.headers.get("Range") for one in contained.wire.asked if one.method == "GET"]
    assert len(ranges) == 3 and ranges[0] is None and all(one and one != "bytes=0-" for one in ranges[1:])
    contained.wire.once("GET", "big", HALF)

    def replace(asked: Asked) -> None:
        if asked.method == "GET" and "Range" in asked.headers:
            contained.bucket.write(contained.blob("", "big"), flipped(content))

    contained.wire.rules.append(replace)
    with pytest.raises(BlobError, match="412 ConditionNotMet"), contained.store.open("big"):
        pass


@pytest.mark.guide("G67", "fires", "silent")
def test_a_store_that_does_not_answer_is_no_damage(contained: Contained) -> None:
    """Nothing is archived, nothing counts as lost or due again; with the store it all goes on."""
    keeping = contained.keeping
    name = contained.archived()
    keeping.fill(3, 160)
    stored = keeping.proposed("archive", "delete")
    assert len(stored.plan.actions) == 2
    down = lambda asked: UNSENT  # noqa: E731
    contained.wire.rules.append(down)
    assert {one.state for one in keeping.stage.applying(stored).run()} == {"not done"}
    assert findings(contained) == {"retention:usual:store": Level.UNKNOWN}
    session = keeping.stage.session
    sources = ProposalSources(
        keeping.stage.name, "weekly", session, keeping.stage.ledger.session, keeping.config, datetime.now(UTC)
    )
    failed = [said for said in proposals.collect(sources).failed if said.startswith(("archive: ", "delete: "))]
    assert len(failed) == 2 and all("expected the Blob service" in said and "sig=" not in said for said in failed)
    contained.wire.rules.remove(down)
    assert findings(contained) == {} and contained.archive() == name and keeping.count() == 28
    assert {one.state for one in keeping.apply("archive").values()} == {"done"}


#: What only Azure itself would say: a role without the right, a container's policy, a legal hold, a wrong hash.
REFUSALS = (
    Said(403, "AuthorizationPermissionMismatch"),
    Said(409, "BlobImmutableDueToPolicy"),
    Said(409, "BlobImmutableDueToLegalHold"),
    Said(404, "ContainerNotFound"),
    Said(400, "Md5Mismatch"),
    Said(302, "", {"Location": "http://127.0.0.1:1/"}),
)


@pytest.mark.guide("G67", "holds")
def test_what_the_service_refuses_is_said_and_no_archive(contained: Contained) -> None:
    """In the service's own word, without the SAS; the rows stay, and an object without a manifest is told."""
    for number, said in enumerate(REFUSALS):
        contained.wire.always("PUT", f"one_{number}", said)
        with pytest.raises(BlobError, match=f"{said.status} {said.code}") as why:
            contained.store.put(f"one_{number}", {})
        assert "sig=" not in str(why.value)
    contained.keeping.fill(5, 120)
    contained.wire.always("PUT", MANIFEST, REFUSALS[1])
    (outcome,) = contained.keeping.apply("archive").values()
    assert outcome.state == "not done" and "409 BlobImmutableDueToPolicy" in outcome.reason
    assert "sig=" not in outcome.reason
    assert contained.store.names(MANIFEST) == [] and contained.keeping.count() == 5
    assert findings(contained) == {"retention:usual:orphans": Level.ADVISORY}


@pytest.mark.guide("G67", "fires", "silent")
def test_a_byte_that_rots_is_found_and_what_is_in_tier_archive_is_compared_and_not_read(contained: Contained) -> None:
    """Of the byte ETag, size and MD5 say nothing: it is read. What is in tier Archive is not damaged, not archived
    anew, not deleted by; with another size or MD5 it is damaged without being read.
    """
    name, keeping, bucket = contained.archived(), contained.keeping, contained.bucket
    with bucket.rotten(contained.blob(OBJECT)):
        assert findings(contained) == {f"retention:usual:damaged:{name}": Level.WARNING}
        assert keeping.apply("delete") == {}
    assert findings(contained) == {}
    whole, content = contained.blob(OBJECT), contained.bucket.read(contained.blob(OBJECT))
    bucket.tier(whole, StandardBlobTier.ARCHIVE)
    assert findings(contained) == {f"retention:usual:offline:{name}": Level.UNKNOWN}
    assert keeping.apply("archive") == {} and keeping.apply("delete") == {}
    for other in (content[:-1], flipped(content)):
        bucket.client.delete_blob(whole)
        bucket.write(whole, other)
        bucket.tier(whole, StandardBlobTier.ARCHIVE)
        assert findings(contained) == {f"retention:usual:damaged:{name}": Level.WARNING}
    bucket.client.delete_blob(whole)
    bucket.write(whole, content)
    assert findings(contained) == {}
    assert [one.state for one in keeping.apply("delete").values()] == ["done"]


@pytest.mark.guide("G67", "holds")
@pytest.mark.usefixtures("started")
def test_the_commands_on_a_container(
    contained: Contained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """find, verify and restore by the Connection's SAS; of what is in tier Archive a copy is asked for and restored."""
    keeping, bucket = contained.keeping, contained.bucket
    name = contained.archived()
    target_in_config(keeping, keeping.folder)
    settings.cache_clear()
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_TARGET_MAINTAIN", uri(keeping.stage.dsn))
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_ARCHIVE", connection(contained.sas))
    assert main(["archive", "find"]) == 0 and f"usual {name} " in capsys.readouterr().out
    assert main(["archive", "verify"]) == 0 and "1 archives are as they were" in capsys.readouterr().out
    with bucket.rotten(contained.blob(OBJECT)):
        assert main(["archive", "verify"]) == 1 and f"usual {name}: " in capsys.readouterr().err
    whole, content = contained.blob(OBJECT), bucket.read(contained.blob(OBJECT))
    bucket.tier(whole, StandardBlobTier.ARCHIVE)
    assert main(["archive", "verify"]) == 0
    said = capsys.readouterr().out
    assert "it is in tier Archive; bytes and MD5 are the manifest's" in said and "0 are not, 1 were not read" in said
    contained.wire.once("PUT", ".rehydrated", Said(202, "", {"x-ms-copy-status": "pending"}))
    back = ["archive", "restore", name, "--into", "public.back"]
    assert main(back) == 1 and "its rehydration was asked for" in capsys.readouterr().err
    (asked,) = (one for one in contained.wire.asked if "x-ms-copy-source" in one.headers)
    assert asked.headers["x-ms-rehydrate-priority"] == "Standard" and asked.headers["If-None-Match"] == "*"
    pending = {"ETag": '"1"', "x-ms-copy-status": "pending", "x-ms-access-tier": "Archive"}
    for _ in range(3):
        contained.wire.once("HEAD", ".parquet.rehydrated", Said(200, "", pending))
    assert main(back) == 1 and "asked for before and is not over (copy pending" in capsys.readouterr().err
    copy = contained.store.blob(f"{name}{OBJECT}.rehydrated")
    bucket.write(copy, flipped(content))
    assert main(back) == 1 and "Nothing was restored" in capsys.readouterr().err
    bucket.write(copy, content)  # as the service does, in hours
    assert main(back) == 0 and "25 rows of" in capsys.readouterr().out
    assert main(["archive", "verify"]) == 0 and "1 archives are as they were" in capsys.readouterr().out
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_ARCHIVE", connection("sp=r&sig=bad"))
    for command in (["find"], ["verify"], ["restore", name, "--into", "public.other"]):
        assert main(["archive", *command]) == 1
        said = capsys.readouterr().err
        assert "the store could not be asked" in said and "403" in said and "sig=" not in said


@pytest.mark.guide("G67", "fires", "silent")
def test_a_store_that_is_away_hides_no_other(
    contained: Contained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The archives of other classes are listed, read and restored all the same; that one is away is said."""
    keeping = contained.keeping
    name = contained.archived()
    locations = yaml.safe_load((keeping.folder / "retention.yaml").read_text())["locations"]
    azure = locations["here"]["azure"] | {"account": f"http://127.0.0.1:{free_port()}/devstoreaccount1"}
    classes = yaml.safe_load((keeping.folder / "retention.yaml").read_text())["classes"]
    far = {"far": classes["special"] | {"location": "away", "where": {"kind": ["far"]}}}
    keeping.write(locations=locations | {"away": {"title": "away", "azure": azure}}, classes=far | classes)
    target_in_config(keeping, keeping.folder)
    settings.cache_clear()
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_TARGET_MAINTAIN", uri(keeping.stage.dsn))
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_ARCHIVE", connection(contained.sas))
    for command, found in (("find", f"usual {name} "), ("verify", "1 archives are as they were written, 0 are not")):
        assert main(["archive", command]) == 1
        said = capsys.readouterr()
        assert found in said.out and "far: the store could not be asked" in said.err
    assert main(["archive", "restore", name, "--into", "public.back"]) == 0
    assert "25 rows of" in capsys.readouterr().out
    assert main(["archive", "restore", "another", "--into", "public.other"]) == 1
    assert "the store could not be asked" in capsys.readouterr().err
    keeping.write(locations=locations, classes=classes)
    settings.cache_clear()
    assert main(["archive", "verify"]) == 0 and capsys.readouterr().err == ""


def connection(sas: str) -> str:
    """The Connection's environment variable."""
    return json.dumps({"conn_type": "wasb", "extra": {"sas_token": sas}})


@pytest.mark.guide("G67", "fires", "silent")
def test_check_says_what_a_credential_may(contained: Contained, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked of a blob that is not there, so that nothing is changed; a SAS that ends soon is told."""

    def rows(value: str) -> list[tuple[bool | None, str]]:
        monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_ARCHIVE", value)
        found = list(store_rows(contained.keeping.config))
        assert all("sig=" not in row.why.replace("sig=…", "") and row.guide == "G67" for row in found)
        return [(row.can, row.why) for row in found]

    bucket = contained.bucket
    month, tomorrow = bucket.sas(LEAST, 24 * 30), bucket.sas(LEAST, 24)
    assert rows(connection(month)) == rows(connection(f"?{month}")) == [(True, ""), (True, "")]
    (first, _), (second, _) = (rows(connection(tomorrow)), rows(connection(tomorrow)))
    assert first[0] and first[1].startswith("its SAS ends at") and second[0]
    for permissions, may in ((MOST, "delete and overwrite"), ("rcld", "delete"), ("rclw", "overwrite")):
        (answers, harmless) = rows(connection(bucket.sas(permissions, 24 * 30)))
        assert answers == (True, "") and harmless[0] is False
        assert f"may {may}, expected sp=rcl" in harmless[1]
        contained.sas = bucket.sas(permissions)
        assert findings(contained) == {"retention:usual:credential": Level.WARNING}
    contained.sas = bucket.sas(LEAST)
    assert findings(contained) == {} and bucket.names() == []
    for value, said in (
        (connection(bucket.sas(LEAST, -1)), "403 Authori"),
        (connection("sp=rcl"), "extra.sas_token: found no SAS"),
        (json.dumps({"conn_type": "wasb", "login": "a", "password": "the account's key"}), "sas_token: found no SAS"),
        (json.dumps({"conn_type": "http"}), "found type 'http', expected 'wasb'"),
    ):
        assert all(can is False and said in why for can, why in rows(value)), said
    monkeypatch.delenv("AIRFLOW_CONN_UPKEEP_ARCHIVE")
    assert all("found none in the environment" in row.why for row in store_rows(contained.keeping.config))
    contained.keeping.write(locations={"here": {"title": "here", "path": str(contained.keeping.places)}})
    assert list(store_rows(contained.keeping.config)) == []


MEGABYTES = 96
STREAMED = f"""
import os, sys
from upkeep.areas.retention.blob_store import BlobStore
from upkeep.wires.blobs import Container

def peak():
    with open("/proc/self/status") as said:  # of this program alone: ru_maxrss begins with what started it
        (line,) = (line for line in said if line.startswith("VmHWM:"))
    return int(line.split()[1]) // 1024

sas = sys.stdin.read()
store = BlobStore(Container(sys.argv[1], lambda: sas), "", "")
before = peak()
with store.create("big") as file:
    for _ in range({MEGABYTES}):
        file.write(os.urandom(1024**2))
if sys.argv[2] == "whole":
    assert len(store.read("big")) == {MEGABYTES} * 1024**2
else:
    with store.open("big") as file:
        assert file.seek(0, 2) == {MEGABYTES} * 1024**2
print(peak() - before)
"""


def test_memory_does_not_grow_with_an_object(contained: Contained) -> None:
    """Written and read in blocks: a process that does both with 96 MB of noise grows by less than a quarter of it.

    One that reads it whole is seen to grow by all of it.
    """
    assert grown(contained, "in blocks") < MEGABYTES / 4
    contained.bucket.client.delete_blob("records/big")
    assert grown(contained, "whole") >= MEGABYTES


def grown(contained: Contained, how: str) -> int:
    """By how many MB a process grows."""
    url = f"{contained.bucket.azurite.url}/{contained.bucket.name}"
    argv = [sys.executable, "-c", STREAMED, url, how]
    done = subprocess.run(argv, input=contained.sas, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)
