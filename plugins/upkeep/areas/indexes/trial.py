"""A missing index, tried on a restored copy: built, with the plans of statements before and after (G53).

A copy has the target's rows and statistics, and no more than the target's planner settings are brought to it. The index
is built by the statement that a plan would run, so that time and size are measured and not guessed. Planned are the
key's own lookup and the statements that config names (``named``). Texts of the target's statements are not planned:
rules, functions and names that mean another table make them untrustworthy. A build counts a table's rows and pages
anew, so that what a statement costs without the index is asked after its drop: both costs are by the same counts. Of
what a server refuses to plan or to build no more than the SQLSTATE is told: an operator or an index of the target's may
be code that raises rows as messages.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from upkeep.areas.indexes import create, lacking, named, plans, refusals
from upkeep.areas.indexes.trial_copy import Server, TrialCopy, ending
from upkeep.areas.indexes.trial_words import findings, said
from upkeep.areas.look import Sources
from upkeep.core.findings import Finding, Level, Topic
from upkeep.core.units import size
from upkeep.ledger.read import newest_snapshot
from upkeep.settings.approval import Indexes, NamedStatement
from upkeep.settings.maintenance import Sql
from upkeep.wires import database
from upkeep.wires.database import Row, Session

log = logging.getLogger(__name__)

#: Indexes that are tried in one restoration, those first whose last trial is longest ago.
MOST_TRIED = 5
#: Room beside the copy: so often the table (rows to sort, the index, its WAL), and this many bytes.
ROOM, LEAST_ROOM = 4, 256 * 1024**2
#: Why nothing is tried on a copy that is found not to be the target, or not of a known time.
DOUBTED = "the copy is not known to be the target at a known time, so that it would prove nothing of it"

_DROP = sql.SQL("DROP INDEX IF EXISTS {}")


@dataclass(frozen=True)
class Wanted:
    """What the target would have tried: its foreign keys without an index, its settings, and the named statements.

    The ``keys`` are in the order in which their turn comes. ``why`` says why the target could not be asked. ``unfit``
    counts keys that are not tried at all. ``known`` are the last trials of all that are missing still. ``only``: it is
    the only target of config, so that each statement is meant for it.
    """

    keys: Sequence[Row] = ()
    unfit: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    system_identifier: str = ""
    known: Mapping[lacking.Name, Row] = field(default_factory=dict)
    statements: Sequence[NamedStatement] = ()
    only: bool = True
    why: str = ""


# What is tried ------------------------------------------------------------------------------------------------


def asked(sources: Sources) -> Wanted:
    """Ask ledger and target. Whatever goes wrong costs no restoration."""
    try:
        with sources.ledger() as session:
            _, body = newest_snapshot(session, sources.target, lacking.STEP) or (None, None)
        with sources.read() as session:
            found = wanted(session, sources.config.maintenance.indexes, body)
        return replace(found, only=len(sources.config.maintenance.targets) == 1)
    except Exception as error:  # whatever the target holds, its backup is restored
        log.exception("the target could not be asked which indexes are missing")
        return Wanted(why=refusals.words(error))


def wanted(session: Session, config: Indexes, body: Any) -> Wanted:
    """What a target would have tried, over one session that reads; ``body`` is the last snapshot of trials."""
    keys = lacking.keys(session, config)
    fit = [key for key in keys if not lacking.unfit(key, config)]
    before = lacking.trials(body)
    known = {name: before[name] for name in map(lacking.name, keys) if name in before}
    fit.sort(key=lambda key: (known.get(lacking.name(key), {}).get("tried_at", ""), not lacking.looked_up(key)))
    settings = {row["name"]: row["setting"] for row in session.rows(session.load("indexes/planner_settings"))}
    return Wanted(fit, len(keys) - len(fit), settings, lacking.cluster(session), known, config.statements)


def chosen(asked: Wanted, read: Sequence[Row]) -> tuple[Sequence[Row], str]:
    """The keys that are tried this time, and what is said of the others: those that the server looks rows up by, or
    whose first column a named statement names. Pure.
    """
    fit = [key for key in asked.keys if lacking.looked_up(key) or any(_names(one, key) for one in read)]
    unfit, wait = asked.unfit + len(asked.keys) - len(fit), len(fit[MOST_TRIED:])
    said = f"; {wait} more wait for the next restoration" if wait else ""
    return fit[:MOST_TRIED], said + (f"; {unfit} not tried, as missing_indexes says" if unfit else "")


def _names(statement: Row, key: Row) -> bool:
    return key["columns"][0] in statement["tables"].get((key["schema"], key["table"]), ())


# On the copy --------------------------------------------------------------------------------------------------


def tried(
    server: Server, asked: Wanted, clocks: Sql, topic: Topic, *, as_of: datetime, analyse: bool
) -> tuple[list[Finding], Any]:
    """Findings, and the snapshot by which a plan knows what was proven by data of ``as_of``; ``analyse`` a copy that
    has no statistics. All of it takes ``statement_timeout_seconds`` at most; then the copy's server is stopped.

    Whatever goes wrong here says nothing of the backup.
    """
    if asked.why:
        return not_tried(topic, f"the target was not asked which are missing: {asked.why}"), None
    end = time.monotonic() + clocks.statement_timeout_seconds
    read: list[Row] = []
    found: list[Row] = []
    wait = ""
    try:
        with ending(server, end), database.standing(server.connect, clocks) as session:
            copy = TrialCopy(server, session, clocks, asked.settings, end, analyse)
            if asked.keys or asked.statements:
                copy.prepare()
            # Statements have half of the time: what they read may be code that stays.
            reading = replace(copy, end=end - clocks.statement_timeout_seconds / 2)
            read = [_read(reading, statement, only=asked.only) for statement in asked.statements]
            keys, wait = chosen(asked, read)
            for key in keys:
                found.append(_trial(copy, key, asked, as_of, read))
                log.info("tried an index for %s.%s: %s", key["schema"], key["table"], said(found[-1], asked.statements))
    except Exception as error:  # the findings of the backup are made, and must not be lost
        log.exception("the copy could not be asked")
        return not_tried(topic, f"the copy could not be asked: {refusals.words(error)}"), None
    latest = {lacking.name(one): _or_before(one, asked) for one in found if one["tried_at"]}
    snapshot = {"trials": list({**asked.known, **latest}.values())}
    return findings(found, read, wait, topic, asked.statements), snapshot


def not_tried(topic: Topic, why: str) -> list[Finding]:
    """Said of all of them; what earlier restorations have proven stands for as long as it would."""
    detail, remedy = f"not collected: {why}", "See the task's log, and what else is said of this restoration."
    return [topic.finding(Level.UNKNOWN, detail, create.EXPECTED, remedy)]


def _read(copy: TrialCopy, statement: NamedStatement, *, only: bool) -> Row:
    """A named statement before any index is built: its text, its tables and its cost, or ``why`` it is not planned.

    One whose table is not there is ``elsewhere``, unless this is the ``only`` target.
    """
    about: Row = {"name": statement.name, "sql": statement.sql, "digest": statement.digest, "cost": 0.0, "tables": {}}
    about |= {"elsewhere": False, "hosts_own": False}
    try:
        with copy.planning(read_only=False) as session:
            tables = named.tables(session, statement.sql)
        for schema, table in tables:
            copy.with_statistics(schema, table)
        found = copy.plan(statement.sql)
    except refusals.RefusedError as why:
        return about | {"why": str(why), "elsewhere": why.missing and not only}
    except Exception as error:  # of this statement alone
        log.warning("statement %s is not planned: %s", statement.name, refusals.words(error))
        return about | {"why": refusals.words(error), "hosts_own": refusals.hosts_own(error)}
    return about | {"why": found.why, "cost": found.cost, "tables": tables}


def _or_before(one: Row, asked: Wanted) -> Row:
    """What is known after a trial. One that this host had no room, time or server for says nothing, and what was proven
    before holds for as long as it would; it was tried all the same, so that the others' turn comes. So it is where the
    host kept a statement from being planned that had proven the index, and nothing else proves it now: of what was
    planned the newer answer counts.
    """
    before = asked.known.get(lacking.name(one), {})
    if any(before.get(name) != one[name] for name in ("columns", "column_types", "system_identifier")):
        return one
    again = {"tried_at": one["tried_at"]}
    by = [it for it in before.get("statements", ()) if it["proven"]]
    if one["why"]:
        return {**before, **again} if one.get("hosts_own") and (before["proven"] or by) else one
    unplanned = {it["digest"] for it in one["statements"] if it.get("hosts_own")}
    by = [it for it in by if it["digest"] in unplanned]
    if not by or lacking.proving(one, one, asked.statements):
        return one
    return {**before, **again, "proven": before["proven"] and one["proven"], "statements": by}


def _trial(copy: TrialCopy, key: Row, asked: Wanted, as_of: datetime, read: Sequence[Row]) -> Row:
    """One index: the build, plans, its drop, the same plans. Whatever comes of it, it is dropped for the next one."""
    about = {name: key[name] for name in ("schema", "table", "constraint", "columns", "column_types")}
    about |= {"deletes": key["deletes"], "updates": key["updates"]}
    about |= {"system_identifier": asked.system_identifier, "data_as_of": as_of.isoformat(), "proven": False}
    waits = about | {"tried_at": "", "hosts_own": True}
    if time.monotonic() >= copy.end:
        return waits | {"why": "the time for all trials is over (restore.timeout_seconds)"}
    if copy.session.connection.closed:
        return waits | {"why": "the copy's server does not answer any more"}
    about |= {"tried_at": datetime.now(UTC).isoformat(), "why": ""}
    free, needed = copy.server.free_bytes(), ROOM * key["table_bytes"] + LEAST_ROOM
    if free < needed:
        return about | {"why": f"{size(free)} are free beside the copy, expected {size(needed)}", "hosts_own": True}
    index = f"upkeep_trial_{secrets.token_hex(8)}"
    try:
        copy.with_statistics(key["schema"], key["table"])
        return about | _measured(copy, key, index, read)
    except Exception as error:  # of this index alone; a session that is lost is told of the next one
        log.warning("no index for %s.%s: %s", key["schema"], key["table"], refusals.words(error))
        return about | {"why": refusals.words(error), "hosts_own": refusals.hosts_own(error)}
    finally:
        with suppress(psycopg.Error, TimeoutError):
            _drop(copy, key, index)


def _drop(copy: TrialCopy, key: Row, index: str) -> None:
    copy.arm()
    copy.session.rows(_DROP.format(sql.Identifier(key["schema"], index)).as_string())


def _measured(copy: TrialCopy, key: Row, index: str, read: Sequence[Row]) -> Row:
    lookup, statements = plans.lookup(key), [one for one in read if not one["why"]]
    copy.plan(lookup)  # what a server refuses to plan, or stays in, costs no build
    copy.arm()
    began = time.monotonic()
    copy.session.rows(create.statement({**key, "index": index}))
    took = time.monotonic() - began
    built = copy.session.row(copy.session.load("indexes/built"), {"schema": key["schema"], "index": index})
    sizes = {"bytes": int(built["bytes"]), "table_bytes": int(built["table_bytes"])}
    after, by_it = copy.plan(lookup, index), [_plan(copy, one, index) for one in statements]
    _drop(copy, key, index)
    compared = plans.compared(copy.plan(lookup), after)
    named_too = [
        _about(one) | plans.compared(_plan(copy, one), plan) for one, plan in zip(statements, by_it, strict=True)
    ]
    named_too += [_about(one) | plans.compared(_unplanned(one), _unplanned(one)) for one in read if one["hosts_own"]]
    return {"seconds": took, **sizes, **compared, "statements": named_too}


def _about(statement: Row) -> Row:
    return {"name": statement["name"], "digest": statement["digest"]}


def _unplanned(statement: Row) -> plans.Planned:
    return plans.Planned(why=statement["why"], hosts_own=True)


def _plan(copy: TrialCopy, statement: Row, index: str = "") -> plans.Planned:
    """A named statement's plan; that it is refused costs no other proof."""
    try:
        return copy.plan(statement["sql"], index)
    except psycopg.Error as error:
        return plans.Planned(why=refusals.words(error), hosts_own=refusals.hosts_own(error))
