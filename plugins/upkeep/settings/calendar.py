"""The part of ``config/`` that the calendar is read with: what the outside witness needs, and starts quickly with."""

from __future__ import annotations

import os
from pathlib import Path

from upkeep.settings.base import ROOT, ConfigError, FrozenModel
from upkeep.settings.exceptions import Acknowledgement, Exceptions
from upkeep.settings.maintenance import Maintenance, Target
from upkeep.settings.read import read


class CalendarSettings(FrozenModel):
    """``maintenance.yaml`` and ``exceptions.yaml``."""

    maintenance: Maintenance
    exceptions: tuple[Acknowledgement, ...] = ()

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
    """``UPKEEP_CONFIG`` if set, else ``config/`` beside ``plugins/``, or a wheel's own."""
    return Path(os.environ.get("UPKEEP_CONFIG") or ROOT / "config")


def calendar_settings() -> CalendarSettings:
    """Read and validate these two files alone."""
    folder = config_folder()
    return CalendarSettings.model_construct(maintenance=reread(folder), exceptions=exceptions(folder))


def reread(folder: Path | None = None) -> Maintenance:
    """``maintenance.yaml`` as it is at this moment: for whoever must see that a person was removed meanwhile."""
    return read((folder or config_folder()) / "maintenance.yaml", Maintenance)


def exceptions(folder: Path) -> tuple[Acknowledgement, ...]:
    """The entries of ``exceptions.yaml``."""
    return read(folder / "exceptions.yaml", Exceptions).exceptions
