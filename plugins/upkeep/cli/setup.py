"""What is done once per deployment: the roles' GRANTs, the ledger's tables."""

from __future__ import annotations

import argparse
import sys

import psycopg

from upkeep import migrations
from upkeep.database import explain, script
from upkeep.flow.connections import connection, postgres
from upkeep.settings import settings


def print_grants(arguments: argparse.Namespace) -> int:
    """Print the statements with the role and database names of the configured Connections."""
    config = settings()
    if arguments.database == "target":
        read = connection(config.target(arguments.target or config.targets[0]).connections.read, "postgres")
        print(script("setup/target_grants", role=read.login or "", database=read.schema or ""), end="")
        return 0
    ledger = config.maintenance.ledger
    names = {role: connection(getattr(ledger, role), "postgres") for role in ("owner", "tasks", "dashboard")}
    logins = {role: found.login or "" for role, found in names.items()}
    print(script("setup/ledger_roles", database=names["owner"].schema or "", **logins), end="")
    return 0


def upgrade_ledger(arguments: argparse.Namespace) -> int:
    """Create or upgrade the ledger as its owner, then grant the other two roles what they need."""
    config = settings().maintenance
    tasks, dashboard = (connection(name, "postgres") for name in (config.ledger.tasks, config.ledger.dashboard))
    connect = postgres(config.ledger.owner)
    try:
        migrations.upgrade(connect)
        with connect() as opened:
            opened.execute(script("setup/ledger_grants", tasks=tasks.login or "", dashboard=dashboard.login or ""))
    except psycopg.Error as error:
        print(explain(error, config.ledger.owner), file=sys.stderr)
        return 1
    print(f"The ledger behind Connection {config.ledger.owner!r} is at revision {migrations.head()}.")
    return 0
