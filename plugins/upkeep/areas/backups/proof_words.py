"""What is said of backups that were read: what is bad of each, and which share of which was read since when (G100)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from upkeep.areas.backups import verification
from upkeep.areas.backups.proof_look import MANY, Look
from upkeep.areas.backups.proof_memory import DAYS, OVERDUE, Bad, Kept, Memory, Piece
from upkeep.areas.backups.proof_reading import WHOLE
from upkeep.core.findings import Finding, Level, Topic
from upkeep.core.units import count, listed, roughly, utc

_NAMED = 10
#: Looks are a day apart: a longer time is one that nothing is known of, as where the ledger was restored.
_A_LOOK = timedelta(hours=36)
_INTEGRITY = Topic("backups:integrity", "Checksums of the newest backup", "G100")
_READ = Topic("backups:integrity", "Checksums of backups", "G100")
_COVERAGE = Topic("backups:proof", "How much of a backup was read", "G100")
_PROMISED = "each file that is read is as its backup's manifest promises"
_SET = "Set targets.<target>.backups.verify_program (or …verify_timeout_seconds) in config/maintenance.yaml."
_NEWER = "Do not restore from it, nor from what is built on it: keep a newer one, and test the disk that it lies on."
_ELSEWHERE = (
    "Do not restore from it, nor from what is built on it, and remove it from there; or name that folder in "
    "targets.<target>.backups.base again, and it is read again. Where neither can be done, acknowledge it: an entry in "
    "config/exceptions.yaml with this finding's key and up_to: critical."
)
_BESIDE = (
    "Name that folder in targets.<target>.backups.base again, and what lies there is read; or remove it from there. "
    "Where neither can be done, acknowledge it: an entry in config/exceptions.yaml with this finding's key."
)
_REMEDIES = {
    Level.UNKNOWN: _SET,
    Level.CRITICAL: "Do not rely on it: take another backup now, then test the disk that this one lies on.",
    Level.WARNING: "See the earlier findings of this step, and run pg_verifybackup by hand on what they name.",
}


def integrity(look: Look, bad: Iterable[Bad], level: Level, said: str, lost: datetime | None) -> tuple[Finding, ...]:
    """What today's reading says by itself, ``level`` and ``said``; and a finding for each backup that is bad.

    So no acknowledgement of one hides another. ``lost`` is since when it is not known what earlier looks found.
    """
    if lost:
        level = Level.WARNING if level is Level.OK else level
        said += f"; at {utc(lost)} what earlier looks had found bad could not be read from the ledger (all or some)"
    topic = _INTEGRITY if look.reading.config.proof == "whole" else _READ
    return (topic.judged(level, said, _PROMISED, _REMEDIES.get(level, "")), *each_bad(look, bad))


def each_bad(look: Look, bad: Iterable[Bad]) -> tuple[Finding, ...]:
    """A finding for each backup that is there and bad, by the name that it has today."""
    by_name: defaultdict[str, list[Bad]] = defaultdict(list)
    for one in bad:
        if not one.away:
            by_name[look.name(one.backup) if one.lies_in(look.here) else one.folder].append(one)
    found = []
    for name, ones in sorted(by_name.items()):
        topic, said = _READ.part(name, f"Checksums of backup {name}"), _wrong(name, ones)
        remedy = _REMEDIES[Level.CRITICAL] if any(look.is_newest(one.backup) for one in ones) else _NEWER
        if not ones[0].lies_in(look.here):
            untold = [look.unseen.get((one.folder, one.backup)) for one in ones]
            whys = sorted({one.why for one in untold if one})
            said += "; not read since, for config names another folder"
            said += f"; whether it is there is not known: {'; '.join(whys)}" if whys else ""
            if all(one and one.beside for one in untold):
                found.append(topic.judged(Level.WARNING, said, _PROMISED, _BESIDE))  # UNKNOWN has no acknowledgement
                continue
            remedy = _ELSEWHERE
        if all(one.missing and one.since == look.now for one in ones):
            said = f"{said}: it is being removed, or was damaged; the next look tells which"
            found.append(topic.judged(Level.WARNING, said, _PROMISED, f"Nothing, if it is meant to go; else: {_NEWER}"))
        else:
            found.append(topic.judged(Level.CRITICAL, said, _PROMISED, remedy))
    return tuple(found)


def _wrong(name: str, bad: Iterable[Bad]) -> str:
    """What is bad of one backup, what was found last first."""
    found = []
    for one in sorted(sorted(bad, key=lambda one: one.path), key=lambda one: one.since, reverse=True):
        what = {WHOLE: "", MANY: "", verification.OWN_WAL: " of its WAL"}.get(one.path, f' for file "{one.path}"')
        found.append(f"{name}: {one.said}{what} (found {utc(one.since)})")
    return listed(found, _NAMED, "; ")


def coverage(
    look: Look,
    memory: Memory,
    parts: list[list[Piece]],
    newest: Kept,
    above: str,
    oldest: datetime,
    known_at: datetime | None,
) -> Finding:
    """Which share of which backup was read since when, and what was not.

    ``oldest`` is since when not, before this look; ``known_at`` is when the look was that this one goes on from.
    """
    said = [_share(look, memory, parts)]
    level, remedies = (Level.OK if memory.whole else Level.ADVISORY), ["Nothing: a look each day goes on with it."]
    if memory.under[0] != newest:
        said.append(f"the newest, {newest.name}, was not read; it, or what is the newest then, is next")
    said.append(_last(memory))
    if known_at is None:
        said.append("nothing is known of earlier looks: begun anew")
    elif abs(look.now - known_at) > _A_LOOK:
        said.append(f"the last look that is known of was at {utc(known_at)}; what a later one found bad is not")
    if away := sorted({one.backup.name for one in memory.bad if one.away}):
        said.append(f"not there any more, with files that were bad: {listed(away, _NAMED)}")
    if unchecked := _without_checksums(look, memory):
        level, remedies = Level.ADVISORY, ["Let pg_basebackup write checksums (--manifest-checksums)."]
        said.append(f"{count(unchecked, 'file')} without a checksum: a changed byte of these would not show")
    late = {"some of it was not read": oldest, "no backup was read whole": memory.unproven_since()}
    if late := {what: moment for what, moment in late.items() if look.now - moment > OVERDUE}:
        said += [f"{what} since {utc(moment)}, which is longer than {DAYS} days" for what, moment in late.items()]
        level = Level.WARNING
        remedies = ["Let the daily window run each day; keep each backup longer than a week, or give", _BUDGET]
    if above and memory.under[0] == newest:
        level, remedies = Level.WARNING, ["Keep an incremental backup with those that it is built on."]
        said.append(f"it is built on one from {above}, which is not in this folder")
    if look.unknown:
        level, remedies = Level.UNKNOWN, [_SET]
    expected = f"each byte of one backup is read within {DAYS} days, then of the next"
    return _COVERAGE.judged(level, "; ".join(said), expected, " ".join(remedies))


_BUDGET = "targets.<target>.backups.proof_budget_bytes (or proof: whole) in config/maintenance.yaml."


def _share(look: Look, memory: Memory, parts: list[list[Piece]]) -> str:
    name = look.name(memory.under[0])
    if len(memory.under) > 1:
        name += f" with the {count(len(memory.under) - 1, 'backup')} that it is built on"
    sizes = [sum(piece.size for piece in part) for part in parts]
    if memory.read and not parts:
        done = f"{len(memory.read)} of {memory.parts} parts of {name} were read since {utc(min(memory.read.values()))}"
        return f"{done}, and how much that is is not known today"
    if not memory.read:
        return f"of {name} nothing was read yet, since {utc(memory.begun or memory.since)}"
    read, total = sum(sizes[part] for part in memory.read), sum(sizes)
    said = (
        f"{len(memory.read)} of {memory.parts} parts of {name}, {roughly(read)} of {roughly(total)}, were read since "
    )
    said += utc(min(memory.read.values()))
    said += "" if memory.complete else f", and {roughly(total - read)} not yet"
    largest = max((piece for part in parts for piece in part), key=lambda piece: piece.size)
    if len(parts) > 1 and largest.size * len(parts) > total:
        said += f" ({largest.path}, {roughly(largest.size)}, alone is larger than such a part should be)"
    return said


def _last(memory: Memory) -> str:
    if memory.left:
        before = f", and none since {utc(memory.whole.until)}" if memory.whole else ""
        return f"{memory.left}{before}"
    if memory.whole is None:
        return "no backup was read whole yet"
    return f"read whole last: {memory.whole.name}, from {utc(memory.whole.since)} to {utc(memory.whole.until)}"


def _without_checksums(look: Look, memory: Memory) -> int:
    folders = [folder for one in memory.under if (folder := look.shelf.folder(one))]
    found = [manifest for folder in folders if (manifest := look.reading.manifest(folder))]
    return sum(not promised for manifest in found for _, promised in manifest.checksums.values())
