"""Alerts in a real ledger: from findings to messages, once, by one judge at a time, whatever a step's name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from psycopg.types.json import Jsonb

from sandbox.postgres import Cluster
from tests.stages.alerts import ADVISORY, CRITICAL, OK, UNKNOWN
from tests.stages.judging import CHANNELS, DAY, DUE, NOW, PAGES, config, look, outbox, reported, window
from tests.stages.ledger import Ledger, finding, record, upgraded, write
from upkeep.areas.alerts.judge import Judged, judge
from upkeep.core.windows import WindowKind
from upkeep.ledger.write import add_report
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import queries


@pytest.fixture
def book(cluster: Cluster) -> Iterator[Ledger]:
    """A ledger of the test's own."""
    with upgraded(cluster) as found:
        yield found


#: Of the guide's four metrics: a value that is a warning, and one that is critical.
BANDS = {
    "overall_health": (94.9, 89.9),
    "error_rate": (0.6, 2.1),
    "response_time": (501, 1001),
    "database_connections": (75.1, 90.1),
}


@pytest.mark.guide("G106-G113", "fires", "silent")
def test_the_guides_alerts_at_its_boundaries(book: Ledger) -> None:
    """Each of the four is a warning by mail, then critical by SMS too, then over; judged by the one file."""
    bands = settings(ROOT / "config").thresholds.metrics
    days = iter(range(100))
    for bad, values in BANDS.items():
        for value in (*values, None):
            day = next(days)
            level = dict.fromkeys(BANDS, OK) | {bad: OK if value is None else bands[bad].judge(value)}
            found = [finding(f"metric:{name}", level[name], subject=name) for name in BANDS]
            reported(book, window(day), record(*found, step="health.system_status", at=DUE + day * DAY))
            look(book, now=NOW + day * DAY)
    assert outbox(book, "sms") == [(kind, name) for name in BANDS for kind in ("new", "over")]
    assert outbox(book, "email") == [(kind, name) for name in BANDS for kind in ("new", "worse", "over")]


def test_what_a_window_found_is_told_once_and_its_end_once(book: Ledger) -> None:
    """Critical reaches all three channels; looked at again nothing arises; the next window without it ends it."""
    bad = finding("metric:error_rate", CRITICAL, subject="Error rate", guide="G34")
    reported(book, window(), record(bad, step="health.system_status", at=DUE))
    assert {message.channel for message in look(book).messages} == {"email", "slack", "sms"}
    assert look(book).messages == ()
    good = finding("metric:error_rate", OK, subject="Error rate")
    reported(book, window(1), record(good, step="health.system_status", at=DUE + DAY))
    look(book, now=NOW + DAY)
    look(book, now=NOW + DAY)
    assert outbox(book, "sms") == [("new", "Error rate"), ("over", "Error rate")]
    assert outbox(book, "slack") == [
        ("new", "Error rate"),
        ("summary", "said"),
        ("over", "Error rate"),
        ("summary", "said"),
    ]
    rows = book.ask("SELECT key, level, since, ended_at IS NOT NULL, settled FROM upkeep.alerts")
    assert rows == [("metric:error_rate", "critical", DUE, True, True)]


def test_a_red_verdict_and_a_task_that_died_are_told_with_the_report(book: Ledger) -> None:
    """A step whose process ended wrote nothing: the report knows of it; one that failed and said so is told once."""
    failed = record(finding("step:errors.b", UNKNOWN), step="errors.b", state="failed")
    reported(book, window(), failed, died=("errors.a", "errors.b"))
    look(book)
    assert sorted(outbox(book, "slack")) == [("new", "errors.a"), ("new", "subject"), ("summary", "said")]


def test_a_step_that_did_not_look_ends_nothing(book: Ledger) -> None:
    """A run by hand of other groups, and a window that is being carried out again, leave the alert as it is."""
    bad = record(finding("k", CRITICAL), step="health.a")
    reported(book, window(), bad)
    look(book)
    by_hand = window(0, kind=WindowKind.MANUAL, run_id="manual__1", due=DUE + timedelta(minutes=9))
    reported(book, by_hand, record(step="health.a", state="not collected"))
    write(book, window())  # cleared: it is open again, with nothing new in it
    assert look(book).open == 1
    assert outbox(book, "sms") == [("new", "subject")]


def test_a_look_that_was_repeated_after_the_plan_counts_alone(book: Ledger) -> None:
    """What was bloated before and is not after is no alert."""
    before = record(finding("bloat:t"), step="evidence.optimisation.dead_rows")
    reported(book, window(), before, record(finding("bloat:t", OK), step="after.optimisation.dead_rows"))
    assert look(book).open == 0


def test_a_step_that_three_windows_do_not_know_is_gone(book: Ledger) -> None:
    """A look that an upgrade took away does not stay in trouble for ever."""
    reported(book, window(), record(finding("k"), step="old.look"))
    assert look(book).open == 1
    for days in (1, 2, 3):
        reported(book, window(days), record(step="new.look"))
    assert look(book, now=NOW + 3 * DAY).open == 0


def test_an_acknowledgement_goes_with_its_alert_to_another_key(book: Ledger) -> None:
    """Known as the error rate, then as requests that fail: who said so, why and until when are the new alert's too."""
    rate, health = (finding(f"metric:{name}", CRITICAL, subject=name) for name in ("error_rate", "overall_health"))
    reported(book, window(), record(rate, finding("metric:overall_health", OK), step="health.system_status", at=DUE))
    look(book)
    given = {"target": "primary", "key": "metric:error_rate", "by": "Ann", "why": "deploying", "until": NOW + 2 * DAY}
    with book.session() as session:
        session.rows(queries.load("alerts/acknowledge"), given)
    reported(book, window(1), record(rate, health, step="health.system_status", at=DUE + DAY))
    look(book, now=NOW + DAY)
    told = "SELECT key, acknowledged_by, acknowledged_why, acknowledged_level, acknowledged_until FROM upkeep.alerts"
    assert book.ask(f"{told} WHERE ended_at IS NULL") == [
        ("cause:errors", "Ann", "deploying", "critical", NOW + 2 * DAY)
    ]
    assert outbox(book, "sms") == [("new", "error_rate")]
    look(book, now=NOW + 2 * DAY)
    assert outbox(book, "sms")[1:] == [("still", "Requests fail: error_rate, overall_health")]


def test_what_people_have_acknowledged_in_config_is_no_alert(book: Ledger) -> None:
    """It is an advisory that says so; the report shows it."""
    accepted = finding("k", ADVISORY, metadata={"acknowledged": {"by": "Ann"}, "level": "warning"})
    reported(book, window(), record(accepted, step="a.b"))
    assert look(book).open == 0


def test_what_is_said_of_logs_names_nobody(book: Ledger) -> None:
    """No account, no address, no secret leaves the ledger; where it is shown people must log in."""
    who = finding(
        "failed_logins:account:victim", subject="Failed logins of victim", detail="of victim from 203.0.113.66"
    )
    other = finding("x", subject="Answer", detail="mail ann@example.org key sb_secret_abcdefghijklmnop1234567890")
    reported(book, window(), record(who, step="security.failed_logins"), record(other, step="health.x"))
    look(book)
    said = str(book.ask("SELECT body FROM upkeep.outbox"))
    assert "Failed logins" in said
    for secret in ("victim", "203.0.113.66", "ann@example.org", "sb_secret_abcdefghijklmnop1234567890"):
        assert secret not in said


def test_a_windows_owner_and_links_are_in_its_message(book: Ledger) -> None:
    """The role that owns what was looked at, the report at its place, the incident procedures."""
    procedures = settings(ROOT / "config").maintenance.documents.model_copy(
        update={"incident_response": "https://wiki.test/incidents"}
    )
    about = config()
    about = about.model_copy(update={"maintenance": about.maintenance.model_copy(update={"documents": procedures})})
    reported(book, window(), record(finding("k", CRITICAL), step="evidence.database.sizes"))
    look(book, about)
    ((body,),) = book.ask("SELECT body FROM upkeep.outbox WHERE channel = 'sms'")
    note = body["notes"][0]
    assert note["owner"] == "Database Administrator"
    assert note["report"].startswith("https://airflow.test/maintenance_daily/scheduled__1#f-")
    assert note["runbook"] == "https://wiki.test/incidents"


def test_missed_and_overdue_windows_are_told_once_by_cadence(book: Ledger) -> None:
    """A daily DAG that stands still: first overdue, then missed; two missed windows are one story."""
    about = config()
    target = about.maintenance.targets["primary"].model_copy(update={"since": DUE - timedelta(hours=1)})
    about = about.model_copy(
        update={"maintenance": about.maintenance.model_copy(update={"targets": {"primary": target}})}
    )
    for after in (timedelta(minutes=10), timedelta(minutes=40), DAY + timedelta(minutes=40)):
        look(book, about, DUE + after, ("email",))
    assert [(kind, cause.split(" of ")[0]) for kind, cause in outbox(book, "email") if "daily" in cause] == [
        ("new", "The daily window"),  # is overdue
        ("still", "2 daily windows were missed"),
    ]


def test_a_calendar_that_was_not_looked_through_ends_nothing(book: Ledger) -> None:
    """Clocks that disagree: what is known of windows stays as it was, the rest is judged."""
    about = config()
    target = about.maintenance.targets["primary"].model_copy(update={"since": DUE - timedelta(hours=1)})
    maintenance = about.maintenance.model_copy(update={"targets": {"primary": target}})
    about = about.model_copy(update={"maintenance": maintenance})
    before = look(book, about, DUE + timedelta(minutes=40))
    with book.session() as session:
        after = judge(session, about, None, CHANNELS, PAGES, lambda run: True, DUE + timedelta(minutes=41))
    assert (before.open > 0, after.open, after.messages) == (True, before.open, ())


def test_a_channel_that_takes_nothing_is_told_by_the_others(book: Ledger) -> None:
    """After a while, critical where a critical message waits; once it takes one again that is over."""
    reported(book, window(), record(finding("k", CRITICAL), step="a.b"))
    look(book)
    book.change("UPDATE upkeep.outbox SET failed_at = %s, error = 'refused' WHERE channel = 'slack'", NOW)
    assert look(book, now=NOW + timedelta(minutes=5)).messages == ()
    told = look(book, now=NOW + timedelta(minutes=10)).messages
    assert {message.channel for message in told} == {"email", "sms"}
    assert outbox(book, "email")[-1] == ("new", "The channel slack takes no messages")
    taken = NOW + timedelta(minutes=11)
    book.change("UPDATE upkeep.outbox SET state = 'sent', sent_at = %s WHERE channel = 'slack'", taken)
    look(book, now=NOW + timedelta(minutes=12))
    assert outbox(book, "sms")[-1] == ("over", "The channel slack takes no messages")


def test_two_judges_at_once_tell_once(book: Ledger) -> None:
    """Two runs in the same second: the second one finds everything told."""
    reported(book, window(), *(record(finding(f"k{n}", CRITICAL), step=f"a.b{n}") for n in range(3)))
    found: list[Judged] = []
    threads = [threading.Thread(target=lambda: found.append(look(book))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(judged.messages) for judged in found) == [0, 0, 0, 10]
    assert len(outbox(book, "sms")) == 3


def test_a_storm_of_ten_thousand_findings_is_a_few_messages_and_all_in_the_ledger(book: Ledger) -> None:
    """At most twenty a channel; each finding has its row, and what it was told by."""
    write(book, window(), record(step="a.b"))
    book.change(
        "INSERT INTO upkeep.findings"
        " (step_id, position, key, level, subject, detail, expected, remedy, guide, metadata)"
        " SELECT (SELECT max(id) FROM upkeep.steps), n, 'k:' || n, 'warning', 's', 'd', '', '', '', %s"
        " FROM generate_series(1, 10000) n",
        Jsonb({}),
    )
    with book.session() as session:
        add_report(session, window(), level="warning", headline="said", html="", body={"steps": []})
    look(book)
    counted = dict(book.ask("SELECT channel, count(*) FROM upkeep.outbox GROUP BY channel"))
    assert counted == {"email": 5, "slack": 5}
    assert book.ask("SELECT count(*) FROM upkeep.alerts WHERE ended_at IS NULL") == [(10_000,)]
    assert book.ask("SELECT count(*) FROM upkeep.tellings WHERE channel = 'email'") == [(10_000,)]
