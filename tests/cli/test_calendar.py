"""``python -m upkeep calendar``: what it prints, what it writes, and its exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import icalendar
import pytest

from tests.stages.config import MAIN
from tests.stages.config import config as config  # noqa: PLC0414  # a fixture
from tests.stages.forks import Forks
from upkeep.settings.base import ROOT

Run = Callable[..., subprocess.CompletedProcess[str]]
TWENTY = ("--from", "2027-01-01", "--years", "20")
THREE = ("--from", "2027-01-01", "--years", "3")
#: What stands in the shipped file, by a name for its change.
SHIPPED = {
    "freezes": "freezes: []",
    "weekly": '"0 3 * * 0", length_minutes: 120',
    "monthly": '"0 2 * * 0#1", length_minutes: 240',
    "targets": "targets:\n",
    "approvers": "    default: [dba, devops] ",
}
HOLIDAYS = "freezes: [{start: 2027-12-24T00:00:00Z, end: 2028-01-03T00:00:00Z, reason: Holidays}]"
SECOND = "targets:\n  second: {title: Second, connections: {functions: f, read: r}}\n"


@pytest.fixture
def run(config: Path, server: Forks) -> Run:
    """Runs the command after these changes of the shipped config."""

    def calendar(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        text = (ROOT / "config" / MAIN).read_text()
        for name, new in changes.items():
            assert text.count(SHIPPED[name]) == 1
            text = text.replace(SHIPPED[name], new)
        (config / MAIN).write_text(text)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "UPKEEP"))}
        return server.run(["calendar", *arguments], {**kept, "UPKEEP_CONFIG": str(config)})

    return calendar


@pytest.mark.guide("X9", "holds")
def test_the_summary_of_the_shipped_calendar(run: Run) -> None:
    """X9: twenty years on one page: counts, overlaps with the rule for each, leap days, a line a year; all fits."""
    done = run(*TWENTY)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0] == "From 2027-01-01 00:00 to 2047-01-01 00:00 UTC. Leap years: 2028, 2032, 2036, 2040, 2044."
    assert lines[2:7] == [
        "Target primary",
        "  cadence  cron, UTC           open  windows  first             last              apart",
        "  daily    0 2 * * *         30 min     7305  2027-01-01 02:00  2046-12-31 02:00  1 day",
        "  weekly   0 3 * * 0        120 min     1044  2027-01-03 03:00  2046-12-30 03:00  7 days",
        "  monthly  0 2 * * 0#1      240 min      240  2027-01-03 02:00  2046-12-02 02:00  "
        "28 days (first after 2027-02-07) to 35 days (first after 2027-01-03)",
    ]
    assert "  daily and weekly: never open at once." in lines
    for names, first in (("daily and monthly", "02:00"), ("weekly and monthly", "03:00")):
        at = lines.index(f"  {names}: open at once 240 times, 240 of them on a first Sunday, first 2027-01-03 {first}.")
        assert ("neither waits" if names.startswith("daily") else "plans none") in lines[at + 1]
    assert "  No freezes." in lines
    assert "  On 29 February: daily 2028, 2032, 2036, 2040, 2044; weekly 2032; monthly never." in lines
    years = [line.split() for line in lines if line[:3] == "  2" and line[2:6].isdigit()]
    assert [row[0] for row in years] == [str(year) for year in range(2027, 2047)]
    assert years[:2] == [["2027", "365", "52", "12", "12", "0"], ["2028", "366", "53", "12", "12", "0"]]
    assert sum(int(row[1]) for row in years) == 7305
    assert lines[-1] == "Everything fits."
    assert len(lines) < 50


def test_a_calendar_off_the_sundays_is_told_as_it_is(run: Run) -> None:
    """One overlap that is no first Sunday's, hours between windows, none at all; of one cadence what concerns it."""
    lines = run("--from", "2027-01-01", "--years", "1", monthly='"0 2 8 * *", length_minutes: 240').stdout.splitlines()
    assert lines[0] == "From 2027-01-01 00:00 to 2028-01-01 00:00 UTC. Leap years: none."
    assert "  weekly and monthly: open at once 1 time, first 2027-08-08 03:00." in lines
    rare = {"weekly": '"0 */12 * * *", length_minutes: 120', "monthly": '"0 2 29 2 *", length_minutes: 240'}
    lines = run("--from", "2027-01-01", "--years", "1", "--cadence", "weekly", **rare).stdout.splitlines()
    assert "  weekly   0 */12 * * *     120 min      730  2027-01-01 00:00  2027-12-31 12:00  12:00" in lines
    assert "  weekly and monthly: never open at once." in lines
    assert not any(line.startswith(("  monthly ", "  daily and monthly")) for line in lines)
    lines = run("--from", "2027-01-01", "--years", "1", "--cadence", "monthly", **rare).stdout.splitlines()
    assert "  monthly  0 2 29 2 *       240 min        0  none" in lines
    assert not any(line.startswith("  daily and weekly") for line in lines)


def test_without_a_date_it_begins_now(run: Run) -> None:
    """And without years it goes on for twenty."""
    first = run().stdout.splitlines()[0]
    start, end = first.removeprefix("From ").split(" UTC")[0].split(" to ")
    assert int(end[:4]) - int(start[:4]) == 20
    assert start[4:] == end[4:]
    assert (run("--from", "2028-02-29", "--years", "1").stdout.splitlines()[0]).startswith(
        "From 2028-02-29 00:00 to 2029-03-01 00:00 UTC. Leap years: 2028."
    )


def test_what_a_freeze_touches_is_listed(run: Run) -> None:
    """The two windows of the holidays, the covered one among them, and their year's count."""
    lines = run(*THREE, freezes=HOLIDAYS).stdout.splitlines()
    at = lines.index(
        "  Freeze from 2027-12-24 00:00 to 2028-01-03 00:00 UTC (Holidays): 3 windows that would change something."
    )
    note = "frozen: Holidays (until 2028-01-03 00:00 UTC); evidence only"
    assert lines[at + 1 : at + 4] == [
        f"    Sun 2027-12-26 03:00 to 05:00  weekly   {note}",
        f"    Sun 2028-01-02 02:00 to 06:00  monthly  {note}",
        f"    Sun 2028-01-02 03:00 to 05:00  weekly   {note}",
    ]
    assert [line.split()[-1] for line in lines if line[:6] in ("  2027", "  2028", "  2029")] == ["1", "2", "0"]


def test_a_freeze_in_another_zone_is_told_in_utc(run: Run) -> None:
    """Written with the offset of Berlin: 23:00 UTC of the day before."""
    berlin = "freezes: [{start: 2027-12-24T00:00:00+01:00, end: 2028-01-03T00:00:00+01:00, reason: Holidays}]"
    said = run(*THREE, freezes=berlin).stdout
    assert "  Freeze from 2027-12-23 23:00 to 2028-01-02 23:00 UTC (Holidays): 3 windows that " in said
    assert "frozen: Holidays (until 2028-01-02 23:00 UTC); evidence only" in said


def test_a_long_freeze_is_cut_short_unless_all_is_asked_for(run: Run) -> None:
    """The first twenty and how many more; `--all` lists every window, of one cadence those alone."""
    long = "freezes: [{start: 2027-01-01T00:00:00Z, end: 2029-01-01T00:00:00Z, reason: Rewrite}]"
    assert "    … and 109 more; --all lists every window" in run(*THREE, freezes=long).stdout.splitlines()
    lines = run(*THREE, "--all", "--cadence", "monthly").stdout.splitlines()
    listed = lines[lines.index("primary:") + 1 :]
    assert len(listed) == 36
    assert (listed[0], listed[-1]) == (
        "  Sun 2027-01-03 02:00 to 06:00  monthly",
        "  Sun 2029-12-02 02:00 to 06:00  monthly",
    )


def test_a_frozen_monthly_window_and_two_plans_on_one_day_are_told(run: Run) -> None:
    """A frozen monthly window leaves the weekly one's changes to that one; a later weekly one asks people again."""
    short = "freezes: [{start: 2027-01-03T00:00:00Z, end: 2027-01-03T02:30:00Z, reason: Release}]"
    lines = run(*THREE, "--all", freezes=short).stdout.splitlines()
    assert "  Sun 2027-01-03 03:00 to 05:00  weekly" in lines
    said = run(*THREE, weekly='"0 7 * * 0", length_minutes: 120').stdout
    assert (
        "  weekly and monthly: 36 times on one day without being open at once, first 2027-01-03: each has a plan of "
        "its own, and people are asked twice.\n"
    ) in said


def test_a_calendar_that_does_not_fit_is_refused_and_not_written(run: Run, tmp_path: Path) -> None:
    """The setting, what was found, the first date, what was expected; exit code 1, also where only another is shown."""
    file = tmp_path / "calendar.ics"
    done = run(*THREE, "--cadence", "daily", "--ics", str(file), monthly='"0 2 * * 0", length_minutes: 240')
    said = (
        "windows.weekly.cron: found '0 3 * * 0', each of whose 157 windows overlaps a monthly one ('0 2 * * 0') that "
        "does its changes, first on 2027-01-03 03:00 UTC, expected weekly windows that have changes of their own"
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, said)
    assert not file.exists()
    done = run(*THREE, "--ics", "-", monthly='"0 2 * * 0", length_minutes: 240')
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said + "\n")


def test_a_window_longer_than_its_cadence_does_not_load(run: Run) -> None:
    """Whatever the command: exit code 2, with the first date."""
    done = run(weekly='"0 3,4 * * 0", length_minutes: 120')
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "config/maintenance.yaml: windows.weekly.length_minutes: found 120, yet a window is due on 2028-01-02 at 03:00 "
        "and the next one on 2028-01-02 at 04:00 UTC, expected one that is over when the next is due\n"
    )


def test_several_targets_have_one_calendar_and_one_can_be_shown(run: Run, tmp_path: Path) -> None:
    """Named together, their turns told; the file of one has its DAG alone."""
    lines = run(*THREE, targets=SECOND).stdout.splitlines()
    assert "Targets second, primary" in lines
    assert "Windows of up to 2 targets are open for changes at once, first 2027-01-03 02:00:" in lines
    file = tmp_path / "primary.ics"
    done = run(*THREE, "--target", "primary", "--cadence", "weekly", "--ics", str(file), targets=SECOND)
    assert "Target primary" in done.stdout.splitlines()
    own = SECOND.replace("}}", "}, windows: {weekly: {cron: '0 12 * * 0', length_minutes: 60}}}")
    listed = run(*THREE, "--all", "--target", "second", "--cadence", "weekly", targets=own).stdout.splitlines()
    assert "  Sun 2027-01-03 12:00 to 13:00  weekly" in listed
    assert "  Sun 2027-01-03 03:00" not in "\n".join(listed)
    texts = [str(event["description"]) for event in icalendar.Calendar.from_ical(file.read_bytes()).walk("VEVENT")]
    assert texts
    assert all("DAG: maintenance_weekly__primary" in text.splitlines() for text in texts)
    done = run("--target", "other")
    assert done.returncode == 2
    assert "targets: found no target 'other', expected one of: primary" in done.stderr


def test_the_file_holds_what_was_printed(run: Run, tmp_path: Path) -> None:
    """417 windows and 12 of a year that begins on a Friday; a second file of the same windows has the same UIDs."""
    files = [tmp_path / name for name in ("one.ics", "two.ics")]
    for file in files:
        done = run("--from", "2027-01-01", "--years", "1", "--ics", str(file))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1] == f"Wrote {365 + 52 + 12} windows to {file}."
    first, second = (
        [str(event["uid"]) for event in icalendar.Calendar.from_ical(file.read_bytes()).walk("VEVENT")]
        for file in files
    )
    assert len(set(first)) == 365 + 52 + 12
    assert first == second


def test_a_place_that_cannot_be_written_is_named(run: Run, tmp_path: Path) -> None:
    """Exit code 1, and the summary stands all the same."""
    done = run("--years", "1", "--ics", str(tmp_path / "none" / "calendar.ics"))
    assert done.returncode == 1
    assert "Everything fits.\n" in done.stdout
    assert done.stderr == (
        f"--ics {tmp_path}/none/calendar.ics: found a place that cannot be written (No such file or directory), "
        "expected a file\n"
    )


def test_a_kind_of_action_without_roles_is_named(run: Run, tmp_path: Path) -> None:
    """An event names who must approve; without that in config there is no file."""
    file = tmp_path / "calendar.ics"
    done = run("--years", "1", "--ics", str(file), approvers="    #")
    assert done.returncode == 2
    assert "approval.roles: found " in done.stderr
    assert not file.exists()


def test_a_dash_writes_the_file_alone_to_the_output(config: Path) -> None:
    """Byte by byte, so that it can be piped; what is said goes to the other output."""
    argv = [sys.executable, "-m", "upkeep", "calendar", "--years", "1", "--cadence", "monthly", "--ics", "-"]
    environ = {**os.environ, "UPKEEP_CONFIG": str(config), "PYTHONPATH": str(ROOT / "plugins")}
    done = subprocess.run(argv, env=environ, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith(b"BEGIN:VCALENDAR\r\n")
    assert done.stdout.count(b"\n") == done.stdout.count(b"\r\n")
    assert len(icalendar.Calendar.from_ical(done.stdout).walk("VEVENT")) in (11, 12, 13)
    assert b"Everything fits." in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--years", "0"), "found '0', expected a whole number of years from 1 to 100"),
        (("--years", "101"), "found '101', expected a whole number of years from 1 to 100"),
        (("--years", "1.5"), "found '1.5', expected a whole number of years from 1 to 100"),
        (("--years", "²"), "found '²', expected a whole number of years from 1 to 100"),
        (("--from", "2027-02-29"), "found '2027-02-29', expected a day from 1970 to 2200, such as 2027-01-01"),
        (("--from", "tomorrow"), "found 'tomorrow', expected a day from 1970 to 2200, such as 2027-01-01"),
        (("--from", "1969-12-31"), "found '1969-12-31', expected a day from 1970 to 2200, such as 2027-01-01"),
        (("--cadence", "hourly"), "invalid choice: 'hourly'"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_refused(run: Run, arguments: tuple[str, str], said: str) -> None:
    """What was found and what was expected; exit code 2."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
