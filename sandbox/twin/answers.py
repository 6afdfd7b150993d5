"""The answers, computed from the target database at each request; nothing here is made up or remembered.

*Response time* is the mean of ``application_logs.duration_ms``, *error rate* the share of its rows with a status of
500 or more, *connections* the client backends' share of the slots that clients can have. Memory and CPU are those of
the sandbox's own processes without Airflow's, for they stand for the platform's machine, and labelled so.

*Overall health* is the health of the worst of error rate, response time and connections. Each is 100 at 0, 95 where
the guide's warning begins, 90 where its critical begins, and falls to 0 at a point beyond, straight in between.
Each function's own health counts its own requests; only production-monitoring's is that of the whole platform.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

import psutil

from sandbox.twin import database
from sandbox.twin.target import Target
from upkeep.wires.functions import database_models as db
from upkeep.wires.functions import models as m
from upkeep.wires.functions.contract import FUNCTIONS

LAST_DAY = timedelta(hours=24)
LAST_MONTH = timedelta(days=30)
ROWS = 100
CPU_SAMPLE_SECONDS = 0.5
HOST = "the sandbox's functions, workload and database processes"

#: Which deployment of every function answers; the one of a function that was rolled back is EARLIER.
VERSION, EARLIER = 2, 1
#: Where each measure makes health 100, 95, 90 and 0. These belong to the platform, not to our judging of it.
HEALTH = {
    "error_rate_percent": (0.0, 0.5, 2.0, 20.0),
    "response_time_ms": (0.0, 500.0, 1000.0, 10_000.0),
    "database_connections_percent": (0.0, 75.0, 90.0, 100.0),
}


def answer(target: Target, function: str, request: Any, now: datetime) -> m.BaseAnswer:
    """The answer of a function to one request; without a period of its own it is about the time up to ``now``."""
    if (function, request.action) in ANSWERS:
        result = ANSWERS[function, request.action](target, request, now)
    else:
        health = overall_health(_measures(target, now, function))
        result = m.FunctionHealth(overall_health_percent=health, version=VERSION)
    return FUNCTIONS[function][request.action].answer(success=True, result=result)


def health_check(target: Target, _: m.HealthCheckRequest, now: datetime) -> m.HealthCheck:
    """The health of the whole platform."""
    return m.HealthCheck(overall_health_percent=overall_health(_measures(target, now)), version=VERSION)


def system_status(target: Target, _: m.SystemStatusRequest, now: datetime) -> m.SystemStatus:
    """The six metrics: those of the last 24 hours, connections and host as they are."""
    measures = _measures(target, now)
    metrics = m.Metrics(**measures, memory_usage_percent=memory_percent(), cpu_usage_percent=cpu_percent())
    host = m.Host(source=HOST, memory_total_bytes=psutil.virtual_memory().total, cpus=os.cpu_count())
    return m.SystemStatus(overall_health_percent=overall_health(measures), metrics=metrics, host=host)


def overall_health(measures: Mapping[str, float | None]) -> float:
    """Percent; what could not be measured, such as the response time of no requests, does not count."""
    return min(_health(value, HEALTH[name]) for name, value in measures.items() if value is not None)


def _health(value: float, edges: tuple[float, ...]) -> float:
    levels = (100.0, 95.0, 90.0, 0.0)
    for (low, high), (best, worst) in zip(pairwise(edges), pairwise(levels), strict=True):
        if value <= high:
            return round(best - (best - worst) * (value - low) / (high - low), 3)
    return 0.0


def _measures(target: Target, now: datetime, function: str | None = None) -> dict[str, float | None]:
    measured = target.row("requests", start=now - LAST_DAY, end=now, function=function) | target.row("connections")
    return {name: measured[name] for name in HEALTH}


def performance_report(target: Target, request: m.PerformanceReportRequest, now: datetime) -> m.PerformanceReport:
    """Requests of the time window up to now, in all, by function and over time."""
    start = now - _length(request.time_window)
    total = target.row("requests", start=start, end=now, function=None)
    by_function = target.rows("requests_by_function", start=start, end=now)
    trend = target.rows("requests_by_bucket", start=start, end=now, bucket=_bucket(start, now))
    return m.PerformanceReport(
        **total,
        by_function=[m.FunctionPerformance(**row) for row in by_function],
        trend=[m.PerformanceBucket(**row) for row in trend],
    )


def error_analytics(target: Target, request: m.ErrorAnalyticsRequest, now: datetime) -> m.ErrorAnalytics:
    """Errors of the period, counted by category, severity, function and message."""
    period = _period(request, now)
    rows = target.rows("errors_by", start=period.start, end=period.end)

    def counts(dimension: str) -> dict[str, int]:
        return {row["value"]: row["errors"] for row in rows if row["dimension"] == dimension}

    return m.ErrorAnalytics(
        period=period,
        total_errors=counts("all")[""],
        by_category=counts("category"),
        by_severity=counts("severity"),
        by_function=counts("function"),
        top_messages=[
            m.ErrorMessage(**row) for row in target.rows("error_messages", start=period.start, end=period.end)
        ],
    )


def error_trends(target: Target, request: m.ErrorTrendsRequest, now: datetime) -> m.ErrorTrends:
    """Errors of the period by hour, or by day when it is longer than two days."""
    period = _period(request, now)
    bucket = _bucket(period.start, period.end)
    buckets: dict[datetime, dict[str, int]] = {}
    for row in target.rows("errors_by_bucket", start=period.start, end=period.end, bucket=bucket):
        severities = buckets.setdefault(row["start"], {})
        if row["severity"] is not None:
            severities[row["severity"]] = row["errors"]
    trend = [m.ErrorBucket(start=start, total=sum(by.values()), by_severity=by) for start, by in buckets.items()]
    return m.ErrorTrends(period=period, total_errors=sum(b.total for b in trend), bucket=bucket, trend=trend)


def errors(target: Target, request: m.ErrorsRequest, now: datetime) -> m.Errors:
    """The newest hundred errors of the period that pass the filters, and how many there are."""
    period, filters = _period(request, now), request.filters.model_dump()
    rows = target.rows("errors", start=period.start, end=period.end, limit=ROWS, **filters)
    total = rows[0]["total"] if rows else 0
    shown = [m.ErrorRow(**{name: value for name, value in row.items() if name != "total"}) for row in rows]
    return m.Errors(period=period, total=total, errors=shown)


def compliance_report(target: Target, request: db.ComplianceReportRequest, now: datetime) -> db.ComplianceReport:
    """Consents and processing of the period, by default of the last 30 days."""
    return database.compliance_report(target, _period(request, now, LAST_MONTH))


def _period(request: m.PeriodRequest, now: datetime, default: timedelta = LAST_DAY) -> m.PeriodEcho:
    if request.start and request.end:
        return m.PeriodEcho(start=request.start, end=request.end)
    time_window = getattr(request, "time_window", None)
    return m.PeriodEcho(start=now - (_length(time_window) if time_window else default), end=now)


def _length(time_window: str) -> timedelta:
    count = int(time_window[:-1])
    return timedelta(hours=count) if time_window.endswith("h") else timedelta(days=count)


def _bucket(start: datetime, end: datetime) -> Literal["hour", "day"]:
    return "hour" if end - start <= timedelta(days=2) else "day"


def platform_processes() -> list[psutil.Process]:
    """What stands for the platform's machine: the twin, and beside it database and workload, not Airflow."""
    found = []
    for process in psutil.Process(os.getppid()).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "airflow" not in " ".join(process.cmdline()):
                found.append(process)
    return found


def memory_percent() -> float:
    """Resident memory of the platform's processes, of all memory of the machine."""
    resident: int = 0
    for process in platform_processes():
        with contextlib.suppress(psutil.Error):
            resident += process.memory_info().rss
    total: int = psutil.virtual_memory().total
    return round(100 * resident / total, 3)


def cpu_percent() -> float:
    """CPU time of the platform's processes over half a second, of all cores together."""
    processes = platform_processes()
    before, began = _cpu_seconds(processes), time.monotonic()
    time.sleep(CPU_SAMPLE_SECONDS)
    spent, seconds = _cpu_seconds(processes) - before, time.monotonic() - began
    return round(min(100.0, max(0.0, 100 * spent / (seconds * (os.cpu_count() or 1)))), 3)


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    seconds = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            seconds += times.user + times.system
    return seconds


#: Who answers which action; a function's own ``health_check`` is answered by ``answer`` itself.
ANSWERS: Mapping[tuple[str, str], Callable[[Target, Any, datetime], m.AnswerPart]] = {
    ("production-monitoring", "system_status"): system_status,
    ("production-monitoring", "health_check"): health_check,
    ("production-monitoring", "performance_report"): performance_report,
    ("error-tracking", "get_error_analytics"): error_analytics,
    ("error-tracking", "get_error_trends"): error_trends,
    ("error-tracking", "get_errors"): errors,
    ("database-scalability", "performance_analysis"): database.performance_analysis,
    ("database-scalability", "index_recommendations"): database.index_recommendations,
    ("database-scalability", "scalability_report"): database.scalability_report,
    ("database-scalability", "query_optimization"): database.query_optimization,
    ("database-scalability", "database_metrics"): database.database_metrics,
    ("gdpr-compliance", "compliance_report"): compliance_report,
}
