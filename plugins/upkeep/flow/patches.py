"""The weekly look at npm's packages, over the checkout that config names (G73, G74)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from upkeep.core import windows
from upkeep.flow.step import NotCollected, Step
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from upkeep.areas.patches.run import Npm
    from upkeep.ledger.write import Looked

#: What the task has beyond npm's own time: npm is ended by its own limit, whose reason is then in the report.
LONGER = timedelta(minutes=2)


class NpmOperator(Step):
    """Run ``npm audit`` or ``npm outdated`` on a copy of the checkout's two files."""

    ui_color = "#e6c9c9"

    def __init__(self, *, command: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.command = command
        self._npm: Npm | None = None

    @property
    def source(self) -> str:
        return f"npm {self.command}"

    def describe(self, window: windows.Window) -> str:
        checkout = settings().target(self.target).checkout
        return f"npm {self.command} on " + (str(checkout.folder) if checkout else "no checkout: none is configured")

    def execute(self, context: Context) -> dict[str, Any]:
        return self.carry_out(context, self._look)

    def _look(self, window: windows.Window) -> Looked:
        from upkeep.areas.patches import npm
        from upkeep.areas.patches.run import Npm

        checkout = settings().target(self.target).checkout
        if checkout is None:
            raise NotCollected(
                f"no checkout is configured (config/maintenance.yaml: targets.{self.target}.checkout); "
                "nothing is known of its npm packages"
            )
        self._npm = Npm(checkout)
        if self._npm.program is None:
            raise NotCollected(
                f"found no program {checkout.npm!r} (config/maintenance.yaml: targets.{self.target}.checkout.npm)"
            )
        look = {"audit": npm.audit, "outdated": npm.outdated}[self.command]
        return look(self._npm)

    def on_kill(self) -> None:
        """A task that is ended ends npm and what it started."""
        if self._npm is not None:
            self._npm.kill()
