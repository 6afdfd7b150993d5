"""The two npm steps as Airflow's tasks: their names, their clocks, and why they do not look."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from upkeep.settings.base import ROOT

LOOK = """
import json
from airflow.sdk import DAG, TaskGroup
from upkeep.flow.dag import Flow
from upkeep.core.findings import NotCollected
with DAG("some"):
    with TaskGroup("patches"):
        steps = Flow("primary", "weekly").patches()

def said(step):
    try:
        looked = step.look(None)
    except NotCollected as reason:
        return f"{reason.state}: {reason}"
    return [f"{finding.key} {finding.level}" for finding in looked.findings]

found = {
    step.task_id: {
        "guide": step.guide, "source": step.source, "seconds": step.execution_timeout.total_seconds(),
        "would": step.describe(None), "said": said(step),
    }
    for step in steps
}
print(json.dumps(found))
"""


def look(folder: Path, checkout: dict[str, Any] | None) -> dict[str, Any]:
    """What a fresh process makes of the two steps with this section of config."""
    config = Path(shutil.copytree(ROOT / "config", folder / "config"))
    content = yaml.safe_load((config / "maintenance.yaml").read_text())
    if checkout:
        content["targets"]["primary"]["checkout"] = checkout
    (config / "maintenance.yaml").write_text(yaml.safe_dump(content))
    environ = {
        **os.environ,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "PYTHONPATH": str(ROOT / "plugins"),
        "UPKEEP_CONFIG": str(config),
    }
    done = subprocess.run(
        [sys.executable, "-c", LOOK], env=environ, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.guide("G73-G74", "holds")
def test_without_a_checkout_or_npm_they_say_why_they_do_not_look(tmp_path: Path) -> None:
    """Not collected, with the setting to change; they are the steps that the daily scan_age looks for."""
    found = look(tmp_path / "a", None)
    assert [(name, step["guide"], step["source"]) for name, step in found.items()] == [
        ("patches.npm_audit", "G73", "npm audit"),
        ("patches.npm_outdated", "G74", "npm outdated"),
    ]
    for step in found.values():
        assert step["said"].startswith("not collected: no checkout is configured")
        assert "targets.primary.checkout" in step["said"]
    absent = {"folder": str(tmp_path), "registry": "http://127.0.0.1:1/", "npm": "/no/npm"}
    for step in look(tmp_path / "b", absent).values():
        assert step["said"].startswith("not collected: found no program '/no/npm'")


def test_the_task_outlives_npms_own_time(tmp_path: Path) -> None:
    """npm is ended by its own limit, so that the reason is recorded; a bad lock is a finding of a step that ran."""
    checkout = {"folder": str(tmp_path), "registry": "http://127.0.0.1:1/", "npm": "/bin/true", "timeout_seconds": 900}
    found = look(tmp_path / "a", checkout)
    assert [step["seconds"] for step in found.values()] == [1020, 1020]
    assert [step["would"] for step in found.values()] == [f"npm audit on {tmp_path}", f"npm outdated on {tmp_path}"]
    assert [step["said"] for step in found.values()] == [["npm:audit unknown"], ["npm:outdated unknown"]]
