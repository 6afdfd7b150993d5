"""A task records an acknowledged finding as the advisory that it counts as: ledger and XCom say the same."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.stages.stage import Stage
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult, open_window
from upkeep.settings.calendar import config_folder
from upkeep.settings.load import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.flow.step import Step, window_of

FOUND = (
    Finding("audit:rls_off:public.jobs", Level.CRITICAL, "Row security", "off"),
    Finding("audit:roles", Level.WARNING, "Roles", "two superusers"),
)


class Fixed(Step):
    """A step that always finds the same."""

    source = "the test"  # type: ignore[assignment]

    def execute(self, context: Any) -> dict[str, Any]:
        return self.carry_out(context, lambda _: LookResult(FOUND))


def run(stage: Stage, task: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the task hands on, and key → (level, detail, metadata) as the ledger has it."""
    now = datetime.now(UTC)
    run_of = SimpleNamespace(
        run_type="manual", logical_date=now, run_after=now, run_id=f"r_{task}", dag_id="d", triggering_user_name="ann"
    )
    context: Any = {"dag_run": run_of, "params": {"dry_run": False, "groups": []}, "ti": SimpleNamespace(try_number=1)}
    with stage.ledger.session() as session:
        open_window(session, window_of(context, stage.name, "daily"))
    said = Fixed(task_id=task, target=stage.name, cadence="daily", guide="G78").execute(context)
    rows = stage.ledger.ask(
        """
        SELECT f.key, f.level, f.detail, f.metadata
        FROM upkeep.findings f JOIN upkeep.steps s ON s.id = f.step_id JOIN upkeep.windows w ON w.id = s.window_id
        WHERE w.target = %s AND s.step = %s
        """,
        stage.name,
        task,
    )
    return said, {key: rest for key, *rest in rows}


def configure(expires: datetime) -> None:
    """Acknowledge the critical one until a day, as the next task's process reads it."""
    entry = f"key: 'audit:rls_off:*', reason: known, by: Ann, expires: {expires:%Y-%m-%d}, up_to: critical"
    Path(config_folder() / "exceptions.yaml").write_text(f"exceptions:\n  - {{{entry}}}\n")
    settings.cache_clear()


def test_an_acknowledged_finding_is_recorded_as_an_advisory_until_it_ends(judged: Stage) -> None:
    """Without an entry critical; with one an advisory that says so; after its end critical again."""
    said, found = run(judged, "before")
    assert (said["level"], found["audit:rls_off:public.jobs"][0]) == ("critical", "critical")

    now = datetime.now(UTC)
    configure(now + timedelta(days=30))
    said, found = run(judged, "accepted")
    level, detail, metadata = found["audit:rls_off:public.jobs"]
    assert (said, level) == ({"level": "warning", "findings": 2}, "advisory")
    assert detail == f"off (acknowledged by Ann until {now + timedelta(days=30):%Y-%m-%d}: known)"
    assert (metadata["level"], metadata["acknowledged"]["by"]) == ("critical", "Ann")
    assert found["audit:roles"] == ["warning", "two superusers", {}]

    configure(now - timedelta(days=1))
    said, found = run(judged, "ended")
    assert (said["level"], found["audit:rls_off:public.jobs"][0]) == ("critical", "critical")
    assert "the acknowledgement by Ann expired on" in found["audit:rls_off:public.jobs"][1]
