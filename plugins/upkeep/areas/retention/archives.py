"""What lies among the archives of a class: damage, files that are none, what was archived and deleted (G15, G67)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from upkeep.areas.retention.deletable import NAMED
from upkeep.areas.retention.reread import InArchiveTier, NotAsWritten, OtherVersion
from upkeep.areas.retention.restore import checked
from upkeep.areas.retention.store import BEGUN, DELETED, MANIFEST, OBJECT, VERSION, Store
from upkeep.areas.retention.stores import store_of
from upkeep.core.findings import Finding, Level, Topic
from upkeep.core.text import visible
from upkeep.core.units import listed
from upkeep.settings.load import Settings
from upkeep.settings.retention import GUIDE, LogClass
from upkeep.wires.blob_answers import BlobError, Offline, Unreached

#: Archives by name, as their manifests say.
Manifests = Mapping[str, Mapping[str, Any]]
#: What stands for a manifest that is in tier Archive.
UNREAD: Mapping[str, Any] = {}
_EXPECTED = "each archive as it was written"


def topic_of(name: str, one: LogClass) -> Topic:
    """What findings of a class are about."""
    return Topic(f"retention:{name}", f"Retention of {name}: {one.table}", GUIDE[one.type])


def orphans(topic: Topic, name: str, store: Store) -> Iterator[Finding]:
    """What lies there without a manifest: a process that ended early, or somebody's hand."""
    found, begun = store.orphans(), set(store.names(BEGUN))
    torn = [one for one in found if one.removesuffix(OBJECT) in begun]
    if torn:
        about = topic.part("torn", f"Archives of {name} without their manifest, by which rows were deleted")
        remedy = "Bring the manifest back from the store's own versions or its backup: the rows are nowhere else."
        yield about.finding(Level.CRITICAL, visible(listed(torn, NAMED)), _EXPECTED, remedy)
    if rest := [one for one in found if one not in torn]:
        about = topic.part("orphans", f"Files of {name} that are no archive")
        remedy = "Its rows are archived anew. Remove it when nobody writes there; Upkeep deletes no file."
        yield about.finding(Level.ADVISORY, visible(listed(rest, NAMED)), "an archive with its manifest", remedy)


def harms(topic: Topic, name: str, one: LogClass, store: Store) -> Iterator[Finding]:
    """That what writes archives could take them away or overwrite them, which after a deletion are the only copy."""
    if one.deletable and (may := store.harms()):
        about = topic.part("credential", f"The credential of the store of {name}")
        remedy = "Give its Connection a SAS with sp=rcl alone (docs/archives.md)."
        yield about.finding(Level.WARNING, f"it may {' and '.join(may)}", "one that may read, create and list", remedy)


def stuck(topic: Topic, name: str, why: Mapping[str, str]) -> Iterator[Finding]:
    """Archives by which nothing will be deleted, and why: of the table, or its partition, as it was once."""
    for archive, said in why.items():
        if said:
            about = topic.part(f"stuck:{archive}", f"Rows of {name} are archived and stay")
            remedy = "Nothing is deleted by it: a row is compared with its archive by all columns of both."
            yield about.finding(Level.ADVISORY, f"{archive}: {said}", "an archive of the table as it is", remedy)


@dataclass(frozen=True)
class Tally:
    """Rows of a class: in archives and in their log, deleted, and left out of their deletion because they changed."""

    archived: int = 0
    deleted: int = 0
    kept: int = 0

    def __str__(self) -> str:
        parts = ((self.archived, "archived and in the log"), (self.deleted, "deleted"), (self.kept, "kept as changed"))
        return "".join(f", {number:,} {what}" for number, what in parts if number)


@dataclass(frozen=True)
class Seen:
    """What a class's store says beside its archives' bytes; ``waiting`` are manifests of rows that may be deleted."""

    tally: Tally = Tally()
    findings: tuple[Finding, ...] = ()
    waiting: Manifests = field(default_factory=dict)


def seen(config: Settings, target: str) -> dict[str, Seen]:
    """What each class's store says. It is asked while no session is open, which would not wait for it."""
    found = {}
    for name, one in config.retention.classes.items():
        if (store := store_of(config.retention, target, name)) is not None:
            found[name] = _seen(topic_of(name, one), name, one, store)
    return found


def _seen(topic: Topic, name: str, one: LogClass, store: Store) -> Seen:
    """What it says as long as it answers; what was found before counts all the same."""
    done, waiting = Tally(), {}
    found: list[Finding] = []
    try:
        found += orphans(topic, name, store)
        found += harms(topic, name, one, store)
        done = tally(store)
        for archive in store.waiting() if one.delete else ():
            with suppress(OSError, ValueError, TypeError):  # ``damage`` says that
                waiting[archive] = store.manifest(archive)[0]
    except BlobError as why:
        found.append(unreached(topic, name, why))
    return Seen(done, tuple(found), waiting)


def damage(config: Settings, target: str) -> Iterator[Finding]:
    """Those of the archives by which rows are to be deleted that are damaged, or that another version of Upkeep wrote;
    and of all whose rows are in their log those whose manifest is offline.

    The bytes of each are read again by another process.

    Those of rows that were deleted long ago are read by ``archive verify``.
    """
    retention = config.retention
    for name, one in retention.classes.items():
        store = store_of(retention, target, name)
        if store is None or not one.deletable:
            continue
        topic, look = topic_of(name, one), _damage if one.delete else _offline
        try:
            for archive in store.waiting():
                try:
                    yield from look(topic, name, store, archive)
                except Unreached:
                    raise
                except BlobError as why:
                    yield _unread(topic.part(f"unread:{archive}", f"An archive of {name} was not read"), str(why))
        except BlobError as why:
            yield unreached(topic, name, why)


def _unread(about: Topic, why: str) -> Finding:
    remedy = "Nothing is deleted by it meanwhile, and its rows are not archived anew. It is not damaged."
    return about.finding(Level.UNKNOWN, visible(f"not collected: {why}"), _EXPECTED, remedy)


def _offline(topic: Topic, name: str, store: Store, archive: str) -> Iterator[Finding]:
    """That a manifest is in tier Archive; of an archive by which nothing is deleted no more is asked."""
    with suppress(OSError, ValueError, TypeError):
        try:
            store.manifest(archive)
        except Offline as why:
            yield _in_tier_archive(topic, name, archive, str(why))


def _in_tier_archive(topic: Topic, name: str, archive: str, why: str) -> Finding:
    about = topic.part(f"offline:{archive}", f"An archive of {name} cannot be read")
    remedy = "Nothing is deleted by it, and its rows are not archived anew; `archive restore` asks for it back."
    remedy += " Let the account's rule move objects alone, after their deletion (docs/archives.md)."
    return about.finding(Level.UNKNOWN, visible(f"{archive}: {why}"), _EXPECTED, remedy)


def _damage(topic: Topic, name: str, store: Store, archive: str) -> Iterator[Finding]:
    begun = store.has(archive + BEGUN)
    try:
        version = checked(store, archive, copies=False)[0]["version"]
        if version != VERSION:
            yield _of_another_version(topic, name, archive, f"version {version}", begun)
    except OtherVersion as why:
        yield _of_another_version(topic, name, archive, str(why), begun)
    except InArchiveTier as why:
        yield _in_tier_archive(topic, name, archive, str(why))
    except NotAsWritten as why:
        about = topic.part(f"damaged:{archive}", f"An archive of {name} is damaged")
        lost = "Rows that were deleted by it are nowhere else: bring it back from the store's own versions."
        anew = "No row was deleted by it; they are archived anew. Ask what the store did to it."
        level = Level.CRITICAL if begun else Level.WARNING
        yield about.finding(level, visible(str(why)), _EXPECTED, lost if begun else anew)


def unreached(topic: Topic, name: str, why: BlobError) -> Finding:
    """That the archives of a class could not be looked at."""
    about = topic.part("store", f"The store of the archives of {name}")
    remedy = "`python -m upkeep check` says what the store answers. What is archived there is as it was."
    return about.finding(Level.UNKNOWN, visible(f"not collected: {why}"), "a store that answers", remedy)


def _of_another_version(topic: Topic, name: str, archive: str, why: str, begun: bool) -> Finding:
    about = topic.part(f"version:{archive}", f"Another version of Upkeep wrote an archive of {name}")
    gone = " Rows that were deleted by it are in it alone: keep it." if begun else ""
    remedy = f"It is not damaged. Nothing is deleted by it; rows that are in the log still are archived anew.{gone}"
    return about.finding(Level.ADVISORY, visible(f"{archive}: {why}"), f"version {VERSION}", remedy)


def tally(store: Store) -> Tally:
    """What manifests and the records beside them say."""
    archived = deleted = kept = 0
    for name in store.names(MANIFEST):
        with suppress(OSError, ValueError, TypeError, KeyError):
            rows, record = store.manifest(name)[0]["content"]["rows"], store.record(name + DELETED)
            archived += 0 if record else rows
            deleted += rows - record["kept"] if record else 0
            kept += record["kept"] if record else 0
    return Tally(archived, deleted, kept)


def manifests(one: LogClass, store: Store) -> Manifests:
    """The archives that rows of a class need not go into again: those that are there, and read again where by them
    rows would be deleted. One whose rows were deleted holds none that are in the log still. Of one whose manifest is in
    tier Archive it is UNREAD.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for name in store.waiting():
        # That no process can be started to read one again must not make it count as none.
        with suppress(*((NotAsWritten,) if one.delete else (OSError, ValueError, TypeError))):
            try:
                found[name] = (checked(store, name, (VERSION,), copies=False) if one.delete else store.manifest(name))[
                    0
                ]
            except (InArchiveTier, Offline):
                found[name] = _said(store, name)
    return found


def _said(store: Store, name: str) -> Mapping[str, Any]:
    try:
        return store.manifest(name)[0]
    except Offline:
        return UNREAD


def kept_before(store: Store) -> int | None:
    """How many days the class was kept when rows of it were last archived; None when that is not known."""
    found = []
    for name in store.names(MANIFEST):
        with suppress(OSError, ValueError, TypeError, KeyError):
            manifest = store.manifest(name)[0]
            found.append((str(manifest["written"]), int(manifest["days"])))
    return max(found)[1] if found else None
