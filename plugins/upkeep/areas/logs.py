"""Reading the target's logs: whether a log can be read whole, and the statements with its names filled in.

A log that is absent, refused, partly hidden, or without an index on its time is UNKNOWN with the reason;
"0 failures" is said only of a log that was seen.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from upkeep.areas.look import Look
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.settings.logs import Readable
from upkeep.settings.values import Network
from upkeep.wires import database, queries
from upkeep.wires.database import Row

#: Bytes of a table that is read even without an index on its time.
SMALL = 16 * 1024 * 1024
#: Names that a sentence spells out; the others are in a finding's metadata.
NAMED = 5
#: Plain, partitioned, materialised: for others (views, foreign tables) nobody can say whether they are whole.
_TABLES = "rpm"
#: Addresses that one look remembers, more than it shows; of a log with more, the days before are read each time.
MOST_REMEMBERED = 2_000
#: A row may be committed this long after its time: what is younger counts as not read yet.
SETTLES = timedelta(hours=1)
_GRANTS = "`python -m upkeep grants target` prints the GRANTs that the read role needs."


#: A half-open period of a log.
Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Log:
    """A log as one check reads it; ``topic`` is what its findings are about."""

    look: Look
    name: str
    topic: Topic

    @property
    def config(self) -> Readable:
        logs = self.look.settings.maintenance.logs
        known: dict[str, Readable] = {
            "security": logs.security,
            "application": logs.application,
            "alerts": logs.alerts,
        }
        return known[self.name]

    @property
    def columns(self) -> dict[str, str]:
        """What the checks call a column → its name in this deployment."""
        return self.config.model_dump(exclude={"table"})

    @property
    def setting(self) -> str:
        """Where config names the table and its columns."""
        return f"logs.{self.name}"

    @property
    def wanted(self) -> str:
        """What there should have been to read."""
        return f"the {self.name} log of the whole period"

    def hidden(self) -> Finding | None:
        """Why the log cannot be read whole, if it cannot. From here on it is read by its index only."""
        row = self._table()
        if row and row["indexed"] and not self._obstacle(row):
            self.look.session.rows(queries.load("logs/by_index_only"))
            return None
        return self._refused(row)

    def refused(self) -> Finding | None:
        """The same, for a table that is then read as the planner likes."""
        return self._refused(self._table())

    def _table(self) -> Row | None:
        schema, table = self.config.table
        parameters = {"schema": schema, "table": table, "columns": list(self.columns.values())}
        statement = queries.load("logs/log_table")
        rows = self.look.session.rows(statement, {**parameters, "time": self.columns.get("time")})
        return rows[0] if rows else None

    def _refused(self, row: Row | None) -> Finding | None:
        said = self._obstacle(row)
        return self.unknown(*said) if said else None

    def _obstacle(self, row: Row | None) -> tuple[str, str] | None:
        setting, table, time = (
            f"config/maintenance.yaml: {self.setting}",
            str(self.config.table),
            self.columns.get("time"),
        )
        if row is None:
            return f"found no table {table}", f"Name it as this deployment does in {setting}.table."
        if row["kind"] not in _TABLES:
            return f"{table} is not a table", f"Name the table that it reads from in {setting}.table."
        if row["missing"]:
            return (
                f"found no column {', '.join(row['missing'])} in {table}",
                f"Name the columns as this deployment does in {setting}.",
            )
        if not row["may_enter"] or row["refused"]:
            return f"role {row['role']} may not read {table}", _GRANTS
        if row["hides_rows"]:
            return (
                f"row-level security hides rows of {table} from role {row['role']}",
                f"A policy for it (CREATE POLICY … ON {table} FOR SELECT TO … USING (true)) or BYPASSRLS shows them.",
            )
        if time and not row["indexed"] and row["bytes"] > SMALL:
            return (
                f"{table} has {row['bytes'] / 1024**2:.0f} MB and no index that begins with {time}",
                f"CREATE INDEX CONCURRENTLY on that column; or correct {setting}.time.",
            )
        return None

    def rows(self, statement: str, parameters: Mapping[str, Any]) -> list[Row]:
        """Run a statement of ``include/sql`` on the log, for the window's period."""
        schema, table = self.config.table
        text = database.statement(statement, schema=schema, table=table, **self.columns)
        start, end = self.look.period
        return self.look.session.rows(text, {**parameters, "start": start, "end": end})

    def unknown(self, reason: str, remedy: str) -> Finding:
        """Not judged, and why."""
        return self.topic.finding(Level.UNKNOWN, f"not collected: {reason}", self.wanted, remedy)

    def unwritten(self) -> Finding:
        """A period without a single row: the log stopped, or its rows are gone; not that nothing happened."""
        return self.unknown(
            f"{self.config.table} has no row at all in the period",
            f"See whether the {self.name} log is still written, and how long it is kept.",
        )


@dataclass(frozen=True)
class Memory:
    """When each address of a log was last seen, and which spans were read for that, as a check's samples keep it.

    It is of this log and of these columns alone: config may name others the next day.
    """

    log: Log
    since: datetime

    @property
    def _metrics(self) -> tuple[str, str]:
        of = f"{self.log.config.table}({', '.join(self.log.columns.values())})"
        return f"last seen in {of}", f"read until in {of}"

    def _values(self, metric: str) -> dict[str, datetime]:
        remembered = self.log.look.remembered.items()
        return {subject: datetime.fromtimestamp(value, UTC) for (name, subject), value in remembered if name == metric}

    @property
    def addresses(self) -> list[str]:
        """Who was seen since then."""
        return [subject for subject, last in self._values(self._metrics[0]).items() if last >= self.since]

    @property
    def read(self) -> list[Span]:
        """Which spans the memory is of, the oldest first."""
        spans = self._values(self._metrics[1]).items()
        return sorted((datetime.fromisoformat(start), end) for start, end in spans if end > self.since)

    @property
    def unread(self) -> list[Span]:
        """What the memory lacks between then and the period: a first look's days, those of a window that was missed."""
        lacking, reached, period = [], self.since, self.log.look.period[0]
        for start, end in [*self.read, (period, period)]:
            if start > reached:
                lacking.append((reached, start))
            reached = max(reached, end)
        return lacking

    def begun(self, known_from: datetime | None) -> datetime:
        """From when on anything is known, the unread days (whose first address is given) taken together with it."""
        return min([start for start, _ in self.read] + ([known_from] if known_from else []), default=self.since)

    @property
    def parameters(self) -> dict[str, Any]:
        """The memory as a statement takes it."""
        starts, ends = [start for start, _ in self.unread], [end for _, end in self.unread]
        return {"unread_from": starts, "unread_until": ends, "remembered": self.addresses, "most": MOST_REMEMBERED}

    def samples(self, rows: list[Row]) -> tuple[Sample, ...]:
        """What to remember of the rows of a look: all if that fits, else the period; the rest counts as not read."""
        first = rows[0]
        if first["seen"] > MOST_REMEMBERED:
            return ()
        whole = first["addresses"] <= MOST_REMEMBERED
        last, until = self._metrics
        return (
            *(
                Sample(last, row["last_at"].timestamp(), "s", row["address"])
                for row in rows
                if row["address"] is not None and (whole or row["logins"])
            ),
            *(
                Sample(until, end.timestamp(), "s", start.isoformat())
                for start, end in self._settled(self.unread if whole else [], first["known_from"])
            ),
        )

    def _settled(self, unread: list[Span], known_from: datetime | None) -> list[Span]:
        """The spans that have now been read for good.

        How far back the log reaches is asked anew each time: the oldest days are remembered only from their first
        address on. Before that there is hardly anything to read.
        """
        settled = self.log.look.now - SETTLES
        spans = [
            (max(start, known_from or end) if start == self.since else start, min(end, settled))
            for start, end in [*unread, self.log.look.period]
        ]
        return [(start, end) for start, end in spans if start < end]


def within(text: str | None, networks: Iterable[Network]) -> bool:
    """Whether an address as the log has it lies in one of the networks; what is no address does not."""
    try:
        found = ipaddress.ip_address(address(text))
    except ValueError:
        return False
    return any(found in network for network in networks)


def address(text: str | None) -> str:
    """An address as people write it; PostgreSQL writes a single inet as 192.0.2.1/32."""
    return "no address" if text is None else text.removesuffix("/128" if ":" in text else "/32")


def utc(moment: datetime) -> datetime:
    """A column without time zone holds UTC here: it was compared as such."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def span(row: Row) -> str:
    """From the first to the last of a row's events."""
    return f"{utc(row['first_at']):%Y-%m-%d %H:%M} to {utc(row['last_at']):%Y-%m-%d %H:%M} UTC"


def named(names: list[str], total: int) -> str:
    """The first few names, and how many more there are."""
    more = total - len(names[:NAMED])
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more else "")
