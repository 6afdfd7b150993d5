"""Databases copied from a template."""

import psycopg
from psycopg import sql


def copy_database(conn: psycopg.Connection, name: str, template: str) -> None:
    """Make a database from a template file by file: that takes half the time of the way through the WAL, or less."""
    how = sql.SQL("STRATEGY FILE_COPY" if conn.info.server_version >= 150000 else "")
    both = {"name": sql.Identifier(name), "template": sql.Identifier(template), "how": how}
    conn.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {template} {how}").format(**both))
