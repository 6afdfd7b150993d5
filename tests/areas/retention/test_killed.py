"""Everything goes wrong while rows are archived and deleted: none is lost, no damage unseen, nobody has to help."""

from __future__ import annotations

import os
import random

import pytest

from tests.stages.deleting import DAMAGE, Trials
from tests.stages.keeping import Keeping
from tests.stages.keeping import config as config  # noqa: PLC0414  # the fixture
from tests.stages.keeping import keeping as keeping  # noqa: PLC0414  # the fixture
from tests.stages.unsound import VARIANTS

#: `make faults` tries more often, in several processes.
TRIALS = int(os.environ.get("UPKEEP_TRIALS") or 50)
SEED, SHARES = 15, int(os.environ.get("UPKEEP_SHARES") or 1)


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
    deletable: Keeping, share: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed, archives hurt, rows changed and added, held, two at once, the server restarted, the store cut off or
    full: each row is in the log or in a verified copy.
    """
    trials = Trials(deletable, random.Random(SEED + share))
    trials.run(TRIALS // SHARES)
    with capsys.disabled():
        print(
            f"\n{trials.done.total()} runs with a fault ({dict(trials.done)}), {trials.logs} logs: {trials.deleted:,} "
            f"rows deleted, 0 lost, 0 after their archive was hurt; {trials.found} archives hurt, all found; no help"
        )


@pytest.mark.guide("G67", "holds")
@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "sound"])
def test_the_trials_see_a_variant_that_proves_less(deletable: Keeping, variant: str) -> None:
    """It deletes before it verifies, or verifies from memory; the same faults, and the harness fails."""
    trials = Trials(deletable, random.Random(SEED), variant, dict.fromkeys(sorted(DAMAGE - {"manifest"}), 1))
    with pytest.raises(AssertionError, match="rows were deleted after it"):
        trials.run(TRIALS)
