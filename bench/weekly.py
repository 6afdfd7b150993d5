"""What the weekly window's catalogue SQL costs as the catalogue grows: 10,000 tables with 30,000 indexes, by half."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import LiteralString

import psycopg
from psycopg import sql

from bench.measure import Result, size
from bench.platform import running_server
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import find
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database

GOAL = 2.2
TABLES = size(10_000, 40)
ROUNDS = size(5, 1)
#: Checks of logs read rows, not the catalogue.
OF_LOGS = ("access_patterns",)

#: Tables with three indexes each, from a number to another.
MADE: LiteralString = """
    DO $$ BEGIN FOR n IN {first}..{last} LOOP
        EXECUTE format('CREATE TABLE grown_%s (id bigint, other bigint, note text)', n);
        EXECUTE format('CREATE INDEX ON grown_%s (id)', n);
        EXECUTE format('CREATE INDEX ON grown_%s (other)', n);
        EXECUTE format('CREATE INDEX ON grown_%s (note)', n);
        IF n % 500 = 0 THEN COMMIT; END IF;
    END LOOP; END $$
"""


def run() -> Result:
    """A server of its own; every catalogue check of the weekly DAG at half of the tables and at all of them."""
    with running_server() as cluster:
        return _measure(cluster.dsn("postgres"))


def _measure(dsn: str) -> Result:
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        times = []
        for first, last in ((1, TABLES // 2), (TABLES // 2 + 1, TABLES)):
            admin.execute(sql.SQL(MADE).format(first=sql.Literal(first), last=sql.Literal(last)))
            admin.execute("VACUUM ANALYZE pg_catalog.pg_class, pg_catalog.pg_index, pg_catalog.pg_attribute")
            times.append({name: _timed(dsn, name) for name in _names()})
    half, whole = (sum(found.values()) for found in times)
    slowest = sorted(times[1].items(), key=lambda item: -item[1])[:5]
    return Result(
        f"catalogue checks of the weekly window on {TABLES:,} tables and {3 * TABLES:,} indexes, by half of each",
        f"{whole / half:.2f}",
        f"at most {GOAL}",
        whole / half <= GOAL,
        (
            f"{len(_names())} checks: {half:.2f} s at half, {whole:.2f} s at all",
            *(f"{name}: {times[0][name]:.2f} s, then {seconds:.2f} s" for name, seconds in slowest),
        ),
    )


def _names() -> list[str]:
    """The SQL checks that the weekly DAG names, each once."""
    text = (ROOT / "dags" / "maintenance_weekly.py").read_text(encoding="utf-8")
    return [name for name in dict.fromkeys(re.findall(r'flow\.check\("\w+/(\w+)"', text)) if name not in OF_LOGS]


def _timed(dsn: str, name: str) -> float:
    """The least time of a check, in seconds: what else the machine does only adds to it."""
    config, found = settings(), []
    for _ in range(ROUNDS):
        with database.session(lambda: psycopg.connect(dsn), config.maintenance.sql, read_only=True) as session:
            began = time.monotonic()
            carry_out(find(name), Look(session, config, datetime.now(UTC)))
            found.append(time.monotonic() - began)
    return min(found)
