"""Rebuilding bloated B-trees (G55-G58): how bloat is known, which rebuilds are proposed, what one did or left behind.

Bloat is the share of an index that a rebuild gives back: what its leaf pages hold, packed as its fillfactor says,
against the pages that it has. Keys that come in no order leave a healthy B-tree about two thirds full, which is some
23 % by this measure: a limit below that would rebuild it every month. Only what pgstattuple has measured becomes an
action; an estimate from statistics is told as one.

REINDEX CONCURRENTLY builds a second index, gives it the name, and drops the old one. One that ends early leaves an
invalid index, ``…_ccnew`` or, after the names were changed, ``…_ccold``: those that were not there before our permit
are ours to remove under it, all others are for kind ``indexes``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from psycopg import sql

from upkeep.areas.indexes import partitions
from upkeep.areas.indexes import propose as drop
from upkeep.areas.tables import bloat_measurement as measurement
from upkeep.areas.tables.bloat_measurement import MEASURED, Bloat
from upkeep.core.text import visible
from upkeep.gate import predictions
from upkeep.gate.attempts import Leftover
from upkeep.gate.kind import ActionKind
from upkeep.gate.plans.model import Action, Proposal
from upkeep.gate.predictions import Corrections
from upkeep.gate.proposing import Proposals, ProposalSources
from upkeep.settings.maintenance import Maintenance
from upkeep.settings.reindex import Reindex
from upkeep.wires import fingerprints
from upkeep.wires.database import Row, Session

KIND, VERB = "reindex", "reindex"

_DROP = sql.SQL("DROP INDEX CONCURRENTLY {}")
#: Servers whose CONCURRENTLY loses rows of the new index (14.0 to 14.3, see the notes of 14.4).
_UNSAFE = range(140_000, 140_004)


def unsafe(version: int) -> str:
    """Why nothing is rebuilt on a server of this version; empty when it may."""
    if version not in _UNSAFE:
        return ""
    return f"PostgreSQL 14.{version % 10_000} may lose rows of an index that it rebuilds CONCURRENTLY: update to 14.4"


# Room ---------------------------------------------------------------------------------------------------------


def free_room(session: Session, config: Maintenance, target: str) -> int | None:
    """Bytes of the target's storage that its database does not take, None when config does not know the storage."""
    known = config.targets.get(target)
    if known is None or known.storage_bytes is None:
        return None
    return known.storage_bytes - int(session.row(session.load("indexes/database_bytes"))["bytes"])


def needed_room(config: Reindex, size: int) -> int:
    """Bytes that must be free before an index of this size is rebuilt."""
    return round(size * config.room_factor)


# Candidates ---------------------------------------------------------------------------------------------------


def candidates(session: Session, config: Maintenance, target: str, taken: Iterable[int]) -> list[Row]:
    """Indexes whose measured bloat is beyond config and for which there is room, the most room back first.

    Each has its ``percent`` and ``free_bytes``. Without a known storage there is none; ``taken`` are OIDs to leave out.
    """
    free, has = free_room(session, config, target), measurement.extension(session)
    if free is None or not has.schema or unsafe(session.version):
        return []
    left_out, found = set(taken), []
    for row in measurement.indexes(session, config.reindex, measurement.tables(session, config.reindex)):
        if row["oid"] in left_out or needed_room(config.reindex, row["bytes"]) > free:
            continue
        bloat = measurement.index_bloat(session, config.reindex, has, row)
        if bloated(config.reindex, row, bloat):
            found.append(row | {"percent": bloat.percent, "free_bytes": free})
    return sorted(found, key=lambda row: (-row["percent"] * row["bytes"], row["oid"]))


def bloated(config: Reindex, row: Row, bloat: Bloat) -> bool:
    """Whether an index would be proposed, had it the room: only what was measured is."""
    if bloat.percent is None or bloat.how != MEASURED or not row["rebuildable"]:
        return False
    return bloat.percent >= config.bloat_percent


def proposals(sources: ProposalSources) -> Proposals:
    """What a plan would rebuild. Raises NotAsked."""
    config, known = sources.settings.maintenance, sources.learned(KIND)
    taken = sources.taken_of(KIND) + sources.taken_of(drop.KIND)  # what goes is not rebuilt first
    with sources.reading() as target:
        rows = candidates(target, config, sources.name, taken)
    return propose(rows, config, sources.roles(KIND), known), len(rows)


def propose(
    rows: Iterable[Row],
    config: Maintenance,
    roles: tuple[str, ...],
    known: Corrections | None = None,
) -> list[Proposal]:
    """An action for each candidate, its prediction corrected by what earlier ones took. Pure."""
    found = []
    for row in rows:
        base = predicted_ms(row["table_bytes"], row["bytes"], config.optimise.megabytes_per_second)
        predicted, note = predictions.corrected(VERB, base, row["oid"], known or Corrections())
        found.append(Proposal(_action(row, config.reindex, roles, predicted), _seen(row) | note))
    return found


def _action(row: Row, config: Reindex, roles: tuple[str, ...], predicted: int) -> Action:
    return Action(
        id="",
        kind=KIND,
        verb=VERB,
        statement=partitions.rebuild(row["schema"], row["index"]),
        schema=row["schema"],
        table=row["index"],
        oid=row["oid"],
        shape=row["shape"],
        roles=roles,
        because=f"at least {config.bloat_percent:g} % of it is bloat, as measured",
        lock="SHARE UPDATE EXCLUSIVE",
        predicted_ms=predicted,
        predicted_bytes=round(row["bytes"] * row["percent"] / 100),
    )


def predicted_ms(table_bytes: int, index_bytes: int, megabytes_per_second: float) -> int:
    """How long it takes to read the table twice (to build, to add what came meanwhile) and to write the index."""
    milliseconds = (2 * table_bytes + index_bytes) / (megabytes_per_second * 1024**2) * 1000
    return max(predictions.AT_ONCE_MS, round(milliseconds))


def _seen(row: Row) -> dict[str, Any]:
    """What the plan's form shows beside an action."""
    return {"bloat percent": round(row["percent"], 1), "bytes": row["bytes"], "free bytes": row["free_bytes"]}


# What apply asks of a kind ------------------------------------------------------------------------------------


def state(session: Session, action: Action) -> Row | None:
    """The index that has the name now, None when there is none."""
    names = {"schema": action.schema, "index": action.table, "oid": action.oid}
    rows = session.rows(session.load("indexes/rebuild_state"), names)
    return next(iter(fingerprints.with_shapes(session, rows)), None)


def obstacle(action: Action, now: Row | None) -> str:
    """Why the planned index must not be rebuilt any more; empty when it may."""
    if now is None:
        return "no index has its name any more (dropped or renamed since the plan was drawn up)"
    if now["oid"] != action.oid:
        return "another index has its name since the plan was drawn up (rebuilt, or dropped and created again)"
    if now["shape"] != action.shape:
        return "the index's definition was changed since the plan was drawn up"
    if not now["valid"]:
        return "it has become invalid since the plan was drawn up"
    return "" if now["rebuildable"] else "it cannot be rebuilt beside the table's use"


def no_room(action: Action, now: Row, config: Maintenance, target: str) -> str:
    """Why the disk may not hold a second copy of it by now; empty when it does."""
    known = config.targets.get(target)
    if known is None or known.storage_bytes is None:
        return f"targets.{target}.storage_bytes: found none, so that it is not known whether there is room"
    if now["bytes"] is None:
        return "its size could not be asked: somebody has or wants ACCESS EXCLUSIVE"
    free, needed = known.storage_bytes - now["database_bytes"], needed_room(config.reindex, now["bytes"])
    return "" if needed <= free else f"{free} bytes are free by now, expected at least {needed} (reindex.room_factor)"


def was_done(action: Action, before: Mapping[str, Any], after: Row | None) -> bool:
    """Whether the catalogue shows that the action was carried out: the name has gone to a new index that is like the
    planned one, which is not there any more or only as an invalid remainder.
    """
    if after is None or not after["valid"] or after["planned_name"] is not None:
        return False
    return bool(after["oid"] != before["oid"] and after["shape"] == before["shape"])


def elsewhere(action: Action, before: Mapping[str, Any], after: Row | None) -> str:
    """Why another index may have been rebuilt: the planned one is there under another name, and its own stands for one
    that its table did not have before.
    """
    if after is None or after["planned_name"] is None or after["oid"] in (before["oid"], *before["siblings"]):
        return ""
    return (
        f"the name stands for another index by now (OID {after['oid']}), which was rebuilt; the planned one (OID "
        f"{action.oid}) was not, and is called {visible(after['planned_name'])}"
    )


def leftovers(session: Session, action: Action, before: Mapping[str, Any]) -> list[Leftover]:
    """What attempts left that was not there ``before``. What somebody builds or drops just now is not among it."""
    now = state(session, action)
    known = {one["oid"] for one in before["leftovers"]}
    ours = [one for one in now["leftovers"] if one["oid"] not in known and not one["busy"]] if now else []
    return [
        Leftover(
            f"{visible(one['schema'])}.{visible(one['index'])} (OID {one['oid']})",
            _DROP.format(sql.Identifier(one["schema"], one["index"])).as_string(),
            "an invalid index, which the next plan proposes to drop",
        )
        for one in ours
    ]


ACTION_KIND = ActionKind(
    KIND,
    "G55",
    ("monthly",),
    proposals,
    state,
    obstacle,
    was_done,
    no_room=no_room,
    leftovers=leftovers,
    elsewhere=elsewhere,
)
