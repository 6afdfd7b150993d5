"""What a deletion rests on while it runs: the approved manifest, its object read again, and a policy that lets it.

The whole object is read by another process at the beginning. Before each batch commits, in its transaction, everything
that may have changed since is looked at again; the object's bytes are hashed once more at the end.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from upkeep.areas.retention import rows
from upkeep.areas.retention.deletable import unlike, why_kept
from upkeep.areas.retention.look import asked
from upkeep.areas.retention.reread import NotAsWritten, OtherVersion
from upkeep.areas.retention.restore import checked
from upkeep.areas.retention.rows import Column, Period
from upkeep.areas.retention.store import MANIFEST, OBJECT, VERSION, Store
from upkeep.gate.attempts import ObjectChanged
from upkeep.settings.read import read
from upkeep.settings.retention import Retention
from upkeep.wires.database import Row, Session


@dataclass
class Proof:
    """The archive ``name`` of a period, approved by its manifest's SHA-256; ``policy`` is the file of the retention.

    ``oid`` and ``shape`` are the table's and its class's when that was approved.
    """

    store: Store
    name: str
    sha256: str
    period: Period
    oid: int
    shape: str
    policy: Path
    retention: Retention = field(init=False)
    manifest: dict[str, Any] = field(init=False)
    columns: list[Column] = field(init=False)
    _seen: tuple[object, ...] = ()
    _version: object = None
    _policy_text: bytes = b""
    _table: Row = field(init=False)

    def __post_init__(self) -> None:
        self._reread_policy()

    def read_again(self) -> None:
        """Read the whole archive in another process. Raises NotAsWritten, ObjectChanged."""
        self._seen = self._marks(self.store)  # before the bytes are read: what changes while they are is seen too
        try:
            self.manifest, sha256 = checked(self.store, self.name, (VERSION,), copies=False)
        except OtherVersion as why:
            raise ObjectChanged(f"nothing is deleted by it: {why}") from None
        self._same_manifest(sha256)

    def same_bytes(self, file: BufferedIOBase) -> None:
        """That a file holds the bytes that were read again: rows are named by it. Raises NotAsWritten, OSError."""
        if hashlib.file_digest(file, "sha256").hexdigest() != self.manifest["content"]["sha256"]:
            raise NotAsWritten(f"{self.name + OBJECT}: it was read again with other bytes")
        file.seek(0)

    def hash_again(self) -> None:
        """Hash the object once more. Raises NotAsWritten, OSError."""
        with self.store.open(self.name + OBJECT) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.manifest["content"]["sha256"]:
            raise NotAsWritten(f"{self.name + OBJECT}: its bytes were changed while rows were deleted")

    def still_holds(self, session: Session, now: datetime, store: Store | None = None) -> None:
        """Everything but the object's bytes. Raises NotAsWritten, ObjectChanged, ConfigError, OSError, BlobError.

        A transaction waits for it: the store is asked in haste, and for no more than it must say. One transaction that
        looks several times gives one ``brisk`` store, whose time is for all of them.
        """
        store = store or self.store.brisk()
        if self._marks(store) != self._seen:
            raise NotAsWritten(f"{self.name + OBJECT}: it was changed while rows were deleted")
        if (version := store.version(self.name + MANIFEST)) != self._version:
            self._same_manifest(store.manifest_sha256(self.name))
            self._version = version  # of before it was read
        self._reread_policy()
        if self.period.name not in self.retention.classes:
            raise ObjectChanged("its class is no longer in config/retention.yaml")
        one = self.retention.classes[self.period.name]
        row = next(iter(session.rows(session.load("retention/table"), asked(one))), None)
        self.columns = rows.columns(session, row["oid"]) if row else []
        if row is None or (row["oid"], rows.shape(one.table, self.columns, self.retention, self.period.name)) != (
            self.oid,
            self.shape,
        ):
            raise ObjectChanged("the table, or its class in config/retention.yaml, was changed since the plan")
        self._table = row
        why = unlike(self.manifest, self.period.name, one, row["oid"], self.columns)
        if why := why or why_kept(self.retention, self.period, row, now):
            raise ObjectChanged(why)

    def policy_still_holds(self, now: datetime) -> None:
        """The policy and its legal holds alone, which ask no store and no server. Raises ObjectChanged, ConfigError."""
        self._reread_policy()
        one = self.retention.classes.get(self.period.name)
        if one is None:
            raise ObjectChanged("its class is no longer in config/retention.yaml")
        if rows.shape(one.table, self.columns, self.retention, self.period.name) != self.shape:
            raise ObjectChanged("its class in config/retention.yaml, or one that keeps its rows longer, was changed")
        if why := why_kept(self.retention, self.period, self._table, now):
            raise ObjectChanged(why)

    def _marks(self, store: Store) -> tuple[object, ...]:
        """What changes with the object's bytes. Raises NotAsWritten when it is gone, Offline when it is offline."""
        try:
            return store.marks(self.name + OBJECT)
        except FileNotFoundError:
            raise NotAsWritten(f"{self.name + OBJECT}: it is gone") from None

    def _same_manifest(self, sha256: str) -> None:
        if sha256 != self.sha256:
            raise ObjectChanged("its archive's manifest is not the one that was approved")

    def _reread_policy(self) -> None:
        text = self.policy.read_bytes()
        if text != self._policy_text:
            self.retention, self._policy_text = read(self.policy, Retention), text
