"""VACUUM and ANALYZE (G52, G59): which tables need one, as actions; what one did, from the catalogue.

TRUNCATE is off: giving back the pages at a table's end takes ACCESS EXCLUSIVE, and the plan promises less. From
PostgreSQL 18 on both go through a table's inheritance children too, which nobody approved, unless ONLY stands there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from psycopg import sql

from upkeep.areas.tables import bloat_measurement
from upkeep.core.text import visible
from upkeep.gate import predictions
from upkeep.gate.attempts import ObjectChanged
from upkeep.gate.kind import ActionKind
from upkeep.gate.plans.model import MOST_ACTIONS, Action, Proposal
from upkeep.gate.plans.statements import copyable
from upkeep.gate.predictions import Corrections
from upkeep.gate.proposing import Proposals, ProposalSources
from upkeep.settings.approval import Optimise
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

KIND = "optimise"
VACUUM, ANALYZE = "vacuum", "analyze"

_STATEMENTS = {VACUUM: sql.SQL("VACUUM (ANALYZE, TRUNCATE false) {}{}"), ANALYZE: sql.SQL("ANALYZE {}{}")}
#: From this server on a statement says that it means one table; older ones do not know the word.
_ONLY_FROM = 180_000
_PAGE = 8192
#: Pages that ANALYZE reads at most: 300 rows for each of the default 100 statistics targets.
_SAMPLED = 30_000
#: What a page costs by the server's own prices: read, and written back where rows died.
_READ, _WRITTEN = 2, 20
#: VACUUM leaves indexes alone while fewer of a table's pages than this hold rows that they may point to.
_BYPASSED = 0.02


#: OID → live and dead rows of a table, as measured.
Measured = Mapping[int, tuple[int, int]]


def candidates(
    session: Session,
    config: Optimise,
    taken: Iterable[int],
    measured: Measured | None = None,
    most: int | None = MOST_ACTIONS + 1,
) -> list[Row]:
    """Tables that need work, worst first, at most one more than a plan holds; ``taken`` are OIDs to leave out.

    ``measured`` rows count where the counters tell of fewer, as they do after a reset.
    """
    counted = dict(measured or {})
    parameters = {
        "oids": list(counted),
        "live": [live for live, _ in counted.values()],
        "dead": [dead for _, dead in counted.values()],
        "rows": config.dead_rows,
        "dead_percent": config.dead_percent,
        "changed_percent": config.changed_percent,
        "taken": list(taken),
        "most": most,
    }
    return session.rows(session.load("tables/dead_rows"), parameters)


def proposals(sources: ProposalSources) -> Proposals:
    """What a plan would vacuum or analyze. Raises NotAsked."""
    config, known = sources.settings.maintenance, sources.learned(KIND)
    with sources.reading() as target:
        measured = bloat_measurement.measured_rows(target, config.reindex)
        rows = candidates(target, config.optimise, sources.taken_of(KIND), measured)
        found = propose(rows, config.optimise, sources.roles(KIND), target.version, known)
    return found, rows[0]["candidates"] if rows else 0


def propose(
    rows: Iterable[Row],
    config: Optimise,
    roles: tuple[str, ...],
    version: int,
    known: Corrections | None = None,
) -> list[Proposal]:
    """An action for each candidate, its prediction corrected by what is known of earlier ones. Pure.

    ``version`` is the server's ``server_version_num``.
    """
    found, known = [], known or Corrections()
    for row in rows:
        verb, oid = VACUUM if row["vacuum"] else ANALYZE, row["oid"]
        base = predicted_ms(verb, row, config, known.after.get((VACUUM, oid), {}))
        predicted, note = predictions.corrected(verb, base, oid, known)
        found.append(Proposal(_action(row, config, roles, version, predicted), _measured(row) | note))
    return found


def by_hand(schema: str, table: str) -> str:
    """The VACUUM that a plan would hold, for people."""
    return copyable(_STATEMENTS[VACUUM].format(sql.SQL(""), sql.Identifier(schema, table)).as_string())


def _action(row: Row, config: Optimise, roles: tuple[str, ...], version: int, predicted: int) -> Action:
    verb = VACUUM if row["vacuum"] else ANALYZE
    rule = (
        f"at least {config.dead_percent:g} % of its rows are dead"
        if row["vacuum"]
        else f"at least {config.changed_percent:g} % of its rows changed since its last ANALYZE"
    )
    return Action(
        id="",
        kind=KIND,
        verb=verb,
        statement=_statement(verb, row["schema"], row["table"], version),
        schema=row["schema"],
        table=row["table"],
        oid=row["oid"],
        shape=row["shape"] or "",
        roles=roles,
        because=rule,
        lock="SHARE UPDATE EXCLUSIVE",
        predicted_ms=predicted,
        predicted_bytes=0,
    )


def _statement(verb: str, schema: str, table: str, version: int) -> str:
    only = sql.SQL("ONLY " if version >= _ONLY_FROM else "")
    return copyable(_STATEMENTS[verb].format(only, sql.Identifier(schema, table)).as_string())


def predicted_ms(verb: str, row: Row, config: Optimise, last: Mapping[str, Any]) -> int:
    """How long a table's candidate row takes at the configured speed and cost delay.

    ``last`` are its counters after its last VACUUM by a plan, empty when there is none.
    """
    sampled: float = min(row["table_bytes"] / _PAGE, _SAMPLED)
    read, cost = sampled, sampled * _READ
    if verb == VACUUM:
        first, again, index = _visits(row, last)
        read = first + index  # what is visited again, or sampled afterwards, has just been read
        cost += (first + again + index) * (_READ + _WRITTEN)
    reading = read * _PAGE / (config.megabytes_per_second * 1024**2) * 1000
    # A sleep of the delay comes whenever the limit is reached.
    sleeping = cost / config.vacuum_cost_limit * config.vacuum_cost_delay_ms
    return max(predictions.AT_ONCE_MS, round(reading + sleeping))


def _visits(row: Row, last: Mapping[str, Any]) -> tuple[float, float, float]:
    """Pages that VACUUM visits: of the table, of the table a second time, and of its indexes.

    The second visit frees what indexes pointed to, and comes with reading all of them (PostgreSQL's vacuumlazy.c).
    """
    pages, dead = row["table_bytes"] / _PAGE, row["dead_rows"]
    rows = row["live_rows"] + dead
    first = max(pages - row["visible_pages"], _touched(pages, rows, dead))
    again = _touched(pages, rows, dead * _pointed_to(row, last))
    return (first, 0, 0) if again < _BYPASSED * pages else (first, again, row["index_bytes"] / _PAGE)


def _touched(pages: float, rows: float, some: float) -> float:
    """Pages with at least one of some rows, if these lie as by chance; where they lie together it is fewer."""
    return pages * (1 - (1 - some / rows) ** (rows / pages)) if pages >= 1 and rows else pages


def _pointed_to(row: Row, last: Mapping[str, Any]) -> float:
    """The share of the rows that died since the last VACUUM which indexes point to: a HOT update leaves no such row.

    Without counters from then, or when they were reset since, it is the share since they are counted.
    """
    names = ("updates", "hot_updates", "deletes")
    since = [row[name] - last.get(name, 0) for name in names]
    updates, hot, deletes = since if min(since) >= 0 else [row[name] for name in names]
    return (updates - hot + deletes) / (updates + deletes) if updates + deletes else 1.0


def _measured(row: Row) -> dict[str, Any]:
    """What the plan's form shows beside an action."""
    names = {
        "live_rows": "live rows",
        "dead_rows": "dead rows",
        "changed_rows": "rows changed since ANALYZE",
        "table_bytes": "bytes",
    }
    return {names[key]: int(row[key]) for key in names}


# What apply asks of a kind ------------------------------------------------------------------------------------


def state(session: Session, action: Action) -> Row | None:
    """The table as it is now, None when it is gone."""
    names = {"schema": action.schema, "table": action.table, "oid": action.oid}
    rows = session.rows(queries.load("tables/table_state", session.version), names)
    return rows[0] if rows else None


def obstacle(action: Action, now: Row | None) -> str:
    """Why the planned table is not there any more; empty when it is."""
    if now is None:
        return "the table is gone since the plan was drawn up (dropped, or dropped and created again)"
    if (now["schema"], now["table"]) != (action.schema, action.table):
        return f"the table has been renamed to {visible(now['schema'])}.{visible(now['table'])}"
    if (now["shape"] or "") != action.shape:
        return "the table's columns were altered since the plan was drawn up"
    return ""


def was_done(action: Action, before: Mapping[str, Any], after: Row | None) -> bool:
    """Whether the catalogue shows that the action was carried out since ``before``: by its counters, not by a clock."""
    counters = ("vacuum_count", "analyze_count") if _whole(action, before) else ("analyze_count",)
    return after is not None and all(_counted(before[counter], after[counter]) for counter in counters)


def _whole(action: Action, before: Mapping[str, Any]) -> bool:
    """Whether the attempt was one at both halves."""
    return action.verb == VACUUM and not before.get("rest")


def note(action: Action, now: Row, earlier: Mapping[str, Any] | None) -> Row:
    """What the permit says besides: that the table was vacuumed since the first attempt, and is only to be analysed."""
    if action.verb == VACUUM and earlier is not None and _counted(earlier["vacuum_count"], now["vacuum_count"]):
        return {"rest": ANALYZE}
    return {}


def run(session: Session, action: Action, before: Mapping[str, Any]) -> None:
    """The statement, or of one that was done by half its rest.

    An ANALYZE is a transaction, and rolled back when the name stood for another table: raises ObjectChanged. A
    VACUUM cannot be bound: ``elsewhere`` tells.
    """
    if _whole(action, before):
        session.rows(action.statement)
        return
    with session.connection.transaction():
        session.rows(_statement(ANALYZE, action.schema, action.table, session.version))
        if why := obstacle(action, state(session, action)):
            raise ObjectChanged(why)


def partly(action: Action, before: Mapping[str, Any], after: Row | None) -> str:
    """What happened of an attempt that was not done whole; empty when nothing did."""
    if before.get("rest"):
        return "vacuumed by an earlier attempt, not analysed"
    if after is None or action.verb != VACUUM or not _counted(before["vacuum_count"], after["vacuum_count"]):
        return ""
    analysed = _counted(before["analyze_count"], after["analyze_count"])
    return "vacuumed and analysed, though it did not end well" if analysed else "vacuumed, not analysed"


def elsewhere(action: Action, before: Mapping[str, Any], after: Row | None) -> str:
    """Why another table may have been vacuumed: this one was not, and the name stands for another one by now."""
    if after is None or after["named_oid"] in (None, action.oid) or partly(action, before, after):
        return ""
    return (
        f"the name stands for another table by now (OID {after['named_oid']}); the planned one (OID {action.oid}) is "
        f"called {visible(after['schema'])}.{visible(after['table'])} and was not touched"
    )


def _counted(before: int, after: int) -> bool:
    """A counter that went up; one that went down was reset meanwhile (a crash does that) and has counted since."""
    return after > before or 0 < after < before


ACTION_KIND = ActionKind(
    KIND,
    "G59",
    ("weekly", "monthly"),
    proposals,
    state,
    obstacle,
    was_done,
    run=run,
    note=note,
    partly=partly,
    elsewhere=elsewhere,
)
