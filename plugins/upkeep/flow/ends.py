"""The ends of a window: open it, write its report, say its verdict."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import AirflowFailException

from upkeep.core import windows
from upkeep.flow.approval import ManualApprovalSensor
from upkeep.flow.connections import postgres
from upkeep.flow.heartbeat import BEGUN, DONE, RED, sign_of_life
from upkeep.flow.report_data.gathering import gather
from upkeep.flow.report_data.steps import NEVER_TRIED, reported_states, task_states
from upkeep.flow.runs import run_of
from upkeep.flow.step import Step, window_of
from upkeep.flow.urls import report_url
from upkeep.settings.base import ConfigError
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from upkeep.core.findings import Finding
    from upkeep.ledger.write import StepRecord
    from upkeep.report.model import Report, StepResult


class ReportLink(BaseOperatorLink):
    """The link on a task's Details tab that opens the run's report; Airflow's own permissions stand before it."""

    name = "Report"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        return report_url(ti_key.dag_id, ti_key.run_id)


class _End(BaseOperator):
    ui_color = "#c9d7e8"

    def __init__(self, *, target: str, cadence: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target = target
        self.cadence = cadence

    def ledger(self, *, read_only: bool = False) -> Any:
        """A session on the ledger as the tasks' role."""
        from upkeep.wires import database

        config = settings().maintenance
        return database.session(postgres(config.ledger.tasks), config.sql, read_only=read_only)


class OpenWindowOperator(_End):
    """Write the window's row: due, deadline, period, who asked. The first one of its cadence begins the calendar.

    Looks that wait for nothing else and are not to run (their group was left out, a dry run, a superseded window) end
    here with their reason in the ledger: a process each would only say the same. Later steps wait for their turn, for
    what stands behind a skipped one begins at once.
    """

    def execute(self, context: Context) -> None:
        from airflow.sdk.exceptions import DownstreamTasksSkipped

        from upkeep.areas.calendar.reconcile import counted_since
        from upkeep.ledger.write import add_step, open_window

        now = datetime.now(UTC)
        window = window_of(context, self.target, self.cadence)
        idle = self.idle(context, window, now)
        with self.ledger() as session:
            number = open_window(session, window)
            counted_since(session, settings().maintenance, self.target, self.cadence, now)
            for record in idle:
                add_step(session, window, record)
        sign_of_life(window, BEGUN, self.log)
        self.log.info("Window %s: %s", number, window)
        for record in idle:
            self.log.info("%s: %s: %s", record.step, record.state, record.reason)
        if idle:
            raise DownstreamTasksSkipped(tasks=[record.step for record in idle])  # type: ignore[no-untyped-call]

    def idle(self, context: Context, window: windows.Window, now: datetime) -> list[StepRecord]:
        """Of each first look that has a reason not to, what it would have written itself.

        One that has run already stays as it is, though this task is cleared alone much later.
        """
        from upkeep.core.findings import NotCollected
        from upkeep.ledger.write import StepRecord

        first = [task for task in self.dag.tasks if isinstance(task, Step) and task.upstream_task_ids == {self.task_id}]
        states, idle = task_states(context, [task.task_id for task in first]), []
        for task in first:
            if states[task.task_id] not in (None, "skipped"):
                continue
            try:
                task.may_run(context, window, now)
            except NotCollected as why:
                idle.append(StepRecord(task.task_id, why.state, str(why), task.source, now, NEVER_TRIED))
            except (ConfigError, LookupError, ValueError):
                continue  # it will say so itself
        return idle


class ReportOperator(_End):
    """Gather what the steps recorded, say what is missing, keep the page and its JSON."""

    operator_extra_links = (ReportLink(),)

    def execute(self, context: Context) -> dict[str, Any]:
        from upkeep.ledger.write import add_report
        from upkeep.report.document import to_json
        from upkeep.report.headline import verdict
        from upkeep.report.page import to_html

        window = window_of(context, self.target, self.cadence)
        states = reported_states(context, self.dag)
        with self.ledger() as session:
            report = self._gather(session, context, window, states)
            red, sentence = verdict(report, settings().maintenance.verdict.red_on)
            number = add_report(
                session,
                window,
                level=report.level.value,
                headline=sentence,
                html=to_html(report),
                body={**to_json(report), "red": red},
            )
        sign_of_life(window, RED if red else DONE, self.log)
        self.log.info("Report %s: %s", number, ReportLink().get_link(self, ti_key=context["ti"]))
        self.log.info("%s", sentence)
        for finding in report.findings:
            self.log.info("%-8s %s: %s", finding.level.upper(), finding.subject, finding.detail[:300])
        return {"report": number, "level": report.level.value}

    def _gather(
        self, session: Any, context: Context, window: windows.Window, states: Mapping[str, str | None]
    ) -> Report:
        look = partial(self._own_look, session, context, window)
        return gather(session, context, window, states, self._sensors(), look)

    def _sensors(self) -> dict[str, str]:
        """Role → the task that asks it."""
        tasks = self.dag.tasks if self.has_dag() else []  # type: ignore[no-untyped-call]  # Airflow's
        return {task.role: task.task_id for task in tasks if isinstance(task, ManualApprovalSensor)}

    def _own_look(
        self,
        session: Any,
        context: Context,
        window: windows.Window,
        steps: tuple[StepResult, ...],
        end: datetime,
        said: tuple[Finding, ...],
    ) -> tuple[Finding, ...]:
        """Whether a calendar window is late or a manual one holds the calendar's slot, beside what is ``said`` already.

        Recorded like a step's look, so that it is known since when; a manual window with nothing to say says nothing.
        """
        from upkeep.ledger.write import LookResult, StepRecord, add_step
        from upkeep.report.headline import held_slot_finding, lateness_finding
        from upkeep.report.model import RAN, REPORT_STEP

        if window.kind is windows.WindowKind.MANUAL:
            run: Any = context.get("dag_run")
            slot = windows.held_slot(
                settings().maintenance.cadences(self.target)[self.cadence], run and run.logical_date
            )
            found = held_slot_finding(slot, end) if slot else None
        else:
            found = lateness_finding(window.due, window.deadline, steps, end)
        own = (*said, *((found,) if found else ()))
        if window.kind is windows.WindowKind.MANUAL and not own:
            return ()
        record = StepRecord(
            step=REPORT_STEP,
            state=RAN,
            reason="",
            source="the window's calendar and plan",
            started_at=datetime.now(UTC),
            try_number=context["ti"].try_number,
            looked=LookResult(own),
        )
        add_step(session, window, record)
        return own


class VerdictOperator(_End):
    """Red when the report says so; a red verdict is news about the platform, not a failed window."""

    operator_extra_links = (ReportLink(),)

    def execute(self, context: Context) -> str:
        import json

        from upkeep.ledger.read import verdict_of_run

        ti: Any = context["ti"]
        with self.ledger(read_only=True) as session:
            row = verdict_of_run(session, run_of(context))
        if json.loads(row["body"])["red"]:
            raise AirflowFailException(f"{row['headline']}. Read {ReportLink().get_link(self, ti_key=ti)}")
        self.log.info("%s", row["headline"])
        return str(row["headline"])
