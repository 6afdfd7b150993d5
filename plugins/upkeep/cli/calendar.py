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
from upkeep.core.cron import midnight
from upkeep.flow.dag import dag_name
from upkeep.settings.load import Settings, settings

#: Nobody plans further ahead.
MOST_YEARS = 100
#: In which a calendar may begin.
BEGINS = range(1970, 2201)
CADENCES = ("daily", "weekly", "monthly")


def add_to(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--years", type=years, default=20, help="how many years to walk through; without it, 20")
    parser.add_argument("--from", dest="start", type=day, metavar="DATE", help="the first day; without it, from now on")
    parser.add_argument("--target", help="show one target of config/maintenance.yaml; all are proved")
    parser.add_argument("--cadence", action="append", choices=CADENCES, help="show this cadence; all are proved")
    parser.add_argument("--all", action="store_true", help="list every window, not the special ones alone")
    parser.add_argument("--ics", metavar="FILE", help="write the windows as iCalendar (RFC 5545), '-' to the output")
    parser.set_defaults(run=run)


def day(value: str) -> datetime:
    """The first moment of a day such as 2027-01-01, UTC."""
    try:
        found = midnight(datetime.strptime(value, "%Y-%m-%d").date())
    except ValueError:
        found = None
    if found is None or found.year not in BEGINS:
        raise argparse.ArgumentTypeError(
            f"found {value!r}, expected a day from {BEGINS[0]} to {BEGINS[-1]}, such as 2027-01-01"
        )
    return found


def years(value: str) -> int:
    """A number of years from 1 to ``MOST_YEARS``."""
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= MOST_YEARS):
        raise argparse.ArgumentTypeError(f"found {value!r}, expected a whole number of years from 1 to {MOST_YEARS}")
    return int(value)


def run(arguments: argparse.Namespace) -> int:
    """Print the proof, write the file. Returns 1 where windows do not fit (no file then) or no file can be written."""
    config, now = settings(), datetime.now(UTC)
    start = arguments.start or now
    cadences = [name for name in CADENCES if name in (arguments.cadence or CADENCES)]
    freezes = config.maintenance.freezes
    # The proof is of all targets and cadences, whatever is shown: they share their time.
    proof = prove(
        dict.fromkeys(config.targets, config.maintenance.windows), freezes, start, _after(start, arguments.years)
    )
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
