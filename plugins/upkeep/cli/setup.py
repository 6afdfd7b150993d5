"""What is done once per deployment: the roles' GRANTs, the ledger's tables."""

from __future__ import annotations

import argparse
import sys
from typing import NamedTuple

import psycopg

from upkeep.core.text import visible
from upkeep.flow.connections import NoConnectionError, connection, postgres
from upkeep.ledger.migrations.upgrade import NewerLedger, head, upgrade
from upkeep.settings.base import ConfigError
from upkeep.settings.load import Settings, settings
from upkeep.settings.logs import Readable
from upkeep.settings.values import TableName
from upkeep.wires import queries
from upkeep.wires.database import Row, explain, script, session

#: The majors of PostgreSQL whose grants are printed when no server can be asked.
OLDEST_MAJOR, NEWEST_MAJOR = 14, 18

#: The ledger's database where no Connection names one.
LEDGER_DATABASE = "upkeep"


def print_grants(arguments: argparse.Namespace) -> int:
    """Print the statements, with the names of the Connections, or of the command line where these are not there yet."""
    config = settings()
    if arguments.database == "ledger":
        return _print_ledger_roles(config, arguments)
    target = arguments.target or config.targets[0]
    connections = config.target(target).connections
    if arguments.database == "target":
        names = _names(connections.read, arguments)
        texts = [script("setup/target_grants", role=names.role, database=names.database)]
        texts += [
            script("setup/table_grants", role=names.role, schema=one.schema, table=one.table)
            for one in _tables_elsewhere(config)
        ]
        print(names.remark + "\n".join(texts), end="")
        return 0
    if connections.maintain is None:
        raise ConfigError(f"targets.{target}.connections.maintain: found none, expected the Connection to grant for")
    names = _names(connections.maintain, arguments)
    if arguments.database == "canary":
        print(names.remark + script("setup/canary_grants", role=names.role, database=names.database), end="")
        return 0
    if arguments.database in ("archive", "delete"):
        chosen = "delete" if arguments.database == "delete" else "deletable"
        logs = sorted({one.table for one in config.retention.classes.values() if getattr(one, chosen)})
        script_of = f"setup/{arguments.database}_grants"
        print(names.remark + "\n".join(script(script_of, role=names.role, **one._asdict()) for one in logs))
        return 0
    return _print_maintain_grants(config, connections.read, arguments.database, names)


def _tables_elsewhere(config: Settings) -> list[TableName]:
    """The tables that config tells the checks to read and that do not lie in public, each once."""
    main = config.maintenance
    logs: list[Readable] = [main.logs.security, main.logs.application, main.logs.alerts]
    logs += [main.compliance.consents, main.compliance.processing]
    kept = config.retention.classes.values()
    tables = [*(log.table for log in logs), *(log.table for log in kept)]
    return sorted({table for table in tables if table.schema != "public"})


class _Names(NamedTuple):
    """Who is granted something, in which database; the remark is an SQL comment that says what is to be filled in."""

    role: str
    database: str
    remark: str


def _names(connection_id: str, arguments: argparse.Namespace) -> _Names:
    """The command line's names, then the Connection's; without that one, placeholders that no server takes."""
    try:
        role = arguments.role or _login(connection_id)
        return _Names(role, arguments.dbname or _database(connection_id), "")
    except NoConnectionError:
        names = {"<role>": arguments.role, "<database>": arguments.dbname}
    missing = [name for name, given in names.items() if given is None]
    remark = (
        f"-- Connection {connection_id!r}: found none. Replace {' and '.join(missing)} below, or pass --role and "
        "--dbname; the Connection then has that login and that schema.\n"
    )
    role, database = (given or name for name, given in names.items())
    return _Names(role, database, remark)


def _print_maintain_grants(config: Settings, read: str, what: str, names: _Names) -> int:
    """Who may VACUUM depends on the server's version, who may drop indexes on the owner: the server is asked."""
    name = "setup/maintain_grants" if what == "maintain" else "setup/index_grants"
    try:
        with session(postgres(read), config.maintenance.sql, read_only=True) as opened:
            file = queries.path(name, opened.version)
            schemas = queries.path("setup/schema_grants", opened.version)
            rows = opened.rows(queries.load("setup/maintain_owners"))
    except NoConnectionError:
        print(names.remark + _unasked(read, name, names), end="")
        return 0
    except psycopg.Error as error:
        print(explain(error, read), file=sys.stderr)
        return 1
    by_owner = "{owner}" in queries.load(f"setup/{file.stem}")
    owners = [row["owner"] for row in rows if not (by_owner and row["superuser"])] or [""] * (not by_owner or not rows)
    texts = [script(f"setup/{file.stem}", role=names.role, database=names.database, owner=owner) for owner in owners]
    others = sorted({row["schema"] for row in rows} - {"public"}) if what == "maintain" else []
    texts += [script(f"setup/{schemas.stem}", role=names.role, schema=schema) for schema in others]
    if what == "indexes":
        texts += [
            script("setup/schema_create", owner=row["owner"], schema=row["schema"])
            for row in rows
            if not row["creates"]
        ]
    texts += [_of_superuser(row) for row in rows if by_owner and row["superuser"]]
    print(names.remark + "\n".join(dict.fromkeys(texts)), end="")
    return 0


def _unasked(read: str, name: str, names: _Names) -> str:
    """The statements for every version of the server, when there is no Connection to ask it which it is."""
    files = {queries.path(name, major * 10_000): major for major in range(NEWEST_MAJOR, OLDEST_MAJOR - 1, -1)}
    said = [f"-- Connection {read!r}: found none, so that the server was not asked for its version and its owners.\n"]
    for file, oldest in files.items():
        which = (
            f"-- For PostgreSQL {oldest} and later, up to the version of the block above; <owner> owns the tables.\n"
        )
        said.append(
            which + script(f"setup/{file.stem}", role=names.role, database=names.database, owner="<owner>") + "\n"
        )
    return "".join(said)


def _print_ledger_roles(config: Settings, arguments: argparse.Namespace) -> int:
    """The ledger's three roles; those whose Connection is not there yet are named like it."""
    if arguments.role:
        raise ConfigError(
            f"--role: found {arguments.role!r}, expected none: the ledger has three roles of its own names"
        )
    ledger = config.maintenance.ledger
    logins, missing = {}, []
    for role in ("owner", "tasks", "dashboard"):
        connection_id = getattr(ledger, role)
        try:
            logins[role] = _login(connection_id)
        except NoConnectionError:
            logins[role] = connection_id
            missing.append(connection_id)
    try:
        database = arguments.dbname or _database(ledger.owner)
    except NoConnectionError:
        database = LEDGER_DATABASE
    if missing:
        print(f"-- Found no Connection {', '.join(missing)}: each of these roles is named like its Connection.")
    print(script("setup/ledger_roles", database=database, **logins), end="")
    return 0


def _of_superuser(row: Row) -> str:
    """What to do where a superuser owns tables: a member of that role would be one, nearly."""
    owns = visible(f"{row['tables']} tables of schema {row['schema']} belong to {row['owner']}, a superuser")
    return (
        f"-- {owns}; nobody is granted a superuser's rights:\n"
        "-- give them another owner (ALTER TABLE … OWNER TO …), then print the grants again.\n"
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
        upgrade(connect)
        with session(connect, config.sql, read_only=False) as opened:
            opened.rows(script("setup/ledger_grants", tasks=tasks, dashboard=dashboard))
    except psycopg.Error as error:
        print(explain(error, config.ledger.owner), file=sys.stderr)
        return 1
    except NewerLedger as why:
        print(f"The ledger behind Connection {config.ledger.owner!r}: {why}", file=sys.stderr)
        return 1
    print(f"The ledger behind Connection {config.ledger.owner!r} is at revision {head()}.")
    return 0
