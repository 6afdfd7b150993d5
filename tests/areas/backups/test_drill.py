"""The monthly drill on real backups: to just before a row and behind it, to the end, and what each step proves."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox import backups as sandbox
from tests.stages.restoring import Platform
from upkeep.areas.backups.canary import Written
from upkeep.areas.backups.controls import CONTROLS, Control, carried_out, in_turn
from upkeep.areas.backups.copies import copy_of
from upkeep.areas.backups.drill import Landmark, System, drill
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult

OK, WARNING, CRITICAL, UNKNOWN = Level.OK, Level.WARNING, Level.CRITICAL, Level.UNKNOWN
GOOD = dict.fromkeys(
    (
        "drill",
        "drill:control",
        "drill:before",
        "drill:after",
        "drill:rto",
        "drill:rpo",
        "drill:canary",
        "drill:reached",
        "drill:objects",
    ),
    OK,
)


def drilled(restorable: Platform, system: System | None = None, **config: Any) -> LookResult:
    """Carry out a drill, and see that nothing is left."""
    clocks = restorable.config.maintenance.sql
    looked = drill(restorable.newest(**config), system or restorable.system, clocks, datetime(2026, 11, 1, tzinfo=UTC))
    assert restorable.left() == []
    return looked


def levels(looked: LookResult) -> dict[str, Level]:
    return {finding.key: finding.level for finding in looked.findings}


def found(looked: LookResult, key: str) -> Finding:
    return next(finding for finding in looked.findings if finding.key == key)


def mark(restorable: Platform) -> Landmark:
    """The landmark that the target's log has."""
    assert restorable.system.landmark is not None
    return restorable.system.landmark


@pytest.mark.guide("G25", "G102", "G103", "G105", "silent")
def test_a_row_is_absent_before_its_moment_and_there_behind_it(restorable: Platform) -> None:
    """Both sides of a commit that the target made by itself; times and the whole system with it."""
    looked = drilled(restorable)
    assert levels(looked) == GOOD
    assert found(looked, "drill:before").detail == "absent, the one before it there"
    assert found(looked, "drill:after").detail == "there"
    assert "until the restored copy answered: copy " in found(looked, "drill:rto").detail
    assert found(looked, "drill:objects").detail.endswith("1 sequence, 7 tables: all that the target has")
    took = {sample.subject: sample.value for sample in looked.samples if sample.metric == "restore_seconds"}
    assert list(took) == [
        "copy",
        "recovery to before the landmark",
        "recovery to after the landmark",
        "recovery to the end of the archive",
    ]
    assert [one.value for one in looked.samples if one.metric == "recovery_time"] == [sum(took.values())]
    (missing,) = (one.value for one in looked.samples if one.metric == "recovery_point")
    assert 0 < missing < 60 * restorable.newest().restore.max_rpo_minutes


@pytest.mark.guide("G102", "fires", "silent")
def test_the_canary_says_what_would_be_lost(restorable: Platform) -> None:
    """Beside the last commit: its newest row in the copy, and a later one that must be there and is not."""
    assert restorable.canary is not None
    fresh, last = datetime.now(UTC) + timedelta(days=1), restorable.canary  # the fresh one nobody expects yet

    def by_ledger(*rows: datetime) -> LookResult:
        written = Written(True, rows, restorable.config.maintenance.windows["daily"])
        return drilled(restorable, replace(restorable.system, written=written), max_rpo_minutes=0.01)

    looked = by_ledger(fresh, last)
    assert found(looked, "drill:canary").level is OK
    assert found(looked, "drill:canary").detail.endswith("before the incident; none that must be there is missing")
    (age,) = (one.value for one in looked.samples if one.metric == "canary_age")
    (commit,) = (one.value for one in looked.samples if one.metric == "recovery_point")
    assert commit < age
    looked = by_ledger(fresh, last + timedelta(seconds=2), last + timedelta(seconds=1), last)
    assert found(looked, "drill:canary").level is WARNING
    assert found(looked, "drill:canary").detail.endswith("is missing")


@pytest.mark.guide("G103", "fires")
@pytest.mark.parametrize(
    ("moved", "key", "said"),
    [
        ({"at": 100}, "drill:after", "absent"),
        ({"earlier": -100}, "drill:before", "absent, the one before it absent"),
    ],
    ids=str,
)
def test_a_row_that_recovery_does_not_bring_back_is_critical(
    restorable: Platform, moved: dict[str, int], key: str, said: str
) -> None:
    """A row that the target has and the copy lacks, at the end too."""
    here = mark(restorable)
    times = {name: getattr(here, name) + timedelta(milliseconds=by) for name, by in moved.items()}
    looked = drilled(restorable, replace(restorable.system, landmark=replace(here, **times)))
    assert levels(looked) == GOOD | {key: CRITICAL}
    assert found(looked, key).detail == said
    assert found(looked, key).remedy


@pytest.mark.guide("G103", "fires")
@pytest.mark.parametrize(
    ("which", "key", "said"),
    [
        ("ahead", "drill:before", "it was committed before the time that it says"),
        ("late", "drill:after", "it was committed later than the time that it says"),
        ("batch", "drill:before", "that one was committed later than the time that it says"),
    ],
)
def test_a_row_whose_time_is_not_its_commits_proves_nothing(
    restorable: Platform, which: str, key: str, said: str
) -> None:
    """The log's clock is another than the database's: UNKNOWN, with what to do about it."""
    looked = drilled(restorable, replace(restorable.system, landmark=getattr(restorable, which)))
    assert levels(looked) == GOOD | {key: UNKNOWN}
    assert said in found(looked, key).detail


@pytest.mark.guide("G103", "fires")
def test_without_a_landmark_recovery_to_a_moment_is_unknown(restorable: Platform) -> None:
    """Quiet logs, or no record: the drill goes to the end of the archive and says what it could not tell."""
    looked = drilled(restorable, replace(restorable.system, landmark=None))
    assert levels(looked) == {key: level for key, level in GOOD.items() if key != "drill:after"} | {
        "drill:before": UNKNOWN
    }


@pytest.mark.guide("G25", "G102", "fires")
def test_a_slow_or_short_recovery_is_a_warning(restorable: Platform) -> None:
    """RTO and RPO above config."""
    looked = drilled(restorable, max_rto_minutes=0.001, max_rpo_minutes=0.001)
    assert levels(looked) == GOOD | {"drill:rto": WARNING, "drill:rpo": WARNING}
    assert found(looked, "drill:rpo").detail.startswith("the last commit of the copy was ")


@pytest.mark.guide("G102", "fires")
def test_a_backup_of_another_cluster_proves_nothing(restorable: Platform) -> None:
    """It restores, and is not the target's."""
    other = replace(restorable.system.original, system_identifier="7000000000000000000")
    looked = drilled(restorable, replace(restorable.system, original=other))
    assert levels(looked) == GOOD | {"drill:reached": CRITICAL}
    assert "the target is 7000000000000000000" in found(looked, "drill:reached").detail


@pytest.mark.guide("G102", "fires")
def test_a_drill_that_ends_before_the_newest_segment_proves_nothing(restorable: Platform) -> None:
    """A segment behind the landmark is gone: PostgreSQL calls that the end, and the archive goes on."""
    segments = sorted(file for file in restorable.store.wal.iterdir() if len(file.name) == 24)
    aside = segments[-2].rename(segments[-2].with_name("aside"))
    looked = drilled(restorable)
    aside.rename(segments[-2])
    assert found(looked, "drill:reached").level is CRITICAL
    assert f"before the newest archived segment {segments[-1].name}" in found(looked, "drill:reached").detail


@pytest.mark.guide("G105", "fires")
def test_what_the_copy_lacks_of_the_system_is_named(restorable: Platform) -> None:
    """A role and a table that the target has now."""
    more = restorable.system.objects | {("role", "eve"), ("table", "public.orders")}
    looked = drilled(restorable, replace(restorable.system, objects=more))
    assert levels(looked) == GOOD | {"drill:objects": WARNING}
    assert found(looked, "drill:objects").detail == "2 missing: role eve, table public.orders"


@pytest.mark.guide("G102", "fires", "silent")
def test_a_backup_that_does_not_restore_fails_the_drill(restorable: Platform) -> None:
    """Until it is healed."""
    sandbox.plant(restorable.store, "missing-file")
    assert levels(drilled(restorable)) == {"drill": CRITICAL, "drill:control": OK}
    sandbox.heal(restorable.store)
    assert levels(drilled(restorable)) == GOOD


def controlled(restorable: Platform, control: Control, verify: str = "") -> tuple[Finding, bool]:
    """What a control says of a copy, and whether the copy is as it was afterwards."""
    here = restorable.newest()
    config = here.config.model_copy(update={"verify_program": verify} if verify else {})
    with copy_of(here.backup.folder, config, here.restore, "postgres", []) as copy:
        before = _content(copy.data)
        said = carried_out(copy, control, datetime.now(UTC))
        return said, _content(copy.data) == before


def _content(data: Path) -> dict[str, str]:
    files = (file for file in data.rglob("*") if file.is_file())
    return {str(file.relative_to(data)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.guide("G102", "silent")
@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_each_control_is_found_by_its_name(restorable: Platform, control: Control) -> None:
    """A copy is spoilt, the daily look says so, and the copy is whole again."""
    said, healed = controlled(restorable, control)
    assert said.level is OK, said.detail
    assert control.says in said.detail
    assert healed


@pytest.mark.guide("G102", "fires")
def test_a_control_that_passes_is_critical(restorable: Platform, tmp_path: Path) -> None:
    """A verifier that calls everything good: nothing else that the drill says can be trusted."""
    fooled = tmp_path / "pg_verifybackup"
    fooled.write_text('#!/bin/sh\necho "pg_verifybackup (PostgreSQL) 17.10"\n')
    fooled.chmod(0o755)
    flipped = CONTROLS[0]
    said, healed = controlled(restorable, flipped, str(fooled))
    assert (said.level, healed) == (CRITICAL, True)
    assert said.detail.startswith("a flipped bit in a copy was not found; it said ok")
    assert controlled(restorable, flipped, "/nowhere/pg_verifybackup")[0].level is UNKNOWN
    assert controlled(restorable, flipped)[0].level is OK


def test_every_control_has_its_month() -> None:
    """In turn: each once within as many months as there are controls."""
    months = [datetime(2026 + month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in range(len(CONTROLS))]
    assert {in_turn(month).name for month in months} == {control.name for control in CONTROLS}
