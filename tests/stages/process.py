"""A process of its own that applies a plan, so that a test can kill it: forked from a server that has imported it."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path

import psycopg

from tests.stages.forking import forking
from tests.stages.signing import SIGNER
from upkeep.areas.kinds import kinds
from upkeep.gate.apply.run import ApplyRun, Connectors
from upkeep.gate.plan_store import StoredPlan
from upkeep.settings.maintenance import Maintenance

#: The ledger's conninfo and the target's, config, the plan, and whether the process dies as soon as it has a permit.
Job = tuple[str, str, Maintenance, StoredPlan, bool]


class Applying:
    """The process, asked as one of ``subprocess`` is."""

    def __init__(self, job: Job, log: Path) -> None:
        self.process: BaseProcess = forking().Process(target=_begin, args=(job, str(log), dict(os.environ)))
        self.process.start()

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self.process.exitcode

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def wait(self, seconds: float) -> int:
        """Its exit code, when it has ended. Raises TimeoutError."""
        self.process.join(seconds)
        if (code := self.process.exitcode) is None:
            raise TimeoutError(f"the process runs after {seconds:g} s")
        return code


def say(text: str) -> None:
    """One line of the log, at once."""
    print(text, flush=True)


def _begin(job: Job, log: str, environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with open(log, "wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    _apply(*job)


def _apply(ledger: str, target: str, config: Maintenance, stored: StoredPlan, dies_with_permit: bool) -> None:
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
