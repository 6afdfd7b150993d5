"""What every step shares: its window, whether it is to run at all, and its row in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from upkeep.core import windows
from upkeep.core.findings import NotCollected, worst
from upkeep.core.units import utc
from upkeep.flow.connections import archive_sas, postgres
from upkeep.flow.runs import instance_of, is_running
from upkeep.ledger import acknowledgements
from upkeep.settings.base import ConfigError
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from upkeep.ledger.write import LookResult, StepRecord
    from upkeep.wires.database import Session

#: Run types whose due time is the calendar's.
_CALENDAR = ("scheduled", "backfill")


class Superseded(NotCollected):
    """A step whose window a later one has taken the place of."""

    state = "superseded"


class Frozen(NotCollected):
    """A step that would change something while config says that nothing is changed."""

    state = "frozen"


def window_of(context: Context, target: str, cadence: str) -> windows.Window:
    """The window of a run, worked out from the run and config alone, so that each task finds the same."""
    run: Any = context["dag_run"]
    rhythm = settings().maintenance.cadences(target)[cadence]
    kind = windows.WindowKind.CALENDAR if run.run_type in _CALENDAR else windows.WindowKind.MANUAL
    due = (run.logical_date or run.run_after).astimezone(UTC)
    period = windows.calendar_period if kind is windows.WindowKind.CALENDAR else windows.manual_period
    start, end = period(rhythm, due)
    return windows.Window(
        target=target,
        cadence=cadence,
        kind=kind,
        due=due,
        deadline=due + rhythm.length,
        period_start=start,
        period_end=end,
        run_id=run.run_id,
        dag_id=run.dag_id,
        requested_by=getattr(run, "triggering_user_name", None) or "the schedule",
        instance=instance_of(run),
    )


def may_ask(session: Session, window: windows.Window) -> None:
    """Nobody is asked twice for one work, nor for a window that was waived or is from before windows counted.

    For such a one Airflow makes a run at once when a DAG is unpaused for the first time. Raises Superseded or
    NotCollected with the reason.
    """
    from upkeep.areas.calendar.reconcile import counted_since, waiver_of
    from upkeep.gate.plan_store import asked_by_another

    config, now = settings().maintenance, datetime.now(UTC)
    if window.kind is windows.WindowKind.CALENDAR and now >= window.deadline:
        since = counted_since(session, config, window.target, window.cadence, now)
        if window.due < since:
            raise NotCollected(
                f"windows of {window.target} count from {utc(since)} on (config/maintenance.yaml: "
                f"targets.{window.target}.since); nobody is asked for one from before"
            )
        if waiver := waiver_of(session, window.target, window.cadence, window.due):
            raise NotCollected(f"the window was waived by {waiver}; nobody is asked for it")
    if other := asked_by_another(session, window, now, is_running):
        raise Superseded(other)


class Step(BaseOperator):
    """A task that looks at one thing and records what it saw.

    ``asks_about_period`` says how it behaves late: a step that asks about the window's period may run at any
    time; one that looks at "now" is superseded once the calendar's next occurrence has come. ``after_apply`` looks at
    what a plan has done: a run by hand may have waited for that occurrence on purpose.
    """

    asks_about_period = False
    #: Whether the group around it is one of those that a trigger may leave out.
    grouped = True
    #: Whether the report waits for it.
    reported = True

    def __init__(self, *, target: str, cadence: str, guide: str, after_apply: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.after_apply = after_apply
        self.target = target
        self.cadence = cadence
        self.guide = guide

    @property
    def source(self) -> str:
        """What is looked at, for the report: a SQL file, or a function and its action."""
        raise NotImplementedError

    def describe(self, window: windows.Window) -> str:
        """What a dry run would have done."""
        raise NotImplementedError

    def carry_out(self, context: Context, look: Callable[[windows.Window], LookResult]) -> dict[str, Any]:
        """Look, record, and hand on a small value; a look that fails is recorded as failed and fails the task."""
        from psycopg import Error

        from upkeep.wires.database import explain
        from upkeep.wires.functions.contract import ContractError
        from upkeep.wires.functions.transport import WireError
        from upkeep.wires.sas import credentials

        window = window_of(context, self.target, self.cadence)
        started = datetime.now(UTC)
        try:
            self.may_run(context, window, started)
            with credentials(archive_sas):
                looked = look(window)
        except NotCollected as reason:
            self._record(context, window, started, reason.state, str(reason))
            raise AirflowSkipException(f"{reason.state}: {reason}") from None
        except (WireError, ContractError, ConfigError, LookupError, ValueError) as error:
            message = str(error)
        except Error as error:
            message = explain(error, settings().target(self.target).connections.read)
        else:
            accepted = acknowledgements.with_acknowledgements(looked.findings, settings().exceptions, datetime.now(UTC))
            looked = replace(looked, findings=accepted)
            self._record(context, window, started, "ran", "", looked)
            return _summary(looked)
        self._record(context, window, started, "failed", message, self._unknown(message))
        raise AirflowFailException(message)

    def may_run(self, context: Context, window: windows.Window, now: datetime) -> None:
        """Raises NotCollected, Superseded or Frozen with the reason why this step does not look at ``now``."""
        params = context["params"]
        group = self.task_id.rpartition(".")[0].rpartition(".")[2]  # the innermost one, as the trigger form names it
        if self.grouped and group and group not in params["groups"]:
            raise NotCollected(f"group {group!r} was left out by {window.requested_by}")
        if params["dry_run"]:
            raise NotCollected(f"dry run; would have asked: {self.describe(window)}")
        later = windows.superseded_by(settings().maintenance.cadences(self.target)[self.cadence], window.due, now)
        waited = self.after_apply and window.kind is windows.WindowKind.MANUAL
        if later and not self.asks_about_period and not waited:
            raise Superseded(f"looks at the present, and the window of {later:%Y-%m-%d %H:%M} UTC is due by now")

    def _unknown(self, reason: str) -> LookResult:
        """A step that could not look is a finding too, so that it is known since when."""
        from upkeep.ledger.write import LookResult
        from upkeep.report.model import FAILED, StepResult, missing_step

        step = StepResult(self.task_id, self.task_id.partition(".")[0], self.source, FAILED, reason)
        return LookResult((replace(missing_step(step), guide=self.guide),))

    def _record(
        self,
        context: Context,
        window: windows.Window,
        started: datetime,
        state: str,
        reason: str,
        looked: LookResult | None = None,
    ) -> None:
        from upkeep.ledger import write
        from upkeep.ledger.write import add_step
        from upkeep.wires import database

        record: StepRecord = write.StepRecord(
            step=self.task_id,
            state=state,
            reason=reason,
            source=self.source,
            started_at=started,
            try_number=context["ti"].try_number,
            looked=looked or write.LookResult(()),
        )
        config = settings().maintenance
        with database.session(postgres(config.ledger.tasks), config.sql, read_only=False) as session:
            add_step(session, window, record)


def _summary(looked: LookResult) -> dict[str, Any]:
    """The small value that goes to XCom; everything else is in the ledger."""
    levels = [finding.level for finding in looked.findings]
    return {"level": worst(levels).value, "findings": len(levels)}
