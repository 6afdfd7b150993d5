"""What the security audit costs: 10,000 tables, 2,000 roles and 50,000 grants, by half of each."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime
from typing import LiteralString

import psycopg
from psycopg import sql

from bench.measure import Result, size
from bench.platform import running_server
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import find
from upkeep.areas.security.audit.rules import RULES
from upkeep.settings.load import settings
from upkeep.wires import database

GOAL = 2.2
TABLES, ROLES, GRANTS = size((10_000, 2_000, 50_000), (40, 20, 200))
ROUNDS = size(5, 1)

#: A role by another for every five tables, each a member of one of ten groups; each group is in the first one's.
ROLES_MADE: LiteralString = """
    DO $$ BEGIN FOR n IN {first}..{last} LOOP
        EXECUTE format('CREATE ROLE grown_%s LOGIN', n);
        IF n > 10 THEN EXECUTE format('GRANT grown_%s TO grown_%s', 1 + n % 10, n); END IF;
        IF n % 500 = 0 THEN COMMIT; END IF;
    END LOOP; END $$
"""
#: Every second table has row-level security, every fourth a policy too; five roles may read each, and of every tenth
#: there are a view and a function of its owner's rights, and anon may write to it.
TABLES_MADE: LiteralString = """
    DO $$ BEGIN FOR n IN {first}..{last} LOOP
        EXECUTE format('CREATE TABLE grown_%s (id bigint, note text)', n);
        EXECUTE format('GRANT SELECT ON grown_%s TO %s', n,
            (SELECT string_agg('grown_' || 1 + (n * 5 + k) % {roles}, ', ') FROM generate_series(1, 5) AS k));
        IF n % 2 = 0 THEN EXECUTE format('ALTER TABLE grown_%s ENABLE ROW LEVEL SECURITY', n); END IF;
        IF n % 4 = 0 THEN EXECUTE format('CREATE POLICY p ON grown_%s FOR INSERT WITH CHECK (true)', n); END IF;
        IF n % 10 = 1 THEN
            EXECUTE format('CREATE VIEW seen_%s AS SELECT * FROM grown_%s', n, n);
            EXECUTE format('CREATE FUNCTION done_%s() RETURNS int LANGUAGE sql SECURITY DEFINER AS ''SELECT 1''', n);
            EXECUTE format('GRANT SELECT, INSERT ON grown_%s, seen_%s TO anon', n, n);
        END IF;
        IF n % 200 = 0 THEN COMMIT; END IF;
    END LOOP; END $$
"""


def run() -> Result:
    """A server of its own; the audit at half of everything and at all of it."""
    with running_server() as cluster:
        return _measure(cluster.dsn("postgres"))


def _measure(dsn: str) -> Result:
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("CREATE ROLE anon")
        admin.execute("CREATE ROLE authenticated")
        times, sizes = [], []
        for part in (0, 1):
            _grow(admin, part)
            times.append({"": _audit(dsn)} | {rule.name: _rule(dsn, rule.name) for rule in RULES})
            sizes.append(_size(admin))
    half, whole = (found.pop("") for found in times)
    slowest = sorted(times[1].items(), key=lambda item: -item[1])[:5]
    return Result(
        f"the security audit on {TABLES:,} tables, {ROLES:,} roles and {GRANTS:,} grants, by half of each",
        f"{whole / half:.2f}",
        f"at most {GOAL}",
        whole / half <= GOAL,
        (
            f"{len(RULES)} rules: {half:.2f} s at half ({sizes[0]}), {whole:.2f} s at all ({sizes[1]})",
            *(f"{name}: {times[0][name]:.3f} s, then {seconds:.3f} s" for name, seconds in slowest),
        ),
    )


def _grow(admin: psycopg.Connection[object], part: int) -> None:
    """Make the first or the second half; both grant to roles that are there."""
    for made, every in ((ROLES_MADE, ROLES), (TABLES_MADE, TABLES)):
        numbers = {
            "first": sql.Literal(1 + part * every // 2),
            "last": sql.Literal((part + 1) * every // 2),
            "roles": sql.Literal((part + 1) * ROLES // 2),
        }
        admin.execute(sql.SQL(made).format(**numbers))
    admin.execute("VACUUM ANALYZE")


def _size(admin: psycopg.Connection[object]) -> str:
    """What there really is, so that the claim is not taken from the script's own word."""
    row = admin.execute(
        "SELECT (SELECT count(*) FROM pg_class WHERE relname LIKE 'grown%' AND relkind = 'r'),"
        " (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'grown%'),"
        " (SELECT count(*) FROM pg_class, aclexplode(relacl) AS e"
        "  WHERE relname LIKE 'grown%' AND e.grantee <> relowner)"
    ).fetchone()
    tables, roles, grants = row if isinstance(row, tuple) else (0, 0, 0)
    return f"{tables:,} tables, {roles:,} roles, {grants:,} grants"


def _audit(dsn: str) -> float:
    """The median time of the whole check, in seconds, each in a session of its own."""
    config, found = settings(), []
    for _ in range(ROUNDS):
        with database.session(lambda: psycopg.connect(dsn), config.maintenance.sql, read_only=True) as session:
            began = time.monotonic()
            carry_out(find("audit"), Look(session, config, datetime.now(UTC)))
            found.append(time.monotonic() - began)
    return statistics.median(found)


def _rule(dsn: str, name: str) -> float:
    """The median time of one rule's statement, in seconds."""
    config, found = settings().maintenance, []
    parameters = config.audit.model_dump(mode="json", exclude={"leave_out"})
    with database.session(lambda: psycopg.connect(dsn), config.sql, read_only=True) as session:
        for _ in range(ROUNDS):
            began = time.monotonic()
            session.rows(session.load(f"security/audit/{name}"), parameters)
            found.append(time.monotonic() - began)
    return statistics.median(found)
