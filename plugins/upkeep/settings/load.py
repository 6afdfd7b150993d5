"""``config/*.yaml`` as frozen, typed settings, read and validated once.

An error names the file, the setting, what was found and what was expected; all errors of a file are
reported together. Secrets never appear here: settings name Airflow Connections.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path

from upkeep.settings.base import ConfigError
from upkeep.settings.calendar import CalendarSettings, config_folder, exceptions, reread
from upkeep.settings.read import read
from upkeep.settings.retention import Retention
from upkeep.settings.routing import Routing
from upkeep.settings.thresholds import Thresholds


class Settings(CalendarSettings):
    """Everything from ``config/``; ``thresholds_version`` is 1 while the bands are the file's."""

    thresholds: Thresholds
    thresholds_version: int = 1
    routing: Routing
    retention: Retention


@cache
def settings(folder: Path | None = None) -> Settings:
    """Read and validate the configuration; the same object for the rest of the process."""
    return _read(folder or config_folder())


def validate_once() -> None:
    """For a process that forks others: what they read is validated by now, unless it has changed since.

    An error is said by whoever needs the settings.
    """
    with suppress(ConfigError):
        _read(config_folder())


def _read(folder: Path) -> Settings:
    maintenance, routing = reread(folder), read(folder / "routing.yaml", Routing)
    if problems := routing.problems(maintenance.targets, maintenance.roles):
        raise ConfigError("\n".join(problems))
    return Settings.model_construct(
        maintenance=maintenance,
        routing=routing,
        thresholds=read(folder / "thresholds.yaml", Thresholds),
        exceptions=exceptions(folder),
        retention=read(folder / "retention.yaml", Retention),
    )


def dag_name(name: str, target: str, targets: tuple[str, ...]) -> str:
    """A DAG's id: the file's name, with the target's name behind it from the second target on."""
    return name if target == targets[0] else f"{name}__{target}"
