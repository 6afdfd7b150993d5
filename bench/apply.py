"""Applying 50 actions by the engine beside the same statements from psql; a workload's p99 with guards and without."""

from __future__ import annotations

import re
import secrets
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bench.measure import Result, size, spread
from sandbox.ports import free_port
from sandbox.postgres import Cluster, bin_dir
from upkeep.areas.kinds import kinds
from upkeep.areas.tables import vacuum
from upkeep.core.windows import Window, WindowKind
from upkeep.gate import predictions
from upkeep.gate.apply.run import ApplyRun, Connectors
from upkeep.gate.decision_store import add_decision, add_shown
from upkeep.gate.permit_store import Receipt, past_actions
from upkeep.gate.permits import Decision
from upkeep.gate.plan_store import StoredPlan, add_plan
from upkeep.gate.plans.model import SCHEDULE, Plan, numbered
from upkeep.gate.signatures import keys
from upkeep.gate.signatures.keys import Signer
from upkeep.ledger.migrations.upgrade import upgrade
from upkeep.ledger.write import open_window
from upkeep.settings.approval import Person, Role
from upkeep.settings.load import settings
from upkeep.settings.maintenance import Maintenance
from upkeep.settings.signing import Signing, SigningKey
from upkeep.wires import database

GOAL = 1.15
#: An even number of rounds: every second filling of a table finds room that the VACUUM before made, and costs less, so
#: that each of the two must come first equally often.
ACTIONS, ROWS, ROUNDS = size((50, 30_000, 4), (2, 8_000, 2))
#: pgbench: scale, seconds of one measurement, clients.
SCALE, SECONDS, CLIENTS = size((10, 6, 4), (1, 4, 2))
#: Rows of the table that is vacuumed beside pgbench, and the fewest transactions that a p99 is told of.
BIG, FEWEST = size((400_000, 100), (20_000, 2))
DUE = datetime(2026, 1, 4, 3, tzinfo=UTC)
TARGET = "bench"


@dataclass
class Platform:
    """One server with a ledger and a target."""

    cluster: Cluster
    config: Maintenance
    signer: Signer

    def connect(self, name: str) -> Callable[[], psycopg.Connection[Any]]:
        """How to connect to one of the two databases."""
        return lambda: psycopg.connect(self.cluster.dsn(name))

    def admin(self) -> psycopg.Connection[Any]:
        """The target, as its superuser."""
        return psycopg.connect(self.cluster.dsn(TARGET), autocommit=True)

    def approved(self, tables: list[str]) -> StoredPlan:
        """A plan of a VACUUM for each table, approved by both roles."""
        now = datetime.now(UTC)
        with self.admin() as admin:
            rows = admin.execute("SELECT relname, oid::bigint FROM pg_class WHERE relname = ANY (%s)", [tables])
            oids = dict(rows.fetchall())
        with database.session(self.connect(TARGET), self.config.sql, read_only=True) as session:
            found, version = vacuum.candidates(session, self.config.optimise, []), session.version
        chosen = [row for row in found if row["oid"] in oids.values()]
        assert len(chosen) == len(tables), f"found {len(chosen)} candidates, expected {len(tables)}"
        with database.session(self.connect("ledger"), self.config.sql, read_only=True) as session:
            past = past_actions(session, TARGET, vacuum.KIND, now - predictions.REACH)
        known = predictions.learned(past, self.config.optimise.least_receipts)
        proposals = vacuum.propose(chosen, self.config.optimise, ("dba", "devops"), version, known)
        actions, measured = numbered(proposals)
        window = Window(
            TARGET, "weekly", WindowKind.MANUAL, DUE, now, DUE, now, secrets.token_hex(8), "bench", instance="1"
        )
        plan = Plan(
            target=TARGET,
            cadence="weekly",
            dag_id=window.dag_id,
            run_id=window.run_id,
            due=DUE,
            requested_by=SCHEDULE,
            database=TARGET,
            not_before=now,
            not_after=now + timedelta(hours=4),
            outside=True,
            actions=actions,
            instance=window.instance,
        )
        with database.session(self.connect("ledger"), self.config.sql, read_only=False) as session:
            open_window(session, window)
            stored = add_plan(session, window, plan, measured)
            for role in ("dba", "devops"):
                self._decide(session, window, stored, role)
        return stored

    def _decide(self, session: database.Session, window: Window, stored: StoredPlan, role: str) -> None:
        ids = [action.id for action in stored.plan.actions]
        shown = {"task_id": role, "map_index": -1, "try_number": 1}
        more = {"role": role, "digest": stored.digest, "body_digest": "", "action_ids": ids, "asked": [role]}
        number = add_shown(session, window, shown | more, self.signer)
        decision = Decision(role, role, frozenset(ids), datetime.now(UTC))
        add_decision(session, stored.digest, number, decision, self.signer)

    def apply(self, stored: StoredPlan) -> list[Receipt]:
        """Apply it all; the receipts."""
        connectors = Connectors(self.connect("ledger"), self.connect(TARGET), self.connect(TARGET))
        run, asked = stored.plan.run_id, stored.plan.requested_by
        applying = ApplyRun(
            connectors, kinds(), self.config, lambda: self.config, stored, run, self.signer, lambda _: None, asked
        )
        outcomes = applying.run()
        receipts = [outcome.receipt for outcome in outcomes if outcome.state == "done" and outcome.receipt]
        assert len(receipts) == len(outcomes), [outcome.reason for outcome in outcomes]
        return receipts

    def psql(self, script: Path) -> None:
        """Run a file of statements in one session."""
        psql = str(bin_dir() / "psql")
        options = ["-qAt", "-v", "ON_ERROR_STOP=1", "-f", str(script)]
        subprocess.run([psql, self.cluster.dsn(TARGET), *options], check=True, capture_output=True)


@contextmanager
def open_platform() -> Iterator[tuple[Platform, Path]]:
    """A server with both databases, autovacuum off, and a folder that ends with the block."""
    with tempfile.TemporaryDirectory() as name:
        cluster = Cluster(Path(name) / "data", free_port(), secrets.token_hex(8))
        cluster.init()
        server = cluster.start()
        try:
            with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as admin:
                admin.execute("ALTER SYSTEM SET autovacuum = off")
                admin.execute("SELECT pg_reload_conf()")
                admin.execute("CREATE DATABASE ledger")
                admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TARGET)))
                (pinned,) = admin.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone() or ("",)
            upgrade(lambda: psycopg.connect(cluster.dsn("ledger")))
            config = settings().maintenance
            target = next(iter(config.targets.values())).model_copy(update={"system_identifier": pinned})
            people: dict[str, object] = {
                "targets": {TARGET: target},
                "people": {"dba": Person(), "devops": Person()},
                "roles": {role: Role(title=role, users=(role,)) for role in ("dba", "devops")},
            }
            secret, public = keys.generate()
            signing = Signing(keys={"bench": SigningKey(public=public)})
            people["ledger"] = config.ledger.model_copy(update={"signing": signing})
            signer = keys.signer(signing, secret, datetime.now(UTC))
            yield Platform(cluster, config.model_copy(update=people), signer), Path(name)
        finally:
            cluster.stop(server)


def _script(file: Path, config: Maintenance, statements: list[str], *, gentle: bool = True) -> Path:
    """The statements with the engine's cost settings, or with none."""
    delay = f"{config.optimise.vacuum_cost_delay_ms:g}ms" if gentle else "0"
    lines = [f"SET vacuum_cost_delay = '{delay}'", f"SET vacuum_cost_limit = {config.optimise.vacuum_cost_limit}"]
    file.write_text(";\n".join([*lines, *statements]) + ";\n")
    return file


# The engine beside psql ---------------------------------------------------------------------------------------


def run() -> Result:
    """Alternate the two on equally dirty tables; which comes first changes each round."""
    with open_platform() as (platform, folder):
        tables = [f"t_{number:02}" for number in range(ACTIONS)]
        with platform.admin() as admin:
            for table in tables:
                name = sql.Identifier(table)
                admin.execute(sql.SQL("CREATE TABLE {} (id int PRIMARY KEY, v int, wide text)").format(name))
                fill = "INSERT INTO {} SELECT n, 0, repeat('x', 60) FROM generate_series(1, {}) n"
                admin.execute(sql.SQL(fill).format(name, ROWS))
        ours: list[float] = []
        theirs: list[float] = []
        medians: list[float] = []
        predicted: list[int] = []

        def engine() -> None:
            stored = platform.approved(tables)
            began = time.monotonic()
            receipts = platform.apply(stored)
            ours.append(time.monotonic() - began)
            medians.append(statistics.median(receipt.duration_ms or 0 for receipt in receipts))
            predicted.extend(action.predicted_ms for action in stored.plan.actions)

        def psql() -> None:
            statements = [action.statement for action in platform.approved(tables).plan.actions]
            script = _script(folder / "script.sql", platform.config, statements)
            began = time.monotonic()
            platform.psql(script)
            theirs.append(time.monotonic() - began)

        for number in range(ROUNDS + 1):
            for job in (engine, psql) if number % 2 else (psql, engine):
                _dirty(platform, tables)
                job()
    return _ratio(ours[1:], theirs[1:], medians[1:], predicted)


def _dirty(platform: Platform, tables: list[str]) -> None:
    with platform.admin() as admin:
        for table in tables:
            admin.execute(sql.SQL("UPDATE {} SET v = v + 1 WHERE id % 5 = 0").format(sql.Identifier(table)))
        admin.execute("CHECKPOINT")


def _ratio(ours: list[float], theirs: list[float], medians: list[float], predicted: list[int]) -> Result:
    ratio = statistics.median(ours) / statistics.median(theirs)
    per_action = (statistics.median(ours) - statistics.median(theirs)) / ACTIONS * 1000
    return Result(
        f"applying {ACTIONS} VACUUMs under permits and guards, by the same statements from psql",
        f"{ratio:.2f}",
        f"at most {GOAL}, where the median action takes at least 100 ms",
        ratio <= GOAL and statistics.median(medians) >= 100,
        (
            f"the engine: {spread(ours)}",
            f"psql: {spread(theirs)}",
            f"median action: {statistics.median(medians):.0f} ms, predicted {statistics.median(predicted):.0f} ms",
            f"fixed overhead {per_action:.1f} ms an action, connecting and locking included",
        ),
    )


# A workload beside it -----------------------------------------------------------------------------------------


def latency() -> Result:
    """pgbench at 30 % of its capacity: alone, beside a guarded apply, beside the same statements without delay."""
    with open_platform() as (platform, folder):
        _pgbench(platform, "-i", "-q", "-s", str(SCALE))
        with platform.admin() as admin:
            admin.execute("CREATE TABLE big (id int PRIMARY KEY, v int, wide text)")
            filled = "INSERT INTO big SELECT n, 0, repeat('x', 200) FROM generate_series(1, {}) n"
            admin.execute(sql.SQL(filled).format(sql.Literal(BIG)))
        capacity = float(_found(r"tps = ([\d.]+)", _pgbench(platform, "-c", str(CLIENTS), "-T", "5")))
        rate = 0.3 * capacity

        def guarded() -> None:
            platform.apply(platform.approved(["big"]))

        def unguarded() -> None:
            statement = platform.approved(["big"]).plan.actions[0].statement
            platform.psql(_script(folder / "script.sql", platform.config, [statement], gentle=False))

        alone: list[float] = []
        beside: dict[str, list[float]] = {"guarded": [], "unguarded": []}
        for number in range(size(5, 1)):
            order = (("guarded", guarded), ("unguarded", unguarded))
            for name, job in [*order, *order[::-1]] if number % 2 else [*order[::-1], *order]:
                with platform.admin() as admin:
                    admin.execute("UPDATE big SET v = v + 1 WHERE id % 4 = 0")
                    admin.execute("CHECKPOINT")
                beside[name].append(_p99(platform, folder, rate, job))
            alone.append(_p99(platform, folder, rate, lambda: None))
    return _excess(alone, beside["guarded"], beside["unguarded"], rate)


def _pgbench(platform: Platform, *options: str, folder: str = "/") -> str:
    argv = [str(bin_dir() / "pgbench"), *options, platform.cluster.dsn(TARGET)]
    return subprocess.run(argv, check=True, capture_output=True, text=True, cwd=folder).stdout


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match.group(1)


def _p99(platform: Platform, folder: Path, rate: float, job: Callable[[], None]) -> float:
    """Milliseconds that 99 % of the transactions stay under while the job runs; pgbench ends with it or later."""
    logs = Path(tempfile.mkdtemp(dir=folder))
    argv = [str(bin_dir() / "pgbench"), "-n", "-c", str(CLIENTS), "-R", f"{rate:.0f}", "-T", str(SECONDS), "-l"]
    bench = subprocess.Popen(
        [*argv, platform.cluster.dsn(TARGET)], cwd=logs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(1)
    began = time.time()
    job()
    ended = max(time.time(), began + 2)
    assert bench.wait(120) == 0
    took = []
    for file in logs.glob("pgbench_log.*"):
        for line in file.read_text().splitlines():
            fields = line.split()
            if began <= int(fields[4]) + int(fields[5]) / 1e6 <= ended:
                took.append(int(fields[2]) / 1000)
    assert len(took) > FEWEST, f"found {len(took)} transactions beside the job, expected more than {FEWEST}"
    return statistics.quantiles(took, n=100)[98]


def _excess(alone: list[float], guarded: list[float], unguarded: list[float], rate: float) -> Result:
    quiet = statistics.median(alone)
    ours = statistics.median(guarded) - quiet
    theirs = statistics.median(unguarded) - quiet
    noise = max(statistics.quantiles(values)[2] - statistics.quantiles(values)[0] for values in (guarded, unguarded))
    sure = abs(theirs - ours) > noise
    return Result(
        f"pgbench at {rate:.0f} transactions a second: p99 excess beside a guarded apply, by the same unguarded",
        f"{ours:.1f} ms beside {theirs:.1f} ms"
        if sure
        else f"no claim: the spread ({noise:.1f} ms) exceeds the effect",
        "less than unguarded, or no claim",
        not sure or ours < theirs,
        tuple(
            f"p99 {name}: median {statistics.median(values):.1f} ms of {len(values)}"
            f" ({min(values):.1f} to {max(values):.1f})"
            for name, values in (("alone", alone), ("guarded", guarded), ("unguarded", unguarded))
        ),
    )
