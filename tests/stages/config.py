"""A copy of the shipped configuration to spoil, and the message that refuses it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from upkeep.settings.base import ROOT, ConfigError
from upkeep.settings.load import settings

MAIN, BANDS, EXCEPTIONS = "maintenance.yaml", "thresholds.yaml", "exceptions.yaml"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A copy of the shipped configuration for a test to spoil."""
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


def refusal(folder: Path) -> str:
    """The message about a configuration that must not load."""
    with pytest.raises(ConfigError) as caught:
        settings(folder)
    return str(caught.value)
