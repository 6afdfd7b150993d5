"""A copy of the shipped configuration to spoil, and the message that refuses it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from upkeep.settings.base import ROOT, ConfigError
from upkeep.settings.load import settings

#: libyaml's: PyYAML's own take 0.07 s for maintenance.yaml there and back, ten times as long.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

MAIN, BANDS, EXCEPTIONS = "maintenance.yaml", "thresholds.yaml", "exceptions.yaml"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A copy of the shipped configuration for a test to spoil."""
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


def written(file: Path) -> Any:
    """What a file of config says."""
    return yaml.load(file.read_text(encoding="utf-8"), Loader=_LOADER)  # a SafeLoader


def write(file: Path, content: Any) -> None:
    """Let a file of config say this."""
    file.write_text(yaml.dump(content, Dumper=_DUMPER, sort_keys=False), encoding="utf-8")


def refusal(folder: Path) -> str:
    """The message about a configuration that must not load."""
    with pytest.raises(ConfigError) as caught:
        settings(folder)
    return str(caught.value)
