"""The iCalendar file, read back by its library and by the rules of RFC 5545."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import icalendar

from upkeep.areas.calendar.ics import PRODUCT, as_icalendar
from upkeep.areas.calendar.people import description
from upkeep.areas.calendar.proof import prove
from upkeep.settings.approval import Freeze
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

CONFIG = settings(ROOT / "config").maintenance
START, NOW = datetime(2027, 1, 1, tzinfo=UTC), datetime(2026, 12, 1, 8, 30, 15, 123, tzinfo=UTC)
#: What must be escaped, what is longer than a line, and what is longer in bytes than in characters.
REASON = "Jahresabschluß; Prüfung, \\ und " + "ä" * 60
FREEZE = Freeze(start=datetime(2027, 1, 17, tzinfo=UTC), end=datetime(2027, 1, 18, tzinfo=UTC), reason=REASON)
CADENCES = ("daily", "weekly", "monthly")


def written(*cadences: str, targets: tuple[str, ...] = ("primary",), now: datetime = NOW) -> bytes:
    """January 2027 as a file."""
    proof = prove(dict.fromkeys(targets, CONFIG.windows), (FREEZE,), START, START.replace(month=2))
    texts = {
        (target, name): description(CONFIG, name, f"maintenance_{name}", ["optimise"] if name != "daily" else [])
        for target in targets
        for name in CADENCES
    }
    return as_icalendar(proof, cadences or CADENCES, texts, "upkeep", now)


def events(content: bytes) -> list[icalendar.Event]:
    """The events of a file, by their start."""
    return list(icalendar.Calendar.from_ical(content).walk("VEVENT"))


def test_each_window_is_an_event_from_due_to_deadline() -> None:
    """31 daily, five weekly and one monthly window, in UTC, with the title that people look for."""
    found = events(written())
    assert len(found) == 31 + 5 + 1
    titles = [str(event["summary"]) for event in found]
    assert titles.count("primary daily maintenance") == 31
    (monthly,) = (event for event in found if event["summary"] == "primary monthly maintenance")
    assert (monthly.start, monthly.end) == (
        datetime(2027, 1, 3, 2, tzinfo=UTC),
        datetime(2027, 1, 3, 6, tzinfo=UTC),
    )
    assert monthly.start.utcoffset() == timedelta()
    assert str(monthly["status"]) == "CONFIRMED"
    assert monthly["dtstamp"].dt == NOW.replace(microsecond=0)


def test_one_cadence_alone() -> None:
    """The five Sundays."""
    assert [event.start.day for event in events(written("weekly"))] == [3, 10, 17, 24, 31]


def test_a_later_file_changes_events_and_doubles_none() -> None:
    """The same UIDs whenever it is written, each once, of two targets too."""
    uids = [str(event["uid"]) for event in events(written(targets=("primary", "second")))]
    again = [
        str(event["uid"]) for event in events(written(targets=("primary", "second"), now=NOW + timedelta(days=40)))
    ]
    assert uids == again
    assert len(set(uids)) == len(uids) == 2 * 37
    assert "second-weekly-20270110T0300Z@upkeep" in uids


def test_a_frozen_window_and_a_covered_one_say_so() -> None:
    """In the title, and why in the description, whatever the reason holds."""
    by_day = {event.start.day: event for event in events(written("weekly"))}
    assert str(by_day[17]["summary"]) == f"primary weekly maintenance (frozen: {REASON})"
    assert str(by_day[17]["description"]).startswith(f"Frozen: {REASON} (until 2027-01-18 00:00 UTC); evidence only.\n")
    assert str(by_day[3]["summary"]) == "primary weekly maintenance (evidence only)"
    assert str(by_day[3]["description"]).startswith("The monthly window of 2027-01-03 02:00 UTC does its changes")
    assert str(by_day[10]["summary"]) == "primary weekly maintenance"


def test_roles_and_dag_are_in_the_description() -> None:
    """Who signs on, attests, approves and signs off; of the daily window that nobody is asked."""
    texts = {str(event["categories"].cats[0]): str(event["description"]) for event in events(written())}
    assert texts["daily"] == "DAG: maintenance_daily\nReads only: nobody is asked."
    assert (
        "Approve optimise: Database Administrator (nobody yet), DevOps Engineer (nobody yet)"
        in texts["weekly"].splitlines()
    )
    monthly = texts["monthly"].splitlines()
    assert monthly[0] == "DAG: maintenance_monthly"
    assert monthly[1].startswith("Sign on: DevOps Engineer (nobody yet), Database Administrator (nobody yet), ")
    assert "Attests Disaster recovery testing: DevOps Engineer (nobody yet)" in monthly
    assert monthly[-1] == "Signs off: Technical Lead (nobody yet)"


def test_lines_end_and_fold_as_the_standard_says() -> None:
    """RFC 5545, 3.1: CRLF and nothing else, at most 75 octets a line, and every folded line is UTF-8 by itself."""
    content = written()
    lines = content.split(b"\r\n")
    assert lines.pop() == b""
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    assert max(map(len, lines)) == 75
    assert any(line.startswith(b" ") for line in lines)
    assert b"X-WR-CALNAME:Upkeep maintenance" in lines
    assert all(line.decode() for line in lines)
    assert lines[:4] == [
        b"BEGIN:VCALENDAR",
        b"VERSION:2.0",
        b"PRODID:" + PRODUCT.encode(),
        b"METHOD:PUBLISH",
    ]
