"""How long a container is waited for and for what; what moves to another tier is the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from azure.storage.blob import StandardBlobTier

from tests.stages.azurite import LEAST
from tests.stages.azurite import azurite as azurite  # noqa: PLC0414  # the fixture
from tests.stages.blob_wire import CREEPS, DRIPS, HANGS, UNANSWERED, UNSENT, Asked, Said
from tests.stages.containers import Contained
from tests.stages.containers import config as config  # noqa: PLC0414  # the fixture
from tests.stages.containers import contained as contained  # noqa: PLC0414  # the fixture
from tests.stages.containers import keeping as keeping  # noqa: PLC0414  # the fixture
from tests.stages.parting import Parting
from tests.stages.sessions import to, until
from upkeep.areas.retention import delete, drop, restore
from upkeep.areas.retention.store import MANIFEST, OBJECT
from upkeep.gate.attempts import ObjectChanged
from upkeep.settings.values import TableName
from upkeep.wires import blobs, database
from upkeep.wires.blob_answers import BlobError
from upkeep.wires.net import deadline
from upkeep.wires.sas import credentials

pytestmark = pytest.mark.usefixtures("read_by_forks")


@contextmanager
def begun(contained: Contained, batches: int) -> Iterator[Iterator[str]]:
    """A deletion step by step, after so many of its batches."""
    keeping = contained.keeping
    (action,) = keeping.proposed("delete").plan.actions
    with database.standing(to(keeping.stage.dsn), keeping.stage.config.sql) as session:
        steps = delete.steps(session, action, {"deletion": "1"})
        for _ in range(batches + 2):
            next(steps)
        yield steps


@pytest.mark.guide("G67", "holds")
def test_a_batch_asks_for_no_bytes(contained: Contained) -> None:
    """Object and manifest by their ETags alone; one that was written again is read, and only then."""
    contained.archived(55)
    asked, manifest = contained.wire.asked, contained.blob(MANIFEST)
    beside = [("HEAD", contained.blob(OBJECT)), ("HEAD", manifest)]

    def requests() -> list[tuple[str, str]]:
        return [(one.method, one.path.partition(f"/{contained.bucket.name}/")[2]) for one in asked]

    with begun(contained, 1) as steps:
        for again in (False, True, False):
            if again:
                contained.bucket.write(manifest, contained.bucket.read(manifest))
            asked.clear()
            next(steps)
            assert requests() == [*beside, *([("GET", manifest)] if again else [])]
        contained.bucket.write(manifest, b"{}")
        with pytest.raises(ObjectChanged, match="manifest is not the one that was approved"):
            next(steps)
    assert contained.keeping.count() == 15


@pytest.mark.guide("G67", "holds")
def test_a_transaction_waits_three_seconds_for_all_that_it_asks(
    contained: Contained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first request has left is all that the second one gets: nothing, and it is not sent."""
    contained.archived(55)
    clock, moved = deadline.time.monotonic, [0.0]

    def slowly(asked: Asked) -> None:
        moved[0] += blobs.HASTE if asked.method == "HEAD" and asked.path.endswith(OBJECT) else 0

    with begun(contained, 1) as steps, monkeypatch.context() as patched:
        patched.setattr(deadline.time, "monotonic", lambda: clock() + moved[0])
        contained.wire.rules.append(slowly)
        contained.wire.asked.clear()
        with pytest.raises(ObjectChanged, match=r"^stopped: .*found no answer"):
            list(steps)
    assert {one.path.rpartition("/")[2].partition(".")[2] for one in contained.wire.asked} == {"parquet"}
    assert contained.keeping.count() == 45
    contained.wire.rules.clear()
    assert [one.state for one in contained.keeping.apply("delete").values()] == ["done"]


@pytest.mark.guide("G67", "holds")
def test_an_answer_that_creeps_holds_no_transaction(contained: Contained, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte of it comes in time, and the whole does not."""
    contained.archived(55)
    with begun(contained, 1) as steps, monkeypatch.context() as patched:
        patched.setattr(blobs, "HASTE", 0.2)
        contained.wire.always("HEAD", MANIFEST, CREEPS)
        with pytest.raises(ObjectChanged, match=r"^stopped: .*found no answer"):
            list(steps)
    assert contained.keeping.count() == 45


@pytest.mark.guide("G15", "G67", "holds")
def test_a_drop_is_tried_again_when_the_store_fails_once(contained: Contained) -> None:
    """Within its transaction, before anything is dropped: that one is rolled back, and the next one drops."""
    keeping = contained.keeping
    Parting(keeping)
    assert [one.state for one in keeping.apply("archive").values()] == ["done"]
    with begun(contained, 1) as steps:
        contained.wire.once("HEAD", OBJECT, Said(503, "ServerBusy"))
        contained.wire.asked.clear()
        assert list(steps) == ["25 rows deleted, 0 kept for they were changed since"]
    heads = [one for one in contained.wire.asked if one.method == "HEAD" and one.path.endswith(OBJECT)]
    assert len(heads) > 2 and keeping.count() == 7


@pytest.mark.guide("G15", "G67", "holds")
def test_all_looks_of_a_drop_have_three_seconds_together(contained: Contained, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first look takes the later ones have no more; what is done in between is not counted."""
    keeping = contained.keeping
    Parting(keeping)
    assert [one.state for one in keeping.apply("archive").values()] == ["done"]
    clock, moved, compare = deadline.time.monotonic, [0.0], drop._same_rows

    def slowly(asked: Asked) -> None:
        moved[0] += blobs.HASTE / 2 if asked.method == "HEAD" and asked.path.endswith(OBJECT) else 0

    def comparing(*given: object) -> None:
        moved[0] += blobs.HASTE
        compare(*given)  # type: ignore[arg-type]

    with begun(contained, 1) as steps, monkeypatch.context() as patched:
        patched.setattr(deadline.time, "monotonic", lambda: clock() + moved[0])
        patched.setattr(drop, "_same_rows", comparing)
        contained.wire.rules.append(slowly)
        contained.wire.asked.clear()
        with pytest.raises(ObjectChanged, match=r"^stopped: .*found no answer"):
            list(steps)
    objects = sum(one.method == "HEAD" and one.path.endswith(OBJECT) for one in contained.wire.asked)
    assert objects == 2 * blobs.ATTEMPTS  # two looks in each transaction
    assert keeping.count() == 32
    contained.wire.rules.clear()
    assert [one.state for one in keeping.apply("delete").values()] == ["done"] and keeping.count() == 7


@pytest.mark.guide("G67", "holds")
def test_another_tier_is_no_change(contained: Contained) -> None:
    """A rule moves object and manifest to Cool between two batches: the same bytes, and the deletion goes on."""
    contained.archived(55)
    with begun(contained, 1) as steps:
        for kind in (OBJECT, MANIFEST):
            contained.bucket.tier(contained.blob(kind), StandardBlobTier.COOL)
        assert len(list(steps)) == 5
    assert contained.keeping.count() == 0


@pytest.mark.guide("G67", "fires", "silent")
def test_a_manifest_that_is_offline_is_not_gone(contained: Contained) -> None:
    """Approved before: refused in these words, and done when it can be read."""
    keeping = contained.keeping
    contained.archived()
    stored = keeping.proposed("delete")
    contained.bucket.tier(contained.blob(MANIFEST), StandardBlobTier.ARCHIVE)
    (outcome,) = keeping.stage.applying(stored).run()
    assert (outcome.state, keeping.count()) == ("refused", 25)
    assert "its archive's manifest is not collected, it is in tier Archive" in outcome.reason
    contained.bucket.tier(contained.blob(MANIFEST), StandardBlobTier.HOT)
    assert [one.state for one in keeping.apply("delete").values()] == ["done"]


def test_a_restore_from_a_store_that_is_away_makes_no_table(contained: Contained) -> None:
    """It was there when the archive was read again; the bytes come before there is a table."""
    name, keeping, reads = contained.archived(), contained.keeping, 0

    def away(asked: Asked) -> str | None:
        nonlocal reads
        reads += asked.method == "GET" and asked.path.endswith(OBJECT)
        return UNSENT if reads > 1 else None

    contained.wire.rules.append(away)
    with database.standing(to(keeping.stage.dsn), keeping.stage.config.sql) as session:
        with pytest.raises(BlobError, match="found no answer"):
            restore.restore(session, contained.store, name, TableName("public", "back"))
        assert reads > 1
        assert keeping.stage.look("SELECT to_regclass('public.back') AS there") == [{"there": None}]
        contained.wire.rules.clear()
        assert restore.restore(session, contained.store, name, TableName("public", "back")) == 25


@pytest.mark.guide("G67", "holds")
def test_an_upload_has_a_time_for_all_of_it(contained: Contained, monkeypatch: pytest.MonkeyPatch) -> None:
    """All attempts together: of one that takes it up no other follows. What is there all the same counts."""
    sent = lambda: sum(one.method == "PUT" for one in contained.wire.asked)  # noqa: E731
    contained.wire.always("PUT", "one", HANGS)
    contained.wire.always("PUT", "two", HANGS)
    contained.wire.once("HEAD", "two", Said(200, "", _of_the_same_bytes()))
    with monkeypatch.context() as patched:
        patched.setattr(blobs, "BESIDES", 0.3)
        with pytest.raises(BlobError, match="too slow, expected 500,000 bytes/s"):
            contained.store.put("one", {})
        assert sent() == 1
        contained.store.put("two", {})
        assert sent() == 2
    contained.wire.rules.clear()
    contained.store.put("one", {})
    assert contained.store.record("one") == {}


@pytest.mark.guide("G67", "holds")
def test_an_answer_that_creeps_has_an_end_outside_of_transactions_too(
    contained: Contained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers or bytes: of a small file, of a large one, and of what is asked once an upload's time is over."""
    store = contained.store
    for name in ("small", "large"):
        store.put(name, {})
    for method, name, how in (
        ("HEAD", "small", CREEPS),
        ("GET", "small", DRIPS),
        ("GET", "large", DRIPS),
        ("PUT", "one", CREEPS),
        ("HEAD", "one", CREEPS),
    ):
        contained.wire.always(method, name, how)
    monkeypatch.setattr(blobs, "BESIDES", 0.3)
    monkeypatch.setattr(blobs, "PATIENCE", (0.2, 0.2))
    with pytest.raises(BlobError, match="too slow, expected 500,000 bytes/s"), store.open("large"):
        pass
    with pytest.raises(BlobError, match="too slow, expected 500,000 bytes/s"):
        store.put("one", {})
    monkeypatch.setattr(blobs, "WHOLE", 0.3)
    for ask in (store.has, store.read):
        with pytest.raises(BlobError, match="found no answer"):
            ask("small")


def _of_the_same_bytes() -> dict[str, str]:
    return {"ETag": '"1"', "Content-Length": "2", "Content-MD5": "mZFLkyvTelC5g8XnyQrpOw=="}


def test_connections_end_with_their_block(contained: Contained) -> None:
    """All stores of a block share them, and those of a store that is held longer end with it too."""
    sas = contained.bucket.sas(LEAST)
    before = set(contained.wire.connections)
    with credentials(lambda _: sas):
        stores = [contained.store for _ in range(4)]
        assert not any(store.has("nothing") for store in stores)
        assert len(contained.wire.connections - before) == 1
    until(lambda: not contained.wire.connections - before)
    assert stores


@pytest.mark.guide("G67", "holds")
def test_a_copy_is_asked_for_once(contained: Contained) -> None:
    """Whatever becomes of the answer: no line, none to what was done, a refusal of the one that is there."""
    name, bucket = contained.archived(), contained.bucket
    copy = f"{name}{OBJECT}.rehydrated"
    wire, pending = contained.wire, Said(202, "", {"x-ms-copy-status": "pending"})
    wire.once("PUT", copy, UNSENT)
    wire.once("PUT", copy, pending)
    assert "was asked for, as" in contained.store.ask_back(name + OBJECT)
    assert sum(one.method == "PUT" and one.path.endswith(copy) for one in wire.asked) == 2
    for lost in (UNANSWERED, Said(403, "UnauthorizedBlobOverwrite"), Said(412, "ConditionNotMet")):
        wire.once("HEAD", copy, Said(404, "BlobNotFound"))  # when it was looked for, before
        wire.once("PUT", copy, lost)
        wire.once("PUT", copy, Said(409, "BlobAlreadyExists"))
        bucket.write(contained.store.blob(copy), b"being copied")
        assert "was asked for, as" in contained.store.ask_back(name + OBJECT)
        bucket.client.delete_blob(contained.store.blob(copy))
        wire.rules.clear()
    wire.once("PUT", copy, Said(403, "AuthorizationPermissionMismatch"))
    with pytest.raises(BlobError, match="AuthorizationPermissionMismatch"):
        contained.store.ask_back(name + OBJECT)
