"""``python -m upkeep calendar``: the windows of the coming years, and whether they all fit."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from upkeep.areas.calendar import text
from upkeep.areas.calendar.ics import as_icalendar
from upkeep.areas.calendar.people import description
from upkeep.areas.calendar.proof import Proof, prove
from upkeep.areas.kinds import kinds, with_roles
from upkeep.core.windows import CADENCES
from upkeep.settings.load import Settings, dag_name, settings


def run(arguments: argparse.Namespace) -> int:
    """Print the proof, write the file. Returns 1 where windows do not fit (no file then) or no file can be written."""
    config, now = settings(), datetime.now(UTC)
    start = arguments.start or now
    cadences = [name for name in CADENCES if name in (arguments.cadence or CADENCES)]
    freezes = config.maintenance.freezes
    # The proof is of all targets and cadences, whatever is shown: they share their time.
    targets = {target: config.maintenance.cadences(target) for target in config.targets}
    proof = prove(targets, freezes, start, _after(start, arguments.years))
    shown = _of_target(proof, config, arguments.target) if arguments.target else proof
    said = text.problems(proof) if arguments.ics == "-" else text.summary(shown, freezes, cadences)
    print(*said, sep="\n", file=sys.stderr if arguments.ics == "-" else sys.stdout)
    if arguments.all and arguments.ics != "-":
        print("", *text.each_one(shown, cadences), sep="\n")
    if proof.problems:
        return 1
    return _write(arguments.ics, _ics(config, shown, cadences, now)) if arguments.ics else 0


def _after(start: datetime, count: int) -> datetime:
    """So many years later; from 29 February on, where there is none, 1 March."""
    try:
        return start.replace(year=start.year + count)
    except ValueError:
        return start.replace(year=start.year + count, month=3, day=1)


def _of_target(proof: Proof, config: Settings, target: str) -> Proof:
    """Without the other targets. Raises ConfigError for one that config does not know."""
    config.target(target)
    calendars = (replace(each, targets=(target,)) for each in proof.calendars if target in each.targets)
    return replace(proof, calendars=tuple(calendars))


def _ics(config: Settings, shown: Proof, cadences: list[str], now: datetime) -> bytes:
    maintenance = with_roles(config.maintenance)
    descriptions = {
        (target, cadence): description(
            maintenance,
            cadence,
            dag_name(f"maintenance_{cadence}", target, config.targets),
            [name for name, kind in kinds().items() if cadence in kind.cadences],
        )
        for target in config.targets
        for cadence in cadences
    }
    return as_icalendar(shown, cadences, descriptions, maintenance.ledger.identity or "upkeep", now)


def _write(file: str, content: bytes) -> int:
    if file == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
        return 0
    try:
        Path(file).write_bytes(content)
    except OSError as error:
        print(
            f"--ics {file}: found a place that cannot be written ({error.strerror}), expected a file", file=sys.stderr
        )
        return 1
    print(f"Wrote {content.count(b'BEGIN:VEVENT')} windows to {file}.")
    return 0
