"""The rows of the page, one sort for each of its tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile

from upkeep.dashboard.databases.looks import Found, Looked, Numbers, findings, looked, moment, numbers, statements
from upkeep.dashboard.trends.choice import Series, trend_href
from upkeep.settings.load import Settings
from upkeep.wires.database import Row, Session


@dataclass(frozen=True)
class TableRow:
    """A table: bytes, bytes a day since the earlier look (None: not known), rows; ``href`` is its trend."""

    name: str
    href: str
    size: float
    growth: float | None
    live: float | None
    dead: float | None
    found: tuple[Found, ...]

    @property
    def dead_percent(self) -> float | None:
        """The share of its rows that are dead."""
        if self.live is None or self.dead is None:
            return None
        return 100 * self.dead / max(self.live + self.dead, 1)


@dataclass(frozen=True)
class IndexRow:
    """An index: bytes, scans in all and a day since the earlier look, when it was used last (None: not seen yet).

    ``idle`` is since when no use is known of where none is; one that is ``perhaps_younger`` may have been made later.
    """

    name: str
    href: str
    table: str
    unique: bool
    size: float
    scans: float
    daily: float | None
    used: datetime | None
    idle: datetime | None
    perhaps_younger: bool
    found: tuple[Found, ...]


@dataclass(frozen=True)
class StatementRow:
    """A slow statement: ms on average by the newest look, and by the first of the ``looks`` in a row that named it."""

    name: str
    href: str
    text: str
    mean: float
    calls: float
    total: float
    first_mean: float
    first: datetime
    looks: int
    found: tuple[Found, ...]


AnyRow = TableRow | IndexRow | StatementRow
Rows = tuple[Looked | None, list[AnyRow]]


def table_rows(session: Session, config: Settings, target: str, now: datetime) -> Rows:
    """The largest tables."""
    look = looked(session, config, target, "daily", "table_sizes", now)
    if look is None:
        return None, []
    new, old = numbers(session, look.newest), numbers(session, look.earlier)
    names = [subject for metric, subject in new if metric == "table_bytes"]
    bad = findings(session, target, (key for name in names for key in _table_keys(name)), now)

    def row(name: str) -> TableRow:
        return TableRow(
            name=name,
            href=trend_href(target, Series("table_bytes", name)),
            size=new["table_bytes", name],
            growth=_rate(new, old, ("table_bytes", name), look),
            live=new.get(("table_live_rows", name)),
            dead=new.get(("table_dead_rows", name)),
            found=_found(bad, _table_keys(name)),
        )

    return look, [row(name) for name in names]


def _table_keys(name: str) -> tuple[str, ...]:
    return f"dead_rows:{name}", f"bloat:{name}", f"bloat:table:{name}"


def index_rows(session: Session, config: Settings, target: str, now: datetime) -> Rows:
    """The indexes of the largest tables."""
    look = looked(session, config, target, "daily", "table_sizes", now)
    new = numbers(session, look.newest) if look else {}
    names = [subject for metric, subject in new if metric == "index_bytes"]
    if look is None or not names:
        return None, []
    old = numbers(session, look.earlier)
    bad = findings(session, target, (key for name in names for key in _index_keys(name)), now)
    body = look.newest["body"] or {}
    since = moment(body.get("since"))
    known = {name: moment(told.get("known")) for name, told in body.get("indexes", {}).items()}
    oldest = min((at for at in known.values() if at), default=None)

    def row(name: str) -> IndexRow:
        told = body.get("indexes", {}).get(name, {})
        first = known.get(name)
        later = first if first and oldest and first > oldest else None  # an earlier look did not have it
        scans = new.get(("index_scans", name), 0.0)
        return IndexRow(
            name=name,
            href=trend_href(target, Series("index_scans", name)),
            table=told.get("table", ""),
            unique=bool(told.get("unique")),
            size=new["index_bytes", name],
            scans=scans,
            daily=_rate(new, old, ("index_scans", name), look, falls=False),
            used=moment(told.get("used")),
            idle=first if scans else max((at for at in (since, later) if at), default=None),
            perhaps_younger=not scans and not later,
            found=_found(bad, _index_keys(name)),
        )

    return look, [row(name) for name in names]


def _index_keys(name: str) -> tuple[str, ...]:
    return tuple(f"{kind}:{name}" for kind in ("unused_indexes", "duplicate_indexes", "invalid_indexes"))


def statement_rows(session: Session, config: Settings, target: str, now: datetime) -> Rows:
    """The slow statements of the newest look, with what those before it said; it is compared with no single one."""
    look = looked(session, config, target, "weekly", "slow_queries", now)
    if look is None:
        return None, []
    told: dict[str, dict[int, Row]] = {}
    for seen in statements(session, look.all):
        told.setdefault(seen["key"], {})[seen["step_id"]] = seen
    runs = {key: _run(look, seen) for key, seen in told.items() if look.newest["id"] in seen}
    bad = findings(session, target, runs, now)
    return replace(look, earlier=None), list(_statements(target, runs, bad))


def _run(look: Looked, seen: Mapping[int, Row]) -> list[Row]:
    """What the newest looks in a row said of a statement, the newest first, up to one that did not name it."""
    return [seen[one["id"]] for one in takewhile(lambda one: one["id"] in seen, look.all)]


def _statements(target: str, runs: Mapping[str, list[Row]], bad: Mapping[str, Found]) -> Iterator[StatementRow]:
    for key, seen in runs.items():
        first, last = seen[-1], seen[0]
        metadata = last["metadata"]
        mean, calls = float(metadata["mean_ms"]), float(metadata["calls"])
        yield StatementRow(
            name=str(metadata["id"]),
            href=trend_href(target, Series("statement_time", str(metadata["id"]))),
            text=str(last["detail"]).partition(": ")[2],
            mean=mean,
            calls=calls,
            total=mean * calls,
            first_mean=float(first["metadata"]["mean_ms"]),
            first=first["due"],
            looks=len(seen),
            found=_found(bad, (key,)),
        )


def _found(bad: Mapping[str, Found], keys: Iterable[str]) -> tuple[Found, ...]:
    return tuple(bad[key] for key in keys if key in bad)


def _rate(new: Numbers, old: Numbers, of: tuple[str, str], look: Looked, *, falls: bool = True) -> float | None:
    """By how much it changes a day since the earlier look; what only rises and fell began anew, and is not known."""
    if of not in old or look.days <= 0 or (not falls and new[of] < old[of]):
        return None
    return (new[of] - old[of]) / look.days
