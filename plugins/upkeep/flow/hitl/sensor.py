"""Asking people: a sensor that waits in Airflow's human-in-the-loop for one role's answer, at no worker slot.

The form only collects. What was shown is committed before the task waits; what was answered counts only when it
fits what was shown, came in time, and from a person who holds the role (APPROVAL.md, rules 1, 2, 4 and 5). What is
asked, a plan's actions or a sheet's items, is a subclass's to say.

An answer that decides nothing is asked for again within the same try, by whoever and however often: no person's
mistakes use up what another needs, and the end is the question's time. Airflow's tries are for what it loses itself,
such as an answer in the second after parking; the next try tells people that it did not count (ADR 0016).
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskAwaitingInput

from upkeep.flow import request
from upkeep.flow.connections import signer, trusted
from upkeep.flow.notify import answer_url, phone_url, tell
from upkeep.flow.runs import run_of
from upkeep.flow.step import window_of
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from upkeep.core.windows import Run
    from upkeep.gate.apply.ledger_session import LedgerSession
    from upkeep.gate.permits import Decision, FormLabels

#: Tries for what Airflow or the ledger loses; no answer uses one up.
RETRIES = 20
#: So many answers of one person that decide nothing are told to everybody who is asked; more are in the log alone.
TOLD = 3
_LOST = "Asked again: an answer given before now did not reach the ledger, counts for nothing and must be given again"


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
    words: FormLabels
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

    def matter(self, book: LedgerSession, context: Context) -> Matter | str:
        """What this role is asked; or why there is nothing to ask."""
        raise NotImplementedError

    def execute(self, context: Context) -> str:
        """Show the matter and wait, unless there is nothing to ask or an answer already."""
        from upkeep.gate.signatures.chain import Tampered

        try:
            return self._show(context)
        except Tampered as why:
            raise AirflowFailException(f"nobody is asked: {why}") from None

    def _show(self, context: Context) -> str:
        from upkeep.gate.decision_store import shown_of_task

        signer()  # without a key nobody is asked
        signing = settings().maintenance.ledger.signing
        with self._book() as book:
            matter = self.matter(book, context)
            if isinstance(matter, str):
                return self._say(f"nothing to ask of {self.role}: {matter}")
            if answered := self._answer(book, matter):
                return self._say(f"already answered: {_told(answered, matter.words)}")
            if not self.people:
                return self._say(f"nobody is asked: role {self.role} has no user")
            task = self._task(context, matter)
            lost = book.with_retry(lambda ledger: shown_of_task(ledger, task, signing)) is not None
            return self._question(book, context, matter, {}, lost)

    def _question(
        self, book: LedgerSession, context: Context, matter: Matter, invalid: dict[str, int], lost: bool = False
    ) -> str:
        """Show the matter, tell people, then ask and wait at once: Airflow may lose what comes before it waits.

        Once it is shown, no answer to an earlier try is kept any more: only then it is said that those do not count.
        """
        from upkeep.gate.decision_store import add_shown

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
        book.with_retry(lambda ledger: add_shown(ledger, window, row, signer()))
        if answered := self._answer(book, matter):
            return self._say(f"already answered: {_told(answered, matter.words)}")
        if lost:
            self._tell(context, f"{matter.subject}. {self._say(_LOST)}")
        if not invalid:
            self._tell(context, f"{matter.subject}. Answer by {matter.until:%Y-%m-%d %H:%M} UTC")
        request.send(
            context["ti"].id,
            matter.subject,
            matter.body,
            options=[matter.words.yes, matter.words.no],
            params=_params(matter),
            assigned=assigned,
        )
        raise self._wait(left, invalid)

    def execute_complete(self, context: Context, event: dict[str, Any], invalid: dict[str, int] | None = None) -> str:
        """Keep an answer that counts; ask again for one that does not; end green when there is none.

        ``invalid`` is how many answers of each person have decided nothing in this try.
        """
        from psycopg import OperationalError

        from upkeep.gate.signatures.chain import Tampered

        try:
            with self._book() as book:
                return self._say(self._complete(book, context, event, invalid or {}))
        except Tampered as found:
            self._tell(
                context, f"{self._title()}, {self.target} {self.cadence}: {found}. The answer counts for nothing"
            )
            raise AirflowFailException(f"the answer counts for nothing: {found}") from None
        except OperationalError as error:
            why = f"the ledger stayed away ({' '.join(str(error).split())[:200]})"
            self._tell(context, f"{self._title()}, {self.target} {self.cadence}: {why}. An answer must be given again")
            raise AirflowException(f"{why}: nothing was kept, and an answer must be given again") from None

    def _complete(self, book: LedgerSession, context: Context, event: dict[str, Any], invalid: dict[str, int]) -> str:
        """What became of the question. Every look at the ledger is patient: this answer comes only once (rule 2)."""
        from upkeep.gate.decision_store import add_decision
        from upkeep.gate.permits import InvalidAnswer

        matter = self.matter(book, context)
        if isinstance(matter, str):
            raise AirflowFailException("what was asked about is gone from the ledger: start a new run")
        if "error" in event or event.get("timedout"):
            return self._silence(context, matter, event, invalid)
        shown, key = self._shown(book, context, matter), signer()
        try:
            decision = self._decision(book, matter, shown, event, run_of(context))
            book.with_retry(lambda ledger: add_decision(ledger, matter.digest, shown["id"], decision, key))
            kept = self._answer(book, matter)  # the first answer of a role stays, and may be another's
            if kept is None:
                self._shown(book, context, matter)  # a later try has asked in this very moment; or
                # it was answered for two roles at one moment, and the ledger kept the other one
                raise InvalidAnswer(f"found a second yes by {decision.person}, expected another person")
        except InvalidAnswer as why:
            return self._again(book, context, matter, event, invalid, str(why))
        return _told(kept, matter.words)

    def _shown(self, book: LedgerSession, context: Context, matter: Matter) -> Mapping[str, Any]:
        """What this try showed. Fails where a later one has asked anew, which said that this answer does not count."""
        from upkeep.gate.decision_store import shown_of_task

        task, signing = self._task(context, matter), settings().maintenance.ledger.signing
        shown = book.with_retry(lambda ledger: shown_of_task(ledger, task, signing))
        if shown is None:
            raise AirflowFailException("the ledger does not know that this was shown: start a new run")
        if shown["try_number"] != context["ti"].try_number:
            raise AirflowFailException(f"try {shown['try_number']} has asked anew: this answer counts for nothing")
        return shown

    def _again(
        self,
        book: LedgerSession,
        context: Context,
        matter: Matter,
        event: dict[str, Any],
        invalid: dict[str, int],
        why: str,
    ) -> str:
        """Say that an answer counts for nothing, and ask once more in this very try."""
        person = str((event.get("responded_by_user") or {}).get("name") or "nobody")
        count = invalid.get(person, 0) + 1
        self._say(f"the answer counts for nothing: {why}; asked again (answer {count} of {person})")
        if count <= TOLD:
            self._tell(context, f"{self._title()}, {self.target} {self.cadence}: {why}. Asked again")
        return self._question(book, context, matter, invalid | {person: count})

    # What is asked --------------------------------------------------------------------------------------------

    @property
    def people(self) -> frozenset[str]:
        """Who may answer: they hold the role now."""
        return settings().maintenance.holders(self.role)

    def _assigned(self) -> list[dict[str, str]]:
        known = settings().maintenance.people
        return [{"id": known[name].id or name, "name": name} for name in sorted(self.people)]

    def _wait(self, left: timedelta, invalid: dict[str, int]) -> TaskAwaitingInput:
        """Park: until the reminder if there is time for one, else until the end."""
        remind = timedelta(minutes=settings().maintenance.approval.remind_minutes)
        timeout = left - remind if left > remind else left
        self.log.info("Waiting for %s, %s at most", self._title(), str(left).partition(".")[0])
        return TaskAwaitingInput(method_name="execute_complete", kwargs={"invalid": invalid}, timeout=timeout)

    # What is answered -----------------------------------------------------------------------------------------

    def _silence(self, context: Context, matter: Matter, event: dict[str, Any], invalid: dict[str, int]) -> str:
        """Nobody has answered: remind and wait on while there is time."""
        if "error" in event and event.get("error_type") != "timeout":
            raise AirflowException(f"Airflow could not wait for the answer: {event['error']}")
        until = matter.until
        left = until - datetime.now(UTC)
        if left > timedelta(0):
            asked = f"{self._title()}, {self.target} {self.cadence}"
            self._tell(context, f"Not answered yet: {asked}, until {until:%Y-%m-%d %H:%M} UTC")
            raise TaskAwaitingInput(method_name="execute_complete", kwargs={"invalid": invalid}, timeout=left)
        return f"no answer from {self._title()} by {until:%Y-%m-%d %H:%M} UTC"

    def _decision(
        self, book: LedgerSession, matter: Matter, shown: Mapping[str, Any], event: dict[str, Any], run: Run
    ) -> Decision:
        """The decision of an answer. Raises InvalidAnswer when it decides nothing."""
        from upkeep.gate.decision_store import approvals_in_run
        from upkeep.gate.permits import Decision, InvalidAnswer, approved_ids, comment_of, reviewed_of

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
        given = book.with_retry(lambda ledger: approvals_in_run(ledger, run))
        if approved and any(other == person and role != self.role for other, role in given):
            raise InvalidAnswer(
                f"found a second yes by {person}, who said it for another role, expected another person"
            )
        reviewed = reviewed_of(params, matter.rows)
        return Decision(self.role, person, approved, responded, comment_of(params), reviewed)

    def _answer(self, book: LedgerSession, matter: Matter) -> Decision | None:
        from upkeep.gate import decision_store

        signing = settings().maintenance.ledger.signing
        decisions = book.with_retry(lambda ledger: decision_store.decisions(ledger, matter.digest, signing))
        return next((decision for decision in decisions if decision.role == self.role), None)

    # Small things ---------------------------------------------------------------------------------------------

    def _book(self) -> LedgerSession:
        from upkeep.gate.apply.ledger_session import LedgerSession

        config = settings().maintenance
        return LedgerSession(trusted(config.ledger.tasks), config.sql, config.ledger.patience_seconds)

    def _task(self, context: Context, matter: Matter) -> dict[str, Any]:
        ti: Any = context["ti"]
        return {
            **asdict(run_of(context)),
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


def _moment(value: Any) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _told(decision: Decision, words: FormLabels) -> str:
    said = f"{words.did} {', '.join(sorted(decision.approved))}" if decision.approved else words.refused
    return f"{decision.person} as {decision.role} {said} at {decision.responded_at:%Y-%m-%d %H:%M:%S} UTC"
