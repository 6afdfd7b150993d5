"""The sandbox's configuration: what is shipped, with what only this sandbox knows laid over it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg
import yaml

from sandbox import fab, npm
from sandbox.postgres import bin_dir, identity, programs
from sandbox.processes import SandboxError
from sandbox.stack import HOLDERS, ROOT, Sandbox
from upkeep.core.windows import CADENCES
from upkeep.gate.signatures import keys
from upkeep.wires import queries


def window_variables(cadence: str) -> tuple[str, str]:
    """Environment of ``up``: a cron line and a length in place of those of config, for a window minutes away.

    They hold for all targets, also for those with windows of their own.
    """
    return f"UPKEEP_SANDBOX_{cadence.upper()}", f"UPKEEP_SANDBOX_{cadence.upper()}_MINUTES"


#: Environment of ``up``: days of statistics after which an index counts as unused. A sandbox is younger than what is
#: shipped wants, and with 0 even indexes whose first query is yet to come are proposed.
STATISTICS_DAYS = "UPKEEP_SANDBOX_STATISTICS_DAYS"

#: Environment of ``up``: another folder of DAGs than the clone's.
DAGS = "UPKEEP_SANDBOX_DAGS"

#: Environment of ``up``: seconds between two polls of the watch, for a change that is seen in a moment.
WATCH_SECONDS = "UPKEEP_SANDBOX_WATCH_SECONDS"

#: Environment of ``up``: ``no`` leaves the locations of archives out, so that the weekly window asks nobody about logs.
ARCHIVES = "UPKEEP_SANDBOX_ARCHIVES"

#: All that ``up`` takes from the environment and that a running sandbox keeps in its folder.
VARIABLES = (
    STATISTICS_DAYS,
    DAGS,
    WATCH_SECONDS,
    ARCHIVES,
    *(name for cadence in CADENCES for name in window_variables(cadence)),
)

MAINTENANCE, ROUTING, THRESHOLDS, RETENTION = "maintenance.yaml", "routing.yaml", "thresholds.yaml", "retention.yaml"
STARTED_WITH = "settings.json"

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
}


def chosen() -> dict[str, str]:
    """What the environment says of VARIABLES."""
    return {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}


def started_with(sandbox: Sandbox) -> dict[str, str]:
    """What the environment said of VARIABLES when this sandbox's configuration was written."""
    file = sandbox.folder / STARTED_WITH
    found: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return found


def write_config(sandbox: Sandbox, *, pinned: bool, given: Mapping[str, str] | None = None) -> None:
    """The shipped configuration and this sandbox's overlay; ``pinned`` asks the running servers which they are.

    ``given`` are values of VARIABLES, by default the environment's.
    """
    given = chosen() if given is None else given
    (sandbox.folder / STARTED_WITH).write_text(json.dumps(given, indent=1))
    folder = sandbox.folder / "config"
    folder.mkdir(exist_ok=True)
    for file in (ROOT / "config").glob("*.yaml"):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        if file.name == ROUTING:
            content["channels"]["email"]["to"] = ["oncall@sandbox.example"]
        if file.name == RETENTION and given.get(ARCHIVES) != "no":
            _archive(sandbox, content)
        if file.name == MAINTENANCE:
            _lay_over(sandbox, content, given)
            if pinned:
                _pin(sandbox, content)
        _write(folder / file.name, content)


def take_over_settings(sandbox: Sandbox) -> None:
    """What this call's environment says otherwise than the running sandbox was started with: taken over, or refused."""
    given, before = chosen(), started_with(sandbox)
    changed = {name: value for name, value in given.items() if before.get(name) != value}
    if DAGS in changed:
        raise SandboxError(
            f"{DAGS} is {changed[DAGS]}, but the sandbox was started with {before.get(DAGS, 'the DAGs of this clone')}"
            ": Airflow reads that once. `make down` first."
        )
    for name, value in changed.items():
        print(f"  {name} was {before.get(name, 'not set')} and is {value}: it holds for the next runs")
    for name in before.keys() - given.keys():
        print(f"  {name} is still {before[name]}, as it was started with; after `make down` it no longer is")
    if changed:
        write_config(sandbox, pinned=True, given=before | given)


def rewrite_config(sandbox: Sandbox, change: Callable[[dict[str, Any]], object], name: str = MAINTENANCE) -> None:
    """Change a file of this sandbox's config in place; the next ``up`` that starts something writes it anew."""
    file = sandbox.folder / "config" / name
    content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    change(content)
    _write(file, content)


def _write(file: Path, content: dict[str, Any]) -> None:
    """All at once: Airflow's processes read it whenever they like."""
    unfinished = file.with_suffix(".new")
    text = f"# Written by the sandbox from config/{file.name}.\n{yaml.safe_dump(content, sort_keys=False)}"
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(file)


def _lay_over(sandbox: Sandbox, content: dict[str, Any], given: Mapping[str, str]) -> None:
    content["targets"]["primary"]["backups"] = {
        "base": str(sandbox.backups.base),
        "wal": str(sandbox.backups.wal),
        "verify_program": str(bin_dir() / "pg_verifybackup"),
        "restore": {
            "scratch": str(sandbox.backups.scratch),
            "programs": str(programs()),
            "run_as": list(identity().prefix),
        },
    }
    content["targets"]["primary"]["dumps"] = {
        "folder": str(sandbox.backups.dumps),
        "verify_program": str(bin_dir() / "pg_restore"),
        "restore": {
            "scratch": str(sandbox.backups.scratch),
            "programs": str(programs()),
            "run_as": list(identity().prefix or ("env",)),  # its dumps hold nobody else's code
        },
    }
    content["targets"]["primary"]["canary"] = {"connection": "upkeep_target_canary", "role": "upkeep_canary"}
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
    called = fab.numbers(sandbox)
    content["people"] = {
        name: {"id": called[name]} if name in called else {} for name in ("admin", "operator", *HOLDERS)
    }
    for name, role in HOLDERS.items():
        content["roles"][role]["users"] = [name]
    content["approval"]["slack"] = "upkeep_slack"
    wanted = content["indexes"]
    wanted["min_bytes"] = 0  # its tables are small
    content["reindex"]["min_bytes"] = 100_000
    wanted["statistics_days"] = float(given.get(STATISTICS_DAYS) or wanted["statistics_days"])
    content["watch"]["every_seconds"] = int(given.get(WATCH_SECONDS) or content["watch"]["every_seconds"])
    use_windows(content, given)


def _archive(sandbox: Sandbox, content: dict[str, Any]) -> None:
    """Each location is a folder of the sandbox; archived alerts are deleted, so that this can be seen too (G66)."""
    for name, location in content["locations"].items():
        folder = sandbox.folder / "archives" / name
        folder.mkdir(parents=True, exist_ok=True)
        location["path"] = str(folder)
    content["classes"]["performance_alerts"]["delete"] = True


def use_windows(content: dict[str, Any], given: Mapping[str, str]) -> None:
    """Put the windows that the environment gives in place of those of config, the targets' own among them."""
    own = [target.get("windows") or {} for target in content["targets"].values()]
    for cadence in CADENCES:
        cron, minutes = window_variables(cadence)
        for window in (windows[cadence] for windows in (content["windows"], *own) if cadence in windows):
            window["cron"] = given.get(cron) or window["cron"]
            window["length_minutes"] = int(given.get(minutes) or window["length_minutes"])


def _pin(sandbox: Sandbox, content: dict[str, Any]) -> None:
    target, ledger = _one(sandbox, "platform", "setup/identity"), _one(sandbox, "upkeep", "ledger/identity")
    content["targets"]["primary"]["system_identifier"] = target
    content["ledger"]["identity"] = ledger


def _one(sandbox: Sandbox, database: str, statement: str) -> str:
    """The one value of a statement's one row, as the superuser sees it."""
    with psycopg.connect(sandbox.cluster.dsn(database)) as opened:
        ((value,),) = opened.execute(queries.load(statement).encode()).fetchall()
    return str(value)
