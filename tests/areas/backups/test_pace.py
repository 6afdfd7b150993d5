"""What a long restoration tells in the task's log: how far it is, at which rate, and how long it will take (G101)."""

from __future__ import annotations

import logging
import time

import pytest

from tests.stages.restoring import Platform
from upkeep.areas.backups import pace
from upkeep.areas.backups.copies import copy_of
from upkeep.areas.backups.pace import Pace
from upkeep.areas.backups.scratch import Stop

MB = 2**20


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was told of a pace."""
    return [record.getMessage() for record in caplog.records if record.name == pace.__name__]


def test_amount_rate_and_time_left_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """Since it was told last; no rate where it stands still, or where the beginning is not known."""
    caplog.set_level(logging.INFO)
    ago = time.monotonic() - 10
    Pace("copying", every=0, at=ago).tell(lambda: (100 * MB, 300 * MB))
    Pace("copying", every=0, at=ago, done=100.0 * MB).tell(lambda: (100 * MB, 300 * MB))
    Pace("recovery", every=0, at=ago, done=None).tell(lambda: (100 * MB, 300 * MB))
    still = "100 MB of 300 MB"
    assert told(caplog) == [f"copying: {still}, 10 MB/s, about 20 s more", f"copying: {still}", f"recovery: {still}"]


def test_what_cannot_be_measured_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is told of it, nor a rate since then: what was there in between is not known."""
    caplog.set_level(logging.INFO)
    one = Pace("pg_restore", every=0, at=time.monotonic() - 10, done=100.0 * MB)
    one.tell(lambda: (1 // 0, 300 * MB))
    one.tell(lambda: (200 * MB, 300 * MB))
    assert told(caplog) == ["pg_restore: 200 MB of 300 MB"]


def test_before_it_is_time_nothing_is_measured(caplog: pytest.LogCaptureFixture) -> None:
    """Counting a copy's bytes is work of its own."""
    caplog.set_level(logging.INFO)
    measured = []
    Pace("copying", every=3600).tell(lambda: (measured.append(1) or 0, 0))
    assert (measured, told(caplog)) == ([], [])


def test_a_recovery_says_how_much_of_its_wal_is_replayed(
    restorable: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    """Up to a position, and to the end of the archive; a copy that has come far tells more than one that has not."""
    caplog.set_level(logging.INFO)
    found, standby = restorable.newest(), restorable.system.original.settings
    with copy_of(found.backup.folder, found.config, found.restore, "postgres", []) as copy:
        copy.recover(Stop("lsn", restorable.known["lsn"]), standby, "recovery")
        with copy.connect() as connection:
            (at,) = connection.execute("SELECT pg_last_wal_replay_lsn()").fetchone() or ("",)
        assert copy._label
        done, total = copy._replayed(at, copy._label, Stop("lsn", restorable.known["lsn"]))
        beyond, end = copy._replayed(at, copy._label, None)
    assert 0 < done <= total
    assert (beyond, end > total) == (done, True)
    assert end == found.archive_end - copy._label.start.number * copy._label.segment_bytes
