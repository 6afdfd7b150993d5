"""Tables and databases that near a freeze by force (G13). Only looks and advises."""

from __future__ import annotations

from functools import partial

from upkeep.areas.look import Check, Look
from upkeep.core.findings import Finding, Level, Sample, Topic, each
from upkeep.ledger.write import LookResult
from upkeep.wires.database import Row


def freeze_age(look: Look) -> LookResult:
    """A finding for each table and database whose oldest row nears, or is beyond, the age of a freeze by force."""
    config = look.settings.maintenance.optimise
    limits = {"percent": config.freeze_advisory_percent}
    rows = look.session.rows(look.session.load("tables/freeze_age"), limits)
    databases = [row for row in rows if row["kind"] == "database"]
    old = [row for row in rows if row["percent"] >= config.freeze_advisory_percent]
    worst = max(row["percent"] for row in databases)
    good = Topic("freeze_age", "Freeze age", "G13").finding(
        Level.OK, f"the oldest database is at {worst:.0f} % of a freeze by force", "none"
    )
    samples = (Sample("freeze_age_percent", worst, "%"),)
    warn = config.freeze_warning_percent
    return LookResult(each(sorted(old, key=lambda row: -row["percent"]), partial(_old, warn), good), samples)


def _old(warn: float, row: Row) -> Finding:
    table = row["kind"] == "table"
    name = f"{row['schema']}.{row['name']}" if table else row["name"]
    remedy = (
        "VACUUM (FREEZE) it at a quiet hour, before autovacuum does so by force."
        if table
        else "Freeze its oldest tables; it stays old while a transaction, prepared transaction or replication slot is."
    )
    return Topic(
        f"freeze_age:{row['kind']}:{name}", f"{row['kind'].capitalize()} {name} nears a freeze by force", "G13"
    ).finding(
        Level.WARNING if row["percent"] >= warn else Level.ADVISORY,
        f"{row['percent']:.0f} % of its limit: {row['xid_age']:,} transactions, {row['mxid_age']:,} multixacts",
        f"below config/maintenance.yaml: optimise.freeze_advisory_percent, a warning from {warn:g} %",
        remedy,
    )


CHECKS = (Check("tables/freeze_age", "G13", "Age of the oldest rows", freeze_age),)
