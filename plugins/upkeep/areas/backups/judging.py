"""What is judged alike of each kind of backup: how old and how large the newest is, and one that has no end yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

from upkeep.core.findings import Finding, Level, Topic
from upkeep.core.units import roughly
from upkeep.settings.backups import Kept, Young

#: A backup without its end may still be under way for this long.
UNDER_WAY = timedelta(hours=6)
#: The database server's clock may be ahead of this one by so much.
SKEW = timedelta(minutes=5)
#: Earlier backups that the newest one's size is held against.
BEFORE = 7
#: What no backup of a database holds of a platform.
NOT_COVERED = "not in it: files of Storage, settings of Auth outside the database, code of functions"


def age(topic: Topic, begun: datetime | None, limits: Young, now: datetime, what: str = "begun") -> Finding:
    """How long ago the newest backup was begun, or ``what``; None is a time that nothing tells."""
    expected = f"at most {limits.max_age_hours:g} h (critical: above {limits.critical_age_hours:g} h)"
    remedy = "See why the job that makes backups has not run or not ended; take one now."
    if begun is None:
        return topic.finding(Level.UNKNOWN, "not collected: nothing in it says when it was begun", expected, remedy)
    hours = (now - begun) / timedelta(hours=1)
    detail = f"{what} {begun:%Y-%m-%d %H:%M} UTC, {hours:.1f} h ago"
    if begun > now + SKEW:
        detail, level = f"{what} {begun:%Y-%m-%d %H:%M} UTC, which is still to come", Level.UNKNOWN
        remedy = "Compare this host's clock, and its time zone, with those of the host that made it."
    elif hours > limits.critical_age_hours:
        level = Level.CRITICAL
    else:
        level = Level.WARNING if hours > limits.max_age_hours else Level.OK
    return topic.judged(level, detail, expected, remedy)


def size(topic: Topic, found: int, before: Sequence[int], limits: Kept, remedy: str) -> Finding:
    """How many bytes the newest has, against the least and the middle one of those ``before`` it, if there are any."""
    level, expected = Level.OK, f"at least {roughly(limits.min_bytes)}"
    if found < limits.min_bytes:
        level = Level.CRITICAL
    elif before:
        usual = median(before)
        expected += f", and {limits.least_percent:g} % of those before it ({roughly(usual)})"
        if found < usual * limits.least_percent / 100:
            level = Level.WARNING
    return topic.judged(level, roughly(found), expected, remedy)


def unfinished(topic: Topic, name: str, begun: datetime, now: datetime, end: str) -> Finding:
    """A backup that is newer than the newest finished one; ``end`` is what it lacks."""
    level, said = Level.ADVISORY, "is under way or was broken off"
    remedy = "See the log of the job that makes backups; delete what is left of this one once the next has succeeded."
    if begun > now + SKEW:
        level, said = Level.WARNING, "which is still to come, and has no end"
        remedy = (
            "Compare this host's clock, and its time zone (of dumps: backups.dumps.time_zone), with those of the host "
            "that makes backups."
        )
    elif now - begun > UNDER_WAY:
        level, said = Level.WARNING, "was never finished"
    return topic.finding(
        level,
        f"{name}, begun {begun:%Y-%m-%d %H:%M} UTC, {said}",
        f"every backup that was begun has {end}",
        remedy,
    )
