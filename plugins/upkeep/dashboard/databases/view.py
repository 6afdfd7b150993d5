"""The page of databases: which rows, in which order, and how it is asked for others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException

from upkeep.dashboard.databases import rows
from upkeep.dashboard.trends.choice import target_of
from upkeep.settings.load import Settings
from upkeep.wires.database import Session

#: Rows on a page, and with ``rows=more`` in the address; a filter finds the others.
SHOWN, MOST = 50, 200
#: Characters of a filter.
_LONGEST = 200
ORDERS = {"desc": "descending", "asc": "ascending"}


@dataclass(frozen=True)
class Column:
    """A column: the attribute of a row, which is its name in an address, its title, and how it is sorted at first."""

    name: str
    title: str
    order: str = "desc"


@dataclass(frozen=True)
class Kind:
    """What is listed: its name for people, its columns, and where its rows come from."""

    title: str
    noun: str
    columns: tuple[Column, ...]
    rows: Callable[[Session, Settings, str, datetime], rows.Rows]


KINDS = {
    "tables": Kind(
        "Tables",
        "table",
        (
            Column("name", "Table", "asc"),
            Column("size", "Size"),
            Column("growth", "Growth a day"),
            Column("live", "Live rows"),
            Column("dead", "Dead rows"),
        ),
        rows.table_rows,
    ),
    "indexes": Kind(
        "Indexes",
        "index",
        (
            Column("name", "Index", "asc"),
            Column("size", "Size"),
            Column("scans", "Scans"),
            Column("daily", "Scans a day"),
            Column("used", "Last used", "asc"),
            Column("table", "Table", "asc"),
        ),
        rows.index_rows,
    ),
    "statements": Kind(
        "Slow statements",
        "statement",
        (
            Column("text", "Statement", "asc"),
            Column("mean", "Mean"),
            Column("calls", "Calls"),
            Column("total", "In all"),
            Column("first", "Slow since", "asc"),
        ),
        rows.statement_rows,
    ),
}
#: What each is sorted by where nobody says.
_FIRST = {"tables": "size", "indexes": "size", "statements": "total"}


@dataclass(frozen=True)
class Asked:
    """What the address asks for."""

    target: str
    of: str
    sort: str
    order: str
    filter: str

    def href(self, **others: str) -> str:
        """The same page with something else; sorted anew it begins as that column does."""
        named = {"target": self.target, "of": self.of, "sort": self.sort, "order": self.order, "filter": self.filter}
        named |= others
        return "databases?" + urlencode({name: value for name, value in named.items() if value})


def asked_for(query: Mapping[str, str], targets: Sequence[str]) -> Asked:
    """What the address asks for. Raises HTTPException 400 or 404, saying what was found and what was expected."""
    target = target_of(query.get("target", ""), targets)
    of = _one_of("list", query.get("of", ""), KINDS)
    columns = {one.name: one for one in KINDS[of].columns}
    sort = _one_of("column", query.get("sort", "") or _FIRST[of], columns)
    order = _one_of("order", query.get("order", "") or columns[sort].order, ORDERS)
    wanted = query.get("filter", "")
    if len(wanted) > _LONGEST:
        raise HTTPException(400, f"found a filter of {len(wanted)} characters, expected at most {_LONGEST}")
    return Asked(target, of, sort, order, wanted)


def _one_of(what: str, found: str, known: Mapping[str, object]) -> str:
    """The name itself, the first one where there is none. Raises HTTPException 400 for one that is unknown."""
    if found and found not in known:
        raise HTTPException(400, f"found the {what} {found[:40]!r}, expected one of: {', '.join(known)}")
    return found or next(iter(known))


def databases(
    session: Session, config: Settings, targets: Sequence[str], query: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    """All that the page shows. Raises HTTPException 400 or 404 for what cannot be shown."""
    asked = asked_for(query, targets)
    kind = KINDS[asked.of]
    look, found = kind.rows(session, config, asked.target, now)
    wanted = [row for row in found if _matches(row, asked.filter)]
    return {
        "asked": asked,
        "kind": kind,
        "kinds": [(name, one.title, asked.href(of=name, sort="", order="")) for name, one in KINDS.items()],
        "targets": [(one, asked.href(target=one)) for one in targets],
        "look": look,
        "heads": [_head(asked, one) for one in kind.columns],
        "rows": ordered(wanted, asked)[: MOST if query.get("rows") == "more" else SHOWN],
        "more": asked.href(rows="more"),
        "most": MOST,
        "found": len(found),
        "wanted": len(wanted),
        "largest": config.maintenance.checks.largest_tables,
    }


def _matches(row: rows.AnyRow, wanted: str) -> bool:
    texts = (row.name, getattr(row, "table", ""), getattr(row, "text", ""))
    return any(wanted.casefold() in text.casefold() for text in texts)


def ordered(found: Sequence[rows.AnyRow], asked: Asked) -> list[rows.AnyRow]:
    """In the order that is asked for; what is not known comes last, and what is equal by name."""
    named = sorted(found, key=lambda row: row.name)
    known = [row for row in named if getattr(row, asked.sort) is not None]
    known.sort(key=lambda row: getattr(row, asked.sort), reverse=asked.order == "desc")
    return known + [row for row in named if getattr(row, asked.sort) is None]


def _head(asked: Asked, column: Column) -> tuple[Column, str, str]:
    """A column, how it is sorted now ("" where it is not), and where a click on it leads."""
    now = asked.order if column.name == asked.sort else ""
    turned = {"desc": "asc", "asc": "desc"}.get(now, column.order)
    return column, ORDERS.get(now, "none"), asked.href(sort=column.name, order=turned)
