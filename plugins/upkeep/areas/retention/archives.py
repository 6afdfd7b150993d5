"""What lies among the archives of a class: damage, files that are none, what was archived and deleted (G15, G67)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from upkeep.areas.retention.deletable import NAMED, unlike
from upkeep.areas.retention.reread import InArchiveTier, NotAsWritten, OtherVersion
from upkeep.areas.retention.restore import checked
from upkeep.areas.retention.rows import Column
from upkeep.areas.retention.store import BEGUN, DELETED, MANIFEST, OBJECT, VERSION, Store
from upkeep.areas.retention.stores import store_of
from upkeep.core.findings import Finding, Level, Topic
from upkeep.core.text import visible
from upkeep.core.units import listed
from upkeep.settings.load import Settings
from upkeep.settings.retention import GUIDE, LogClass
from upkeep.wires.blobs import BlobError

_EXPECTED = "each archive as it was written"


def topic_of(name: str, one: LogClass) -> Topic:
    """What findings of a class are about."""
    return Topic(f"retention:{name}", f"Retention of {name}: {one.table}", GUIDE[one.type])


def orphans(topic: Topic, name: str, store: Store) -> Iterator[Finding]:
    """What lies there without a manifest: a process that ended early, or somebody's hand."""
    found = store.orphans()
    torn = [one for one in found if store.has(one.removesuffix(OBJECT) + BEGUN)]
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


def stuck(topic: Topic, name: str, one: LogClass, store: Store, oid: int, found: Sequence[Column]) -> Iterator[Finding]:
    """Archives by which nothing will be deleted: of the table as it was once."""
    for archive in store.waiting() if one.delete else ():
        with suppress(OSError, ValueError, TypeError):  # ``damage`` says that
            if why := unlike(store.manifest(archive)[0], name, one, oid, found):
                about = topic.part(f"stuck:{archive}", f"Rows of {name} are archived and stay")
                remedy = "Nothing is deleted by it: a row is compared with its archive by all columns of both."
                yield about.finding(Level.ADVISORY, f"{archive}: {why}", "an archive of the table as it is", remedy)


def damage(config: Settings, target: str) -> Iterator[Finding]:
    """Those of the archives by which rows are to be deleted that are damaged, or that another version of Upkeep wrote.

    The bytes of each are read again by another process.

    Those of rows that were deleted long ago are read by ``archive verify``.
    """
    retention = config.retention
    for name, one in retention.classes.items():
        store = store_of(retention, target, name)
        if store is None or not one.delete:
            continue
        try:
            for archive in store.waiting():
                yield from _damage(topic_of(name, one), name, store, archive)
        except BlobError as why:
            yield unreached(topic_of(name, one), name, why)


def _damage(topic: Topic, name: str, store: Store, archive: str) -> Iterator[Finding]:
    begun = store.has(archive + BEGUN)
    try:
        version = checked(store, archive, copies=False)[0]["version"]
        if version != VERSION:
            yield _of_another_version(topic, name, archive, f"version {version}", begun)
    except OtherVersion as why:
        yield _of_another_version(topic, name, archive, str(why), begun)
    except InArchiveTier as why:
        about = topic.part(f"offline:{archive}", f"An archive of {name} cannot be read")
        remedy = "Nothing is deleted by it while it is so. Let the account's rule move archives after their deletion."
        yield about.finding(Level.UNKNOWN, visible(str(why)), _EXPECTED, remedy)
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


@dataclass(frozen=True)
class Tally:
    """Rows of a class: in archives and in their log, deleted, and left out of their deletion because they changed."""

    archived: int = 0
    deleted: int = 0
    kept: int = 0

    def __str__(self) -> str:
        parts = ((self.archived, "archived and in the log"), (self.deleted, "deleted"), (self.kept, "kept as changed"))
        return "".join(f", {number:,} {what}" for number, what in parts if number)


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
