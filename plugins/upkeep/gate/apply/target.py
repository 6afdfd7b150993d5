"""The session that changes a target: the right server, no pooler between, the target's one lock held."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from upkeep.gate.plans.model import Plan
from upkeep.settings.maintenance import Maintenance
from upkeep.wires import database, pooling, queries
from upkeep.wires.database import Connect, Session

#: The advisory lock of all mutations of a target: "upkeep" in ASCII.
LOCK = 0x75706B656570


class ApplyRefused(Exception):
    """Nothing may be changed here now; the message says why."""


@contextmanager
def locked_session(connect: Connect, config: Maintenance, plan: Plan) -> Iterator[Session]:
    """A standing session that holds the target's lock until it ends. Raises ApplyRefused when this is not the place."""
    found = pooling.detect(connect)
    if not found.keeps_sessions:
        raise ApplyRefused(
            f"the maintain Connection goes through a pooler in {found.kind} mode ({found.reason}), which keeps neither "
            "locks nor settings: give it the database's own port, or one of a pooler in session mode (X13)"
        )
    with database.standing(connect, config.sql) as target:
        _right_server(target, config, plan)
        _take_lock(target, config)
        _gently(target, config)
        yield target


@contextmanager
def watching_session(connect: Connect, config: Maintenance, target: Session) -> Iterator[Session]:
    """The guards' own session. Raises ApplyRefused when it cannot see what the target's session does to others.

    Nothing is set in it outside a transaction: the read Connection may go through any pooler.
    """
    row = target.row(queries.load("gate/apply/server"))
    with database.connected(connect) as watching:
        watching.connection.autocommit = True
        with database.transaction(watching, config.sql):
            seen = watching.row(queries.load("gate/apply/watch"), {"pid": row["pid"], "since": row["backend_start"]})
        if not seen["same_server"]:
            raise ApplyRefused(
                "the read Connection leads to another server than the maintain Connection: guards would see nothing"
            )
        if not seen["allowed"]:
            raise ApplyRefused(
                f"role {seen['role']!r} of the read Connection may not see other users' sessions, expected a member of "
                "pg_monitor: guards would see nothing (`python -m upkeep grants` prints what it needs)"
            )
        yield watching


def _right_server(target: Session, config: Maintenance, plan: Plan) -> None:
    row = target.row(queries.load("gate/apply/server"))
    known = config.targets.get(plan.target)
    pinned = known.system_identifier if known else None
    if row["system_identifier"] != pinned:
        raise ApplyRefused(
            f"config/maintenance.yaml: targets.{plan.target}.system_identifier: found {pinned or 'nothing'}, expected "
            f"that of the server behind the maintain Connection, which is {row['system_identifier']}"
        )
    if row["database"] != plan.database:
        raise ApplyRefused(
            f"the plan is for database {plan.database!r}, but the maintain Connection leads to {row['database']!r}"
        )
    if row["in_recovery"]:
        raise ApplyRefused("the server is a standby (in recovery); maintenance runs on its primary")


def _take_lock(target: Session, config: Maintenance) -> None:
    give_up = time.monotonic() + config.guards.patience_seconds
    while not target.row(queries.load("gate/apply/take_lock"), {"key": LOCK})["taken"]:
        if time.monotonic() >= give_up:
            holders = target.rows(queries.load("gate/apply/lock_holder"), {"key": LOCK})
            held = ", ".join(f"PID {row['pid']} ({row['application_name']})" for row in holders)
            raise ApplyRefused(f"another maintenance holds this target's lock: {held or 'it ended just now'}")
        time.sleep(config.guards.poll_seconds)


def _gently(target: Session, config: Maintenance) -> None:
    for setting, value in {
        "lock_timeout": f"{max(1, round(config.guards.lock_timeout_seconds * 1000))}ms",
        "vacuum_cost_delay": f"{config.optimise.vacuum_cost_delay_ms:g}ms",
        "vacuum_cost_limit": str(config.optimise.vacuum_cost_limit),
    }.items():
        set_session(target, setting, value)


def set_session(target: Session, setting: str, value: str) -> None:
    """Set something for the rest of the session."""
    target.rows(queries.load("gate/apply/set_session"), {"setting": setting, "value": value})
