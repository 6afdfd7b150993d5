"""What the command line's options may hold; read before a command is imported."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from upkeep.core.cron import midnight
from upkeep.core.windows import CADENCES

#: Nobody plans further ahead.
MOST_YEARS = 100
#: In which a calendar may begin.
BEGINS = range(1970, 2201)


def for_calendar(parser: argparse.ArgumentParser) -> None:
    """The options of ``calendar``."""
    parser.add_argument("--years", type=years, default=20, help="how many years to walk through; without it, 20")
    parser.add_argument("--from", dest="start", type=day, metavar="DATE", help="the first day; without it, from now on")
    parser.add_argument("--target", help="show one target of config/maintenance.yaml; all are proved")
    parser.add_argument("--cadence", action="append", choices=CADENCES, help="show this cadence; all are proved")
    parser.add_argument("--all", action="store_true", help="list every window, not the special ones alone")
    parser.add_argument("--ics", metavar="FILE", help="write the windows as iCalendar (RFC 5545), '-' to the output")


def for_grants(parser: argparse.ArgumentParser) -> None:
    """The options of ``grants``."""
    parser.add_argument("database", choices=("target", "maintain", "indexes", "archive", "delete", "canary", "ledger"))
    parser.add_argument("--target", help="one target of config/maintenance.yaml instead of the first")
    parser.add_argument("--role", help="the role to grant to; without it, the login of the Connection it is for")
    parser.add_argument("--dbname", help="the database's name; without it, the schema of the Connection")


def for_acknowledge(parser: argparse.ArgumentParser) -> None:
    """The options of ``acknowledge``."""
    parser.add_argument("key", help="the alert's number or key, as `alerts` lists it")
    parser.add_argument("--target", required=True, help="a target of config/maintenance.yaml")
    end = parser.add_mutually_exclusive_group(required=True)
    end.add_argument("--until-it-clears", action="store_true", help="silent until it is over")
    end.add_argument("--until", type=day, metavar="DATE", help="silent to the end of this day, UTC")
    parser.add_argument("--by", required=True, type=words, help="who acknowledges it")
    parser.add_argument("--why", required=True, type=words, help="why it may be silent")


def words(value: str) -> str:
    """A line that says something."""
    if not value.strip() or not value.isprintable():
        raise argparse.ArgumentTypeError(f"found {value[:80]!r}, expected a line of text")
    return value.strip()


def folder(value: str) -> Path:
    """A folder's path. An empty one, as of a variable that is not set, would be the folder one stands in."""
    if not value.strip():
        raise argparse.ArgumentTypeError(f"found {value!r}, expected the path of a folder")
    return Path(value)


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
