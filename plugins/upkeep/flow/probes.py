"""Looks that are neither one SQL check nor one call: response times, backups, the age of the last scan."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from upkeep.core import windows
from upkeep.flow.connections import functions, postgres
from upkeep.flow.in_force import baselines_in_force
from upkeep.flow.operators import CallOperator
from upkeep.flow.step import NotCollected, Step
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from upkeep.ledger.write import Looked


#: Seconds in which response times are taken; a call that has begun by then may take its own patience still.
LATENCY_SECONDS = 180.0


class LatencyOperator(Step):
    """Time ``health_check`` of every function of the guide's loop from here (G38)."""

    ui_color = "#f4d3a1"

    @property
    def source(self) -> str:
        return "health_check of each function"

    def describe(self, window: windows.Window) -> str:
        config = settings()
        calls, names = config.maintenance.checks.latency_samples, ", ".join(config.thresholds.latencies)
        return f"POST health_check {calls} times each to {names}"

    def execute(self, context: Context) -> dict[str, Any]:
        return self.carry_out(context, self._look)

    def _look(self, window: windows.Window) -> Looked:
        from upkeep.areas.health import latencies
        from upkeep.ledger.read import earlier_samples
        from upkeep.wires import database
        from upkeep.wires.functions.contract import parse_answer, request_body
        from upkeep.wires.functions.transport import Call, post

        config, now = settings(), datetime.now(UTC)
        connection_id = config.target(self.target).connections.functions
        send, key = functions(connection_id)
        once = config.maintenance.http.model_copy(update={"attempts": 1})  # a second try would hide a slow first one

        def call(function: str) -> object:
            body = request_body(function, "health_check", period=None)
            return parse_answer(function, "health_check", post(send, Call(function, body, connection_id), key, once))

        ledger_id, clocks = config.maintenance.ledger.tasks, config.maintenance.sql
        with database.session(postgres(ledger_id), clocks, read_only=True) as session:
            earlier = earlier_samples(session, window.target, self.task_id, now)
            standing = baselines_in_force(session, window.target)
        names, calls = list(config.thresholds.latencies), config.maintenance.checks.latency_samples
        timed = latencies.measure(call, names, calls, LATENCY_SECONDS)
        return latencies.judge(timed, latencies.last_called(earlier), self._called_beside(), now, config, standing)

    def _called_beside(self) -> set[str]:
        """The functions that other steps of the same run ask, at nobody knows which moment."""
        return {task.function for task in self.dag.tasks if isinstance(task, CallOperator)}


class BackupsOperator(Step):
    """Look at the newest backup where config says that they lie (G99, G100)."""

    ui_color = "#d9cdea"

    @property
    def source(self) -> str:
        return "the backup folder"

    def describe(self, window: windows.Window) -> str:
        return f"the newest backup in {self._config()}"

    def execute(self, context: Context) -> dict[str, Any]:
        return self.carry_out(context, self._look)

    def _config(self) -> Any:
        return settings().target(self.target).backups

    def _look(self, window: windows.Window) -> Looked:
        from upkeep.areas.backups.look import look_at_backups

        if self._config() is None:
            raise NotCollected(
                f"no backups are configured (config/maintenance.yaml: targets.{self.target}.backups); "
                "whether there is one is not known"
            )
        return look_at_backups(self._config(), datetime.now(UTC))


class ScanAgeOperator(Step):
    """How old the last weekly security scan is (G6); its results are reviewed every day."""

    ui_color = "#cdd9c5"

    @property
    def source(self) -> str:
        return "include/sql/ledger/last_scan.sql"

    def describe(self, window: windows.Window) -> str:
        return f"the ledger's last weekly window of {self.target}"

    def execute(self, context: Context) -> dict[str, Any]:
        return self.carry_out(context, self._look)

    def _look(self, window: windows.Window) -> Looked:
        from upkeep.areas.security.logins import scan_age
        from upkeep.ledger import write
        from upkeep.ledger.read import last_scan
        from upkeep.wires import database

        config = settings().maintenance
        with database.session(postgres(config.ledger.tasks), config.sql, read_only=True) as session:
            last = last_scan(session, window.target)
        return write.Looked((scan_age(last, datetime.now(UTC)),))


class LaterOperator(Step):
    """An item of the guide that Upkeep does not carry out yet: it has its place, and the report says why."""

    ui_color = "#e2e2e2"

    def __init__(self, *, why: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.why = why

    @property
    def source(self) -> str:
        return "nothing yet"

    def describe(self, window: windows.Window) -> str:
        return f"nothing: {self.why}"

    def execute(self, context: Context) -> dict[str, Any]:
        return self.carry_out(context, self._look)

    def _look(self, window: windows.Window) -> Looked:
        raise NotCollected(self.why)
