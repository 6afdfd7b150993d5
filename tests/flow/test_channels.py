"""Channels at the wire: a real SMTP server, HTTP that records, and all that servers and texts do to a sender."""

from __future__ import annotations

import json
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest

from sandbox import mail as mail_sink
from sandbox.ports import free_port
from tests.stages.server import Answer, Server, answer
from upkeep.areas.alerts.deliver import NotTakenError
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.settings.routing import Channel, Routing

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.flow.channels import senders

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SHIPPED = settings(ROOT / "config").routing
HOSTILE = "a\r\nBcc: eve@example.org\r\n\r\n<script>x</script> <!channel> *b* \u202e\u0000 \x1b[31m `c` @here"


def routing(seconds: float = 2.0) -> Routing:
    """The shipped routing with somebody to write to and little patience."""
    channels = dict(SHIPPED.channels)
    channels["email"] = Channel.model_validate({"kind": "email", "connection": "upkeep_smtp", "to": ["a@example.org"]})
    channels["json"] = Channel.model_validate({"kind": "apprise", "connection": "upkeep_sms"})
    retry = SHIPPED.retry.model_copy(update={"timeout_seconds": seconds})
    return SHIPPED.model_copy(update={"channels": channels, "retry": retry})


def body(**note: Any) -> dict[str, Any]:
    """A message of one note, as the outbox holds it."""
    about = {
        "kind": "new",
        "level": "critical",
        "was": "ok",
        "target": "primary",
        "title": "Platform",
        "at": "2026-11-29T03:10:00+00:00",
        "alert": 7,
        "page": "https://airflow.test/upkeep/alerts/7",
        "cause": "Error rate",
        "detail": "4.2 % of requests; expected: below 2 %",
        "remedy": "Look at the newest deployment",
        "findings": 3,
        "owner": "Technical Lead",
        "since": "2026-11-29T03:00:00+00:00",
        "ended": None,
        "report": "https://airflow.test/upkeep/dags/maintenance_daily/runs/scheduled__1/report#f-0123456789ab",
        "runbook": "https://wiki.test/incidents",
        "procedures": "",
    } | note
    counts = {"new critical": 1}
    page = "https://airflow.test/upkeep/alerts"
    return {"level": about["level"], "notes": [about], "total": 1, "counts": counts, "page": page}


def send(channel: str, message: dict[str, Any], key: str = "alert:7:x:1", seconds: float = 2.0) -> None:
    """Send one message as the task does."""
    found, _ = senders(routing(seconds))
    found[channel](message, key)


@pytest.fixture
def mails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A real SMTP server; the file that its mails come into."""
    server, log = mail_sink.controller(free_port(), tmp_path / "mail.jsonl"), tmp_path / "mail.jsonl"
    server.start()
    smtp(monkeypatch, server.port)
    yield log
    server.stop()


def smtp(monkeypatch: pytest.MonkeyPatch, port: int, **extra: Any) -> None:
    """The Connection of mail, without TLS as on loopback."""
    more = {"disable_ssl": True, "disable_tls": True, "from_email": "upkeep@example.org"} | extra
    found = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": more}
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_SMTP", json.dumps(found))


def slack(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """The Connection of Slack."""
    found = {
        "conn_type": "slackwebhook",
        "schema": "http",
        "host": f"127.0.0.1:{port}/services",
        "password": "T/B/SECRET",
    }
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_SLACK", json.dumps(found))


def sms(monkeypatch: pytest.MonkeyPatch, port: int, url: str = "json://127.0.0.1:{}/sms") -> None:
    """The Connection of SMS: an apprise URL."""
    found = {"conn_type": "generic", "password": url.format(port)}
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_SMS", json.dumps(found))


@contextmanager
def listening(*answers: Answer) -> Iterator[Server]:
    """A server that records what it is sent."""
    with Server(*(answers or (answer("200 OK", b"ok"),))) as server:
        yield server


def kept(log: Path) -> list[dict[str, Any]]:
    """The mails that came."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.mark.guide("G114", "G137", "fires")
def test_a_mail_says_all_that_one_needs_at_night_in_text_and_html(mails: Path) -> None:
    """What, since when, how bad, whose, what to do, one link to the report and one to the procedures."""
    send("email", body())
    (one,) = kept(mails)
    assert (one["from"], one["to"]) == ("upkeep@example.org", ["a@example.org"])
    assert one["subject"] == "CRITICAL · Platform: Error rate"
    for part in ("4.2 % of requests", "2026-11-29 03:00 UTC", "Technical Lead", "newest deployment", "acknowledge 7"):
        assert part in one["text"]
        assert part in one["html"]
    for url in ("https://airflow.test/upkeep/dags/maintenance_daily/runs/scheduled__1/report#f-", "https://wiki.test/"):
        assert f'href="{url}' in one["html"]
        assert url in one["text"]
    assert "width=device-width" in one["html"]


def test_a_repetition_has_the_message_id_of_the_first(mails: Path) -> None:
    """SMTP cannot be exactly once: many clients show one of two with the same id."""
    send("email", body())
    send("email", body())
    send("email", body(), key="another")
    first, again, other = (one["id"] for one in kept(mails))
    assert first == again != other


@pytest.mark.parametrize("field", ["cause", "title", "detail", "remedy", "owner", "report"])
def test_hostile_words_stay_words_in_a_mail(mails: Path, field: str) -> None:
    """No header of theirs, no recipient, no element; one mail to the one address."""
    send("email", body(**{field: HOSTILE}))
    (one,) = kept(mails)
    message = BytesParser(policy=policy.default).parsebytes(one["raw"].encode())
    assert (one["to"], message["Bcc"]) == (["a@example.org"], None)
    assert "<script>" not in one["html"]


def test_a_megabyte_is_cut(mails: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A headline fits its place everywhere; an SMS has 160 characters of ASCII."""
    long = "ä" * 1_000_000
    send("email", body(cause=long))
    assert len(kept(mails)[0]["subject"]) <= 140
    with listening() as server:
        slack(monkeypatch, server.port)
        send("slack", body(cause=long, detail=long))
    payload = json.loads(server.received[0].body)
    assert len(payload["blocks"][0]["text"]["text"]) <= 150
    assert len(payload["blocks"][1]["text"]["text"]) <= 3000
    with listening() as server:
        sms(monkeypatch, server.port)
        send("sms", body(cause=long))
    text = json.loads(server.received[0].body)["message"]
    assert len(text) <= 160 and text.isascii()


def test_a_server_that_greylists_or_refuses_is_an_error_to_try_again(mails: Path) -> None:
    """451 now, taken later."""
    flag = mails.with_suffix(".fail")
    flag.touch()
    with pytest.raises(Exception, match=r"451.*Greylisted"):
        send("email", body())
    flag.unlink()
    send("email", body())
    assert len(kept(mails)) == 1


def test_a_server_that_hangs_is_left_after_our_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the connection and never says a word: the sender goes on, and the server sees it leave."""
    with socket.create_server(("127.0.0.1", 0)) as quiet:
        smtp(monkeypatch, quiet.getsockname()[1])
        left = threading.Event()

        def hold() -> None:
            connection, _ = quiet.accept()
            with connection:
                left.set() if connection.recv(1) == b"" else None

        holder = threading.Thread(target=hold)
        holder.start()
        with pytest.raises(Exception, match="Unable to connect"):
            send("email", body(), seconds=1)
        holder.join(20)
    assert left.is_set()


def test_a_connection_without_a_sender_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting, what was found, what was expected."""
    smtp(monkeypatch, 1, from_email="")
    with pytest.raises(ValueError, match=r"'upkeep_smtp': found no from_email in its extra, expected an address"):
        send("email", body())


@pytest.mark.guide("G115", "fires")
def test_slack_gets_blocks_in_which_nothing_is_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Free text is plain text; the links are ours; the key goes with it."""
    with listening() as server:
        slack(monkeypatch, server.port)
        send("slack", body(cause=HOSTILE, detail=HOSTILE))
    (one,) = server.received
    assert one.line.startswith("POST /services/T/B/SECRET ")
    assert one.headers["idempotency-key"] == "alert:7:x:1"
    payload = json.loads(one.body)
    assert "<" not in payload["text"]
    kinds = [block["text"]["type"] for block in payload["blocks"]]
    assert kinds == ["plain_text", "plain_text", "mrkdwn"]
    links = payload["blocks"][2]["text"]["text"]
    assert (
        links.startswith("<https://airflow.test/upkeep/")
        and "|Report> · <https://wiki.test/incidents|Runbook>" in links
    )


def test_slacks_retry_after_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """429 with 77 seconds: asked once, and not sooner."""
    with listening(answer("429 Too Many Requests", b"rate_limited", Retry_After="77")) as server:
        slack(monkeypatch, server.port)
        with pytest.raises(NotTakenError, match="Slack answered 429: rate_limited") as caught:
            send("slack", body())
    assert caught.value.wait == timedelta(seconds=77)
    assert len(server.received) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("channel", ["slack", "json"])
def test_no_redirect_is_followed(monkeypatch: pytest.MonkeyPatch, channel: str, status: int) -> None:
    """The other host hears nothing, whatever the apprise URL asks for."""
    with listening() as other, listening(answer(f"{status} Moved", b"", Location=f"{other.url}/stolen")) as server:
        slack(monkeypatch, server.port)
        sms(monkeypatch, server.port, "json://127.0.0.1:{}/sms?redirect=yes")
        with pytest.raises(NotTakenError, match=str(status)):
            send(channel, body())
    assert (len(server.received), other.received) == (1, [])


@pytest.mark.guide("G116", "fires")
def test_an_sms_is_short_and_another_service_gets_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both through apprise; the key goes with each."""
    with listening() as server:
        sms(monkeypatch, server.port)
        send("sms", body())
        send("json", body())
    short, long = (json.loads(one.body) for one in server.received)
    assert short["message"] == "CRITICAL - Platform: Error rate https://airflow.test/upkeep/alerts/7"
    assert "What to do: Look at the newest deployment" in long["message"]
    assert [one.headers["idempotency-key"] for one in server.received] == ["alert:7:x:1"] * 2


@pytest.mark.guide("G116", "holds")
def test_an_sms_always_carries_its_link_and_the_words_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """One alert's page, all that is open for several, a window's report; an address that leaves no words is none."""
    several = body(cause="x" * 200) | {"total": 12, "counts": {f"new {'long' * 20}": 12}}
    long = "https://airflow.test/" + "x" * 130
    with listening() as server:
        sms(monkeypatch, server.port)
        for one in (
            body(cause="ä" * 200),
            several,
            body(page="", report="https://airflow.test/r#f-1"),
            body(page=long),
        ):
            send("sms", one)
    texts = [json.loads(one.body)["message"] for one in server.received]
    assert [text.rpartition(" ")[2] for text in texts[:3]] == [
        "https://airflow.test/upkeep/alerts/7",
        "https://airflow.test/upkeep/alerts",
        "https://airflow.test/r",
    ]
    assert all(len(text) <= 160 and text.isascii() for text in texts)
    assert texts[0].startswith("CRITICAL - Platform: aaaa") and "... http" in texts[0]
    assert texts[3] == "CRITICAL - Platform: Error rate"


def test_what_the_watch_alone_has_seen_leads_to_its_own_page(mails: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No report shows it: the alert's page does, by mail and chat too."""
    send("email", body(report=""))
    (came,) = kept(mails)
    assert 'href="https://airflow.test/upkeep/alerts/7"' in came["html"] and "Open the alert" in came["html"]
    with listening() as server:
        slack(monkeypatch, server.port)
        send("slack", body(report=""))
    links = json.loads(server.received[0].body)["blocks"][2]["text"]["text"]
    assert links.startswith("<https://airflow.test/upkeep/alerts/7|Alert>")


def test_a_service_that_fails_or_is_none_says_why_without_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """500, nobody there, a URL that apprise does not know."""
    with listening(answer("500 Broken", b"")) as server:
        sms(monkeypatch, server.port, "json://user:S3CRET@127.0.0.1:{}/")
        with pytest.raises(NotTakenError, match="500") as caught:
            send("sms", body())
        assert "S3CRET" not in str(caught.value)
    with pytest.raises(NotTakenError) as caught:
        send("sms", body())
    assert "S3CRET" not in str(caught.value)
    sms(monkeypatch, 1, "nothing://S3CRET")
    with pytest.raises(ValueError, match="'upkeep_sms': found a URL that apprise does not know") as wrong:
        send("sms", body())
    assert "S3CRET" not in str(wrong.value)


def test_a_channel_without_a_connection_is_not_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said for each; mail without anybody to write to is none either."""
    found, missing = senders(SHIPPED)
    assert found == {}
    assert missing["sms"] == "found no Connection 'upkeep_sms' of type generic"
    smtp(monkeypatch, 1)
    assert senders(SHIPPED)[1]["email"] == "found nobody in config/routing.yaml: channels.email.to"
    assert set(senders(routing())[0]) == {"email"}


def test_a_digest_is_lines_with_their_reports(mails: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many notes in one message: each a line, the rest counted."""
    one = body()["notes"][0]
    many = {"level": "critical", "notes": [one] * 10, "total": 9_996, "counts": {"new critical": 9_996}}
    send("email", many)
    (came,) = kept(mails)
    assert came["subject"] == "CRITICAL · 9,996 changes: 9,996 new critical"
    assert came["text"].count("Error rate") == 10
    assert "and 9,986 more" in came["text"] and "and 9,986 more" in came["html"]
    with listening() as server:
        slack(monkeypatch, server.port)
        send("slack", many)
    assert len(json.loads(server.received[0].body)["blocks"]) <= 50
