"""What is done once per deployment: the roles' GRANTs, the ledger's tables."""

from __future__ import annotations

import argparse
import sys

import psycopg

from upkeep import migrations
from upkeep.database import explain, script
from upkeep.flow.connections import connection, postgres
from upkeep.settings import ConfigError, settings


def print_grants(arguments: argparse.Namespace) -> int:
    """Print the statements with the role and database names of the configured Connections."""
    config = settings()
    if arguments.database == "target":
        read = config.target(arguments.target or config.targets[0]).connections.read
        print(script("setup/target_grants", role=_login(read), database=_database(read)), end="")
        return 0
    ledger = config.maintenance.ledger
    logins = {role: _login(getattr(ledger, role)) for role in ("owner", "tasks", "dashboard")}
    print(script("setup/ledger_roles", database=_database(ledger.owner), **logins), end="")
    return 0


def _login(connection_id: str) -> str:
    found = connection(connection_id, "postgres").login
    if not found:
        raise ConfigError(f"Connection {connection_id!r}: found no login, expected the name of a role")
    return str(found)


def _database(connection_id: str) -> str:
    found = connection(connection_id, "postgres").schema
    if not found:
        raise ConfigError(f"Connection {connection_id!r}: found no schema, expected the name of a database")
    return str(found)


def upgrade_ledger(arguments: argparse.Namespace) -> int:
    """Create or upgrade the ledger as its owner, then grant the other two roles what they need."""
    config = settings().maintenance
    tasks, dashboard = _login(config.ledger.tasks), _login(config.ledger.dashboard)
    connect = postgres(config.ledger.owner)
    try:
        migrations.upgrade(connect)
        with connect() as opened:
            opened.execute(script("setup/ledger_grants", tasks=tasks, dashboard=dashboard))
    except psycopg.Error as error:
        print(explain(error, config.ledger.owner), file=sys.stderr)
        return 1
    print(f"The ledger behind Connection {config.ledger.owner!r} is at revision {migrations.head()}.")
    return 0
