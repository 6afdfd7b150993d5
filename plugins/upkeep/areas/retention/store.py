"""Where archives lie: objects that are created once, never overwritten and never deleted, by whichever store.

The manifest is written last; an object without one is an orphan. What a store does is here, how it does it beside:
``local_store`` and ``blob_store``.
"""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from io import BufferedIOBase
from typing import IO, Any, NamedTuple

from upkeep.wires.blob_answers import Offline as BlobOffline

OBJECT, MANIFEST = ".parquet", ".manifest.json"
#: How objects and manifests are written.
VERSION = 2
#: The versions that are read, with a column of the object that is none of the log's: once the md5 of each row.
READ_VERSIONS = {1: "upkeep_row_md5", VERSION: ""}
#: Beside a manifest: the deletion of its rows from the log has begun; it is over.
BEGUN, DELETED = ".deleting.json", ".deleted.json"
#: What is beside a manifest when it is not known.
NOTHING: Mapping[str, Any] = {"manifest": "", "deleted": {}, "offline": ""}
#: An archive's name: its month, and what makes it unlike any other.
_NAME = re.compile(r"\d{4}-\d\d_\w+", re.ASCII)


class Offline(NamedTuple):
    """An object whose bytes cannot be read now: what its store says of them all the same, ``md5`` in base64."""

    size: int
    md5: str
    tier: str


class Store(ABC):
    """The archives of one target's class.

    Of an object that is there or is not, or cannot be read, an OSError says so; of a store that cannot be asked at all
    a BlobError, which is none. Of one that is offline an error that is both, ``blob_answers.Offline``.
    """

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it is, in words for people."""

    @abstractmethod
    def create(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """A file to write, which is there under its name when the block ends well. Raises FileExistsError, OSError."""

    @abstractmethod
    def open(self, name: str) -> AbstractContextManager[BufferedIOBase]:
        """An object's bytes, as a file to read from anywhere in it. Raises OSError."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """A small object's bytes. Raises FileNotFoundError, OSError."""

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether there is such an object. Raises OSError."""

    @abstractmethod
    def marks(self, name: str) -> tuple[object, ...]:
        """What changes with an object's bytes. Raises FileNotFoundError, OSError; ``blob_answers.Offline`` is one."""

    def version(self, name: str) -> object:
        """What is another one once a small object was written again; its bytes' SHA-256 where nothing less says it.

        Raises FileNotFoundError, OSError.
        """
        return hashlib.sha256(self.read(name)).hexdigest()

    @abstractmethod
    def everything(self) -> list[str]:
        """The names of what lies there. Raises OSError."""

    @abstractmethod
    def unfinished(self) -> list[str]:
        """What writers that ended early left there. Raises OSError."""

    @abstractmethod
    def source(self, name: str) -> tuple[str, str]:
        """Where another process reads an object, and by which credential; empty where it needs none."""

    def brisk(self) -> Store:
        """The same, which gives up in seconds where it is not answered: for what a transaction waits for."""
        return self

    def harms(self) -> list[str]:
        """What its credential may do beyond reading, creating and listing, as far as it can be asked."""
        return []

    def offline(self, name: str) -> Offline | None:
        """What is known of an object that cannot be read now; None of one that can. Raises OSError."""
        return None

    def copied(self, name: str) -> bool:
        """Whether an object that is ``offline`` has a copy that can be read: ``open`` and ``source`` then give it."""
        return False

    def ask_back(self, name: str) -> str:
        """Ask for an object that is ``offline``; what became of it, in words. Raises OSError."""
        raise NotImplementedError

    def put(self, name: str, content: dict[str, Any]) -> None:
        """A small JSON file, created once."""
        with self.create(name) as file:
            file.write(json.dumps(content, indent=1, sort_keys=True).encode())

    def names(self, ending: str) -> list[str]:
        """The objects of a sort, without the ending, the oldest first; whoever writes there gives other names too, and
        those are no archives.
        """
        return _names(self.everything(), ending)

    def manifest(self, name: str) -> tuple[dict[str, Any], str]:
        """A manifest and its SHA-256. Raises OSError, ValueError."""
        raw = self.read(name + MANIFEST)
        found = json.loads(raw)
        if not isinstance(found, dict):
            raise TypeError(f"found {name + MANIFEST} that is no manifest")
        return found, hashlib.sha256(raw).hexdigest()

    def manifest_sha256(self, name: str) -> str:
        """A manifest's SHA-256, whatever it says. Raises OSError."""
        return hashlib.sha256(self.read(name + MANIFEST)).hexdigest()

    def record(self, name: str) -> dict[str, Any]:
        """What a small JSON file says, empty when there is none. Raises OSError, ValueError."""
        try:
            found = json.loads(self.read(name))
        except FileNotFoundError:
            return {}
        return found if isinstance(found, dict) else {}

    def beside(self, name: str) -> dict[str, Any]:
        """A manifest's SHA-256, what was said beside it of its rows' deletion, and that one of both is offline."""
        found = dict(NOTHING)
        try:
            found["deleted"] = self.record(name + DELETED)
            found["manifest"] = self.manifest_sha256(name)
        except BlobOffline as why:
            found["offline"] = f"its archive's manifest is not collected, it is in tier Archive: {why}"
        except (OSError, ValueError):
            pass
        return found

    def waiting(self) -> list[str]:
        """The archives whose rows have not all been deleted from their log."""
        found = self.everything()
        return [name for name in _names(found, MANIFEST) if name + DELETED not in set(found)]

    def orphans(self) -> list[str]:
        """What no manifest names: an archive that was not finished, or whose manifest was taken away."""
        found = self.everything()
        known = {name + OBJECT for name in _names(found, MANIFEST)}
        lost = (name + OBJECT for name in _names(found, OBJECT) if name + OBJECT not in known)
        return sorted([*self.unfinished(), *lost])


def _names(found: list[str], ending: str) -> list[str]:
    names = [name.removesuffix(ending) for name in found if name.endswith(ending)]
    return sorted(name for name in names if ending != MANIFEST or _NAME.fullmatch(name))
