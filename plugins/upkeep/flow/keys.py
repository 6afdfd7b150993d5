"""The monthly look at the age of the API key that the functions are called with (G80)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from upkeep.flow.connections import functions
from upkeep.flow.step import Step
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from upkeep.core import windows
    from upkeep.ledger.write import Looked


class KeysOperator(Step):
    """Read the dates in the key of the target's functions Connection; the key itself goes no further than this task."""

    ui_color = "#e6c9c9"

    @property
    def source(self) -> str:
        return "the key of the functions Connection"

    def describe(self, window: windows.Window) -> str:
        return f"the dates in the key of Connection {self._connection_id!r}"

    def execute(self, context: Context) -> dict[str, Any]:
        return self.carry_out(context, self._look)

    @property
    def _connection_id(self) -> str:
        return settings().target(self.target).connections.functions

    def _look(self, window: windows.Window) -> Looked:
        from upkeep.areas.security import keys
        from upkeep.ledger.write import Looked

        _, key = functions(self._connection_id)
        return Looked(*keys.judged(self._connection_id, key, settings().maintenance.keys, datetime.now(UTC)))
