"""One line of the tables that ``check`` prints, and a look at a database that always ends in one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from upkeep.flow.connections import postgres
from upkeep.settings.base import ConfigError
from upkeep.settings.load import Settings
from upkeep.wires import database

_SAID = {True: "yes", False: "NO", None: "off"}


@dataclass(frozen=True)
class CheckRow:
    """``can`` is whether it works, None when nobody asked for it; ``why`` is empty only where it works."""

    what: str
    guide: str
    can: bool | None
    why: str = ""


def table(rows: list[CheckRow], what: str, can: str, last: str) -> str:
    """The rows in columns and how many say yes; rows of one cause stand together, with the cause once below them."""
    width = max(len(row.what) for row in rows)
    lines = [f"{what:{width}}  {'GUIDE':8}  {can}"]
    for group in _by_cause(rows):
        lines += [f"{row.what:{width}}  {row.guide:8}  {_SAID[row.can]}" for row in group]
        if why := group[0].why:
            lines.append(f"    {why}" if len(group) == 1 else f"    these {len(group)}: {why}")
    good = sum(row.can is True for row in rows)
    lines.append(f"{good} of {len(rows)} {last}")
    return "\n".join(lines)


def _by_cause(rows: list[CheckRow]) -> list[list[CheckRow]]:
    """The rows in their order, but those of the same reason together where the first of them stands."""
    groups: dict[object, list[CheckRow]] = {}
    for number, row in enumerate(rows):
        groups.setdefault((row.can, row.why) if row.why else number, []).append(row)
    return list(groups.values())


def row_of_questions(
    what: str, guide: str, config: Settings, connection_id: str, *asks: Callable[[database.Session], str]
) -> CheckRow:
    """A row that says yes when none of the questions finds a problem."""

    def ask(session: database.Session) -> CheckRow:
        problems = [problem for ask in asks if (problem := ask(session))]
        return CheckRow(what, guide, not problems, "; ".join(problems))

    return row_of_look(what, guide, config, connection_id, ask)


def row_of_look(
    what: str,
    guide: str,
    config: Settings,
    connection_id: str,
    look: Callable[[database.Session], CheckRow],
    find: Callable[[str], database.Connect] = postgres,
) -> CheckRow:
    """The row of a look at a database, or one that says why nobody could look."""
    try:
        with database.session(find(connection_id), config.maintenance.sql, read_only=True) as session:
            return look(session)
    except psycopg.errors.UndefinedTable:
        return CheckRow(what, guide, False, "found no ledger tables: run `python -m upkeep ledger upgrade`")
    except psycopg.Error as error:
        return CheckRow(what, guide, False, database.explain(error, connection_id))
    except (ConfigError, LookupError) as error:
        return CheckRow(what, guide, False, str(error))
