"""Daily database checks: sizes and growth (G49), long-running queries (G50), connections (G51)."""

from __future__ import annotations

from datetime import timedelta

from upkeep.areas.look import Check, Look
from upkeep.core.findings import Finding, Level, Sample
from upkeep.core.statements import redact
from upkeep.ledger.write import Looked
from upkeep.wires import queries
from upkeep.wires.database import Row

#: Growth is a rate between two samples at least this far apart; closer ones would be noise.
GROWTH_BASE = timedelta(hours=20)
#: Long-running queries that are findings of their own; one says how many more there are.
SHOWN = 100


def table_sizes(look: Look) -> Looked:
    """The largest tables with their growth per day since an earlier window."""
    config = look.settings.maintenance.checks
    schemas = {"schemas": list(config.schemas)}
    seen = look.session.rows(queries.load("database/schemas"), schemas)
    looked_at = ", ".join(row["schema"] for row in seen if row["there"]) or "none"
    absent = [row["schema"] for row in seen if not row["there"]]
    parameters = schemas | {"largest_tables": config.largest_tables}
    rows = look.session.rows(queries.load("database/table_sizes"), parameters)
    if not rows or absent:
        lacks = f"no schema {', '.join(absent)} (config: checks.schemas)" if absent else "no table"
        finding = Finding(
            key="table_sizes",
            level=Level.UNKNOWN,
            subject="Table sizes",
            detail=f"found {lacks}; schemas looked at: {looked_at}",
            expected="at least one table that the role may see",
            remedy="Check that the read Connection names the right database.",
            guide="G49",
        )
        return Looked((finding,))
    samples = tuple(Sample("table_bytes", float(row["total_bytes"]), "bytes", _table(row)) for row in rows)
    growth = {sample.subject: _growth_per_day(look, sample) for sample in samples}
    largest = samples[0]
    known = [rate for rate in growth.values() if rate is not None]
    detail = (
        f"the {len(rows)} largest tables take {_bytes(sum(sample.value for sample in samples))}; "
        f"the largest is {largest.subject} with {_bytes(largest.value)}; "
        + (f"together they {_grow(sum(known))} a day" if known else "growth is known from the next day on")
        + f"; schemas looked at: {looked_at}"
    )
    tables = [{**row, "table": _table(row), "growth_bytes_per_day": growth[_table(row)]} for row in rows]
    finding = Finding(
        key="table_sizes",
        level=Level.OK,
        subject="Table sizes",
        detail=detail,
        expected="watched, without a limit",
        guide="G49",
        metadata={"tables": tables},
    )
    whole = Sample("database_bytes", float(look.session.row(queries.load("database/database_size"))["bytes"]), "bytes")
    return Looked((finding,), (*samples, whole))


def _table(row: Row) -> str:
    return f"{row['schema']}.{row['table']}"


def _growth_per_day(look: Look, sample: Sample) -> float | None:
    earlier = look.earlier.get((sample.metric, sample.subject))
    if earlier is None:
        return None
    value, taken_at = earlier
    return (sample.value - value) / ((look.now - taken_at) / timedelta(days=1))


def _grow(rate: float) -> str:
    return f"{'shrink' if rate < 0 else 'grow'} by {_bytes(abs(rate))}"


def _bytes(value: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"


def long_running_queries(look: Look) -> Looked:
    """Sessions active, or idle in a transaction, for longer than the limit; literals are redacted."""
    if hidden := hidden_sessions(look, "long_running_queries", "Long-running queries", "G50"):
        return hidden
    minutes = look.settings.maintenance.checks.long_query_minutes
    parameters = {"longer_than_seconds": minutes * 60, "shown": SHOWN}
    rows = look.session.rows(queries.load("database/long_running_queries"), parameters)
    encoding = look.session.connection.info.encoding
    for row in rows:
        row["query"] = (row["query"] or b"(hidden)").decode(encoding, "replace")
    findings = [_long_query(row, minutes) for row in rows]
    if rows and (more := rows[0]["in_all"] - len(rows)):
        findings.append(_more_long_queries(more, minutes))
    return Looked(tuple(findings) or (_no_long_query(minutes),))


def _no_long_query(minutes: float) -> Finding:
    return Finding(
        key="long_running_queries",
        level=Level.OK,
        subject="Long-running queries",
        detail=f"no query or transaction is older than {minutes:g} minutes",
        expected=f"none longer than {minutes:g} minutes",
        guide="G50",
    )


def _more_long_queries(more: int, minutes: float) -> Finding:
    return Finding(
        key="long_running_queries:more",
        level=Level.WARNING,
        subject="More long-running queries",
        detail=f"{more} more than the {SHOWN} oldest ones, which are named",
        expected=f"no query or open transaction longer than {minutes:g} minutes",
        remedy="So many often wait for one: see pg_blocking_pids() of the oldest, then pg_stat_activity for the rest.",
        guide="G50",
        metadata={"more": more},
    )


def _long_query(row: Row, minutes: float) -> Finding:
    age = timedelta(seconds=round(row["age_seconds"]))
    waits = f", waiting for {row['wait_event_type']}/{row['wait_event']}" if row["wait_event"] else ""
    idle = row["state"] != "active"
    what = f"{row['state']}, begun {age} ago" if idle else f"running for {age}"
    return Finding(
        key=f"long_running_queries:{row['user']}:{row['pid']}",
        level=Level.WARNING,
        subject=f"PID {row['pid']} of {row['user']}",
        detail=f"{what}{waits}; {'last statement' if idle else 'statement'}: {redact(row['query'])}",
        expected=f"no query or open transaction longer than {minutes:g} minutes",
        remedy=(
            "An open transaction holds back vacuum and its locks: ask its owner to finish it. "
            if idle
            else "See what it waits for; if nobody needs its answer, "
        )
        + f"SELECT pg_cancel_backend({row['pid']}) ends a statement, "
        f"SELECT pg_terminate_backend({row['pid']}) the session.",
        guide="G50",
        metadata={key: row[key] for key in ("pid", "user", "application", "state", "wait_event", "age_seconds")},
    )


def connections(look: Look) -> Looked:
    """Client backends by state against what clients can really have."""
    if hidden := hidden_sessions(look, "connections", "Connections", "G51"):
        return hidden
    states = {row["state"]: row["backends"] for row in look.session.rows(queries.load("database/connections"))}
    available = look.session.row(look.session.load("database/connection_limit"))["available"]
    used = sum(states.values())
    percent = 100 * used / available
    bands = look.settings.thresholds.metrics["database_connections"]
    finding = Finding(
        key="connections",
        level=bands.judge(percent),
        subject="Connections",
        detail=f"{used} of {available} connections are taken ({percent:.1f} %): "
        + ", ".join(f"{count} {state}" for state, count in states.items()),
        expected=f"{bands.says(Level.OK)} of max_connections less the reserved ones",
        remedy="Find who holds them (pg_stat_activity by application_name); pool connections before raising the limit.",
        guide="G51",
        metadata={"states": states, "available": available, "thresholds": look.settings.thresholds_version},
    )
    by_state = tuple(Sample("connections", float(count), "backends", state) for state, count in states.items())
    return Looked((finding,), (Sample("connections_used", percent, "%"), *by_state))


def hidden_sessions(look: Look, key: str, subject: str, guide: str) -> Looked | None:
    """Without pg_monitor the server hides other sessions: an empty list would be a false ok."""
    may = look.session.row(queries.load("database/may_see_activity"))
    if may["allowed"] and (may["tracked"] or key != "long_running_queries"):
        return None
    untold = f"role {may['role']} cannot see other users' sessions"
    untracked = "the server does not note what sessions do (track_activities is off)"
    finding = Finding(
        key=key,
        level=Level.UNKNOWN,
        subject=subject,
        detail=untracked if may["allowed"] else untold,
        expected="track_activities on, and a role that is a member of pg_monitor",
        remedy="Set track_activities to on."
        if may["allowed"]
        else "`python -m upkeep grants target` prints the GRANTs that the read role needs.",
        guide=guide,
    )
    return Looked((finding,))


CHECKS = (
    Check("database/table_sizes", "G49", "Table sizes and growth", table_sizes),
    Check("database/long_running_queries", "G50", "Long-running queries", long_running_queries),
    Check("database/connections", "G51", "Connections by state", connections),
)
