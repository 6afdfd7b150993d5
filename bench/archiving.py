"""An archive that a process of its own makes, as a worker does; it prints its seconds and its most memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

from upkeep.areas.retention import archive, rows
from upkeep.areas.retention.look import asked
from upkeep.areas.retention.rows import Period
from upkeep.gate.plans.model import Action
from upkeep.settings.maintenance import Sql
from upkeep.wires import database
from upkeep.wires.database import Session


def action(session: Session, statement: str) -> Action:
    """An action on the log of class ``errors``."""
    retention = archive.policy()
    one = retention.classes["errors"]
    table = session.row(session.load("retention/table"), asked(one))
    shape = rows.shape(one.table, rows.columns(session, table["oid"]), retention, "errors")
    given: dict[str, Any] = {"id": "1", "kind": "", "verb": "", "schema": "public", "table": "log", "oid": table["oid"]}
    given |= {"shape": shape, "roles": ("dba",), "because": "", "lock": "", "predicted_ms": 1, "predicted_bytes": 0}
    return Action(statement=statement, **given)


def without_limit(session: Session) -> None:
    """Nothing that is measured is to be stopped."""
    for setting in ("statement_timeout", "idle_in_transaction_session_timeout"):
        session.rows("SELECT set_config(%(name)s, '0', false)", {"name": setting})


def elsewhere(dsn: str, clocks: Sql, target: str, period: Period, name: str) -> tuple[float, int]:
    """Seconds of the whole action and MB at most, in another process."""
    job = json.dumps([dsn, clocks.model_dump_json(), f"archive {target}/{period}", name]).encode()
    done = subprocess.run([sys.executable, "-m", "bench.archiving"], input=job, check=True, stdout=subprocess.PIPE)
    seconds, most = json.loads(done.stdout)
    return seconds, most


def _most() -> int:
    """MB of this process at most; ``getrusage`` would tell of the process that started it too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def main() -> None:
    """The action that standard input says."""
    dsn, clocks, statement, name = json.load(sys.stdin)
    with database.standing(lambda: psycopg.connect(dsn), Sql.model_validate_json(clocks)) as session:
        without_limit(session)
        began = time.monotonic()
        archive.run(session, action(session, statement), {"object": name})
        print(json.dumps([time.monotonic() - began, _most()]))


if __name__ == "__main__":
    main()
