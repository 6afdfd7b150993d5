"""The second after a question is parked, made as long as a test needs: Airflow's executor has not seen it yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import psutil
import psycopg
from psycopg import sql

from tests.e2e.attacks import Attacks

ASKS = "approve.dba"
LOST = "finished with state success, but the task instance's state attribute is "

#: One run's park waits for the test's lock, right before it is committed; nothing else of Airflow's does.
HOLD = sql.SQL("""
CREATE FUNCTION hold_park() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock(1616); RETURN NEW; END $$;
CREATE TRIGGER hold_park BEFORE UPDATE OF state ON task_instance FOR EACH ROW
WHEN (NEW.run_id = {} AND NEW.task_id = 'approve.dba' AND NEW.state = 'awaiting_input') EXECUTE FUNCTION hold_park();
SELECT pg_advisory_lock(1616)
""")
FREE = "SELECT pg_advisory_unlock_all(); DROP FUNCTION hold_park CASCADE"
PARKS = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 1616 AND NOT granted"
DECIDES = "SELECT 1 FROM pg_locks WHERE relation = 'upkeep.decisions'::regclass AND NOT granted"


@contextmanager
def just_parked(attack: Attacks) -> Iterator[str]:
    """A run whose DBA is asked, while the worker that asked stands still before it tells the executor of its end."""
    run = f"early__{datetime.now(UTC):%H%M%S}"
    airflow = psycopg.connect(attack.running.sandbox.cluster.dsn("airflow"), autocommit=True)
    with airflow, ExitStack() as undo:
        airflow.execute(HOLD.format(sql.Literal(run)))
        with ExitStack() as held:
            held.callback(airflow.execute, FREE)
            attack.trigger(dag_run_id=run)
            attack.running.wait(lambda: airflow.execute(PARKS).fetchone())
            worker = process_of(attack, run).parent()
            assert worker, "the task's process has no worker"
            assert "LocalExecutor" in " ".join(worker.cmdline()), worker
            undo.callback(worker.resume)
            worker.suspend()
        attack.until(run, ASKS, "awaiting_input")
        yield run


def process_of(attack: Attacks, run: str) -> psutil.Process:
    """The process that runs the DBA's question now."""
    return psutil.Process(attack.task(run, ASKS)["pid"])


def mismatches(attack: Attacks, run: str) -> list[str]:
    """What Airflow's event log says of tries that it ended because of a process that was not theirs."""
    asked = {"dag_id": attack.dag, "run_id": run, "event": "state mismatch"}
    found = attack.request("admin", "GET", "/api/v2/eventLogs", params=asked).json()
    return [one["extra"] for one in found["event_logs"]]
