"""The kinds of backups of one target: each that is configured is looked at, and none hides another (G99)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.stages.config import MAIN
from tests.stages.config import config as config  # noqa: PLC0414  # a fixture
from upkeep.areas.backups import sources
from upkeep.areas.look import Sources
from upkeep.core.findings import Level, NotCollected
from upkeep.settings.load import settings

HERE = "    # backups:"


def given(config: Path, sections: str) -> Sources:
    """What the inspection of a target with these sections is given."""
    file = config / MAIN
    file.write_text(file.read_text().replace(HERE, f"{sections}\n{HERE}"))
    unused: Any = None
    return Sources("primary", unused, "newest_backup", settings(config), *[unused] * 7, frozenset(), [], 0)


@pytest.mark.guide("G99", "fires")
@pytest.mark.parametrize(
    ("sections", "keys"),
    [
        ("    backups: {base: /none/base, wal: /none/wal}", ["backups:completion"]),
        ("    dumps: {folder: /none/dumps}", ["backups:dumps:completion"]),
        (
            "    backups: {base: /none/base, wal: /none/wal}\n    dumps: {folder: /none/dumps}",
            ["backups:completion", "backups:dumps:completion"],
        ),
    ],
)
def test_each_kind_that_is_configured_is_looked_at(config: Path, sections: str, keys: list[str]) -> None:
    """Base backups, dumps, and both; where there is none of a kind it is critical."""
    found = sources.inspect(given(config, sections)).findings
    assert [(one.key, one.level) for one in found] == [(key, Level.CRITICAL) for key in keys]


def test_no_kind_is_not_collected(config: Path) -> None:
    """The reason names both sections."""
    with pytest.raises(NotCollected, match=r"targets\.primary\.backups, or \.dumps"):
        sources.inspect(given(config, ""))
    (inspection,) = sources.INSPECTIONS
    assert inspection.describes(settings(config), "primary") == "the newest backup: none is configured"


def test_a_dry_run_names_what_it_would_look_at(config: Path) -> None:
    """Each kind, with where it lies."""
    both = given(config, "    backups: {base: /b, wal: /w}\n    dumps: {folder: /d}")
    (inspection,) = sources.INSPECTIONS
    said = inspection.describes(both.config, "primary")
    assert said == "the newest base backup in /b and the newest dump in /d"
