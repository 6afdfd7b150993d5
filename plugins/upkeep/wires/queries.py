"""The SQL statements of ``include/sql``, by name: ``load("database/connections")``.

A statement that must read differently on some majors of PostgreSQL has a variant beside it: ``connections.pg16.sql``
is for 16 and later, until a newer variant takes over. Without one that fits, the plain file is taken.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from upkeep.settings.base import ROOT

FOLDER = ROOT / "include" / "sql"


def path(name: str, version: int | None = None) -> Path:
    """The file behind a name; ``version`` is the server's ``server_version_num``, without one the plain file is meant.

    Raises FileNotFoundError naming the file when there is none.
    """
    plain = FOLDER / f"{name}.sql"
    if version is not None:
        variants = {_major(file): file for file in plain.parent.glob(f"{plain.stem}.pg*.sql")}
        fitting = [major for major in variants if major <= version // 10_000]
        if fitting:
            return variants[max(fitting)]
    if not plain.is_file():
        server = "" if version is None else f" for PostgreSQL {version // 10_000}"
        raise FileNotFoundError(f"no SQL statement {name!r}{server}: expected the file include/sql/{name}.sql")
    return plain


def _major(variant: Path) -> int:
    """16 of ``connections.pg16.sql``. Raises ValueError naming the file when no number stands there."""
    number = variant.stem.rpartition(".pg")[2]
    if not number.isdecimal():
        raise ValueError(f"found {variant.name}, expected a major of PostgreSQL after .pg, such as .pg16.sql")
    return int(number)


def source(name: str) -> Path:
    """A statement's file, or the folder that a name stands for, from ``include/`` on: what a report names."""
    found = FOLDER / name
    return (found if found.is_dir() else path(name)).relative_to(FOLDER.parents[1])


@cache
def text(name: str) -> str:
    """The statement, or all those of a folder, each below its file's name; variants are left out."""
    if not (FOLDER / name).is_dir():
        return load(name)
    plain = sorted(file for file in (FOLDER / name).glob("*.sql") if ".pg" not in file.name)
    return "\n".join(f"-- {file.name}\n{file.read_text(encoding='utf-8')}" for file in plain)


@cache
def load(name: str, version: int | None = None) -> str:
    """The text of one statement, as ``path`` chooses it; each file holds one and opens with the reason for it."""
    return path(name, version).read_text(encoding="utf-8")
