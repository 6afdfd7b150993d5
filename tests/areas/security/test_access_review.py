"""The access review on a real PostgreSQL: each of its parts is found and falls silent, and none hides another."""

from __future__ import annotations

import ipaddress
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

import psycopg
import pytest

from tests.stages import logs
from tests.stages.logs import configured, log_in, request
from tests.stages.platform import Platform, until
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import find
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult, clean, plain
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings
from upkeep.settings.values import Hours
from upkeep.wires import database

CONFIG = settings(ROOT / "config")
END = datetime(2026, 12, 6, 2, tzinfo=UTC)
DAY = timedelta(days=1)
PERIOD = END - 28 * DAY, END
EARLIER = PERIOD[0] - 35 * DAY, PERIOD[0]
#: Moments of the two periods, by day and at odd hours.
NOON, THEN = datetime(2026, 11, 20, 12, tzinfo=UTC), datetime(2026, 10, 20, 12, tzinfo=UTC)
NIGHT = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
CLASSES = {"staff": "%@example.com", "programs": "svc-%"}
tables = logs.platform


@pytest.fixture
def platform(tables: Platform) -> Platform:
    """The guide's tables with a quiet event in each log and each period, and a reader with the project's own grants."""
    for at in (THEN, NOON):
        log_in(tables, "login_success", account="quiet", at=at)
        request(tables, at=at)
    return tables


def look(
    platform: Platform,
    previous: tuple[datetime, Any] | None = None,
    about: tuple[datetime, datetime] = PERIOD,
    config: Settings = CONFIG,
) -> LookResult:
    """Carry out the review as the reader, with a snapshot as the ledger would give it back."""
    with database.session(lambda: psycopg.connect(platform.reader), config.maintenance.sql, read_only=True) as session:
        one = Look(session, config, about[1], about=about, previous=previous)
        looked = carry_out(find("access_review"), one)
    snapshot = json.loads(json.dumps(clean(plain(looked.snapshot))))
    return LookResult(looked.findings, looked.samples, None, snapshot)


def settled(platform: Platform) -> None:
    """Wait until the server has noticed that the test's own superuser has left."""
    query = "SELECT FROM pg_stat_activity WHERE usename = 'postgres' AND datname = current_database()"
    with psycopg.connect(platform.reader, autocommit=True) as reader:
        until(lambda: not reader.execute(query).fetchall())


def reviewed(platform: Platform, config: Settings = CONFIG) -> dict[str, Finding]:
    """The findings of this month, held against the review of the one before as the logs have it now."""
    settled(platform)
    before = look(platform, about=EARLIER, config=config).snapshot
    return found(look(platform, (EARLIER[1], before), config=config))


def found(looked: LookResult) -> dict[str, Finding]:
    """Findings by what they are about; all are of G81."""
    assert {finding.guide for finding in looked.findings} == {"G81"}
    return {finding.key.removeprefix("access_review:"): finding for finding in looked.findings}


def levels(findings: Mapping[str, Finding]) -> dict[str, Level]:
    """What is not ok."""
    return {key: finding.level for key, finding in findings.items() if finding.level is not Level.OK}


@pytest.mark.guide("G81", "silent", "holds")
def test_a_month_like_the_one_before_is_five_oks(platform: Platform) -> None:
    """Each with its numbers, for the person who attests them."""
    log_in(platform, "login_success", 280, account="ann@example.com", at=NOON)
    log_in(platform, "login_success", 350, account="ann@example.com", at=THEN)
    review = reviewed(platform, configured(account_classes=CLASSES))
    assert levels(review) == {}
    assert set(review) == {"permissions", "sessions", "logins", "role_changes", "service_role"}
    assert review["logins"].detail == (
        "staff: 280 logins of 1 accounts, 0 failures; others: 1 logins of 1 accounts, 0 failures"
    )
    assert review["permissions"].detail == "the same as in the review of the window due 2026-11-08 02:00 UTC"
    assert review["role_changes"].detail == "0 in the period, of 0 accounts"
    assert review["service_role"].detail == "0 requests from 0 addresses"
    assert "of 1 of " in review["sessions"].detail


def test_a_first_review_has_nothing_to_compare_with(platform: Platform) -> None:
    """Advisories that say so; the next one compares."""
    review = found(look(platform))
    assert levels(review) == {"permissions": Level.ADVISORY, "logins": Level.ADVISORY}
    assert all("nothing to compare with yet" in review[key].detail for key in ("permissions", "logins"))


@pytest.mark.guide("G81", "fires", "silent")
def test_logins_are_counted_by_the_first_class_that_fits(platform: Platform) -> None:
    """By the patterns of config, in their order; failures stand beside; the end of the period does not belong to it."""
    for event, number, account, at in (
        ("login_success", 3, "Ann@Example.COM", NOON),
        ("login_success", 1, "bob@example.com", PERIOD[0]),
        ("login_failure", 7, "svc-bot@example.com", NOON),
        ("login_success", 9, "svc-bot", NOON),
        ("login_success", 5, "eve@elsewhere.org", NOON),
        ("login_success", 99, "late@example.com", PERIOD[1]),
    ):
        log_in(platform, event, number, account=account, at=at)
    platform.sql(
        "INSERT INTO security_logs (created_at, event, ip_address) VALUES ('2026-11-20', 'login_success', '::1')"
    )
    looked = look(platform, config=configured(account_classes=CLASSES))
    assert found(looked)["logins"].detail.startswith(
        "programs: 9 logins of 1 accounts, 0 failures; others: 6 logins of 2 accounts, 0 failures; "
        "staff: 4 logins of 2 accounts, 7 failures; no account: 1 logins of 1 accounts, 0 failures"
    )
    logins = {sample.subject: sample.value for sample in looked.samples if sample.metric == "review_logins"}
    assert logins == {"programs": 9, "others": 6, "staff": 4, "no account": 1}


@pytest.mark.guide("G81", "fires", "silent")
def test_a_class_with_many_more_logins_than_before_is_found_until_it_is_as_before(platform: Platform) -> None:
    """Per day, for months differ: 10 a day before, 20 now; a class that stops is a change too."""
    config = configured(account_classes=CLASSES)
    log_in(platform, "login_success", 350, account="ann@example.com", at=THEN)
    log_in(platform, "login_success", 560, account="ann@example.com", at=NOON)
    log_in(platform, "login_success", 350, account="svc-bot", at=THEN)
    review = reviewed(platform, config)
    assert levels(review) == {"logins:staff": Level.ADVISORY, "logins:programs": Level.ADVISORY}
    assert review["logins:staff"].detail == "20 a day, before 10 (the review of the window due 2026-11-08)"
    assert review["logins:programs"].detail.startswith("0 a day, before 10")
    log_in(platform, "login_success", 280, account="svc-bot", at=NOON)
    platform.sql(
        "DELETE FROM security_logs WHERE account = 'ann@example.com' AND id % 2 = 0 AND created_at > '2026-11-08'"
    )
    assert levels(reviewed(platform, config)) == {}


def test_few_logins_and_another_classing_are_no_change(platform: Platform) -> None:
    """99 in a month, one the quiet account's, are too few; classed otherwise there is nothing to compare with."""
    log_in(platform, "login_success", 98, account="ann@example.com", at=NOON)
    assert levels(reviewed(platform)) == {}
    before = look(platform, about=EARLIER).snapshot
    review = found(look(platform, (EARLIER[1], before), config=configured(account_classes=CLASSES)))
    assert "nothing to compare with yet" in review["logins"].detail


@pytest.mark.guide("G81", "fires", "silent")
def test_accounts_whose_role_was_changed_are_named(platform: Platform) -> None:
    """Those with most changes first, with how often and when; an advisory until the period has none."""
    log_in(platform, "role_change", 1, account="ann", at=NOON)
    log_in(platform, "role_change", 2, account="eve <b>", at=NIGHT)
    log_in(platform, "role_change", 5, account="before", at=THEN)
    review = reviewed(platform)
    assert levels(review) == {"role_changes": Level.ADVISORY}
    assert review["role_changes"].detail == (
        "3 in the period, of 2 accounts, 2026-11-20 12:00 to 2026-11-20 23:30 UTC: eve <b> 2, ann 1"
    )
    assert [row["account"] for row in review["role_changes"].metadata["accounts"]] == ["eve <b>", "ann"]
    platform.sql("DELETE FROM security_logs WHERE event = 'role_change' AND created_at > '2026-11-08'")
    assert levels(reviewed(platform)) == {}


@pytest.mark.guide("G81", "fires", "silent")
def test_the_service_role_at_odd_hours_is_found_over_the_whole_month(platform: Platform) -> None:
    """At other hours it is the daily window's; from a server that config allows it is no finding, but still counted."""
    request(platform, 4, role="service_role", address="192.0.2.1", at=NIGHT)
    request(platform, 2, role="service_role", address="192.0.2.2", at=NIGHT - 10 * DAY)
    request(platform, 9, role="service_role", at=NOON)
    request(platform, 9, role="anon", at=NIGHT)
    review = reviewed(platform)
    assert levels(review) == {"service_role": Level.ADVISORY}
    assert review["service_role"].detail == (
        "6 requests from 2 addresses: 192.0.2.1 4 (2026-11-20 23:30 to 2026-11-20 23:30 UTC), "
        "192.0.2.2 2 (2026-11-10 23:30 to 2026-11-10 23:30 UTC)"
    )
    allowed = configured(service_role_addresses=(ipaddress.ip_network("192.0.2.0/24"),))
    review = reviewed(platform, allowed)
    assert levels(review) == {}
    assert review["service_role"].detail.startswith("6 requests from 2 addresses, 0 of them not among")
    assert levels(reviewed(platform, configured(odd_hours=(Hours(time(3), time(4)),)))) == {}


@pytest.mark.guide("G81", "fires", "silent")
def test_permissions_changed_since_the_last_review_are_counted(platform: Platform) -> None:
    """An advisory, a warning when one of them opens what was shut; silent when they are taken back."""
    before = look(platform, about=EARLIER).snapshot
    grants = "GRANT SELECT ON error_logs TO {role}", "GRANT SELECT ON error_logs TO PUBLIC"
    role = f"held_{secrets.token_hex(4)}"
    platform.sql("CREATE ROLE {role}", role=role)
    try:
        base = look(platform, about=EARLIER).snapshot
        platform.sql(grants[0], role=role)
        review = found(look(platform, (EARLIER[1], base)))
        assert review["permissions"].level is Level.ADVISORY
        assert review["permissions"].detail == (
            "1 changes (1 grant) since the review of the window due 2026-11-08 02:00 UTC; 0 of them open what was "
            f"shut: grant table public.error_logs to {role}"
        )
        platform.sql(grants[1], role=role)
        review = found(look(platform, (EARLIER[1], base)))
        assert review["permissions"].level is Level.WARNING
        assert "2 changes (2 grant)" in review["permissions"].detail
        assert "1 of them open what was shut: grant table public.error_logs to PUBLIC" in review["permissions"].detail
        assert [row["new"] for row in review["permissions"].metadata["changes"]] == ["SELECT", "SELECT"]
    finally:
        platform.sql("REVOKE SELECT ON error_logs FROM PUBLIC")
        platform.sql("DROP OWNED BY {role}", role=role)
        platform.sql("DROP ROLE {role}", role=role)
    # Facts of the whole server may differ by what other tests do at the same time; this table's do not.
    again = found(look(platform, (EARLIER[1], before)))["permissions"]
    assert not [row for row in again.metadata["changes"] if "error_logs" in row["name"]]


@pytest.mark.guide("G81", "fires", "silent")
def test_a_superusers_session_is_found_until_it_ends(platform: Platform) -> None:
    """Over the network and by name, with its address; the reader's own session is none that passes permissions."""
    assert levels(reviewed(platform)) == {}
    with psycopg.connect(platform.admin) as admin:
        name = admin.info.user
        session = found(look(platform))["sessions"]
        assert session.level is Level.ADVISORY
        assert f"; {name} (superuser" in session.detail
        assert session.metadata["roles"][0]["role"] == name
    until(lambda: found(look(platform))["sessions"].level is Level.OK)


@pytest.mark.guide("G81", "fires", "silent")
def test_a_session_with_an_expired_password_is_found(platform: Platform) -> None:
    """PostgreSQL asks for the end of a password at the login alone: who is in stays in."""
    past = "ALTER ROLE {role} VALID UNTIL '2020-01-01'"
    with database.session(lambda: psycopg.connect(platform.reader), CONFIG.maintenance.sql, read_only=True) as session:
        platform.sql(past, role=platform.role)
        one = Look(session, CONFIG, END, about=PERIOD)
        (sessions,) = [f for f in find("access_review").look(one).findings if f.key == "access_review:sessions"]
        assert sessions.level is Level.ADVISORY
        assert f"{platform.role} (password expired) with 1 from " in sessions.detail
    platform.sql("ALTER ROLE {role} VALID UNTIL 'infinity'", role=platform.role)
    until(lambda: found(look(platform))["sessions"].level is Level.OK)


@pytest.mark.guide("G81", "fires")
def test_a_log_that_cannot_be_read_is_unknown_and_hides_no_other_part(platform: Platform) -> None:
    """Refused, without rows, or too slow: each part says its own reason."""
    platform.sql("REVOKE SELECT ON security_logs FROM {role}", role=platform.role)
    review = found(look(platform))
    assert "may not read public.security_logs" in review["logins"].detail
    assert review["logins"].level is Level.UNKNOWN
    assert review["service_role"].level is Level.OK
    platform.sql("GRANT SELECT ON security_logs TO {role}", role=platform.role)
    platform.sql("REVOKE pg_monitor FROM {role}", role=platform.role)
    platform.sql("DELETE FROM application_logs")
    review = found(look(platform))
    assert {key for key, level in levels(review).items() if level is Level.UNKNOWN} == {"sessions", "service_role"}


@pytest.mark.guide("G81", "fires", "silent")
@pytest.mark.parametrize("clocks", [{"lock_timeout_seconds": 0.2}, {"statement_timeout_seconds": 3.0}], ids=str)
def test_a_log_that_takes_too_long_is_unknown_and_the_other_log_is_read(
    platform: Platform, clocks: dict[str, float]
) -> None:
    """A statement that the server ends, or a lock that is not free, costs its own part alone."""
    patient = CONFIG.maintenance.sql.model_copy(update={"lock_timeout_seconds": 60.0, **clocks})
    config = CONFIG.model_copy(update={"maintenance": CONFIG.maintenance.model_copy(update={"sql": patient})})
    with psycopg.connect(platform.admin) as admin:
        admin.execute("LOCK TABLE security_logs")
        review = found(look(platform, config=config))
    assert review["security_log"].level is Level.UNKNOWN
    assert "or a lock was not free in time" in review["security_log"].detail
    assert review["service_role"].level is Level.OK
    assert "permissions" in review
    assert "security_log" not in found(look(platform, config=config))


@pytest.mark.guide("G81", "holds")
def test_the_logs_are_read_by_their_time_index_and_of_requests_the_odd_hours_alone(platform: Platform) -> None:
    """A month of a log of years costs the pages of that month: other rows are not even filtered out."""
    for name, columns, row in (
        ("security_logs", "created_at, event, account, ip_address", "at, 'login_success', 'ann', '::1'"),
        (
            "application_logs",
            "created_at, function_name, method, path, status, duration_ms, api_role",
            "at, 'f', 'POST', '/f', 200, 1, 'service_role'",
        ),
    ):
        platform.sql(
            f"INSERT INTO {name} ({columns}) SELECT {row} FROM generate_series('2024-12-06 02:00+00'::timestamptz,"
            " '2026-12-06 02:00+00', '5 minutes') AS at"
        )
        platform.sql(f"VACUUM ANALYZE {name}")
    plans: list[str] = []
    with database.session(lambda: psycopg.connect(platform.reader), CONFIG.maintenance.sql, read_only=True) as session:
        execute = session.rows

        def explained(statement: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
            if '"security_logs"' in statement or '"application_logs"' in statement:
                plan = execute(f"EXPLAIN (ANALYZE, TIMING off, SUMMARY off) {statement}", parameters)
                plans.append("\n".join(str(line["QUERY PLAN"]) for line in plan))
            return execute(statement, parameters)

        session.rows = explained  # type: ignore[method-assign]
        looked = find("access_review").look(Look(session, CONFIG, END, about=PERIOD))
    of_logins, of_names, of_requests = plans
    assert "security_logs_created_at" in of_names and "Seq Scan" not in of_names
    assert "Bitmap Index Scan on security_logs_created_at_idx" in of_logins
    assert "Bitmap Index Scan on application_logs_created_at_idx" in of_requests
    assert "Seq Scan on" not in of_logins + of_requests
    assert found(looked)["logins"].detail.startswith("others: 8065 logins of 2 accounts")
    assert found(looked)["service_role"].detail.startswith(f"{28 * 4 * 12} requests from 1 addresses")
