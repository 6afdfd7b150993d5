"""One statement under its permit: run, watched, measured, and told as a receipt. Knows nothing of the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import psycopg

from upkeep import kinds, plans
from upkeep.apply.guards import Guard, Watched
from upkeep.apply.target import set_session
from upkeep.database import Row, Session
from upkeep.gate import Receipt, Stored
from upkeep.plans import Action

DONE, NOT_DONE = "done", "not done"


class Lost(Exception):
    """The session on the target is gone, and with it the lock."""


class Changed(Exception):
    """What a transactional action locked is not what was planned any more; the message says how."""


@dataclass(frozen=True)
class Errand:
    """An action on the session that holds the target's lock, with its guard and this host's clock."""

    target: Session
    guard: Guard
    action: Action
    clock: Callable[[], datetime]


def carry_out(errand: Errand, before: Row, left_ms: int) -> tuple[Receipt, bool]:
    """Run the statement for ``left_ms`` at most; its receipt, and whether another attempt makes sense.

    Raises Lost when the session ended meanwhile: then the catalogue has to say what happened.
    """
    target, action = errand.target, errand.action
    target.notices.clear()
    set_session(target, "statement_timeout", f"{left_ms}ms")
    started, began = errand.clock(), time.monotonic()
    with errand.guard.over(target) as watched:
        error = _run(target, action, before)
        took = (time.monotonic() - began) * 1000
    ended = errand.clock()
    left = clear(errand, before, left_ms - took)
    after = _after(target, action, before)
    done = kinds.of(action).was_done(action, before, after)
    if error is None:
        reason, again = _said(target, action, after, done), False
    else:
        reason, again = _judge(error, watched, in_time=took < left_ms)
        # Only what can leave something behind may have been done although it failed: all but its end.
        done = done and kinds.of(action).leftovers is not None
        again = again and not (done or left)
    reason = "; ".join(text for text in (reason, left) if text)
    receipt = Receipt(
        outcome=DONE if done else NOT_DONE,
        reason=reason,
        started_at=started,
        ended_at=ended,
        lock_wait_ms=watched.lock_wait_ms,
        duration_ms=round(took),
        wal_bytes=after["wal_position"] - before["wal_position"] if after else None,
        before=before,
        after=after or {},
    )
    return receipt, again


def write_down(
    action: Action, stored: Stored, clock: Callable[[], datetime], before: Row, ledger: Session
) -> tuple[Receipt, bool]:
    """What ``carry_out`` is for an action that changes the ledger: looked at, written and timed in one transaction.

    Raises psycopg.Error when the session ended meanwhile: then the ledger has to say what happened.
    """
    kind, began, again = kinds.of(action), time.monotonic(), False
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
        why, again = said(error), isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected)
    after = kind.state(ledger, action)
    done = not why and kind.was_done(action, before, after)
    took = round((time.monotonic() - began) * 1000)
    why = why or ("" if done else "it was written, but the ledger does not show it")
    return Receipt(DONE if done else NOT_DONE, why, duration_ms=took, before=before, after=after or {}), again


def clear(errand: Errand, before: Mapping[str, Any], left_ms: float) -> str:
    """Remove what an attempt that ended early left behind, for ``patience_seconds`` at most; what is still there.

    A statement that waited in vain for others leaves something that nobody can remove before they have ended either.
    Raises Lost when the session ended meanwhile.
    """
    target, action, limits = errand.target, errand.action, errand.guard.limits
    look = kinds.of(action).leftovers
    if look is None:
        return ""
    end, why = time.monotonic() + left_ms / 1000, ""
    give_up = time.monotonic() + limits.patience_seconds
    while left := look(target, action, before):
        if time.monotonic() >= end or (why and time.monotonic() >= give_up):
            return f"left behind: {', '.join(left)}{why}; an invalid index, which the next plan proposes to drop"
        why = ""
        for name, statement in left.items():
            set_session(target, "statement_timeout", f"{max(1, round((end - time.monotonic()) * 1000))}ms")
            with errand.guard.over(target):
                error = _tell(target, partial(target.rows, statement))
            errand.guard.say(f"Clearing {name}: {said(error) if error else 'removed'}")
            why = f" ({said(error)})" if error else why
        if why:
            time.sleep(limits.poll_seconds)
    return ""


def _run(target: Session, action: Action, before: Row) -> psycopg.Error | Changed | None:
    """The statement's error, None without one. Raises Lost."""
    kind, lock = kinds.of(action), kinds.of(action).lock
    if lock is None:
        return _tell(target, partial(target.rows, action.statement))
    locking = lock(before)

    def change() -> None:
        with target.connection.transaction():
            target.rows(locking)
            if why := kind.obstacle(action, kind.state(target, action)):
                raise Changed(why)
            target.rows(action.statement)

    return _tell(target, change)


def _tell(target: Session, run: Callable[[], object]) -> psycopg.Error | Changed | None:
    try:
        run()
    except Changed as why:
        return why
    except psycopg.Error as error:
        # The server's last words come before the end of the connection; class 57P is a shutdown, 08 the line.
        if target.connection.closed or (error.sqlstate or "08").startswith(("57P", "08")):
            with suppress(psycopg.Error):
                target.connection.close()
            raise Lost(said(error)) from None
        return error
    return None


def _after(target: Session, action: Action, before: Row) -> Row | None:
    """The thing after the statement. Before PostgreSQL 15 counters come a moment late, and the definition of an index
    whose table somebody locked right after us cannot be seen yet: that is worth a moment too.
    """
    kind = kinds.of(action)
    for _ in range(8):
        after = kind.state(target, action)
        seen = after is None or after.get("shape", "") is not None
        if (target.version >= 150_000 and seen) or after is None or kind.was_done(action, before, after):
            return after
        time.sleep(0.25)
    return after


def _judge(error: psycopg.Error | Changed, watched: Watched, *, in_time: bool) -> tuple[str, bool]:
    """Why the statement failed, and whether it is worth another attempt."""
    match error:
        case psycopg.errors.QueryCanceled() if watched.stopped:
            return watched.stopped, False
        case psycopg.errors.QueryCanceled() if not in_time:
            return f"its time was over ({said(error)})", False
        case psycopg.errors.LockNotAvailable():
            return f"its lock was not free within lock_timeout ({said(error)})", not watched.stopped
        case psycopg.errors.DeadlockDetected():
            return f"the server ended a deadlock ({said(error)})", not watched.stopped
        case _:
            return said(error), False


def _said(target: Session, action: Action, after: Row | None, done: bool) -> str:
    """What the server warned of: a VACUUM that skips a table says so and reports success (X10)."""
    warnings = "; ".join(notice.message for notice in target.notices if notice.severity == "WARNING")
    silent = "the statement ended without an error, but the catalogue does not show that it did anything"
    return plans.visible(warnings) or ("" if done else kinds.of(action).obstacle(action, after) or silent)


def said(error: BaseException) -> str:
    """An error's message as one short line."""
    return plans.visible(" ".join(str(error).split()))[:300]
