"""Signatures of a monthly window: sheets are drawn up, roles are asked, answers are kept like those to a plan."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from upkeep.core.findings import Finding, Level, NotCollected
from upkeep.flow.connections import trusted
from upkeep.flow.hitl.answer import title_of
from upkeep.flow.hitl.question import Question
from upkeep.flow.hitl.sensor import RoleAnswerSensor
from upkeep.flow.notify import notify
from upkeep.flow.report_data.gathering import write_interim
from upkeep.flow.report_data.signatures import signatures_of_run
from upkeep.flow.runs import run_of
from upkeep.flow.step import Step, may_ask
from upkeep.flow.urls import report_url, run_url
from upkeep.gate import sheets
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.sdk import Context

    from upkeep.core import windows
    from upkeep.gate.apply.ledger_session import LedgerSession
    from upkeep.gate.plan_store import StoredSheet
    from upkeep.gate.sheets import SheetItem
    from upkeep.ledger.write import LookResult
    from upkeep.wires.database import Session


class SignatureSensor(RoleAnswerSensor):
    """Ask one role for its name under this run's sheet for one purpose."""

    ui_color = "#f6c7c7"

    def __init__(self, *, purpose: str, **kwargs: Any) -> None:
        labels = sheets.LABELS[purpose]
        super().__init__(options=[labels.yes, labels.no], **kwargs)
        self.purpose = purpose

    def question(self, ledger: LedgerSession, context: Context) -> Question | str:
        """The sheet's items that this role has to sign."""
        from upkeep.gate.plan_store import sheet_of_run

        stored = ledger.with_retry(lambda session: sheet_of_run(session, run_of(context), self.purpose))
        if stored is None:
            return f"no {self.purpose} sheet"
        sheet = stored.sheet
        ids = sheet.ids_for(self.role)
        if not ids:
            return "nothing to sign"
        report = report_url(sheet.dag_id, sheet.run_id)
        return Question(
            digest=stored.digest,
            ids=ids,
            subject=sheets.subject(sheet, title_of(self.role)),
            body=sheets.body(sheet, self.role, stored.details, self.people, report),
            until=sheet.not_after,
            not_after=sheet.not_after,
            labels=sheets.LABELS[self.purpose],
            words={item.id: f"{item.title}: {item.says}" for item in sheet.items},
        )


class SheetOperator(Step):
    """Draw up a run's sheet for one purpose, or find it again: clearing this task changes nothing."""

    ui_color = "#f3e3a2"
    grouped = False
    purpose = ""

    @property
    def source(self) -> str:
        return f"the {self.purpose} sheet of this run, in the ledger"

    def describe(self, window: windows.Window) -> str:
        return f"drawn up the {self.purpose} sheet of {self.target}"

    def execute(self, context: Context) -> dict[str, Any]:
        summary = self.carry_out(context, lambda window: self.look(context, window))
        if self.purpose != sheets.SIGN_OFF:  # the final report stands, and is what is signed
            write_interim(context, self)
        return summary

    def look(self, context: Context, window: windows.Window) -> LookResult:
        from upkeep.gate.plan_store import add_sheet, sheet_of_run
        from upkeep.ledger import write
        from upkeep.wires import database

        config = settings().maintenance
        with database.session(trusted(config.ledger.tasks), config.sql, read_only=False) as session:
            stored = sheet_of_run(session, window.run, self.purpose)
            if stored is None:
                may_ask(session, window)
                items, details = self._items(session, context, window)
                sheet = sheets.Sheet(
                    purpose=self.purpose,
                    target=window.target,
                    cadence=window.cadence,
                    dag_id=window.dag_id,
                    run_id=window.run_id,
                    due=window.due,
                    not_after=datetime.now(UTC) + self._patience(),
                    items=items,
                    instance=window.instance,
                )
                stored = add_sheet(session, window, sheet, details)
        self.log.info("Sheet %s: %s", stored.digest, ", ".join(item.id for item in stored.sheet.items) or "nothing")
        return write.LookResult(tuple(self._findings(context, stored)))

    def _items(
        self, session: Session, context: Context, window: windows.Window
    ) -> tuple[tuple[SheetItem, ...], dict[str, list[str]]]:
        """What is to be signed, and the lines that the form shows under each."""
        raise NotImplementedError

    def _patience(self) -> timedelta:
        raise NotImplementedError

    def _findings(self, context: Context, stored: StoredSheet) -> Iterable[Finding]:
        return ()


class SignOnOperator(SheetOperator):
    """The sheet that the roles sign on to; that they cannot is said now, not after four hours."""

    purpose = sheets.SIGN_ON

    def _items(
        self, session: Session, context: Context, window: windows.Window
    ) -> tuple[tuple[SheetItem, ...], dict[str, list[str]]]:
        config = settings().maintenance
        told = "takes part in this run and in what it changes"
        items = tuple(
            sheets.SheetItem(role, role, config.roles[role].title, "G23", "", told) for role in config.monthly.sign_on
        )
        return items, {}

    def _patience(self) -> timedelta:
        return timedelta(minutes=settings().maintenance.monthly.sign_on_minutes)

    def _findings(self, context: Context, stored: StoredSheet) -> Iterable[Finding]:
        config = settings().maintenance
        wanted = config.monthly.sign_on
        why = sheets.missing_quorum(wanted, {role: config.holders(role) for role in wanted})
        if why:
            notify(context, f"{self.target} {self.cadence}: nothing can be changed, {why}")
        yield Finding(
            key="sign_on:quorum",
            level=Level.CRITICAL if why else Level.OK,
            subject="Sign-on of the roles",
            detail=f"cannot be complete, so nothing will be changed: {why}"
            if why
            else f"{', '.join(wanted)} can each be a person of their own",
            expected="a person of its own for each role (config/maintenance.yaml: monthly.sign_on)",
            remedy="Name people or deputies in config/maintenance.yaml: roles, then start a new run." if why else "",
            guide="G23",
        )


class SealOperator(SheetOperator):
    """Seal what was collected for each task by its digest, for its owner to attest."""

    purpose = sheets.ATTEST

    def _items(
        self, session: Session, context: Context, window: windows.Window
    ) -> tuple[tuple[SheetItem, ...], dict[str, list[str]]]:
        from upkeep.ledger.read import latest_steps
        from upkeep.report import evidence

        found = evidence.by_task(latest_steps(session, window))
        items = evidence.items(found, settings().maintenance.monthly.tasks)
        return items, {item.id: found[item.id].lines for item in items}

    def _patience(self) -> timedelta:
        return timedelta(minutes=settings().maintenance.monthly.attest_minutes)


class SignOffOperator(SheetOperator):
    """The sheet that closes the window: all evidence, every signature, the plan and what became of it."""

    purpose = sheets.SIGN_OFF
    reported = False  # it comes after the report that it is about

    def _items(
        self, session: Session, context: Context, window: windows.Window
    ) -> tuple[tuple[SheetItem, ...], dict[str, list[str]]]:
        from upkeep.ledger.read import verdict_of_run

        signing = signatures_of_run(session, window)
        if signing is None:
            raise NotCollected("neither a sign-on nor an attestation sheet was drawn up: there is nothing to sign off")
        report = verdict_of_run(session, window.run)
        says = f"{report['headline']} (report {report['id']}, SHA-256 {report['digest']})"
        role = settings().maintenance.monthly.sign_off
        item = sheets.SheetItem(sheets.WINDOW, role, "The whole window", "G23", signing.digest, says)
        run = run_url(window.dag_id, window.run_id, pages="/upkeep")
        read = f"read it: {run.partition('/runs/')[0]}/reports/{report['id']}"
        return (item,), {sheets.WINDOW: [read, *signing.lines]}

    def _patience(self) -> timedelta:
        return timedelta(minutes=settings().maintenance.monthly.sign_off_minutes)
