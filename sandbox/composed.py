"""The platform to try Upkeep on that docker-compose.yaml starts: its database is made, and config written for it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import yaml

from sandbox import target
from upkeep.gate.signatures import keys
from upkeep.wires import queries

#: The shipped configuration, and the volume with what is written from it.
SHIPPED, WRITTEN = Path("/opt/airflow/config"), Path("/opt/airflow/sandbox-config")


def prepare(users: Mapping[str, str], holders: Mapping[str, str]) -> None:
    """Fill the platform's database and write config. ``users``: name → Airflow's id; ``holders``: name → role."""
    password = os.environ["SANDBOX_PASSWORD"]
    with psycopg.connect(host="platform", user="postgres", password=password, autocommit=True) as server:
        if not server.execute("SELECT FROM pg_database WHERE datname = 'platform'").fetchall():
            server.execute("CREATE DATABASE platform")
    with psycopg.connect(
        host="platform", user="postgres", password=password, dbname="platform", autocommit=True
    ) as platform:
        target.load(platform, dict.fromkeys(target.ROLES, password))
        target.grant(platform)
        system_identifier = _one(platform, "setup/identity")
    ledger = os.environ["AIRFLOW_CONN_UPKEEP_LEDGER_DASHBOARD"]
    with psycopg.connect(ledger) as opened:
        ledger_identity = _one(opened, "ledger/identity")
    for file in SHIPPED.glob("*.yaml"):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        if file.name == "maintenance.yaml":
            content["targets"]["primary"]["system_identifier"] = system_identifier
            content["ledger"]["identity"] = ledger_identity
            _lay_over(content, users, holders)
        unfinished = WRITTEN / f"{file.name}.new"
        unfinished.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        unfinished.replace(WRITTEN / file.name)


def _lay_over(content: dict[str, Any], users: Mapping[str, str], holders: Mapping[str, str]) -> None:
    signing = json.loads(os.environ["AIRFLOW_CONN_UPKEEP_SIGNING"])["password"]
    content["ledger"]["signing"]["keys"] = {"sandbox": {"public": keys.public_of(keys.private_of(signing))}}
    content["people"] = {name: {"id": number} for name, number in users.items()}
    for name, role in holders.items():
        content["roles"][role]["users"] = [name]
    content["indexes"] |= {"min_bytes": 0, "statistics_days": 0}  # its tables are small, and just made
    content["reindex"]["min_bytes"] = 100_000


def _one(opened: psycopg.Connection[Any], statement: str) -> str:
    ((value,),) = opened.execute(queries.load(statement).encode()).fetchall()
    return str(value)
