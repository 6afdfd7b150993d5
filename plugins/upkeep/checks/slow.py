"""Statements that take long on average (G84), by the server's own count: beside what the function says of them."""

from __future__ import annotations

from datetime import datetime

from upkeep import database, queries
from upkeep.checks.access import obstacle
from upkeep.checks.database import MAX_STATEMENT, redact
from upkeep.checks.logs import named
from upkeep.checks.look import Check, Look
from upkeep.database import Row
from upkeep.findings import Finding, Level, Sample
from upkeep.ledger import Looked

#: Statements that one look shows, those with most time in all first.
SHOWN = 20
_KEY, _SUBJECT = "slow_queries", "Slow statements"
_REMEDY = "EXPLAIN (ANALYZE, BUFFERS) it on a copy; look for a missing index or a changed plan."


def slow_queries(look: Look) -> Looked:
    """A finding for each statement whose mean time is at or above the limit since the statistics were reset."""
    limit = look.settings.maintenance.checks.slow_query_ms
    expected = f"a mean below {limit:g} ms (config/maintenance.yaml: checks.slow_query_ms)"
    views = look.session.rows(queries.load("checks/statements_view"))
    if reason := obstacle(views[0] if views else None):
        said, remedy = reason
        detail = f"not collected: {said}"
        return Looked((Finding(_KEY, Level.UNKNOWN, _SUBJECT, detail, expected, remedy, "G84"),))
    schema = views[0]["schema"]
    since = look.session.row(database.statement("checks/statements_reset", schema=schema), {})["stats_reset"]
    parameters = {"characters": 4 * MAX_STATEMENT, "mean_ms": limit, "most": SHOWN}
    rows = look.session.rows(database.statement("checks/slow_queries", schema=schema), parameters)
    total = rows[0]["in_all"] if rows else 0
    findings = [_slow(row, since, expected) for row in rows]
    if more := total - len(rows):
        detail = f"{more:,} more; those with most time in all are shown"
        findings.append(Finding(f"{_KEY}:more", Level.ADVISORY, _SUBJECT, detail, expected, _REMEDY, "G84"))
    if not findings:
        detail = f"no statement takes {limit:g} ms or more on average {_since(since)}"
        findings.append(Finding(_KEY, Level.OK, _SUBJECT, detail, expected, "", "G84"))
    return Looked(tuple(findings), (Sample("slow_queries", float(total), "statements"),))


def _slow(row: Row, since: datetime | None, expected: str) -> Finding:
    return Finding(
        key=f"{_KEY}:{row['id']}",
        level=Level.ADVISORY,
        subject=f"Slow statement {row['id']} of {named(row['users'], len(row['users']))}",
        detail=f"{row['mean_ms']:,.0f} ms on average in {row['calls']:,} calls, {row['milliseconds'] / 1000:,.1f} s in "
        f"all {_since(since)}: {redact(row['query'] or '')}",
        expected=expected,
        remedy=_REMEDY,
        guide="G84",
        metadata={"id": row["id"], "calls": row["calls"], "mean_ms": row["mean_ms"], "users": row["users"]},
    )


def _since(reset: datetime | None) -> str:
    return f"since {reset:%Y-%m-%d %H:%M} UTC" if reset else "since statements are counted"


CHECKS = (Check("slow_queries", "G84", "Slow statements", slow_queries),)
