"""A server with a ledger and a target, where plans are drawn up, approved by two roles and applied, without Airflow."""

from __future__ import annotations

import secrets
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from sandbox.ports import free_port
from sandbox.postgres import Cluster, bin_dir
from upkeep.areas.kinds import kinds
from upkeep.areas.tables import vacuum
from upkeep.core.windows import Window, WindowKind
from upkeep.gate import predictions
from upkeep.gate.apply.run import ApplyRun, Connectors
from upkeep.gate.attempts import Receipt
from upkeep.gate.decision_store import add_decision, add_shown
from upkeep.gate.permit_store import past_actions
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
def running_server() -> Iterator[Cluster]:
    """A server of its own, as the sandbox starts it; it and its files end with the block."""
    with tempfile.TemporaryDirectory() as name:
        cluster = Cluster(Path(name) / "data", free_port(), secrets.token_hex(8))
        cluster.init()
        server = cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop(server)


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
