"""What is read of backups today, and what that proves (G100).

Config says ``whole``: all of the newest, by pg_verifybackup. Or ``sevenths``: of the newest, and of the backup under
proof, what can be told without reading data files; a part of the latter's files. Then, with the time that is left, what
was bad, of whichever backup.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from upkeep.areas.backups import proof_elsewhere, proof_words, verification
from upkeep.areas.backups.files import Backup
from upkeep.areas.backups.proof_look import BROKEN, LATE, Look
from upkeep.areas.backups.proof_memory import DAYS, Memory, Piece, known, parts_of
from upkeep.areas.backups.proof_reading import OutOfTimeError, Reading, Shelf
from upkeep.core.findings import Finding, Level
from upkeep.core.units import roughly
from upkeep.settings.backups import Backups

#: So many bytes of what was bad are read again in any case, where a seventh is less.
_AGAIN = 2**30


@dataclass(frozen=True)
class Proof:
    """What reading says, what the next look is to know (None: what it knew before), and the reading itself."""

    findings: tuple[Finding, ...]
    snapshot: Any
    reading: Reading


def prove(config: Backups, found: Sequence[Backup], newest: Backup, before: Any, now: datetime) -> Proof:
    """Read what config says; ``before`` is the snapshot that an earlier look has left, ``found`` all backups."""
    look, memory = _opened(config, found, newest, before, now)
    if config.proof == "whole":
        return _whole(look, memory, newest)
    return _sevenths(look, memory, newest)


def remembered(config: Backups, found: Sequence[Backup] | None, before: Any, now: datetime) -> tuple[Finding, ...]:
    """What is known to be bad where no backup is finished, and nothing is read; ``found`` is None where it is not known
    which are there.
    """
    look, _ = _opened(config, found, None, before, now)
    return proof_words.each_bad(look, look.settled())


def _opened(
    config: Backups, found: Sequence[Backup] | None, newest: Backup | None, before: Any, now: datetime
) -> tuple[Look, Memory | None]:
    reading = Reading(config, time.monotonic() + config.verify_timeout_seconds)
    memory = known(before, now)
    known_bad, last = (memory.bad, memory.at) if memory else ((), None)
    here = os.path.realpath(config.base)
    bad = {(one.backup, one.path): one for one in known_bad if one.lies_in(here)}
    elsewhere = tuple(one for one in known_bad if not one.lies_in(here))
    look = Look(Shelf(found or ()), newest, now, reading, here, bad, elsewhere)
    if found is not None:
        look.away(last)
    within = min(proof_elsewhere.ANSWERS, config.verify_timeout_seconds)
    look.look_elsewhere(proof_elsewhere.there(elsewhere, within), last)
    return look, memory


def _again(look: Look, newest: Backup) -> None:
    """Read once more what was bad, with what is left of the time."""
    if not look.bad:
        return
    manifest = look.reading.manifest(newest.folder)
    with suppress(OutOfTimeError):  # it stays bad, and the next look begins with what was tried longest ago
        look.again(max(sum(manifest.files.values()) / DAYS if manifest else 0, _AGAIN))


def _whole(look: Look, memory: Memory | None, newest: Backup) -> Proof:
    """All of the newest backup, by pg_verifybackup; what is known to be bad of others stays so."""
    config = look.reading.config
    level, said = verification.verify(config.verify_program, newest.folder, config.wal, config.verify_timeout_seconds)
    if level is Level.UNKNOWN:
        said = f"not collected: {said}"
    _again(look, newest)
    bad = look.settled()
    memory = memory.model_copy(update={"bad": bad}) if memory and (memory.bad or memory.lost) else None
    findings = proof_words.integrity(look, bad, level, said, memory.lost if memory else None)
    return Proof(findings, memory.model_dump(mode="json") if memory else None, look.reading)


def _sevenths(look: Look, memory: Memory | None, newest: Backup) -> Proof:
    """A part of the backup under proof, and what can be told of it and of the newest without reading."""
    links, above = look.shelf.chain(newest)
    chain = [look.shelf.kept(one) for one in links]
    before = memory or Memory(since=look.now, at=look.now)
    if not before.under:  # nor where the snapshot could not be read
        anew = {"under": tuple(chain), "begun": look.now, "plan": "", "parts": 0, "read": {}, "tried": {}}
        before = before.model_copy(update=anew)
    after, parts, oldest = before, list[list[Piece]](), before.oldest()
    try:
        due = [one for one in before.under if not before.complete or look.is_newest(one)]
        seen = list(dict.fromkeys([chain[0], *(one for one in due if look.of_newest_major(one))]))
        look.structure(seen)
        after = before.chosen(chain, look.readable, look.now)
        look.structure(one for one in after.under if one not in seen)
        if all(look.readable(one) for one in after.under):
            parts = parts_of(look.pieces(after), look.reading.config.proof_budget_bytes)
            after = after.shared(parts, look.here)
            oldest = after.oldest()
            after = look.part(after, parts)
        else:
            look.unknown.append(BROKEN)
    except OutOfTimeError:
        look.unknown.append(LATE)
    _again(look, newest)
    known_at = memory.at if memory and memory.under else None
    after = after.model_copy(update={"bad": look.settled(), "at": look.now})
    coverage = proof_words.coverage(look, after, parts, chain[0], above, oldest, known_at)
    promised = "what is bad is in findings of its own" if after.bad else "each file is as its manifest promises"
    level, said = Level.OK, f"{roughly(look.reading.read)} were read; {promised}"
    if look.unknown:
        level, said = Level.UNKNOWN, f"not collected: {'; '.join(dict.fromkeys(look.unknown))}"
    findings = proof_words.integrity(look, after.bad, level, said, after.lost)
    return Proof((*findings, coverage), after.model_dump(mode="json"), look.reading)
