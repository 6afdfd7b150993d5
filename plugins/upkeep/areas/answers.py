"""What the functions' answers say: the six metrics, error analytics (G10) and the others. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from upkeep.areas.compliance import report
from upkeep.areas.database import expectations
from upkeep.areas.metrics import metrics
from upkeep.areas.performance import weekly_answers
from upkeep.areas.performance.slow_queries import EXPLAIN
from upkeep.areas.performance.weekly_answers import as_number
from upkeep.core.findings import Level, Sample, Topic
from upkeep.core.statements import redact
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.wires.functions.contract import ContractError, metric

Body = Mapping[str, Any]

_PERFORMANCE = Topic("performance_analysis", "Database performance by the function", "G9")


def error_analytics(body: Body, settings: Settings) -> LookResult:
    """How many errors the period had, judged by how many of them are severe; a severity nobody knows is UNKNOWN."""
    result = body["result"]
    total, severities = result["total_errors"], result["by_severity"]
    level, said, remedy = weekly_answers.severity(total, severities, settings)
    errors = settings.thresholds.errors
    by_category = _counts(result["by_category"])
    finding = Topic("error_analytics", "Errors in the period", "G10").finding(
        level,
        f"{total} errors; by severity: {_counts(severities)}; by category: {by_category}{said}",
        f"no error of severity {' or '.join(errors.worst)}, at most {errors.warning_percent:g} % severe "
        f"({', '.join(errors.severe)}; critical: more than {errors.critical_percent:g} %), where there are "
        f"{errors.least} severe ones",
        remedy,
        {key: result[key] for key in ("by_function", "top_messages") if key in result},
    )
    samples = [Sample("errors", as_number(total), "errors")]
    samples += [Sample("errors", as_number(count), "errors", name) for name, count in sorted(severities.items())]
    return LookResult((finding,), tuple(samples))


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {name}" for name, count in ordered) or "none"


def _expected(function: str, action: str, body: Body, settings: Settings) -> dict[str, float | str]:
    """The expected database metrics that config says are in this answer: the value, or why it is not there."""
    found: dict[str, float | str] = {}
    for name, source in settings.maintenance.expectations.items():
        if (source.function, source.action) == (function, action):
            try:
                found[name] = metric(body, source.path)
            except ContractError as error:
                found[name] = f"{error} (config: expectations.{name}.path)"
    return found


def authentication_errors(body: Body, _: Settings) -> LookResult:
    """How many authentication errors of severity high the function knows of (G69)."""
    total = body["result"]["total"]
    finding = Topic("authentication_errors", "Authentication errors of severity high", "G69").finding(
        Level.ADVISORY if total else Level.OK,
        f"{total} in the period",
        "none",
        "Hold them against the failed logins by address and account in the group security.",
    )
    return LookResult((finding,), (Sample("authentication_errors", float(total), "errors"),))


def performance_analysis(body: Body, settings: Settings) -> LookResult:
    """How the database does as the function sees it (G9); statements that are slow on average deserve a look."""
    result = body["result"]
    statements = result.get("slowest_statements")
    if statements is None:
        return LookResult((weekly_answers.no_statements(_PERFORMANCE, "the slowest statements"),))
    limit = settings.thresholds.statements.slow_ms
    slow = [one for one in statements if one["mean_ms"] >= limit]
    dead = result.get("dead_rows")
    counted = f"{len(slow)} of the slowest {len(statements)} statements"
    parts = [f"{counted} take {limit:g} ms or more on average"]
    if slow:
        first = slow[0]
        text = redact(first["query"])[:300]
        parts.append(f"the slowest {first['mean_ms']:.0f} ms in {first['calls']} calls: {text}")
    if dead is not None:
        parts.append(f"{dead} dead rows")
    finding = _PERFORMANCE.finding(
        Level.ADVISORY if slow else Level.OK,
        "; ".join(parts),
        f"no statement with a mean of {limit:g} ms or more",
        f"The slowest one first. {EXPLAIN}",
        {"statements": [{**one, "query": redact(one["query"])} for one in statements]},
    )
    samples = () if dead is None else (Sample("dead_rows", float(dead), "rows"),)
    return LookResult((finding,), samples)


class DailyCall(NamedTuple):
    """One call of the daily window with its guide item and its arguments."""

    function: str
    action: str
    guide: str
    arguments: Mapping[str, Any]


#: What the daily DAG asks, for whoever asks it outside a run; a test holds it against the DAG.
DAILY = (
    DailyCall("production-monitoring", "system_status", "G8", {}),
    DailyCall("database-scalability", "performance_analysis", "G9", {}),
    DailyCall("error-tracking", "get_error_analytics", "G10", {}),
    DailyCall("database-scalability", "scalability_report", "G44", {"report_scope": "performance"}),
    DailyCall("error-tracking", "get_errors", "G69", {"filters": {"category": "authentication", "severity": "high"}}),
)
#: The one answer whose reader needs config.
ANALYTICS = ("error-tracking", "get_error_analytics")
#: What is read from an answer beside the six metrics, by (function, action).
READERS: Mapping[tuple[str, str], Callable[[Body, Settings], LookResult]] = {
    ("error-tracking", "get_errors"): authentication_errors,
    ("database-scalability", "performance_analysis"): performance_analysis,
    ("gdpr-compliance", "compliance_report"): report.compliance_report,
}


def read(
    function: str, action: str, body: Body, settings: Settings, asked: Mapping[str, Any] | None = None
) -> LookResult:
    """All findings and samples of one answer to what was ``asked``. Raises LookupError when nothing would be judged."""
    asked = asked or {}
    looks = [metrics(function, action, body, settings)]
    if asked.get("report_scope") == "capacity":  # the same action, and none of the expected metrics is in its answer
        looks.append(weekly_answers.capacity_report(body, asked, settings))
    else:
        looks.append(expectations.answered(_expected(function, action, body, settings), settings))
    if (function, action) == ANALYTICS:
        looks.append(error_analytics(body, settings))
    if reader := READERS.get((function, action)):
        looks.append(reader(body, settings))
    if weekly := weekly_answers.READERS.get((function, action)):
        looks.append(weekly(body, asked, settings))
    findings = tuple(finding for looked in looks for finding in looked.findings)
    if not findings:
        raise LookupError(
            f"nothing judges {function} {action}: expected a reader, or a metric in config/maintenance.yaml"
        )
    return LookResult(findings, tuple(sample for looked in looks for sample in looked.samples))
