"""The weekly restoration (G101): the newest backup is restored, rolled forward, and compared with what was recorded.

Recovery stops where the daily window wrote down what the logs held, so that exactly that must be there; then it goes on
to the end of the archive, and all of the copy is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import psycopg

from upkeep.areas.backups import contents, restored
from upkeep.areas.backups.copies import copy_of
from upkeep.areas.backups.files import lsn
from upkeep.areas.backups.judging import NOT_COVERED
from upkeep.areas.backups.newest import Newest, Original, openings
from upkeep.areas.backups.scratch import Copy, Stop
from upkeep.areas.backups.server import RestoreError, SetUpError
from upkeep.areas.indexes import trial
from upkeep.areas.look import Sources
from upkeep.core.findings import Finding, Level, NotCollected, Sample, Topic
from upkeep.core.units import span, utc
from upkeep.ledger.write import LookResult
from upkeep.settings.backups import Scratch
from upkeep.settings.maintenance import Sql
from upkeep.wires import database, queries
from upkeep.wires.database import Session, error_words

_TOPIC = Topic("restoration", "The newest backup, restored", "G101")
#: A subject of its own: an index that could not be tried leaves nothing open about the backup.
TRIALS = Topic("index_trials", "Missing indexes, built on the restored copy", "G53")
_NO_COPY = "there is no copy of the base backup that answers"
_RETAKE = "Take another backup now and restore that one; what PostgreSQL said of this one is in the task's log."
_DIFFERS = "Do not rely on this backup or its WAL: take another backup now, and look for who changes files of either."


def inspect(sources: Sources) -> LookResult:
    """Restore the newest backup and look at the copy."""
    found, target, known = openings(sources)
    return restore(found, target, known, sources.config.maintenance.sql, trial.asked(sources))


def is_restored(sources: Sources) -> bool:
    """Whether a base backup of the target can be: its copy has the target's own statistics, and indexes are tried on it
    alone.
    """
    try:
        openings(sources)
    except NotCollected:
        return False
    return True


def restore(
    found: Newest,
    target: Original,
    known: Mapping[str, Any] | None,
    clocks: Sql,
    indexes: trial.Wanted | None = None,
) -> LookResult:
    """Findings and samples of one restoration; ``known`` is a record of ``contents`` within the backup's WAL.

    ``indexes`` are tried at the end; what came of it is the snapshot.
    """
    findings: list[Finding] = []
    trials: Any = None
    try:
        with copy_of(found.backup.folder, found.config, found.restore, target.database, found.ending) as copy:
            if known:
                copy.recover(Stop("lsn", known["lsn"]), target.settings, "recovery to what was recorded")
                findings.append(_compared(copy, known, clocks))
            else:
                findings.append(_nothing_to_compare())
            copy.recover(None, target.settings, "recovery to the end of the archive")
            with asking(copy, clocks, read_only=False) as session:
                findings += [_reached(session, copy, found, target), *restored.look_through(session, _TOPIC)]
            if indexes and any(one.level is Level.CRITICAL for one in findings):
                findings += trial.not_tried(TRIALS, trial.DOUBTED)
            elif indexes:
                slow, as_of = patient(clocks, copy.restore), copy.last_commit or found.ended_at
                tried, trials = trial.tried(copy, indexes, slow, TRIALS, as_of=as_of, analyse=False)
                findings += tried
            return LookResult((_done(copy, found), *findings), samples(copy), snapshot=trials)
    except SetUpError as why:
        return LookResult((not_set_up(_TOPIC, why), *(trial.not_tried(TRIALS, _NO_COPY) if indexes else ())))
    except (RestoreError, psycopg.Error) as why:
        untried = trial.not_tried(TRIALS, _NO_COPY) if indexes else ()
        return LookResult((*findings, failed(_TOPIC, found, why), *untried))


def asking(copy: Copy, clocks: Sql, *, read_only: bool = True) -> AbstractContextManager[Session]:
    """A session on a copy that may take as long as the restore."""
    return database.session(copy.connect, patient(clocks, copy.restore), read_only=read_only)


def patient(clocks: Sql, restore: Scratch) -> Sql:
    """Clocks by which a statement on a copy may take as long as the restore."""
    return clocks.model_copy(update={"statement_timeout_seconds": restore.timeout_seconds})


def samples(copy: Copy) -> tuple[Sample, ...]:
    """How long each phase took."""
    return tuple(Sample("restore_seconds", took, "s", phase) for phase, took in copy.seconds.items())


def phases(copy: Copy) -> str:
    """The phases in words."""
    return ", ".join(f"{phase} {span(timedelta(seconds=took))}" for phase, took in copy.seconds.items())


def not_set_up(topic: Topic, why: SetUpError) -> Finding:
    """Nothing was restored, and nothing is known of the backup."""
    remedy = "Correct targets.<target>.backups.restore in config/maintenance.yaml, or make room."
    return topic.finding(Level.UNKNOWN, f"not collected: {why}", "a copy that can be made and started", remedy)


def missing(session: Session, copy: Copy, found: Newest) -> timedelta:
    """How much of the newest work a copy lacks: since its last commit, or since the backup, until recovery ended."""
    since = copy.last_commit or found.ended_at
    now: datetime = session.row(queries.load("backups/recovery"))["moment"]
    return max(now - since, timedelta(0))


def failed(topic: Topic, found: Newest, why: Exception) -> Finding:
    """The backup does not restore; or something else went wrong, which says nothing of it."""
    if isinstance(why, psycopg.Error) and not restored.is_damage(why):
        detail = f"not collected: the copy was restored and could not be asked: {' '.join(str(why).split())[:600]}"
        return topic.finding(Level.UNKNOWN, detail, "a copy that can be asked", "See the task's log; repeat it.")
    detail = f"{found.backup.folder.name} could not be restored: {' '.join(str(why).split())[:600]}"
    return topic.finding(Level.CRITICAL, detail, "a copy that starts and rolls forward", _RETAKE)


def _done(copy: Copy, found: Newest) -> Finding:
    took = span(timedelta(seconds=sum(copy.seconds.values())))
    detail = f"{found.backup.folder.name} restored in {took} ({phases(copy)}); {NOT_COVERED}"
    return _TOPIC.finding(Level.OK, detail, "a copy that starts and rolls forward")


def _compared(copy: Copy, known: Mapping[str, Any], clocks: Sql) -> Finding:
    topic = _TOPIC.part("contents", "Logs of the restored copy, compared with a record")
    expected = f"{contents.described(known)} ({known['lsn']})"
    try:
        with asking(copy, clocks) as session:
            wrong = list(contents.differing(session, known))
    except psycopg.Error as error:
        wrong = [error_words(error)[:300]]
    detail = "; ".join(wrong) if wrong else "the same rows, byte for byte"
    return topic.judged(Level.CRITICAL if wrong else Level.OK, detail, expected, _DIFFERS)


def _nothing_to_compare() -> Finding:
    return _TOPIC.part("contents", "Logs of the restored copy, compared with a record").finding(
        Level.UNKNOWN,
        "not comparable: no daily window has recorded what the logs held between this backup and the end of its WAL",
        "a record to compare with",
        "See whether the daily step backups.contents runs, and WAL is archived soon enough (archive_timeout).",
    )


def elsewhere(here: Mapping[str, Any], found: Newest, target: Original) -> tuple[str, str] | None:
    """Why a copy is not the target at the end of the archive, and what to do; ``here``: ``backups/recovery`` of it."""
    if here["system_identifier"] != target.system_identifier:
        detail = f"the backup is of cluster {here['system_identifier']}, the target is {target.system_identifier}"
        return detail, "Correct targets.<target>.backups: it is another's."
    if here["lsn"] is None or lsn(here["lsn"]) <= found.archive.reaches:
        detail = f"recovery ended at {here['lsn']}, before the newest archived segment {found.archive.newest}"
        return detail, "A segment in between is missing, damaged or another cluster's: take another backup now."
    return None


def _reached(session: Session, copy: Copy, found: Newest, target: Original) -> Finding:
    """How far the copy came: to the end of the archive, of the target's own cluster, and how old its last work is."""
    topic = _TOPIC.part("reached", "How far the restored copy goes")
    here = session.row(queries.load("backups/recovery"))
    limit = timedelta(minutes=found.restore.max_rpo_minutes)
    expected = f"to the newest archived segment {found.archive.newest}; the last commit at most {span(limit)} old"
    if wrong := elsewhere(here, found, target):
        return topic.finding(Level.CRITICAL, wrong[0], expected, wrong[1])
    commit, age = copy.last_commit, missing(session, copy, found)
    said = f"to {here['lsn']}, " + (f"last commit {utc(commit)}" if commit else "no commit since the backup")
    level = Level.WARNING if age > limit else Level.OK
    remedy = "What is newer would be lost: see whether WAL is archived soon enough (archive_timeout, pg_stat_archiver)."
    return topic.judged(level, f"{said}, {span(age)} before the end of recovery", expected, remedy)
