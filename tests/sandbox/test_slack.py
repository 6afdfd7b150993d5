"""The sandbox's Slack: messages arrive over the wire and are kept; it can be down."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from sandbox import slack
from sandbox.stack import environment, open_sandbox

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Sink:
    """A running one: its webhook, its log, its process."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def post(self, body: str, path: str = "/services/T000/B000/XXX") -> tuple[int, str]:
        """Status and word of one POST."""
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(f"{self.url}{path}", data=body.encode(), timeout=10)
        return answer.status_code, answer.text

    def messages(self) -> list[dict[str, Any]]:
        """What was kept."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def sink(tmp_path: Path, port: int) -> Iterator[Sink]:
    """A sink as a process, ended by the signal that supervisord sends."""
    log = tmp_path / "slack.jsonl"
    child = {**os.environ, slack.PORT: str(port), slack.LOG: str(log)}
    with (tmp_path / "log").open("wb") as output:
        argv = [sys.executable, "-m", "sandbox.slack"]
        process = subprocess.Popen(argv, cwd=ROOT, env=child, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 30
        while not _listens(port):
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.05)
        yield Sink(f"http://127.0.0.1:{port}", log, process)
    finally:
        process.terminate()
        assert process.wait(20) == 0


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((slack.HOST, port)) == 0


def test_a_message_is_kept_as_it_came_on_a_line_of_its_own(sink: Sink) -> None:
    """Newlines, markup and any language survive; the answer is the one that Slack gives."""
    sent = [{"text": "a\nb <!channel> \u202e ü 🐘"}, {"text": "second", "blocks": [{"type": "divider"}]}]
    assert [sink.post(json.dumps(message)) for message in sent] == [(200, "ok")] * 2
    assert sink.messages() == sent


def test_messages_at_the_same_moment_are_all_kept_whole(sink: Sink) -> None:
    """Several approvals park at once."""
    texts = [f"{number} " + "x" * 20_000 for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda text: sink.post(json.dumps({"text": text})), texts)) == {(200, "ok")}
    assert {message["text"] for message in sink.messages()} == set(texts)


def test_slack_can_be_down_and_come_back(sink: Sink) -> None:
    """While the flag is there it answers 500 and keeps nothing."""
    flag = sink.log.with_suffix(".fail")
    flag.touch()
    assert sink.post('{"text": "lost"}') == (500, "rollup_error")
    flag.unlink()
    assert sink.post('{"text": "told"}') == (200, "ok")
    assert sink.messages() == [{"text": "told"}]


def test_what_is_no_message_is_refused(sink: Sink) -> None:
    """Not JSON, too long, a GET: refused, and it goes on."""
    assert sink.post("payload=%7B%7D") == (400, "invalid_payload")
    assert sink.post('"' + "x" * slack.MOST_BYTES + '"') == (400, "invalid_payload")
    assert requests.get(sink.url, timeout=10).status_code == 501
    assert sink.post("{}") == (200, "ok")


def test_it_listens_on_loopback_alone(sink: Sink) -> None:
    """Nobody else's messages, and nobody else reads these."""
    heard = [one.laddr.ip for one in psutil.Process(sink.process.pid).net_connections() if one.status == "LISTEN"]
    assert heard == ["127.0.0.1"]


def test_airflows_own_notifier_reaches_it_through_the_sandboxs_connection(sink: Sink, tmp_path: Path) -> None:
    """The Connection as `environment` writes it, with this sink's port."""
    sandbox = open_sandbox(tmp_path / "sandbox")
    port = sink.url.rpartition(":")[2]
    given = environment(sandbox)["AIRFLOW_CONN_UPKEEP_SLACK"].replace(str(sandbox.ports["slack"]), port)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "http", "HTTP"))}
    code = (
        "from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier\n"
        "SlackWebhookNotifier(slack_webhook_conn_id='upkeep_slack', text='hello', timeout=10).notify({})"
    )
    child = {**kept, "AIRFLOW_HOME": str(tmp_path / "airflow"), "AIRFLOW_CONN_UPKEEP_SLACK": given}
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, env=child, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert [message["text"] for message in sink.messages()] == ["hello"]
