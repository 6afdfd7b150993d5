"""The npm that tests run: the sandbox's, or the machine's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sandbox import npm


def program(folder: Path) -> str:
    """npm's path. CI requires it; elsewhere its absence is said and the tests count as not run."""
    found = shutil.which(npm.program(folder))
    if found is None and os.environ.get("CI") != "true":
        pytest.skip("found no npm. For these tests: sudo apt-get install npm, or install sandbox/requirements.txt")
    assert found, "CI requires npm: install sandbox/requirements.txt"
    return found
