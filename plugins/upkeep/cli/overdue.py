"""``python -m upkeep overdue``: a witness for cron, systemd or a monitoring agent, which reads the ledger alone.

It imports no Airflow: it needs less than a second, and works while Airflow stands still. So its Connection comes from
the environment alone, and is read here as Airflow's documentation of Connections says.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg

from upkeep.areas.calendar.overdue import standings
from upkeep.areas.calendar.reconcile import read_known
from upkeep.settings.base import ConfigError
from upkeep.settings.calendar import calendar_settings
from upkeep.settings.maintenance import Sql
from upkeep.wires import database, queries


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each target and cadence. Returns 0 when all is well, 1 when not, 2 when the ledger is away."""
    config, now = calendar_settings(), datetime.now(UTC)
    if arguments.target:
        config.target(arguments.target)
    asked = (arguments.target,) if arguments.target else config.targets
    connection_id = config.maintenance.ledger.dashboard
    parameters = _parameters(connection_id, config.maintenance.sql)
    try:
        with database.session(lambda: psycopg.connect(**parameters), config.maintenance.sql, read_only=True) as session:
            known = read_known(session)
            rows = session.rows(queries.load("calendar/last_ended"))
    except psycopg.Error as error:
        print(database.explain(error, connection_id), file=sys.stderr)
        return 2
    last = {(row["target"], row["cadence"]): row["due"] for row in rows}
    found = [one for one in standings(known, last, config, now) if one.target in asked]
    width = max(len(one.target) for one in found)
    for one in found:
        word = one.word if one.word == "ok" else one.word.upper()
        print(f"{one.target:<{width}}  {one.cadence:<7}  {word:<7}  {one.detail}")
    return int(any(one.word != "ok" for one in found))


def _parameters(connection_id: str, sql: Sql) -> dict[str, Any]:
    """The Connection's, as Airflow reads it from the environment: JSON or a URI. Raises ConfigError without one."""
    variable = f"AIRFLOW_CONN_{connection_id.upper()}"
    text = os.environ.get(variable, "").strip()
    try:
        found = json.loads(text) if text.startswith("{") else _of_uri(text)
        more = found.get("extra") or {}
        more = dict(json.loads(more) if isinstance(more, str) else more)
    except (TypeError, ValueError):
        raise ConfigError(f"{variable}: found neither JSON nor a URI, expected a Connection to the ledger") from None
    if not found.get("host"):
        raise ConfigError(
            f"{variable}: found {'no host' if text else 'nothing'} in the environment, expected the Connection to the "
            "ledger, such as postgres://user:password@host:5432/upkeep; no secrets backend is asked, it needs Airflow"
        )
    names = {"host": "host", "port": "port", "login": "user", "password": "password", "schema": "dbname"}
    given = {ours: found[theirs] for theirs, ours in names.items() if found.get(theirs) not in (None, "")}
    return {"connect_timeout": sql.connect_timeout_seconds, "application_name": "upkeep overdue", **more, **given}


def _of_uri(text: str) -> dict[str, Any]:
    parts = urlsplit(text)
    return {
        "host": unquote(parts.hostname or ""),
        "port": parts.port,
        "login": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "schema": unquote(parts.path.lstrip("/")),
        "extra": dict(parse_qsl(parts.query)),
    }
