"""Canary rows (G102): written by a login that may do nothing else, looked for in the copy that the monthly drill makes.

The RPO that the drill measures by commits is that of a busy server. A row of known time says more: the newest one that
was written longer than the RPO before the incident must be in the copy, and with it all before it. Off without
``targets.<t>.canary``; where that is set, a plan proposes schema, table and the grant, and nothing is written before
people have approved it, nor in a freeze.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from upkeep.areas.backups.dump_look import database_of
from upkeep.areas.look import Inspection, Sources
from upkeep.core import windows
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.core.text import visible
from upkeep.core.units import span, utc
from upkeep.core.windows import Cadence
from upkeep.gate import predictions
from upkeep.gate.attempts import ObjectChanged
from upkeep.gate.kind import ActionKind
from upkeep.gate.plans.model import Action, Proposal
from upkeep.gate.plans.statements import copyable
from upkeep.gate.proposing import Proposals, ProposalSources
from upkeep.ledger.write import LookResult
from upkeep.settings.backups import Canary
from upkeep.settings.base import ConfigError
from upkeep.settings.load import Settings
from upkeep.settings.maintenance import Target
from upkeep.wires import database, queries
from upkeep.wires.database import Row, Session, error_words

KIND, VERB = "canary", "create"
#: The step whose snapshots say when rows were written.
STEP = "canary"
SCHEMA, TABLE = "upkeep_canary", "written"

_CREATE = sql.SQL(
    "CREATE SCHEMA upkeep_canary; CREATE TABLE upkeep_canary.written (written_at timestamptz PRIMARY KEY); "
    "GRANT USAGE ON SCHEMA upkeep_canary TO {role}; GRANT INSERT ON upkeep_canary.written TO {role}"
)
_DROP = "DROP TABLE upkeep_canary.written; DROP SCHEMA upkeep_canary"
_TOPIC = Topic("canary", "The canary row of the recovery drill", "G102")
_IN_COPY = Topic("drill:canary", "Age of the newest canary row in the copy", "G102")
_EXPECTED = "a row each day, which the drill looks for in the restored copy"
_OFF = "no canary: it is off (config/maintenance.yaml: targets.<target>.canary)"


# Written daily ------------------------------------------------------------------------------------------------


def write(sources: Sources) -> LookResult:
    """Add a row. That there is no canary, or that it cannot write, is said, and fails nothing."""
    main, config = sources.config.maintenance, sources.config.target(sources.target).canary
    if config is None:
        return LookResult((_TOPIC.finding(Level.OK, _OFF, _EXPECTED),))
    if freeze := windows.frozen(main.freezes, datetime.now(UTC)):
        detail = f"not written: nothing is changed until {utc(freeze.end)} ({visible(freeze.reason)})"
        return LookResult((_TOPIC.finding(Level.OK, detail, _EXPECTED),))
    target = sources.config.target(sources.target)
    try:
        name = database_of(sources)
        with database.session(sources.trusted(config.connection), main.sql, read_only=False) as session:
            if why := stray(session, name, config) or unable(session, sources.target, target, config):
                return LookResult((why,))
            at: datetime = session.row(queries.load("backups/canary_clock"))["at"]
            session.rows(queries.load("backups/canary_write"), {"at": at})
            table, server = table_of(session), session.row(queries.load("setup/identity"))["id"]
    except (psycopg.Error, ConfigError) as error:
        detail = f"not written: {error if isinstance(error, ConfigError) else error_words(error)[:300]}"
        remedy = f"See Connection {config.connection!r}, and what the role may."
        return LookResult((_TOPIC.finding(Level.UNKNOWN, detail, _EXPECTED, remedy),))
    body = {"at": at.isoformat(), "system_identifier": server, "table": table}
    return LookResult((_TOPIC.finding(Level.OK, f"written at {utc(at)}", _EXPECTED),), snapshot=body)


def unable(session: Session, name: str, target: Target, config: Canary) -> Finding | None:
    """Why no row may be added over this session on the target of this name; None where one may."""
    server = session.row(queries.load("setup/identity"))["id"]
    role, user = config.role, session.connection.info.user
    if server != target.system_identifier:
        detail = f"not written: targets.{name}.system_identifier: found {target.system_identifier or 'nothing'}"
        detail += f", expected that of the server behind Connection {config.connection!r}, which is {server}"
        return _TOPIC.finding(Level.UNKNOWN, detail, _EXPECTED, "Pin the server, or correct the Connection.")
    here = _row(session, role=role)
    if here is None or role != user:
        detail = f"not written: the Connection logs in as {visible(user)}, expected the role {visible(role)} of config"
        return _TOPIC.finding(Level.UNKNOWN, detail, _EXPECTED, "Correct targets.<target>.canary.")
    if here["rights"]:
        remedy = "Take these rights from it, or name another role: it is to add a row and nothing else."
        detail = f"not written: role {visible(role)} has rights of its own: {here['rights']}"
        return _TOPIC.finding(Level.UNKNOWN, detail, _EXPECTED, remedy)
    if not here["schema_there"]:
        detail = "not there yet: schema upkeep_canary is made by a plan that people approve"
        remedy = "The weekly plan proposes it; `python -m upkeep grants canary` prints what that needs."
        return _TOPIC.finding(Level.ADVISORY, detail, _EXPECTED, remedy)
    if not here["may_write"]:
        owner = visible(here["owner"])
        detail = (
            f"not written: role {visible(role)} may not add a row to upkeep_canary.written; {owner} owns the schema"
        )
        remedy = (
            f"If a plan made it, grant USAGE and INSERT again; if {owner} made it for something else, leave it alone"
        )
        return _TOPIC.finding(Level.UNKNOWN, detail, _EXPECTED, f"{remedy} and take targets.<target>.canary out.")
    return None


def stray(session: Session, name: str, config: Canary) -> Finding | None:
    """Why no row may be added over this session: it is on another database than the target's, which has this name.

    An empty name is that of a target that did not answer; then a database beside it is not told apart.
    """
    here = session.row(queries.load("backups/database"))["database"]
    if not name or here == name:
        return None
    detail = f"not written: Connection {config.connection!r} leads to database {visible(here)}"
    detail += f", expected {visible(name)}"
    return _TOPIC.finding(Level.UNKNOWN, detail, _EXPECTED, "Correct the database (schema) of that Connection.")


# Looked for in the copy ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """What a copy is held against: the rows of the target's table, by the ledger, newest first, and when they come.

    ``there`` is whether the target has the table. Rows of a table that was there before it, or of another server, do
    not count.
    """

    there: bool
    rows: tuple[datetime, ...]
    daily: Cadence


def written(sources: Sources, table: int | None, server: str) -> Written | None:
    """The rows of the target's table with this OID, on the server of this identifier; None where config wants none."""
    if sources.config.target(sources.target).canary is None:
        return None
    with sources.ledger() as session:
        asked = {"target": sources.target, "table": table, "server": server}
        rows = session.rows(queries.load("backups/canary_rows"), asked)
    daily = sources.config.maintenance.cadences(sources.target)["daily"]
    return Written(table is not None, tuple(row["at"] for row in rows), daily)


def table_of(session: Session) -> int | None:
    """The OID of the table, in the target or a copy of it; None without one."""
    rows = session.rows(queries.load("backups/canary_table"))
    return rows[0]["oid"] if rows else None


def in_copy(session: Session) -> datetime | None:
    """The newest row of a restored copy, None without one."""
    if table_of(session) is None:
        return None
    found: datetime | None = session.row(queries.load("backups/canary_newest"))["at"]
    return found


def reached(
    copied: datetime | None, known: Written | None, incident: datetime, limit: timedelta
) -> tuple[Finding, tuple[Sample, ...]]:
    """How old the newest row of the copy was at the incident, the end of recovery, and whether one is missing. Pure.

    Its age is not held against the limit, for it is as coarse as the writing. The newest row that was written longer
    than the limit before the incident must be there; WAL has an order, and so all before it are. One must have been
    written since the last daily window but one before that, else nothing is known.
    """
    expected = f"the newest row that was written {span(limit)} or longer before the incident"
    if known is None:
        return _IN_COPY.finding(Level.OK, _OFF, expected), ()
    said = "no canary row in the copy"
    samples: tuple[Sample, ...] = ()
    if copied is not None:
        age = max(incident - copied, timedelta(0))
        said = f"the newest canary row in the copy is of {utc(copied)}, {span(age)} before the incident"
        samples = (Sample("canary_age", age.total_seconds(), "s"),)
    before = incident - limit
    since = known.daily.before(known.daily.before(before))
    due = next((at for at in known.rows if at <= before), None)
    if due and (copied is None or copied < due):
        detail = f"{said}; one of {utc(due)}, {span(incident - due)} before it, is missing"
        remedy = "See whether WAL is archived soon enough (archive_timeout, pg_stat_archiver)."
        return _IN_COPY.finding(Level.WARNING, detail, expected, remedy), samples
    if due is None or due < since:
        why = "" if known.there else "; the target has no table upkeep_canary.written"
        detail = f"{said}; by the ledger none was written from {utc(since)} to {utc(before)}{why}"
        remedy = "See the daily step backups.canary; a new canary is known after some days, and a freeze stops it."
        return _IN_COPY.finding(Level.UNKNOWN, detail, expected, remedy), samples
    return _IN_COPY.finding(Level.OK, f"{said}; none that must be there is missing", expected), samples


# Switched on by a plan ----------------------------------------------------------------------------------------


def proposals(sources: ProposalSources) -> Proposals:
    """Schema, table and grant, where config wants a canary and there is none. Raises NotAsked."""
    target = sources.settings.maintenance.targets.get(sources.name)
    if target is None or target.canary is None:
        return [], 0
    with sources.reading() as session:
        row = _row(session, role=target.canary.role)
    if row is None or row["rights"] or row["schema_there"] or row["oid"] in sources.taken_of(KIND):
        return [], 0
    return [Proposal(_action(row, sources.roles(KIND)), {"role": row["role"]})], 1


def _action(row: Row, roles: tuple[str, ...]) -> Action:
    return Action(
        id="",
        kind=KIND,
        verb=VERB,
        statement=create(row["role"]),
        schema=SCHEMA,
        table=TABLE,
        oid=row["oid"],
        shape=row["shape"],
        roles=roles,
        because="config wants a canary row for the recovery drill: one table, to which one role may add rows",
        lock="none of what is there",
        predicted_ms=predictions.AT_ONCE_MS,
        predicted_bytes=0,
        undo=_DROP,
    )


def create(role: str) -> str:
    """The statements that make schema and table, and let a role add rows and nothing else."""
    return copyable(_CREATE.format(role=sql.Identifier(role)).as_string())


def _row(session: Session, *, role: str | None = None, oid: int | None = None) -> Row | None:
    rows = session.rows(session.load("backups/canary_state"), {"role": role, "oid": oid})
    return rows[0] if rows else None


def state(session: Session, action: Action) -> Row | None:
    """The role that is to write, and what there is of the canary; None when the role is gone."""
    return _row(session, oid=action.oid)


def obstacle(action: Action, now: Row | None) -> str:
    """Why the canary must not be made any more; empty when it may."""
    if now is None or now["shape"] != action.shape:
        return "the role that is to write was dropped or renamed since the plan was drawn up"
    if now["rights"]:
        return "the role that is to write has rights of its own by now"
    return "there is a schema upkeep_canary by now" if now["schema_there"] else ""


def run(session: Session, action: Action, before: Mapping[str, Any]) -> None:
    """All of it or nothing. Raises ObjectChanged."""
    with session.connection.transaction():
        session.rows(action.statement)
        if not was_done(action, before, state(session, action)):
            raise ObjectChanged("the role's name stood for another one, and nothing was made")


def was_done(action: Action, before: Mapping[str, Any], after: Row | None) -> bool:
    """Whether the catalogue shows that the role may write rows."""
    return after is not None and bool(after["may_write"])


def _described(config: Settings, target: str) -> str:
    found = config.target(target).canary
    return f"a row through Connection {found.connection!r}" if found else "no canary: it is off"


INSPECTIONS = (Inspection(STEP, "schema upkeep_canary of the target", _described, write),)
ACTION_KIND = ActionKind(KIND, "G102", ("weekly", "monthly"), proposals, state, obstacle, was_done, run=run)
