"""One statement under its permit: run, watched, measured, and told as a receipt. Knows nothing of the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import psycopg

from upkeep.core.text import visible
from upkeep.gate.apply.guards import Guard, Watched
from upkeep.gate.apply.target import set_session
from upkeep.gate.attempts import DONE, ELSEWHERE, NOT_DONE, PARTLY, Leftover, ObjectChanged, Receipt
from upkeep.gate.kind import ActionKind
from upkeep.gate.plan_store import StoredPlan
from upkeep.gate.plans.model import Action
from upkeep.settings.maintenance import Sql
from upkeep.wires.blob_answers import BlobError
from upkeep.wires.database import Row, Session, error_words


class SessionLost(Exception):
    """The session on the target is gone, and with it the lock."""


class LookFailed(Exception):
    """The thing could not be looked at; the message says why. The session is as good as before."""


@dataclass(frozen=True)
class Execution:
    """An action on the session that holds the target's lock, with its guard and this host's clock."""

    target: Session
    guard: Guard
    action: Action
    kind: ActionKind
    clock: Callable[[], datetime]


@contextmanager
def inspecting(target: Session, clocks: Sql) -> Iterator[None]:
    """Looks at the target under the clocks of looks; one that fails is LookFailed, where the session has not ended."""
    try:
        set_session(target, "statement_timeout", f"{max(1, round(clocks.statement_timeout_seconds * 1000))}ms")
        yield
    except (psycopg.Error, BlobError) as error:  # what is archived may lie elsewhere
        if isinstance(error, psycopg.Error) and target.connection.closed:
            raise
        raise LookFailed(f"it could not be looked at: {error_line(error)}") from None


def outcome_of(
    kind: ActionKind, action: Action, before: Mapping[str, Any], after: Row | None, *, failed: bool = False
) -> tuple[str, str]:
    """How an attempt ended by what the catalogue shows, and what half-happened or happened elsewhere.

    Of an attempt that ``failed`` only what can leave something behind may have been done all the same.
    """
    if kind.was_done(action, before, after) and not (failed and kind.leftovers is None):
        return DONE, ""
    if kind.partly is not None and (why := kind.partly(action, before, after)):
        return PARTLY, why
    if kind.elsewhere is not None and (not failed or kind.leftovers is not None):
        why = kind.elsewhere(action, before, after)
        return (ELSEWHERE, why) if why else (NOT_DONE, "")
    return NOT_DONE, ""


def execute(execution: Execution, before: Row, left_ms: int) -> tuple[Receipt, bool]:
    """Run the statement for ``left_ms`` at most; its receipt, and whether another attempt makes sense.

    Raises SessionLost when the session ended meanwhile, and LookFailed: then the catalogue has to say what happened.
    """
    target, action = execution.target, execution.action
    target.notices.clear()
    set_session(target, "statement_timeout", f"{left_ms}ms")
    started = execution.clock()
    watched, error, took, said = (_in_steps if execution.kind.steps else _at_once)(execution, before, left_ms)
    ended = execution.clock()
    left = remove_leftovers(execution, before, left_ms - took)
    after = _after(execution, before)
    outcome, half = outcome_of(execution.kind, action, before, after, failed=error is not None)
    if error is None:
        reason, again = _said(execution, after, done=outcome == DONE or bool(half)), False
    else:
        reason, again = _judge(error, watched, in_time=took < left_ms)
        again = again and outcome in (NOT_DONE, PARTLY) and not left
    if left and outcome == NOT_DONE:
        outcome = PARTLY
    receipt = Receipt(
        outcome=outcome,
        reason="; ".join(text for text in (half, said, reason, left) if text),
        started_at=started,
        ended_at=ended,
        lock_wait_ms=watched.lock_wait_ms,
        duration_ms=round(took),
        wal_bytes=after["wal_position"] - before["wal_position"] if after else None,
        before=before,
        after=after or {},
    )
    return receipt, again


def write_to_ledger(
    kind: ActionKind, action: Action, stored: StoredPlan, clock: Callable[[], datetime], before: Row, ledger: Session
) -> tuple[Receipt, bool]:
    """What ``execute`` is for an action that changes the ledger: looked at, written and timed in one transaction.

    Raises psycopg.Error when the session ended meanwhile: then the ledger has to say what happened.
    """
    began, again = time.monotonic(), False
    if kind.write is None:
        raise TypeError(f"kind {action.kind!r} changes the target, not the ledger")
    try:
        with ledger.connection.transaction():
            why = kind.obstacle(action, kind.state(ledger, action))
            if not why:
                kind.write(ledger, action, stored.digest)
            if clock() >= stored.plan.not_after:
                why = why or "its time was over before it was written"
            if why:
                raise psycopg.Rollback
    except psycopg.Error as error:
        if ledger.connection.closed:
            raise
        why = error_line(error)
        again = isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected)
    after = kind.state(ledger, action)
    done = not why and kind.was_done(action, before, after)
    took = round((time.monotonic() - began) * 1000)
    why = why or ("" if done else "it was written, but the ledger does not show it")
    return Receipt(DONE if done else NOT_DONE, why, duration_ms=took, before=before, after=after or {}), again


def remove_leftovers(execution: Execution, before: Mapping[str, Any], left_ms: float) -> str:
    """Take away what an attempt that ended early left behind, for ``patience_seconds`` at most; what is still there.

    A statement that waited in vain for others leaves something that nobody can remove before they have ended either.
    After the plan's time only what is ``always`` is tried, once.

    Raises SessionLost when the session ended, and LookFailed.
    """
    limits, began = execution.guard.limits, time.monotonic()
    end, why = began + left_ms / 1000, ""
    give_up = began + limits.patience_seconds
    while left := _left(execution, before):
        late = time.monotonic() >= end
        now = [] if why and (late or time.monotonic() >= give_up) else [one for one in left if one.always or not late]
        if not now:
            return "; ".join(f"left behind: {one.name}, {one.stays}" for one in left) + why
        errors = [error for one in now if (error := _take_away(execution, one, end)) is not None]
        why = f" ({error_line(errors[-1])})" if errors else ""
        if any(isinstance(error, _IN_VAIN) for error in errors):
            give_up = min(give_up, time.monotonic())
        elif errors:
            time.sleep(limits.poll_seconds)
    return ""


#: What no waiting mends: the name has been given to another, or the role may not.
_IN_VAIN = (psycopg.errors.DuplicateTable, psycopg.errors.InsufficientPrivilege)


def _left(execution: Execution, before: Mapping[str, Any]) -> list[Leftover]:
    look = execution.kind.leftovers
    if look is None:
        return []
    with inspecting(execution.target, execution.guard.clocks):
        return look(execution.target, execution.action, before)


def _take_away(execution: Execution, one: Leftover, end: float) -> psycopg.Error | ObjectChanged | None:
    """The error of a leftover's statement, None without one. Raises SessionLost."""
    left_ms = round((end - time.monotonic()) * 1000)
    if one.always:
        left_ms = max(left_ms, round(execution.guard.clocks.statement_timeout_seconds * 1000))
    set_session(execution.target, "statement_timeout", f"{max(1, left_ms)}ms")
    with execution.guard.over(execution.target):
        error = _tell(execution.target, partial(execution.target.rows, one.statement))
    execution.guard.say(f"Clearing {one.name}: {error_line(error) if error else 'removed'}")
    return error


_Ran = tuple[Watched, psycopg.Error | ObjectChanged | None, float, str]


def _at_once(execution: Execution, before: Row, left_ms: int) -> _Ran:
    """The statement under guard: how it was watched, its error, milliseconds, nothing said. Raises SessionLost."""
    target, action, run = execution.target, execution.action, execution.kind.run
    call = partial(run, target, action, before) if run else partial(target.rows, action.statement)
    began = time.monotonic()
    with execution.guard.over(target) as watched:
        error = _tell(target, call)
        took = (time.monotonic() - began) * 1000
    return watched, error, took, ""


@dataclass
class _Steps:
    """What a kind does in steps, what the last one said, and whether none is left."""

    steps: Generator[str, None, None]
    said: str = ""
    over: bool = False

    def step(self) -> None:
        """Carry out the next one."""
        said = next(self.steps, None)
        self.over, self.said = said is None, said or self.said


def _in_steps(execution: Execution, before: Row, left_ms: int) -> _Ran:
    """One step after the other, each under guard like a statement. Raises SessionLost."""
    target, guard, begin = execution.target, execution.guard, execution.kind.steps
    began, told, waited = time.monotonic(), 0.0, 0
    assert begin is not None  # noqa: S101  # what it is called for; narrows the type
    with closing(begin(target, execution.action, before)) as steps:
        run = _Steps(steps)
        while True:
            with guard.over(target) as watched:
                error = _tell(target, run.step)
            watched.lock_wait_ms = waited = waited + watched.lock_wait_ms
            if error is None and not run.over:
                if time.monotonic() >= told + guard.limits.poll_seconds:
                    guard.say(f"Progress: {run.said}")
                    told = time.monotonic()
                error = _between(execution, began + left_ms / 1000)
            if error is not None or run.over:
                return watched, error, (time.monotonic() - began) * 1000, run.said


def _between(execution: Execution, end: float) -> ObjectChanged | None:
    """Wait until others are well, and give the next step the time that is left; why there is no next one."""
    why = execution.guard.wait_until_quiet(lambda: time.monotonic() >= end)
    left_ms = round((end - time.monotonic()) * 1000)
    if why or left_ms <= 0:
        return ObjectChanged(why or "its time was over")
    set_session(execution.target, "statement_timeout", f"{left_ms}ms")
    return None


def _tell(target: Session, run: Callable[[], object]) -> psycopg.Error | ObjectChanged | None:
    try:
        run()
    except ObjectChanged as why:
        return why
    except psycopg.Error as error:
        # The server's last words come before the end of the connection; class 57P is a shutdown, 08 the line.
        if target.connection.closed or (error.sqlstate or "08").startswith(("57P", "08")):
            with suppress(psycopg.Error):
                target.connection.close()
            raise SessionLost(error_line(error)) from None
        return error
    return None


def _after(execution: Execution, before: Row) -> Row | None:
    """The thing after the statement. Before PostgreSQL 15 counters come a moment late. Raises LookFailed."""
    target, action, kind = execution.target, execution.action, execution.kind
    for _ in range(8):
        with inspecting(target, execution.guard.clocks):
            after = kind.state(target, action)
        if target.version >= 150_000 or after is None or kind.was_done(action, before, after):
            return after
        time.sleep(0.25)
    return after


def _judge(error: psycopg.Error | ObjectChanged, watched: Watched, *, in_time: bool) -> tuple[str, bool]:
    """Why the statement failed, and whether it is worth another attempt."""
    match error:
        case psycopg.errors.QueryCanceled() if watched.stopped:
            return watched.stopped, False
        case psycopg.errors.QueryCanceled() if not in_time:
            return f"its time was over ({error_line(error)})", False
        case psycopg.errors.LockNotAvailable():
            return f"its lock was not free within lock_timeout ({error_line(error)})", not watched.stopped
        case psycopg.errors.DeadlockDetected():
            return f"the server ended a deadlock ({error_line(error)})", not watched.stopped
        case _:
            return error_line(error), False


def _said(execution: Execution, after: Row | None, done: bool) -> str:
    """What the server warned of: a VACUUM that skips a table says so and reports success (X10)."""
    warnings = "; ".join(notice.message for notice in execution.target.notices if notice.severity == "WARNING")
    silent = "the statement ended without an error, but the catalogue does not show that it did anything"
    return visible(warnings) or ("" if done else execution.kind.obstacle(execution.action, after) or silent)


def error_line(error: Exception) -> str:
    """An error's message as one short line."""
    return visible(error_words(error))[:300]
