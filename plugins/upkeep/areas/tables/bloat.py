"""Bloat of tables and indexes (G54-G58) and constraints that do not hold for all rows (G60). Only looks."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from upkeep.areas.indexes import reindex
from upkeep.areas.look import Check, Look
from upkeep.areas.tables import bloat_measurement, constraints, domains, vacuum
from upkeep.areas.tables.bloat_measurement import Bloat, Pgstattuple
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.core.units import listed, size
from upkeep.ledger.write import LookResult
from upkeep.settings.reindex import Reindex
from upkeep.wires.database import Row

#: The guide's own line for each of its tables (REINDEX TABLE …).
_GUIDE = {
    "user_consents": "G55",
    "data_processing_logs": "G56",
    "error_logs": "G57",
    "performance_alerts": "G58",
}
#: What is said of a table that is not well.
_TABLE = {Level.ADVISORY: "has dead rows and free room", Level.UNKNOWN: "is unknown"}
_FULL = "Only VACUUM FULL gives room back to the disk, and nobody can use the table meanwhile: by hand, if at all."
#: Partitions or indexes that a finding spells out.
NAMED = 5
_LIMIT = "below config/maintenance.yaml: reindex.bloat_percent ({:g} %)"


# Bloat --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Judged:
    """An index and what is known of its bloat."""

    row: Row
    bloat: Bloat

    @property
    def name(self) -> str:
        return f"{self.row['schema']}.{self.row['index']}"

    def over(self, limit: float) -> bool:
        return self.bloat.percent is not None and self.bloat.percent >= limit

    def __str__(self) -> str:
        if self.bloat.percent is None:
            return f"{self.name}, {size(self.row['bytes'])}: not known ({self.bloat.why})"
        kept = "" if self.row["rebuildable"] else ", of an exclusion constraint"
        return f"{self.name}, {size(self.row['bytes'])}: {_share(self.bloat)} bloat{kept}"


def bloat(look: Look) -> LookResult:
    """A finding for each of config's tables and its indexes, and one about the room that rebuilds need."""
    config = look.settings.maintenance.reindex
    has = bloat_measurement.extension(look.session)
    found = bloat_measurement.tables(look.session, config)
    judged = [
        _Judged(row, bloat_measurement.index_bloat(look.session, config, has, row))
        for row in bloat_measurement.indexes(look.session, config, found)
    ]
    heaps = [(row, bloat_measurement.table_bloat(look.session, config, has, row)) for row in found if row["bytes"]]
    measured = {row["oid"]: heap.rows for row, heap in heaps if heap.rows}
    needy = vacuum.candidates(look.session, look.settings.maintenance.optimise, (), measured, most=None)
    planned = {row["oid"] for row in needy if row["vacuum"]}
    findings = [] if has.schema else [_extension(has)]
    samples = []
    for name in config.tables:
        parts = [row for row in found if (row["asked_schema"], row["asked_table"]) == name]
        here = [row for row in parts if row["oid"] is not None]
        if not here:
            findings.append(_missing(str(name), name.table))
            continue
        own = [(row, heap) for row, heap in heaps if (row["asked_schema"], row["asked_table"]) == name]
        findings.append(_table(str(name), own, config, planned))
        mine = [one for one in judged if one.row["table_oid"] in {row["oid"] for row in here}]
        findings.append(_indexes(str(name), name.table, mine, config.bloat_percent))
        samples += [Sample("index_bloat", one.bloat.percent, "%", one.name) for one in mine if one.bloat.percent]
        samples += [Sample("table_bloat", heap.percent, "%", _name(row)) for row, heap in own if heap.percent]
    findings.append(_room(look, [one.row for one in judged if reindex.bloated(config, one.row, one.bloat)]))
    return LookResult(tuple(findings), tuple(samples))


def _extension(has: Pgstattuple) -> Finding:
    return Topic("bloat:extension", "Bloat is not measured", "G54").finding(
        Level.ADVISORY,
        f"{has.why}: bloat is estimated from statistics, and no rebuild is proposed by an estimate",
        "extension pgstattuple, which the read role may call",
        has.remedy,
    )


def _missing(name: str, table: str) -> Finding:
    return Topic(f"bloat:{name}", f"{name} is not there", _GUIDE.get(table, "G54")).finding(
        Level.UNKNOWN,
        "there is no table of this name in the database",
        "every table of config/maintenance.yaml: reindex.tables",
        "Correct its name in config/maintenance.yaml: reindex.tables, or take it out.",
    )


def _table(name: str, heaps: Sequence[tuple[Row, Bloat]], config: Reindex, planned: Set[int]) -> Finding:
    """A table and its partitions; small ones are empty or full by chance. A plan would vacuum those ``planned``."""
    limit, least = config.bloat_percent, config.min_bytes
    over = [(row, heap) for row, heap in heaps if (heap.percent or 0) >= limit and row["bytes"] >= least]
    unknown = [(row, heap) for row, heap in heaps if heap.percent is None]
    level = Level.ADVISORY if over else Level.UNKNOWN if unknown else Level.OK
    shown = [f"{_name(row)}, {size(row['bytes'])}: {_heap(row, heap)}" for row, heap in over or unknown or heaps]
    remedy = {Level.ADVISORY: _vacuum(over, planned), Level.UNKNOWN: "ANALYZE it, or install pgstattuple."}.get(
        level, ""
    )
    return Topic(f"bloat:table:{name}", f"{name} {_TABLE.get(level, 'is not bloated')}", "G54").finding(
        level, _sum(heaps) + listed(shown, NAMED, "; ", rest="; and") or "it is empty", _LIMIT.format(limit), remedy
    )


def _sum(heaps: Sequence[tuple[Row, Bloat]]) -> str:
    """What the partitions of a table are together; nothing of a table that has none."""
    if len(heaps) < 2:
        return ""
    total = sum(row["bytes"] for row, _ in heaps)
    known = [(row["bytes"], heap.percent) for row, heap in heaps if heap.percent is not None]
    share = f", {sum(bytes_ * percent for bytes_, percent in known) / total:.0f} %" if len(known) == len(heaps) else ""
    return f"{len(heaps)} partitions, {size(total)}{share} in all; "


def _vacuum(over: Sequence[tuple[Row, Bloat]], planned: Set[int]) -> str:
    """What a plan does about tables that are over the limit, or that none does and why."""
    if names := [_name(row) for row, _ in over if row["oid"] in planned]:
        return f"The next plan proposes VACUUM of {', '.join(names)}: it frees dead rows for new ones. {_FULL}"
    if any(heap.how == bloat_measurement.ESTIMATED for _, heap in over):
        statement = "; ".join(vacuum.by_hand(row["schema"], row["table"]) for row, _ in over)
        why = "the counters tell of too few dead rows, as they do after a reset too"
        return f"No plan proposes VACUUM: {why}. Install pgstattuple, or by hand: {statement}"
    return f"No plan proposes VACUUM: fewer rows are dead than optimise.dead_rows and dead_percent say. {_FULL}"


def _heap(row: Row, heap: Bloat) -> str:
    if heap.percent is None:
        return f"not known ({heap.why})"
    seen = f", {heap.rows[1]:,} measured" if heap.rows else ""
    return f"{_share(heap)} dead rows and free room, {row['dead_rows']:,} rows counted as dead{seen}"


def _indexes(name: str, table: str, judged: Sequence[_Judged], limit: float) -> Finding:
    """The indexes of one table."""
    over = [one for one in judged if one.over(limit)]
    unknown = [one for one in judged if one.bloat.percent is None and one.row["method"] == "btree"]
    level = Level.ADVISORY if over else Level.UNKNOWN if unknown else Level.OK
    subject = {Level.ADVISORY: "have bloat", Level.UNKNOWN: "are unknown"}.get(level, "are not bloated")
    measured = any(one.bloat.how == bloat_measurement.MEASURED for one in over)
    proposed = "The monthly plan proposes REINDEX INDEX CONCURRENTLY of what was measured, where there is room."
    estimate = "It is an estimate, and nothing is proposed by it: measure it (pgstattuple, reindex.measure_max_bytes)."
    return Topic(f"bloat:{name}", f"Indexes of {name} {subject}", _GUIDE.get(table, "G54")).finding(
        level,
        listed([str(one) for one in over or unknown or judged], NAMED, "; ", rest="; and")
        or "none is as large as reindex.min_bytes",
        _LIMIT.format(limit),
        {
            Level.ADVISORY: proposed if measured else estimate,
            Level.UNKNOWN: "ANALYZE it, or install pgstattuple.",
        }.get(level, ""),
        {one.name: {"percent": one.bloat.percent, "how": one.bloat.how} for one in judged},
    )


def _room(look: Look, rows: Sequence[Row]) -> Finding:
    """Whether a second copy of what would be rebuilt has room; without a capacity in config that is not collected."""
    config = look.settings.maintenance
    free = reindex.free_room(look.session, config, look.target)
    setting = f"targets.{look.target or '<name>'}.storage_bytes"
    most = max((reindex.needed_room(config.reindex, row["bytes"]) for row in rows), default=0)
    level, remedy = Level.OK, ""
    if free is None:
        detail = f"NOT COLLECTED: {setting}: found none"
        if rows:
            level, remedy = Level.UNKNOWN, f"Set config/maintenance.yaml: {setting}; until then nothing is rebuilt."
    else:
        detail = f"{size(free)} of {setting} are free" if free > 0 else f"the database takes more than {setting}"
        if most > free:
            level, remedy = Level.WARNING, "Make room or grow the storage; what has no room is not rebuilt."
    if why := reindex.unsafe(look.session.version):
        level, detail, remedy = Level.WARNING, f"{detail}; {why}", "Update the server; until then nothing is rebuilt."
    return Topic("bloat:room", "Room for rebuilds", "G55").finding(
        level,
        f"{detail}; indexes to rebuild: {len(rows)}",
        f"{size(most)} (reindex.room_factor times the largest of them)" if rows else "nothing to rebuild",
        remedy,
    )


def _share(known: Bloat) -> str:
    return f"{known.percent:.0f} % ({known.how}{', ' + known.why if known.why else ''})"


def _name(row: Row) -> str:
    return f"{row['schema']}.{row['table']}"


# Constraints --------------------------------------------------------------------------------------------------


def unvalidated(look: Look) -> LookResult:
    """A finding for each constraint that was never held against all rows, with how many break it."""
    counted = [(row, constraints.violators(look.session, row)) for row in constraints.unvalidated(look.session)]
    of_domains = [(row, domains.violators(look.session, row)) for row in domains.unvalidated(look.session)]
    named = [(_constraint(row), count) for row, count in counted]
    named += [(domains.name(row), count) for row, count in of_domains]
    samples = [Sample("unvalidated_constraints", float(len(named)), "constraints")]
    for name, count in named:
        if count.violators is not None:
            samples.append(Sample("constraint_violators", float(count.violators), "rows", name))
    if not named:
        detail = "every CHECK and foreign key of a table holds for all rows, every CHECK of a domain for all values"
        return LookResult((Finding("constraints", Level.OK, "Constraints", detail, "", "", "G60"),), tuple(samples))
    findings = [_broken(row, count) for row, count in counted]
    findings += [domains.finding(row, count) for row, count in of_domains]
    return LookResult(tuple(findings), tuple(samples))


def _broken(row: Row, count: constraints.ViolationCount) -> Finding:
    by_hand = f"By hand: {constraints.validate(row)}"
    level, remedy = {
        None: (Level.UNKNOWN, "Count its rows by hand; the read role must see all of them, and have the time."),
        0: (Level.ADVISORY, f"The monthly plan proposes to validate it. {by_hand}"),
    }.get(count.violators, (Level.WARNING, "Correct or delete these rows; the next plan then proposes to validate it."))
    return Topic(
        f"constraints:{_constraint(row)}",
        f"{_constraint(row)} does not hold for all rows" if count.violators else f"{_constraint(row)} is not validated",
        "G60",
    ).finding(
        level,
        f"rows that break it: {count}" + (f"; {row['definition']}" if row["definition"] else ""),
        "every constraint valid",
        remedy,
        {"violators": count.violators},
    )


def _constraint(row: Row) -> str:
    return f"{row['schema']}.{row['table']}.{row['name']}"


CHECKS = (
    Check("tables/bloat", "G54", "Bloat of tables and indexes", bloat),
    Check("tables/constraints", "G60", "Constraints that were never validated", unvalidated),
)
