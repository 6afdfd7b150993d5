"""What every check finds in a database, and the reader that it comes with."""

from __future__ import annotations

from datetime import datetime

import psycopg
from psycopg.conninfo import conninfo_to_dict

from sandbox.postgres import Cluster
from tests.stages.platform import Platform, bare, grant, login, platform  # noqa: F401  # two are fixtures
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import CHECKS
from upkeep.core.findings import Finding
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings
from upkeep.wires import database

CONFIG = settings(ROOT / "config")
CLOCKS = CONFIG.maintenance.sql


def found_by_all(dsn: str, now: datetime, config: Settings = CONFIG) -> dict[str, tuple[Finding, ...]]:
    """What every check finds there."""
    found = {}
    for name, check in CHECKS.items():
        with database.session(lambda: psycopg.connect(dsn), CLOCKS, read_only=True) as session:
            found[name] = carry_out(check, Look(session, config, now)).findings
        assert found[name], name
        assert all(finding.detail for finding in found[name]), name
    return found


def reader_of(cluster: Cluster, dsn: str, passwords: dict[str, str]) -> str:
    """The read role's conninfo in this database, with the project's own grants."""
    name = str(conninfo_to_dict(dsn)["dbname"])
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(database.script("setup/target_grants", role="upkeep_read", database=name).encode())
    return cluster.dsn(name, "upkeep_read", passwords["upkeep_read"])
