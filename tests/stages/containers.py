"""A target whose archives go to a container of Azurite, through a wire that may be cut."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stages.azurite import Azurite, Bucket
from tests.stages.azurite import azurite as azurite  # noqa: PLC0414  # the fixture
from tests.stages.blob_wire import Wire, wire
from tests.stages.keeping import Keeping
from tests.stages.keeping import config as config  # noqa: PLC0414  # the fixture
from tests.stages.keeping import keeping as keeping  # noqa: PLC0414  # the fixture
from upkeep.areas.retention.blob_store import BlobStore
from upkeep.areas.retention.store import MANIFEST, OBJECT
from upkeep.areas.retention.stores import store_of
from upkeep.wires import blobs
from upkeep.wires.sas import credentials

#: A location's Connection, and another to the same container.
CONNECTION, OTHER = "upkeep_archive", "upkeep_other"


@dataclass
class Contained:
    """The target's log, the container as its owner sees it, and the wire between."""

    keeping: Keeping
    bucket: Bucket
    wire: Wire
    sas: str

    def set_up(self, **fields: Any) -> None:
        """Let archives of the target go to the container; other fields of its location's ``azure``."""
        azure = {"account": self.wire.url, "container": self.bucket.name, "prefix": "upkeep", "connection": CONNECTION}
        self.keeping.write(locations={"here": {"title": "here", "azure": azure | fields}})

    @property
    def store(self) -> BlobStore:
        """Where the archives of the class usual lie."""
        found = store_of(self.keeping.config.retention, self.keeping.stage.name, "usual")
        assert isinstance(found, BlobStore)
        return found

    def blob(self, ending: str, archive: str = "") -> str:
        """The whole name of the class's only archive's object or manifest, or of this archive's."""
        return self.store.blob(f"{archive or self.archive()}{ending}")

    def archive(self) -> str:
        """The class's only archive."""
        (name,) = self.store.names(MANIFEST)
        return name

    def archived(self, rows: int = 25) -> str:
        """So many due rows in an archive, by which they may be deleted, ten at a time; its name."""
        classes = yaml.safe_load((self.keeping.folder / "retention.yaml").read_text())["classes"]
        self.keeping.write(classes={name: one | {"delete": True} for name, one in classes.items()}, batch_rows=10)
        self.keeping.fill(rows, 120)
        assert [(one.state, one.reason) for one in self.keeping.apply("archive").values()] == [("done", "")]
        assert self.bucket.read(self.blob(OBJECT))
        return self.archive()


@pytest.fixture
def contained(keeping: Keeping, azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Contained]:
    """The target, and for this process the SAS that its Connection would hold."""
    monkeypatch.setattr(blobs, "PAUSE", 0.01)
    bucket = azurite.container(f"logs-{secrets.token_hex(4)}")
    with wire(azurite.url) as between:
        one = Contained(keeping, bucket, between, bucket.sas())
        one.set_up()
        with credentials(lambda name: {CONNECTION: one.sas, OTHER: one.sas}[name]):
            yield one


def flipped(content: bytes) -> bytes:
    """The same but for a bit in the middle."""
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def target_in_config(keeping: Keeping, folder: Path) -> None:
    """Name the target in maintenance.yaml, as commands read it."""
    content = yaml.safe_load((folder / "maintenance.yaml").read_text())
    content["targets"] = {keeping.stage.name: content["targets"]["primary"]}
    (folder / "maintenance.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
