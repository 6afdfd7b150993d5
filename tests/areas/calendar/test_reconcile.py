"""The calendar beside a real ledger: rows for each window, kept once, changed only forward; what a report then says."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from sandbox.postgres import Cluster
from tests.stages.ledger import Ledger, upgraded
from upkeep.areas.calendar.due import Reconciliation
from upkeep.areas.calendar.look import MOST, findings, inspect
from upkeep.areas.calendar.reconcile import bring_up_to_date, counted_since, read_known
from upkeep.core.findings import Finding, Level
from upkeep.core.windows import Window, WindowKind, calendar_period
from upkeep.ledger.write import open_window
from upkeep.settings.approval import Freeze
from upkeep.settings.exceptions import Acknowledgement
from upkeep.settings.load import Settings, settings
from upkeep.wires import queries

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)  # a Wednesday
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SINCE = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def book(cluster: Cluster) -> Iterator[Ledger]:
    """A ledger of the test's own."""
    with upgraded(cluster) as found:
        yield found


def config(*names: str, since: datetime | None = SINCE, **changes: Any) -> Settings:
    """The shipped config with these targets, whose windows count from ``since`` on."""
    shipped = settings()
    exceptions = changes.pop("exceptions", ())
    target = shipped.maintenance.targets["primary"].model_copy(update={"since": since})
    maintenance = shipped.maintenance.model_copy(
        update={"targets": dict.fromkeys(names or ("primary",), target), **changes}
    )
    return shipped.model_copy(update={"maintenance": maintenance, "exceptions": exceptions})


def look(book: Ledger, about: Settings, now: datetime = NOW) -> Reconciliation:
    """Bring the ledger's calendar up to date as a daily window does."""
    with book.session() as session:
        return bring_up_to_date(session, about, now)


def told(book: Ledger, about: Settings, found: Reconciliation, now: datetime = NOW, target: str = "") -> list[Finding]:
    """The findings of one target's report."""
    name = target or about.targets[0]
    with book.session() as session:
        tallies = session.rows(queries.load("calendar/tallies"), {"target": name})
        removed = read_known(session).removed
    return list(findings(name, found, tallies, removed, about, now))


def ran(book: Ledger, cadence: str, due: datetime, opened: datetime, closed: datetime | None, **more: Any) -> None:
    """A window as its run left it, at moments of the past."""
    rhythm = settings().maintenance.windows[cadence]
    start, end = calendar_period(rhythm, due)
    kind = more.get("kind", WindowKind.CALENDAR)
    about = ("primary", cadence, kind, due, due + rhythm.length, start, end, more.get("run_id", "scheduled__1"))
    window = Window(*about, f"maintenance_{cadence}", "the schedule", secrets.token_hex(4))
    with book.session() as session:
        number = open_window(session, window)
    change = "UPDATE upkeep.windows SET opened_at = %s, closed_at = %s, outcome = %s WHERE id = %s"
    book.change(change, opened, closed, closed and "ok", number)


def rows(book: Ledger, cadence: str) -> dict[str, str]:
    """Day of the month → state."""
    query = "SELECT due, state FROM upkeep.due_windows WHERE cadence = %s ORDER BY due"
    return {f"{due.astimezone(UTC):%d}": state for due, state in book.ask(query, cadence)}


@pytest.mark.guide("G1", "G12", "G23", "fires", "silent")
def test_three_sundays_without_a_run_are_three_rows_and_three_findings(book: Ledger) -> None:
    """Paused over all of them: each is missed, says what to do, and is gone when it was carried out late or waived."""
    about = config()
    found = look(book, about)
    assert rows(book, "weekly") == {"01": "missed", "08": "missed", "15": "missed", "22": "missed"}
    assert rows(book, "monthly") == {"01": "missed"}
    weekly = [one for one in told(book, about, found) if one.key.startswith("calendar:missed:primary:weekly")]
    assert [one.subject for one in weekly] == [
        f"The weekly window of 2026-11-{day} 03:00 UTC was missed" for day in ("22", "15", "08", "01")
    ]
    assert {one.level for one in weekly} == {Level.WARNING}
    assert all("python -m upkeep backfill weekly --target primary" in one.remedy for one in weekly)

    for day in (1, 8, 15):
        due = datetime(2026, 11, day, 3, tzinfo=UTC)
        ran(book, "weekly", due, NOW, NOW + HOUR, run_id=f"backfill__{day}")
    waived = Acknowledgement(key=weekly[0].key, reason="The host moved", by="ann", expires=date(2026, 12, 31))
    lead = about.maintenance.roles["lead"].model_copy(update={"users": ("ann",)})
    roles = {**about.maintenance.roles, "lead": lead}
    about = config(exceptions=(waived,), roles=roles)
    found = look(book, about, NOW + 2 * HOUR)
    assert rows(book, "weekly") == {"01": "late", "08": "late", "15": "late", "22": "waived"}
    assert not [one for one in told(book, about, found) if one.key.startswith("calendar:missed:primary:weekly")]
    ((reason,),) = book.ask("SELECT reason FROM upkeep.due_windows WHERE state = 'waived'")
    assert reason == "ann (Technical Lead): The host moved"


def test_a_waiver_by_somebody_without_a_role_waives_nothing(book: Ledger) -> None:
    """The window stays missed, and the finding says whose name does not count."""
    key = "calendar:missed:primary:weekly:2026-11-22T03:00Z"
    waived = Acknowledgement(key=key, reason="The host moved", by="bob", expires=date(2026, 12, 31))
    about = config(exceptions=(waived,))
    found = look(book, about)
    assert rows(book, "weekly")["22"] == "missed"
    (one,) = (one for one in told(book, about, found) if one.key == key)
    assert "bob, who waived it in config/exceptions.yaml, holds no role" in one.detail


def test_a_waiver_is_for_one_target_and_one_that_expired_is_not_told_as_one_without_a_role(book: Ledger) -> None:
    """What one target's people waived stays missed of the other; who holds a role is never said to hold none."""
    waived = Acknowledgement(
        key="calendar:missed:primary:weekly:2026-11-22T03:00Z", reason="Moved", by="ann", expires=date(2026, 11, 26)
    )
    lead = settings().maintenance.roles["lead"].model_copy(update={"users": ("ann",)})
    roles = {**settings().maintenance.roles, "lead": lead}
    about = config("primary", "second", since=NOW - 4 * DAY, exceptions=(waived,), roles=roles)
    expired = look(book, about, NOW + 3 * DAY)
    (one,) = (one for one in told(book, about, expired, NOW + 3 * DAY) if one.key == waived.key)
    assert one.detail == "no run began before its deadline"
    look(book, about)
    query = "SELECT target, state FROM upkeep.due_windows WHERE cadence = 'weekly' ORDER BY target"
    assert book.ask(query) == [("primary", "waived"), ("second", "missed")]


def test_what_ran_in_time_is_done_and_the_report_says_so(book: Ledger) -> None:
    """Done on its day, a stranded run missed, one that is still at it open; with nothing missed there is one ok."""
    about = config(since=NOW - DAY)
    ran(
        book,
        "daily",
        datetime(2026, 11, 25, 2, tzinfo=UTC),
        NOW.replace(hour=2, minute=1),
        NOW.replace(hour=2, minute=2),
    )
    found = look(book, about)
    assert rows(book, "daily") == {"25": "done"}
    (one,) = told(book, about, found)
    assert (one.level, one.detail) == (Level.OK, "1 daily window done")

    tomorrow = NOW.replace(hour=2) + DAY
    ran(book, "daily", tomorrow, tomorrow, None)
    look(book, about, tomorrow + timedelta(minutes=5))
    assert rows(book, "daily")["26"] == "open"
    found = look(book, about, tomorrow + 3 * HOUR)
    assert rows(book, "daily")["26"] == "missed"
    (one,) = told(book, about, found, tomorrow + 3 * HOUR)
    assert "never wrote a report" in one.detail


def test_a_frozen_window_is_no_miss_and_a_run_by_hand_that_holds_a_slot_is_named(book: Ledger) -> None:
    """Nothing was to be changed in the freeze; Airflow made no run of its own for a slot that was taken."""
    sunday = datetime(2026, 11, 22, tzinfo=UTC)
    about = config(since=sunday, freezes=(Freeze(start=sunday, end=sunday + DAY, reason="Holidays"),))
    look(book, about)
    assert rows(book, "weekly") == {"22": "frozen"}
    ((reason,),) = book.ask("SELECT reason FROM upkeep.due_windows WHERE cadence = 'weekly'")
    assert reason.startswith("Holidays (until 2026-11-23 00:00 UTC); no run")

    due = datetime(2026, 11, 29, 3, tzinfo=UTC)
    ran(book, "weekly", due, due, due + HOUR, kind=WindowKind.MANUAL, run_id="mine")
    found = look(book, about, due + 3 * HOUR)
    assert rows(book, "weekly") == {"22": "frozen", "29": "missed"}
    (one,) = (one for one in told(book, about, found, due + 3 * HOUR) if "weekly" in one.key)
    assert one.detail.startswith("the run by hand mine holds its slot")


@pytest.mark.parametrize(("minutes", "level"), [(-6, Level.UNKNOWN), (-4, Level.OK), (4, Level.OK), (6, Level.UNKNOWN)])
def test_a_clock_that_jumped_judges_no_window(book: Ledger, minutes: int, level: Level) -> None:
    """Held against the ledger server's: ahead of it, windows to come would be missed; it is said, and nothing kept."""
    now = datetime.now(UTC)
    sources: Any = SimpleNamespace(writing=book.session, config=config(since=now + HOUR), target="primary")
    (found,) = inspect(sources, now + timedelta(minutes=minutes)).findings
    assert (found.level, found.key) == (level, "calendar:missed" if level is Level.OK else "calendar:clock")
    ((watched,),) = book.ask("SELECT count(*) FROM upkeep.calendars")
    assert bool(watched) is (level is Level.OK)


def test_looked_through_again_nothing_changes(book: Ledger) -> None:
    """Also by two at the same moment: one row for each window, and its state is kept."""
    about = config("primary", "second")
    hands = [threading.Thread(target=look, args=(book, about)) for _ in range(4)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    before = book.ask("SELECT * FROM upkeep.due_windows ORDER BY target, cadence, due")
    assert len(before) == 2 * (25 + 4 + 1)
    found = look(book, about, NOW + HOUR)
    assert (found.new, found.changed) == ((), ())
    assert book.ask("SELECT * FROM upkeep.due_windows ORDER BY target, cadence, due") == before


def test_without_a_beginning_in_config_the_first_window_that_ran_in_time_is_it(book: Ledger) -> None:
    """A ledger from before counts from there on, a new one from now; a backfill of the far past is no beginning."""
    ran(book, "weekly", datetime(2025, 11, 16, 3, tzinfo=UTC), NOW, NOW + HOUR, run_id="backfill__x")
    in_time = datetime(2026, 11, 15, 3, tzinfo=UTC)
    ran(book, "weekly", in_time, in_time, in_time + HOUR)
    look(book, config(since=None))
    assert rows(book, "weekly") == {"15": "done", "22": "missed"}
    assert rows(book, "daily") == {}
    look(book, config(since=datetime(2026, 11, 8, tzinfo=UTC)), NOW + HOUR)
    assert rows(book, "weekly") == {"08": "missed", "15": "done", "22": "missed"}
    assert len(rows(book, "daily")) == 18


def test_from_when_on_windows_count(book: Ledger) -> None:
    """Who asks first begins the calendar, and it stays there; config may name an earlier moment, not a later one."""
    shipped = config(since=None).maintenance
    with book.session() as session:
        assert counted_since(session, shipped, "primary", "weekly", NOW) == NOW
        assert counted_since(session, shipped, "primary", "weekly", NOW + DAY) == NOW
        assert counted_since(session, config(since=SINCE).maintenance, "primary", "weekly", NOW) == SINCE
        assert counted_since(session, config(since=NOW + DAY).maintenance, "primary", "weekly", NOW) == NOW
        assert counted_since(session, config(since=NOW + DAY).maintenance, "primary", "monthly", NOW) == NOW + DAY


def test_a_long_pause_has_a_few_findings_of_its_own_and_one_for_the_rest(book: Ledger) -> None:
    """Of 25 missed days the newest ten are named; the others are counted, with their span."""
    about = config()
    found = [one for one in told(book, about, look(book, about)) if ":daily:" in one.key]
    assert len(found) == MOST + 1
    assert found[-1].detail == "15, from 2026-11-01 02:00 UTC to 2026-11-15 02:00 UTC"


def test_another_target_says_that_one_is_silent_and_a_removed_one_is_told(book: Ledger) -> None:
    """The daily DAG of one target is paused: the other's report says so. Gone from config: its open windows end."""
    about = config("primary", "second", since=NOW - DAY)
    at = NOW.replace(hour=2)
    ran(book, "daily", at, at, at + timedelta(minutes=1))
    found = look(book, about)
    (silent,) = (one for one in told(book, about, found) if one.key.startswith("calendar:silent"))
    assert silent.key == "calendar:silent:second"
    assert not [one for one in told(book, about, found, target="second") if one.key.startswith("calendar:silent")]

    alone = config("primary", since=NOW - DAY)
    found = look(book, alone, NOW + HOUR)
    (gone,) = (one for one in told(book, alone, found, NOW + HOUR) if one.key.startswith("calendar:removed"))
    assert gone.key == "calendar:removed:second"
    assert "windows that have no end: daily of 2026-11-25 02:00 UTC" in gone.detail
    later = NOW + 32 * DAY
    assert not [one for one in told(book, alone, look(book, alone, later), later) if "removed" in one.key]
    look(book, about, later + HOUR)
    assert not [one for one in told(book, about, look(book, about, later), later) if "removed" in one.key]


def test_the_ledger_itself_keeps_what_has_ended(book: Ledger) -> None:
    """The tasks' role may not take back an end, delete a row, or move one in time."""
    look(book, config(since=NOW - DAY))
    book.change("UPDATE upkeep.due_windows SET state = 'late'")
    for statement, refused in (
        ("UPDATE upkeep.due_windows SET state = 'missed'", "is late, found missed"),
        ("UPDATE upkeep.due_windows SET due = due - interval '1 day'", "permission denied"),
        ("DELETE FROM upkeep.due_windows", "permission denied"),
    ):
        with pytest.raises(psycopg.Error, match=re.escape(refused)), book.session() as session:
            session.rows(statement)
