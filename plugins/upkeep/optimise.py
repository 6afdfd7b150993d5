"""VACUUM and ANALYZE (G52, G59): which tables need one, as actions; what one did, from the catalogue.

TRUNCATE is off: giving back the pages at a table's end takes ACCESS EXCLUSIVE, and the plan promises less. From
PostgreSQL 18 on both go through a table's inheritance children too, which nobody approved, unless ONLY stands there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from psycopg import sql

from upkeep import plans, predictions, queries
from upkeep.database import Row, Session
from upkeep.plans import Action, Proposal
from upkeep.predictions import Correction, Sort
from upkeep.settings import Optimise

KIND = "optimise"
VACUUM, ANALYZE = "vacuum", "analyze"

_STATEMENTS = {VACUUM: sql.SQL("VACUUM (ANALYZE, TRUNCATE false) {}{}"), ANALYZE: sql.SQL("ANALYZE {}{}")}
#: From this server on a statement says that it means one table; older ones do not know the word.
_ONLY_FROM = 180_000
#: Pages that ANALYZE reads at most: 300 rows for each of the default 100 statistics targets.
_ANALYZE_BYTES = 30_000 * 8192
#: What a page costs by the server's own prices: read (2), and by VACUUM written back (20) where rows died.
_PAGE_COST = {VACUUM: 22, ANALYZE: 2}


def candidates(session: Session, config: Optimise, taken: Iterable[int]) -> list[Row]:
    """Tables that need work, worst first, at most one more than a plan holds; ``taken`` are OIDs to leave out."""
    parameters = {
        "rows": config.dead_rows,
        "dead_percent": config.dead_percent,
        "changed_percent": config.changed_percent,
        "taken": list(taken),
        "most": plans.MOST_ACTIONS + 1,
    }
    return session.rows(session.load("optimise/candidates"), parameters)


def propose(
    rows: Iterable[Row],
    config: Optimise,
    roles: tuple[str, ...],
    version: int,
    corrections: Mapping[Sort, Correction] = MappingProxyType({}),
) -> list[Proposal]:
    """An action for each candidate, its prediction corrected by what earlier ones took. Pure.

    ``version`` is the server's ``server_version_num``.
    """
    found = []
    for row in rows:
        verb = VACUUM if row["vacuum"] else ANALYZE
        base = predicted_ms(verb, row["table_bytes"], row["index_bytes"], config)
        predicted, note = predictions.corrected(verb, base, corrections)
        found.append(Proposal(_action(row, config, roles, version, predicted), _measured(row) | note))
    return found


def _action(row: Row, config: Optimise, roles: tuple[str, ...], version: int, predicted: int) -> Action:
    verb = VACUUM if row["vacuum"] else ANALYZE
    name, only = sql.Identifier(row["schema"], row["table"]), sql.SQL("ONLY " if version >= _ONLY_FROM else "")
    rule = (
        f"at least {config.dead_percent:g} % of its rows are dead"
        if row["vacuum"]
        else f"at least {config.changed_percent:g} % of its rows changed since its last ANALYZE"
    )
    return Action(
        id="",
        kind=KIND,
        verb=verb,
        statement=_STATEMENTS[verb].format(only, name).as_string(),
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


def predicted_ms(verb: str, table_bytes: int, index_bytes: int, config: Optimise) -> int:
    """How long it takes to read a table, and for VACUUM its indexes, at the configured speed and cost delay."""
    size = table_bytes + index_bytes if verb == VACUUM else min(table_bytes, _ANALYZE_BYTES)
    reading = size / (config.megabytes_per_second * 1024**2) * 1000
    # A sleep of the delay comes whenever the limit is reached.
    sleeping = size / 8192 * _PAGE_COST[verb] / config.vacuum_cost_limit * config.vacuum_cost_delay_ms
    return max(predictions.AT_ONCE_MS, round(reading + sleeping))


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
    rows = session.rows(queries.load("optimise/table_state", session.version), {"oid": action.oid})
    return rows[0] if rows else None


def obstacle(action: Action, now: Row | None) -> str:
    """Why the planned table is not there any more; empty when it is."""
    if now is None:
        return "the table is gone since the plan was drawn up (dropped, or dropped and created again)"
    if (now["schema"], now["table"]) != (action.schema, action.table):
        return f"the table has been renamed to {plans.visible(now['schema'])}.{plans.visible(now['table'])}"
    if (now["shape"] or "") != action.shape:
        return "the table's columns were altered since the plan was drawn up"
    return ""


def was_done(action: Action, before: Mapping[str, Any], after: Row | None) -> bool:
    """Whether the catalogue shows that the action was carried out since ``before``: by its counters, not by a clock."""
    counters = ("vacuum_count", "analyze_count") if action.verb == VACUUM else ("analyze_count",)
    return after is not None and all(_counted(before[counter], after[counter]) for counter in counters)


def _counted(before: int, after: int) -> bool:
    """A counter that went up; one that went down was reset meanwhile (a crash does that) and has counted since."""
    return after > before or 0 < after < before
