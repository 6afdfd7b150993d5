"""Drill mutation score: drawn defects are each caught by their right name, healthy backups alarm nobody (G100, G101).

``make test`` draws 20 defects and 5 healthy backups, ``make faults`` 200 and 50, and prints the table. They are caught
by the daily look and the weekly restoration; the drill is not run on a defect. Both try the sandbox's major alone.
"""

from __future__ import annotations

import os
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tests.stages.archives import switch
from tests.stages.defects import DAILY, WEEKLY, Defect, caught_by, table
from tests.stages.restoring import Platform
from tests.stages.shapes import CLUSTERS, running
from upkeep.areas.backups.look import look_at_backups
from upkeep.areas.backups.newest import newest, original
from upkeep.areas.backups.restoration import restore
from upkeep.core.findings import Level, NotCollected
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database

DEFECTS = int(os.environ.get("UPKEEP_DEFECTS") or 20)
HEALTHY = int(os.environ.get("UPKEEP_HEALTHY") or 5)
SEED = int(os.environ.get("UPKEEP_SEED") or 1)
#: Of so many defects one needs a restoration: it takes seconds, where a look at files takes a tenth of one.
A_RESTORATION_IN = 6


def drawn(platform: Platform) -> list[Defect]:
    """So many defects, the classes by turns."""
    rng = random.Random(SEED)
    weekly = DEFECTS // A_RESTORATION_IN
    draws = [DAILY[number % len(DAILY)] for number in range(DEFECTS - weekly)]
    draws += [WEEKLY[number % len(WEEKLY)] for number in range(weekly)]
    return [draw(platform, rng) for draw in draws]


@pytest.mark.guide("G100", "G101", "fires")
def test_each_drawn_defect_is_caught_by_its_right_name(
    restorable: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever file, place and bit chance takes; the backup is whole again after each."""
    defects = drawn(restorable)
    caught = [caught_by(restorable, defect) for defect in defects]
    if "UPKEEP_DEFECTS" in os.environ:
        with capsys.disabled():
            print(table([(one.kind, one.key) for one in defects], caught, f"(seed {SEED})"))
    missed = [(defect.kind, defect.says) for defect, by in zip(defects, caught, strict=True) if not by]
    assert missed == []
    assert caught_by(restorable, Defect("nothing", "backups:completion", "")) == ""
    assert restorable.left() == []


@pytest.mark.guide("G101", "silent")
def test_a_segment_size_that_the_label_leaves_open_is_read_from_that_segment(tmp_path: Path) -> None:
    """A backup that begins with a log's first segment, which is named alike for each size, restores all the same.

    The segment is the backup's own until it is archived, and after that the archive's.
    """
    clocks = settings(ROOT / "config").maintenance.sql
    with running(tmp_path, "segments of 64 MB") as shaped:
        shaped.backup(0)
        found = newest(shaped.config(), "here", datetime.now(UTC))
        assert found.archive_end - found.archive.reaches == 64 * 2**20
        switch(shaped.cluster, shaped.store)  # archiving is one after the other
        shutil.rmtree(found.backup.folder / "pg_wal")
        (found.backup.folder / "pg_wal").mkdir()
        found = newest(shaped.config(), "here", datetime.now(UTC))
        assert found.archive_end - found.archive.reaches == 64 * 2**20
        connect = lambda: psycopg.connect(shaped.cluster.dsn("postgres"))  # noqa: E731  (the way to connect, as a value)
        with database.session(connect, clocks, read_only=True) as session:
            target = original(session)
        said = restore(found, target, None, clocks).findings
    assert [one.key for one in said if one.level is not Level.OK] == ["restoration:contents"]


def of_each(healthy: int, names: list[str]) -> list[tuple[str, int]]:
    """How many backups of which cluster: of as few clusters as give five each."""
    taken = names[: max(1, min(len(names), healthy // 5))]
    return [(name, healthy // len(taken)) for name in taken]


@pytest.mark.guide("G99", "G100", "G101", "silent")
@pytest.mark.parametrize(("name", "backups"), of_each(HEALTHY, list(CLUSTERS)))
def test_healthy_backups_of_every_shape_alarm_nobody(tmp_path: Path, name: str, backups: int) -> None:
    """Each is looked at as each day; one of them is restored, where Upkeep restores such a one."""
    clocks = settings(ROOT / "config").maintenance.sql
    with running(tmp_path, name) as shaped:
        for number in range(backups):
            way = shaped.backup(number)
            looked = look_at_backups(shaped.config(), datetime.now(UTC))
            bad = [(one.key, one.detail) for one in looked.findings if one.level is not Level.OK]
            assert (way, bad) == (way, [])
            sevenths = shaped.config().model_copy(update={"proof": "sevenths", "proof_budget_bytes": 2**40})
            looked = look_at_backups(sevenths, datetime.now(UTC))
            bad = [(one.key, one.detail) for one in looked.findings if one.level is not Level.OK]
            assert [one for one in bad if one[0] != "backups:proof" or "without a checksum" not in one[1]] == [], way
        connect = lambda: psycopg.connect(shaped.cluster.dsn("postgres"))  # noqa: E731  (the way to connect, as a value)
        with database.session(connect, clocks, read_only=True) as session:
            if shaped.tablespace:
                with pytest.raises(NotCollected, match="the target has tablespaces"):
                    original(session)
                return
            target = original(session)
        shaped.backup(0)
        found = newest(shaped.config(), "here", datetime.now(UTC))
        said = restore(found, target, None, clocks).findings
        bad = [(one.key, one.detail) for one in said if one.level is not Level.OK]
        assert [key for key, _ in bad] == ["restoration:contents"], bad  # nothing was recorded to compare with
