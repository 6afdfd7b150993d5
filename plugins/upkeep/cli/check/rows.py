"""One line of the tables that ``check`` prints, and a look at a database that always ends in one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from upkeep import database
from upkeep.flow.connections import postgres
from upkeep.settings import ConfigError, Settings

_SAID = {True: "yes", False: "NO", None: "off"}


@dataclass(frozen=True)
class Row:
    """``can`` is whether it works, None when nobody asked for it; ``why`` is empty only where it works."""

    what: str
    guide: str
    can: bool | None
    why: str = ""


def table(rows: list[Row], what: str, can: str, last: str) -> str:
    """The rows in columns, the reason below its row, and how many say yes."""
    width = max(len(row.what) for row in rows)
    lines = [f"{what:{width}}  {'GUIDE':8}  {can}"]
    for row in rows:
        lines.append(f"{row.what:{width}}  {row.guide:8}  {_SAID[row.can]}")
        if row.why:
            lines.append(f"    {row.why}")
    good = sum(row.can is True for row in rows)
    lines.append(f"{good} of {len(rows)} {last}")
    return "\n".join(lines)


def asked(what: str, guide: str, config: Settings, connection_id: str, *asks: Callable[[database.Session], str]) -> Row:
    """A row that says yes when none of the questions finds a problem."""

    def ask(session: database.Session) -> Row:
        problems = [problem for ask in asks if (problem := ask(session))]
        return Row(what, guide, not problems, "; ".join(problems))

    return looked(what, guide, config, connection_id, ask)


def looked(
    what: str,
    guide: str,
    config: Settings,
    connection_id: str,
    look: Callable[[database.Session], Row],
    find: Callable[[str], database.Connect] = postgres,
) -> Row:
    """The row of a look at a database, or one that says why nobody could look."""
    try:
        with database.session(find(connection_id), config.maintenance.sql, read_only=True) as session:
            return look(session)
    except psycopg.errors.UndefinedTable:
        return Row(what, guide, False, "found no ledger tables: run `python -m upkeep ledger upgrade`")
    except psycopg.Error as error:
        return Row(what, guide, False, database.explain(error, connection_id))
    except (ConfigError, LookupError) as error:
        return Row(what, guide, False, str(error))
