"""Indexes that can go or are missing (G53). Only looks; what a plan may do about them it says in the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from psycopg import sql

from upkeep.areas.indexes import lacking, partitions, propose
from upkeep.areas.look import Check, Look
from upkeep.core.findings import SHOWN, Finding, Level, Sample, each
from upkeep.core.units import size
from upkeep.gate.plans.statements import copyable
from upkeep.ledger.write import LookResult
from upkeep.wires.database import Row

#: How REINDEX CONCURRENTLY names an index that it has not finished, or has replaced.
_LEFTOVER = re.compile(r"._cc(new|old)\d*$")
_RENAME = sql.SQL("ALTER INDEX {} RENAME TO {}")
_UNUSED = "a scan now and then, or no index"


def unused_indexes(look: Look) -> LookResult:
    """A finding for each index that nothing uses, UNKNOWN while the counters do not reach back far enough."""
    main = look.settings.maintenance
    config = main.indexes
    seen = propose.usage(look.session, config, look.replicas, main.sql, look.now)
    name, subject = "unused_indexes", "Unused indexes"
    rows = propose.unused(look.session, main, seen)
    known = propose.ages(rows, propose.known_since(look.previous), look.now)
    snapshot = {str(oid): since.isoformat() for oid, since in known.items()}
    if seen.unknown:
        until = {"until": seen.until.isoformat()} if seen.until else {}
        remedy = f"From {seen.until:%Y-%m-%d} on it can be judged." if seen.until else "Look at the primary."
        finding = Finding(name, Level.UNKNOWN, subject, seen.unknown, _UNUSED, remedy, "G53", until)
        return LookResult((finding,), snapshot=snapshot if seen.until else None)
    samples = (
        Sample("unused_indexes", float(len(rows)), "indexes"),
        Sample("unused_index_bytes", float(sum(row["bytes"] for row in rows)), "bytes"),
    )
    if not rows and seen.unasked:
        said = f"every index on the primary was used since {seen.told} or has other work; standbys: {seen.unasked}"
        return LookResult((_good(look, name, subject, said),), samples, snapshot=snapshot)
    said = f"every index of {size(config.min_bytes)} or more was used since {seen.told} or has other work"
    good = _good(look, name, subject, said)
    return LookResult(each(rows, partial(_unused, look, seen, known), good), samples, snapshot=snapshot)


def _unused(look: Look, seen: propose.Usage, known: Mapping[int, datetime], row: Row) -> Finding:
    config, since = look.settings.maintenance.indexes, known[row["oid"]]
    detail = f"on {row['table']}, {size(row['bytes'])}, not scanned since {seen.told}, known since {since:%Y-%m-%d}"
    if seen.unasked:
        detail += f"; not known whether a replica uses it: {seen.unasked}"
        remedy = (
            "Not proposed: see to the standbys, and name their Connections in config/maintenance.yaml: "
            "targets.<name>.replicas."
        )
    elif not propose.old_enough(since, config, look.now):
        first = since + timedelta(days=config.statistics_days)
        remedy = f"Not proposed before {first:%Y-%m-%d}: a new index looks unused too. {_by_hand(row)}"
    else:
        remedy = f"The weekly plan proposes it. {_by_hand(row)}"
    return _advice(f"unused_indexes:{_name(row)}", f"{_name(row)} is not used", detail, _UNUSED, remedy)


def duplicate_indexes(look: Look) -> LookResult:
    """A finding for each index that another one makes needless; for a left prefix it is advice and no action."""
    same = propose.duplicates(look.session)
    prefixes = look.session.rows(look.session.load("indexes/prefix_indexes"))
    pairs = {row["oid"] for row in same}
    prefixes = [row for row in prefixes if row["oid"] not in pairs]
    good = _good(look, "duplicate_indexes", "Duplicate indexes", "no index does what another one does")
    findings = each([*same, *prefixes], _duplicate, good)
    return LookResult(findings, (Sample("duplicate_indexes", float(len(same)), "indexes"),))


def _duplicate(row: Row) -> Finding:
    key, expected = f"duplicate_indexes:{_name(row)}", "one index for one purpose"
    if "longer" in row:
        detail = f"on {row['table']}: its columns are the first ones of {row['longer']}, which can answer its queries"
        remedy = "Advice only: the longer index is larger to read. Compare plans without it before you drop it."
        return _advice(key, f"{_name(row)} may be needless", detail, expected, remedy)
    detail = f"on {row['table']}, {size(row['bytes'])}: {row['kept']} does exactly the same"
    remedy = f"The weekly plan proposes it. {_by_hand(row)}"
    return _advice(key, f"{_name(row)} is a duplicate", detail, expected, remedy)


def invalid_indexes(look: Look) -> LookResult:
    """A warning for each index that costs writes and answers no query, and for each of a partitioned table that is not
    complete; advice for each that is valid and has the name of what REINDEX CONCURRENTLY leaves behind.
    """
    rows = propose.invalid(look.session)
    lacking: dict[int, list[Row]] = {}
    for row in look.session.rows(look.session.load("indexes/incomplete_indexes")):
        lacking.setdefault(row["oid"], []).append(row)
    named = look.session.rows(look.session.load("indexes/named_like_leftovers"))
    good = _good(look, "invalid_indexes", "Invalid indexes", "no index is invalid, apart from those being built")
    findings = each([*rows, *named], partial(_invalid, lacking), good)
    if look.session.row(look.session.load("indexes/unseen_builds"))["builds"]:
        said = "an index is being built, and this role may not see which: others may be invalid"
        remedy = "`python -m upkeep grants target` prints the GRANT of pg_monitor; or wait until it is built."
        unseen = Finding(good.key, Level.UNKNOWN, good.subject, said, "every index valid", remedy, "G53")
        return LookResult((*(found for found in findings if found is not good), unseen))
    return LookResult(findings, (Sample("invalid_indexes", float(len(rows)), "indexes"),))


def _invalid(lacking: Mapping[int, Sequence[Row]], row: Row) -> Finding:
    if "base" in row:
        return _named_like_leftover(row)
    if row["oid"] in lacking:
        return partitions.incomplete(row, lacking[row["oid"]])
    rebuilt = f"{partitions.rebuild(row['schema'], row['index'])} makes it valid"
    if row["definition"].startswith(propose.UNIQUE):
        rebuilt += " (it fails while two rows have the same key: fix those first)"
    if not row["droppable"]:
        remedy = (
            f"{rebuilt}, once no row breaks it; it is not dropped: a partitioned index or a constraint rests on it."
        )
    elif _LEFTOVER.search(row["index"]):
        remedy = f"The weekly plan proposes to drop it. {_by_hand(row)}"  # valid, it would only be a duplicate
    else:
        remedy = f"The weekly plan proposes to drop it; {rebuilt} instead. {_by_hand(row)}"
    detail = f"on {row['table']}, {size(row['bytes'])}: {propose.INVALID}"
    key, subject = f"invalid_indexes:{_name(row)}", f"{_name(row)} is invalid"
    return _advice(key, subject, detail, "every index valid", remedy, Level.WARNING)


def _named_like_leftover(row: Row) -> Finding:
    old, new = sql.Identifier(row["schema"], row["index"]), sql.Identifier(row["base"])
    remedy = "Give it another name: whoever cleans up by names would drop it."
    if row["free"]:
        remedy += f" By hand: {copyable(_RENAME.format(old, new).as_string())}"
    return _advice(
        f"invalid_indexes:name:{_name(row)}",
        f"{_name(row)} only looks like a leftover",
        f"on {row['table']}: named as REINDEX CONCURRENTLY names what it leaves behind, but valid, "
        f"and scanned {row['scans'] or 0:,} times",
        "a name that does not end so",
        remedy,
    )


def missing_indexes(look: Look) -> LookResult:
    """Advice: foreign keys without an index, and large tables that are read from end to end again and again.

    Foreign keys of small tables are no advice, but they are counted and named. Few reads prove nothing while the
    counters are young or a standby's, and a table whose rows nobody has counted is not small.
    """
    main = look.settings.maintenance
    config = main.indexes
    seen = propose.usage(look.session, config, {}, main.sql, look.now)
    young = seen.unknown
    lacking = look.session.rows(look.session.load("indexes/missing_indexes"))
    keys = [row for row in lacking if row["live_rows"] >= config.advice_rows]
    uncounted = [row for row in lacking if row["uncounted"]]
    small = [row for row in lacking if row["live_rows"] < config.advice_rows and not row["uncounted"]]
    limits = {"rows": config.advice_rows, "scans": config.advice_scans}
    scans = look.session.rows(look.session.load("indexes/sequential_scans"), limits)
    said = f"no large table lacks one for a foreign key{'' if young else ' or for its reads'}"
    good = _good(look, "missing_indexes", "Missing indexes", said)
    findings = each([*keys, *scans], partial(_missing, _ways(look, keys), _no_way(look)), good)
    if uncounted:
        remedy = "ANALYZE these tables: neither the counters nor the catalogue know how many rows they have."
        findings += (_unknown("uncounted", "Foreign keys of tables that nobody counted", _names(uncounted), remedy),)
    if young:
        until = {"until": seen.until.isoformat()} if seen.until else {}  # time alone is missing
        remedy = f"From {seen.until:%Y-%m-%d} on it can be judged." if seen.until else "Look at the primary."
        unread = _unknown("reads", "Tables that are read from end to end", young, remedy)
        findings += (replace(unread, metadata=until),)
    if small:
        findings += (_small(small, config.advice_rows),)
    return LookResult(findings, (Sample("missing_indexes", float(len(keys)), "foreign keys"),))


def _small(rows: Sequence[Row], limit: int) -> Finding:
    return _ok(
        "missing_indexes:small",
        "Foreign keys without index of small tables",
        f"{len(rows):,} of tables with fewer than {limit:,} rows: {_names(rows)}; no advice by "
        "config/maintenance.yaml: indexes.advice_rows",
        "G53",
    )


def _names(rows: Sequence[Row]) -> str:
    names = [f"{row['schema']}.{row['table']} ({row['constraint']})" for row in rows[:SHOWN]]
    return ", ".join(names) + (f" and {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else "")


def _unknown(part: str, subject: str, said: str, remedy: str) -> Finding:
    return Finding(f"missing_indexes:{part}", Level.UNKNOWN, subject, said, "an index for each", remedy, "G53")


#: What to do where nothing of ours tries an index.
_BY_HAND = "try CREATE INDEX CONCURRENTLY on a copy, and compare what the queries cost with and without."


#: How an index comes to be proposed.
_TRIED = "The weekly restoration builds indexes on its copy (index_trials), and a plan proposes a proven one."


def _no_way(look: Look) -> str:
    """Why no index is proven at all; empty when one may be."""
    target = look.settings.maintenance.targets.get(look.target)
    kinds = (target.backups, target.dumps) if target else ()
    setting = f"config/maintenance.yaml: targets.{look.target or '<target>'}"
    if any(kind and kind.restore for kind in kinds):
        return ""
    return (
        f"Advice only, for no restoration is configured ({setting}.backups.restore, .dumps.restore) in which an "
        f"index would be proven, and what is not proven no plan proposes: {_BY_HAND}"
    )


def _ways(look: Look, keys: Sequence[Row]) -> dict[int, str]:
    """Key → why no plan proposes an index for it, empty when one does; by the rule that the plan goes by."""
    if not keys or _no_way(look):
        return {}
    rows = lacking.judged(look.session, look.settings.maintenance, look.target, look.beside, look.now)
    return {row["oid"]: row["why"] for row in rows}


def _missing(ways: Mapping[int, str], no_way: str, row: Row) -> Finding:
    table = f"{row['schema']}.{row['table']}"
    if "constraint" in row:
        columns = ", ".join(row["columns"])
        detail = (
            f"{row['constraint']} ({columns}) refers to {row['referenced']}, and no index begins with these columns: "
            f"each delete there reads {row['live_rows']:,} rows here"
        )
        key = f"missing_indexes:{table}:{row['constraint']}"
        why = ways.get(row["oid"], "it was changed just now")
        way = no_way or (
            f"Not proposed: {why}. {_TRIED}" if why else "It is proven (index_trials): a plan proposes it."
        )
        return _advice(key, f"{table} has a foreign key without index", detail, "an index for it", way)
    detail = (
        f"{row['scans']:,} reads from end to end, {row['rows_read']:,} rows in all, {row['index_scans']:,} by index; "
        f"it has {row['live_rows']:,} rows"
    )
    subject = f"{table} is mostly read from end to end"
    remedy = f"Advice only, for nothing says which columns: {_BY_HAND}"
    return _advice(f"missing_indexes:{table}", subject, detail, "reads by index", remedy)


# What they share ----------------------------------------------------------------------------------------------


def _good(look: Look, key: str, subject: str, detail: str) -> Finding:
    """Ok, where there is any table to have an index."""
    if look.session.row(look.session.load("indexes/tables"))["tables"]:
        return _ok(key, subject, detail, "G53")
    remedy = "See whether the Connection leads to the right database."
    return Finding(key, Level.UNKNOWN, subject, "the database has no table", "tables", remedy, "G53")


def _ok(key: str, subject: str, detail: str, guide: str) -> Finding:
    return Finding(key, Level.OK, subject, detail, "none", "", guide)


def _advice(key: str, subject: str, detail: str, expected: str, remedy: str, level: Level = Level.ADVISORY) -> Finding:
    return Finding(key, level, subject, detail, expected, remedy, "G53")


def _by_hand(row: Row) -> str:
    return f"By hand: {propose.drop(row)}; it is made again by {propose.recreate(row)}"


def _name(row: Row) -> str:
    return f"{row['schema']}.{row['index']}"


def _check(
    name: str, title: str, look: Callable[[Look], LookResult], *, continues: bool = False, reads: str = ""
) -> Check:
    return Check(f"indexes/{name}", "G53", title, look, continues=continues, reads=reads)


CHECKS = (
    _check(propose.AGES, "Indexes that nothing uses", unused_indexes, continues=True),
    _check("duplicate_indexes", "Indexes that do what another one does", duplicate_indexes),
    _check("invalid_indexes", "Indexes that cannot be used", invalid_indexes),
    _check("missing_indexes", "Foreign keys and large tables without an index", missing_indexes, reads=lacking.STEP),
)
