"""``config/thresholds.yaml``: bands and expectations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, GetPydanticSchema, field_validator
from pydantic_core import core_schema

from upkeep.findings import Bands, Expectation, Interval
from upkeep.settings.base import EXPECTATIONS, METRICS, Frozen, exactly

IntervalText = Annotated[Interval, BeforeValidator(Interval.parse)]


class BandsFields(Frozen):
    """How bands are written."""

    guide: str
    unit: str
    ok: IntervalText
    warning: IntervalText
    critical: IntervalText


def _bands(text: BandsFields) -> Bands:
    return Bands(ok=text.ok, warning=text.warning, critical=text.critical, unit=text.unit, guide=text.guide)


#: Read as BandsFields, so that an error names the setting inside the bands; Bands itself knows no pydantic.
BandsText = Annotated[
    Bands,
    GetPydanticSchema(lambda _, handler: core_schema.no_info_after_validator_function(_bands, handler(BandsFields))),
]


class _ExpectationText(Frozen):
    guide: str
    unit: str
    expected: IntervalText
    possible: IntervalText


def _expectation(text: _ExpectationText) -> Expectation:
    return Expectation(expected=text.expected, possible=text.possible, unit=text.unit, guide=text.guide)


ExpectationText = Annotated[
    Expectation,
    GetPydanticSchema(
        lambda _, handler: core_schema.no_info_after_validator_function(_expectation, handler(_ExpectationText))
    ),
]


class Thresholds(Frozen):
    """``config/thresholds.yaml``."""

    metrics: Mapping[str, BandsText]
    expectations: Mapping[str, ExpectationText]
    latencies: Mapping[str, ExpectationText]

    @field_validator("expectations")
    @classmethod
    def _all_four(cls, value: Mapping[str, Expectation]) -> Mapping[str, Expectation]:
        return exactly(value, EXPECTATIONS)

    @field_validator("metrics")
    @classmethod
    def _all_six(cls, value: Mapping[str, Bands]) -> Mapping[str, Bands]:
        return exactly(value, METRICS)
