"""Everything goes wrong while rows are archived and deleted: none is lost, no damage unseen, nobody has to help."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stages.deleting import DAMAGE, Trials
from tests.stages.keeping import Keeping
from tests.stages.keeping import config as config  # noqa: PLC0414  # the fixture
from tests.stages.keeping import keeping as keeping  # noqa: PLC0414  # the fixture
from tests.stages.parted import PartedTrials
from tests.stages.unsound import VARIANTS

#: `make faults` tries more often, in several processes.
TRIALS = int(os.environ.get("UPKEEP_TRIALS") or 50)
UNCOMPARED = "drops what it did not compare"
SEED, SHARES = 15, int(os.environ.get("UPKEEP_SHARES") or 1)
#: Bytes of the disk that is filled up: the archives of a log, and many more.
DISK = 64 * 1024**2


@pytest.fixture
def deletable(keeping: Keeping) -> Keeping:
    """The log, of whose class usual archived rows may be deleted."""
    one = {"type": "error", "table": "public.log", "time": "at", "days": 90, "location": "here", "delete": True}
    security = {"unmapped": dict.fromkeys(("application", "audit", "performance", "security"), "none here")}
    keeping.write(classes={"usual": one}, **security)
    return keeping


@pytest.mark.guide("G15", "G67", "holds")
@pytest.mark.parametrize("share", range(SHARES))
def test_faults_at_random_moments_lose_no_row(
    deletable: Keeping, share: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed, archives hurt, rows changed and added, held, two at once, the server restarted, the store cut off or
    full, other bytes on it than were written: each row is in the log or in a verified copy.
    """
    with disk(tmp_path) as own:
        trials = Trials(deletable, random.Random(SEED + share), disk=own)
        trials.run(TRIALS // SHARES)
    full = "a disk of their own that was full" if own else "files that could not grow, for lack of the right to mount"
    with capsys.disabled():
        print(
            f"\narchives on {full}: {trials}, {trials.logs} logs: "
            f"{trials.deleted:,} rows deleted, 0 lost, 0 after their archive was hurt; {trials.found} archives hurt, "
            "all found; no help"
        )


@pytest.mark.guide("G15", "G67", "holds")
@pytest.mark.parametrize("share", range(SHARES))
def test_faults_at_random_moments_lose_no_row_of_a_partition(
    deletable: Keeping, share: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same faults, and the rows go all at once with their partition, or none does; no help."""
    trials = PartedTrials(deletable, random.Random(SEED + share))
    trials.run(max(1, TRIALS // SHARES // 3))
    with capsys.disabled():
        print(
            f"\npartitions: {trials}, {trials.logs} logs: "
            f"{trials.deleted:,} rows dropped, 0 lost, 0 after their archive was hurt; {trials.found} archives hurt"
        )


@pytest.mark.guide("G67", "holds")
def test_the_trials_see_a_partition_that_is_dropped_uncompared(deletable: Keeping) -> None:
    """Rows change or come after its archive, and go with it; the harness fails."""
    trials = PartedTrials(deletable, random.Random(SEED), UNCOMPARED, {"change": 1, "insert": 1})
    with pytest.raises(AssertionError, match="neither in the log nor in an archive"):
        trials.run(TRIALS)


@contextmanager
def disk(folder: Path) -> Iterator[Path | None]:
    """A small file system, which root may mount; None for anybody else, and where mounting is forbidden."""
    place = folder / "disk"
    place.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "upkeep-trials", str(place)]
    if os.geteuid() != 0 or subprocess.run(argv, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.guide("G67", "holds")
def test_the_trials_see_an_archive_that_was_not_read_back(deletable: Keeping) -> None:
    """Its object is hurt before it is an archive, and becomes one all the same; the harness fails."""
    trials = Trials(deletable, random.Random(SEED), "does not read back", {"bite": 1})
    with pytest.raises(AssertionError, match="became an archive"):
        trials.run(TRIALS)


@pytest.mark.guide("G67", "holds")
@pytest.mark.parametrize(
    "variant",
    [name for name, kind in VARIANTS.items() if kind.name == "delete" and name not in {"sound", UNCOMPARED}],
)
def test_the_trials_see_a_variant_that_proves_less(deletable: Keeping, variant: str) -> None:
    """It deletes before it verifies, or verifies from memory; the same faults, and the harness fails."""
    trials = Trials(deletable, random.Random(SEED), variant, dict.fromkeys(sorted(DAMAGE - {"manifest"}), 1))
    with pytest.raises(AssertionError, match="rows were deleted after it"):
        trials.run(TRIALS)
