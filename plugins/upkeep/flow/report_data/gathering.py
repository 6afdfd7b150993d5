"""A window's report, gathered from the ledger and Airflow: the final one, or what is known before people are asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from upkeep.core import windows
from upkeep.flow.connections import postgres
from upkeep.flow.report_data import history
from upkeep.flow.report_data.history import previous_due, worth_showing
from upkeep.flow.report_data.plan import gate_of_run
from upkeep.flow.report_data.signatures import signatures_of_window, waited_for, work_ended
from upkeep.flow.report_data.steps import ended, reported_states, samples, step_result
from upkeep.flow.step import window_of
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow.sdk import Context

    from upkeep.core.findings import Finding
    from upkeep.flow.step import Step
    from upkeep.report.model import Report, StepResult
    from upkeep.wires.database import Session

    #: What the report itself finds of its window: of its steps, its end, and what was found already.
    OwnLook = Callable[[tuple[StepResult, ...], datetime, tuple[Finding, ...]], tuple[Finding, ...]]


def gather(
    session: Session,
    context: Context,
    window: windows.Window,
    states: Mapping[str, str | None],
    sensors: Mapping[str, str],
    own_look: OwnLook,
    interim: tuple[str, ...] = (),
) -> Report:
    """The report of a window from the states of its steps in Airflow; ``sensors`` is the task that asks each role.

    ``interim`` are the roles that are asked: then a step whose turn has not come, and a name that is not given yet, are
    no findings.
    """
    from upkeep.areas.thresholds.force import thresholds_in_force
    from upkeep.ledger import acknowledgements
    from upkeep.ledger.read import latest_steps, previous_findings, since
    from upkeep.report import model
    from upkeep.report.model import EarlierFinding

    rows = [row for row in latest_steps(session, window) if row["step"] in states]
    recorded = {row["step"]: row for row in rows}
    steps = tuple(step_result(context, step, state, recorded.get(step)) for step, state in states.items())
    now = datetime.now(UTC)
    plan, changed = gate_of_run(session, context, window, steps, sensors, now, interim=bool(interim))
    signing, missing = signatures_of_window(session, window)
    end = work_ended(session, window) or now
    own = own_look(steps, end, changed if interim and signing else (*changed, *missing))
    judged_by = thresholds_in_force(session, window.target)
    metrics = history.history(session, window, judged_by.thresholds.metrics)
    judged = [*own, *(finding for step in steps for finding in step.findings)]
    return model.Report(
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
        late=windows.lateness(window, end),
        steps=steps,
        since=since(session, window, judged),
        samples=samples(session, rows),
        incident_document=settings().maintenance.documents.incident_response,
        history=worth_showing(metrics, window.cadence),
        earlier=tuple(EarlierFinding(**row) for row in previous_findings(session, window)),
        own=own,
        gate=plan,
        signing=signing,
        exceptions=acknowledgements.open_exceptions(judged, settings().exceptions, now),
        thresholds=judged_by.words,
        last_due=previous_due(session, window),
        interim=interim,
    )


def write_interim(context: Context, task: Step) -> None:
    """Keep what is known before the roles answer that this task's work is put before; nothing where nobody is asked.

    It is no verdict: no strip, metric, alert or outcome of a window knows of it. Without it people are asked all the
    same, and its address says that there is none.
    """
    from upkeep.ledger.write import add_interim
    from upkeep.report.document import to_json
    from upkeep.report.page import to_html
    from upkeep.wires import database

    config, window = settings().maintenance, window_of(context, task.target, task.cadence)
    try:
        states = reported_states(context, task.dag)
        so_far = {step: state for step, state in states.items() if step == task.task_id or ended(state)}
        with database.session(postgres(config.ledger.tasks), config.sql, read_only=False) as session:
            if asked := waited_for(session, window.run, datetime.now(UTC)):
                report = gather(session, context, window, so_far, {}, lambda _, __, said: said, asked)
                add_interim(session, window, to_html(report), to_json(report))
    except Exception:  # the plan stands, and who is asked can read it in the form
        task.log.exception("The interim report could not be written")
