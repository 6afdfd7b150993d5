"""What docker-compose.yaml's Airflow needs before it starts: databases, roles, tables, the pool, the first users.

Runs at each ``docker compose up``, also after one that ended halfway: what is there stays as it is, and the passwords
of these databases' roles become those of the environment. The server's own and the users' are changed where they are.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from typing import Any

import psycopg
import sqlparse
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from psycopg import sql

from upkeep.wires.database import script

LEDGER = {"owner": "upkeep_ledger_owner", "tasks": "upkeep_ledger", "dashboard": "upkeep_ledger_dashboard"}
#: Role of a database → the variable with its password.
PASSWORDS = {
    "airflow": "AIRFLOW_DATABASE_PASSWORD",
    "celery": "CELERY_PASSWORD",
    LEDGER["owner"]: "LEDGER_OWNER_PASSWORD",
    LEDGER["tasks"]: "LEDGER_PASSWORD",
    LEDGER["dashboard"]: "LEDGER_DASHBOARD_PASSWORD",
}
#: Who holds the guide's roles on the platform to try, in config and in Airflow.
HOLDERS = {"dora": "dba", "omar": "devops", "sana": "security", "lena": "lead"}


def main() -> None:
    """One step after the other; the first that fails ends it, with what it said."""
    password = os.environ["POSTGRES_PASSWORD"]
    with psycopg.connect(host="postgres", user="postgres", password=password, autocommit=True) as server:
        _databases(server)
    _run("airflow", "db", "migrate")
    owner = f"postgres://{LEDGER['owner']}:{os.environ['LEDGER_OWNER_PASSWORD']}@postgres/upkeep"
    _run(sys.executable, "-m", "upkeep", "ledger", "upgrade", AIRFLOW_CONN_UPKEEP_LEDGER_OWNER=owner)
    _run("airflow", "pools", "set", "upkeep_mutations", "1", "one mutation at a time")
    users = {"admin": user("admin", "Admin", os.environ["ADMIN_PASSWORD"])}
    if os.environ["SANDBOX_PASSWORD"]:
        from sandbox import composed  # noqa: PLC0415  # there with --sandbox alone

        holders = {name: user(name, "User", os.environ["ADMIN_PASSWORD"]) for name in HOLDERS}
        composed.prepare(users | holders, HOLDERS)
    print("Prepared.", flush=True)


def _databases(server: psycopg.Connection[Any]) -> None:
    for name in ("airflow", "celery"):
        _create(server, name, f"CREATE ROLE {name} LOGIN", f"CREATE DATABASE {name} OWNER {name}")
    # A killed process's children may hold its session open, in whatever transaction it was: with that, its locks.
    server.execute("ALTER ROLE airflow SET idle_in_transaction_session_timeout = '60s'")
    _create(server, "upkeep", *sqlparse.split(script("setup/ledger_roles", database="upkeep", **LEDGER)))
    for role, variable in PASSWORDS.items():
        # The server, and its log, see a verifier alone.
        password = server.pgconn.encrypt_password(os.environ[variable].encode(), role.encode(), b"scram-sha-256")
        alter = sql.SQL("ALTER ROLE {} PASSWORD {}")
        server.execute(alter.format(sql.Identifier(role), sql.Literal(password.decode())))


def _create(server: psycopg.Connection[Any], database: str, *statements: str) -> None:
    """A database with its roles, of which some may be there from a call that ended halfway."""
    if server.execute("SELECT FROM pg_database WHERE datname = %s", [database]).rowcount:
        return
    for statement in statements:
        with suppress(psycopg.errors.DuplicateObject):
            server.execute(statement.encode())


def user(name: str, role: str, password: str) -> str:
    """The number of a user of Airflow's FAB auth manager, who is made when there is none."""
    with get_application_builder() as builder:
        users = builder.sm
        found = users.find_user(username=name) or users.add_user(
            username=name,
            first_name=name.title(),
            last_name="-",
            email=f"{name}@upkeep.invalid",
            role=users.find_role(role),
            password=password,
        )
        return str(found.id)


def _run(*command: str, **more: str) -> None:
    print(f"$ {' '.join(command)}", flush=True)
    done = subprocess.run(command, env=os.environ | more, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}")


if __name__ == "__main__":
    main()
