"""Which servers these are: what config pins so that nothing is changed elsewhere (docs/gate.md, rule 8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from upkeep.flow.connections import postgres, trusted
from upkeep.gate.decision_store import ledger_identity
from upkeep.settings.base import ConfigError
from upkeep.settings.load import Settings
from upkeep.wires import database, queries


@dataclass(frozen=True)
class Identity:
    """A setting and its value, in quotes where YAML would take it for a number; without a value ``why`` says why."""

    setting: str
    value: str = ""
    why: str = ""

    @property
    def line(self) -> str:
        """What to write into config/maintenance.yaml."""
        return f'{self.setting}: "{self.value}"' if self.value.isdecimal() else f"{self.setting}: {self.value}"


def of_target(config: Settings, target: str) -> Identity:
    """The server behind the Connection that may change it, or where there is none, behind the one that reads."""
    connections = config.target(target).connections
    found = Identity(f"targets.{target}.system_identifier", why="no Connection")
    for connection_id, find in ((connections.maintain, trusted), (connections.read, postgres)):
        if connection_id is not None and not found.value:
            found = _ask(found.setting, config, connection_id, find, of_server)
    return found


def of_ledger(config: Settings) -> Identity:
    """The ledger that tasks write to."""
    return _ask("ledger.identity", config, config.maintenance.ledger.tasks, trusted, ledger_identity)


def of_server(session: database.Session) -> str:
    """The server's system identifier."""
    return str(session.row(queries.load("setup/identity"))["id"])


def _ask(
    setting: str,
    config: Settings,
    connection_id: str,
    find: Callable[[str], database.Connect],
    ask: Callable[[database.Session], str],
) -> Identity:
    try:
        with database.session(find(connection_id), config.maintenance.sql, read_only=True) as session:
            return Identity(setting, ask(session))
    except psycopg.Error as error:
        return Identity(setting, why=f"{setting}: {database.explain(error, connection_id)}")
    except (ConfigError, LookupError) as error:
        return Identity(setting, why=f"{setting}: {error}")
