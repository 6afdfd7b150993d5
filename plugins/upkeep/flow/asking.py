"""Asking people: a sensor that waits in Airflow's human-in-the-loop for one role's answer, at no worker slot.

The form only collects. What was shown is committed before the task waits; what was answered counts only when it
fits what was shown, came in time, and from a person who holds the role (APPROVAL.md, rules 1, 2, 4 and 5). What is
asked, a plan's actions or a sheet's items, is a subclass's to say.
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
    from upkeep.permits import Decision, Words

#: An answer that decides nothing is asked for again, so often.
RETRIES = 3


@dataclass(frozen=True)
class Matter:
    """What one role is asked about; the same for every try, so that what Airflow keeps of the first one still fits.

    ``ids`` are what it may say yes to, ``until`` is when asking ends, ``not_after`` before when an answer counts,
    ``rows`` are those of the checklist in ``body``.
    """

    digest: str
    ids: tuple[str, ...]
    subject: str
    body: str
    until: datetime
    not_after: datetime
    words: Words
    rows: tuple[str, ...] = ()


class AskingSensor(HITLOperator):
    """Ask one role about a matter of this run, and keep the answer in the ledger.

    Silence is no answer, never a decision: the task ends green and says so.
    """

    template_fields = ()
    ui_color = "#f6c7c7"

    def __init__(self, *, role: str, target: str, cadence: str, options: list[str], **kwargs: Any) -> None:
        super().__init__(
            subject="", options=options, response_timeout=timedelta(hours=1), retries=RETRIES,
            retry_delay=timedelta(seconds=1), execution_timeout=timedelta(minutes=10), **kwargs,
        )  # fmt: skip
        self.role = role
        self.target = target
        self.cadence = cadence

    def matter(self, book: Book, context: Context) -> Matter | str:
        """What this role is asked; or why there is nothing to ask."""
        raise NotImplementedError

    def execute(self, context: Context) -> str:
        """Show the matter and wait, unless there is nothing to ask or an answer already."""
        from upkeep import gate

        with self._book() as book:
            matter = self.matter(book, context)
            if isinstance(matter, str):
                return self._say(f"nothing to ask of {self.role}: {matter}")
            if answered := self._answer(book, matter):
                return self._say(f"already answered: {_told(answered, matter.words)}")
            if not settings().maintenance.holders(self.role):
                return self._say(f"nobody is asked: role {self.role} has no user")
            left = matter.until - datetime.now(UTC)
            if left <= timedelta(0):
                return self._say(f"no time is left to ask {self.role}")
            assigned = self._assigned()
            row = self._task(context, matter) | {
                "try_number": context["ti"].try_number,
                "body_digest": hashlib.sha256(matter.body.encode()).hexdigest(),
                "action_ids": list(matter.ids),
                "asked": [user["name"] for user in assigned],
            }
            window = window_of(context, self.target, self.cadence)
            book.patiently(lambda ledger: gate.add_shown(ledger, window, row))
        self._ask(context, matter, assigned)
        self._tell(context, f"{matter.subject}. Answer by {matter.until:%Y-%m-%d %H:%M} UTC")
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

        matter = self.matter(book, context)
        if isinstance(matter, str):
            raise AirflowFailException("what was asked about is gone from the ledger: start a new run")
        if "error" in event or event.get("timedout"):
            return self._silence(context, matter, event)
        task = self._task(context, matter)
        shown = book.patiently(lambda ledger: gate.shown_of_task(ledger, task))
        if shown is None:
            raise AirflowFailException("the ledger does not know that this was shown: start a new run")
        run = task["dag_id"], task["run_id"]
        try:
            decision = self._decision(book, matter, shown, event, run)
            book.patiently(lambda ledger: gate.add_decision(ledger, matter.digest, shown["id"], decision))
            kept = self._answer(book, matter)  # the first answer of a role stays, and may be another's
            if kept is None:  # answered for two roles at one moment: the ledger kept the other one
                raise InvalidAnswer(f"found a second yes by {decision.person}, expected another person")
        except InvalidAnswer as why:
            self._tell(context, f"{self._title()}, {self.target} {self.cadence}: {why}. Asked again")
            raise AirflowException(f"the answer counts for nothing: {why}; asked again") from None
        return _told(kept, matter.words)

    # What is asked --------------------------------------------------------------------------------------------

    def _assigned(self) -> list[dict[str, str]]:
        config = settings().maintenance
        return [{"id": config.people[name].id or name, "name": name} for name in sorted(config.holders(self.role))]

    def _ask(self, context: Context, matter: Matter, assigned: list[dict[str, str]]) -> None:
        """Send the request and read back what Airflow keeps: after a clear it keeps the first one."""
        from airflow.sdk.api.datamodels._generated import HITLUser
        from airflow.sdk.execution_time.comms import CreateHITLDetailPayload
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

        params, options = _params(matter), [matter.words.yes, matter.words.no]
        kept: Any = SUPERVISOR_COMMS.send(
            msg=CreateHITLDetailPayload(
                ti_id=context["ti"].id,
                options=options,
                subject=matter.subject,
                body=matter.body,
                defaults=None,
                multiple=False,
                params=params,
                assigned_users=[HITLUser(**user) for user in assigned],
            )
        )
        asked = [{"id": user.id, "name": user.name} for user in kept.assigned_users or []]
        wanted = [matter.subject, matter.body, options, params, assigned, None, False]
        found = [kept.subject, kept.body, kept.options, kept.params, asked, kept.defaults, bool(kept.multiple)]
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

    # What is answered -----------------------------------------------------------------------------------------

    def _silence(self, context: Context, matter: Matter, event: dict[str, Any]) -> str:
        """Nobody has answered: remind and wait on while there is time."""
        if "error" in event and event.get("error_type") != "timeout":
            raise AirflowException(f"Airflow could not wait for the answer: {event['error']}")
        until = matter.until
        left = until - datetime.now(UTC)
        if left > timedelta(0):
            asked = f"{self._title()}, {self.target} {self.cadence}"
            self._tell(context, f"Not answered yet: {asked}, until {until:%Y-%m-%d %H:%M} UTC")
            raise TaskAwaitingInput(method_name="execute_complete", timeout=left)
        return f"no answer from {self._title()} by {until:%Y-%m-%d %H:%M} UTC"

    def _decision(
        self, book: Book, matter: Matter, shown: dict[str, Any], event: dict[str, Any], run: tuple[str, str]
    ) -> Decision:
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
        if not responded < matter.not_after:
            raise InvalidAnswer(f"found an answer at {responded}, expected one before {matter.not_after}")
        params = event.get("params_input") or {}
        options = event.get("chosen_options") or [""]
        approved = approved_ids(
            options[0] if len(options) == 1 else str(options), params, shown["action_ids"], matter.words
        )
        given = book.patiently(lambda ledger: gate.said_yes(ledger, *run))
        if approved and any(other == person and role != self.role for other, role in given):
            raise InvalidAnswer(
                f"found a second yes by {person}, who said it for another role, expected another person"
            )
        reviewed = reviewed_of(params, matter.rows)
        return Decision(self.role, person, approved, responded, comment_of(params), reviewed)

    def _answer(self, book: Book, matter: Matter) -> Decision | None:
        from upkeep import gate

        decisions = book.patiently(lambda ledger: gate.decisions(ledger, matter.digest))
        return next((decision for decision in decisions if decision.role == self.role), None)

    # Small things ---------------------------------------------------------------------------------------------

    def _book(self) -> Book:
        from upkeep.apply.book import Book

        config = settings().maintenance
        return Book(trusted(config.ledger.tasks), config.sql, config.ledger.patience_seconds)

    def _task(self, context: Context, matter: Matter) -> dict[str, Any]:
        ti: Any = context["ti"]
        return {
            "dag_id": ti.dag_id,
            "run_id": ti.run_id,
            "task_id": ti.task_id,
            "map_index": ti.map_index,
            "role": self.role,
            "digest": matter.digest,
        }

    def _tell(self, context: Context, text: str) -> None:
        tell(context, f"{text} (on a phone: {phone_url(context['ti'])} ): {answer_url(context['ti'])}")

    def _title(self) -> str:
        roles = settings().maintenance.roles
        return roles[self.role].title if self.role in roles else self.role

    def _say(self, text: str) -> str:
        self.log.info("%s", text)
        return text


def _params(matter: Matter) -> dict[str, Any]:
    """The form's fields: what is said yes to, all of it by default; rows of a checklist; a comment."""
    fields: dict[str, Param] = {}
    if listed := matter.words.listed:
        ids = list(matter.ids)
        fields[listed] = Param(
            ids, type="array", title=listed.capitalize(), description=matter.words.hint, examples=ids
        )
    if matter.rows:
        fields["reviewed"] = Param(  # a type without null would make it a required field
            None, type=["null", "array"], title="Reviewed", description="Rows you went through.",
            examples=list(matter.rows),
        )  # fmt: skip
    fields["comment"] = Param(None, type=["null", "string"], title="Comment", description="Kept with the answer.")
    return {name: field.serialize() for name, field in fields.items()}


def _same(value: Any) -> Any:
    """A value as JSON gives it back."""
    return json.loads(json.dumps(value))


def _moment(value: Any) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _told(decision: Decision, words: Words) -> str:
    said = f"{words.did} {', '.join(sorted(decision.approved))}" if decision.approved else words.refused
    return f"{decision.person} as {decision.role} {said} at {decision.responded_at:%Y-%m-%d %H:%M:%S} UTC"
