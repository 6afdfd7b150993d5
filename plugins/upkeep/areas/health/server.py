"""What all other checks of a window rest on: that the server is the primary, and that its clock is this host's."""

from __future__ import annotations

import time

from upkeep.areas.look import Check, Look
from upkeep.core.findings import Finding, Level, Topic
from upkeep.ledger.write import LookResult
from upkeep.wires import queries
from upkeep.wires.clocks import LIMIT_SECONDS, ClockReading
from upkeep.wires.database import Row


def server(look: Look) -> LookResult:
    """A standby is an advisory: its counters and sessions are its own. A clock more than a minute off is a warning."""
    began = time.monotonic()
    row = look.session.row(queries.load("health/server"))
    sent = look.now.timestamp()
    clock = ClockReading(sent, sent + time.monotonic() - began, row["at"].timestamp())
    return LookResult((_recovery(row), _clock(clock)))


def _recovery(row: Row) -> Finding:
    behind = row["behind_seconds"]
    age = "it has replayed no transaction yet" if behind is None else f"its newest transaction is {behind:.0f} s old"
    return Topic("server:recovery", "The server's part", "G5").finding(
        Level.ADVISORY if row["in_recovery"] else Level.OK,
        f"a standby, in recovery: {age}" if row["in_recovery"] else "a primary",
        "a primary",
        "Sessions, index use and cache are those of what is read there, not of the primary: point the "
        "read Connection to the primary. If it should be the primary, it has been restored and not yet promoted.",
        {"behind_seconds": behind},
    )


def _clock(clock: ClockReading) -> Finding:
    where = "ahead of" if clock.skew > 0 else "behind"
    return Topic("server:clock", "The server's clock", "G5").finding(
        Level.WARNING if clock.misleading else Level.OK,
        f"{abs(clock.skew):.1f} s {where} this host's (give or take {clock.doubt:.1f} s)",
        f"at most {LIMIT_SECONDS:g} s from this host's",
        "Periods of logs, ages and growth are off by as much. Synchronise both hosts (NTP).",
    )


CHECKS = (Check("health/server", "G5", "The server's part and clock", server),)
