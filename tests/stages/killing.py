"""Killing a process that applies a plan, and the patience to see what is left."""

from __future__ import annotations

from tests.stages.process import Applying
from tests.stages.stage import Stage, changed
from upkeep.settings.maintenance import Maintenance

LOCK_HELD = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND (classid::bigint << 32) + objid::bigint = %s"


def kill(process: Applying) -> None:
    """SIGKILL, so that the process can say and do nothing more."""
    assert process.poll() is None
    process.kill()
    assert process.wait(30) == -9


def patient(stage: Stage) -> Maintenance:
    """The process waits for the ledger's locks as long as the test needs."""
    return changed(stage.config, sql={"lock_timeout_seconds": 60.0})
