"""Creating an index that a foreign key lacks (G53), once a restored copy has proven it (``trial``).

The check ``missing_indexes`` says which may help; that alone is no reason to change anything. The weekly restoration
builds each on the copy and leaves a snapshot of what came of it. A plan proposes those that are missing still and are
proven by it, as ``lacking`` judges for check and plan alike.

CREATE INDEX CONCURRENTLY takes names of a table and of columns and waits for its lock before it looks what they stand
for, and cannot be held by a transaction. So whatever is new under the index's name afterwards is looked at, whether the
foreign key is there still or not: what is not the planned index is told as that (rule 9). One that ends early leaves an
invalid index of that name, which nobody had before: it is removed under the permit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg import sql

from upkeep.areas.indexes import lacking, reindex
from upkeep.core.text import visible
from upkeep.core.units import listed, size, span, utc
from upkeep.gate import predictions
from upkeep.gate.attempts import Leftover
from upkeep.gate.kind import ActionKind
from upkeep.gate.plans.model import Action, Proposal
from upkeep.gate.plans.statements import copyable
from upkeep.gate.predictions import Corrections
from upkeep.gate.proposing import Proposals, ProposalSources
from upkeep.ledger.read import newest_snapshot
from upkeep.settings.maintenance import Maintenance
from upkeep.wires.database import Row, Session

KIND, VERB = "missing_indexes", "create"
EXPECTED = "a plan of the key's lookup, or of a named statement, that reads by it, at half the cost or less"

_CREATE = sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} ({})")
_DROP = sql.SQL("DROP INDEX CONCURRENTLY {}")
#: Bytes of a name (NAMEDATALEN - 1).
_LONGEST = 63
#: Of what proves an index so many are named in the action.
_NAMED = 3


# Candidates ---------------------------------------------------------------------------------------------------


def candidates(
    session: Session, config: Maintenance, target: str, body: Any, now: datetime, taken: Iterable[int]
) -> list[Row]:
    """Keys whose index is proven by the snapshot ``body`` and for which there is room, each with its ``proof``, its
    ``index``'s name and the ``free_bytes``; ``taken`` are OIDs of constraints to leave out.
    """
    left_out, found, used = set(taken), [], set[tuple[str, str]]()
    for key in lacking.judged(session, config, target, body, now):
        if key["why"] or key["oid"] in left_out:
            continue
        name = _free_name(session, key, used)
        used.add((key["schema"], name))
        found.append(key | {"index": name})
    return found


def _free_name(session: Session, key: Row, used: set[tuple[str, str]]) -> str:
    """A name as PostgreSQL gives one, which nothing of the schema has."""
    number = 0
    while True:
        name = _name(key["table"], key["columns"], str(number or ""))
        if (key["schema"], name) not in used and not _named(session, name, {key["schema"]}):
            return name
        number += 1


def _name(table: str, columns: Sequence[str], number: str) -> str:
    """``table_column_idx``, within the bytes of a name. Pure."""
    end = f"_idx{number}"
    head = "_".join((table, *columns)).encode()[: _LONGEST - len(end.encode())]
    return head.decode(errors="ignore") + end


def proposals(sources: ProposalSources) -> Proposals:
    """What a plan would create. Raises NotAsked."""
    config, learned = sources.settings.maintenance, sources.learned(KIND)
    with sources.remembering() as session:
        _, body = newest_snapshot(session, sources.name, lacking.STEP) or (None, None)
    with sources.reading() as target:
        rows = candidates(target, config, sources.name, body, sources.now, sources.taken_of(KIND))
    return propose(rows, config, sources.roles(KIND), learned), len(rows)


def propose(
    rows: Iterable[Row], config: Maintenance, roles: tuple[str, ...], known: Corrections | None = None
) -> list[Proposal]:
    """An action for each candidate, its prediction corrected by what earlier ones took. Pure.

    A snapshot is not signed: no prediction is below what reading the table takes.
    """
    found = []
    for row in rows:
        proof, octets = row["proof"], lacking.octets(row["proof"], row)
        least = reindex.predicted_ms(row["table_bytes"], octets, config.optimise.megabytes_per_second)
        base = max(least, round(proof["seconds"] * 1000 * lacking.grown(proof, row)))
        predicted, note = predictions.corrected(VERB, base, row["oid"], known or Corrections())
        seen: dict[str, Any] = {"table": f"{row['schema']}.{row['table']}", "bytes": octets}
        seen |= {"free bytes": row["free_bytes"], "table bytes": row["table_bytes"]}
        seen |= {"deletes of referenced rows": row["deletes"], "changes of referenced rows": row["updates"]}
        by = lacking.proving(proof, row, config.indexes.statements)
        for name, it in by.items():
            seen[name] = f"estimated cost {it['before']:,.0f} without, {it['after']:,.0f} with it"
        found.append(Proposal(_action(row, roles, predicted, octets, list(by)), seen | note))
    return found


def _action(row: Row, roles: tuple[str, ...], predicted: int, octets: int, by: Sequence[str]) -> Action:
    proof = row["proof"]
    return Action(
        id="",
        kind=KIND,
        verb=VERB,
        statement=statement(row),
        schema=row["schema"],
        table=row["index"],
        oid=row["oid"],
        shape=row["shape"],
        roles=roles,
        because=f"foreign key {visible(row['constraint'])} has no index; proven by {listed(by, _NAMED)} on a restored "
        f"copy with data of {utc(datetime.fromisoformat(proof['data_as_of']))}: built in "
        f"{span(timedelta(seconds=proof['seconds']))}, {size(proof['bytes'])}",
        lock="SHARE UPDATE EXCLUSIVE",
        predicted_ms=predicted,
        predicted_bytes=-octets,
        undo=undo(row),
    )


def statement(row: Mapping[str, Any]) -> str:
    """The statement that creates an index of a table's columns."""
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in row["columns"])
    table = sql.Identifier(row["schema"], row["table"])
    return copyable(_CREATE.format(sql.Identifier(row["index"]), table, columns).as_string())


def undo(row: Mapping[str, Any]) -> str:
    """The statement that takes it back."""
    return copyable(_DROP.format(sql.Identifier(row["schema"], row["index"])).as_string())


# What apply asks of a kind ------------------------------------------------------------------------------------


def state(session: Session, action: Action) -> Row | None:
    """The foreign key as it is now, and in ``named`` what has the planned index's name. Of a key that is gone ``oid``
    is None while something has the name, and there is no state at all when nothing has.
    """
    rows = session.rows(session.load("indexes/foreign_keys"), {"oids": [action.oid]})
    named = _named(session, action.table, {action.schema, *(row["schema"] for row in rows)})
    if not rows and not named:
        return None
    key = rows[0] if rows else {"oid": None, "wal_position": named[0]["wal_position"]}
    return key | {"named": named}


def _named(session: Session, index: str, schemas: set[str]) -> list[Row]:
    return session.rows(session.load("indexes/named"), {"index": index, "schemas": sorted(schemas)})


def obstacle(action: Action, now: Row | None) -> str:
    """Why the planned index must not be created any more; empty when it may."""
    if now is None or now["oid"] is None:
        return "the foreign key is gone since the plan was drawn up (dropped, or dropped and created again)"
    if now["shape"] != action.shape:
        return "the foreign key, its table or a column was changed or renamed since the plan was drawn up"
    if now["covered"]:
        return "an index begins with the foreign key's columns by now"
    return "something has the index's name by now" if now["named"] else ""


def no_room(action: Action, now: Row, config: Maintenance, target: str) -> str:
    """Why the disk may not hold it by now; empty when it does."""
    known = config.targets.get(target)
    if known is None or known.storage_bytes is None:
        return f"targets.{target}.storage_bytes: found none, so that it is not known whether there is room"
    octets = max(-action.predicted_bytes, now["table_bytes"] // lacking.LEAST_PART)
    free, needed = known.storage_bytes - now["database_bytes"], reindex.needed_room(config.reindex, octets)
    return "" if needed <= free else f"{free} bytes are free by now, expected at least {needed} (reindex.room_factor)"


def _new(before: Mapping[str, Any], after: Row | None) -> list[Row]:
    """The indexes that have the planned one's name and were not there before."""
    known = {one["oid"] for one in before["named"]}
    return [one for one in after["named"] if one["oid"] not in known and one["table_oid"]] if after else []


def _planned(before: Mapping[str, Any], one: Row) -> bool:
    """Whether an index is the planned one: valid, of the same table by OID, of the same columns by number."""
    return bool(
        one["valid"] and one["plain"] and (one["table_oid"], one["keys"]) == (before["table_oid"], before["keys"])
    )


def was_done(action: Action, before: Mapping[str, Any], after: Row | None) -> bool:
    """Whether the catalogue shows that the action was carried out: the planned index is there, and its foreign key."""
    return bool(after and after["oid"] and any(_planned(before, one) for one in _new(before, after)))


def partly(action: Action, before: Mapping[str, Any], after: Row | None) -> str:
    """What was built although its foreign key is gone."""
    built = [one for one in _new(before, after) if _planned(before, one)]
    if not built:
        return ""
    return f"the index (OID {built[0]['oid']}) was built, but its foreign key is gone: {action.undo} takes it back"


def elsewhere(action: Action, before: Mapping[str, Any], after: Row | None) -> str:
    """Why another index than the planned one may have been built: a table or a column had a name meanwhile."""
    for one in _new(before, after):
        if one["valid"] and one["table_oid"] != before["table_oid"]:
            there = f"on another table (OID {one['table_oid']})"
            return f"the index (OID {one['oid']}) is {there}, which had the name meanwhile"
        if one["valid"] and not _planned(before, one):
            return (
                f"the index (OID {one['oid']}) is of other columns (numbers {one['keys']}, planned {before['keys']}), "
                "which had the names meanwhile"
            )
    return ""


def leftovers(session: Session, action: Action, before: Mapping[str, Any]) -> list[Leftover]:
    """The invalid index that a build left which ended early; its name was nobody's before."""
    return [
        Leftover(
            f"{visible(one['schema'])}.{visible(action.table)} (OID {one['oid']})",
            undo({"schema": one["schema"], "index": action.table}),
            "an invalid index, which the next plan proposes to drop",
        )
        for one in _new(before, state(session, action))
        if not one["valid"] and not one["busy"]
    ]


ACTION_KIND = ActionKind(
    KIND,
    "G53",
    ("weekly", "monthly"),
    proposals,
    state,
    obstacle,
    was_done,
    no_room=no_room,
    leftovers=leftovers,
    partly=partly,
    elsewhere=elsewhere,
)
