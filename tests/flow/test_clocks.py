"""Clocks of steps whose looks have clocks of their own: the task's must be the later one, or what was seen is lost."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.stages.dags import look
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from airflow.sdk import DAG

    from upkeep.flow.dag import Flow
    from upkeep.flow.operators import LookOperator

BACKUPS = "    # backups:"


@pytest.fixture
def timeouts(tmp_path: Path) -> Callable[[str, str], dict[str, Any]]:
    """Parses the DAGs with one text of config replaced; task of the daily window → its execution timeout, seconds."""
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    file = config / "maintenance.yaml"
    shipped = file.read_text()

    def parse(old: str, new: str) -> dict[str, Any]:
        assert shipped.count(old) == 1
        file.write_text(shipped.replace(old, new))
        tasks = look(tmp_path, config)["dags"]["maintenance_daily"]["tasks"]
        return {name: task["timeout"] for name, task in tasks.items()}

    return parse


def verifying(seconds: float) -> str:
    """A section of backups whose verification may take so long."""
    return f"    backups: {{base: /b, wal: /w, verify_timeout_seconds: {seconds:g}}}\n{BACKUPS}"


@pytest.mark.guide("G100", "X11", "holds")
@pytest.mark.parametrize("seconds", [10, 900, 1740])
def test_a_verification_ends_before_its_task_does(
    timeouts: Callable[[str, str], dict[str, Any]], seconds: float
) -> None:
    """As long as config says plus a minute: Airflow's clock loses the whole step, the verification's only one line."""
    assert timeouts(BACKUPS, verifying(seconds))["backups.newest_backup"] == seconds + 60


def test_each_kind_of_backup_has_its_time(timeouts: Callable[[str, str], dict[str, Any]]) -> None:
    """Base backups and dumps what config gives them, the list of those that Supabase keeps that of a request."""
    dumps = "    dumps: {folder: /d, verify_timeout_seconds: 600}"
    managed = "    managed_backups: {connection: upkeep_supabase, project: abc}"
    every = verifying(900).replace(BACKUPS, f"{dumps}\n{managed}\n{BACKUPS}")
    request = settings().maintenance.http.total_timeout_seconds
    assert timeouts(BACKUPS, every)["backups.newest_backup"] == 900 + 600 + request + 60


@pytest.mark.guide("G1", "holds")
def test_a_verification_longer_than_the_window_fails_the_parse(timeouts: Callable[[str, str], dict[str, Any]]) -> None:
    """The error names both settings and what was found."""
    with pytest.raises(AssertionError) as caught:
        timeouts(BACKUPS, verifying(1741))
    assert "windows: found daily.length_minutes 30, expected a minute more than" in str(caught.value)
    assert "targets.primary.backups.verify_timeout_seconds (1741)" in str(caught.value)


@pytest.mark.guide("G38", "X11", "holds")
@pytest.mark.parametrize("seconds", [60, 600])
def test_the_slowest_function_ends_before_the_task_of_all_seven_does(
    timeouts: Callable[[str, str], dict[str, Any]], seconds: int
) -> None:
    """The budget, the patience with one call that begins at its very end, and a minute."""
    found = timeouts("total_timeout_seconds: 60", f"total_timeout_seconds: {seconds}")
    assert found["performance.function_latencies"] == 180 + seconds + 60


@pytest.mark.guide("G38", "holds")
def test_the_response_times_know_which_functions_the_run_asks_beside() -> None:
    """Also those that the DAG names later, and no function that is only timed."""
    with DAG("one", schedule=None):
        flow = Flow("primary", "daily")
        times = flow.latencies()
        flow.call("error-tracking", "get_errors", guide="G69")
        flow.call("production-monitoring", "system_status", guide="G8")
        flow.backups()
    assert isinstance(times, LookOperator)
    assert times.called_beside() == {"error-tracking", "production-monitoring"}
