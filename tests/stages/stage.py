"""A ledger, a target and a plan with decisions: what the tests of apply begin with."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from tests.stages.ledger import Ledger
from tests.stages.process import Applying
from tests.stages.sessions import running, to, until
from tests.stages.signing import SIGNER, pinned
from upkeep.areas.kinds import kinds
from upkeep.areas.tables import vacuum
from upkeep.core.windows import Window, WindowKind
from upkeep.gate.apply.outcomes import ActionOutcome
from upkeep.gate.apply.run import ApplyRun, Connectors
from upkeep.gate.decision_store import add_decision, add_shown
from upkeep.gate.permit_store import permits_of_plan
from upkeep.gate.permits import Decision
from upkeep.gate.plan_store import StoredPlan, add_plan
from upkeep.gate.plans.model import MOST_ACTIONS, SCHEDULE, Plan, numbered
from upkeep.ledger.write import open_window
from upkeep.settings.approval import Person, Role
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.settings.maintenance import Maintenance
from upkeep.wires import database
from upkeep.wires.database import Row, Session

HOUR = timedelta(hours=1)
BOTH = {"dba": "ann", "devops": "bob"}
#: So slow that a VACUUM of a table of `dirty` takes about a minute.
SLOW = {"vacuum_cost_delay_ms": 100.0, "vacuum_cost_limit": 1}


def configured(**guards: Any) -> Maintenance:
    """The shipped config with people in it and quick guards."""
    config = settings(ROOT / "config").maintenance
    quick = {"lock_timeout_seconds": 0.5, "lock_attempts": 2, "poll_seconds": 0.2, "patience_seconds": 20.0}
    return pinned(config).model_copy(
        update={
            "people": {name: Person() for name in ("ann", "bob", "eve")},
            "roles": {
                "dba": Role(title="DBA", users=("ann", "eve")),
                "devops": Role(title="DevOps", users=("bob", "eve")),
            },
            "guards": config.guards.model_copy(update=quick | guards),
            "monthly": config.monthly.model_copy(update={"sign_on": ()}),  # test_sign_on.py is about it
        }
    )


def changed(config: Maintenance, **sections: Mapping[str, Any]) -> Maintenance:
    """The config with some fields of some sections replaced."""
    return config.model_copy(
        update={name: getattr(config, name).model_copy(update=fields) for name, fields in sections.items()}
    )


def uri(dsn: str) -> str:
    """A Connection as the environment holds one."""
    found = psycopg.conninfo.conninfo_to_dict(dsn)
    fields = {"host": found["host"], "port": int(str(found["port"])), "schema": found["dbname"], "login": found["user"]}
    return json.dumps({"conn_type": "postgres", **fields, "password": found["password"]})


@dataclass
class Stage:
    """One target of the test's own in a shared ledger. ``dsn`` is the superuser's."""

    ledger: Ledger
    dsn: str
    config: Maintenance = field(default_factory=configured)
    name: str = field(default_factory=lambda: f"t_{secrets.token_hex(4)}")
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Pin the server."""
        identifier = self.look("SELECT system_identifier::text AS id FROM pg_control_system()")[0]["id"]
        target = next(iter(self.config.targets.values())).model_copy(update={"system_identifier": identifier})
        self.config = self.config.model_copy(update={"targets": {self.name: target}})

    # The target -------------------------------------------------------------------------------------------------

    def do(self, *statements: Any) -> None:
        """Run statements as the superuser, each on its own; from 15 on they are counted when this returns.

        Else an ANALYZE of the next session may come before the INSERT's rows, which then count as changed since.
        """
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)
            if connection.info.server_version >= 150000 and not connection.closed:
                connection.execute("SELECT pg_catalog.pg_stat_force_next_flush()")

    def look(self, query: str, *values: object) -> list[Row]:
        """Rows of the target as the superuser sees them."""
        with psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def dirty(self, *names: str, schema: str = "public", columns: str = "id int, wide text") -> None:
        """Make tables of 3,000 rows, two thirds of them dead; autovacuum leaves them alone."""
        for name in names:
            table = sql.Identifier(schema, name)
            self.do(
                sql.SQL(f"CREATE TABLE {{}} ({columns}) WITH (autovacuum_enabled = false)").format(table),
                sql.SQL("INSERT INTO {} SELECT n, repeat('x', 300) FROM generate_series(1, 3000) n").format(table),
                sql.SQL("DELETE FROM {} WHERE id % 3 > 0").format(table),
            )
        until(lambda: {row["table"] for row in self.candidates()} >= set(names))

    def candidates(self) -> list[Row]:
        """What a plan would hold now."""
        with self.session() as session:
            return vacuum.candidates(session, self.config.optimise, [])

    def session(self) -> AbstractContextManager[Session]:
        """A session for looking, as the plan's task has it."""
        return database.session(to(self.dsn), self.config.sql, read_only=True)

    def vacuums(self) -> dict[str, int]:
        """table → how often it was vacuumed by hand."""
        rows = self.look("SELECT relname, vacuum_count FROM pg_stat_user_tables")
        return {row["relname"]: row["vacuum_count"] for row in rows}

    # The plan ---------------------------------------------------------------------------------------------------

    def plan(self, **fields: Any) -> StoredPlan:
        """Draw up and keep a plan of all candidates that may run from now on for an hour.

        Actions may be given instead, with what was ``measured`` for them.
        """
        now = datetime.now(UTC).replace(microsecond=0)
        rows = sorted(self.candidates()[:MOST_ACTIONS], key=lambda row: str(row["table"]))
        with self.session() as session:
            proposals = vacuum.propose(rows, self.config.optimise, ("dba", "devops"), session.version)
        actions, measured = numbered(proposals)
        measured = fields.pop("measured", {} if "actions" in fields else measured)
        about: dict[str, Any] = {
            "target": self.name,
            "cadence": "weekly",
            "dag_id": "maintenance_weekly",
            "run_id": f"run_{secrets.token_hex(4)}",
            "due": now - timedelta(minutes=1),
            "requested_by": SCHEDULE,
            "database": psycopg.conninfo.conninfo_to_dict(self.dsn)["dbname"],
            "not_before": now - timedelta(minutes=1),
            "not_after": now + HOUR,
            "outside": False,
            "actions": actions,
            "instance": "1",
        }
        about |= fields
        plan = Plan(**(about | {"due": min(about["due"], about["not_before"])}))
        window = self.window(plan)
        with self.ledger.session() as session:
            open_window(session, window)
            return add_plan(session, window, plan, measured)

    def window(self, plan: Plan) -> Window:
        """The plan's window."""
        return Window(
            plan.target,
            plan.cadence,
            WindowKind.CALENDAR,
            plan.due,
            plan.not_after,
            plan.due - timedelta(days=7),
            plan.due,
            plan.run_id,
            plan.dag_id,
            instance=plan.instance,
        )

    def decide(
        self,
        stored: StoredPlan,
        people: Mapping[str, str] = BOTH,
        ids: set[str] | None = None,
        at: datetime | None = None,
    ) -> StoredPlan:
        """Let each role's person approve the actions (all, or some ids; an empty set rejects)."""
        approved = frozenset(action.id for action in stored.plan.actions) if ids is None else frozenset(ids)
        for role, person in people.items():
            shown = {
                "task_id": f"approve_{role}",
                "map_index": -1,
                "try_number": 1,
                "role": role,
                "digest": stored.digest,
                "body_digest": "",
                "action_ids": sorted(approved),
                "asked": [person],
            }
            with self.ledger.session() as session:
                number = add_shown(session, self.window(stored.plan), shown, SIGNER)
                decision = Decision(role, person, approved, at or datetime.now(UTC))
                add_decision(session, stored.digest, number, decision, SIGNER)
        return stored

    def approved(self, **fields: Any) -> StoredPlan:
        """A plan of all candidates that both roles approved."""
        return self.decide(self.plan(**fields))

    # Apply ------------------------------------------------------------------------------------------------------

    def connectors(self, **others: str | Callable[[], Any]) -> Connectors:
        """The ledger as the tasks' role and the target as the superuser; a conninfo or a function replaces one."""
        given = {"ledger": self.ledger.dsn("tasks"), "maintain": self.dsn, "watch": self.dsn} | others
        return Connectors(**{key: to(value) if isinstance(value, str) else value for key, value in given.items()})

    def applying(self, stored: StoredPlan, **others: Any) -> ApplyRun:
        """One go at a plan; ``connectors``, ``clock``, ``config`` and ``reread`` can be replaced."""
        given = {"connectors": self.connectors(), "kinds": kinds(), "config": self.config, "run_id": stored.plan.run_id}
        given |= {"say": self.said.append, "requested_by": stored.plan.requested_by, "signer": SIGNER} | others
        return ApplyRun(stored=stored, **({"reread": lambda: given["config"]} | given))

    def apply(self, stored: StoredPlan, **others: Any) -> dict[str, ActionOutcome]:
        """Apply it; table → outcome."""
        return {outcome.action.table: outcome for outcome in self.applying(stored, **others).run()}

    def permits(self, stored: StoredPlan) -> list[tuple[str, int, str | None]]:
        """(table, attempt, outcome) of every permit, in the order they were given."""
        tables = {action.id: action.table for action in stored.plan.actions}
        return [(tables[row["action_id"]], row["attempt"], row["outcome"]) for row in self.receipts(stored)]

    def receipts(self, stored: StoredPlan) -> list[Row]:
        """Every permit with its receipt, as the tasks' role reads them."""
        with self.ledger.session() as session:
            return permits_of_plan(session, stored.digest, self.config.ledger.signing)

    def process(
        self, stored: StoredPlan, folder: Path, config: Maintenance | None = None, *, dies_with_permit: bool = False
    ) -> Applying:
        """A real process that applies the plan, and may kill itself as soon as a permit is there; its log is `log`."""
        folder.mkdir(exist_ok=True)
        job = (self.ledger.dsn("tasks"), self.dsn, config or self.config, stored, dies_with_permit)
        return Applying(job, folder / "log")

    def until_running(self, marker: str, *, dsn: str = "") -> list[int]:
        """Wait until a statement with this marker runs on the target (or elsewhere); its PIDs."""
        return until(lambda: running(dsn or self.dsn, marker))

    def until_locked(self, table: str) -> None:
        """Wait until somebody waits for a lock of one of the ledger's tables."""
        query = "SELECT 1 FROM pg_locks WHERE relation = %s::regclass AND NOT granted"
        until(lambda: self.ledger.ask(query, f"upkeep.{table}"))

    def until_nobody(self, table: str) -> None:
        """Wait until nobody waits for a lock of one of the ledger's tables any more."""
        query = "SELECT 1 FROM pg_locks WHERE relation = %s::regclass AND NOT granted"
        until(lambda: not self.ledger.ask(query, f"upkeep.{table}"))

    @contextmanager
    def no_new(self, table: str) -> Iterator[None]:
        """Let nobody add a row to one of the ledger's tables for the length of the block."""
        with psycopg.connect(self.ledger.cluster.dsn(self.ledger.name)) as holder:
            holder.execute(sql.SQL("LOCK TABLE {} IN SHARE MODE").format(sql.Identifier("upkeep", table)))
            yield


def states(outcomes: dict[str, ActionOutcome]) -> dict[str, str]:
    """table → state."""
    return {table: outcome.state for table, outcome in outcomes.items()}


class Go(threading.Thread):
    """An apply in a thread of its own, so that the test can do something meanwhile."""

    def __init__(self, apply: Callable[[], dict[str, ActionOutcome]]) -> None:
        super().__init__()
        self.apply = apply
        self.outcomes: dict[str, ActionOutcome] = {}
        self.start()

    def run(self) -> None:
        self.outcomes = self.apply()

    def result(self) -> dict[str, ActionOutcome]:
        """Wait for the end."""
        self.join(90)
        assert self.outcomes
        return self.outcomes
