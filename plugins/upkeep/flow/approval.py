"""Asking people: a sensor that waits in Airflow's human-in-the-loop for one role's answer, at no worker slot.

The form only collects. What was shown is committed before the task waits; what was answered counts only when it
fits what was shown, came in time, and from a person who holds the role (APPROVAL.md, rules 1, 2, 4 and 5).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskAwaitingInput

from upkeep.flow.connections import trusted
from upkeep.flow.notify import answer_url, phone_url, tell
from upkeep.flow.step import window_of
from upkeep.settings import settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from upkeep.apply.book import Book
    from upkeep.gate import Stored
    from upkeep.permits import Decision

OPTIONS = ["Approve", "Reject"]
#: An answer that decides nothing is asked for again, so often.
RETRIES = 3


@dataclass(frozen=True)
class _Form:
    """What one role is shown; the same for every try, so that what Airflow keeps of the first one still fits."""

    subject: str
    body: str
    params: dict[str, Any]
    assigned: list[dict[str, str]]
    ids: tuple[str, ...]


class ManualApprovalSensor(HITLOperator):
    """Ask one role about the actions of this run's plan that need it, and keep the answer in the ledger.

    Silence is no answer, never a decision: the task ends green and says so.
    """

    template_fields = ()
    ui_color = "#f6c7c7"

    def __init__(self, *, role: str, target: str, cadence: str, **kwargs: Any) -> None:
        super().__init__(
            subject="", options=OPTIONS, response_timeout=timedelta(hours=1), retries=RETRIES,
            retry_delay=timedelta(seconds=1), execution_timeout=timedelta(minutes=10), **kwargs,
        )  # fmt: skip
        self.role = role
        self.target = target
        self.cadence = cadence

    def execute(self, context: Context) -> str:
        """Show the plan and wait, unless there is nothing to ask or an answer already."""
        from upkeep import gate

        with self._book() as book:
            stored = self._stored(book, context)
            if stored is None or not stored.plan.ids_for(self.role):
                return self._say(f"nothing to ask of {self.role}: " + ("no plan" if stored is None else "no action"))
            if answered := self._answer(book, stored):
                return self._say(f"already answered: {_told(answered)}")
            if not settings().maintenance.holders(self.role):
                return self._say(f"nobody is asked: role {self.role} has no user")
            left = self._until(stored) - datetime.now(UTC)
            if left <= timedelta(0):
                return self._say(f"no time is left to ask {self.role}")
            form = self._form(stored)
            row = self._task(context, stored) | {
                "try_number": context["ti"].try_number,
                "body_digest": hashlib.sha256(form.body.encode()).hexdigest(),
                "action_ids": list(form.ids),
                "asked": [user["name"] for user in form.assigned],
            }
            window = window_of(context, self.target, self.cadence)
            book.patiently(lambda ledger: gate.add_shown(ledger, window, row))
        self._ask(context, form)
        self._tell(context, f"{form.subject}. Answer by {self._until(stored):%Y-%m-%d %H:%M} UTC")
        raise self._wait(left)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> str:
        """Keep an answer that counts; ask again for one that does not; end green when there is none."""
        from psycopg import OperationalError

        try:
            with self._book() as book:
                return self._say(self._complete(book, context, event))
        except OperationalError as error:
            why = f"the ledger stayed away ({' '.join(str(error).split())[:200]})"
            self._tell(context, f"{self._title()}, {self.target} {self.cadence}: {why}. An answer must be given again")
            raise AirflowException(f"{why}: nothing was kept, and an answer must be given again") from None

    def _complete(self, book: Book, context: Context, event: dict[str, Any]) -> str:
        """What became of the question. Every look at the ledger is patient: this answer comes only once (rule 2)."""
        from upkeep import gate
        from upkeep.permits import InvalidAnswer

        stored = self._stored(book, context)
        if stored is None:
            raise AirflowFailException("the plan that was asked about is gone from the ledger: start a new run")
        if "error" in event or event.get("timedout"):
            return self._silence(context, stored, event)
        task = self._task(context, stored)
        shown = book.patiently(lambda ledger: gate.shown_of_task(ledger, task))
        if shown is None:
            raise AirflowFailException("the ledger does not know that this was shown: start a new run")
        try:
            decision = self._decision(book, stored, shown, event)
        except InvalidAnswer as why:
            self._tell(context, f"{self._title()}, {self.target} {self.cadence}: {why}. Asked again")
            raise AirflowException(f"the answer counts for nothing: {why}; asked again") from None
        book.patiently(lambda ledger: gate.add_decision(ledger, stored.digest, shown["id"], decision))
        return _told(self._answer(book, stored) or decision)  # the first answer of a role stays, and may be another's

    # What is asked --------------------------------------------------------------------------------------------

    def _form(self, stored: Stored) -> _Form:
        from upkeep import plans

        config, ids = settings().maintenance, stored.plan.ids_for(self.role)
        people = sorted(config.holders(self.role))
        actions = Param(
            list(ids), type="array", title="Actions", description="Take out what should not run.", examples=list(ids)
        )
        rows = [row["guide"] for row in stored.checklist]
        reviewed = Param(  # a type without null would make it a required field
            None, type=["null", "array"], title="Reviewed", description="Rows you went through.", examples=rows
        )
        comment = Param(None, type=["null", "string"], title="Comment", description="Kept with the answer.")
        return _Form(
            subject=plans.subject(stored.plan, self._title()),
            body=plans.body(stored.plan, self.role, stored.measured, stored.checklist),
            params={"actions": actions.serialize(), "reviewed": reviewed.serialize(), "comment": comment.serialize()},
            assigned=[{"id": config.people[name].id or name, "name": name} for name in people],
            ids=ids,
        )

    def _ask(self, context: Context, form: _Form) -> None:
        """Send the request and read back what Airflow keeps: after a clear it keeps the first one."""
        from airflow.sdk.api.datamodels._generated import HITLUser
        from airflow.sdk.execution_time.comms import CreateHITLDetailPayload
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

        kept: Any = SUPERVISOR_COMMS.send(
            msg=CreateHITLDetailPayload(
                ti_id=context["ti"].id,
                options=OPTIONS,
                subject=form.subject,
                body=form.body,
                defaults=None,
                multiple=False,
                params=form.params,
                assigned_users=[HITLUser(**user) for user in form.assigned],
            )
        )
        assigned = [{"id": user.id, "name": user.name} for user in kept.assigned_users or []]
        wanted = [form.subject, form.body, OPTIONS, form.params, form.assigned, None, False]
        found = [kept.subject, kept.body, kept.options, kept.params, assigned, kept.defaults, bool(kept.multiple)]
        if _same(found) != _same(wanted):
            raise AirflowFailException(
                "Airflow keeps another request for this task than the plan's (it was asked before with other people, "
                "another plan or another text): nobody is asked; start a new run"
            )

    def _wait(self, left: timedelta) -> TaskAwaitingInput:
        """Park: until the reminder if there is time for one, else until the end."""
        remind = timedelta(minutes=settings().maintenance.approval.remind_minutes)
        timeout = left - remind if left > remind else left
        self.log.info("Waiting for %s, %s at most", self._title(), str(left).partition(".")[0])
        return TaskAwaitingInput(method_name="execute_complete", timeout=timeout)

    def _until(self, stored: Stored) -> datetime:
        """When the shortest action could still begin in time; for the next window, when that opens."""
        from upkeep.permits import asked_until

        return asked_until(stored.plan) - stored.plan.shortest

    # What is answered -----------------------------------------------------------------------------------------

    def _silence(self, context: Context, stored: Stored, event: dict[str, Any]) -> str:
        """Nobody has answered: remind and wait on while there is time."""
        if "error" in event and event.get("error_type") != "timeout":
            raise AirflowException(f"Airflow could not wait for the answer: {event['error']}")
        until = self._until(stored)
        left = until - datetime.now(UTC)
        if left > timedelta(0):
            asked = f"{self._title()}, {self.target} {self.cadence}"
            self._tell(context, f"Not answered yet: {asked}, until {until:%Y-%m-%d %H:%M} UTC")
            raise TaskAwaitingInput(method_name="execute_complete", timeout=left)
        return f"no answer from {self._title()} by {until:%Y-%m-%d %H:%M} UTC"

    def _decision(self, book: Book, stored: Stored, shown: dict[str, Any], event: dict[str, Any]) -> Decision:
        """The decision of an answer. Raises InvalidAnswer when it decides nothing."""
        from upkeep import gate
        from upkeep.permits import Decision, InvalidAnswer, approved_ids, comment_of, reviewed_of

        config, user = settings().maintenance, event.get("responded_by_user")
        person = config.person_by_id(str(user["id"])) if user else None
        if person is None or person not in config.holders(self.role):
            raise InvalidAnswer(
                f"found an answer by {(user or {}).get('name') or 'nobody'}, expected one by a {self._title()}"
            )
        responded = _moment(event["responded_at"])
        if not responded < stored.plan.not_after:
            raise InvalidAnswer(f"found an answer at {responded}, expected one before {stored.plan.not_after}")
        params = event.get("params_input") or {}
        options = event.get("chosen_options") or [""]
        approved = approved_ids(options[0] if len(options) == 1 else str(options), params, shown["action_ids"])
        given = book.patiently(lambda ledger: gate.decisions(ledger, stored.digest))
        others = {other.person for other in given if other.approved and other.role != self.role}
        if approved and person in others:
            raise InvalidAnswer(
                f"found a second approval by {person}, who approved for another role, expected another person"
            )
        reviewed = reviewed_of(params, (row["guide"] for row in stored.checklist))
        return Decision(self.role, person, approved, responded, comment_of(params), reviewed)

    def _answer(self, book: Book, stored: Stored) -> Decision | None:
        from upkeep import gate

        decisions = book.patiently(lambda ledger: gate.decisions(ledger, stored.digest))
        return next((decision for decision in decisions if decision.role == self.role), None)

    # Small things ---------------------------------------------------------------------------------------------

    def _book(self) -> Book:
        from upkeep.apply.book import Book

        config = settings().maintenance
        return Book(trusted(config.ledger.tasks), config.sql, config.ledger.patience_seconds)

    @staticmethod
    def _stored(book: Book, context: Context) -> Stored | None:
        from upkeep import gate

        run: Any = context["dag_run"]
        return book.patiently(lambda ledger: gate.plan_of_run(ledger, run.dag_id, run.run_id))

    def _task(self, context: Context, stored: Stored) -> dict[str, Any]:
        ti: Any = context["ti"]
        return {
            "dag_id": ti.dag_id,
            "run_id": ti.run_id,
            "task_id": ti.task_id,
            "map_index": ti.map_index,
            "role": self.role,
            "digest": stored.digest,
        }

    def _tell(self, context: Context, text: str) -> None:
        tell(context, f"{text} (on a phone: {phone_url(context['ti'])} ): {answer_url(context['ti'])}")

    def _title(self) -> str:
        roles = settings().maintenance.roles
        return roles[self.role].title if self.role in roles else self.role

    def _say(self, text: str) -> str:
        self.log.info("%s", text)
        return text


def _same(value: Any) -> Any:
    """A value as JSON gives it back."""
    return json.loads(json.dumps(value))


def _moment(value: Any) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _told(decision: Decision) -> str:
    said = f"approved {', '.join(sorted(decision.approved))}" if decision.approved else "rejected everything"
    return f"{decision.person} as {decision.role} {said} at {decision.responded_at:%Y-%m-%d %H:%M:%S} UTC"
