"""The calendar as an iCalendar file (RFC 5545), for people's own calendars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import icalendar

from upkeep.areas.calendar.occurrences import Occurrence
from upkeep.areas.calendar.proof import Proof

PRODUCT = "-//Upkeep//Calendar of maintenance windows//EN"


def as_icalendar(
    proof: Proof,
    cadences: Sequence[str],
    descriptions: Mapping[tuple[str, str], str],
    installation: str,
    now: datetime,
) -> bytes:
    """One event for each occurrence of these cadences; of each (target, cadence) ``descriptions`` holds its text.

    An event's UID is its target, cadence and due time, so that a later file changes events and doubles none; what
    config has moved to another time is another event. ``installation`` keeps those of two installations apart. A window
    in a freeze is no cancelled event, for its evidence is collected all the same: its title says that it is frozen.
    """
    made = icalendar.Calendar()
    made.add("prodid", PRODUCT)
    made.add("version", "2.0")
    made.add("method", "PUBLISH")
    made.add("x-wr-calname", "Upkeep maintenance")
    for found in proof.calendars:
        for each in found.occurrences:
            if each.cadence in cadences:
                for target in found.targets:
                    made.add_component(_event(target, each, descriptions[target, each.cadence], installation, now))
    written: bytes = made.to_ical()
    return written


def _event(target: str, each: Occurrence, description: str, installation: str, now: datetime) -> icalendar.Event:
    event = icalendar.Event()
    event.add("uid", f"{target}-{each.cadence}-{each.due:%Y%m%dT%H%MZ}@{installation}")
    event.add("dtstamp", now.astimezone(UTC).replace(microsecond=0))
    event.add("dtstart", each.due)
    event.add("dtend", each.deadline)
    event.add("summary", f"{target} {each.cadence} maintenance{_suffix(each)}")
    event.add("description", f"{each.note[:1].upper()}{each.note[1:]}.\n{description}" if each.note else description)
    event.add("categories", [each.cadence])
    event.add("status", "CONFIRMED")
    return event


def _suffix(each: Occurrence) -> str:
    if each.freeze:
        return f" (frozen: {each.freeze.reason})"
    return " (evidence only)" if each.covered_by else ""
