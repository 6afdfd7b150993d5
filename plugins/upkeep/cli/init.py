"""``upkeep init DIR``: the DAG files and the commented config of a deployment, out of the package.

Airflow reads DAGs from folders and Git, not out of a wheel (apache/airflow#52474), and config is each deployment's own.
What is there stays: after an upgrade it says which files are not this version's.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from upkeep.settings.base import PACKAGE, ROOT, ConfigError

#: A wheel's folders hold these alone; beside a folder ``plugins/`` others' DAGs lie among ours.
SHIPPED = ("dags/maintenance_*.py", "config/*.yaml", "config/schema/*.json")

NEXT = """
Next, for every Airflow process and for these commands:
  export UPKEEP_CONFIG={config}
  export AIRFLOW__CORE__DAGS_FOLDER={dags}   # or a DAG bundle with these files
  the Connections that {config}/maintenance.yaml names; `upkeep grants --help` for the roles behind them
  upkeep ledger upgrade
  upkeep check"""


def run(arguments: argparse.Namespace) -> int:
    """Write what is missing. Returns 1 when a file is there with another content, else 0. Raises ConfigError."""
    folder = arguments.folder.resolve()
    if folder.is_relative_to(PACKAGE):
        raise ConfigError(
            f"DIR: found {folder}, inside the package, which an upgrade replaces; expected another folder"
        )
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"DIR: found {folder}, which is no folder; expected one, or a path where nothing is yet")
    differ = []
    try:
        for source in _shipped():
            place = folder / source.relative_to(ROOT)
            found = _put(source, place)
            print(f"{found:8}  {place}")
            differ += [(source, place)] if found == "kept" else []
    except OSError as error:
        raise ConfigError(
            f"{error.filename}: {error.strerror}; expected a file or folder that can be written"
        ) from None
    if differ:
        print(f"\n{len(differ)} with another content than this version's, left as found. What differs:")
        print("\n".join(f"  diff {quote(str(place))} {quote(str(source))}" for source, place in differ))
    print(NEXT.format(config=quote(str(folder / "config")), dags=quote(str(folder / "dags"))))
    return 1 if differ else 0


def _shipped() -> Iterator[Path]:
    """What this version brings. Raises ConfigError when it lies nowhere."""
    for pattern in SHIPPED:
        files = sorted(ROOT.glob(pattern))
        if not files:
            raise ConfigError(f"{ROOT / pattern}: found no such file, expected what Upkeep is shipped with")
        yield from files


def _put(source: Path, place: Path) -> str:
    """Write a file where none is; say what was done."""
    content = source.read_bytes()
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        with place.open("xb") as file:
            file.write(content)
    except FileExistsError:
        return "the same" if place.read_bytes() == content else "kept"
    return "written"
