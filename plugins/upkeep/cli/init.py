"""``upkeep init DIR``: the DAG files and the commented config of a deployment, out of the package.

Airflow reads DAGs from folders and Git, not out of a wheel (apache/airflow#52474), and config is each deployment's own.
What is there stays, but for the generated schemas: after an upgrade it says which files are not this version's.
"""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from shlex import quote

from upkeep.settings.base import PACKAGE, ROOT, ConfigError

#: A wheel's folders hold these alone; beside a folder ``plugins/`` others' DAGs lie among ours.
DAGS = "dags/maintenance_*.py"
#: Made by a command, for editors: nobody's to edit.
GENERATED = "config/schema/*.json"
SHIPPED = (DAGS, "config/*.yaml", GENERATED)

NEXT = """
Next, for every Airflow process and for these commands:
  export UPKEEP_CONFIG={config}
Bring the files of {dags} to where your DAGs are: copy them there,
or name that folder as a further DAG bundle, or, where this Airflow has no other DAGs:
  export AIRFLOW__CORE__DAGS_FOLDER={dags}
Then, from section 3 of {docs}/install.md on:
  upkeep grants --help                  the roles in the databases
  the Connections in the environment:   those that {config}/maintenance.yaml names
  upkeep ledger upgrade                 the ledger's tables
  upkeep ledger keygen                  the key that signs what people decide: ledger.signing
  people and roles, who approves what:  {config}/maintenance.yaml
  upkeep check --print-identity         what pins the servers, in the same file
  airflow pools set upkeep_mutations 1 "one mutation at a time"
  upkeep check                          what is missing
The pages that findings and config name as docs/… are in {docs}."""


def run(arguments: argparse.Namespace) -> int:
    """Write what is missing. Returns 1 when a file is there with another content, else 0. Raises ConfigError."""
    folder = arguments.folder.resolve()
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"DIR: found {folder}, which is no folder; expected one, or a path where nothing is yet")
    files = [(source, folder / source.relative_to(ROOT)) for source in _shipped()]
    if inside := [place.parent for _, place in files if place.parent.resolve().is_relative_to(PACKAGE)]:
        raise ConfigError(
            f"DIR: found {inside[0]}, inside the package, which an upgrade replaces; expected another folder"
        )
    done = [(_put(source, place), source, place) for source, place in files]
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # all is written; where nobody reads on, it ends as `cat` does
    print("\n".join(f"{found:8}  {place}" for found, _, place in done))
    differ = [(source, place) for found, source, place in done if found == "kept"]
    if differ:
        print(f"\n{len(differ)} with another content than this version's, left as found. What differs:")
        print("\n".join(f"  diff {quote(str(place))} {quote(str(source))}" for source, place in differ))
    if gone := _gone(folder, [place for _, place in files]):
        print("\nDAG files that use Upkeep and are not this version's. Take away what an older version brought:")
        print("\n".join(f"  {place}" for place in gone))
    names = {"config": folder / "config", "dags": folder / "dags", "docs": ROOT / "docs"}
    print(NEXT.format(**{name: quote(str(place)) for name, place in names.items()}))
    return 1 if differ else 0


def _shipped() -> Iterator[Path]:
    """What this version brings. Raises ConfigError when it lies nowhere."""
    for pattern in SHIPPED:
        files = sorted(ROOT.glob(pattern))
        if not files:
            raise ConfigError(f"{ROOT / pattern}: found no such file, expected what Upkeep is shipped with")
        yield from files


def _gone(folder: Path, shipped: Sequence[Path]) -> list[Path]:
    """DAG files of ours by name and content that are not among those."""
    others = sorted(set(folder.glob(DAGS)) - set(shipped))
    return [place for place in others if place.is_file() and b"upkeep" in place.read_bytes()]


def _put(source: Path, place: Path) -> str:
    """Write a file where none is, or a generated one; say what was done. Raises ConfigError."""
    content = source.read_bytes()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(place):
            _write(place, content, os.link)
            return "written"
        if place.read_bytes() == content:
            return "the same"
        if not source.match(GENERATED):
            return "kept"
        _write(place, content, os.replace)
    except OSError as error:
        raise ConfigError(_said(error, place)) from None
    return "replaced"


def _write(place: Path, content: bytes, bring: Callable[[Path, Path], None]) -> None:
    """All of a file or nothing, under the umask; ``os.link`` overwrites nothing. Raises OSError."""
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        with beside.open("xb") as file:
            file.write(content)
        bring(beside, place)
    finally:
        beside.unlink(missing_ok=True)


def _said(error: OSError, place: Path) -> str:
    """What could not be written, and why."""
    found = place if place.parent.is_dir() else Path(error.filename or place)
    if found.is_symlink() and not found.exists():
        return f"{found}: found a link to {found.readlink()}, where nothing is; expected a file or folder there"
    return f"{found}: {error.strerror}; expected a file or folder that can be written"
