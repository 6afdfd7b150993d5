"""Signs of life for a watchdog outside, over real HTTP: what it hears, and that it hinders nothing."""

from __future__ import annotations

import json
import logging
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.stages.config import MAIN
from tests.stages.config import config as config  # noqa: PLC0414  # a fixture
from tests.stages.ledger import window as window  # noqa: PLC0414  # a fixture
from tests.stages.server import Server, answer
from upkeep.core.windows import Window, WindowKind
from upkeep.settings.load import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.flow.heartbeat import BEGUN, DONE, RED, sign_of_life

log = logging.getLogger(__name__)
SECRET = "/5d8f6c1e-secret"


@pytest.fixture
def watched(config: Path, window: Window, monkeypatch: pytest.MonkeyPatch) -> Window:
    """A daily window of a target whose daily windows have a watchdog."""
    content = yaml.safe_load((config / MAIN).read_text())
    content["targets"]["primary"]["heartbeats"] = {"daily": "a_watchdog"}
    (config / MAIN).write_text(yaml.safe_dump(content))
    monkeypatch.setenv("UPKEEP_CONFIG", str(config))
    settings.cache_clear()
    return replace(window, target="primary")


def watch(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Name the watchdog's address in the environment."""
    monkeypatch.setenv("AIRFLOW_CONN_A_WATCHDOG", json.dumps({"conn_type": "http", "host": url + SECRET}))


@pytest.fixture(autouse=True)
def afterwards() -> object:
    """No other test sees this config."""
    yield
    settings.cache_clear()


def test_it_hears_of_a_beginning_and_of_both_ends(watched: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    """One GET each, below its own address; a run by hand and a cadence without a watchdog are silent."""
    with Server(answer(200, b"OK"), methods=("GET",)) as server:
        watch(monkeypatch, server.url)
        for sign in (BEGUN, DONE, RED):
            sign_of_life(watched, sign, log)
        sign_of_life(replace(watched, kind=WindowKind.MANUAL), BEGUN, log)
        sign_of_life(replace(watched, cadence="weekly"), BEGUN, log)
        lines = [one.line for one in server.received]
    assert lines == [f"GET {SECRET}{sign} HTTP/1.1" for sign in ("/start", "", "/fail")]


@pytest.mark.parametrize("status", [404, 500, 302, None])
def test_one_that_is_away_hinders_nothing_and_its_address_is_not_told(
    watched: Window, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, status: int | None
) -> None:
    """A warning names the Connection and never the address, which is a secret."""
    with Server(answer(status or 200, b""), methods=("GET",)) as server:
        url = server.url
        if status:
            watch(monkeypatch, url)
            sign_of_life(watched, BEGUN, log)
    if status is None:
        watch(monkeypatch, url)
        sign_of_life(watched, BEGUN, log)
    assert ("Connection 'a_watchdog': the watchdog was not reached" in caplog.text) == (status != 302)
    assert "secret" not in caplog.text
