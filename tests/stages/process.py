"""A process of its own that applies a plan, so that a test can kill it: ``python -m tests.stages.process JOB``."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from tests.stages.signing import SIGNER
from upkeep.areas.kinds import kinds
from upkeep.gate.apply.run import ApplyRun, Connectors


def say(text: str) -> None:
    """One line of the log, at once."""
    print(text, flush=True)


if __name__ == "__main__":
    ledger, target, config, stored, dies_with_permit = pickle.loads(Path(sys.argv[1]).read_bytes())
    connectors = Connectors(*(lambda dsn=dsn: psycopg.connect(dsn) for dsn in (ledger, target, target)))
    plan = stored.plan

    def clock() -> datetime:
        """The time; where the process is to die, SIGKILL once its permit is committed: apply looks right after."""
        if dies_with_permit:
            with psycopg.connect(ledger) as opened:
                query = "SELECT 1 FROM upkeep.permits WHERE digest = %s"
                if opened.execute(query, [stored.digest]).fetchone():
                    os.kill(os.getpid(), signal.SIGKILL)
        return datetime.now(UTC)

    asked = plan.requested_by
    applying = ApplyRun(connectors, kinds(), config, lambda: config, stored, plan.run_id, SIGNER, say, asked, clock)
    for outcome in applying.run():
        say(f"OUTCOME {outcome.action.table} {outcome.state}")
