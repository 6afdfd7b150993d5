"""The ends of a window: open it, write its report, say its verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException

from upkeep import windows
from upkeep.flow.connections import postgres
from upkeep.flow.step import Step, window_of
from upkeep.settings import METRICS, settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from upkeep.database import Row, Session
    from upkeep.findings import Finding
    from upkeep.reports import History, Report, StepResult


def run_url(dag_id: str, run_id: str, *, pages: str = "") -> str:
    """A run's address in Airflow's UI, or with ``pages="/upkeep"`` where Upkeep's pages about it are mounted."""
    base = conf.get("api", "base_url", fallback="/").rstrip("/")
    return f"{base}{pages}/dags/{quote(dag_id)}/runs/{quote(run_id, safe='')}"


class ReportLink(BaseOperatorLink):
    """The link on a task's Details tab that opens the run's report; Airflow's own permissions stand before it."""

    name = "Report"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        return f"{run_url(ti_key.dag_id, ti_key.run_id, pages='/upkeep')}/report"


class _End(BaseOperator):
    ui_color = "#c9d7e8"

    def __init__(self, *, target: str, cadence: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target = target
        self.cadence = cadence

    def ledger(self, *, read_only: bool = False) -> Any:
        """A session on the ledger as the tasks' role."""
        from upkeep import database

        config = settings().maintenance
        return database.session(postgres(config.ledger.tasks), config.sql, read_only=read_only)


class OpenWindowOperator(_End):
    """Write the window's row: due, deadline, period, who asked."""

    def execute(self, context: Context) -> dict[str, str]:
        from upkeep import ledger

        window = window_of(context, self.target, self.cadence)
        with self.ledger() as session:
            number = ledger.open_window(session, window)
        self.log.info("Window %s: %s", number, window)
        return {"due": window.due.isoformat(), "period_start": window.period_start.isoformat()}


class ReportOperator(_End):
    """Gather what the steps recorded, say what is missing, keep the page and its JSON."""

    operator_extra_links = (ReportLink(),)

    def execute(self, context: Context) -> dict[str, Any]:
        from upkeep import ledger, reports

        window = window_of(context, self.target, self.cadence)
        states = self._states(context)
        with self.ledger() as session:
            report = self._gather(session, context, window, states)
            red, sentence = reports.verdict(report, settings().maintenance.verdict.red_on)
            number = ledger.add_report(
                session,
                window,
                level=report.level.value,
                headline=sentence,
                html=reports.to_html(report),
                body={**reports.to_json(report), "red": red},
            )
        self.log.info("Report %s: %s", number, ReportLink().get_link(self, ti_key=context["ti"]))
        self.log.info("%s", sentence)
        for finding in report.findings:
            self.log.info("%-8s %s: %s", finding.level.upper(), finding.subject, finding.detail[:300])
        return {"report": number, "level": report.level.value}

    def _states(self, context: Context) -> dict[str, str | None]:
        """Airflow's state of each step before this task; the ledger cannot know of a step that was killed."""
        ti: Any = context["ti"]
        steps = sorted(task.task_id for task in self.dag.tasks if isinstance(task, Step))
        found = ti.get_task_states(dag_id=ti.dag_id, task_ids=steps, run_ids=[ti.run_id]).get(ti.run_id, {})
        return {step: found.get(step) for step in steps}

    def _gather(
        self, session: Any, context: Context, window: windows.Window, states: Mapping[str, str | None]
    ) -> Report:
        from upkeep import ledger, reports

        rows = [row for row in ledger.latest_steps(session, window) if row["step"] in states]
        recorded = {row["step"]: row for row in rows}
        steps = tuple(_result(context, step, state, recorded.get(step)) for step, state in states.items())
        now = datetime.now(UTC)
        own = self._own_look(session, context, window, steps, now)
        judged = [*own, *(finding for step in steps for finding in step.findings)]
        return reports.Report(
            target=window.target,
            target_title=settings().target(window.target).title,
            cadence=window.cadence,
            kind=window.kind.value,
            due=window.due,
            deadline=window.deadline,
            period_start=window.period_start,
            period_end=window.period_end,
            run_id=window.run_id,
            dag_id=window.dag_id,
            made_at=now,
            requested_by=window.requested_by,
            dry_run=bool(context["params"]["dry_run"]),
            late=windows.lateness(window, now),
            steps=steps,
            since=ledger.since(session, window, judged),
            samples=ledger.samples(session, [row for row in rows if row["state"] == "ran"]),
            incident_document=settings().maintenance.documents.incident_response,
            history=_history(session, window),
            earlier=tuple(reports.Earlier(**row) for row in ledger.previous_findings(session, window)),
            own=own,
        )

    def _own_look(
        self, session: Any, context: Context, window: windows.Window, steps: tuple[StepResult, ...], now: datetime
    ) -> tuple[Finding, ...]:
        """Whether a calendar window is late; recorded like a step's look, so that it is known since when."""
        from upkeep import ledger, reports

        if window.kind is windows.Kind.MANUAL:
            return ()
        late = reports.lateness_finding(window.due, window.deadline, steps, now)
        own = (late,) if late else ()
        record = ledger.StepRecord(
            step=reports.REPORT_STEP,
            state=reports.RAN,
            reason="",
            source="the window's calendar",
            started_at=now,
            try_number=context["ti"].try_number,
            looked=ledger.Looked(own),
        )
        ledger.add_step(session, window, record)
        return own


class VerdictOperator(_End):
    """Red when the report says so; a red verdict is news about the platform, not a failed window."""

    operator_extra_links = (ReportLink(),)

    def execute(self, context: Context) -> str:
        import json

        from upkeep import ledger

        ti: Any = context["ti"]
        with self.ledger(read_only=True) as session:
            row = ledger.verdict_of_run(session, ti.dag_id, ti.run_id)
        if json.loads(row["body"])["red"]:
            raise AirflowFailException(f"{row['headline']}. Read {ReportLink().get_link(self, ti_key=ti)}")
        self.log.info("%s", row["headline"])
        return str(row["headline"])


def _history(session: Session, window: windows.Window) -> tuple[History, ...]:
    """The six metrics over the last windows, with the bands that this window judges them by."""
    from upkeep import ledger, reports

    bands = settings().thresholds.metrics
    rows = ledger.metric_history(session, window, METRICS)
    return tuple(
        reports.History(
            metric=name,
            title=name.replace("_", " ").capitalize().replace("Cpu", "CPU"),
            bands=bands[name],
            points=tuple(
                reports.Point(row["due"], row["period_start"], row["kind"], row["value"]) for row in rows[name]
            ),
        )
        for name in METRICS
    )


def _result(context: Context, step: str, state: str | None, row: Row | None) -> StepResult:
    """What the ledger knows of a step; where Airflow knows better (the task died), its state counts."""
    from upkeep import reports

    ti: Any = context["ti"]
    result = reports.StepResult(
        step=step,
        group=step.partition(".")[0],
        title=step.rpartition(".")[2].replace("_", " "),
        state=reports.FAILED,
        reason=f"it left no record; Airflow's state of the task is {state or 'none'}",
        log_url=f"{run_url(ti.dag_id, ti.run_id)}/tasks/{quote(step)}",
    )
    if row is None or (state in ("failed", "upstream_failed") and row["state"] == reports.RAN):
        return result
    return replace(
        result,
        state=row["state"],
        reason=row["reason"],
        started=row["started_at"],
        ended=row["ended_at"],
        findings=tuple(row["findings"]),
        source=row["source"],
        digest=row["digest"],
    )
