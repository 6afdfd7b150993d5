"""Defaults of a database and of a role that break whoever rests on the usual ones.

``make hostile`` runs the tests of SQL and of apply with them: what the product opens has them, what a test opens for
itself does not, for a test may read as it likes. ``tests/areas/test_hostile_defaults.py`` is the sample of every day.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

#: Whether this run has them everywhere.
EVERYWHERE = os.environ.get("UPKEEP_HOSTILE_DEFAULTS") == "1"

#: What a database may have: each legal, none what the server ships with.
DATABASE: dict[str, str] = {
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "array_nulls": "off",
    "backslash_quote": "on",
    "bytea_output": "escape",
    "client_encoding": "LATIN1",
    "cursor_tuple_fraction": "1",
    "default_statistics_target": "1",
    "default_text_search_config": "pg_catalog.german",
    "default_toast_compression": "pglz",
    "default_transaction_deferrable": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "enable_bitmapscan": "off",
    "enable_hashagg": "off",
    "enable_hashjoin": "off",
    "enable_indexonlyscan": "off",
    "enable_indexscan": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "enable_sort": "off",
    "escape_string_warning": "off",
    "extra_float_digits": "-10",
    "gin_fuzzy_search_limit": "1",
    "idle_in_transaction_session_timeout": "1s",
    "idle_session_timeout": "1s",
    "jit_above_cost": "0",
    "lock_timeout": "1ms",
    "plan_cache_mode": "force_generic_plan",
    "quote_all_identifiers": "on",
    "random_page_cost": "1000",
    "row_security": "off",
    "search_path": "elsewhere, public",
    "standard_conforming_strings": "off",
    "statement_timeout": "1s",
    "stats_fetch_consistency": "none",
    "synchronous_commit": "off",
    "transaction_timeout": "1s",
    "transform_null_equals": "on",
    "vacuum_freeze_min_age": "0",
    "work_mem": "64kB",
    "xmlbinary": "hex",
    "xmloption": "document",
}

#: In all tests: the audit has something to say of row_security, and a standby that defaults to serializable answers no
#: statement outside a transaction, whoever asks.
_MILDER = {"row_security": "on", "default_transaction_isolation": "repeatable read"}

#: What a role may have on top: its own defaults go before the database's.
ROLE: Mapping[str, str] = {
    "DateStyle": "German, MDY",
    "IntervalStyle": "iso_8601",
    "TimeZone": "Pacific/Marquesas",
    "bytea_output": "escape",
    "client_encoding": "SQL_ASCII",
    "extra_float_digits": "-15",
    "lock_timeout": "2ms",
    "search_path": "",
    "statement_timeout": "2s",
}


def _alter(
    statement: LiteralString, owner: str, settings: Mapping[str, str], connection: psycopg.Connection[Any]
) -> None:
    names = [name.lower() for name in settings]
    known = connection.execute("SELECT lower(name) FROM pg_catalog.pg_settings WHERE lower(name) = ANY (%s)", [names])
    have = {name for (name,) in known}  # an older server does not know them all
    for name, value in settings.items():
        if name.lower() in have:
            filled = sql.SQL(statement).format(sql.Identifier(owner), sql.Identifier(name.lower()), sql.Literal(value))
            connection.execute(filled)


def database(connection: psycopg.Connection[Any], name: str) -> None:
    """Give a database such defaults."""
    _alter("ALTER DATABASE {} SET {} = {}", name, DATABASE | (_MILDER if EVERYWHERE else {}), connection)


def choosing(connection: psycopg.Connection[Any]) -> None:
    """Let the planner choose again in a connection's database: where it may not, no index is worth anything."""
    for name in (one for one in DATABASE if one.startswith(("enable_", "random_page_cost"))):
        reset = sql.SQL("ALTER DATABASE {} RESET {}")
        connection.execute(reset.format(sql.Identifier(connection.info.dbname), sql.Identifier(name)))


def role(connection: psycopg.Connection[Any], name: str) -> None:
    """Give a role such defaults."""
    _alter("ALTER ROLE {} SET {} = {}", name, ROLE, connection)


@contextmanager
def defaults(dsn: str, roles: Iterable[str] = ()) -> Iterator[None]:
    """Such defaults for a superuser's database and for some roles, for the length of the block."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        name = connection.info.dbname
        database(connection, name)
        for each in roles:
            role(connection, each)
    try:
        yield
    finally:
        if not EVERYWHERE:
            with psycopg.connect(dsn, autocommit=True, options="-c default_transaction_read_only=off") as connection:
                connection.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(name)))
                for each in roles:
                    connection.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(sql.Identifier(each)))


# Everywhere -----------------------------------------------------------------------------------------------------

_OURS = tuple(str(Path(__file__).parents[2] / folder) for folder in ("tests", "sandbox"))
_CONNECT = psycopg.Connection.connect
#: What the server ships with, which is what a test for itself expects; asked once.
_USUAL = """
    SELECT s.name, CASE s.name WHEN 'client_encoding' THEN 'UTF8' ELSE coalesce(s.boot_val, '') END
    FROM pg_catalog.pg_settings s WHERE lower(s.name) = ANY (%s)
"""


@cache
def _usual(server: str) -> str:
    """The options that give a connection to a server its usual settings."""
    with _CONNECT(server, client_encoding="UTF8") as connection:
        rows = connection.execute(_USUAL, [[name.lower() for name in (*DATABASE, *ROLE)]]).fetchall()
    escaped = {name: re.sub(r"([\\\s])", r"\\\1", value) for name, value in rows}
    return " ".join(f"-c {name}={value}" for name, value in escaped.items())


def _connect(conninfo: str = "", **given: Any) -> psycopg.Connection[Any]:
    """Connect; for a test itself with the usual settings. A lambda is what it hands to the product to connect with."""
    code = sys._getframe(1).f_code
    if not code.co_filename.startswith(_OURS) or code.co_name == "<lambda>":
        return _CONNECT(conninfo, **given)
    asked = conninfo_to_dict(conninfo)
    if "options" in given or "options" in asked:
        return _CONNECT(conninfo, **given)
    server = make_conninfo(**{**asked, "dbname": "postgres"})
    return _CONNECT(conninfo, **given, options=_usual(server))


def everywhere() -> None:
    """From now on what tests open for themselves has the usual settings, whatever the database's defaults are."""
    psycopg.connect = _connect  # type: ignore[assignment]
