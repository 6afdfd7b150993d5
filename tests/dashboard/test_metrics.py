"""The metrics over real HTTP, a real ledger and its dashboard's login; Prometheus's own parser reads them."""

from __future__ import annotations

import json
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import requests
import uvicorn
import yaml
from prometheus_client.parser import text_string_to_metric_families

from sandbox.ports import free_port
from tests.stages.ledger import Ledger, finding, record, write
from tests.stages.watch import heard
from upkeep.areas.watch.follow import follow
from upkeep.core.findings import Level, Sample
from upkeep.core.windows import Window
from upkeep.ledger.write import add_report
from upkeep.settings.base import METRICS, ROOT, ConfigError
from upkeep.settings.load import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn, about Starlette's test client for one
    from upkeep.dashboard.app import create_app
    from upkeep.dashboard.metrics import Token

TOKEN = "a-token-of-the-tests-äöü"
TARGET = settings(ROOT / "config").targets[0]
Answers = Callable[..., requests.Response]


@contextmanager
def served(dsn: str, token: Token = lambda: TOKEN) -> Iterator[Answers]:
    """The app behind a port of its own; asks for the metrics, with a token or without."""
    port = free_port()
    app = create_app(lambda: psycopg.connect(dsn, connect_timeout=30), token=token)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)

    def ask(given: str | None = f"Bearer {TOKEN}", **headers: str) -> requests.Response:
        said = headers | ({"Authorization": given.encode()} if given is not None else {})
        return requests.get(f"http://127.0.0.1:{port}/metrics", headers=said, timeout=30)

    try:
        yield ask
    finally:
        server.should_exit = True
        thread.join()


Series = dict[tuple[str, ...], float]


def series(answer: requests.Response) -> Series:
    """(metric, label values in the labels' order) → value."""
    assert answer.status_code == 200, answer.text
    found: Series = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            key = (sample.name, *(sample.labels[name] for name in sorted(sample.labels)))
            assert key not in found
            found[key] = sample.value
    return found


@pytest.fixture
def today(window: Window) -> Window:
    """A daily window of the target that config names, due today."""
    due = datetime.now(UTC) - timedelta(hours=2)
    return replace(window, target=TARGET, due=due, deadline=due + timedelta(minutes=30))


def reported(book: Ledger, window: Window, counts: dict[str, int], headline: str = "1 critical") -> None:
    """A report of the window with so many findings of each level."""
    with book.session() as session:
        add_report(session, window, level="critical", headline=headline, html="", body={"counts": counts})


def settled(book: Ledger, window: Window, state: str, days: int = 0) -> None:
    """A window of the calendar that came to this end, so many days earlier."""
    due = window.due - timedelta(days=days)
    book.change(
        """INSERT INTO upkeep.calendars VALUES (%s, %s, '2026-01-01', '2026-01-01', NULL) ON CONFLICT DO NOTHING""",
        window.target,
        window.cadence,
    )
    book.change(
        """INSERT INTO upkeep.due_windows (target, cadence, due, deadline, state, reason)
           VALUES (%s, %s, %s, %s, %s, '')""",
        window.target,
        window.cadence,
        due,
        due + timedelta(minutes=30),
        state,
    )


def test_a_ledger_with_windows_reports_and_samples_is_told_in_numbers(book: Ledger, today: Window) -> None:
    """Each state and level has a series, of several reports and samples the newest counts, a dry run does not."""
    with served(book.dsn("dashboard")) as ask:
        empty = series(ask())
        assert empty["upkeep_windows", "daily", "missed", TARGET] == 0
        assert not [key for key in empty if key[0] == "upkeep_seconds_since_last_success"]
        for metric, level, value in (("cpu_usage", Level.WARNING, 70.0), ("error_rate", Level.OK, 0.1)):
            judged = finding(f"metric:{metric}", level)
            write(book, today, record(judged, step=f"health.{metric}", samples=(Sample(metric, value, "%"),)))
        calm = Sample("cpu_usage", 12.5, "%")
        write(book, today, record(finding("metric:cpu_usage", Level.OK), step="health.x", samples=(calm,)))
        reported(book, today, {"critical": 1, "ok": 5})
        reported(book, today, {"critical": 3, "ok": 7})
        reported(book, today, {"critical": 0, "ok": 0}, "Dry run: nothing was collected")
        for state, days in (("missed", 0), ("done", 1), ("late", 2), ("missed", 3)):
            settled(book, today, state, days)
        found = series(ask())
    assert found["upkeep_windows", "daily", "missed", TARGET] == 2
    assert found["upkeep_windows", "daily", "done", TARGET] == 1
    assert found["upkeep_windows", "monthly", "done", TARGET] == 0
    since = found["upkeep_seconds_since_last_success", "daily", TARGET]
    assert 26 * 3600 <= since < 27 * 3600
    assert found["upkeep_report_findings", "daily", "critical", TARGET] == 3
    assert found["upkeep_metric", "cpu_usage", TARGET] == 12.5
    judged_as = {one: found["upkeep_metric_level", one, "cpu_usage", TARGET] for one in Level}
    assert judged_as == {one: float(one is Level.OK) for one in Level}
    assert 0 <= found["upkeep_metric_age_seconds", "error_rate", TARGET] < 3600


def test_a_drill_counts_once_it_has_proven_a_backup_and_itself(book: Ledger, today: Window) -> None:
    """One whose control passed unseen has proven nothing, nor has one that could not tell where recovery stopped."""
    took = (Sample("recovery_time", 20.0, "s"),)
    name = "upkeep_seconds_since_last_proven_drill", TARGET
    with served(book.dsn("dashboard")) as ask:
        for control, before in ((Level.CRITICAL, Level.OK), (Level.OK, Level.UNKNOWN), (Level.OK, Level.OK)):
            seen = finding("drill", Level.OK), finding("drill:control", control), finding("drill:before", before)
            write(book, today, record(*seen, step="evidence.recovery.drill", samples=took))
            found = series(ask())
            assert (name in found) == (control is before is Level.OK)
    assert 0 <= found[name] < 60


def test_messages_that_wait_are_counted_by_channel(book: Ledger) -> None:
    """What was sent is no depth, and a channel that config does not know is no label."""
    rows = [("slack", "due"), ("slack", "due"), ("slack", "dead"), ("slack", "sent"), ("gone", "due")]
    for number, (channel, state) in enumerate(rows):
        sent = datetime.now(UTC) if state == "sent" else None
        book.change(
            """INSERT INTO upkeep.outbox (key, channel, target, level, body, made_at, state, next_attempt, sent_at)
               VALUES (%s, %s, '', 'warning', '{}', now(), %s, now(), %s)""",
            str(number),
            channel,
            state,
            sent,
        )
    with served(book.dsn("dashboard")) as ask:
        found = {key[1:]: value for key, value in series(ask()).items() if key[0] == "upkeep_outbox_messages"}
    assert found["slack", "due"] == 2 and found["slack", "dead"] == 1
    assert {channel for channel, _ in found} == set(settings(ROOT / "config").routing.channels)


def test_the_watch_is_told_with_its_gaps_and_its_samples_are_newer_than_a_windows(book: Ledger) -> None:
    """Two samples of the 120 that an hour has; the metric is the watch's by then."""
    now = datetime.now(UTC)
    for back in (30, 0):
        with book.session() as session:
            follow(session, TARGET, heard(cpu_usage_percent=33.0), now - timedelta(seconds=back))
    with served(book.dsn("dashboard")) as ask:
        found = series(ask())
    assert found["upkeep_watch_missing_samples", TARGET] == 118
    assert 0 <= found["upkeep_watch_age_seconds", TARGET] < 600
    assert found["upkeep_metric", "cpu_usage", TARGET] == 33
    assert found["upkeep_metric_level", "ok", "cpu_usage", TARGET] == 1


def test_nothing_that_grows_with_trouble_is_a_label(book: Ledger, today: Window) -> None:
    """A thousand findings with hostile keys make no series, and no line of their own."""
    with served(book.dsn("dashboard")) as ask:
        before = set(series(ask()))
        many = [finding(f'x"}}\nupkeep_evil{{{n}', Level.CRITICAL) for n in range(1000)]
        write(book, today, record(*many, step="health.many"))
        after = ask()
    assert set(series(after)) == before
    assert "evil" not in after.text


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN]
)
def test_without_the_token_nothing_is_told(book: Ledger, given: str | None) -> None:
    """401 with the scheme that is expected, and no word of what is there."""
    with served(book.dsn("dashboard")) as ask:
        answer = ask(given)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="upkeep metrics"')
    assert "upkeep_" not in answer.text and TOKEN not in answer.text


def absent() -> str:
    """What config says where the Connection does not exist."""
    raise ConfigError("Connection 'upkeep_metrics': found none; expected one of type generic")


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (absent, "Connection 'upkeep_metrics': found none"),
        (lambda: "", "found 0 characters as password, expected at least 20"),
        (lambda: "short", "found 5 characters"),
    ],
)
def test_where_no_token_is_set_there_are_no_metrics(book: Ledger, token: Token, words: str) -> None:
    """503 that says what is missing, also to whoever sends an empty token."""
    with served(book.dsn("dashboard"), token) as ask:
        for given in (None, "Bearer ", "Bearer short"):
            answer = ask(given)
            assert answer.status_code == 503 and words in answer.text
            assert answer.headers["Content-Type"].startswith("text/plain")


def test_a_ledger_that_is_away_is_no_empty_answer(book: Ledger) -> None:
    """503 in plain text: Prometheus then says that the target is down, and never that all is well."""
    with served(f"{book.dsn('dashboard')} dbname=not_there") as ask:
        answer = ask()
    assert answer.status_code == 503
    assert "ledger cannot be read" in answer.text and "<" not in answer.text


def test_openmetrics_is_spoken_to_those_who_ask_for_it(book: Ledger) -> None:
    """Newer Prometheus asks so."""
    with served(book.dsn("dashboard")) as ask:
        answer = ask(Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def names(text: str) -> set[str]:
    """The metrics that an expression or a page names."""
    return set(re.findall(r"\bupkeep_[a-z_]+", text))


@pytest.fixture
def there(book: Ledger) -> set[str]:
    """The names of all metrics."""
    with served(book.dsn("dashboard")) as ask:
        return {family.name for family in text_string_to_metric_families(ask().text)}


def test_the_rules_for_alerts_ask_for_metrics_that_there_are(there: set[str]) -> None:
    """Every rule has what Prometheus needs of it, and labels that the metrics have."""
    (group,) = yaml.safe_load((ROOT / "docs/alertmanager-rules.yaml").read_text(encoding="utf-8"))["groups"]
    alerts = [rule["alert"] for rule in group["rules"]]
    assert len(set(alerts)) == len(alerts) > 5
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]
        assert names(rule["expr"]) and names(rule["expr"]) <= there
    assert names(json.dumps(group)) <= there


def test_the_dashboard_draws_metrics_that_there_are(there: set[str]) -> None:
    """Each panel asks for some, all six metrics of the guide are drawn, and every metric is somewhere."""
    board: dict[str, Any] = json.loads((ROOT / "docs/grafana-dashboard.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert all(names(one) and names(one) <= there for one in expressions)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    drawn = " ".join(expressions)
    assert names(drawn) == there
    assert set(re.findall(r'metric="([a-z_]+)"', drawn)) == set(METRICS)
