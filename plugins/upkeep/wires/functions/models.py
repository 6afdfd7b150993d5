"""The requests and answers of the monitoring functions, one model of each per function and action: pure.

Here are production-monitoring, error-tracking and what all functions share; the others are in ``database_models``. A
new pair of models goes into the module's ``FUNCTIONS``, and is then asked for, read and published.

The guide shows one field of one answer, ``result.overall_health_percent``; every other shape is our assumption
(X5), published as ``docs/functions.openapi.json``. Models tolerate fields they do not know and are strict on
those we judge. All times are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, create_model, model_validator

Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
TimeWindow = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}[hd]$", description='hours or days up to now: "24h", "7d"')]


class Request(BaseModel):
    """The body of one call; ``action`` says which."""

    model_config = ConfigDict(extra="ignore")


class PeriodRequest(Request):
    """A request that can be about the past: ``start`` and ``end`` (half-open) go before ``time_window``."""

    start: Annotated[AwareDatetime | None, Field(description="with end, the period that the answer must echo")] = None
    end: AwareDatetime | None = None

    @model_validator(mode="after")
    def _whole_period(self) -> Self:
        if (self.start is None) != (self.end is None):
            raise ValueError("expected both start and end, or neither")
        if self.start and self.end and self.start >= self.end:
            raise ValueError("expected start before end")
        return self


class AnswerPart(BaseModel):
    """A part of an answer: fields we do not know are kept, those we know are not converted."""

    model_config = ConfigDict(extra="allow", strict=True)


class BaseAnswer(AnswerPart):
    """An answer that succeeded; ``result`` is typed by action."""

    success: Literal[True]
    result: AnswerPart

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.result.model_fields_set:
            raise ValueError("found an empty result, expected at least one field in it")
        return self

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """The answer as it came, with fields we do not know and without defaults: "not told" is not null."""
        return super().model_dump(**{"exclude_unset": True, **options})


@cache
def answer(result: type[AnswerPart]) -> type[BaseAnswer]:
    """The model of an answer with this result, called after it: ``ErrorsAnswer`` of ``Errors``; the same each time."""
    return create_model(f"{result.__name__}Answer", __base__=BaseAnswer, result=(result, ...))


@dataclass(frozen=True)
class FunctionAction:
    """One action of a function: its two models."""

    request: type[Request]
    answer: type[BaseAnswer]

    @property
    def echoes_period(self) -> bool:
        """Whether it can be asked about a past period, which its answer must then echo (X6)."""
        return issubclass(self.request, PeriodRequest)


def actions(*pairs: tuple[type[Request], type[AnswerPart]]) -> Mapping[str, FunctionAction]:
    """A function's actions by the name that the request has for each; a pair is a request and the answer's result."""
    return {
        get_args(request.model_fields["action"].annotation)[0]: FunctionAction(request, answer(result))
        for request, result in pairs
    }


class PeriodEcho(AnswerPart):
    """The period an answer is about: from ``start`` to before ``end``."""

    start: AwareDatetime
    end: AwareDatetime


# every function --------------------------------------------------------------------------------------------


class HealthCheckRequest(Request):
    """The function's health now, cheap enough for every 30 s (G31, G38)."""

    action: Literal["health_check"]


Version = Annotated[  # no check is judged by it, so that whatever stands there is accepted
    Any, Field(description="which deployment answers, for people, a text or a whole number: a rollback is told by it")
]


class FunctionHealth(AnswerPart):
    """The health of one function; that it answers, and how fast, is what we judge (G38-G43)."""

    overall_health_percent: Number | None = None
    version: Version = None


HEALTH = HealthCheckRequest, FunctionHealth


# production-monitoring -------------------------------------------------------------------------------------


class SystemStatusRequest(Request):
    """The state of the platform now (G8)."""

    action: Literal["system_status"]


class Metrics(AnswerPart):
    """Five of the six metrics (G33-G37); null is "not measurable". Bands and bounds are judged elsewhere."""

    response_time_ms: Number | None = None
    error_rate_percent: Number | None = None
    database_connections_percent: Number | None = None
    memory_usage_percent: Number | None = None
    cpu_usage_percent: Number | None = None


class Host(AnswerPart):
    """Where memory and CPU were measured, and of how much they are shares."""

    source: str
    memory_total_bytes: Count | None = None
    cpus: Count | None = None


class SystemStatus(AnswerPart):
    """Only overall health is the guide's own field; the rest may be missing, and is then not collected."""

    overall_health_percent: Number
    metrics: Metrics = Metrics()
    host: Host | None = None


class HealthCheck(AnswerPart):
    """The health of the whole platform: the one field that the guide itself shows (G31)."""

    overall_health_percent: Number
    version: Version = None


class PerformanceReportRequest(Request):
    """Requests, errors and response times up to now (G21)."""

    action: Literal["performance_report"]
    time_window: TimeWindow


class FunctionPerformance(AnswerPart):
    function_name: str
    requests: Count
    error_rate_percent: Number | None = None
    response_time_ms: Number | None = None
    response_time_p95_ms: Number | None = None


class PerformanceBucket(AnswerPart):
    start: AwareDatetime
    requests: Count
    error_rate_percent: Number | None = None
    response_time_ms: Number | None = None


class PerformanceReport(AnswerPart):
    requests: Count
    error_rate_percent: Number | None
    response_time_ms: Number | None
    response_time_p95_ms: Number | None = None
    by_function: list[FunctionPerformance] = []
    trend: list[PerformanceBucket] = []


# error-tracking --------------------------------------------------------------------------------------------


class ErrorAnalyticsRequest(PeriodRequest):
    """How many errors, and which (G10)."""

    action: Literal["get_error_analytics"]
    time_window: TimeWindow


class ErrorMessage(AnswerPart):
    message: str
    count: Count


class ErrorAnalytics(AnswerPart):
    period: PeriodEcho | None = None
    total_errors: Count
    by_category: dict[str, Count]
    by_severity: dict[str, Count]
    by_function: dict[str, Count] = {}
    top_messages: list[ErrorMessage] = []


class ErrorTrendsRequest(PeriodRequest):
    """Errors over time (G22)."""

    action: Literal["get_error_trends"]
    time_window: TimeWindow


class ErrorBucket(AnswerPart):
    start: AwareDatetime
    total: Count
    by_severity: dict[str, Count] = {}


class ErrorTrends(AnswerPart):
    period: PeriodEcho | None = None
    total_errors: Count
    bucket: Literal["hour", "day"] | None = None
    trend: list[ErrorBucket]


class ErrorFilters(BaseModel):
    """A filter left out lets every error through; one we do not know would too, so it is refused."""

    model_config = ConfigDict(extra="forbid")

    category: str | None = None
    severity: str | None = None


class ErrorsRequest(PeriodRequest):
    """The errors themselves (G69)."""

    action: Literal["get_errors"]
    time_window: TimeWindow | None = None
    filters: ErrorFilters = ErrorFilters()


class ErrorRow(AnswerPart):
    timestamp: AwareDatetime
    category: str
    severity: str
    message: str
    function_name: str | None = None
    ip_address: str | None = None


class Errors(AnswerPart):
    period: PeriodEcho | None = None
    total: Annotated[Count, Field(description="all that match, also those beyond the rows shown")]
    errors: list[ErrorRow]

    @model_validator(mode="after")
    def _total_covers_rows(self) -> Self:
        if self.total < len(self.errors):
            raise ValueError(f"found total {self.total} beside {len(self.errors)} rows, expected at least as many")
        return self


FUNCTIONS: Mapping[str, Mapping[str, FunctionAction]] = {
    "production-monitoring": actions(
        (SystemStatusRequest, SystemStatus),
        (HealthCheckRequest, HealthCheck),
        (PerformanceReportRequest, PerformanceReport),
    ),
    "error-tracking": actions(
        HEALTH,
        (ErrorAnalyticsRequest, ErrorAnalytics),
        (ErrorTrendsRequest, ErrorTrends),
        (ErrorsRequest, Errors),
    ),
}
