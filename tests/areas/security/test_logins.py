"""The daily security checks on a real PostgreSQL: each finding appears and disappears, and no log is half read."""

from __future__ import annotations

import ipaddress
import json
import re
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.stages.logs import CONFIG, END, NOON, PERIOD, configured, log_in, look, one, request
from tests.stages.logs import platform as platform  # noqa: PLC0414  # a fixture
from tests.stages.platform import Platform
from upkeep.areas import logs
from upkeep.areas.look import Look
from upkeep.areas.patches.scan_age import scan_age, scan_results
from upkeep.areas.registry import find
from upkeep.areas.security import logins
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.settings.values import Hours, TableName
from upkeep.wires import database
from upkeep.wires.queries import source

NIGHT = datetime(2026, 5, 3, 23, 30, tzinfo=UTC)
BEFORE = NOON - timedelta(days=3)
ALL = ("failed_logins", "new_addresses", "rate_limits", "service_role_hours")
#: Of the alerts an empty period says that there were none.
OF_LOGS = (*ALL, "overnight_alerts")
#: The logs, each with a column that its checks read.
LOGS = {"security_logs": "ip_address", "application_logs": "ip_address", "performance_alerts": "severity"}


# G70: failed logins ---------------------------------------------------------------------------------------------


@pytest.mark.guide("G70", "fires", "silent")
def test_an_address_above_its_limit_is_found_and_one_at_it_is_not(platform: Platform) -> None:
    """Three failures from one address at a limit of two are a warning; after one is gone there is none."""
    config = configured(failed_logins_per_address=2)
    log_in(platform, "login_failure", 2, "192.0.2.7", "a")
    log_in(platform, "login_failure", 1, "192.0.2.7", "b", at=NIGHT)
    log_in(platform, "login_failure", 2, "192.0.2.8", "c")
    finding = one(look(platform, "failed_logins", config))
    assert finding.level is Level.WARNING
    assert finding.key == "failed_logins:address:192.0.2.7"
    assert finding.subject == "Failed logins from 192.0.2.7"
    assert finding.detail == "3 in the period, against 2 accounts, 2026-05-03 12:00 to 2026-05-03 23:30 UTC"
    platform.sql("DELETE FROM security_logs WHERE account = 'b'")
    looked = look(platform, "failed_logins", config)
    assert one(looked).level is Level.OK
    assert one(looked).detail == "4 from 2 addresses against 2 accounts"
    assert [(sample.metric, sample.value) for sample in looked.samples] == [("failed_logins", 4.0)]


@pytest.mark.guide("G70", "fires", "silent")
def test_an_account_attacked_from_many_addresses_is_found(platform: Platform) -> None:
    """Eleven failures of one account from as many addresses are found by account, though no address stands out."""
    for number in range(11):
        log_in(platform, "login_failure", 1, f"192.0.2.{number}", "victim@example.org")
    finding = one(look(platform, "failed_logins"))
    assert finding.key == "failed_logins:account:victim@example.org"
    assert finding.detail.startswith("11 in the period, from 11 addresses")
    assert finding.expected == "at most 10 per account"
    platform.sql("DELETE FROM security_logs WHERE ip_address = '192.0.2.0'")
    assert one(look(platform, "failed_logins")).level is Level.OK


@pytest.mark.guide("G70", "X6", "holds")
def test_only_the_period_counts(platform: Platform) -> None:
    """Its start belongs to it and its end does not; what lies before or after is another window's."""
    config = configured(failed_logins_per_address=0, failed_logins_per_account=99)
    for at in (PERIOD[0] - timedelta(microseconds=1), PERIOD[1]):
        log_in(platform, "login_failure", 1, at=at)
    log_in(platform, "login_success")
    assert one(look(platform, "failed_logins", config)).level is Level.OK
    log_in(platform, "login_failure", 1, at=PERIOD[0])
    assert one(look(platform, "failed_logins", config)).detail.startswith("1 in the period")
    later = (PERIOD[0] + timedelta(hours=24), PERIOD[1] + timedelta(hours=24))
    assert one(look(platform, "failed_logins", config, later)).detail.startswith("1 in the period")


@pytest.mark.guide("G70", "fires")
def test_fifty_offenders_are_shown_and_the_others_counted(platform: Platform) -> None:
    """Of 10,000 addresses above the limit the fifty worst are findings, and a last one says how many more."""
    platform.sql("""
        INSERT INTO security_logs (created_at, event, account, ip_address)
        SELECT '2026-05-03 12:00Z', 'login_failure', NULL, '10.0.0.0'::inet + n
        FROM generate_series(1, 10000) AS n, generate_series(1, CASE WHEN n <= 50 THEN 3 ELSE 2 END)
    """)
    findings = look(platform, "failed_logins", configured(failed_logins_per_address=1)).findings
    assert len(findings) == 51
    assert {finding.key for finding in findings[:50]} == {
        f"failed_logins:address:10.0.0.{number}" for number in range(1, 51)
    }
    assert findings[50].key == "failed_logins:more"
    assert findings[50].detail.startswith("9950 more addresses and accounts")


def test_hostile_accounts_are_cut_and_break_nothing(platform: Platform) -> None:
    """HTML, bidirectional marks, percent signs and a megabyte of text arrive as text, at most 200 characters of it."""
    hostile = ("<script>alert('1')</script>", "\u202egro.elpmaxe@nimda", "100%s %(start)s {table}", "x" * 1_000_000)
    for account in hostile:
        log_in(platform, "login_failure", 2, account=account)
    looked = look(platform, "failed_logins", configured(failed_logins_per_account=1))
    found = {finding.metadata["account"]: finding for finding in looked.findings}
    assert found.keys() == {account[:200] for account in hostile}
    assert all(len(finding.subject) < 250 and len(finding.key) < 250 for finding in looked.findings)


@pytest.mark.guide("G70", "silent")
def test_failures_without_an_account_or_an_address_are_counted(platform: Platform) -> None:
    """Nobody is called NULL; the sentence says how many failures have no address."""
    platform.sql("ALTER TABLE security_logs ALTER ip_address DROP NOT NULL")
    platform.sql("""
        INSERT INTO security_logs (created_at, event, account, ip_address)
        SELECT '2026-05-03 12:00Z', 'login_failure', NULL, NULL FROM generate_series(1, 60)
    """)
    finding = one(look(platform, "failed_logins"))
    assert (finding.level, finding.detail) == (
        Level.OK,
        "60 from 0 addresses against 0 accounts; 60 without an address",
    )


# G70: new addresses ---------------------------------------------------------------------------------------------


@pytest.mark.guide("G70", "fires", "silent")
def test_an_address_is_new_until_it_is_known(platform: Platform) -> None:
    """A login from an address without one in the days before is advisory; with one, long ago or not, it is settled."""
    log_in(platform, "login_success", 1, "192.0.2.1", "a", at=BEFORE - timedelta(days=27))
    log_in(platform, "login_success", 1, "192.0.2.1", "a")
    log_in(platform, "login_success", 2, "2001:db8::7", "b")
    log_in(platform, "login_success", 1, "2001:db8::7", "c")
    log_in(platform, "login_failure", 1, "2001:db8::7", "b", at=BEFORE)
    looked = look(platform, "new_addresses")
    finding = one(looked)
    assert finding.level is Level.ADVISORY
    assert finding.detail.startswith("1 of 2 addresses with a login are new: 2001:db8::7 (b and 1 more accounts)")
    assert finding.metadata["addresses"] == [{"address": "2001:db8::7", "logins": 3, "accounts": 2, "account": "b"}]
    assert (looked.samples[0].metric, looked.samples[0].value) == ("new_addresses", 1.0)
    log_in(platform, "login_success", 1, "2001:db8::7", "b", at=BEFORE)
    finding = one(look(platform, "new_addresses"))
    assert (finding.level, finding.detail) == (Level.OK, "0 of 2 addresses with a login are new")


@pytest.mark.guide("G70", "fires", "silent")
def test_an_address_last_seen_too_long_ago_is_new_again(platform: Platform) -> None:
    """The days of config decide."""
    log_in(platform, "login_success", 1, "192.0.2.1", at=BEFORE)
    log_in(platform, "login_success", 1, "192.0.2.2", at=NOON - timedelta(days=1))
    log_in(platform, "login_success", 1, "192.0.2.1")
    assert one(look(platform, "new_addresses", configured(new_address_days=2))).level is Level.ADVISORY
    finding = one(look(platform, "new_addresses", configured(new_address_days=3)))
    assert finding.level is Level.OK
    assert "the log knows logins only from" not in finding.detail
    assert "the log knows logins only from 2026-04-30 on" in one(look(platform, "new_addresses")).detail


@pytest.mark.guide("G70", "fires", "silent")
def test_without_logins_before_nothing_can_be_new(platform: Platform) -> None:
    """A log that has only just begun is UNKNOWN: every address would be new."""
    log_in(platform, "login_success")
    finding = one(look(platform, "new_addresses"))
    assert finding.level is Level.UNKNOWN
    assert "every address would be new" in finding.detail
    log_in(platform, "login_success", at=BEFORE)
    assert one(look(platform, "new_addresses")).level is Level.OK


@pytest.mark.guide("G70", "fires")
def test_many_new_addresses_are_one_finding(platform: Platform) -> None:
    """Five are named, fifty are in the metadata, all are counted."""
    log_in(platform, "login_success", at=BEFORE)
    platform.sql("""
        INSERT INTO security_logs (created_at, event, account, ip_address)
        SELECT '2026-05-03 12:00Z', 'login_success', repeat('<b>', 300000), '10.0.0.0'::inet + n
        FROM generate_series(1, 60) AS n
    """)
    finding = one(look(platform, "new_addresses"))
    assert finding.detail.startswith("60 of 60 addresses with a login are new: 10.0.0.1 (<b>")
    assert "and 55 more" in finding.detail
    assert len(finding.metadata["addresses"]) == logins.SHOWN
    assert len(finding.detail) < 2000


# G70: new addresses, remembered ---------------------------------------------------------------------------------


def day(number: int) -> tuple[datetime, datetime]:
    """The period this many days after the first."""
    return PERIOD[0] + timedelta(days=number), PERIOD[1] + timedelta(days=number)


def memory(*looks: LookResult) -> dict[tuple[str, str], float]:
    """What the ledger makes of earlier looks' samples."""
    found: dict[tuple[str, str], float] = {}
    for sample in (sample for looked in looks for sample in looked.samples):
        name = sample.metric, sample.subject
        found[name] = max(sample.value, found.get(name, sample.value))
    return found


def new(looked: LookResult) -> list[str]:
    """The addresses that a look calls new."""
    return [each["address"] for each in one(looked).metadata["addresses"]]


def test_an_address_is_known_from_memory_and_only_the_period_is_read(platform: Platform) -> None:
    """Known though the log forgot it, new though it was slipped into days that were read: those are not read again."""
    log_in(platform, "login_success", address="192.0.2.1", at=BEFORE)
    log_in(platform, "login_success", address="192.0.2.2")
    first = look(platform, "new_addresses")
    assert new(first) == ["192.0.2.2"]
    platform.sql("DELETE FROM security_logs")
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        log_in(platform, "login_success", address=address, at=NOON + timedelta(days=1))
    log_in(platform, "login_success", address="192.0.2.3", at=BEFORE)
    second = look(platform, "new_addresses", about=day(1), remembered=memory(first))
    assert one(second).detail.startswith("1 of 3 addresses with a login are new: 192.0.2.3 ")
    assert new(look(platform, "new_addresses", about=day(1))) == ["192.0.2.1", "192.0.2.2"]
    log_in(platform, "login_success", address="192.0.2.3", at=NOON + timedelta(days=2))
    third = look(platform, "new_addresses", about=day(2), remembered=memory(first, second))
    assert (one(third).level, new(third)) == (Level.OK, [])


def test_a_remembered_address_expires(platform: Platform) -> None:
    """The days of config decide, as in the log: it is new again a moment after them."""
    config = configured(new_address_days=2)
    log_in(platform, "login_success", address="192.0.2.1", at=NOON)
    log_in(platform, "login_success", address="192.0.2.9", at=BEFORE + timedelta(days=2))
    looks = [look(platform, "new_addresses", config)]
    log_in(platform, "login_success", address="192.0.2.9", at=NOON + timedelta(days=1))
    looks.append(look(platform, "new_addresses", config, day(1), memory(*looks)))
    log_in(platform, "login_success", address="192.0.2.1", at=NOON + timedelta(days=3))
    known = memory(*looks)
    assert new(look(platform, "new_addresses", config, day(3), known)) == ["192.0.2.1"]
    starting_at_noon = NOON + timedelta(days=2), NOON + timedelta(days=4)
    assert new(look(platform, "new_addresses", config, starting_at_noon, known)) == []
    a_moment_later = (starting_at_noon[0] + timedelta(microseconds=1), starting_at_noon[1])
    assert new(look(platform, "new_addresses", config, a_moment_later, known)) == ["192.0.2.1"]


def test_a_missed_window_is_read_from_the_log(platform: Platform) -> None:
    """Whoever first came on a day that nobody looked at is not new on the next."""
    log_in(platform, "login_success", address="192.0.2.1", at=BEFORE)
    log_in(platform, "login_success", address="192.0.2.1")
    first = look(platform, "new_addresses")
    log_in(platform, "login_success", address="192.0.2.2", at=NOON + timedelta(days=1))
    for address in ("192.0.2.1", "192.0.2.2"):
        log_in(platform, "login_success", address=address, at=NOON + timedelta(days=2))
    after = look(platform, "new_addresses", about=day(2), remembered=memory(first))
    assert one(after).detail.startswith("0 of 2 addresses with a login are new")
    platform.sql("DELETE FROM security_logs")
    log_in(platform, "login_success", address="192.0.2.2", at=NOON + timedelta(days=3))
    assert new(look(platform, "new_addresses", about=day(3), remembered=memory(first, after))) == []


def test_a_row_that_is_committed_late_is_still_seen(platform: Platform) -> None:
    """The hour before a look is read again by the next one."""
    log_in(platform, "login_success", at=BEFORE)
    first = look(platform, "new_addresses")
    platform.sql("DELETE FROM security_logs")
    log_in(platform, "login_success", address="192.0.2.5", at=END - timedelta(minutes=30))
    log_in(platform, "login_success", address="192.0.2.5", at=NOON + timedelta(days=1))
    assert one(first).level is Level.UNKNOWN or new(first) == []
    assert new(look(platform, "new_addresses", about=day(1), remembered=memory(first))) == []


@pytest.mark.parametrize("most", [1, 2, 3])
def test_above_the_cap_the_log_is_read_and_nobody_is_new_for_being_forgotten(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Three addresses in all and two in the period: with room for fewer, each look says what it says without memory."""
    monkeypatch.setattr(logs, "MOST_REMEMBERED", most)
    for address in ("192.0.2.1", "192.0.2.2"):
        log_in(platform, "login_success", address=address, at=BEFORE)
    for address in ("192.0.2.2", "192.0.2.3"):
        log_in(platform, "login_success", address=address)
    first = look(platform, "new_addresses")
    assert new(first) == ["192.0.2.3"]
    kept = {logs.address(subject) for metric, subject in memory(first) if metric.startswith("last seen")}
    assert kept == {1: set(), 2: {"192.0.2.2", "192.0.2.3"}, 3: {"192.0.2.1", "192.0.2.2", "192.0.2.3"}}[most]
    for number in range(1, 5):
        log_in(platform, "login_success", address=f"192.0.2.{number}", at=NOON + timedelta(days=1))
    second = look(platform, "new_addresses", about=day(1), remembered=memory(first))
    assert new(second) == ["192.0.2.4"]
    assert "1 of 4" in one(second).detail


def test_memory_is_of_one_log_and_its_columns(platform: Platform) -> None:
    """When config names another column nothing is remembered: the log is read, and says who came there."""
    log_in(platform, "login_success", address="192.0.2.1", at=BEFORE)
    log_in(platform, "login_success", address="192.0.2.1")
    first = look(platform, "new_addresses")
    platform.sql("ALTER TABLE security_logs ADD COLUMN forwarded_for text")
    platform.sql("UPDATE security_logs SET forwarded_for = 'other'")
    log_in(platform, "login_success", address="192.0.2.1", at=NOON + timedelta(days=1))
    platform.sql("UPDATE security_logs SET forwarded_for = '192.0.2.1' WHERE forwarded_for IS NULL")
    config = configured({"address": "forwarded_for"})
    assert new(look(platform, "new_addresses", config, day(1), memory(first))) == ["192.0.2.1"]
    assert new(look(platform, "new_addresses", CONFIG, day(1), memory(first))) == []


# G71 ------------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G71", "fires", "silent")
def test_a_share_of_refused_requests_above_the_limit_is_found(platform: Platform) -> None:
    """One in a hundred is the limit itself and ok, two are a warning that names who was refused; and back again."""
    log_in(platform, "token_refresh")
    request(platform, 99)
    request(platform, 1, 429, address="203.0.113.9")
    assert [finding.level for finding in look(platform, "rate_limits").findings] == [Level.OK, Level.OK]
    request(platform, 1, 429, address="203.0.113.9")
    looked = look(platform, "rate_limits")
    finding = looked.findings[0]
    assert (finding.level, finding.key) == (Level.WARNING, "rate_limits:requests")
    assert finding.detail == "2 of 101 (1.98 %) in the period; most by 203.0.113.9 2"
    assert looked.samples[0].value == pytest.approx(100 * 2 / 101)
    platform.sql("DELETE FROM application_logs WHERE status = 429")
    assert look(platform, "rate_limits").findings[0].level is Level.OK


@pytest.mark.guide("G71", "fires", "silent")
def test_rate_limited_events_above_the_limit_are_found(platform: Platform) -> None:
    """Each log is judged by itself: the events warn while no request was answered with 429."""
    request(platform)
    config = configured(rate_limited_events=2)
    log_in(platform, "rate_limited", 2)
    assert [finding.level for finding in look(platform, "rate_limits", config).findings] == [Level.OK, Level.OK]
    log_in(platform, "rate_limited", 1)
    requests, events = look(platform, "rate_limits", config).findings
    assert (requests.level, events.level) == (Level.OK, Level.WARNING)
    assert (events.key, events.detail) == ("rate_limits:events", "3 in the period; most by 192.0.2.1 3")
    platform.sql("DELETE FROM security_logs WHERE id = (SELECT min(id) FROM security_logs)")
    assert look(platform, "rate_limits", config).findings[1].level is Level.OK


@pytest.mark.guide("G71", "fires")
def test_one_log_that_is_missing_leaves_the_other_judged(platform: Platform) -> None:
    """Without an application log its half is UNKNOWN and the events are judged all the same."""
    platform.sql("DROP TABLE application_logs")
    log_in(platform, "rate_limited", 1)
    requests, events = look(platform, "rate_limits").findings
    assert requests.level is Level.UNKNOWN
    assert "logs.application.table" in requests.remedy
    assert events.level is Level.OK


# G72 ------------------------------------------------------------------------------------------------------------


def hours(*texts: str) -> tuple[Hours, ...]:
    """Times of day as config gives them."""
    return tuple(Hours(*(time.fromisoformat(half) for half in text.split("-"))) for text in texts)


@pytest.mark.guide("G72", "fires", "silent")
def test_the_service_role_key_at_odd_hours_is_found(platform: Platform) -> None:
    """By day it is ok, at 23:30 an advisory that names the address, and ok again without that request."""
    request(platform, 5, role="service_role")
    request(platform, 5, role="authenticated", at=NIGHT)
    assert one(look(platform, "service_role_hours")).level is Level.OK
    request(platform, 3, role="service_role", at=NIGHT)
    looked = look(platform, "service_role_hours")
    finding = one(looked)
    assert finding.level is Level.ADVISORY
    assert finding.detail == "3 requests at odd hours from 1 addresses: 203.0.113.1 3"
    assert finding.expected == "none at odd hours (22:00-02:00 UTC)"
    assert finding.metadata["addresses"][0]["seen"] == "2026-05-03 23:30 to 2026-05-03 23:30 UTC"
    assert [sample.value for sample in looked.samples] == [3.0]
    platform.sql("DELETE FROM application_logs WHERE created_at > '2026-05-03 23:00Z' AND api_role = 'service_role'")
    assert one(look(platform, "service_role_hours")).level is Level.OK


@pytest.mark.guide("G72", "fires", "silent")
@pytest.mark.parametrize(
    ("given", "at", "found"),
    [
        (("22:00-02:00",), "21:59:59.999999", False),
        (("22:00-02:00",), "22:00", True),
        (("22:00-02:00",), "01:59:59.999999", True),
        (("22:00-02:00",), "02:00", False),
        (("22:00-00:00",), "23:59:59", True),
        (("22:00-00:00",), "00:00", False),
        (("03:00-04:30", "05:00-06:00"), "04:30", False),
        (("03:00-04:30", "05:00-06:00"), "05:15", True),
        ((), "23:00", False),
    ],
)
def test_the_boundaries_of_odd_hours(platform: Platform, given: tuple[str, ...], at: str, found: bool) -> None:
    """The start belongs to them, the end does not, and they may reach past midnight."""
    moment = datetime.combine(NOON.date(), time.fromisoformat(at), UTC)
    request(platform, role="service_role", at=moment)
    day = (NOON - timedelta(hours=12), NOON + timedelta(hours=12))
    finding = one(look(platform, "service_role_hours", configured(odd_hours=hours(*given)), day))
    assert finding.level is (Level.ADVISORY if found else Level.OK)


@pytest.mark.guide("G72", "fires", "silent")
def test_once_servers_are_named_all_others_are_strangers(platform: Platform) -> None:
    """The named network may at any hour; any other address, and none, is a warning at any hour."""
    config = configured(service_role_addresses=(ipaddress.ip_network("203.0.113.0/28"),))
    request(platform, 2, role="service_role", at=NIGHT)
    assert one(look(platform, "service_role_hours", config)).level is Level.OK
    request(platform, 2, role="service_role", address="203.0.113.77")
    request(platform, 1, role="service_role", address=None, at=NIGHT)
    finding = one(look(platform, "service_role_hours", config))
    assert finding.level is Level.WARNING
    assert finding.detail.startswith("3 requests from 2 other addresses, 1 of them at odd hours (22:00-02:00 UTC)")
    assert "203.0.113.77 2, no address 1" in finding.detail
    platform.sql("DELETE FROM application_logs WHERE ip_address IS NULL OR ip_address = '203.0.113.77'")
    assert one(look(platform, "service_role_hours", config)).level is Level.OK


# G6 -------------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G6", "fires", "silent")
def test_the_age_of_the_last_scan() -> None:
    """None yet is UNKNOWN, eight days are ok and more a warning, the future is UNKNOWN."""
    unseen = scan_age(None, END)
    assert unseen.level is Level.UNKNOWN and "not collected: no weekly scan has been recorded yet" in unseen.detail
    assert "no weekly scan has been recorded yet" in scan_age(None, END).detail
    assert scan_age(END - timedelta(days=8), END).level is Level.OK
    assert scan_age(END - timedelta(days=8, seconds=1), END).level is Level.WARNING
    unseen = scan_age(END + timedelta(hours=1), END)
    assert (
        unseen.level is Level.UNKNOWN
        and "the last weekly scan is of 2026-05-04 03:00 UTC, which is still to come" in unseen.detail
    )


@pytest.mark.guide("G6", "fires", "silent")
def test_what_the_last_scan_found_is_said_until_it_is_gone_or_acknowledged() -> None:
    """Worst first, five by name; what is acknowledged does not count, and never more than an advisory."""

    def found(name: str, level: Level, **metadata: str) -> Finding:
        return Finding(f"npm:audit:{name}", level, f"npm package {name}", "x" * 300, "", "", "G73", metadata)

    clean = scan_results(END, [found("a", Level.OK)])
    assert (clean.level, clean.remedy) == (Level.OK, "")
    assert clean.detail.startswith("none open from the scan of 2026-05-04 ")
    bad = scan_results(END, [found("a", Level.ADVISORY), found("b", Level.WARNING), found("c", Level.OK)])
    assert bad.level is Level.ADVISORY and bad.remedy
    assert re.search("^2 open .*: warning npm package b: x{200} · advisory npm package a: x{200}$", bad.detail)
    assert scan_results(END, [found("a", Level.ADVISORY, acknowledged="by dora")]).level is Level.OK
    many = scan_results(END, [found(str(number), Level.WARNING) for number in range(8)])
    assert many.detail.startswith("8 open ") and many.detail.endswith("· 3 more")


# Logs that cannot be read, or not whole ---------------------------------------------------------------------------


@pytest.mark.guide("G70-G72", "fires", "silent")
@pytest.mark.parametrize("name", ALL)
def test_a_log_without_a_row_in_the_period_is_unknown(platform: Platform, name: str) -> None:
    """Silence is not "0 failures": the log may have stopped."""
    assert {finding.level for finding in look(platform, name).findings} == {Level.UNKNOWN}
    assert "has no row at all in the period" in look(platform, name).findings[0].detail
    log_in(platform, "login_success", at=BEFORE)
    log_in(platform, "login_success")
    request(platform)
    assert {finding.level for finding in look(platform, name).findings} == {Level.OK}


def both(platform: Platform, statement: str, **more: str) -> None:
    """Do the same to both logs."""
    for table in ("security_logs", "application_logs"):
        platform.sql(statement, table=table, **more)


@pytest.mark.guide("G70-G72", "G118", "fires", "silent")
@pytest.mark.parametrize("name", OF_LOGS)
@pytest.mark.parametrize(
    ("spoil", "detail", "remedy", "mend"),
    [
        (
            "ALTER TABLE {table} RENAME TO {gone}",
            "found no table public.",
            ".table",
            "ALTER TABLE {gone} RENAME TO {table}",
        ),
        (
            "ALTER TABLE {table} RENAME {column} TO {gone}",
            "found no column ",
            "config/maintenance.yaml: logs.",
            "ALTER TABLE {table} RENAME {gone} TO {column}",
        ),
        (
            "REVOKE SELECT ON {table} FROM {role}",
            "may not read public.",
            "python -m upkeep grants target",
            "GRANT SELECT ON {table} TO {role}",
        ),
        (
            "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            "row-level security hides rows of public.",
            "USING (true)",
            "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        ),
        (
            "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            "row-level security hides rows of public.",
            "USING (true)",
            "CREATE POLICY reads ON {table} FOR SELECT TO {role} USING (true)",
        ),
        (
            "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            "row-level security hides rows of public.",
            "BYPASSRLS",
            "ALTER ROLE {role} BYPASSRLS",
        ),
    ],
    ids=["absent", "another column", "refused", "RLS", "RLS and a policy", "RLS and BYPASSRLS"],
)
def test_a_log_that_cannot_be_read_whole_is_unknown(
    platform: Platform, name: str, spoil: str, detail: str, remedy: str, mend: str
) -> None:
    """The reason and the remedy are said, never a false "0"; once mended the check judges."""
    log_in(platform, "login_success", at=BEFORE)
    log_in(platform, "login_success")
    request(platform)
    platform.sql(
        "INSERT INTO performance_alerts (created_at, metric, value, threshold, severity)"
        " VALUES ('2026-01-01', 'response_time', 1200, 1000, 'critical')"
    )
    for table, column in LOGS.items():
        platform.sql(spoil, table=table, column=column, gone=f"{table}_gone", role=platform.role)
    for finding in look(platform, name).findings:
        assert finding.level is Level.UNKNOWN
        assert detail in finding.detail
        assert remedy in finding.remedy
    for table, column in LOGS.items():
        platform.sql(mend, table=table, column=column, gone=f"{table}_gone", role=platform.role)
    assert {finding.level for finding in look(platform, name).findings} == {Level.OK}


@pytest.mark.guide("G70", "fires", "silent")
def test_policies_that_leave_rows_out_are_told_from_one_that_does_not(platform: Platform) -> None:
    """A policy on some rows, one for somebody else, and a restrictive one beside `true` all hide rows."""
    platform.sql("ALTER TABLE security_logs ENABLE ROW LEVEL SECURITY")
    log_in(platform, "login_failure")
    for policy, level in (
        ("FOR SELECT TO PUBLIC USING (event = 'login_success')", Level.UNKNOWN),
        ("FOR SELECT TO pg_database_owner USING (true)", Level.UNKNOWN),
        ("FOR UPDATE TO PUBLIC USING (true)", Level.UNKNOWN),
        ("TO PUBLIC USING (true)", Level.OK),
    ):
        platform.sql(f"CREATE POLICY one ON security_logs {policy}")
        assert one(look(platform, "failed_logins")).level is level
        platform.sql("DROP POLICY one ON security_logs")
    platform.sql("CREATE POLICY one ON security_logs USING (true)")
    platform.sql("CREATE POLICY two ON security_logs AS RESTRICTIVE USING (event <> 'login_failure')")
    unseen = one(look(platform, "failed_logins"))
    assert (
        unseen.level is Level.UNKNOWN
        and "row-level security hides rows of public.security_logs from role" in unseen.detail
    )


@pytest.mark.guide("G70", "fires")
def test_a_view_is_not_taken_for_a_log(platform: Platform) -> None:
    """Whether a view shows all rows nobody can say."""
    log_in(platform, "login_failure")
    platform.sql("CREATE VIEW looking AS SELECT * FROM security_logs")
    config = configured({"table": TableName("public", "looking")})
    finding = one(look(platform, "failed_logins", config))
    assert (finding.level, finding.detail) == (Level.UNKNOWN, "not collected: public.looking is not a table")


@pytest.mark.guide("G70", "holds")
def test_names_of_any_kind_are_read(platform: Platform) -> None:
    """Mixed case, blanks, quotes, dots, percent signs and braces in the names of schema, table and columns."""
    names = {"time": 'When "it" was', "event": "100% event", "account": "{who}", "address": "o'IP %s"}
    schema, table = "Lög s", "Sec.urity %(start)s"
    platform.sql("CREATE SCHEMA {schema}", schema=schema)
    columns = sql.SQL("{time} timestamp, {event} varchar, {account} text, {address} text").format(
        **{key: sql.Identifier(value) for key, value in names.items()}
    )
    with psycopg.connect(platform.admin) as connection:
        where = sql.Identifier(schema, table)
        connection.execute(sql.SQL("CREATE TABLE {} ({})").format(where, columns))
        row = [NIGHT.replace(tzinfo=None), "login_failure", "a", "no <address> at all"]
        into = sql.SQL("INSERT INTO {} VALUES ({})").format(where, sql.SQL(", ").join(map(sql.Literal, row)))
        connection.execute(into)
        connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(where, sql.Identifier(platform.role)))
    config = configured({"table": TableName(schema, table), **names}, failed_logins_per_address=0)
    finding = one(look(platform, "failed_logins", config))
    assert (finding.level, finding.detail) == (
        Level.UNKNOWN,
        f"not collected: role {platform.role} may not read {schema}.{table}",
    )
    platform.sql("GRANT USAGE ON SCHEMA {schema} TO {role}", schema=schema, role=platform.role)
    finding = one(look(platform, "failed_logins", config))
    assert finding.key == "failed_logins:address:no <address> at all"
    assert finding.detail.endswith("2026-05-03 23:30 to 2026-05-03 23:30 UTC")
    for name in ("new_addresses", "rate_limits"):
        assert {found.level for found in look(platform, name, config).findings} <= {Level.OK, Level.UNKNOWN}


@pytest.mark.guide("G70", "fires")
def test_a_big_log_without_an_index_on_its_time_is_not_read(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small one is; of a big one the size and the remedy are said, until the index is there."""
    for number in range(100):
        log_in(platform, "login_failure", address="192.0.2.1", account=f"a{number}")
    platform.sql("DROP INDEX security_logs_created_at_idx")
    platform.sql("CREATE INDEX ON security_logs (created_at) WHERE event = 'login_success'")
    platform.sql("CREATE INDEX ON security_logs (event, created_at)")
    platform.sql("CREATE INDEX ON security_logs USING hash (created_at)")
    assert one(look(platform, "failed_logins")).level is Level.WARNING
    monkeypatch.setattr(logs, "SMALL", 1000)
    finding = one(look(platform, "failed_logins"))
    assert finding.level is Level.UNKNOWN
    assert "no index that begins with created_at" in finding.detail
    platform.sql("CREATE INDEX ON security_logs USING brin (created_at)")
    assert one(look(platform, "failed_logins")).level is Level.WARNING


def test_a_partitioned_log_is_measured_and_read_as_one(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """The partitions' sizes add up, and an index of the whole counts."""
    platform.sql("CREATE TABLE parts (LIKE security_logs INCLUDING DEFAULTS) PARTITION BY RANGE (created_at)")
    platform.sql("CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM ('2026-05-01') TO ('2026-06-01')")
    platform.sql("CREATE TABLE part_0 PARTITION OF parts DEFAULT")
    log_in(platform, "login_failure", 100)
    platform.sql("INSERT INTO parts SELECT * FROM security_logs")
    config = configured({"table": TableName("public", "parts")})
    assert len(look(platform, "failed_logins", config).findings) == 2
    monkeypatch.setattr(logs, "SMALL", 1000)
    unseen = one(look(platform, "failed_logins", config))
    assert (
        unseen.level is Level.UNKNOWN
        and "public.parts has 0 MB and no index that begins with created_at" in unseen.detail
    )
    platform.sql("CREATE INDEX ON parts (created_at)")
    assert len(look(platform, "failed_logins", config).findings) == 2


# How the logs are read --------------------------------------------------------------------------------------------


class Explaining(database.Session):
    """A session that asks for the plan of every statement on a log, and keeps it."""

    plans: dict[str, str]

    def rows(self, statement: str, parameters: Any = None) -> list[database.Row]:
        if any(table in statement for table in LOGS):
            explained = super().rows(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            self.plans[statement] = json.dumps(explained[0]["QUERY PLAN"])
        return super().rows(statement, parameters)


@pytest.mark.guide("G70-G72", "G118", "holds")
def test_a_big_log_is_read_by_its_time_index_only(platform: Platform) -> None:
    """No statement of any check plans a sequential scan, not even where the period covers the whole log."""
    platform.sql("""
        INSERT INTO security_logs (created_at, event, account, ip_address)
        SELECT '2026-05-04 02:00Z'::timestamptz - n * interval '40 seconds',
               (ARRAY['login_success', 'login_failure', 'rate_limited'])[1 + n % 3], 'user' || n % 500,
               '10.0.0.0'::inet + n % 700
        FROM generate_series(1, 200000) AS n
    """)
    platform.sql("""
        INSERT INTO application_logs
            (created_at, function_name, method, path, status, duration_ms, api_role, ip_address)
        SELECT created_at, 'f', 'POST', '/f', 200, 1, 'service_role', ip_address FROM security_logs
    """)
    platform.sql("""
        INSERT INTO performance_alerts (created_at, metric, value, threshold, severity)
        SELECT created_at, 'response_time', 1, 1, 'critical' FROM security_logs
    """)
    platform.sql("ANALYZE")
    for about in (PERIOD, (END - timedelta(days=120), END)):
        for name in OF_LOGS:
            clocks = CONFIG.maintenance.sql
            with database.session(lambda: psycopg.connect(platform.reader), clocks, read_only=True) as opened:
                session = Explaining(opened.connection)
                session.plans = {}
                find(name).look(Look(session, CONFIG, END, about=about))
            assert session.plans
            for statement, plan in session.plans.items():
                assert "Seq Scan" not in plan, statement
                assert "_created_at_idx" in plan, statement


def test_every_check_has_its_statement() -> None:
    """The source that a report names is a file."""
    assert tuple(check.name for check in logins.CHECKS) == ALL
    assert all((ROOT / source(check.path)).exists() for check in logins.CHECKS)


# Configuration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "{table: public.security_logs, time: created_at, event",
            "{table: security_logs, time: created_at, event",
            "logs.security.table: found 'security_logs', expected schema.table, such as public.security_logs",
        ),
        ("account: account", f"account: {'a' * 64}", "logs.security.account: found 'aaaa"),
        ('["22:00-02:00"]', '["22:00-24:00"]', "security.odd_hours.0: found '22:00-24:00', expected times of day"),
        (
            '["22:00-02:00"]',
            '["22:00-22:00"]',
            "security.odd_hours.0: found '22:00-22:00', expected a start and an end",
        ),
        ('["22:00-02:00"]', "[2200]", "security.odd_hours.0: found 2200, expected times of day"),
        (
            "service_role_addresses: []",
            "service_role_addresses: [10.0.0.1/8]",
            "security.service_role_addresses.0: found '10.0.0.1/8', expected an address or network",
        ),
        (
            "failed_logins_per_address: 50",
            "failed_logins_per_address: -1",
            "security.failed_logins_per_address: found -1",
        ),
        ("access_change_percent: 50", "access_change_percent: 0", "security.access_change_percent: found 0"),
    ],
)
def test_mistakes_in_config_are_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    """Each names the setting, what was found and what was expected."""
    for file in ("maintenance.yaml", "thresholds.yaml", "exceptions.yaml"):
        text = (ROOT / "config" / file).read_text()
        (tmp_path / file).write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=r"maintenance\.yaml") as caught:
        settings(tmp_path)
    assert said in str(caught.value)


# Events that are called something else -----------------------------------------------------------------------------


@pytest.mark.guide("G70", "fires")
@pytest.mark.parametrize("event", ["login_failed", "LOGIN_FAILED", "auth_failure", "invalid_credentials"])
def test_failed_logins_are_counted_under_the_usual_names(platform: Platform, event: str) -> None:
    """What a platform calls a failed login is no reason to say that there was none."""
    platform.sql("ALTER TABLE security_logs DROP CONSTRAINT security_logs_event_check")
    log_in(platform, event, 60)
    found = {finding.key for finding in look(platform, "failed_logins").findings}
    assert found == {"failed_logins:address:192.0.2.1", "failed_logins:account:a"}


@pytest.mark.guide("G70", "G71", "fires", "silent")
@pytest.mark.parametrize(
    ("name", "key", "kind"),
    [
        ("failed_logins", "failed_logins", "login_failure"),
        ("new_addresses", "new_addresses", "login_success"),
        ("rate_limits", "rate_limits:events", "rate_limited"),
    ],
)
def test_a_name_that_config_does_not_know_is_unknown_until_it_is_explained(
    platform: Platform, name: str, key: str, kind: str
) -> None:
    """None of the known names, and others beside them: UNKNOWN with these names, ok once config says what they are."""
    platform.sql("ALTER TABLE security_logs DROP CONSTRAINT security_logs_event_check")
    log_in(platform, "login_success" if kind == "login_failure" else "login_failure", at=BEFORE)
    log_in(platform, "login_success" if kind == "login_failure" else "login_failure")
    log_in(platform, "Zutritt <verweigert>", 3)
    found = {finding.key: finding for finding in look(platform, name).findings}[key]
    assert found.level is Level.UNKNOWN
    assert f"no event is called as config names {kind}" in found.detail
    assert "zutritt <verweigert> (3)" in found.detail
    assert "security.events" in found.remedy
    events = CONFIG.maintenance.security.events
    other = events.model_copy(update={"other": (*events.other, "zutritt <verweigert>")})
    explained = {finding.key: finding for finding in look(platform, name, configured(events=other)).findings}[key]
    assert explained.level is Level.OK


@pytest.mark.guide("G70", "fires")
def test_a_log_without_any_login_does_not_say_that_none_failed(platform: Platform) -> None:
    """Only refreshed tokens: logins are written somewhere else, or not at all."""
    log_in(platform, "token_refresh", 5)
    finding = one(look(platform, "failed_logins"))
    assert finding.level is Level.UNKNOWN
    assert "neither a success nor a failure, only token_refresh (5)" in finding.detail


@pytest.mark.guide("G70", "fires", "silent")
@pytest.mark.parametrize("shown", ["event = 'login_success'", "account = 'a'"])
def test_a_restrictive_policy_hides_rows_beside_one_that_is_seen(platform: Platform, shown: str) -> None:
    """D2: the reader sees a row of the period, so only the policy itself says that others are hidden."""
    log_in(platform, "login_success", account="a")
    log_in(platform, "login_failure", 60, account="b")
    platform.sql("ALTER TABLE security_logs ENABLE ROW LEVEL SECURITY")
    platform.sql("CREATE POLICY one ON security_logs USING (true)")
    platform.sql(f"CREATE POLICY two ON security_logs AS RESTRICTIVE USING ({shown})")
    with psycopg.connect(platform.reader) as reader:
        assert reader.execute("SELECT count(*) FROM security_logs").fetchone() == (1,)
    finding = one(look(platform, "failed_logins"))
    assert finding.level is Level.UNKNOWN
    assert "row-level security hides rows of public.security_logs" in finding.detail
    platform.sql("DROP POLICY two ON security_logs")
    assert {finding.level for finding in look(platform, "failed_logins").findings} == {Level.WARNING}
