"""The look at API keys as Airflow's task: it finds the target's own key, and writes nothing of it anywhere."""

from __future__ import annotations

import json
import logging
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.twin.keys import legacy_key
from upkeep.core.findings import Level
from upkeep.ledger.write import plain
from upkeep.settings.base import ROOT, ConfigError
from upkeep.settings.load import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from airflow.sdk import DAG

    from upkeep.flow.dag import Flow

KEYS = {
    "legacy": legacy_key("x" * 32, now=datetime.now(UTC) - timedelta(days=100)),
    "new": "sb_secret_Qx7vKp2mTz9wLr4nHs8jBd3f",
    "malformed": "S3CRETMARKER S3CRETMARKER",
}


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The step of the shipped configuration."""
    monkeypatch.setenv("UPKEEP_CONFIG", str(ROOT / "config"))
    settings.cache_clear()
    with DAG("keys_dag", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None):
        return Flow("primary", "monthly").look("api_keys", guide="G80")


def connect(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    """The target's functions Connection."""
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_FUNCTIONS", json.dumps({"conn_type": "http", **fields}))


def test_it_is_a_step_of_its_own(step: Any) -> None:
    """Its name, its item and what it would do; a look at now."""
    assert (step.task_id, step.guide, step.asks_about_period) == ("api_keys", "G80", False)
    assert step.describe(None) == "the dates in the key of Connection 'upkeep_functions'"
    assert step.source == "the key of the functions Connection"


@pytest.mark.guide("G80", "fires", "holds")
@pytest.mark.parametrize("form", KEYS)
def test_the_key_is_looked_at_and_nothing_of_it_is_written(
    step: Any,
    form: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Not in what goes to the ledger, not in the log at its most talkative, not on the terminal."""
    key = KEYS[form]
    connect(monkeypatch, host="https://x.supabase.co", password=key)
    with caplog.at_level(logging.DEBUG):
        looked = step.look(None)
    assert any(finding.level in (Level.ADVISORY, Level.WARNING) for finding in looked.findings)
    assert looked.answer is None
    assert looked.snapshot is None
    written = json.dumps([plain(finding.__dict__) for finding in looked.findings], default=str)
    written += repr(looked) + caplog.text + "".join(capfd.readouterr())
    for part in (key, *key.split("."), *key.split()):
        assert part not in written


@pytest.mark.guide("G80", "fires")
def test_a_connection_without_a_key_is_found_and_one_that_is_not_there_is_named(
    step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a password a finding; without the Connection the reason why nothing was looked at."""
    connect(monkeypatch, host="https://x.supabase.co")
    (finding,) = step.look(None).findings
    assert (finding.key, finding.level) == ("api_key:upkeep_functions:form", Level.WARNING)
    monkeypatch.delenv("AIRFLOW_CONN_UPKEEP_FUNCTIONS")
    with pytest.raises(ConfigError, match="'upkeep_functions': found none"):
        step.look(None)
