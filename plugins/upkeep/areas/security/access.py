"""Who asks what (G75, G76): requests by role and statements of the database, held against an earlier window's.

A statement's text is shown without its literals; a log is read by its time index only (see ``logs``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from upkeep.areas.logs import Log, named
from upkeep.areas.look import Check, Look
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.core.statements import MAX_STATEMENT, redact
from upkeep.core.units import utc
from upkeep.ledger.write import LookResult
from upkeep.wires import database, queries
from upkeep.wires.database import Row

#: New statements that one look shows, those with most time first.
SHOWN = 30
#: Ids that a snapshot keeps: what the server has forgotten for want of room is no new statement when it comes back.
KEPT = 20_000
#: Roles that one look tells apart; a log whose column holds anything else has more.
MOST_ROLES = 50
#: Fewer requests or addresses than these, before and now, are too few to speak of a pattern.
FEW_REQUESTS, FEW_ADDRESSES = 100, 10
#: A share of errors must differ by this many percentage points too: 0.02 % is no finding for being twice 0.01 %.
FEW_POINTS = 1.0
_DAY = timedelta(days=1)
_NEW = Topic("new_queries", "New statements", "G76")


# Statements (G76) -----------------------------------------------------------------------------------------------


def new_queries(look: Look) -> LookResult:
    """Statements whose ids no earlier snapshot knows; ids are of one major and one database, others do not compare."""
    views = look.session.rows(queries.load("performance/statements_view"))
    if reason := obstacle(views[0] if views else None):
        return LookResult((_unknown(_NEW, *reason),))
    view = views[0]
    rows = look.session.rows(
        database.statement("security/new_queries", schema=view["schema"]), {"characters": 4 * MAX_STATEMENT}
    )
    counted = look.session.row(database.statement("performance/statements_reset", schema=view["schema"]), {})
    of = f"PostgreSQL {look.session.version // 10_000}, database {view['database']}"
    due, before = look.previous or (look.now, {})
    if before.get("of") != of:
        other = f"; the earlier snapshot is of {before['of']}, whose ids are others" if before else ""
        return LookResult((_first_statements(len(rows), other),), snapshot=_statements(of, rows, {}, look.now))
    known = before["ids"]
    fresh = [row for row in rows if row["id"] not in known]
    findings = [_statement(row, due) for row in fresh[:SHOWN]]
    if len(fresh) > SHOWN:
        findings.append(_more_statements(len(fresh) - SHOWN))
    if counted["stats_reset"] and counted["stats_reset"] > due:
        findings.append(_reset(due, counted["stats_reset"]))
    if not findings:
        findings.append(_no_statement(len(rows), due, counted["dealloc"]))
    sample = Sample("new_queries", float(len(fresh)), "statements")
    return LookResult(tuple(findings), (sample,), snapshot=_statements(of, rows, known, look.now))


def obstacle(view: Row | None) -> tuple[str, str] | None:
    """Why nothing is known of statements, and what helps; None when they are counted and dated."""
    if view is None:
        return "the extension pg_stat_statements is not in this database", "CREATE EXTENSION pg_stat_statements."
    if not view["usable"]:
        reason = f"role {view['role']} may not use schema {view['schema']!r}, where pg_stat_statements is"
        return reason, "GRANT USAGE on that schema."
    if not view["loaded"]:
        return "the server has not loaded pg_stat_statements", "Name it in shared_preload_libraries and restart."
    if not view["counts"]:
        return "pg_stat_statements counts no statement (pg_stat_statements.track is none)", "Set it to top and reload."
    if not view["dated"]:
        reason = "pg_stat_statements is older than 1.9 and does not say when it was reset"
        return reason, "ALTER EXTENSION pg_stat_statements UPDATE."
    if not view["allowed"]:
        reason = f"role {view['role']} cannot see other users' statements, it is no member of pg_read_all_stats"
        return reason, "`python -m upkeep grants target` prints the GRANTs that the read role needs."
    return None


def _statements(of: str, rows: list[Row], known: dict[str, str], now: datetime) -> dict[str, Any]:
    """The next snapshot: what is counted now, then what was known before, the latest first, as far as there is room."""
    current = {row["id"]: known.get(row["id"], f"{now:%Y-%m-%d}") for row in rows}
    gone = sorted(((seen, id_) for id_, seen in known.items() if id_ not in current), reverse=True)
    kept = dict([*current.items(), *((id_, seen) for seen, id_ in gone)][:KEPT])
    return {"of": of, "ids": kept}


def _unknown(topic: Topic, reason: str, remedy: str) -> Finding:
    expected = "statements that an earlier window has seen too"
    return topic.finding(Level.UNKNOWN, f"not collected: {reason}", expected, remedy)


def _first_statements(number: int, other: str) -> Finding:
    return _NEW.finding(
        Level.ADVISORY,
        f"nothing to compare with yet: {number} statements noted{other}",
        "a snapshot of an earlier window",
        "From the next window on, statements that are not among these are said to be new.",
    )


def _statement(row: Row, due: datetime) -> Finding:
    subject = f"New statement {row['id']} of {named(row['users'], len(row['users']))}"
    return _NEW.part(row["id"], subject).finding(
        Level.ADVISORY,
        f"{row['calls']} calls, {row['milliseconds'] / 1000:.1f} s in all: {redact(row['query'] or '')}",
        f"statements that were known in the window due {utc(due)}",
        "A release brings new statements; one that no release explains is somebody looking around.",
        {"id": row["id"], "calls": row["calls"], "users": row["users"]},
    )


def _more_statements(more: int) -> Finding:
    return _NEW.part("more", "Other new statements").finding(
        Level.ADVISORY,
        f"{more} more statements are new; the {SHOWN} with most time are shown",
        "none",
        "See pg_stat_statements itself; a tool that writes literals where values should be bound makes many.",
        {"more": more},
    )


def _reset(due: datetime, reset: datetime) -> Finding:
    reason = (
        f"the statistics were reset at {utc(reset)}; what ran only between then and the window due "
        f"{utc(due)} is lost, so the comparison is partial"
    )
    return _unknown(_NEW.part("reset"), reason, "See who calls pg_stat_statements_reset(), or whether a crash did it.")


def _no_statement(number: int, due: datetime, forgotten: int) -> Finding:
    detail = f"each of {number} statements was known in the window due {utc(due)}"
    if forgotten:
        detail += f"; for want of room the server has dropped statements {forgotten} times (pg_stat_statements.max)"
    return _NEW.finding(Level.OK, detail, "none that no release explains")


# Requests (G75) -------------------------------------------------------------------------------------------------


def access_patterns(look: Look) -> LookResult:
    """Requests, errors and addresses by role, against those of an earlier window's period."""
    log = Log(look, "application", Topic("access_patterns", "API access patterns", "G75"))
    if hidden := log.hidden():
        return LookResult((hidden,))
    total, *roles = log.rows("security/access_patterns", {"most": MOST_ROLES})
    if not total["requests"]:
        return LookResult((log.unwritten(),))
    days = (look.period[1] - look.period[0]) / _DAY
    whole, by_role = _pattern(total, days), {_role(row): _pattern(row, days) for row in roles}
    of = f"{log.config.table}({', '.join(log.columns.values())})"
    snapshot = {"of": of, "all": whole, "roles": by_role}
    due, before = look.previous or (look.now, {})
    if before.get("of") != of:
        finding = _patterns(log, Level.ADVISORY, f"nothing to compare with yet: {_says(whole)}")
        return LookResult((finding,), snapshot=snapshot)
    findings = _compared(log, before, snapshot, due)
    if not findings:
        said = f"{_says(whole)}; as in the window due {utc(due)}"
        findings = [_patterns(log, Level.OK, said)]
    return LookResult(tuple(findings), snapshot=snapshot)


def _role(row: Row) -> str:
    return row["role"] or "no role"


def _pattern(row: Row, days: float) -> dict[str, float]:
    """Requests per day, errors as percent of them, and the addresses of the whole period."""
    return {
        "requests": row["requests"] / days,
        "client_errors": 100 * row["client_errors"] / row["requests"],
        "server_errors": 100 * row["server_errors"] / row["requests"],
        "addresses": row["addresses"],
    }


def _says(pattern: dict[str, float]) -> str:
    return (
        f"{pattern['requests']:.0f} requests a day, {pattern['client_errors']:.1f} % 4xx, "
        f"{pattern['server_errors']:.1f} % 5xx, {pattern['addresses']:.0f} addresses"
    )


def _compared(log: Log, before: dict[str, Any], now: dict[str, Any], due: datetime) -> list[Finding]:
    old, new = before["roles"], now["roles"]
    findings = [_new_role(log, role, pattern, due) for role, pattern in new.items() if role not in old]
    findings += _changed(log, "all", before["all"], now["all"], due)
    for role in sorted(old):
        findings += _changed(log, f"role:{role}", old[role], new.get(role, {}), due)
    return findings


def _changed(log: Log, name: str, old: dict[str, float], new: dict[str, float], due: datetime) -> list[Finding]:
    percent = log.look.settings.maintenance.security.access_change_percent
    said = changes(old, new, percent)
    if not said:
        return []
    subject = f"{log.topic.subject} of {'all roles' if name == 'all' else name.removeprefix('role:')}"
    finding = log.topic.part(name, subject).finding(
        Level.ADVISORY,
        "; ".join(said),
        f"within {percent:g} % of the window due {utc(due)}",
        "A release or a new client may explain it; if nothing does, look at the log by address.",
        {"before": old, "now": new},
    )
    return [finding]


def changes(old: dict[str, float], new: dict[str, float], percent: float) -> list[str]:
    """What differs by more than so many percent of what it was, in words. Pure. ``new`` is empty when a role left."""
    said = []
    for name, words, few in (
        ("requests", "requests a day", FEW_REQUESTS),
        ("client_errors", "% of requests answered 4xx", FEW_POINTS),
        ("server_errors", "% of requests answered 5xx", FEW_POINTS),
        ("addresses", "addresses", FEW_ADDRESSES),
    ):
        was, is_ = old[name], new.get(name, 0.0)
        far = abs(is_ - was) > percent / 100 * was
        much = abs(is_ - was) >= few if name.endswith("errors") else max(was, is_) >= few
        enough = not name.endswith("errors") or min(old["requests"], new.get("requests", 0.0)) >= FEW_REQUESTS
        if far and much and enough:
            said.append(f"{is_:.4g} {words}, before {was:.4g}")
    return said


def _new_role(log: Log, role: str, pattern: dict[str, float], due: datetime) -> Finding:
    return log.topic.part(f"new_role:{role}", f"New role {role} in the {log.name} log").finding(
        Level.WARNING,
        _says(pattern),
        f"roles that were seen in the window due {utc(due)}",
        "Find who gave out a key with this role; the role is a claim that the key itself makes.",
        {"role": role},
    )


def _patterns(log: Log, level: Level, detail: str) -> Finding:
    percent = log.look.settings.maintenance.security.access_change_percent
    return log.topic.finding(
        level, detail, f"no role that is new, and no change by more than {percent:g} % from one window to the next"
    )


CHECKS = (
    Check("security/access_patterns", "G75", "API access patterns", access_patterns),
    Check("security/new_queries", "G76", "New statements", new_queries),
)
