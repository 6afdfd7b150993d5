"""Waiting for the window without a slot, and apply what the ledger permits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator
from airflow.sdk.configuration import conf

from upkeep.core import windows
from upkeep.core.findings import Finding, Level, NotCollected
from upkeep.flow.connections import signer, trusted
from upkeep.flow.runs import requester, run_of
from upkeep.flow.step import Frozen, Step, Superseded
from upkeep.gate.attempts import DONE, ELSEWHERE, NOT_DONE, PARTLY
from upkeep.settings.base import ConfigError
from upkeep.settings.calendar import reread
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from upkeep.gate.apply.outcomes import ActionOutcome
    from upkeep.gate.plan_store import StoredPlan
    from upkeep.ledger.write import LookResult

#: Longer than any authority: the server's own clock ends a statement (T), this only a task that hangs.
_LONGEST = timedelta(hours=12)


class WaitForWindow(BaseOperator):
    """Stand before apply until the plan's window opens, deferred; at once when nothing would run then anyway."""

    ui_color = "#e2e2e2"

    def __init__(self, *, target: str, **kwargs: Any) -> None:
        super().__init__(execution_timeout=None, **kwargs)
        self.target = target

    def execute(self, context: Context) -> str:
        from upkeep.gate import decision_store
        from upkeep.gate.apply.circumstances import circumstances
        from upkeep.gate.permits import refusal
        from upkeep.gate.plan_store import plan_of_run
        from upkeep.gate.signatures.chain import Tampered
        from upkeep.wires import database

        config, now = settings().maintenance, datetime.now(UTC)
        with database.session(trusted(config.ledger.tasks), config.sql, read_only=True) as session:
            stored = plan_of_run(session, run_of(context))
            try:
                decisions = decision_store.decisions(session, stored.digest, config.ledger.signing) if stored else ()
            except Tampered as why:
                return self._say(f"nothing can be applied, so there is nothing to wait for: {why}")
            missing_sign_on = decision_store.missing_sign_on(session, stored.plan, config) if stored else ""
        if stored is None or now >= stored.plan.not_before:
            return self._say("nothing to wait for")
        plan = stored.plan
        asked = requester(context["dag_run"])
        at = circumstances(config, plan, plan.not_before, missing_sign_on=missing_sign_on, requested_by=asked)
        if all(refusal(plan, action, decisions, at) for action in plan.actions):
            return self._say("nothing is approved: nothing to wait for")
        self.log.info("Waiting for %s", f"{plan.not_before:%Y-%m-%d %H:%M} UTC")
        return self.defer(trigger=DateTimeTrigger(moment=plan.not_before), method_name="execute_complete")

    def execute_complete(self, context: Context, event: Any) -> str:
        return self._say("the window is open")

    def _say(self, text: str) -> str:
        self.log.info("%s", text)
        return text


class ApplyOperator(Step):
    """Run the actions that people approved, each under a permit of its own, and say what became of every one."""

    ui_color = "#e9a3a3"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(execution_timeout=_LONGEST, **kwargs)

    @property
    def source(self) -> str:
        return "the plan of this run, in the ledger"

    def describe(self, window: windows.Window) -> str:
        return "the plan's approved actions"

    def execute(self, context: Context) -> dict[str, Any]:
        asked = requester(context["dag_run"])
        return self.carry_out(context, lambda window: self.look(window, asked))

    def may_run(self, context: Context, window: windows.Window, now: datetime) -> None:
        """Whatever the calendar says by now, the plan's own times decide."""

    def look(self, window: windows.Window, requested_by: str) -> LookResult:
        from upkeep.areas.kinds import kinds, with_roles
        from upkeep.gate.apply.run import ApplyRun, Connectors
        from upkeep.ledger import write

        config = settings().maintenance
        stored = self._stored(window)
        if not stored.plan.actions:
            return write.LookResult((_nothing(),))
        maintain = config.targets[self.target].connections.maintain
        if why := _forbidden(maintain):
            raise ConfigError(why)
        self._right_ledger()
        # The guards' own is trusted too: one that is pointed elsewhere would see nothing of what apply does.
        watch = trusted(config.targets[self.target].connections.read)
        connectors = Connectors(trusted(config.ledger.tasks), trusted(str(maintain)), watch)
        say = partial(self.log.info, "%s")
        apply = ApplyRun(
            connectors,
            kinds(),
            config,
            lambda: with_roles(reread()),
            stored,
            window.run_id,
            signer(),
            say,
            requested_by,
        )
        found = tuple(_finding(outcome) for outcome in apply.run())
        say(f"The ledger's chain of signed rows reached entry {apply.authority.chain_head}")
        return write.LookResult(found)

    def _stored(self, window: windows.Window) -> StoredPlan:
        """The run's plan; without one, why the plan's step had none."""
        from upkeep.gate.plan_store import plan_of_run
        from upkeep.ledger.read import latest_steps
        from upkeep.wires import database

        config = settings().maintenance
        with database.session(trusted(config.ledger.tasks), config.sql, read_only=True) as session:
            stored = plan_of_run(session, window.run)
            if stored is not None:
                return stored
            step = next((row for row in latest_steps(session, window) if row["step"] == "plan"), None)
        for kind in (Superseded, Frozen):
            if step is not None and step["state"] == kind.state:
                raise kind(step["reason"])
        raise NotCollected("no plan was drawn up" + (f": {step['reason']}" if step is not None else ""))

    def _right_ledger(self) -> None:
        from upkeep.gate.decision_store import ledger_identity
        from upkeep.wires import database

        config = settings().maintenance
        with database.session(trusted(config.ledger.tasks), config.sql, read_only=True) as session:
            found = ledger_identity(session)
        if config.ledger.identity != found:
            raise ConfigError(
                f"config/maintenance.yaml: ledger.identity: found {config.ledger.identity or 'nothing'}, expected that "
                f"of the ledger behind Connection {config.ledger.tasks!r}, which is {found}"
            )


def _forbidden(maintain: str | None) -> str:
    """Why this deployment may not change anything; empty when it may."""
    if maintain is None:
        return "config/maintenance.yaml: connections.maintain: found none, expected a Connection that may change things"
    if conf.getboolean("core", "simple_auth_manager_all_admins", fallback=False):
        return (
            "[core] simple_auth_manager_all_admins: found True, expected False: while everybody is an admin, an answer "
            "says nothing about who gave it"
        )
    if conf.get("fab", "auth_role_public", fallback="") == "Admin":
        return (
            "[fab] auth_role_public: found 'Admin', expected another role or none: while everybody may set passwords, "
            "an answer says nothing about who gave it"
        )
    return ""


def _nothing() -> Finding:
    return Finding(
        key="apply",
        level=Level.OK,
        subject="Apply",
        detail="the plan holds no action",
        expected="",
        remedy="",
        guide="G52",
    )


_LEVELS = {
    DONE: Level.OK,
    "refused": Level.ADVISORY,
    NOT_DONE: Level.WARNING,
    PARTLY: Level.WARNING,
    ELSEWHERE: Level.CRITICAL,
    "unknown": Level.UNKNOWN,
}
_AGAIN = "It is proposed again in the next window, if it is still needed."
_REMEDIES = {
    DONE: "",
    PARTLY: "The next window proposes the rest, if it is still needed.",
    ELSEWHERE: "Inspect the named object at once: a statement of the plan may have run on it.",
}


def _finding(outcome: ActionOutcome) -> Finding:
    """One action's outcome, with what was predicted and what was measured."""
    from upkeep.areas.kinds import kinds
    from upkeep.core.text import seconds, visible

    action, receipt, kind = outcome.action, outcome.receipt, kinds().get(outcome.action.kind)
    took = f" in {seconds(receipt.duration_ms or 0)}" if receipt and receipt.outcome == DONE else ""
    return Finding(
        key=f"apply:{action.verb}:{action.schema}.{action.table}",
        level=_LEVELS[outcome.state],
        subject=f"{action.verb.upper()} {visible(action.schema)}.{visible(action.table)}",
        detail=f"{outcome.state}{took}" + (f": {outcome.reason}" if outcome.reason else ""),
        expected=f"done in about {seconds(action.predicted_ms)}",
        remedy=_REMEDIES.get(outcome.state, _AGAIN),
        guide=kind.guide if kind else "G52",
        metadata={
            "action": action.id,
            "statement": action.statement,
            "outcome": outcome.state,
            "reason": outcome.reason,
            "undo": "" if outcome.state == ELSEWHERE else action.undo,
        },
    )
