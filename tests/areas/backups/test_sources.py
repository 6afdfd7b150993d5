"""The kinds of backups of one target: each that is configured is looked at, and none hides another (G99)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest

from tests.stages.config import MAIN
from tests.stages.config import config as config  # noqa: PLC0414  # a fixture
from tests.stages.ledger import Ledger
from upkeep.areas.backups import sources
from upkeep.areas.look import Sources
from upkeep.core.findings import Level, NotCollected
from upkeep.settings.load import settings

HERE = "    # backups:"


def given(config: Path, sections: str, ledger: Any = None) -> Sources:
    """What the inspection of a target with these sections is given; the ledger is away where a test has none."""
    file = config / MAIN
    file.write_text(file.read_text().replace(HERE, f"{sections}\n{HERE}"))
    unused: Any = None

    def read() -> NoReturn:
        raise psycopg.OperationalError("the target does not answer")

    ways: list[Any] = [ledger or read, unused, read, unused, unused, unused, unused, unused]
    return Sources("primary", unused, "newest_backup", settings(config), *ways, frozenset(), [], 0)


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
def test_each_kind_that_is_configured_is_looked_at(config: Path, book: Ledger, sections: str, keys: list[str]) -> None:
    """Base backups, dumps, and both; where there is none of a kind it is critical."""
    found = sources.verify(given(config, sections, book.session)).findings
    assert [(one.key, one.level) for one in found] == [(key, Level.CRITICAL) for key in keys]


@pytest.mark.guide("G99", "silent")
def test_the_room_for_the_next_backup_is_looked_at(config: Path, book: Ledger, tmp_path: Path) -> None:
    """After the newest itself, whatever is wrong with that."""
    (tmp_path / "base/first").mkdir(parents=True)
    (tmp_path / "base/first/backup_manifest").write_text("{}")
    (tmp_path / "wal").mkdir()
    sections = f"    backups: {{base: {tmp_path}/base, wal: {tmp_path}/wal}}"
    found = {one.key: one.level for one in sources.verify(given(config, sections, book.session)).findings}
    assert (found["backups:completion"], found["backups:room:base"]) == (Level.CRITICAL, Level.OK)


def test_no_kind_is_not_collected(config: Path) -> None:
    """The reason names both sections."""
    for inspection in sources.INSPECTIONS:
        with pytest.raises(NotCollected, match=r"targets\.primary\.backups, \.dumps, or"):
            inspection.look(given(config, ""))
        assert "the newest backup: none is configured" in inspection.describes(settings(config), "primary")


def test_the_reason_of_the_only_kind_is_the_steps(config: Path) -> None:
    """Nothing was looked at: NOT COLLECTED."""
    with pytest.raises(NotCollected, match=r"targets\.primary\.dumps\.restore"):
        sources.restore(given(config, "    dumps: {folder: /d}"))


@pytest.mark.guide("G101", "fires")
def test_a_kind_that_is_not_restored_hides_no_other(config: Path) -> None:
    """With two kinds each is UNKNOWN by a line of its own."""
    found = sources.restore(given(config, "    backups: {base: /b, wal: /w}\n    dumps: {folder: /d}")).findings
    assert [(one.subject, one.level) for one in found] == [
        ("The newest base backup", Level.UNKNOWN),
        ("The newest dump", Level.UNKNOWN),
    ]
    assert all("no scratch folder is configured" in one.detail for one in found)


@pytest.mark.guide("G101", "fires")
def test_a_kind_whose_source_does_not_answer_hides_no_other(config: Path) -> None:
    """The ledger or the target is away: each kind is UNKNOWN by a line of its own."""
    restore = "{scratch: /s, programs: /p, run_as: [env]}"
    sections = f"    backups: {{base: /b, wal: /w}}\n    dumps: {{folder: /d, restore: {restore}}}"
    found = sources.restore(given(config, sections)).findings
    assert [(one.subject, one.level) for one in found] == [
        ("The newest base backup", Level.UNKNOWN),
        ("The newest dump", Level.UNKNOWN),
    ]
    assert "the target does not answer" in found[1].detail


def test_a_dry_run_names_what_it_would_look_at(config: Path) -> None:
    """Each kind, with where it lies."""
    both = given(config, "    backups: {base: /b, wal: /w}\n    dumps: {folder: /d}")
    said = [inspection.describes(both.config, "primary") for inspection in sources.INSPECTIONS]
    newest = "the newest base backup in /b and the newest dump in /d"
    assert said == [newest, f"a restored copy of {newest}"]
