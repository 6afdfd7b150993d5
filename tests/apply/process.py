"""A process of its own that applies a plan, so that a test can kill it: ``python -m tests.apply.process JOB``."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import psycopg

from upkeep.apply import Applying, Places


def say(text: str) -> None:
    """One line of the log, at once."""
    print(text, flush=True)


if __name__ == "__main__":
    ledger, target, config, stored = pickle.loads(Path(sys.argv[1]).read_bytes())
    places = Places(*(lambda dsn=dsn: psycopg.connect(dsn) for dsn in (ledger, target, target)))
    plan = stored.plan
    for outcome in Applying(places, config, lambda: config, stored, plan.run_id, say, plan.requested_by).run():
        say(f"OUTCOME {outcome.action.table} {outcome.state}")
