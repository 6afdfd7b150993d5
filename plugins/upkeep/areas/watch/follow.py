"""A poll becomes a row, and states follow it; what holds by now is what people are told (G31, G106-G113)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

from psycopg.types.json import Jsonb

from upkeep.areas.baselines.force import baselines_in_force
from upkeep.areas.baselines.judged import latency_limit
from upkeep.areas.thresholds.force import settings_for
from upkeep.areas.watch.judge import Asked, Heard, Poll, judge
from upkeep.areas.watch.states import Change, State, observed
from upkeep.core import redaction
from upkeep.core.findings import Level
from upkeep.core.stories import Seen
from upkeep.ledger.write import clean, plain
from upkeep.settings.load import settings
from upkeep.settings.watch import Watch
from upkeep.wires import queries
from upkeep.wires.database import Session

#: After so many polls without a sample nobody knows what was between: a row of samples begins anew.
GAP = 2.5
#: Of the time between two polls, over how much of it the targets are spread.
SPREAD = 3 / 4


def slot_of(at: datetime, every_seconds: int) -> datetime:
    """The poll that a moment belongs to: two triggerers find the same one."""
    second = int(at.timestamp())
    return datetime.fromtimestamp(second - second % every_seconds, UTC)


def phase_of(target: str, every_seconds: int) -> float:
    """Seconds after a slot's begin at which a target is polled: so early that one which comes late is still in it."""
    return SPREAD * every_seconds * (zlib.crc32(target.encode()) % 1000) / 1000


def follow(session: Session, target: str, heard: Mapping[Asked, Heard], at: datetime) -> tuple[Change, ...]:
    """Judge a poll by what is in force, write it, and say what has changed; nothing where another has taken the slot.

    A finding during an approved action says so, and is judged like any other: nothing is muted.
    """
    config = settings_for(session, target)
    standing = baselines_in_force(session, target)
    limits = {name: latency_limit(standing, name, config.thresholds, at) for name in config.thresholds.latencies}
    poll = judge(heard, config, {name: limit.expectation for name, limit in limits.items() if limit})
    watch = config.maintenance.watch
    plans = session.rows(queries.load("watch/during"), {"target": target, "now": at})
    during = plans[0]["digest"][:12] if plans else ""
    row = {
        "target": target,
        "slot": slot_of(at, watch.every_seconds),
        "taken_at": at,
        "level": poll.level,
        "health": poll.metrics.get("overall_health"),
        "metrics": Jsonb(dict(poll.metrics)),
        "latencies": Jsonb(dict(poll.latencies)),
        "during": during,
    }
    if not session.rows(queries.load("watch/add_sample"), row):
        return ()
    return _states(session, target, poll, at, during, watch)


def _states(session: Session, target: str, poll: Poll, at: datetime, during: str, watch: Watch) -> tuple[Change, ...]:
    rows = session.rows(queries.load("watch/states"), {"target": target})
    known = {row["key"]: _state(row) for row in rows}
    gap = timedelta(seconds=GAP * watch.every_seconds)
    changes, held = [], {}
    for one in poll.seen:
        before = known.get(one.finding.key)
        if before and at - before.last > gap:
            before = replace(before, towards=None, from_=None, against=0)
        after, change = observed(before, one.finding.key, one.finding.level, at, watch.samples)
        held[after.key] = _row(target, after, one, during)
        changes += [change] if change else []
    session.rows(queries.load("watch/put_states"), {"rows": Jsonb(plain(list(held.values())))})
    return tuple(changes)


def _state(row: Mapping[str, object]) -> State:
    towards = row["towards"]
    levels = {"level": Level(str(row["level"])), "towards": None if towards is None else Level(str(towards))}
    return State(**{**row, **levels})  # type: ignore[arg-type]  # a row of the table has these columns


def _row(target: str, state: State, seen: Seen, during: str) -> dict[str, object]:
    """A state in the words of this sample where it says what holds, in those of an earlier one otherwise."""
    finding = seen.finding
    said = {"subject": finding.subject, "detail": finding.detail, "expected": finding.expected}
    return {
        "target": target,
        **asdict(state),
        **clean(said, redaction.people),
        "remedy": clean(finding.remedy, redaction.tokens),
        "guide": finding.guide,
        "source": seen.source,
        "during": during,
        "tells": finding.level is state.level,
    }


def keep_house(session: Session, now: datetime) -> None:
    """Samples become hours, and both go when config says so."""
    watch = settings().maintenance.watch
    session.rows(queries.load("watch/roll_up"), {"before": now})
    session.rows(queries.load("watch/expire"), {"before": now - timedelta(days=watch.keep_days)})
    session.rows(queries.load("watch/expire_hours"), {"before": now - timedelta(days=watch.keep_hours_days)})
