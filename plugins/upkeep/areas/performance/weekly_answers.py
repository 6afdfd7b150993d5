"""What the functions' answers of the weekly window say (G20-G22, G84, G85, G90, G94). Pure.

Advice from an answer is text that people read: it is shown and kept, and nothing is ever carried out from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from upkeep.areas.performance.slow_queries import EXPLAIN
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.core.statements import redact
from upkeep.core.units import listed
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.wires.functions.contract import ContractError

Body = Mapping[str, Any]
Asked = Mapping[str, Any]

#: Pieces of advice and statements that a finding tells; the others are in its metadata.
TOLD = 10
#: Characters of one piece of text from an answer in a finding's detail.
LENGTH = 300

#: The triggers that the guide has a number for (G95-G98), as the function names them.
TRIGGERS = ("connections", "response_time", "error_rate", "storage")


def performance_report(body: Body, _: Asked, settings: Settings) -> LookResult:
    """Requests, error rate and response times of the period (G21); a mean outside the good band is an advisory."""
    result = body["result"]
    bands = settings.thresholds.metrics
    told = {
        "week_error_rate": (result["error_rate_percent"], bands["error_rate"]),
        "week_response_time": (result["response_time_ms"], bands["response_time"]),
    }
    levels = {name: band.judge(value) for name, (value, band) in told.items() if value is not None}
    if len(levels) < len(told) or Level.UNKNOWN in levels.values():
        level = Level.UNKNOWN
    else:
        level = Level.OK if set(levels.values()) == {Level.OK} else Level.ADVISORY
    finding = Topic("performance_report", "Performance of the period", "G21").finding(
        level,
        f"{result['requests']:,} requests; error rate {_measured(result['error_rate_percent'], '%')}; "
        f"response time {_measured(result['response_time_ms'], 'ms')}, "
        f"95th percentile {_measured(result.get('response_time_p95_ms'), 'ms')}",
        f"error rate {bands['error_rate'].says(Level.OK)}, response time {bands['response_time'].says(Level.OK)}",
        "See which functions it comes from (by function, in the details) and since which day (trend).",
        {key: result[key] for key in ("by_function", "trend") if key in result},
    )
    samples = list(_performance(result, ""))
    for one in result.get("by_function", ()):
        samples += _performance(one, one["function_name"])
    return LookResult((finding,), tuple(samples))


def _performance(result: Body, subject: str) -> Iterable[Sample]:
    yield Sample("week_requests", as_number(result["requests"]), "requests", subject)
    for metric, name, unit in (
        ("week_error_rate", "error_rate_percent", "%"),
        ("week_response_time", "response_time_ms", "ms"),
        ("week_response_time_p95", "response_time_p95_ms", "ms"),
    ):
        if result.get(name) is not None:
            yield Sample(metric, result[name], unit, subject)


def severity(total: int, severities: Mapping[str, int], settings: Settings) -> tuple[Level, str, str]:
    """The level of so many errors, what is said of them beside their counts, and what to do."""
    errors = settings.thresholds.errors
    counts = {name.lower(): count for name, count in severities.items() if count}
    strange = sorted(counts.keys() - {*errors.worst, *errors.severe, *errors.mild})
    untold = total - sum(counts.values())
    severe = sum(counts.get(name, 0) for name in (*errors.worst, *errors.severe))
    percent = 100 * severe / total if total else 0.0
    said = f"; {percent:.0f} % severe" if severe else ""
    read = "Read the severe ones (error-tracking get_errors, filter severity) and give each an owner."
    if severe >= errors.least and percent > errors.warning_percent:
        return Level.CRITICAL if percent > errors.critical_percent else Level.WARNING, said, read
    if strange:
        remedy = "Say in config/thresholds.yaml: errors whether they are worst, severe or mild."
        return Level.UNKNOWN, f"{said}; not judged: severity {', '.join(strange)}", remedy
    if untold > 0:
        remedy = (
            "The function counts fewer errors by severity than in all: fix it, or find the errors without a severity."
        )
        return Level.UNKNOWN, f"{said}; not judged: {untold} without a severity", remedy
    return Level.ADVISORY if any(counts.get(name) for name in errors.worst) else Level.OK, said, read


def error_trends(body: Body, _: Asked, settings: Settings) -> LookResult:
    """Errors of the period by severity and over time (G22); errors of severity critical are worth a look."""
    result = body["result"]
    severities: Counter[str] = Counter()
    for bucket in result["trend"]:
        severities.update(bucket.get("by_severity", {}))
    most = max(result["trend"], key=lambda bucket: bucket["total"], default=None)
    peak = f"; most from {most['start']} on: {most['total']:,}" if most and most["total"] else ""
    level, said, remedy = severity(result["total_errors"], severities, settings)
    by = ", ".join(f"{count:,} {text(name)}" for name, count in severities.most_common(TOLD)) or "none"
    finding = Topic("error_trends", "Errors over the period", "G22").finding(
        level,
        f"{result['total_errors']:,} errors; by severity: {by}{peak}{said}",
        "severities within config/thresholds.yaml: errors",
        remedy,
        {"bucket": result.get("bucket"), "trend": result["trend"]},
    )
    samples = [Sample("week_errors", as_number(result["total_errors"]), "errors")]
    samples += [Sample("week_errors", as_number(count), "errors", name) for name, count in sorted(severities.items())]
    return LookResult((finding,), tuple(samples))


def index_recommendations(body: Body, asked: Asked, _: Settings) -> LookResult:
    """Indexes that the function would add or drop (G20), of all tables or of those asked about (G85): advice only."""
    result = body["result"]
    included = (asked.get("table_filters") or {}).get("include_tables")
    missing = [_missing(one) for one in result["missing"]]
    unused = [f"{text(one['index'])} on {text(one['table'])} ({one['size_bytes']:,} bytes)" for one in result["unused"]]
    topic = Topic("index_advice", "Index advice of the function", "G20")
    if included:
        topic = Topic("index_advice:included", f"{topic.subject} for the heavily used tables", "G85")
    finding = topic.finding(
        Level.ADVISORY if missing or unused else Level.OK,
        f"{len(missing)} missing{_listed(missing)}; {len(unused)} unused{_listed(unused)}",
        "no advice",
        "Advice only, nothing is carried out from it: hold it against the index findings by SQL. "
        "An index that it calls unused may be used on a replica.",
        {key: result[key] for key in ("tables", "missing", "unused") if key in result},
    )
    subject = "included" if included else ""
    counted = (("indexes_missing", missing), ("indexes_unused", unused))
    return LookResult((finding,), tuple(Sample(name, float(len(rows)), "indexes", subject) for name, rows in counted))


def _missing(one: Body) -> str:
    columns = f" ({', '.join(text(column) for column in one['columns'])})" if one.get("columns") else ""
    return f"{text(one['table'])}{columns}: {text(one['reason'])}"


def query_optimization(body: Body, asked: Asked, settings: Settings) -> LookResult:
    """Statements that take at least ``min_duration`` ms on average (G84), without their literals."""
    result = body["result"]
    least = (asked.get("query_filters") or {}).get("min_duration", settings.thresholds.statements.slow_ms)
    expected = f"no statement with a mean of {least:g} ms or more"
    topic = Topic("query_optimization", "Slow statements by the function", "G84")
    if result["statements"] is None:
        return LookResult((no_statements(topic, expected),))
    statements = [{**one, "query": redact(one["query"])} for one in result["statements"]]
    lines = [f"{one['mean_ms']:,.0f} ms in {one['calls']:,} calls: {one['query'][:LENGTH]}" for one in statements]
    finding = topic.finding(
        Level.ADVISORY if result["total"] else Level.OK,
        f"{result['total']:,} statements take {least:g} ms or more on average{_listed(lines)}",
        expected,
        f"The slowest one first. {EXPLAIN}",
        {"statements": statements},
    )
    return LookResult((finding,), (Sample("slow_statements", as_number(result["total"]), "statements"),))


def no_statements(topic: Topic, expected: str) -> Finding:
    """That the function cannot say which statements are slow."""
    remedy = "Create the extension pg_stat_statements in the maintained database."
    return topic.finding(Level.UNKNOWN, "not collected: the function knows no statements", expected, remedy)


def database_metrics(body: Body, _: Asked, __: Settings) -> LookResult:
    """What of the database's room is taken (G90); more than there is cannot be, and is UNKNOWN."""
    result = body["result"]
    size, capacity = result["database_size_bytes"], result.get("storage_capacity_bytes")
    used = result["connections"]
    available = result.get("available_connections") or result["max_connections"]
    absurd = used > result["max_connections"] or (capacity is not None and size > capacity) or not available
    room = "of unknown room" if capacity is None else f"of {capacity:,}"
    finding = Topic("database_metrics", "Database room by the function", "G90").finding(
        Level.UNKNOWN if absurd else Level.OK,
        f"{size:,} bytes {room}; {used:,} of {available:,} connections"
        + (", which no database can have" if absurd else ""),
        "watched here; judged under capacity",
        "Check what the function measures: another server, or a stale answer." if absurd else "",
        {"table_sizes": result["table_sizes"]},
    )
    samples = [Sample("week_database_bytes", as_number(size), "bytes")]
    samples += [] if absurd else [Sample("week_connections", 100 * as_number(used) / as_number(available), "%")]
    return LookResult((finding,), tuple(samples))


def capacity_report(body: Body, _: Asked, __: Settings) -> LookResult:
    """That the function reported its capacity (G94). Its numbers and its advice are judged with the triggers, once.

    Advice for a trigger that the guide does not know stands here, for nobody else would tell it.
    """
    result = body["result"]
    advice = result.get("recommendations", ())
    other = [f"{text(one['trigger'])}: {text(one['advice'])}" for one in advice if one["trigger"] not in TRIGGERS]
    names = ("connections_percent", "response_time_percent_of_baseline", "error_rate_percent", "storage_used_percent")
    known = [f"{name} {result[name]:.4g}" for name in names if result.get(name) is not None]
    level = Level.ADVISORY if other else Level.OK
    finding = Topic("capacity_report", "Capacity report of the function", "G94").finding(
        level if known else Level.UNKNOWN,
        f"{', '.join(known) or 'not collected: the answer holds none of the four numbers'}; "
        f"{len(advice) - len(other)} pieces of advice stand with their triggers; {len(other)} others{_listed(other)}",
        "all advice belongs to a trigger of the guide",
        "Advice only, nothing is carried out from it: read it beside the capacity findings.",
        {"recommendations": list(advice)},
    )
    return LookResult((finding,))


def text(value: str) -> str:
    """A piece of text from an answer, cut so that it leaves room for the others."""
    return value if len(value) <= LENGTH else f"{value[:LENGTH]}…"


def _listed(lines: list[str]) -> str:
    return f" ({listed(lines, TOLD, '; ', rest='; and')})" if lines else ""


def _measured(value: float | None, unit: str) -> str:
    return "not measurable" if value is None else f"{value:.4g} {unit}"


def as_number(count: int) -> float:
    """A count as a sample holds it. Raises ContractError for one that no floating-point number can be."""
    try:
        return float(count)
    except OverflowError:
        raise ContractError("found a count beyond the range of numbers, expected one that can be") from None


#: What is read from an answer of the weekly window, by (function, action).
READERS: Mapping[tuple[str, str], Callable[[Body, Asked, Settings], LookResult]] = {
    ("production-monitoring", "performance_report"): performance_report,
    ("error-tracking", "get_error_trends"): error_trends,
    ("database-scalability", "index_recommendations"): index_recommendations,
    ("database-scalability", "query_optimization"): query_optimization,
    ("database-scalability", "database_metrics"): database_metrics,
}
