"""What is known before people answer: written with the question, headed by whom it waits for, and no verdict."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from tests.stages.ledger import finding, record, write
from tests.stages.reports import Page
from tests.stages.signing import SIGNER
from tests.stages.stage import Stage
from upkeep.core.findings import Level
from upkeep.gate import sheets
from upkeep.gate.decision_store import add_decision, add_shown
from upkeep.gate.permits import Decision
from upkeep.gate.plan_store import sheet_of_run
from upkeep.settings.calendar import config_folder
from upkeep.settings.load import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from airflow.sdk import DAG, TaskGroup

    from upkeep.flow.dag import Flow
    from upkeep.flow.report_data.gathering import write_interim
    from upkeep.flow.runs import STAMP
    from upkeep.flow.step import window_of
    from upkeep.flow.urls import report_url

NOW = datetime.now(UTC).replace(second=0, microsecond=0)


def people() -> None:
    """Two roles have somebody, the others nobody."""
    path = config_folder() / "maintenance.yaml"
    config = yaml.safe_load(path.read_text())
    config["people"] = {"dora": {}, "omar": {}}
    for role, holder in {"dba": ["dora"], "devops": ["omar"], "security": [], "lead": []}.items():
        config["roles"][role]["users"] = holder
    path.write_text(yaml.safe_dump(config))
    settings.cache_clear()


@pytest.mark.guide("G23", "holds")
def test_a_sign_on_sheet_comes_with_what_is_known_so_far(judged: Stage) -> None:
    """It waits for those who can be asked; of a step whose turn has not come, and of a name, nothing is missed yet.

    Who has signed on is not waited for any more; with everybody's answer nothing is written.
    """
    people()
    run = SimpleNamespace(
        dag_id="maintenance_monthly", run_id=f"manual__{judged.name}", run_type="manual", logical_date=None,
        run_after=NOW, conf={STAMP: judged.name},
    )  # fmt: skip
    states = {"sign_on.quorum": "running", "evidence.database.constraints": "success"}

    def told(run_ids: list[str], task_ids: list[str], **_: Any) -> dict[str, Any]:
        return {run_ids[0]: {task: states.get(task) for task in task_ids}}

    ti = SimpleNamespace(
        dag_id=run.dag_id, run_id=run.run_id, task_id="sign_on.quorum", try_number=1, get_task_states=told
    )
    context: Any = {"dag_run": run, "ti": ti, "params": {"groups": ["sign_on"], "dry_run": False}}
    window = window_of(context, judged.name, "monthly")
    bad = finding("constraint:1", Level.WARNING, subject="A constraint", detail="is not validated")
    write(judged.ledger, window, record(bad, step="evidence.database.constraints"))
    with DAG("maintenance_monthly", schedule=None):
        flow = Flow(judged.name, "monthly")
        with TaskGroup("evidence"), TaskGroup("database"):
            flow.check("tables/bloat", guide="G54")  # its turn has not come
            flow.check("tables/constraints", guide="G60")
        with TaskGroup("sign_on"):
            quorum = cast("Any", flow.sign_on()[0])
    quorum.execute(context)

    (html, body) = newest(judged, run.run_id)
    page = Page(html).text
    waits = "Interim, waiting for Database Administrator, DevOps Engineer: "
    assert body["headline"].startswith(waits) and waits in page
    assert body["interim"] == ["Database Administrator", "DevOps Engineer"]
    assert "Not the window's verdict" in page and "no answer yet" in page
    assert {step["step"] for step in body["steps"]} == {"sign_on.quorum", "evidence.database.constraints"}
    assert "constraint:1" in {one["key"] for one in body["findings"]}
    assert not [one for one in body["findings"] if one["key"].startswith(("step:", "sign_on:dba", "window:"))]
    assert judged.ledger.ask("SELECT 1 FROM upkeep.reports WHERE run_id = %s", run.run_id) == []

    for role, person, waited in (("dba", "dora", ["DevOps Engineer"]), ("devops", "omar", None)):
        with judged.ledger.session() as session:
            sheet = sheet_of_run(session, window.run, sheets.SIGN_ON)
            assert sheet
            shown = {"task_id": role, "map_index": -1, "try_number": 1, "role": role, "digest": sheet.digest}
            shown |= {"body_digest": "", "action_ids": [role], "asked": [person]}
            number = add_shown(session, window, shown, SIGNER)
            yes = Decision(role, person, frozenset({role}), datetime.now(UTC))
            add_decision(session, sheet.digest, number, yes, SIGNER)
        before = newest(judged, run.run_id)
        write_interim(context, quorum)
        after = newest(judged, run.run_id)
        assert after[1]["interim"] == waited if waited else after == before
    assert report_url(run.dag_id, run.run_id).endswith(f"/upkeep/dags/maintenance_monthly/runs/{run.run_id}/report")


def newest(judged: Stage, run_id: str) -> tuple[str, dict[str, Any]]:
    """Page and JSON of the run's newest interim report."""
    query = "SELECT html, body FROM upkeep.interim_reports WHERE run_id = %s ORDER BY id DESC LIMIT 1"
    ((html, body),) = judged.ledger.ask(query, run_id)
    return html, json.loads(body)
