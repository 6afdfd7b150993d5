"""The maintained database of the sandbox: the guide's tables, 120 days of history, and the roles that come to it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from psycopg import Connection, sql

from upkeep.wires import queries
from upkeep.wires.database import script

ROLES = ("upkeep_read", "upkeep_maintain", "functions_twin", "app")
#: Owns the tables and never logs in.
OWNER = "platform_owner"
FILES = Path(__file__).parent


def load(conn: Connection[Any], passwords: Mapping[str, str]) -> None:
    """Make the connected database the target; on one that is a target already only the passwords are set.

    `conn` is an autocommit connection of a superuser, and `passwords` has one for each of ROLES; else ValueError.
    """
    if set(passwords) != set(ROLES):
        raise ValueError(f"passwords for {sorted(passwords)}; expected {sorted(ROLES)}")
    if not conn.autocommit:
        raise ValueError("the connection is not in autocommit mode: what it wrote could not be analysed")
    for name, password in passwords.items():
        _create_role(conn, name, password)
    if conn.execute("SELECT to_regclass('public.application_logs')").fetchone() == (None,):
        with conn.transaction():
            conn.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            conn.execute("CREATE EXTENSION IF NOT EXISTS pgstattuple")  # pg_monitor may call it
            for file in ("schema.sql", "seed.sql", "roles.sql"):
                conn.execute((FILES / file).read_bytes())
        # Counts of what this session wrote must arrive before ANALYZE sets them, or they are added on top.
        conn.execute("SELECT pg_stat_force_next_flush()")
        conn.execute("ANALYZE")


def grant(conn: Connection[Any]) -> None:
    """What `python -m upkeep grants` prints for the two roles that come to maintain it."""
    maintain = f"setup/{queries.path('setup/maintain_grants', conn.info.server_version).stem}"
    names = {"role": "upkeep_maintain", "database": conn.info.dbname, "owner": OWNER}
    conn.execute(script("setup/target_grants", role="upkeep_read", database=conn.info.dbname).encode())
    conn.execute(script(maintain, **names).encode())
    conn.execute(script("setup/index_grants", role="upkeep_maintain", owner=OWNER).encode())


def _create_role(conn: Connection[Any], name: str, password: str) -> None:
    """A role that may log in, made or given a new password, which the server sees only as a SCRAM verifier."""
    role = sql.Identifier(name)
    if conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone() is None:
        conn.execute(sql.SQL("CREATE ROLE {}").format(role))
    verifier = conn.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    conn.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(verifier)))
