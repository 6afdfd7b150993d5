"""What is said of the restoration of a dump, by what pg_restore could not do of it (G101)."""

from __future__ import annotations

from datetime import timedelta

from upkeep.areas.backups.dump_files import Dump
from upkeep.areas.backups.dump_look import NOT_DUMPED
from upkeep.areas.backups.dump_server import Errors, Shape, of_other_major
from upkeep.areas.backups.judging import NOT_COVERED
from upkeep.areas.backups.server import Server
from upkeep.core.findings import Finding, Level, Topic
from upkeep.core.units import count, listed, span

TOPIC = Topic("restoration:dump", "The newest dump, restored", "G101")
RETAKE = "Make another dump now and restore that one; what pg_restore said of this one is in the finding."
#: How many errors, or objects, a finding names.
NAMED = 5
_EXPECTED = "pg_restore puts all of it into an empty server of the target's major, with the target's roles"
_OTHERS = "Make another dump now: this one is from before an upgrade, or of another server."
_OLDER = "Make dumps with pg_dump of the target's major, or with the same one once the target has been upgraded."


def of_later_server(dump: Dump, shape: Shape) -> Finding:
    """One that is not tried: the target's major does not know what is in it."""
    detail = f"not collected: {dump.path.name} is {of_other_major(dump, shape)}, expected none of a later one"
    return TOPIC.finding(Level.UNKNOWN, detail, _EXPECTED, _OTHERS)


def done(dump: Dump, server: Server, errors: Errors, shape: Shape) -> Finding:
    """What pg_restore did, and by whose fault it could not do all."""
    phases = ", ".join(f"{phase} {span(timedelta(seconds=took))}" for phase, took in server.seconds.items())
    every = (*errors.damaged, *errors.others, *errors.hosts_own, *errors.later, *errors.roles)
    other = of_other_major(dump, shape)
    of_other = f"{other}: " if other else ""
    if not every:
        detail = f"{of_other}{dump.path.name} restored ({phases}); {NOT_COVERED}, {NOT_DUMPED}"
        return TOPIC.judged(Level.WARNING if other else Level.OK, detail, _EXPECTED, _OTHERS)
    said = f"{count(errors.total, 'error')} of pg_restore: {listed(every, NAMED, '; ')[:1000]}"
    detail = f"{of_other}{dump.path.name}: {said}"
    if errors.damaged:
        return TOPIC.finding(Level.CRITICAL, detail, _EXPECTED, RETAKE)
    if errors.hosts_own:
        remedy = "Install what is missing beside restore.programs; what failed after it may be for want of that."
        return TOPIC.finding(Level.UNKNOWN, f"not collected: {detail}", _EXPECTED, remedy)
    if errors.others:
        return TOPIC.finding(Level.CRITICAL, detail, _EXPECTED, RETAKE)
    if errors.later:
        by = f"by pg_dump {dump.header.dumped_by if dump.header else ''}, for a server of {shape.major}"
        return TOPIC.finding(Level.UNKNOWN, f"not collected: {by}: {detail}", _EXPECTED, _OLDER)
    remedy = "The target has roles no more that this dump names: make another dump, or keep the roles' definitions."
    return TOPIC.finding(Level.WARNING, detail, _EXPECTED, f"{_OTHERS} {remedy}" if other else remedy)
