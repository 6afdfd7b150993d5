"""The sandbox's configuration: what is shipped, with what only this sandbox knows laid over it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import yaml

from sandbox import npm
from sandbox.postgres import bin_dir
from sandbox.stack import HOLDERS, ROOT, Sandbox
from upkeep import queries
from upkeep.signatures import keys

CADENCES = ("daily", "weekly", "monthly")


def window_variables(cadence: str) -> tuple[str, str]:
    """Environment of ``up``: a cron line and a length in place of those of config, for a window minutes away."""
    return f"UPKEEP_SANDBOX_{cadence.upper()}", f"UPKEEP_SANDBOX_{cadence.upper()}_MINUTES"


#: Environment of ``up``: days of statistics after which an index counts as unused. A sandbox is younger than what is
#: shipped wants, and with 0 even indexes whose first query is yet to come are proposed.
STATISTICS_DAYS = "UPKEEP_SANDBOX_STATISTICS_DAYS"

MAINTENANCE = "maintenance.yaml"

#: The room that this sandbox's platform is said to have, so that capacity has something to be judged against.
STORAGE_BYTES = 8 * 1024**3

#: Prices as a small platform has them, and included amounts that even a sandbox goes beyond, so that it shows numbers.
COST = {
    "currency": "EUR",
    "budget": 100.0,
    "database_gb_month": {"price": 0.125, "included": 0.0},
    "function_invocations_million": {"price": 2.0, "included": 0.0},
    "egress_gb": {"price": 0.09, "included": 5.0, "used_gb": 12.0},
    "compute_month": [{"name": "Pro plan", "price": 25.0}, {"name": "Compute", "price": 60.0}],
    "retention_days": [
        {"table": "public.application_logs", "time": "created_at", "days": 30},
        {"table": "public.error_logs", "time": "timestamp", "days": 90},
        {"table": "public.performance_logs", "time": "created_at", "days": 30},
        {"table": "public.security_logs", "time": "created_at", "days": 365},
    ],
}


def write_config(sandbox: Sandbox, *, pinned: bool) -> None:
    """The shipped configuration and this sandbox's overlay; ``pinned`` asks the running servers which they are."""
    folder = sandbox.folder / "config"
    folder.mkdir(exist_ok=True)
    for file in (ROOT / "config").glob("*.yaml"):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        if file.name == MAINTENANCE:
            _lay_over(sandbox, content)
            if pinned:
                _pin(sandbox, content)
        _write(folder / file.name, content)


def rewrite_config(sandbox: Sandbox, change: Callable[[dict[str, Any]], object]) -> None:
    """Change this sandbox's maintenance.yaml in place; the next ``up`` that starts something writes it anew."""
    file = sandbox.folder / "config" / MAINTENANCE
    content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    change(content)
    _write(file, content)


def _write(file: Path, content: dict[str, Any]) -> None:
    """All at once: Airflow's processes read it whenever they like."""
    unfinished = file.with_suffix(".new")
    text = f"# Written by the sandbox from config/{file.name}.\n{yaml.safe_dump(content, sort_keys=False)}"
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(file)


def _lay_over(sandbox: Sandbox, content: dict[str, Any]) -> None:
    content["targets"]["primary"]["backups"] = {
        "base": str(sandbox.backups.base),
        "wal": str(sandbox.backups.wal),
        "verify_program": str(bin_dir() / "pg_verifybackup"),
    }
    content["targets"]["primary"]["checkout"] = {
        "folder": str(ROOT / "sandbox" / "checkout"),
        "registry": f"http://127.0.0.1:{sandbox.ports['registry']}/",
        "npm": npm.program(sandbox.folder),
    }
    content["targets"]["primary"]["storage_bytes"] = STORAGE_BYTES
    documents = ROOT / "sandbox" / "documents"
    content["documents"] |= {
        "guide": str(documents / "system-maintenance-guide.md"),
        "runbooks": [str(documents / "incident-response-procedures.md")],
        "check_links": True,  # theirs lead to loopback
    }
    content["cost"] = COST
    content["ledger"]["signing"]["keys"] = {"sandbox": {"public": keys.public_of(keys.private_of(sandbox.signing_key))}}
    content["people"] = {name: {} for name in ("admin", "operator", *HOLDERS)}
    for name, role in HOLDERS.items():
        content["roles"][role]["users"] = [name]
    content["approval"]["slack"] = "upkeep_slack"
    wanted = content["indexes"]
    wanted["min_bytes"] = 0  # its tables are small
    content["reindex"]["min_bytes"] = 100_000
    wanted["statistics_days"] = float(os.environ.get(STATISTICS_DAYS) or wanted["statistics_days"])
    for cadence in CADENCES:
        cron, minutes = window_variables(cadence)
        window = content["windows"][cadence]
        window["cron"] = os.environ.get(cron) or window["cron"]
        window["length_minutes"] = int(os.environ.get(minutes) or window["length_minutes"])


def _pin(sandbox: Sandbox, content: dict[str, Any]) -> None:
    target, ledger = _one(sandbox, "platform", "checks/identity"), _one(sandbox, "upkeep", "ledger/identity")
    content["targets"]["primary"]["system_identifier"] = target
    content["ledger"]["identity"] = ledger


def _one(sandbox: Sandbox, database: str, statement: str) -> str:
    """The one value of a statement's one row, as the superuser sees it."""
    with psycopg.connect(sandbox.cluster.dsn(database)) as opened:
        ((value,),) = opened.execute(queries.load(statement).encode()).fetchall()
    return str(value)
