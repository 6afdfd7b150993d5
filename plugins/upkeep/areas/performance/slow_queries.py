"""Statements that take long on average (G84), by the server's own count: beside what the function says of them."""

from __future__ import annotations

import re
from datetime import datetime

from upkeep.areas.logs import named
from upkeep.areas.look import Check, Look
from upkeep.areas.security.access import obstacle
from upkeep.core.findings import Finding, Level, Sample
from upkeep.core.statements import MAX_STATEMENT, redact
from upkeep.ledger.write import LookResult
from upkeep.wires import database, queries
from upkeep.wires.database import Row

#: Statements that one look shows, those with most time in all first.
SHOWN = 20
_KEY, _SUBJECT = "slow_queries", "Slow statements"
#: A text whose values are left out does not run as it stands.
EXPLAIN = (
    "Take it with its values from the program that sends it, and EXPLAIN (ANALYZE, BUFFERS) that on a copy; without "
    "them EXPLAIN (GENERIC_PLAN), from PostgreSQL 16 on, takes it as pg_stat_statements has it. Look for a missing "
    "index or a changed plan."
)
_OTHER = (
    "EXPLAIN takes no statement of this kind: look at those that it runs, which pg_stat_statements counts by "
    "themselves with pg_stat_statements.track = all."
)
#: What EXPLAIN takes.
_PLANNED = re.compile(r"[\s(]*(select|insert|update|delete|merge|with|values|table)\b", re.IGNORECASE)


def slow_queries(look: Look) -> LookResult:
    """A finding for each statement whose mean time is at or above the limit since the statistics were reset."""
    limit = look.settings.thresholds.statements.slow_ms
    expected = f"a mean below {limit:g} ms (config/thresholds.yaml: statements.slow_ms)"
    views = look.session.rows(queries.load("performance/statements_view"))
    if reason := obstacle(views[0] if views else None):
        said, remedy = reason
        detail = f"not collected: {said}"
        return LookResult((Finding(_KEY, Level.UNKNOWN, _SUBJECT, detail, expected, remedy, "G84"),))
    schema = views[0]["schema"]
    since = look.session.row(database.statement("performance/statements_reset", schema=schema), {})["stats_reset"]
    parameters = {"characters": 4 * MAX_STATEMENT, "mean_ms": limit, "most": SHOWN}
    rows = look.session.rows(database.statement("performance/slow_queries", schema=schema), parameters)
    total = rows[0]["in_all"] if rows else 0
    findings = [_slow(row, since, expected) for row in rows]
    if more := total - len(rows):
        detail = f"{more:,} more; those with most time in all are shown"
        findings.append(Finding(f"{_KEY}:more", Level.ADVISORY, _SUBJECT, detail, expected, EXPLAIN, "G84"))
    if not findings:
        detail = f"no statement takes {limit:g} ms or more on average {_since(since)}"
        findings.append(Finding(_KEY, Level.OK, _SUBJECT, detail, expected, "", "G84"))
    times = (Sample("statement_time", float(row["mean_ms"]), "ms", row["id"]) for row in rows)
    return LookResult(tuple(findings), (Sample("slow_queries", float(total), "statements"), *times))


def _slow(row: Row, since: datetime | None, expected: str) -> Finding:
    return Finding(
        key=f"{_KEY}:{row['id']}",
        level=Level.ADVISORY,
        subject=f"Slow statement {row['id']} of {named(row['users'], len(row['users']))}",
        detail=f"{row['mean_ms']:,.0f} ms on average in {row['calls']:,} calls, {row['milliseconds'] / 1000:,.1f} s in "
        f"all {_since(since)}: {redact(row['query'] or '')}",
        expected=expected,
        remedy=EXPLAIN if _PLANNED.match(redact(row["query"] or "")) else _OTHER,
        guide="G84",
        metadata={"id": row["id"], "calls": row["calls"], "mean_ms": row["mean_ms"], "users": row["users"]},
    )


def _since(reset: datetime | None) -> str:
    return f"since {reset:%Y-%m-%d %H:%M} UTC" if reset else "since statements are counted"


CHECKS = (Check("performance/slow_queries", "G84", "Slow statements", slow_queries),)
