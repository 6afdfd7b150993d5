"""What is done once per deployment: the roles' GRANTs, the ledger's tables."""

from __future__ import annotations

import argparse
import sys

import psycopg

from upkeep import migrations, queries
from upkeep.database import Row, explain, script, session
from upkeep.flow.connections import connection, postgres
from upkeep.plans import visible
from upkeep.settings import ConfigError, Settings, settings


def print_grants(arguments: argparse.Namespace) -> int:
    """Print the statements with the role and database names of the configured Connections."""
    config = settings()
    if arguments.database == "target":
        read = config.target(arguments.target or config.targets[0]).connections.read
        print(script("setup/target_grants", role=_login(read), database=_database(read)), end="")
        return 0
    if arguments.database in ("maintain", "indexes"):
        return _print_maintain_grants(config, arguments.target or config.targets[0], arguments.database)
    ledger = config.maintenance.ledger
    logins = {role: _login(getattr(ledger, role)) for role in ("owner", "tasks", "dashboard")}
    print(script("setup/ledger_roles", database=_database(ledger.owner), **logins), end="")
    return 0


def _print_maintain_grants(config: Settings, target: str, what: str) -> int:
    """Who may VACUUM depends on the server's version, who may drop indexes on the owner: the server is asked."""
    connections = config.target(target).connections
    if connections.maintain is None:
        raise ConfigError(f"targets.{target}.connections.maintain: found none, expected the Connection to grant for")
    role, read = _login(connections.maintain), connections.read
    try:
        with session(postgres(read), config.maintenance.sql, read_only=True) as opened:
            name = "setup/maintain_grants" if what == "maintain" else "setup/index_grants"
            file = queries.path(name, opened.version)
            schemas = queries.path("setup/schema_grants", opened.version)
            rows = opened.rows(queries.load("setup/maintain_owners"))
    except psycopg.Error as error:
        print(explain(error, read), file=sys.stderr)
        return 1
    names = {"role": role, "database": _database(connections.maintain)}
    by_owner = "{owner}" in queries.load(f"setup/{file.stem}")
    owners = [row["owner"] for row in rows if not (by_owner and row["superuser"])] or [""] * (not by_owner or not rows)
    texts = [script(f"setup/{file.stem}", **names, owner=owner) for owner in owners]
    others = sorted({row["schema"] for row in rows} - {"public"}) if what == "maintain" else []
    texts += [script(f"setup/{schemas.stem}", role=role, schema=schema) for schema in others]
    texts += [_of_superuser(row) for row in rows if by_owner and row["superuser"]]
    print("\n".join(dict.fromkeys(texts)), end="")
    return 0


def _of_superuser(row: Row) -> str:
    """What to do where a superuser owns tables: a member of that role would be one, nearly."""
    owns = visible(f"{row['tables']} tables of schema {row['schema']} belong to {row['owner']}, a superuser")
    return (
        f"-- {owns}, whose rights nobody is granted:\n"
        "-- give them an owner that is none (ALTER TABLE … OWNER TO …), then ask for the grants again.\n"
    )


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
        with session(connect, config.sql, read_only=False) as opened:
            opened.rows(script("setup/ledger_grants", tasks=tasks, dashboard=dashboard))
    except psycopg.Error as error:
        print(explain(error, config.ledger.owner), file=sys.stderr)
        return 1
    print(f"The ledger behind Connection {config.ledger.owner!r} is at revision {migrations.head()}.")
    return 0
