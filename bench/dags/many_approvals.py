"""200 approvals of one plan that wait at the same time."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from airflow.sdk import DAG

from upkeep.flow.approval import ManualApprovalSensor
from upkeep.flow.dag import DEFAULTS, Flow, form
from upkeep.flow.runs import TAG
from upkeep.settings.load import settings

WAITING = int(os.environ.get("UPKEEP_BENCH_WAITING", "200"))

with DAG(
    "many_approvals",
    schedule=None,
    start_date=datetime(2025, 9, 14, tzinfo=UTC),
    max_active_tasks=WAITING,
    tags=[TAG],
    default_args=DEFAULTS,
) as dag:
    flow = Flow(settings().targets[0], "weekly")
    asked = [ManualApprovalSensor(task_id=f"ask_{number}", role="dba", **flow.bound) for number in range(WAITING)]
    flow.open_window() >> flow.plan() >> asked
dag.params = form("evidence", mutates=True)
