"""The forward to an Alertmanager at the wire: the shape of its API v2, again while it is so, and nothing that fails."""

from __future__ import annotations

import json
import logging
import re
import shutil
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.postgres import Cluster
from tests.stages.alerts import CRITICAL, OK
from tests.stages.judging import DAY, DUE, NOW, config, look, reported, window
from tests.stages.ledger import Ledger, finding, record, upgraded
from tests.stages.server import Answer, Server, answer
from upkeep.areas.alerts.posted import LINGERS, posted
from upkeep.flow.alertmanager import forward
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.settings.routing import Alertmanager

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.flow.alerts import DeliverOperator

SETTING = Alertmanager(connection="upkeep_alertmanager", hold_minutes=30)
HOLD = timedelta(minutes=30)
PAGE = "https://airflow.test/upkeep/alerts"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def book(cluster: Cluster) -> Iterator[Ledger]:
    """A ledger of the test's own."""
    with upgraded(cluster) as found:
        yield found


def alerts(book: Ledger, now: datetime) -> list[dict[str, Any]]:
    """What is posted at that moment."""
    with book.session() as session:
        return posted(session, config().routing, PAGE, HOLD, now)


def post(monkeypatch: pytest.MonkeyPatch, url: str, body: list[dict[str, Any]], **login: str) -> bool:
    """One post to a server, as the task does it."""
    found = {"conn_type": "http", "host": url} | login
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_ALERTMANAGER", json.dumps(found))
    return forward(SETTING, 2.0, lambda hold: body, logging.getLogger("test"))


def fits(one: dict[str, Any]) -> bool:
    """Whether it is a ``postableAlert`` of Alertmanager's api/v2/openapi.yaml."""
    assert set(one) <= {"labels", "annotations", "startsAt", "endsAt", "generatorURL"} and one["labels"]
    for names in (one["labels"], one["annotations"]):
        assert all(
            re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) and isinstance(value, str) for name, value in names.items()
        )
    assert all(one["labels"].values()) and one["labels"]["alertname"]
    starts, ends = (datetime.fromisoformat(one[name]) for name in ("startsAt", "endsAt"))
    assert starts.utcoffset() is not None and starts <= ends
    return urlsplit(one["generatorURL"]).scheme == "https"


def test_what_is_open_is_posted_until_it_is_over_and_its_end_for_an_hour(book: Ledger) -> None:
    """The same labels each time, so that it is one alert there; its end lies ahead while it is so."""
    bad = finding("metric:error_rate", CRITICAL, subject="Error rate", detail="5 %", remedy="Look at the deployment")
    reported(book, window(), record(bad, step="health.system_status", at=DUE))
    look(book)
    first, again = alerts(book, NOW), alerts(book, NOW + 10 * MINUTE)
    (one,), (later,) = first, again
    assert fits(one) and one["labels"] == later["labels"]
    assert one["labels"] == {
        "alertname": "Upkeep",
        "story": "metric:error_rate",
        "severity": "critical",
        "owner": "DevOps Engineer",
        "target": "primary",
    }
    assert one["annotations"]["summary"] == "Error rate" and one["annotations"]["remedy"] == "Look at the deployment"
    assert (one["startsAt"], one["endsAt"]) == (DUE.isoformat(), (NOW + HOLD).isoformat())
    assert later["endsAt"] == (NOW + HOLD + 10 * MINUTE).isoformat()
    good = finding("metric:error_rate", OK, subject="Error rate")
    reported(book, window(1), record(good, step="health.system_status", at=DUE + DAY))
    over = NOW + DAY
    look(book, now=over)
    (ended,) = alerts(book, over + LINGERS - MINUTE)
    assert ended["labels"] == one["labels"] and ended["endsAt"] == over.isoformat()
    assert alerts(book, over + LINGERS) == []


def test_it_is_one_json_post_with_its_token(monkeypatch: pytest.MonkeyPatch, book: Ledger) -> None:
    """To /api/v2/alerts, an array of alerts; a bearer token, or a login."""
    reported(book, window(), record(finding("k", CRITICAL), finding("channel:x", CRITICAL), step="a.b", at=DUE))
    look(book)
    body = alerts(book, NOW)
    with Server(answer("200 OK", b"")) as server:
        assert post(monkeypatch, server.url, body, password="T0KEN")
        assert post(monkeypatch, server.url, [], login="ann", password="pw")
    first, second = server.received
    assert first.line.startswith("POST /api/v2/alerts ") and first.headers["content-type"] == "application/json"
    assert first.headers["authorization"] == "Bearer T0KEN" and second.headers["authorization"].startswith("Basic ")
    sent = json.loads(first.body)
    assert sent == body and len(sent) == 2 and all(fits(one) for one in sent)
    assert json.loads(second.body) == []


def test_the_task_that_delivers_posts_where_config_names_one(
    monkeypatch: pytest.MonkeyPatch, book: Ledger, tmp_path: Path
) -> None:
    """No channel is set up, and what is open is posted all the same; without the setting nobody is asked."""
    reported(book, window(), record(finding("k", CRITICAL), step="a.b", at=DUE))
    look(book)
    config_folder = Path(shutil.copytree(ROOT / "config", tmp_path / "config"))
    monkeypatch.setenv("UPKEEP_CONFIG", str(config_folder))
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.test")
    for name, value in book.environment(config_folder).items():
        if name.startswith("AIRFLOW_CONN"):
            monkeypatch.setenv(name, value)
    file = config_folder / "routing.yaml"
    with Server(answer("200 OK", b"")) as server:
        found = {"conn_type": "http", "host": server.url}
        monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_ALERTMANAGER", json.dumps(found))
        for setting in ("", "alertmanager: {connection: upkeep_alertmanager}\n"):
            file.write_text(file.read_text() + setting)
            settings.cache_clear()
            assert DeliverOperator(task_id="deliver").execute({}) == {}
    settings.cache_clear()
    (one,) = server.received
    (sent,) = json.loads(one.body)
    assert fits(sent) and sent["labels"]["story"] == "k"


@pytest.mark.parametrize("reply", [answer("400 Bad Request", b"bad"), answer("503 Away", b""), answer("garbage", b"")])
def test_what_it_answers_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, reply: Answer
) -> None:
    """The log says what was found, without the token."""
    with Server(reply) as server:
        assert not post(monkeypatch, server.url, [], password="T0KEN")
    assert "was not told" in caplog.text and "T0KEN" not in caplog.text


def test_nobody_there_no_connection_and_a_host_that_is_none_fail_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is said with what was expected."""
    assert not post(monkeypatch, "http://127.0.0.1:1", [])
    assert not post(monkeypatch, "alertmanager", [])
    assert "expected http(s)://host:port" in caplog.text
    monkeypatch.delenv("AIRFLOW_CONN_UPKEEP_ALERTMANAGER")
    assert not forward(SETTING, 2.0, lambda hold: [], logging.getLogger("test"))
    assert "found none; expected one of type http" in caplog.text


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """The other host hears nothing, neither of alerts nor of the token."""
    with Server(answer("200 OK", b"")) as other:
        with Server(answer(f"{status} Moved", b"", Location=f"{other.url}/api/v2/alerts")) as server:
            assert not post(monkeypatch, server.url, [], password="T0KEN")
        assert (len(server.received), other.received) == (1, [])
