"""Who must answer is told through Slack once, and what Slack answers hinders nothing."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.stages.config import MAIN
from tests.stages.config import config as config  # noqa: PLC0414  # a fixture
from tests.stages.server import Server, answer
from upkeep.settings.load import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.flow.notify import notify

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def context(config: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A task of a deployment that names a Connection to Slack."""
    content = yaml.safe_load((config / MAIN).read_text())
    content["approval"]["slack"] = "upkeep_slack"
    (config / MAIN).write_text(yaml.safe_dump(content))
    monkeypatch.setenv("UPKEEP_CONFIG", str(config))
    settings.cache_clear()
    yield {"ti": SimpleNamespace(log=logging.getLogger(__name__))}
    settings.cache_clear()


def told(context: Any, monkeypatch: pytest.MonkeyPatch, server: Server) -> bool:
    """One message to this server."""
    found = {"conn_type": "slackwebhook", "schema": "http", "password": "T/B/X"}
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_SLACK", json.dumps(found | {"host": f"127.0.0.1:{server.port}/services"}))
    return notify(context, "Answer by 05:00")


def test_a_message_is_sent_once(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As text; Slack's ok is a yes."""
    with Server(answer("200 OK", b"ok")) as server:
        assert told(context, monkeypatch, server)
    assert [json.loads(one.body)["text"] for one in server.received] == ["Answer by 05:00"]


@pytest.mark.parametrize("status", [302, 307, 500])
def test_what_is_no_ok_is_a_no_and_no_other_host_hears_of_it(
    context: Any, monkeypatch: pytest.MonkeyPatch, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A redirect is not followed, and the task goes on."""
    with Server(answer("200 OK", b"ok"), methods=("GET", "POST")) as other:
        with Server(answer(f"{status} No", b"", Location=f"{other.url}/stolen")) as server:
            assert not told(context, monkeypatch, server)
        assert other.received == []
    assert "nobody was notified" in caplog.text or "nobody was told" in caplog.text
