"""Tables that need VACUUM or ANALYZE (G52, G54): what the weekly plan is made from, and whether it helped."""

from __future__ import annotations

from dataclasses import replace

from upkeep.areas.look import Check, Look
from upkeep.areas.tables import vacuum
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.core.units import listed
from upkeep.ledger.write import LookResult
from upkeep.wires import queries
from upkeep.wires.database import Row

#: Tables that one look shows.
SHOWN = 50
#: Partitions that a finding names.
NAMED = 5


def dead_rows(look: Look) -> LookResult:
    """A finding for each table whose dead or changed rows are beyond config; one that says so when there is none."""
    config = look.settings.maintenance.optimise
    rows = vacuum.candidates(look.session, config, ())
    total = rows[0]["candidates"] if rows else 0
    samples = (Sample("tables_to_optimise", float(total), "tables"),)
    blind = _uncounted(look)
    if not rows and not blind:
        return LookResult((_finding("dead_rows", Level.OK, "Dead rows", "no table needs VACUUM or ANALYZE"),), samples)
    groups = list(_by_table(look, rows).items())
    found = [*blind, *(_table(name, parts) for name, parts in groups[:SHOWN])]
    if more := total - sum(len(parts) for _, parts in groups[:SHOWN]):
        found.append(_finding("dead_rows:more", Level.ADVISORY, "Dead rows", f"{more} more tables need it"))
    return LookResult(tuple(found), samples)


def _by_table(look: Look, rows: list[Row]) -> dict[str, list[Row]]:
    """The rows by table, those of partitions under the partitioned table at the top; the worst first as before."""
    oids = {"oids": [row["oid"] for row in rows]}
    roots = {row["oid"]: row for row in look.session.rows(queries.load("tables/partition_roots"), oids)}
    groups: dict[str, list[Row]] = {}
    for row in rows:
        of = roots.get(row["oid"], row)
        groups.setdefault(f"{of['schema']}.{of['table']}", []).append(row)
    return groups


def _uncounted(look: Look) -> list[Finding]:
    """Of which tables the counters know nothing, although they have rows: a crash or a reset forgot their dead ones."""
    parameters = {"rows": max(1, look.settings.maintenance.optimise.dead_rows)}
    rows = look.session.rows(queries.load("tables/uncounted_tables"), parameters)
    if not rows:
        return []
    more = rows[0]["in_all"] - len(rows)
    names = ", ".join(row["name"] for row in rows) + (f" and {more} more" if more else "")
    why = "were reset or lost, or are a standby's" if rows[0]["tracked"] else "are off (track_counts)"
    detail = f"not known of {names}: the server's counters {why}, and they have rows"
    finding = _finding("dead_rows:uncounted", Level.UNKNOWN, "Dead rows that nobody counted", detail)
    return [replace(finding, remedy="ANALYZE them; bloat is measured for the tables of config: reindex.tables.")]


def _table(name: str, rows: list[Row]) -> Finding:
    """One table, or the sum of those partitions of it that need something."""
    live, dead, changed = (sum(row[of] for row in rows) for of in ("live_rows", "dead_rows", "changed_rows"))
    percent = 100 * dead / max(1, live + dead)
    detail = f"{dead:,} of {live + dead:,} rows are dead ({percent:.1f} %), {changed:,} changed since the last ANALYZE"
    parts = [part for row in rows if (part := f"{row['schema']}.{row['table']}") != name]
    if parts:
        detail += f"; partitions: {len(parts)} ({listed(parts, NAMED)})"
    verb = "VACUUM" if any(row["vacuum"] for row in rows) else "ANALYZE"
    return _finding(f"dead_rows:{name}", Level.ADVISORY, f"{name} needs {verb}", detail)


def _finding(key: str, level: Level, subject: str, detail: str) -> Finding:
    return Topic(key, subject, "G54").finding(
        level,
        detail,
        "below config/maintenance.yaml: optimise",
        "" if level is Level.OK else "The weekly plan proposes it; autovacuum may need lower thresholds.",
    )


CHECKS = (Check("tables/dead_rows", "G54", "Tables that need VACUUM or ANALYZE", dead_rows),)
