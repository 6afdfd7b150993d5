"""``python -m upkeep backfill``: say which windows were missed, and have Airflow carry them out late.

Where Airflow's scheduler runs, as a user whose name ``people`` has under ``shell``: who backfills has asked for it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from upkeep.areas.calendar.due import DueWindow, State
from upkeep.areas.calendar.reconcile import read_known
from upkeep.core.units import count, utc
from upkeep.flow import backfills
from upkeep.flow.connections import postgres
from upkeep.settings.load import dag_name, settings
from upkeep.wires import database


def run(arguments: argparse.Namespace) -> int:
    """List the missed windows and have their runs made. Returns 1 when Airflow refuses, else 0."""
    config, now = settings(), datetime.now(UTC)
    target = arguments.target or config.targets[0]
    config.target(target)
    dag_id = dag_name(f"maintenance_{arguments.cadence}", target, config.targets)
    ledger = config.maintenance.ledger.dashboard
    with database.session(postgres(ledger), config.maintenance.sql, read_only=True) as session:
        standing = read_known(session).compare(config, now).standing
    missed = [
        window
        for window in standing
        if (window.target, window.cadence, window.state) == (target, arguments.cadence, State.MISSED)
    ]
    if not missed:
        print(f"No {arguments.cadence} window of {target} is missed: there is nothing to backfill.")
        return 0
    print(f"{count(len(missed), arguments.cadence + ' window')} of {target} missed:")
    taken = backfills.runs_at(dag_id, [window.due for window in missed])
    for window in sorted(missed, key=lambda one: one.due):
        held = f"; run {taken[window.due]} has its date: clear that one" if window.due in taken else ""
        print(f"  {utc(window.due)}  {window.reason}{held}")
    free = [window for window in missed if window.due not in taken]
    return 0 if arguments.dry_run or not free else _create(dag_id, arguments.cadence, free, now)


def _create(dag_id: str, cadence: str, free: list[DueWindow], now: datetime) -> int:
    state = backfills.dag_state(dag_id)
    if why := problem(dag_id, state):
        print(why, file=sys.stderr)
        return 1
    latest = settings().maintenance.cadences(free[0].target)[cadence].at_or_before(now)
    if any(window.due == latest for window in free) and backfills.wait_for_own_run(dag_id, latest):
        print(f"Airflow has made a run for {utc(latest)} itself.")
        free = [window for window in free if window.due != latest]
    *others, stretch = stretches(free, cadence) or [[]]
    if not stretch:
        return 0
    done = backfills.create(dag_id, stretch[0].due, stretch[-1].due)
    if done.returncode:
        print(f"airflow backfill create: {(done.stderr or done.stdout).strip()[-2000:]}", file=sys.stderr)
        return 1
    span = f"from {utc(stretch[0].due)} to {utc(stretch[-1].due)}"
    print(f"Airflow makes runs of {dag_id} {span}: {count(len(stretch), 'window')}.")
    print("A window that a later one has superseded asks nobody and changes nothing.")
    if others:
        left = sum(map(len, others))
        print(f"Left for now: {count(left, 'older window')}. Run this again when the backfill has ended.")
    return 0


def problem(dag_id: str, state: backfills.DagState) -> str:
    """Why no run can be made now; empty when it can."""
    if not state.known:
        return f"{dag_id}: found no such DAG in Airflow, expected one; is its dag-processor running?"
    if state.paused:
        return (
            f"{dag_id}: found it paused, expected it unpaused: the runs would wait, and unpausing makes a run for the "
            "last window at the same moment, which ends the scheduler. Unpause it, then run this again"
        )
    if state.backfilling:
        return (
            f"{dag_id}: found a backfill that has not ended, expected none: Airflow has one at a time, and takes up to "
            "half a minute after its last run to end it"
        )
    return ""


def stretches(windows: Iterable[DueWindow], cadence: str) -> list[list[DueWindow]]:
    """A target's windows in their order, cut where one between them is not to be carried out. Oldest stretch first."""
    return list(_cut(sorted(windows, key=lambda one: one.due), cadence))


def _cut(windows: list[DueWindow], cadence: str) -> Iterator[list[DueWindow]]:
    stretch = list[DueWindow]()
    for window in windows:
        if stretch and settings().maintenance.cadences(window.target)[cadence].after(stretch[-1].due) != window.due:
            yield stretch
            stretch = []
        stretch.append(window)
    if stretch:
        yield stretch
