"""``config/*.yaml`` as frozen, typed settings, read and validated once.

An error names the file, the setting, what was found and what was expected; all errors of a file are
reported together. Secrets never appear here: settings name Airflow Connections.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    ValidationError,
    field_validator,
)
from pydantic_core import core_schema

from upkeep.findings import Bands, Interval, Level
from upkeep.windows import Cadence

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

ROOT = Path(__file__).resolve().parents[2]

#: The six metrics of the guide (G32-G37), in its order.
METRICS = (
    "overall_health",
    "response_time",
    "error_rate",
    "database_connections",
    "memory_usage",
    "cpu_usage",
)

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
ConnectionId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]


class ConfigError(ValueError):
    """The configuration cannot be used; the message lists every problem, one a line."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TargetConnections(_Frozen):
    """Airflow Connections of one target, by capability."""

    functions: ConnectionId
    read: ConnectionId


class Target(_Frozen):
    """One maintained system."""

    title: str
    connections: TargetConnections


class Ledger(_Frozen):
    """Airflow Connections to the ledger, one per role."""

    tasks: ConnectionId
    dashboard: ConnectionId
    owner: ConnectionId


class Http(_Frozen):
    """Patience with the functions (X4); times in seconds, sizes in bytes."""

    connect_timeout_seconds: float = Field(gt=0, le=60, strict=True)
    read_timeout_seconds: float = Field(gt=0, le=150, strict=True)
    total_timeout_seconds: float = Field(gt=0, le=600, strict=True)
    attempts: int = Field(ge=1, le=10, strict=True)
    max_answer_bytes: int = Field(ge=1_000, le=100_000_000, strict=True)


class Sql(_Frozen):
    """The server's clocks for every statement (X11); seconds."""

    connect_timeout_seconds: int = Field(ge=2, le=60, strict=True)
    statement_timeout_seconds: float = Field(gt=0, le=3600, strict=True)
    lock_timeout_seconds: float = Field(gt=0, le=60, strict=True)


class Checks(_Frozen):
    """Limits of single checks that are not metric bands."""

    long_query_minutes: float = Field(gt=0, allow_inf_nan=False, strict=True)
    largest_tables: int = Field(ge=1, le=1000, strict=True)


class MetricSource(_Frozen):
    """Where a metric is found: the function, its action, and the dotted path in the answer (X5)."""

    function: str
    action: str
    path: str = Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$")


class Verdict(_Frozen):
    """Levels that turn the verdict task red."""

    red_on: frozenset[Level]

    @field_validator("red_on")
    @classmethod
    def _ok_is_never_red(cls, value: frozenset[Level]) -> frozenset[Level]:
        if Level.OK in value:
            raise ValueError("found 'ok', which cannot turn the verdict red, expected other levels")
        return value


class Documents(_Frozen):
    """Where people look further: a URL or a path (G137)."""

    incident_response: str


IntervalText = Annotated[Interval, BeforeValidator(Interval.parse)]


class _BandsText(_Frozen):
    guide: str
    unit: str
    ok: IntervalText
    warning: IntervalText
    critical: IntervalText


def _bands(text: _BandsText) -> Bands:
    return Bands(ok=text.ok, warning=text.warning, critical=text.critical, unit=text.unit, guide=text.guide)


#: Read as _BandsText, so that an error names the setting inside the bands; Bands itself knows no pydantic.
BandsText = Annotated[
    Bands,
    GetPydanticSchema(lambda _, handler: core_schema.no_info_after_validator_function(_bands, handler(_BandsText))),
]


class Thresholds(_Frozen):
    """``config/thresholds.yaml``."""

    metrics: Mapping[str, BandsText]

    @field_validator("metrics")
    @classmethod
    def _all_six(cls, value: Mapping[str, Bands]) -> Mapping[str, Bands]:
        return _exactly_the_metrics(value)


class Maintenance(_Frozen):
    """``config/maintenance.yaml``."""

    targets: Mapping[Name, Target] = Field(min_length=1)
    ledger: Ledger
    windows: Mapping[Name, Cadence]
    http: Http
    sql: Sql
    checks: Checks
    metrics: Mapping[str, MetricSource]
    verdict: Verdict
    documents: Documents

    @field_validator("metrics")
    @classmethod
    def _all_six(cls, value: Mapping[str, MetricSource]) -> Mapping[str, MetricSource]:
        return _exactly_the_metrics(value)

    @field_validator("windows")
    @classmethod
    def _daily(cls, value: Mapping[str, Cadence]) -> Mapping[str, Cadence]:
        if set(value) != {"daily"}:
            raise ValueError(f"found {sorted(value)}, expected exactly ['daily']")
        return value


class Settings(_Frozen):
    """Everything from ``config/``."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    maintenance: Maintenance
    thresholds: Thresholds

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets, in the file's order; the first one's DAGs carry no suffix."""
        return tuple(self.maintenance.targets)

    def target(self, name: str) -> Target:
        """One target. Raises ConfigError naming the known ones."""
        try:
            return self.maintenance.targets[name]
        except KeyError:
            known = ", ".join(self.targets)
            raise ConfigError(
                f"config/maintenance.yaml: targets: found no target {name!r}, expected one of: {known}"
            ) from None


def config_folder() -> Path:
    """``UPKEEP_CONFIG`` if set, else ``config/`` beside ``plugins/``."""
    return Path(os.environ.get("UPKEEP_CONFIG") or ROOT / "config")


@cache
def settings(folder: Path | None = None) -> Settings:
    """Read and validate the configuration; the same object for the rest of the process."""
    folder = folder or config_folder()
    return Settings(
        maintenance=_read(folder / "maintenance.yaml", Maintenance),
        thresholds=_read(folder / "thresholds.yaml", Thresholds),
    )


#: How pydantic's messages begin: "Input should be a valid integer", "String should match pattern …".
_SHOULD = re.compile(r"^\w+ should ")


class _UniqueKeys(yaml.SafeLoader):
    """PyYAML silently keeps the last of two equal keys; a threshold given twice must be an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if not key.tag.endswith(":merge")]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the setting {key!r} stands twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def _read(file: Path, model: type[M]) -> M:
    shown = f"{file.parent.name}/{file.name}"
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_UniqueKeys)  # noqa: S506  # a SafeLoader
    except FileNotFoundError:
        raise ConfigError(
            f"{shown}: found no such file in {file.parent}, expected one (or set UPKEEP_CONFIG)"
        ) from None
    except OSError as error:
        raise ConfigError(f"{shown}: found a file that cannot be read ({error.strerror}), expected YAML") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{shown}: found text that is not the expected YAML: {error}") from None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = [_explain(shown, problem, model) for problem in error.errors()]
        raise ConfigError("\n".join(problems)) from None


def _explain(file: str, problem: Any, model: type[BaseModel]) -> str:
    setting = ".".join(str(part) for part in problem["loc"]) or "(the whole file)"
    match problem["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(str(problem["loc"][-1]), _all_settings(model), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            return f"{file}: {setting}: found a setting that does not exist, expected only known ones{hint}"
        case "missing":
            return f"{file}: {setting}: found nothing, expected this setting to be given"
        case _:
            message = _SHOULD.sub("expected to ", problem["msg"]).replace("expected to be ", "expected ")
            message = message.removeprefix("Value error, ")
            found = "" if message.startswith("found") else f"found {problem['input']!r}: "
            return f"{file}: {setting}: {found}{message}"


def _all_settings(model: type[BaseModel]) -> set[str]:
    names = set(model.model_fields)
    for field in model.model_fields.values():
        for inner in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if getattr(inner, "__origin__", None) is Bands:
                names |= set(_BandsText.model_fields)
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                names |= _all_settings(inner)
    return names


def _exactly_the_metrics(value: Mapping[str, T]) -> Mapping[str, T]:
    if set(value) != set(METRICS):
        missing, extra = sorted(set(METRICS) - set(value)), sorted(set(value) - set(METRICS))
        raise ValueError(f"found missing {missing} and unknown {extra}, expected exactly {list(METRICS)}")
    return value
