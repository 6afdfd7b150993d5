"""The two files of a checkout that npm is given, read with distrust: other people commit them."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upkeep.areas.patches.base import LOCK, MANIFEST, MOST_BYTES, NotRun, as_object

#: Versions of the lock file that list every package with its place.
LOCK_VERSIONS = (2, 3)


@dataclass(frozen=True)
class Files:
    """What npm is given, and what the lock says: package → version of the direct dependencies.

    ``direct`` are those dependencies whose versions a registry knows, ``flat`` is the manifest with all of them as
    plain ones: ``npm outdated`` leaves out others that are not installed. ``missing`` are direct dependencies that the
    lock does not hold, ``foreign`` packages from elsewhere than a registry (git, a file, a URL); npm's audit knows
    neither.
    """

    manifest: bytes
    lock: bytes
    flat: bytes
    locked: Mapping[str, str]
    direct: tuple[str, ...]
    missing: tuple[str, ...]
    foreign: tuple[str, ...]


def read_files(folder: Path) -> Files:
    """Read the two files of a checkout. Raises NotRun when npm could say nothing useful of them."""
    texts = {name: _bytes(folder / name) for name in (MANIFEST, LOCK)}
    manifest, lock = (as_object(name, text) for name, text in texts.items())
    version = lock.get("lockfileVersion")
    if version not in LOCK_VERSIONS or isinstance(version, bool):
        raise NotRun(
            f"{LOCK}: found lockfileVersion {version!r}, expected one of {list(LOCK_VERSIONS)}; "
            "npm install --package-lock-only with npm 7 or newer writes one"
        )
    packages = lock.get("packages")
    if not isinstance(packages, dict) or not all(isinstance(entry, dict) for entry in packages.values()):
        raise NotRun(f"{LOCK}: found no list of packages, expected one object for each under packages")
    wanted = {name for key in ("dependencies", "devDependencies") for name in _mapping(manifest, key)}
    direct = wanted | set(_mapping(manifest, "optionalDependencies"))
    entries = {name: packages[f"node_modules/{name}"] for name in direct if f"node_modules/{name}" in packages}
    foreign = {place.rpartition("node_modules/")[2] for place in packages if _foreign(packages, place)}
    return Files(
        texts[MANIFEST],
        texts[LOCK],
        flat=json.dumps(_flat(manifest)).encode(),
        locked={name: str(entry["version"]) for name, entry in entries.items() if "version" in entry},
        direct=tuple(sorted(direct - foreign)),
        missing=tuple(sorted(wanted - entries.keys())),
        foreign=tuple(sorted(foreign)),
    )


def _bytes(file: Path) -> bytes:
    """A regular file's content; not through a link, which could lead to anything that the tasks' user may read."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as opened:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise NotRun(f"{file} is no regular file")
            content = opened.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise NotRun(f"found no {file}") from None
    except OSError as error:
        raise NotRun(f"{file} cannot be read: {error.strerror} (links are not followed)") from None
    if len(content) > MOST_BYTES:
        raise NotRun(f"{file}: found more than {MOST_BYTES} bytes, expected at most that many")
    return content


def _flat(manifest: dict[str, Any]) -> dict[str, Any]:
    kinds = ("optionalDependencies", "devDependencies", "dependencies")
    every = {name: wanted for kind in kinds for name, wanted in _mapping(manifest, kind).items()}
    return {key: value for key, value in manifest.items() if key not in kinds} | {"dependencies": every}


def _mapping(manifest: dict[str, Any], key: str) -> dict[str, Any]:
    found = manifest.get(key, {})
    if not isinstance(found, dict):
        raise NotRun(f"{MANIFEST}: found {key} of type {type(found).__name__}, expected an object")
    return found


def _foreign(packages: dict[str, dict[str, Any]], place: str) -> bool:
    entry = packages[place]
    resolved = str(entry.get("resolved", ""))
    from_registry = not resolved or (resolved.startswith(("http://", "https://")) and "/-/" in resolved)
    return "node_modules/" in place and (bool(entry.get("link")) or not from_registry)
