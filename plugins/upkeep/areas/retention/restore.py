"""An archive back into a table of its own: its columns and types, and the rows as COPY wrote them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any

import pyarrow.csv as pa_csv
from psycopg import sql

from upkeep.areas.retention import reading, reread, rows
from upkeep.areas.retention.rows import Column
from upkeep.areas.retention.store import MANIFEST, OBJECT, READ_VERSIONS, VERSION, Store
from upkeep.areas.retention.store import Offline as OfflineObject
from upkeep.settings.values import TableName
from upkeep.wires.blob_answers import Offline
from upkeep.wires.database import Session


def checked(
    store: Store, name: str, versions: Collection[int] = READ_VERSIONS, *, copies: bool = True
) -> tuple[dict[str, Any], str]:
    """An archive's manifest and that one's SHA-256, its object read again, or with ``copies`` a copy of it.

    Raises NotAsWritten, OtherVersion, InArchiveTier, BlobError.
    """
    path = name + OBJECT
    try:
        manifest, sha256 = store.manifest(name)
    except Offline as why:
        raise reread.InArchiveTier(f"{name + MANIFEST}: not collected, it is in tier Archive: {why}") from None
    except (OSError, ValueError, TypeError) as why:
        raise reread.NotAsWritten(f"{name + MANIFEST}: {type(why).__name__}: {why}") from None
    try:
        expected = {key: manifest["content"][key] for key in reread.CONTENT}
        columns = [str(one["name"]) for one in manifest["columns"]]
        version = manifest["version"]
        is_read = version in versions
    except (TypeError, KeyError) as why:
        raise reread.NotAsWritten(f"{name + MANIFEST}: {type(why).__name__}: {why}") from None
    if not is_read:
        known = " or ".join(str(one) for one in versions)
        raise reread.OtherVersion(
            f"{name}: another version of Upkeep wrote it (found version {version}, expected {known})"
        )
    without = READ_VERSIONS[version]
    try:
        offline = store.offline(path)
        if offline and not (copies and store.copied(path)):
            raise reread.InArchiveTier(_offline(path, offline, manifest["content"]))
    except OSError as why:
        raise reread.NotAsWritten(f"{path}: {type(why).__name__}: {why}") from None
    found = reread.read(store, path, without)  # that no process can be started says nothing of an archive
    reread.compare(found, expected, path)
    columns += [without] if without else []
    if found["columns"] != columns:  # by their names rows are told; another column could be called the key
        raise reread.NotAsWritten(f"{path}: found columns {found['columns']}, expected {columns}")
    return manifest, sha256


def _offline(path: str, offline: OfflineObject, content: dict[str, Any]) -> str:
    """What is said of an object that cannot be read. Raises NotAsWritten when already its store says something else."""
    expected = {key: value for key, value in content.items() if key in ("bytes", "md5")}
    if not offline.md5:
        expected.pop("md5", None)
    reread.compare({"bytes": offline.size, "md5": offline.md5}, expected, path)
    known = "bytes and MD5" if "md5" in expected else "bytes (no MD5 is known)"
    return f"{path}: content not collected, it is in tier {offline.tier}; {known} are the manifest's"


def sound(store: Store) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The archives of this version that are as they were written, with rows in their log: name, manifest, SHA-256."""
    for name in store.waiting():
        with suppress(reread.NotAsWritten):
            yield name, *checked(store, name, (VERSION,), copies=False)


def restore(session: Session, store: Store, name: str, into: TableName) -> int:
    """Create the table, fill it, and compare the server's digest of it with the manifest; how many rows.

    The session's transaction holds all of it: what does not compare is not there. Raises NotAsWritten, psycopg.Error.
    """
    session.rows(session.load("retention/no_time_limit"))  # a store may take its time
    manifest, _ = checked(store, name)
    found = [Column(one["name"], one["type"], plain=False, by_cast=False, key=False) for one in manifest["columns"]]
    for column in found:
        if not session.row(session.load("retention/type_known"), {"type": column.type})["known"]:
            raise reread.NotAsWritten(f"{name}: column {column.name} is of type {column.type}, which is not there")
    with store.open(name + OBJECT) as file:  # its bytes are here before there is a table
        _create(session, found, into)
        _fill(session, reading.batches(file, READ_VERSIONS[manifest["version"]]), into)
    again = rows.server_digest(session, rows.export(session, into, found, sql.SQL("true")), len(found))
    expected = {key: manifest["content"][key] for key in ("rows", "high", "low")}
    reread.compare(again, expected, name + OBJECT)
    return int(again["rows"])


def _create(session: Session, columns: list[Column], into: TableName) -> None:
    typed = [sql.SQL("{} {}").format(sql.Identifier(one.name), sql.SQL(one.type)) for one in columns]
    create = sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(*into), sql.SQL(", ").join(typed))
    session.rows(create.as_string(session.connection))
    protect = sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(sql.Identifier(*into))
    session.rows(protect.as_string(session.connection))  # a platform may let everybody read what is new in a schema


def _fill(session: Session, batches: Iterator[Any], into: TableName) -> None:
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(sql.Identifier(*into))
    options = pa_csv.WriteOptions(include_header=False, quoting_style="all_valid")
    with session.connection.cursor() as cursor, cursor.copy(statement) as copy:
        for batch in batches:
            pa_csv.write_csv(batch, _Sink(copy), options)


class _Sink:
    """COPY as a file that Arrow writes."""

    closed = False

    def __init__(self, copy: Any) -> None:
        self.copy = copy

    def write(self, block: Any) -> int:
        octets = bytes(block)
        self.copy.write(octets)
        return len(octets)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """The copy ends with its block."""
