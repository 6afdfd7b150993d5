"""The SQL statements of ``include/sql``, by name: ``load("checks/connections")``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from upkeep.settings import ROOT

FOLDER = ROOT / "include" / "sql"


def path(name: str) -> Path:
    """The file behind a name. Raises FileNotFoundError naming the file when there is none."""
    file = FOLDER / f"{name}.sql"
    if not file.is_file():
        raise FileNotFoundError(f"no SQL statement {name!r}: expected the file include/sql/{name}.sql")
    return file


@cache
def load(name: str) -> str:
    """The text of one statement; each file holds one and opens with the reason for it."""
    return path(name).read_text(encoding="utf-8")
