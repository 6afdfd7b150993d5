"""Fixtures of whatever goes through the gate: one ledger for all, a target database for each test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.postgres import Cluster
from tests.stages.answers import HEALTHY
from tests.stages.ledger import Ledger, upgraded
from tests.stages.server import Server, answer
from tests.stages.signing import CONNECTION, config_folder
from tests.stages.stage import Stage, uri
from upkeep.settings.load import settings

#: What every function answers: 0.4 % of errors.
METRICS = HEALTHY["result"]["metrics"] | {"error_rate_percent": 0.4}
STATUS = json.dumps(HEALTHY | {"result": HEALTHY["result"] | {"metrics": METRICS}})


@pytest.fixture(scope="session")
def kept(cluster: Cluster) -> Iterator[Ledger]:
    """The ledger; each test writes under a target of its own."""
    with upgraded(cluster) as found:
        yield found


@pytest.fixture(scope="session")
def signed_config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What looks at config by itself finds the shipped one with the tests' key pinned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPKEEP_CONFIG", str(config_folder(tmp_path_factory.mktemp("signed"))))
        patch.setenv("AIRFLOW_CONN_UPKEEP_SIGNING", CONNECTION)
        settings.cache_clear()
        yield
    settings.cache_clear()


@pytest.fixture
def stage(kept: Ledger, empty_database: str, signed_config: None) -> Stage:
    """A target in a fresh database."""
    return Stage(kept, empty_database)


@pytest.fixture
def judged(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """The stage's target in a configuration of its own, with Connections to its ledger, its database and a function."""
    folder = config_folder(tmp_path)
    file = folder / "maintenance.yaml"
    file.write_text(file.read_text().replace("\n  primary:\n", f"\n  {stage.name}:\n", 1))
    monkeypatch.setenv("UPKEEP_CONFIG", str(folder))
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_LEDGER", uri(stage.ledger.dsn("tasks")))
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_TARGET_READ", uri(stage.dsn))
    settings.cache_clear()
    ok = answer("200 OK", STATUS, Content_Type="application/json")
    with Server(ok) as server:
        functions = {"conn_type": "http", "host": server.url, "password": "sb_secret_x"}
        monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_FUNCTIONS", json.dumps(functions))
        yield stage
    settings.cache_clear()
