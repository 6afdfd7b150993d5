"""A missing index, tried on a restored copy: built, with the plan of its key's lookup before and after (G53).

A copy has the target's rows and statistics, and no more than the target's planner settings are brought to it. The index
is built by the statement that a plan would run, so that time and size are measured and not guessed. Texts of the
target's statements are not planned: rules, functions and names that mean another table make them untrustworthy. The
lookup is planned by a role that has no right but to read every row of the copy, and of what a server refuses no more
than the SQLSTATE is told: an operator or an index of the target's may be code that raises rows as messages.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import psycopg
from psycopg import sql

from upkeep.areas.indexes import create, lacking, plans, refusals
from upkeep.areas.look import Sources
from upkeep.core.findings import Finding, Level, Topic
from upkeep.core.units import count, size, span
from upkeep.ledger.read import newest_snapshot
from upkeep.settings.approval import Indexes
from upkeep.settings.maintenance import Sql
from upkeep.wires import database
from upkeep.wires.database import Row, Session

log = logging.getLogger(__name__)

#: Indexes that are tried in one restoration, those first whose last trial is longest ago.
MOST_TRIED = 5
#: Room beside the copy: so often the table (rows to sort, the index, its WAL), and this many bytes.
ROOM, LEAST_ROOM = 4, 256 * 1024**2
#: What a build takes of this host at most, whatever the target has: kB as the setting is, processes.
_AT_MOST = {"maintenance_work_mem": 256 * 1024, "max_parallel_maintenance_workers": 2}
#: Seconds for a plan; after the end of all trials a copy has these before its server is stopped.
_PLAN_SECONDS, _GRACE_SECONDS = 10.0, 5.0
#: Why nothing is tried on a copy that is found not to be the target, or not of a known time.
DOUBTED = "the copy is not known to be the target at a known time, so that it would prove nothing of it"

_ROLE = sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER BYPASSRLS IN ROLE pg_read_all_data, pg_read_all_settings")
_MAY_ENTER = sql.SQL("GRANT CONNECT ON DATABASE {} TO {}")
_SILENCE = sql.SQL("ALTER EVENT TRIGGER {} DISABLE")
_ANALYZE = sql.SQL("ANALYZE {}")
_DROP = sql.SQL("DROP INDEX IF EXISTS {}")


class Server(Protocol):
    """A restored copy that answers, opened for writing."""

    dbname: str

    def connect(self) -> psycopg.Connection[Any]:
        """A superuser's session."""

    def connect_as(self, role: str) -> psycopg.Connection[Any]:
        """A session of another role's."""

    def free_bytes(self) -> int:
        """How much room it has, in bytes."""

    def stop(self) -> None:
        """End it and all of its sessions."""


@dataclass(frozen=True)
class Wanted:
    """What the target would have tried: its foreign keys without an index, and its settings.

    ``why`` says why the target could not be asked. ``left_out`` counts keys beyond the most that are tried, ``unfit``
    those that are not tried at all. ``known`` are the last trials of all that are missing still.
    """

    keys: Sequence[Row] = ()
    left_out: int = 0
    unfit: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    system_identifier: str = ""
    known: Mapping[lacking.Name, Row] = field(default_factory=dict)
    why: str = ""


# What is tried ------------------------------------------------------------------------------------------------


def asked(sources: Sources) -> Wanted:
    """Ask ledger and target. Whatever goes wrong costs no restoration."""
    try:
        with sources.ledger() as session:
            _, body = newest_snapshot(session, sources.target, lacking.STEP) or (None, None)
        with sources.read() as session:
            return wanted(session, sources.config.maintenance.indexes, body)
    except Exception as error:  # whatever the target holds, its backup is restored
        log.exception("the target could not be asked which indexes are missing")
        return Wanted(why=refusals.words(error))


def wanted(session: Session, config: Indexes, body: Any) -> Wanted:
    """What a target would have tried, over one session that reads; ``body`` is the last snapshot of trials."""
    keys = lacking.keys(session, config)
    fit = [key for key in keys if not lacking.unfit(key)]
    before = lacking.trials(body)
    known = {name: before[name] for name in map(lacking.name, keys) if name in before}
    fit.sort(key=lambda key: known.get(lacking.name(key), {}).get("tried_at", ""))  # the largest first, else
    settings = {row["name"]: row["setting"] for row in session.rows(session.load("indexes/planner_settings"))}
    left_out, unfit = len(fit[MOST_TRIED:]), len(keys) - len(fit)
    return Wanted(fit[:MOST_TRIED], left_out, unfit, settings, lacking.cluster(session), known)


# On the copy --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Copy:
    """A copy at its trials, which must have ended at ``end`` by the monotonic clock; ``planner`` is who plans on it."""

    server: Server
    session: Session
    clocks: Sql
    asked: Wanted
    end: float
    planner: str

    def arm(self, most: float = float("inf")) -> Sql:
        """Clocks for the next statement, which the standing session has too. Raises TimeoutError when none is left."""
        left = min(self.end - time.monotonic(), most)
        if left <= 0:
            raise TimeoutError
        _set(self.session, {"statement_timeout": f"{max(1, round(left * 1000))}ms"})
        return self.clocks.model_copy(update={"statement_timeout_seconds": left})


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
    found: list[Row] = []
    try:
        with _ending(server, end), database.standing(server.connect, clocks) as session:
            copy = _Copy(server, session, clocks, asked, end, f"upkeep_planner_{secrets.token_hex(8)}")
            if asked.keys:
                _prepare(copy)
            for key in asked.keys:
                found.append(_trial(copy, key, as_of, analyse=analyse))
                log.info("tried an index for %s.%s: %s", key["schema"], key["table"], said(found[-1]))
    except Exception as error:  # the findings of the backup are made, and must not be lost
        log.exception("the copy could not be asked")
        return not_tried(topic, f"the copy could not be asked: {refusals.words(error)}"), None
    latest = {lacking.name(one): _or_before(one, asked.known) for one in found if one["tried_at"]}
    return _findings(found, asked, topic), {"trials": list({**asked.known, **latest}.values())}


def _or_before(one: Row, known: Mapping[lacking.Name, Row]) -> Row:
    """What is known after a trial. One that this host had no room, time or server for says nothing, and what was proven
    before holds for as long as it would; it was tried all the same, so that the others' turn comes.
    """
    before = known.get(lacking.name(one), {})
    same = all(before.get(name) == one[name] for name in ("columns", "column_types", "system_identifier"))
    return {**before, "tried_at": one["tried_at"]} if one.get("hosts_own") and same and before.get("proven") else one


def not_tried(topic: Topic, why: str) -> list[Finding]:
    """Said of all of them; what earlier restorations have proven stands for as long as it would."""
    detail, remedy = f"not collected: {why}", "See the task's log, and what else is said of this restoration."
    return [topic.finding(Level.UNKNOWN, detail, create.EXPECTED, remedy)]


@contextmanager
def _ending(server: Server, end: float) -> Iterator[None]:
    """Stop a server soon after ``end``: code of the target's may run in it that no clock of its own ends."""
    timer = threading.Timer(end + _GRACE_SECONDS - time.monotonic(), server.stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _prepare(copy: _Copy) -> None:
    """No event trigger, the role that plans, and the target's settings for builds, within what this host has."""
    for row in copy.session.rows(copy.session.load("indexes/event_triggers")):
        copy.session.rows(_SILENCE.format(sql.Identifier(row["name"])).as_string())
    planner = sql.Identifier(copy.planner)
    copy.session.rows(_ROLE.format(planner).as_string())
    copy.session.rows(_MAY_ENTER.format(sql.Identifier(copy.server.dbname), planner).as_string())
    settings = copy.asked.settings
    _set(copy.session, {**settings, **_least(settings)})


def _least(settings: Mapping[str, str]) -> dict[str, str]:
    """Of what a build takes of this host, what the target has or this host gives, whichever is less."""
    return {name: str(min(int(settings[name]), most)) for name, most in _AT_MOST.items() if name in settings}


def _set(session: Session, settings: Mapping[str, str]) -> None:
    values = {"names": list(settings), "values": list(settings.values())}
    session.rows(session.load("indexes/set_setting"), values)


def _trial(copy: _Copy, key: Row, as_of: datetime, *, analyse: bool) -> Row:
    """One index: plan, the build, the same plan; then it is dropped, so that the next one is tried without it."""
    about = {name: key[name] for name in ("schema", "table", "constraint", "columns", "column_types")}
    about |= {"system_identifier": copy.asked.system_identifier, "data_as_of": as_of.isoformat(), "proven": False}
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
        if analyse:
            copy.arm()
            copy.session.rows(_ANALYZE.format(sql.Identifier(key["schema"], key["table"])).as_string())
        return about | _measured(copy, key, index)
    except Exception as error:  # of this index alone; a session that is lost is told of the next one
        log.warning("no index for %s.%s: %s", key["schema"], key["table"], refusals.words(error))
        return about | {"why": refusals.words(error), "hosts_own": refusals.hosts_own(error)}
    finally:
        with suppress(psycopg.Error, TimeoutError):
            copy.arm()
            copy.session.rows(_DROP.format(sql.Identifier(key["schema"], index)).as_string())


def _measured(copy: _Copy, key: Row, index: str) -> Row:
    before = _plan(copy, key, index)
    copy.arm()
    began = time.monotonic()
    copy.session.rows(create.statement({**key, "index": index}))
    took = time.monotonic() - began
    built = copy.session.row(copy.session.load("indexes/built"), {"schema": key["schema"], "index": index})
    compared = plans.compared(before, _plan(copy, key, index))
    return {"seconds": took, "bytes": int(built["bytes"]), "table_bytes": int(built["table_bytes"]), **compared}


def _plan(copy: _Copy, key: Row, index: str) -> plans.Planned:
    """The generic plan of the key's lookup, by the role that may do nothing else; it is not executed."""
    clocks = copy.arm(_PLAN_SECONDS)
    with database.session(lambda: copy.server.connect_as(copy.planner), clocks, read_only=True) as session:
        _set(session, {**copy.asked.settings, "plan_cache_mode": "force_generic_plan"})
        return plans.planned(session, key, index)


# What is said -------------------------------------------------------------------------------------------------


def _findings(trials: Sequence[Row], asked: Wanted, topic: Topic) -> list[Finding]:
    more = f"; {asked.left_out} more wait for the next restoration" if asked.left_out else ""
    more += f"; {asked.unfit} not tried, as missing_indexes says" if asked.unfit else ""
    detail = "no foreign key of a large table lacks one: nothing to try"
    if trials:
        detail = f"{count(len(trials), 'index')} tried, {sum(one['proven'] for one in trials)} proven"
    elif more:
        detail = "nothing to try"
    return [topic.finding(Level.OK, detail + more, create.EXPECTED), *(_finding(one, topic) for one in trials)]


def _finding(one: Row, topic: Topic) -> Finding:
    name = f"{one['schema']}.{one['table']}"
    part = topic.part(f"{name}:{one['constraint']}", f"An index of {name} for {one['constraint']}, on the copy")
    if one["why"]:
        remedy = "No plan proposes it until a restoration has proven it."
        if one.get("hosts_own"):
            remedy = "What an earlier restoration has proven holds for as long as it would. Repeat the restoration."
        return part.finding(Level.UNKNOWN, f"not collected: {one['why']}", create.EXPECTED, remedy)
    return part.finding(Level.OK, said(one), create.EXPECTED)


def said(one: Row) -> str:
    """What came of one trial, in words. Pure."""
    if one["why"]:
        return f"not tried: {one['why']}"
    by = "by the index" if one["indexed"] else "not by the index"
    cost = f"the key's own lookup: estimated cost {one['before']:,.0f} before, {one['after']:,.0f} after, {by}"
    built = f"built in {span(timedelta(seconds=one['seconds']))}, {size(one['bytes'])}"
    return f"{'proven' if one['proven'] else 'not proven'}; {built}; {cost}"
