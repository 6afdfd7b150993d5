"""The answers of database-scalability and gdpr-compliance: what PostgreSQL's statistics and the guide's tables say.

PostgreSQL counts since its statistics were last reset, so ``time_window`` narrows nothing here. What cannot be
measured is null: statements without ``pg_stat_statements``, the share of a storage whose size nobody configured.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sandbox.twin.target import Row, Target
from upkeep.core.statements import redact
from upkeep.wires.functions import database_models as m
from upkeep.wires.functions.models import PeriodEcho

SHOWN = 10  # statements and tables of an analysis
LIMIT = 100  # statements and tables of a list that is asked for
ROW_FLOOR = 1_000  # smaller tables are rightly read without an index
LAST_DAY = timedelta(hours=24)
BASELINE = timedelta(days=28)

#: Above what the platform advises what (G95-G98).
TRIGGERS = (
    ("connections", "connections_percent", 75.0, "Consider connection pooling optimization."),
    ("response_time", "response_time_percent_of_baseline", 150.0, "Scale up resources."),
    ("error_rate", "error_rate_percent", 1.0, "Investigate and optimize."),
    ("storage", "storage_used_percent", 80.0, "Plan for storage expansion."),
)


def performance_analysis(target: Target, _: m.PerformanceAnalysisRequest, __: datetime) -> m.PerformanceAnalysis:
    """Statements, cache, connections and dead rows as they are now."""
    found = target.row("statements_present")["present"]
    tables = target.rows("dead_rows")
    return m.PerformanceAnalysis(
        query_response_ms=target.row("query_response")["query_response_ms"] if found else None,
        cache_hit_ratio_percent=target.row("cache_hit_ratio")["cache_hit_ratio_percent"],
        connections_percent=target.row("connections")["database_connections_percent"],
        dead_rows=sum(row["dead_rows"] for row in tables),
        slowest_statements=_statements(target, 0, SHOWN)[0] if found else None,
        tables=[m.TableRows(**row) for row in tables[:SHOWN]],
        statistics_since=target.row("statements_since")["stats_reset"] if found else None,
    )


def query_optimization(target: Target, request: m.QueryOptimizationRequest, _: datetime) -> m.QueryOptimization:
    """The statements whose mean time is at least ``min_duration``, the slowest first."""
    if not target.row("statements_present")["present"]:
        return m.QueryOptimization(total=None, statements=None)
    statements, total = _statements(target, request.query_filters.min_duration, LIMIT)
    return m.QueryOptimization(total=total, statements=statements)


def _statements(target: Target, min_duration: float, limit: int) -> tuple[list[m.Statement], int]:
    """The statements shown and how many there are; utility statements keep their literals, so all are redacted."""
    rows = target.rows("statements", min_duration=min_duration, limit=limit)
    shown = [m.Statement(**_without(row, "total") | {"query": redact(row["query"])}) for row in rows]
    return shown, rows[0]["total"] if rows else 0


def index_recommendations(
    target: Target, request: m.IndexRecommendationsRequest, _: datetime
) -> m.IndexRecommendations:
    """Foreign keys without an index, tables that are mostly read whole, and indexes that were never used."""
    tables = target.rows("tables", include=request.table_filters.include_tables)
    which = {"oids": [row["oid"] for row in tables]}
    missing = target.rows("foreign_keys_without_index", **which)
    missing += target.rows("many_sequential_scans", row_floor=ROW_FLOOR, **which)
    return m.IndexRecommendations(
        tables=[row["table"] for row in tables],
        missing=[m.MissingIndex(**row) for row in missing],
        unused=[m.UnusedIndex(**row) for row in target.rows("unused_indexes", **which)],
    )


def scalability_report(target: Target, request: m.ScalabilityReportRequest, now: datetime) -> m.ScalabilityReport:
    """The expected metrics (G45-G48), or what is taken of the room there is (G95-G98)."""
    measured = _performance(target) if request.report_scope == "performance" else _capacity(target, now)
    return m.ScalabilityReport(report_scope=request.report_scope, **measured)


def _performance(target: Target) -> Row:
    found = target.row("statements_present")["present"]
    return {
        "query_response_ms": target.row("query_response")["query_response_ms"] if found else None,
        "pool_usage_percent": target.row("connections")["database_connections_percent"],
        **target.row("cache_hit_ratio"),
        **target.row("index_usage", row_floor=ROW_FLOOR),
    }


def _capacity(target: Target, now: datetime) -> Row:
    yesterday = now - LAST_DAY
    requests = target.row("requests", start=yesterday, end=now, function=None)
    baseline = target.row("requests", start=yesterday - BASELINE, end=yesterday, function=None)["response_time_ms"]
    used, capacity = target.row("database_size")["database_size_bytes"], target.storage_bytes
    measured = {
        "connections_percent": target.row("connections")["database_connections_percent"],
        "storage_used_bytes": used,
        "storage_capacity_bytes": capacity,
        "storage_used_percent": _percent(used, capacity),
        "response_time_ms": requests["response_time_ms"],
        "response_time_baseline_ms": baseline,
        "response_time_percent_of_baseline": _percent(requests["response_time_ms"], baseline),
        "error_rate_percent": requests["error_rate_percent"],
    }
    advice = [
        m.Recommendation(trigger=trigger, advice=text)
        for trigger, name, limit, text in TRIGGERS
        if measured[name] is not None and measured[name] > limit
    ]
    return {**measured, "recommendations": advice}


def _percent(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else 100 * part / whole


def database_metrics(target: Target, _: m.DatabaseMetricsRequest, __: datetime) -> m.DatabaseMetrics:
    """The sizes of the database and of its largest tables, and its connections."""
    return m.DatabaseMetrics(
        **target.row("database_size"),
        storage_capacity_bytes=target.storage_bytes,
        table_sizes=[m.TableSize(**row) for row in target.rows("table_sizes", limit=LIMIT)],
        **_without(target.row("connections"), "database_connections_percent"),
    )


def compliance_report(target: Target, period: PeriodEcho) -> m.ComplianceReport:
    """What people agreed to and took back in the period, and whether all processing names its legal basis."""
    during = {"start": period.start, "end": period.end}
    processing = target.row("processing", **during)
    broken = target.rows("broken_rules", **during)
    return m.ComplianceReport(
        period=period,
        report_type="monthly",
        consents={row["type"]: m.ConsentCounts(**_without(row, "type")) for row in target.rows("consents", **during)},
        **processing,
        oldest_rows={row["table"]: row["oldest"] for row in target.rows("oldest_rows")},
        findings=[m.ComplianceFinding(**row) for row in broken],
    )


def _without(row: Row, name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}
