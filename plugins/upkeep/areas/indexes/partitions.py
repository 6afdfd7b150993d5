"""Indexes of partitioned tables that are not complete (G53): which partition lacks one, and what makes it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from psycopg import sql

from upkeep.core.findings import Finding, Level
from upkeep.gate.plans.statements import copyable
from upkeep.wires.database import Row

#: Partitions that a finding names and has statements for.
NAMED = 5
#: Bytes of a name.
LONGEST = 63

_CREATE = sql.SQL("CREATE {}INDEX {} {} ON {} {}")
_CONSTRAINT = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {} USING INDEX {}")
_ATTACH = sql.SQL("ALTER INDEX {} ATTACH PARTITION {}")
_REINDEX = sql.SQL("REINDEX INDEX CONCURRENTLY {}")
_CONSTRAINTS = {"p": sql.SQL("PRIMARY KEY"), "u": sql.SQL("UNIQUE")}
_BY_HAND = "make it there as the parent's is made, and attach it."


def rebuild(schema: str, index: str) -> str:
    """The statement that builds an index anew."""
    return copyable(_REINDEX.format(sql.Identifier(schema, index)).as_string())


def incomplete(row: Row, lacking: Sequence[Row]) -> Finding:
    """A finding about one invalid index of a partitioned table; ``lacking`` are the partitions without a valid one."""
    parts = [part for part in lacking if part["partition"] is not None]
    detail = "; ".join(_said(part) for part in parts[:NAMED])
    if len(parts) > NAMED:
        detail += f"; {len(parts) - NAMED:,} more"
    statements = [copyable(statement) for part in parts[:NAMED] for statement in _statements(part)]
    return Finding(
        key=f"invalid_indexes:{row['schema']}.{row['index']}",
        level=Level.WARNING,
        subject=f"{row['schema']}.{row['index']} is not complete",
        detail=f"on {row['table']}: " + (detail or "each partition has a valid one, but it was not marked valid"),
        expected="an index of a partitioned table that each partition has a valid part of",
        remedy=_remedy(parts, statements),
        guide="G53",
        metadata={"statements": statements},
    )


def _said(part: Row) -> str:
    name = f"{part['part_schema']}.{part['partition']}"
    return f"that of {name} ({part['attached']}) is invalid" if part["attached"] else f"{name} has none attached"


def _remedy(parts: Sequence[Row], statements: Sequence[str]) -> str:
    kept = "It is not dropped."
    if not parts:
        return (
            f"{kept} ALTER INDEX … ATTACH PARTITION of any of its parts looks again; an old server needs it made anew."
        )
    if any(part["kind"] == "f" for part in parts):
        return (
            f"{kept} A foreign table can have no index: make it anew without ONLY, which passes over such a partition."
        )
    if not statements:
        return f"{kept} Of each partition that lacks it: {_BY_HAND}"
    return f"{kept} By hand, one after the other: {'; '.join(statements)}"


def _statements(part: Row) -> Iterator[str]:
    """What completes the index for one partition; nothing where that cannot be said for sure."""
    parent, schema = sql.Identifier(part["schema"], part["index"]), part["part_schema"]
    if part["attached"]:
        if part["kind"] == "r":  # that of a partition with partitions has a finding of its own
            yield rebuild(schema, part["attached"])
            yield _ATTACH.format(parent, sql.Identifier(schema, part["attached"])).as_string()
        return
    constraint = part["constraint"]
    if part["like"] is None or part["kind"] != "r" or (constraint and constraint not in _CONSTRAINTS):
        return
    if part["deferrable"]:
        return
    table, name = sql.Identifier(schema, part["partition"]), _index_name(part)
    unique = sql.SQL("UNIQUE " if part["unique"] else "")
    like = sql.SQL(part["like"])  # the catalogue's own text
    yield _CREATE.format(unique, sql.SQL("CONCURRENTLY"), sql.Identifier(name), table, like).as_string()
    if constraint:
        yield _CONSTRAINT.format(
            table, sql.Identifier(name), _CONSTRAINTS[constraint], sql.Identifier(name)
        ).as_string()
    yield _ATTACH.format(parent, sql.Identifier(schema, name)).as_string()


def _index_name(part: Row) -> str:
    """A name that tells both, where it fits."""
    name = f"{part['index']}_{part['partition']}"
    return name if len(name.encode()) <= LONGEST else f"part_of_{part['oid']}_{part['part_oid']}"
