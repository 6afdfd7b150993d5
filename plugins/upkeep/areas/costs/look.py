"""What is on disk and could go, looked for in the target: unused indexes, and rows beyond a log's retention (G30)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from psycopg import sql

from upkeep.areas import retained
from upkeep.areas.capacity.look import SIZE
from upkeep.areas.costs import prices
from upkeep.areas.costs.prices import Saving
from upkeep.areas.indexes import propose
from upkeep.areas.look import Inspection, Look, Sources
from upkeep.areas.performance import trends
from upkeep.core.findings import NotCollected
from upkeep.core.units import amount, listed
from upkeep.ledger import read as ledger
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.settings.retention import LogClass, Retention

#: Blocks of a log that are read at most to count its old rows: 16 MB.
BLOCKS = 2_000
#: Bytes of rows beyond retention that are worth a finding.
LEAST = 1_000_000
#: Indexes that a saving names.
NAMED = 5


def unused(look: Look) -> Saving | None:
    """All indexes that nothing uses as one saving, None when there are none."""
    config = look.settings.maintenance
    seen = propose.usage(look.session, config.indexes, look.replicas, config.sql, look.now)
    key, subject = "cost:saving:unused_indexes", "Unused indexes take space"
    remedy = "The weekly plan proposes to drop them; each is a finding there."
    why = seen.unknown or (f"a standby may use what the primary does not: {seen.unasked}" if seen.unasked else "")
    if why:
        return Saving(key, subject, "", "See the weekly window's unused indexes.", unknown=why)
    rows = propose.unused(look.session, config, seen)
    if not rows:
        return None
    octets = float(sum(row["bytes"] for row in rows))
    names = listed([f"{row['schema']}.{row['index']}" for row in rows], NAMED)
    return Saving(key, subject, f"{amount(octets, 'bytes')} in {names}", remedy, bytes=octets)


def old_logs(look: Look, retention: Retention, least: float = LEAST) -> Iterator[Saving]:
    """A saving for each class with rows beyond its retention; one that cannot be read whole is unknown.

    Of audit logs nothing is a saving: they are never deleted (G68).
    """
    for name in (name for name, one in retention.classes.items() if one.deletable):
        saving = _log(look, retention, name)
        if saving.unknown or saving.bytes >= least:
            yield saving


def _log(look: Look, retention: Retention, name: str) -> Saving:
    """The share of rows beyond retention in a sample of blocks, by all that the log takes: an estimate."""
    kept = retention.classes[name]
    schema, table = kept.table
    saving = Saving(
        key=f"cost:saving:log:{name}",
        subject=f"{name} ({kept.table}) is kept longer than it must be",
        detail="",
        remedy=f"Archive what is older than {kept.days} days and delete it; after VACUUM its space takes new rows.",
    )
    if why := _obstacle(look, kept):
        return _unknown(saving, why)
    size = look.session.row(look.session.load("costs/log_size"), {"schema": schema, "table": table})
    percent = min(100.0, 100 * BLOCKS / max(1, size["blocks"]))
    statement = sql.SQL(look.session.load("costs/log_rows")).format(
        table=sql.Identifier(schema, table),
        time=sql.Identifier(kept.time),
        belongs=retained.belongs(retention, name),
        before=sql.Literal(retained.cutoff(retention, name, look.now)),
        percent=sql.Literal(percent),
    )
    rows = look.session.row(statement.as_string(look.session.connection))
    if not rows["rows"] and percent < 100:
        return _unknown(saving, f"{percent:.2g} % of the blocks of {kept.table} were read, and none held a row")
    if rows["without_time"] and not rows["old"]:
        return _unknown(saving, f"{rows['without_time']:,} of {rows['rows']:,} rows have no {kept.time}")
    share = rows["old"] / rows["rows"] if rows["rows"] else 0.0
    octets = share * size["bytes"]
    estimated = "" if percent == 100 else f", estimated from {percent:.2g} % of its blocks"
    detail = (
        f"{100 * share:.0f} % of its rows are older than {kept.days} days{estimated}: "
        f"about {amount(octets, 'bytes')} of {amount(size['bytes'], 'bytes')}"
    )
    return Saving(saving.key, saving.subject, detail, saving.remedy, bytes=octets)


def _unknown(saving: Saving, why: str) -> Saving:
    remedy = "Correct config/retention.yaml; `python -m upkeep grants target` prints the GRANTs."
    return Saving(saving.key, saving.subject, "", remedy, unknown=why)


def _obstacle(look: Look, kept: LogClass) -> str:
    """Why a log cannot be read whole, empty when it can."""
    schema, table = kept.table
    asked = {"schema": schema, "table": table, "columns": [kept.time, *kept.where], "time": kept.time}
    rows = look.session.rows(look.session.load("logs/log_table"), asked)
    if not rows:
        return f"found no table {kept.table}"
    row = rows[0]
    if row["kind"] not in "rpm":
        return f"{kept.table} is not a table"
    if row["missing"]:
        return f"found no column {', '.join(row['missing'])} in {kept.table}"
    if not row["may_enter"] or row["refused"]:
        return f"role {row['role']} may not read {kept.table}"
    return f"row-level security hides rows of {kept.table} from role {row['role']}" if row["hides_rows"] else ""


def inspect(sources: Sources) -> LookResult:
    """The month by configured prices, and savings with their amounts; without prices NOT COLLECTED."""
    config, target, now = sources.config.maintenance, sources.window.target, datetime.now(UTC)
    if config.cost is None:
        raise NotCollected("no prices are configured (config/maintenance.yaml: cost)")
    with sources.ledger() as session:
        sizes = ledger.metric_points(session, target, SIZE, now - prices.STALE, now)
        calls = "week_requests"
        weeks = ledger.weeks(session, target, sources.window.period_end, [calls], trends.WEEKS).get(calls, {})
    use = prices.used([value for _, value in sizes], weeks)
    savings = [*_on_disk(sources, now), *prices.idle_savings(config.cost, weeks)]
    findings, samples = prices.findings(config.cost, use, savings)
    return LookResult(tuple(findings), tuple(samples))


def _on_disk(sources: Sources, now: datetime) -> list[Saving]:
    with sources.read() as session:
        look = Look(session, sources.config, now, replicas=sources.replicas())
        found = unused(look)
        return [*([found] if found else []), *old_logs(look, sources.config.retention)]


def _described(_: Settings, target: str) -> str:
    return f"what {target} used in the last month by the prices of config, and what of it could go"


INSPECTIONS = (Inspection("costs", "include/sql/costs", _described, inspect),)
