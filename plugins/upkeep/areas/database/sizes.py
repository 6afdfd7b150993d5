"""Daily database checks: sizes, growth, scans of indexes (G49), long-running queries (G50), connections (G51)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from upkeep.areas.look import Check, Look
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.core.statements import redact
from upkeep.core.units import roughly
from upkeep.ledger.write import LookResult
from upkeep.wires import queries
from upkeep.wires.database import Row

#: Growth is a rate between two samples at least this far apart; closer ones would be noise.
GROWTH_BASE = timedelta(hours=20)
#: Indexes of the largest tables that a look keeps, the largest ones.
MOST_INDEXES = 200
#: Long-running queries that are findings of their own; one says how many more there are.
SHOWN = 100
_SIZES = Topic("table_sizes", "Table sizes", "G49")
_LONG = Topic("long_running_queries", "Long-running queries", "G50")
_CONNECTIONS = Topic("connections", "Connections", "G51")


def table_sizes(look: Look) -> LookResult:
    """The largest tables with their growth per day since an earlier window, and their indexes."""
    config = look.settings.maintenance.checks
    schemas = {"schemas": list(config.schemas)}
    seen = look.session.rows(queries.load("database/schemas"), schemas)
    looked_at = ", ".join(row["schema"] for row in seen if row["there"]) or "none"
    absent = [row["schema"] for row in seen if not row["there"]]
    parameters = schemas | {"largest_tables": config.largest_tables}
    rows = look.session.rows(queries.load("database/table_sizes"), parameters)
    if not rows or absent:
        lacks = f"no schema {', '.join(absent)} (config: checks.schemas)" if absent else "no table"
        finding = _SIZES.finding(
            Level.UNKNOWN,
            f"found {lacks}; schemas looked at: {looked_at}",
            "at least one table that the role may see",
            "Check that the read Connection names the right database.",
        )
        return LookResult((finding,))
    samples = tuple(Sample("table_bytes", float(row["total_bytes"]), "bytes", _table(row)) for row in rows)
    growth = {sample.subject: _growth_per_day(look, sample) for sample in samples}
    largest = samples[0]
    known = [rate for rate in growth.values() if rate is not None]
    detail = (
        f"the {len(rows)} largest tables take {roughly(sum(sample.value for sample in samples))}; "
        f"the largest is {largest.subject} with {roughly(largest.value)}; "
        + (f"together they {_grow(sum(known))} a day" if known else "growth is known from the next day on")
        + f"; schemas looked at: {looked_at}"
    )
    tables = [{**row, "table": _table(row), "growth_bytes_per_day": growth[_table(row)]} for row in rows]
    finding = _SIZES.finding(Level.OK, detail, "watched, without a limit", "", {"tables": tables})
    whole = Sample("database_bytes", float(look.session.row(queries.load("database/database_size"))["bytes"]), "bytes")
    counts = (
        Sample(f"table_{kind}", float(row[kind]), "rows", _table(row))
        for row in rows
        for kind in ("live_rows", "dead_rows")
    )
    indexes, snapshot = _indexes(look, [row["oid"] for row in rows])
    return LookResult((finding,), (*samples, whole, *counts, *indexes), snapshot=snapshot)


def _table(row: Row) -> str:
    return f"{row['schema']}.{row['table']}"


def _indexes(look: Look, oids: list[int]) -> tuple[list[Sample], dict[str, Any]]:
    """Sizes and scans of the tables' indexes as samples; what is no number, and when each was used, as a snapshot."""
    parameters = {"oids": oids, "most": MOST_INDEXES}
    rows = look.session.rows(look.session.load("database/table_indexes"), parameters)
    _, body = look.previous or (None, {})
    known = body.get("indexes", {})
    samples, told = [], {}
    for row in rows:
        name = f"{row['schema']}.{row['index']}"
        scans = Sample("index_scans", float(row["scans"]), "scans", name)
        samples += [Sample("index_bytes", float(row["bytes"]), "bytes", name), scans]
        before = known.get(name, {})
        told[name] = {
            "table": f"{row['table_schema']}.{row['table']}",
            "unique": row["is_unique"],
            "valid": row["valid"],
            "known": before.get("known") or look.now.isoformat(),
            "used": row["last_used"].isoformat() if row["last_used"] else _used(look, scans) or before.get("used"),
        }
    return samples, {"since": rows[0]["since"].isoformat() if rows else None, "indexes": told}


def _used(look: Look, scans: Sample) -> str | None:
    """Now, where the counter is another one than at an earlier look: one that went down was reset, and counts again."""
    earlier = look.earlier.get((scans.metric, scans.subject))
    return look.now.isoformat() if earlier and scans.value not in (0, earlier[0]) else None


def _growth_per_day(look: Look, sample: Sample) -> float | None:
    earlier = look.earlier.get((sample.metric, sample.subject))
    if earlier is None:
        return None
    value, taken_at = earlier
    return (sample.value - value) / ((look.now - taken_at) / timedelta(days=1))


def _grow(rate: float) -> str:
    return f"{'shrink' if rate < 0 else 'grow'} by {roughly(abs(rate))}"


def long_running_queries(look: Look) -> LookResult:
    """Sessions active, or idle in a transaction, for longer than the limit; literals are redacted."""
    if hidden := hidden_sessions(look, _LONG):
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
    return LookResult(tuple(findings) or (_no_long_query(minutes),))


def _no_long_query(minutes: float) -> Finding:
    detail = f"no query or transaction is older than {minutes:g} minutes"
    return _LONG.finding(Level.OK, detail, f"none longer than {minutes:g} minutes")


def _more_long_queries(more: int, minutes: float) -> Finding:
    return _LONG.part("more", "More long-running queries").finding(
        Level.WARNING,
        f"{more} more than the {SHOWN} oldest ones, which are named",
        f"no query or open transaction longer than {minutes:g} minutes",
        "So many often wait for one: see pg_blocking_pids() of the oldest, then pg_stat_activity for the rest.",
        {"more": more},
    )


def _long_query(row: Row, minutes: float) -> Finding:
    age = timedelta(seconds=round(row["age_seconds"]))
    waits = f", waiting for {row['wait_event_type']}/{row['wait_event']}" if row["wait_event"] else ""
    idle = row["state"] != "active"
    what = f"{row['state']}, begun {age} ago" if idle else f"running for {age}"
    return _LONG.part(f"{row['user']}:{row['pid']}", f"PID {row['pid']} of {row['user']}").finding(
        Level.WARNING,
        f"{what}{waits}; {'last statement' if idle else 'statement'}: {redact(row['query'])}",
        f"no query or open transaction longer than {minutes:g} minutes",
        (
            "An open transaction holds back vacuum and its locks: ask its owner to finish it. "
            if idle
            else "See what it waits for; if nobody needs its answer, "
        )
        + f"SELECT pg_cancel_backend({row['pid']}) ends a statement, "
        f"SELECT pg_terminate_backend({row['pid']}) the session.",
        {key: row[key] for key in ("pid", "user", "application", "state", "wait_event", "age_seconds")},
    )


def connections(look: Look) -> LookResult:
    """Client backends by state against what clients can really have."""
    if hidden := hidden_sessions(look, _CONNECTIONS):
        return hidden
    states = {row["state"]: row["backends"] for row in look.session.rows(queries.load("database/connections"))}
    available = look.session.row(look.session.load("database/connection_limit"))["available"]
    used = sum(states.values())
    percent = 100 * used / available
    bands = look.settings.thresholds.metrics["database_connections"]
    finding = _CONNECTIONS.finding(
        bands.judge(percent),
        f"{used} of {available} connections are taken ({percent:.1f} %): "
        + ", ".join(f"{count} {state}" for state, count in states.items()),
        f"{bands.says(Level.OK)} of max_connections less the reserved ones",
        "Find who holds them (pg_stat_activity by application_name); pool connections before raising the limit.",
        {"states": states, "available": available, "thresholds": look.settings.thresholds_version},
    )
    by_state = tuple(Sample("connections", float(count), "backends", state) for state, count in states.items())
    return LookResult((finding,), (Sample("connections_used", percent, "%"), *by_state))


def hidden_sessions(look: Look, topic: Topic) -> LookResult | None:
    """Without pg_monitor the server hides other sessions: an empty list would be a false ok."""
    may = look.session.row(queries.load("database/may_see_activity"))
    if may["allowed"] and (may["tracked"] or topic != _LONG):
        return None
    untold = f"role {may['role']} cannot see other users' sessions"
    untracked = "the server does not note what sessions do (track_activities is off)"
    finding = topic.finding(
        Level.UNKNOWN,
        untracked if may["allowed"] else untold,
        "track_activities on, and a role that is a member of pg_monitor",
        "Set track_activities to on."
        if may["allowed"]
        else "`python -m upkeep grants target` prints the GRANTs that the read role needs.",
    )
    return LookResult((finding,))


CHECKS = (
    Check("database/table_sizes", "G49", "Table sizes and growth", table_sizes),
    Check("database/long_running_queries", "G50", "Long-running queries", long_running_queries),
    Check("database/connections", "G51", "Connections by state", connections),
)
