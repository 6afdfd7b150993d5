"""Foreign keys that lack an index, and why a plan proposes one or does not (G53). One rule for check, trial and plan.

Proven is an index that the restoration built on a copy of this cluster, and by which the key's own lookup, or a
statement that config names, is planned at a fraction of its cost without it. The lookup of nearly every key is: so it
counts only where the server makes it at all, because rows of the referenced table are deleted or changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from upkeep.areas.indexes import reindex
from upkeep.core.text import visible
from upkeep.core.units import size, utc
from upkeep.settings.approval import Indexes, NamedStatement
from upkeep.settings.maintenance import Maintenance
from upkeep.wires.database import Row, Session

#: The step whose snapshot holds the trials.
STEP = "restoration"
#: An index takes at least this part of its table, whatever a snapshot says of it.
LEAST_PART = 100

#: What is planned of each key; what else proves an index is a named statement.
LOOKUP = "the key's own lookup"
NOT_LOOKED_UP = "no delete and no change of a referenced row is counted, so that nothing looks rows up by it"

_NOT_NAMED = "no restoration has tried it for a statement of indexes.statements"

#: Schema, table, constraint, columns and their types, by which a key of the target is one of the copy.
Name = tuple[str, ...]


def keys(session: Session, config: Indexes) -> list[Row]:
    """Foreign keys of large tables that no index helps, those of the largest first, as ``foreign_keys`` has them."""
    lacking = session.rows(session.load("indexes/missing_indexes"))
    oids = [row["oid"] for row in lacking if row["live_rows"] >= config.advice_rows]
    found = {row["oid"]: row for row in session.rows(session.load("indexes/foreign_keys"), {"oids": oids})}
    return [found[oid] for oid in oids if oid in found]


def cluster(session: Session) -> str:
    """The system identifier of a session's server."""
    return str(session.row(session.load("backups/moment"))["system_identifier"])


def name(row: Mapping[str, Any]) -> Name:
    """What a key and its trial have in common. Pure."""
    return (row["schema"], row["table"], row["constraint"], *row["columns"], *row["column_types"])


def trials(body: Any) -> dict[Name, Row]:
    """The last trial of each key, of the snapshot that ``trial.tried`` makes; ``body`` is None without one. Pure."""
    return {name(one): one for one in body["trials"]} if body else {}


def looked_up(key: Mapping[str, Any]) -> bool:
    """Whether the server looks rows up by a key, as far as its counters know. Pure."""
    return bool(key["deletes"] or key["updates"])


def unfit(key: Row, config: Indexes) -> str:
    """Why an index for a key is not tried at all; empty when it is. Pure."""
    if not key["plain"]:
        return "its table is temporary or unlogged, or the key is one of periods"
    return "" if looked_up(key) or config.statements else NOT_LOOKED_UP


def proving(
    one: Mapping[str, Any], key: Mapping[str, Any], statements: Iterable[NamedStatement]
) -> dict[str, Mapping[str, Any]]:
    """What proves an index of a key, with its cost ``before`` and ``after`` as the trial has it. Pure.

    A statement proves for as long as config names it with the same text.
    """
    names = {statement.digest: statement.name for statement in statements}
    found = {LOOKUP: one} if one["proven"] and looked_up(key) else {}
    helped = [it for it in one.get("statements", ()) if it["proven"] and it["digest"] in names]
    return found | {f"statement {names[it['digest']]}": it for it in helped}


def unproven(one: Row | None, key: Row, system_identifier: str, config: Indexes, now: datetime) -> str:
    """Why a trial proves nothing here and now; empty when it does. Pure."""
    if one is None and not looked_up(key):
        return f"{NOT_LOOKED_UP}; {_NOT_NAMED}"
    if one is None:
        return "no restoration has tried it yet"
    if one["why"]:
        return f"the restoration of {_at(one['tried_at'])} could not try it: {one['why']}"
    if not proving(one, key, config.statements):
        costs = f"{LOOKUP} costs {one['before']:,.0f} without and {one['after']:,.0f} with it, by estimate"
        others = "; nor by a statement of indexes.statements" if config.statements else ""
        why = NOT_LOOKED_UP if one["proven"] else costs
        return f"tried on {_at(one['tried_at'])}, it was not proven: {why}{others}"
    if one["system_identifier"] != system_identifier:
        return f"it was proven on a copy of cluster {one['system_identifier']}, this is {system_identifier}"
    if not timedelta(0) <= now - datetime.fromisoformat(one["data_as_of"]) <= timedelta(days=config.proof_days):
        days = f"expected at most {config.proof_days:g} days (indexes.proof_days)"
        return f"its proof is by data of {_at(one['data_as_of'])}, {days}"
    return ""


def _at(moment: str) -> str:
    return utc(datetime.fromisoformat(moment).astimezone(UTC))


def judged(session: Session, config: Maintenance, target: str, body: Any, now: datetime) -> list[Row]:
    """All keys, each with ``why`` no plan proposes an index for it (empty when one does), its ``proof`` and the
    target's ``free_bytes``.
    """
    free, known, here = reindex.free_room(session, config, target), trials(body), cluster(session)
    never = reindex.unsafe(session.version)
    if free is None:
        never = f"it is not known whether there is room (targets.{target or '<target>'}.storage_bytes)"
    found = []
    for key in keys(session, config.indexes):
        proof = known.get(name(key))
        why = never or unfit(key, config.indexes) or unproven(proof, key, here, config.indexes, now)
        why = why or _no_room(config, octets(proof or {}, key), free or 0)
        found.append(key | {"why": why, "proof": proof, "free_bytes": free})
    return _without_covered(found)


def octets(proof: Mapping[str, Any], key: Row) -> int:
    """How large an index will be: as it was on the copy, and more where the table has grown since. Pure."""
    return max(round(float(proof.get("bytes", 0)) * grown(proof, key)), int(key["table_bytes"]) // LEAST_PART)


def grown(proof: Mapping[str, Any], key: Row) -> float:
    """By how much a table is larger than it was on the copy; never less than 1. Pure."""
    return max(1.0, float(key["table_bytes"]) / max(1.0, float(proof.get("table_bytes", 1))))


def _no_room(config: Maintenance, wanted: int, free: int) -> str:
    needed = reindex.needed_room(config.reindex, wanted)
    return "" if needed <= free else f"{size(free)} are free, expected at least {size(needed)} (reindex.room_factor)"


def _without_covered(rows: Sequence[Row]) -> list[Row]:
    """The same, but for keys that the index for another one helps too: of one plan the longest is enough. Pure."""
    proposed = sorted((row for row in rows if not row["why"]), key=lambda row: -len(row["columns"]))
    covering: dict[int, Row] = {}
    for place, row in enumerate(proposed):
        first = len(row["columns"])
        for other in proposed[:place]:
            same = row["table_oid"] == other["table_oid"]
            if same and other["oid"] not in covering and set(other["columns"][:first]) == set(row["columns"]):
                covering[row["oid"]] = other
                break
    return [
        row | {"why": f"the index for {visible(covering[row['oid']]['constraint'])} helps it too"}
        if row["oid"] in covering
        else row
        for row in rows
    ]
