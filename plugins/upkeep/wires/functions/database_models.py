"""The requests and answers of database-scalability and gdpr-compliance, one model of each per action: pure.

As in ``models`` every shape is our assumption (X5). None of the database's own statistics can be asked about the
past; of these actions only ``compliance_report`` echoes its period (X6).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from upkeep.wires.functions.models import (
    HEALTH,
    AnswerPart,
    Count,
    FunctionAction,
    Number,
    PeriodEcho,
    PeriodRequest,
    Request,
    TimeWindow,
    actions,
)

TableText = Annotated[str, Field(description="schema.table, without quotes")]

# database-scalability --------------------------------------------------------------------------------------


class PerformanceAnalysisRequest(Request):
    """How the database does; its statistics are cumulative, so ``time_window`` may not narrow them (G9)."""

    action: Literal["performance_analysis"]
    time_window: TimeWindow


class Statement(AnswerPart):
    """One statement of ``pg_stat_statements``."""

    query: Annotated[str, Field(description="normalised: parameters in the place of literals")]
    calls: Count
    mean_ms: Number
    total_ms: Number | None = None
    rows: Count | None = None


class TableRows(AnswerPart):
    table: TableText
    live_rows: Count
    dead_rows: Count


class PerformanceAnalysis(AnswerPart):
    """Null is "not measurable": statements and their mean time without ``pg_stat_statements``."""

    query_response_ms: Number | None
    cache_hit_ratio_percent: Number | None
    connections_percent: Number | None
    dead_rows: Count | None
    slowest_statements: list[Statement] | None
    tables: Annotated[list[TableRows], Field(description="those with most dead rows")] = []
    statistics_since: Annotated[AwareDatetime | None, Field(description="when statements were last reset")] = None


class TableFilters(BaseModel):
    """Which tables to look at, as ``table`` or ``schema.table``; without ``include_tables`` all."""

    model_config = ConfigDict(extra="forbid")

    include_tables: Annotated[list[str], Field(min_length=1)] | None = None


class IndexRecommendationsRequest(Request):
    """Indexes that are missing and that nobody uses (G20, G85)."""

    action: Literal["index_recommendations"]
    table_filters: TableFilters = TableFilters()


class MissingIndex(AnswerPart):
    table: TableText
    columns: list[str] = []
    reason: str
    live_rows: Count | None = None
    seq_scans: Count | None = None
    table_bytes: Count | None = None


class UnusedIndex(AnswerPart):
    table: TableText
    index: str
    size_bytes: Count


class IndexRecommendations(AnswerPart):
    tables: Annotated[list[str], Field(description="the tables that were looked at")] = []
    missing: list[MissingIndex]
    unused: list[UnusedIndex]


class ScalabilityReportRequest(Request):
    """The database's expected metrics (G44-G48), or what would have to grow (G94-G98)."""

    action: Literal["scalability_report"]
    report_scope: Literal["performance", "capacity"]


class Recommendation(AnswerPart):
    trigger: Annotated[str, Field(description="connections, response_time, error_rate or storage")]
    advice: str


class ScalabilityReport(AnswerPart):
    """The fields of the scope that was asked for; null is "not measurable", and their paths are configurable."""

    report_scope: Literal["performance", "capacity"] | None = None
    query_response_ms: Number | None = None
    pool_usage_percent: Number | None = None
    cache_hit_ratio_percent: Number | None = None
    index_usage_percent: Number | None = None

    connections_percent: Number | None = None
    storage_used_bytes: Count | None = None
    storage_capacity_bytes: Count | None = None
    storage_used_percent: Number | None = None
    response_time_ms: Number | None = None
    response_time_baseline_ms: Number | None = None
    response_time_percent_of_baseline: Number | None = None
    error_rate_percent: Number | None = None
    recommendations: list[Recommendation] = []


class QueryFilters(BaseModel):
    """``min_duration``: the least mean time of a statement, in milliseconds."""

    model_config = ConfigDict(extra="forbid")

    min_duration: Annotated[Number, Field(ge=0)]


class QueryOptimizationRequest(Request):
    """Statements that take long on average (G84)."""

    action: Literal["query_optimization"]
    query_filters: QueryFilters


class QueryOptimization(AnswerPart):
    """Both are null without ``pg_stat_statements``: not measurable is not "none"."""

    total: Annotated[Count | None, Field(description="all that match, also those beyond the statements shown")]
    statements: list[Statement] | None

    @model_validator(mode="after")
    def _total_covers_statements(self) -> Self:
        shown = 0 if self.statements is None else len(self.statements)
        if (self.total is None) != (self.statements is None) or shown > (self.total or 0):
            raise ValueError(f"found total {self.total} beside {shown} statements, expected at least as many, or nulls")
        return self


class DatabaseMetricsRequest(Request):
    """What of the database's room is taken (G90)."""

    action: Literal["database_metrics"]
    metrics_type: Literal["capacity"]


class TableSize(AnswerPart):
    table: TableText
    total_bytes: Annotated[Count, Field(description="with indexes and TOAST")]
    index_bytes: Count | None = None


class DatabaseMetrics(AnswerPart):
    database_size_bytes: Count
    storage_capacity_bytes: Count | None = None
    table_sizes: Annotated[list[TableSize], Field(description="the largest first")]
    connections: Count
    max_connections: Count
    available_connections: Annotated[Count | None, Field(description="max_connections less the reserved ones")] = None


# gdpr-compliance -------------------------------------------------------------------------------------------


class ComplianceReportRequest(PeriodRequest):
    """Consents and processing of a period (G82); without one, of the last 30 days."""

    action: Literal["compliance_report"]
    report_type: Literal["monthly"]


class ConsentCounts(AnswerPart):
    granted: Count
    withdrawn: Count


class ComplianceFinding(AnswerPart):
    """One rule that is broken, and by how many rows."""

    rule: str
    count: Count
    detail: str


class ComplianceReport(AnswerPart):
    """Consents and processing are those of the period; ``oldest_rows`` are as they are now."""

    period: PeriodEcho | None = None
    report_type: str | None = None
    consents: Annotated[dict[str, ConsentCounts], Field(description="by type of consent")]
    processing_records: Count | None = None
    processing_without_legal_basis: Count
    oldest_rows: Annotated[dict[str, AwareDatetime | None], Field(description="by log table; null: empty")]
    findings: list[ComplianceFinding]


FUNCTIONS: Mapping[str, Mapping[str, FunctionAction]] = {
    "database-scalability": actions(
        HEALTH,
        (PerformanceAnalysisRequest, PerformanceAnalysis),
        (IndexRecommendationsRequest, IndexRecommendations),
        (ScalabilityReportRequest, ScalabilityReport),
        (QueryOptimizationRequest, QueryOptimization),
        (DatabaseMetricsRequest, DatabaseMetrics),
    ),
    "gdpr-compliance": actions(HEALTH, (ComplianceReportRequest, ComplianceReport)),
}
