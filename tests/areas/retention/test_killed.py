"""Everything goes wrong while rows are archived and deleted: none is lost, no damage unseen, nobody has to help."""

from __future__ import annotations

import os
import random

import pytest

from tests.stages.deleting import BROKEN, DAMAGE, Trials
from tests.stages.keeping import Keeping
from tests.stages.keeping import config as config  # noqa: PLC0414  # the fixture
from tests.stages.keeping import keeping as keeping  # noqa: PLC0414  # the fixture

#: `make faults` tries 1,000 times.
TRIALS = int(os.environ.get("UPKEEP_TRIALS") or 50)
SEED = 15


@pytest.fixture
def deletable(keeping: Keeping) -> Keeping:
    """The log, of whose class usual archived rows may be deleted."""
    one = {"type": "error", "table": "public.log", "time": "at", "days": 90, "location": "here", "delete": True}
    security = {"unmapped": dict.fromkeys(("application", "audit", "performance", "security"), "none here")}
    keeping.write(classes={"usual": one}, **security)
    return keeping


@pytest.mark.guide("G15", "G67", "holds")
def test_faults_at_random_moments_lose_no_row(deletable: Keeping, capsys: pytest.CaptureFixture[str]) -> None:
    """Killed, archives hurt, rows changed and added, held, two at once: each is in the log or in a verified copy."""
    trials = Trials(deletable, random.Random(SEED))
    trials.run(TRIALS)
    with capsys.disabled():
        print(
            f"\n{trials.done.total()} runs with a fault ({dict(trials.done)}), {trials.logs} logs: {trials.deleted:,} "
            f"rows deleted, 0 lost, 0 after their archive was hurt; {trials.found} archives hurt, all found; no help"
        )


@pytest.mark.guide("G67", "holds")
def test_the_trials_see_a_variant_that_deletes_before_it_verifies(deletable: Keeping) -> None:
    """The same faults, and the harness fails."""
    trials = Trials(deletable, random.Random(SEED), BROKEN, dict.fromkeys(sorted(DAMAGE - {"manifest"}), 1))
    with pytest.raises(AssertionError, match="rows were deleted after it"):
        trials.run(TRIALS)
