"""The three ways of looking: a SQL check through PostgresHook, a function's action through HttpHook, all else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.http.operators.http import HttpOperator

from upkeep.core import windows
from upkeep.core.findings import NotCollected
from upkeep.flow.connections import connection, functions, postgres, replicas, trusted
from upkeep.flow.step import Step, window_of
from upkeep.settings.load import settings
from upkeep.wires import queries

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

    from upkeep.areas.look import Inspection
    from upkeep.ledger.write import LookResult
    from upkeep.wires.database import Session


class CheckOperator(Step, SQLExecuteQueryOperator):
    """Run one check on the target, read-only, and record its findings; its path is that of its SQL."""

    template_fields = ("sql",)  # shown by the UI under Rendered Templates, see below
    template_ext = ()
    ui_color = "#cdd9c5"

    def __init__(self, *, check: str, target: str, **kwargs: Any) -> None:
        connection_id = settings().target(target).connections.read
        super().__init__(target=target, sql=queries.text(check), conn_id=connection_id, **kwargs)
        self.check = check
        self._session: Session | None = None

    @property
    def source(self) -> str:
        return str(queries.source(self.check))

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Braces in a statement are its own: it is shown as it stands, and values are bound by the driver."""

    def describe(self, window: windows.Window) -> str:
        return f"{self.source} through Connection {self.conn_id!r}"

    def execute(self, context: Context) -> dict[str, Any]:
        self.log.info("Check %s through Connection %r", self.source, self.conn_id)
        return self.carry_out(context, self.look)

    def look(self, window: windows.Window) -> LookResult:
        from upkeep.areas.database.sizes import GROWTH_BASE
        from upkeep.areas.look import Look, carry_out
        from upkeep.areas.registry import find
        from upkeep.areas.thresholds.force import settings_for
        from upkeep.ledger import read
        from upkeep.ledger.read import earlier_samples, newest_snapshot, previous_snapshot, window_samples
        from upkeep.wires import database

        check, config, now = find(self.check.rpartition("/")[2]), settings(), datetime.now(UTC)
        clocks = config.maintenance.sql
        with database.session(postgres(config.maintenance.ledger.tasks), clocks, read_only=True) as session:
            earlier = earlier_samples(session, window.target, self.task_id, now - GROWTH_BASE)
            answered = window_samples(session, window)
            reach = check.remembers(config) if check.remembers else timedelta(0)
            remembered = read.remembered(session, window, self.task_id, reach)
            previous = (
                newest_snapshot(session, window.target, check.name)
                if check.continues
                else previous_snapshot(session, window, self.task_id)
            )
            _, beside = (check.reads and newest_snapshot(session, window.target, check.reads)) or (None, None)
            config = settings_for(session, window.target)
        with database.session(postgres(str(self.conn_id)), clocks, read_only=True) as session:
            self._session = session
            now = datetime.now(UTC)  # not before it was connected: a check may hold the server's clock against it
            standbys = replicas(self.target)
            look = Look(session, config, now, earlier, answered, window.period, remembered, previous, standbys)
            return carry_out(check, replace(look, target=self.target, beside=beside))

    def on_kill(self) -> None:
        """A task that is ended does not end its query: cancel it on the server (X11)."""
        if self._session is not None:
            self._session.cancel()


class CallOperator(Step, HttpOperator):
    """Call one action of one function, validate the answer, keep it with its digest, judge it."""

    template_fields = ()
    ui_color = "#f4d3a1"

    def __init__(
        self, *, function: str, action: str, target: str, arguments: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        connection_id = settings().target(target).connections.functions
        endpoint = f"/functions/v1/{function}"
        super().__init__(target=target, endpoint=endpoint, http_conn_id=connection_id, deferrable=False, **kwargs)
        self.function = function
        self.action = action
        self.arguments = dict(arguments or {})

    @property
    def source(self) -> str:
        return f"{self.function} {self.action}"

    @property
    def asks_about_period(self) -> bool:  # type: ignore[override]
        from upkeep.wires.functions.contract import FUNCTIONS

        return FUNCTIONS[self.function][self.action].echoes_period

    def describe(self, window: windows.Window) -> str:
        return f"POST {self.endpoint} {self._body(window)} through Connection {self.http_conn_id!r}"

    def execute(self, context: Context) -> dict[str, Any]:
        self.log.info("%s", self.describe(window_of(context, self.target, self.cadence)))
        return self.carry_out(context, self.look)

    def _body(self, window: windows.Window) -> str:
        from upkeep.wires.functions.contract import request_body

        return request_body(self.function, self.action, period=window.period, **self.arguments)

    def look(self, window: windows.Window) -> LookResult:
        from upkeep.areas import answers
        from upkeep.areas.thresholds.force import settings_for
        from upkeep.ledger.write import FunctionAnswer, LookResult
        from upkeep.wires import database
        from upkeep.wires.functions.contract import echoed, parse_answer
        from upkeep.wires.functions.transport import Call, post

        shipped = settings().maintenance
        with database.session(postgres(shipped.ledger.tasks), shipped.sql, read_only=True) as session:
            config = settings_for(session, window.target)
        send, key = functions(self.http_conn_id)
        call = Call(self.function, self._body(window), self.http_conn_id)
        body = post(send, call, key, config.maintenance.http)
        answer = parse_answer(self.function, self.action, body)
        if self.asks_about_period and datetime.now(UTC) > window.deadline and not echoed(answer, window.period):
            raise NotCollected(f"{self.source} cannot be asked about the past: its answer does not echo the period")
        looked = answers.read(self.function, self.action, answer.model_dump(mode="json"), config, self.arguments)
        kept = FunctionAnswer(self.function, self.action, body.decode("utf-8", "replace"))
        return LookResult(looked.findings, looked.samples, kept)


class LookOperator(Step):
    """Carry out one inspection of an area: what is neither one SQL check nor one call.

    ``seconds`` is how long one that can be long may look; the task's own clock must be longer.
    """

    ui_color = "#d9cdea"

    def __init__(self, *, inspection: str, seconds: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inspection = inspection
        self.seconds = seconds
        self._ending: list[Callable[[], None]] = []

    @property
    def source(self) -> str:
        return self._found().source

    @property
    def asks_about_period(self) -> bool:  # type: ignore[override]
        return self._found().asks_about_period

    def describe(self, window: windows.Window) -> str:
        return self._found().describes(settings(), self.target)

    def execute(self, context: Context) -> dict[str, Any]:
        return self.carry_out(context, self.look)

    def _found(self) -> Inspection:
        from upkeep.areas.registry import INSPECTIONS

        return INSPECTIONS[self.inspection]

    def look(self, window: windows.Window) -> LookResult:
        from upkeep.areas.look import Sources
        from upkeep.wires import database

        config = settings()
        ledger, patience = config.maintenance.ledger.tasks, config.maintenance.sql
        sources = Sources(
            target=self.target,
            window=window,
            step=self.task_id,
            config=config,
            ledger=lambda: database.session(postgres(ledger), patience, read_only=True),
            writing=lambda: database.session(postgres(ledger), patience, read_only=False),
            read=lambda: database.session(
                postgres(config.target(self.target).connections.read), patience, read_only=True
            ),
            replicas=lambda: replicas(self.target),
            functions=functions,
            connection=connection,
            postgres=lambda found: postgres(found.conn_id, lambda _: found),
            trusted=trusted,
            called=self.called_beside(),
            ending=self._ending,
            seconds=self.seconds,
        )
        return self._found().look(sources)

    def called_beside(self) -> frozenset[str]:
        """The functions that other steps of the same run ask, at nobody knows which moment."""
        dag = self.get_dag()
        return frozenset(task.function for task in dag.tasks if isinstance(task, CallOperator)) if dag else frozenset()

    def on_kill(self) -> None:
        """A task that is ended ends what its inspection has started."""
        for end in self._ending:
            end()
