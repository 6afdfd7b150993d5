"""``config/*.yaml`` as frozen, typed settings, read and validated once.

An error names the file, the setting, what was found and what was expected; all errors of a file are
reported together. Secrets never appear here: settings name Airflow Connections.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from pydantic import ConfigDict

from upkeep.settings.base import ROOT, ConfigError, FrozenModel
from upkeep.settings.exceptions import Acknowledgement, Exceptions
from upkeep.settings.maintenance import Maintenance, Target
from upkeep.settings.read import read
from upkeep.settings.retention import Retention
from upkeep.settings.routing import Routing
from upkeep.settings.thresholds import Thresholds


class Settings(FrozenModel):
    """Everything from ``config/``; ``thresholds_version`` is 1 while the bands are the file's."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    maintenance: Maintenance
    thresholds: Thresholds
    thresholds_version: int = 1
    exceptions: tuple[Acknowledgement, ...] = ()
    routing: Routing
    retention: Retention

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
    maintenance, routing = reread(folder), read(folder / "routing.yaml", Routing)
    if problems := routing.problems(maintenance.targets, maintenance.roles):
        raise ConfigError("\n".join(problems))
    return Settings(
        maintenance=maintenance,
        routing=routing,
        thresholds=read(folder / "thresholds.yaml", Thresholds),
        exceptions=read(folder / "exceptions.yaml", Exceptions).exceptions,
        retention=read(folder / "retention.yaml", Retention),
    )


def reread(folder: Path | None = None) -> Maintenance:
    """``maintenance.yaml`` as it is at this moment: for whoever must see that a person was removed meanwhile."""
    return read((folder or config_folder()) / "maintenance.yaml", Maintenance)


def dag_name(name: str, target: str, targets: tuple[str, ...]) -> str:
    """A DAG's id: the file's name, with the target's name behind it from the second target on."""
    return name if target == targets[0] else f"{name}__{target}"
