"""Archives and deletions that prove less than ours, which the trials must not let pass."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from io import BufferedIOBase
from typing import Any
from unittest.mock import patch

from upkeep.areas.retention import archive, batches, delete, drop, reread
from upkeep.areas.retention.proof import Proof
from upkeep.areas.retention.reread import NotAsWritten
from upkeep.areas.retention.store import DELETED, MANIFEST, OBJECT, Store
from upkeep.gate.attempts import ObjectChanged
from upkeep.gate.kind import ActionKind
from upkeep.gate.plans.model import Action
from upkeep.settings.calendar import config_folder
from upkeep.wires.database import Session


class Careless(Proof):
    """A proof that proves nothing: it knows the manifest and looks at nothing again."""

    def read_again(self) -> None:
        """Believe the manifest."""
        self.manifest = self.store.manifest(self.name)[0]

    def same_bytes(self, file: BufferedIOBase) -> None:
        """Believe them."""

    def still_holds(self, session: Session, now: datetime, store: Store | None = None) -> None:
        """Believe it still."""
        found = session.row("SELECT 'public.log'::regclass::oid::bigint AS oid")
        self.columns = delete.rows.columns(session, found["oid"])


class Forgetful(Proof):
    """A proof that reads the archive's bytes once, and believes from then on what it remembers of them."""

    def same_bytes(self, file: BufferedIOBase) -> None:
        """Believe them."""

    def hash_again(self) -> None:
        """Believe them still."""

    def _marks(self, store: Store) -> tuple[object, ...]:
        return self._seen or super()._marks(store)


def deletes_by(kind: type[Proof]) -> ActionKind:
    """A broken variant of the deletion, by a proof that proves less."""

    def steps(session: Session, action: Action, before: Mapping[str, Any]) -> Generator[str, None, None]:
        deletion = delete.parse(action.statement)
        store = delete.store_of(delete.policy(), deletion.target, deletion.period.name)
        assert store
        given = (store, deletion.name, deletion.sha256, deletion.period, action.oid, action.shape)
        proof = kind(*given, config_folder() / "retention.yaml")
        count = batches.Count()
        try:
            proof.read_again()
            for count in batches.deleting(session, proof):
                yield str(count)
            proof.hash_again()
        except NotAsWritten as why:
            raise ObjectChanged(str(why)) from None
        store.put(deletion.name + DELETED, {"deletion": before["deletion"], "kept": count.kept})

    return replace(delete.ACTION_KIND, steps=steps)


def _believes(session: Session, action: Action, before: Mapping[str, Any]) -> None:
    """Archive without reading back: the manifest says what was in memory when the object was written.

    The other process reads all the same, which is when the object may be hurt, and nobody listens.
    """
    target, period = archive.parse(action.statement)
    store = archive.store_of(archive.policy(), target, period.name)
    assert store
    name = str(before["object"])
    exported = archive.export(session, action, archive.policy(), period, store, name)
    raw = store.read(name + OBJECT)
    with suppress(NotAsWritten):
        reread.read(store, name + OBJECT)
    remembered = {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    content = exported["content"] | remembered | {"columns": [one["name"] for one in exported["columns"]]}
    store.put(name + MANIFEST, exported | {"target": target, "content": content})


def _drops_uncompared(session: Session, action: Action, before: Mapping[str, Any]) -> Generator[str, None, None]:
    """Drop a partition by its archive without comparing the rows that it has by now; in a process of its own."""
    with patch.object(drop, "_same_rows", lambda *_: None):
        yield from delete.steps(session, action, before)


#: Kinds by name, for a process of its own is given no function; what runs by default, and what must be caught.
VARIANTS = {
    "sound": delete.ACTION_KIND,
    "deletes before it verifies": deletes_by(Careless),
    "verifies from memory": deletes_by(Forgetful),
    "drops what it did not compare": replace(delete.ACTION_KIND, steps=_drops_uncompared),
    "does not read back": replace(archive.ACTION_KIND, run=_believes),
}
