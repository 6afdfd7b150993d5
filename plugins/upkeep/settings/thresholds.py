"""``config/thresholds.yaml``: bands, how far people may move them, expectations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from upkeep.core.findings import Bands, Expectation, Interval
from upkeep.settings.base import EXPECTATIONS, METRICS, FrozenModel, exactly
from upkeep.settings.baselines import Baselines
from upkeep.settings.values import Range, WrittenAs

IntervalText = Annotated[Interval, BeforeValidator(Interval.parse, json_schema_input_type=str)]


class BandsFields(FrozenModel):
    """How bands are written."""

    guide: str
    unit: str
    ok: IntervalText
    warning: IntervalText
    critical: IntervalText


def _bands(text: BandsFields) -> Bands:
    return Bands(ok=text.ok, warning=text.warning, critical=text.critical, unit=text.unit, guide=text.guide)


BandsText = Annotated[Bands, WrittenAs(BandsFields, _bands)]


class _ExpectationText(FrozenModel):
    guide: str
    unit: str
    expected: IntervalText
    possible: IntervalText


def _expectation(text: _ExpectationText) -> Expectation:
    return Expectation(expected=text.expected, possible=text.possible, unit=text.unit, guide=text.guide)


ExpectationText = Annotated[Expectation, WrittenAs(_ExpectationText, _expectation)]


class Bounds(FrozenModel):
    """Where people may put the edges of one metric's bands: [lowest, highest], both included."""

    warning: Range
    critical: Range

    def outside(self, bands: Bands) -> str:
        """Which edge lies outside, as a sentence part; empty when both lie inside."""
        for name, edge, (low, high) in zip(
            ("warning", "critical"), bands.edges, (self.warning, self.critical), strict=True
        ):
            if not low <= edge <= high:
                return f"the edge of {name} at {edge:g}, expected one from {low:g} to {high:g}"
        return ""


class Proposing(FrozenModel):
    """When new bands are proposed from history (G19): windows that it takes, days looked back, percent it must move."""

    least_windows: int = Field(ge=7, le=400, strict=True)
    history_days: int = Field(ge=7, le=400, strict=True)
    least_change_percent: float = Field(gt=0, le=100, strict=True)

    @field_validator("history_days")
    @classmethod
    def _enough(cls, value: int, info: ValidationInfo) -> int:
        least = info.data.get("least_windows", 0)
        if value < least:
            raise ValueError(f"found {value}, in which there are never least_windows ({least}), expected at least that")
        return value


Severities = tuple[Annotated[str, Field(min_length=1), AfterValidator(str.lower)], ...]


class Errors(FrozenModel):
    """How the errors of a period are judged by their severity (G10); a severity in none of the lists is UNKNOWN."""

    worst: Severities
    severe: Severities
    mild: Severities
    least: int = Field(ge=1, strict=True)
    warning_percent: float = Field(gt=0, lt=100, strict=True)
    critical_percent: float = Field(gt=0, le=100, strict=True)

    @field_validator("critical_percent")
    @classmethod
    def _beyond_the_warning(cls, value: float, info: ValidationInfo) -> float:
        if value < (least := info.data.get("warning_percent", 0)):
            raise ValueError(f"found {value:g}, expected at least warning_percent ({least:g})")
        return value


class Triggers(FrozenModel):
    """The guide's scaling triggers (G95-G98), in percent: above so much it is time to scale."""

    connections_percent: float = Field(gt=0, le=100, strict=True)
    response_time_percent: float = Field(gt=100, le=1000, strict=True)
    error_rate_percent: float = Field(gt=0, le=100, strict=True)
    storage_percent: float = Field(gt=0, le=100, strict=True)


class Statements(FrozenModel):
    """From which mean on, in milliseconds, a statement is slow (G9, G84)."""

    slow_ms: float = Field(gt=0, allow_inf_nan=False, strict=True)


class Thresholds(FrozenModel):
    """``config/thresholds.yaml``."""

    metrics: Mapping[str, BandsText]
    bounds: Mapping[str, Bounds]
    proposals: Proposing
    expectations: Mapping[str, ExpectationText]
    latencies: Mapping[str, ExpectationText]
    errors: Errors
    triggers: Triggers
    statements: Statements
    baselines: Baselines

    @field_validator("expectations")
    @classmethod
    def _all_four(cls, value: Mapping[str, Expectation]) -> Mapping[str, Expectation]:
        return exactly(value, EXPECTATIONS)

    @field_validator("metrics")
    @classmethod
    def _all_six(cls, value: Mapping[str, Bands]) -> Mapping[str, Bands]:
        return exactly(value, METRICS)

    @field_validator("bounds")
    @classmethod
    def _around_the_bands(cls, value: Mapping[str, Bounds], info: ValidationInfo) -> Mapping[str, Bounds]:
        for name, bands in info.data.get("metrics", {}).items():
            bounds = exactly(value, METRICS)[name]
            if why := bounds.outside(bands):
                raise ValueError(f"found {name}: {why}, for the bands of this file must be allowed")
            pairs = list(zip(bounds.warning, bounds.critical, strict=True))
            if not all(warning <= critical if bands.rises else warning >= critical for warning, critical in pairs):
                raise ValueError(
                    f"found {name}: warning {list(bounds.warning)} beyond critical {list(bounds.critical)}, expected "
                    "each end of warning on the good side of the same end of critical"
                )
        return value

    @field_validator("baselines")
    @classmethod
    def _around_the_latencies(cls, value: Baselines, info: ValidationInfo) -> Baselines:
        latencies = info.data.get("latencies", {})
        limits = exactly(value.limits, tuple(latencies))
        for name, expectation in latencies.items():
            low, high = limits[name]
            if not low <= expectation.limit <= high:
                raise ValueError(
                    f"found limits.{name} [{low:g}, {high:g}], expected the guide's {expectation.limit:g} "
                    f"{expectation.unit} between its ends"
                )
        return value
