"""Dropping indexes (G53): those that no query uses, that another one makes needless, or that were left half made.

What a standby reads counts too: its scans are asked for over a Connection of its own, and while a standby follows that
nobody asked, an unused index is a finding and no action.

The server does not know how old an index is, and one that was made yesterday looks unused. So the check of that name
keeps since when it knows each, by OID, and a drop is proposed once that is as long ago as statistics must reach back.
What is rebuilt concurrently has another OID and counts as new: it waits again, and is never dropped too early. So does
the twin that stays when a duplicate was dropped: what it is used for from then on is not known yet.

An index that supports a foreign key is not unused, whatever its counter says: a cascade may read by it once in years.
Nor is one by which a log of config's is read. Without either, the next look would advise to make it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from upkeep.core.text import visible
from upkeep.gate.plans.model import Action, Proposal
from upkeep.gate.plans.statements import copyable
from upkeep.gate.proposing import Proposals, ProposalSources
from upkeep.ledger.read import newest_snapshot
from upkeep.settings.approval import Indexes
from upkeep.settings.maintenance import Maintenance, Sql
from upkeep.wires import database, fingerprints
from upkeep.wires.database import Connect, Row, Session

KIND, VERB = "indexes", "drop"
#: The check whose snapshot is {OID: since when an index is known to be unused}.
AGES = "unused_indexes"

#: Drops of one plan; people look at each of them.
MOST_DROPS = 50

#: What stands behind a moment that is not a reset.
STARTED = ", when the server started"

#: Why an index is proposed: a plan says it in these words, and apply looks by them whether it still holds.
UNUSED = "no query has used it for as long as statistics reach back"
DUPLICATE = "it does exactly what another index of its table does"
INVALID = "queries cannot use it: what made or dropped it ended halfway"

_DROP = sql.SQL("DROP INDEX CONCURRENTLY {}")
_TABLESPACE = sql.SQL("; ALTER INDEX {} SET TABLESPACE {}")
#: How a definition of the catalogue begins, unique or not; CONCURRENTLY belongs between this and the name.
UNIQUE = "CREATE UNIQUE INDEX "
_HEADS = ("CREATE INDEX ", UNIQUE)
#: Unlinking files; what takes long is waiting for transactions, which nobody can foresee.
_PREDICTED_MS = 200


@dataclass(frozen=True)
class Usage:
    """How far counters of scans can be trusted: since ``since``, on the primary and every standby that was asked.

    ``unknown`` says why nothing can be judged by them (from ``until`` on it can, where time alone is missing),
    ``unasked`` why a standby may use what the primary does not; both are empty when all is known. ``used`` are OIDs
    that a standby uses. ``started``: nobody reset the counters, and ``since`` is the server's start at the latest.
    """

    since: datetime
    unknown: str = ""
    until: datetime | None = None
    unasked: str = ""
    used: frozenset[int] = frozenset()
    started: bool = False

    @property
    def told(self) -> str:
        """Since when, in words."""
        return f"{self.since:%Y-%m-%d}{STARTED if self.started else ''}"


def usage(session: Session, config: Indexes, replicas: Mapping[str, Connect], clocks: Sql, now: datetime) -> Usage:
    """Ask the primary and its standbys since when they count scans, and the standbys which indexes they use."""
    here = session.row(session.load("indexes/statistics"))
    since: datetime = here["since"]
    started: bool = here["started"]
    if here["in_recovery"]:
        return Usage(since, "this is a standby: its counters tell what is read here, not on the primary")
    if not here["counted"]:
        return Usage(since, "the server does not count scans (track_counts is off)")
    used: set[int] = set()
    unasked = []
    for name, connect in replicas.items():
        try:
            there, theirs = _ask(connect, clocks)
        except psycopg.Error as error:
            unasked.append(database.explain(error, name))
            continue
        if problem := _no_standby_of(here, there):
            unasked.append(f"Connection {name!r}: {problem}")
            continue
        used |= theirs
        since, started = max((since, started), (there["since"], there["started"]))
    if here["standbys"] > len(replicas):
        unasked.append(f"{here['standbys']} standbys follow, and config names {len(replicas)} (targets: replicas)")
    unknown, until = _too_young(since, started, config, now)
    return Usage(since, unknown, until, "; ".join(unasked), frozenset(used), started)


def _ask(connect: Connect, clocks: Sql) -> tuple[Row, set[int]]:
    with database.session(connect, clocks, read_only=True) as session:
        there = session.row(session.load("indexes/statistics"))
        return there, {row["oid"] for row in session.rows(session.load("indexes/used"))}


def _no_standby_of(here: Row, there: Row) -> str:
    """Why a Connection does not lead to the same database on a standby of this server; empty when it does."""
    if (there["server"], there["database"]) != (here["server"], here["database"]):
        return "found another server or database, expected a standby of the target with the same database"
    if not there["in_recovery"]:
        return "found a server that is not in recovery, expected a standby"
    if not there["follows"]:
        return "found a standby that receives no WAL, expected one that follows: it knows no newer index"
    return "" if there["counted"] else "the standby does not count scans (track_counts is off)"


def _too_young(since: datetime, started: bool, config: Indexes, now: datetime) -> tuple[str, datetime | None]:
    enough = timedelta(days=config.statistics_days)
    if now - since >= enough:
        return "", None
    age = max(timedelta(0), now - since) / timedelta(days=1)
    until = since + enough
    why = f"statistics reach back {age:.1f} days only, to {since:%Y-%m-%d %H:%M} UTC{STARTED if started else ''}"
    return f"{why}: a weekly query may not have come yet", until


# Candidates ---------------------------------------------------------------------------------------------------


def unused(session: Session, config: Maintenance, seen: Usage) -> list[Row]:
    """Indexes without a scan here and on the standbys that were asked, largest first.

    One of a pair that does the same is none: which of the two the planner takes is chance. Nor is one that a foreign
    key or a log of config's needs.
    """
    pairs = {oid for row in duplicates(session) for oid in (row["oid"], row["kept_oid"])}
    logs = (config.logs.security, config.logs.application, config.logs.alerts, config.compliance.processing)
    parameters = {
        "min_bytes": config.indexes.min_bytes,
        "schemas": [log.table.schema for log in logs],
        "tables": [log.table.table for log in logs],
        "columns": [log.time for log in logs],
    }
    rows = session.rows(session.load("indexes/unused_indexes"), parameters)
    needed = supporting(session, (row["oid"] for row in rows))
    return [row for row in rows if row["oid"] not in pairs | needed.keys() | seen.used]


def known_since(snapshot: tuple[datetime, Any] | None) -> dict[int, datetime]:
    """OID → since when an unused index is known, from the snapshot that the check left; nothing without one. Pure."""
    _, body = snapshot or (None, {})
    return {int(oid): datetime.fromisoformat(at) for oid, at in body.items()}


def ages(rows: Iterable[Row], known: Mapping[int, datetime], now: datetime) -> dict[int, datetime]:
    """The next snapshot: those that are there now, each since it was first seen; what is gone is forgotten. Pure."""
    return {row["oid"]: known.get(row["oid"], now) for row in rows}


def old_enough(since: datetime, config: Indexes, now: datetime) -> bool:
    """Whether an index is known for so long that its not being used means something."""
    return now - since >= timedelta(days=config.statistics_days)


def duplicates(session: Session) -> list[Row]:
    """Indexes that do exactly what another one (``kept``) does, largest first."""
    return session.rows(session.load("indexes/duplicate_indexes"))


def invalid(session: Session) -> list[Row]:
    """Indexes that no query can use and nobody is building just now; some are not ``droppable`` alone."""
    return session.rows(session.load("indexes/invalid_indexes"))


def supporting(session: Session, oids: Iterable[int]) -> dict[int, list[str]]:
    """Those of some indexes that foreign keys of their tables are looked up by: OID → the constraints' names.

    Nothing waits for a lock.
    """
    rows = session.rows(session.load("indexes/supports_foreign_key"), {"oids": list(oids)})
    return {row["oid"]: row["constraints"] for row in rows}


def candidates(
    session: Session,
    config: Maintenance,
    seen: Usage,
    known: Mapping[int, datetime],
    now: datetime,
    taken: Iterable[int],
) -> list[Row]:
    """What can be proposed, each with its ``because``: unused ones that are ``known`` for long enough.

    ``taken`` are OIDs to leave out.
    """
    rows = [row | {"because": INVALID} for row in invalid(session) if row["droppable"]]
    rows += [row | {"because": DUPLICATE} for row in duplicates(session)]
    if not (seen.unknown or seen.unasked):
        idle = unused(session, config, seen)
        since = ages(idle, known, now)
        told = [row | {"because": UNUSED, "since": seen.told, "known": since[row["oid"]]} for row in idle]
        rows += [row for row in told if old_enough(row["known"], config.indexes, now)]
    left_out = set(taken)
    return fingerprints.with_shapes(session, [row for row in rows if row["oid"] not in left_out])


def proposals(sources: ProposalSources) -> Proposals:
    """What a plan would drop. Raises NotAsked."""
    config, taken = sources.settings.maintenance, sources.taken_of(KIND)
    with sources.remembering() as session:
        known = known_since(newest_snapshot(session, sources.name, AGES))
    with sources.reading() as target:
        seen = usage(target, config.indexes, sources.replicas, config.sql, sources.now)
        rows = candidates(target, config, seen, known, sources.now, taken)
    return propose(rows[:MOST_DROPS], sources.roles(KIND)), len(rows)


def propose(rows: Iterable[Row], roles: tuple[str, ...]) -> list[Proposal]:
    """An action for each candidate. Pure."""
    return [Proposal(_action(row, roles), _measured(row)) for row in rows]


def _action(row: Row, roles: tuple[str, ...]) -> Action:
    because = row["because"]
    if because == DUPLICATE:
        because = f"{DUPLICATE}, {visible(row['kept'])}"
    return Action(
        id="",
        kind=KIND,
        verb=VERB,
        statement=drop(row),
        schema=row["schema"],
        table=row["index"],
        oid=row["oid"],
        shape=row["shape"],
        roles=roles,
        because=because,
        lock="SHARE UPDATE EXCLUSIVE",
        predicted_ms=_PREDICTED_MS,
        predicted_bytes=int(row["bytes"]),
        undo=recreate(row),
    )


def drop(row: Row) -> str:
    """The statement that drops an index."""
    return copyable(_DROP.format(sql.Identifier(row["schema"], row["index"])).as_string())


def recreate(row: Row) -> str:
    """The statement that makes it again. Raises ValueError for a definition that does not begin as one does."""
    definition: str = row["definition"]
    head = next((head for head in _HEADS if definition.startswith(head)), None)
    if head is None:
        raise ValueError(
            f"found the definition {definition[:100]!r}, expected one that begins with {' or '.join(_HEADS)}"
        )
    statement = f"{head}CONCURRENTLY {definition.removeprefix(head)}"
    if row["tablespace"]:
        name, space = sql.Identifier(row["schema"], row["index"]), sql.Identifier(row["tablespace"])
        statement += _TABLESPACE.format(name, space).as_string()
    return copyable(statement)


def _measured(row: Row) -> dict[str, Any]:
    """What the plan's form shows beside an action."""
    seen = {"table": f"{row['schema']}.{row['table']}", "bytes": int(row["bytes"])}
    if row.get("scans") is not None:
        seen["scans"] = int(row["scans"])
    if row.get("known"):
        seen |= {"statistics since": row["since"], "known since": f"{row['known']:%Y-%m-%d}"}
    return seen
