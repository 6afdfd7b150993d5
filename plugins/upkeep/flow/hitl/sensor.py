"""Asking people: a sensor that waits in Airflow's human-in-the-loop for one role's answer, at no worker slot.

The form only collects. What was shown is committed before the task waits; what was answered counts only when it
fits what was shown, came in time, and from a person who holds the role (docs/gate.md, rules 1, 2, 4 and 5). What is
asked, a plan's actions or a sheet's items, is a subclass's to say.

An answer that decides nothing is asked for again within the same try, by whoever and however often: no person's
mistakes use up what another needs, and the end is the question's time. Airflow's tries are for what it loses itself,
such as an answer in the second after parking; the next try tells people that it did not count (ADR 0016).
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskAwaitingInput

from upkeep.flow.connections import signer, trusted
from upkeep.flow.hitl import request
from upkeep.flow.hitl.answer import decision_of, sentence_of, title_of
from upkeep.flow.notify import notify
from upkeep.flow.runs import run_of
from upkeep.flow.step import window_of
from upkeep.flow.urls import answer_url, question_url, report_url
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from upkeep.flow.hitl.question import Question
    from upkeep.gate.apply.ledger_session import LedgerSession
    from upkeep.gate.permits import Decision

#: Tries for what Airflow or the ledger loses; no answer uses one up.
RETRIES = 20
#: Of so many invalid answers by one person everybody who is asked is notified; of more only the log tells.
MOST_NOTIFIED = 3
_LOST = "Asked again: an answer given before now did not reach the ledger, counts for nothing and must be given again"


class RoleAnswerSensor(HITLOperator):
    """Ask one role about a question of this run, and keep the answer in the ledger.

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

    def question(self, ledger: LedgerSession, context: Context) -> Question | str:
        """What this role is asked; or why there is nothing to ask."""
        raise NotImplementedError

    def execute(self, context: Context) -> str:
        """Show the question and wait, unless there is nothing to ask or an answer already."""
        from upkeep.gate.signatures.chain import Tampered

        try:
            return self._show(context)
        except Tampered as why:
            raise AirflowFailException(f"nobody is asked: {why}") from None

    def _show(self, context: Context) -> str:
        from upkeep.gate.decision_store import shown_of_task

        signer()  # without a key nobody is asked
        signing = settings().maintenance.ledger.signing
        with self._ledger() as ledger:
            question = self.question(ledger, context)
            if isinstance(question, str):
                return self._say(f"nothing to ask of {self.role}: {question}")
            if answered := self._decided(ledger, question):
                return self._say(f"already answered: {sentence_of(answered, question.labels)}")
            if not self.people:
                return self._say(f"nobody is asked: role {self.role} has no user")
            task = self._task(context, question)
            lost = ledger.with_retry(lambda session: shown_of_task(session, task, signing)) is not None
            return self._ask(ledger, context, question, {}, lost)

    def _ask(
        self, ledger: LedgerSession, context: Context, question: Question, invalid: dict[str, int], lost: bool = False
    ) -> str:
        """Show the question, tell people, then ask and wait at once: Airflow may lose what comes before it waits.

        Once it is shown, no answer to an earlier try is kept any more: only then it is said that those do not count.
        """
        from upkeep.gate.decision_store import add_shown

        left = question.until - datetime.now(UTC)
        if left <= timedelta(0):
            return self._say(f"no time is left to ask {self.role}")
        assigned = self._assigned()
        row = self._task(context, question) | {
            "try_number": context["ti"].try_number,
            "body_digest": hashlib.sha256(question.body.encode()).hexdigest(),
            "action_ids": list(question.ids),
            "asked": [user["name"] for user in assigned],
        }
        window = window_of(context, self.target, self.cadence)
        ledger.with_retry(lambda session: add_shown(session, window, row, signer()))
        if answered := self._decided(ledger, question):
            return self._say(f"already answered: {sentence_of(answered, question.labels)}")
        if lost:
            self._notify(context, f"{question.subject}. {self._say(_LOST)}")
        if not invalid:
            self._notify(context, f"{question.subject}. Answer by {question.until:%Y-%m-%d %H:%M} UTC")
        request.send(
            context["ti"].id,
            question.subject,
            question.body,
            options=[question.labels.yes, question.labels.no],
            params=question.params,
            assigned=assigned,
        )
        raise self._wait(left, invalid)

    def execute_complete(self, context: Context, event: dict[str, Any], invalid: dict[str, int] | None = None) -> str:
        """Keep an answer that counts; ask again for one that does not; end green when there is none.

        ``invalid`` is how many answers of each person have decided nothing in this try.
        """
        from psycopg import OperationalError

        from upkeep.gate.signatures.chain import Tampered
        from upkeep.wires.database import error_words

        try:
            with self._ledger() as ledger:
                return self._say(self._complete(ledger, context, event, invalid or {}))
        except Tampered as found:
            self._notify(
                context, f"{title_of(self.role)}, {self.target} {self.cadence}: {found}. The answer counts for nothing"
            )
            raise AirflowFailException(f"the answer counts for nothing: {found}") from None
        except OperationalError as error:
            why = f"the ledger stayed away ({error_words(error)[:200]})"
            self._notify(
                context, f"{title_of(self.role)}, {self.target} {self.cadence}: {why}. An answer must be given again"
            )
            raise AirflowException(f"{why}: nothing was kept, and an answer must be given again") from None

    def _complete(self, ledger: LedgerSession, context: Context, event: dict[str, Any], invalid: dict[str, int]) -> str:
        """What became of the question. Every look at the ledger is patient: this answer comes only once (rule 2)."""
        from upkeep.gate.decision_store import add_decision, approvals_in_run
        from upkeep.gate.permits import InvalidAnswer

        question = self.question(ledger, context)
        if isinstance(question, str):
            raise AirflowFailException("what was asked about is gone from the ledger: start a new run")
        if "error" in event or event.get("timedout"):
            return self._silence(context, question, event, invalid)
        shown, key = self._shown(ledger, context, question), signer()
        try:
            run = run_of(context)
            said_yes = partial(ledger.with_retry, lambda session: approvals_in_run(session, run))
            decision = decision_of(event, question, self.role, shown, said_yes)
            ledger.with_retry(lambda session: add_decision(session, question.digest, shown["id"], decision, key))
            kept = self._decided(ledger, question)  # the first answer of a role stays, and may be another's
            if kept is None:
                self._shown(ledger, context, question)  # a later try has asked in this very moment; or
                # it was answered for two roles at one moment, and the ledger kept the other one
                raise InvalidAnswer(f"found a second yes by {decision.person}, expected another person")
        except InvalidAnswer as why:
            return self._again(ledger, context, question, event, invalid, str(why))
        return sentence_of(kept, question.labels)

    def _shown(self, ledger: LedgerSession, context: Context, question: Question) -> Mapping[str, Any]:
        """What this try showed. Fails where a later one has asked anew, which said that this answer does not count."""
        from upkeep.gate.decision_store import shown_of_task

        task, signing = self._task(context, question), settings().maintenance.ledger.signing
        shown = ledger.with_retry(lambda session: shown_of_task(session, task, signing))
        if shown is None:
            raise AirflowFailException("the ledger does not know that this was shown: start a new run")
        if shown["try_number"] != context["ti"].try_number:
            raise AirflowFailException(f"try {shown['try_number']} has asked anew: this answer counts for nothing")
        return shown

    def _again(
        self,
        ledger: LedgerSession,
        context: Context,
        question: Question,
        event: dict[str, Any],
        invalid: dict[str, int],
        why: str,
    ) -> str:
        """Say that an answer counts for nothing, and ask once more in this very try."""
        person = str((event.get("responded_by_user") or {}).get("name") or "nobody")
        count = invalid.get(person, 0) + 1
        self._say(f"the answer counts for nothing: {why}; asked again (answer {count} of {person})")
        if count <= MOST_NOTIFIED:
            self._notify(context, f"{title_of(self.role)}, {self.target} {self.cadence}: {why}. Asked again")
        return self._ask(ledger, context, question, invalid | {person: count})

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
        self.log.info("Waiting for %s, %s at most", title_of(self.role), str(left).partition(".")[0])
        return TaskAwaitingInput(method_name="execute_complete", kwargs={"invalid": invalid}, timeout=timeout)

    # What is answered -----------------------------------------------------------------------------------------

    def _silence(self, context: Context, question: Question, event: dict[str, Any], invalid: dict[str, int]) -> str:
        """Nobody has answered: remind and wait on while there is time."""
        if "error" in event and event.get("error_type") != "timeout":
            raise AirflowException(f"Airflow could not wait for the answer: {event['error']}")
        until = question.until
        left = until - datetime.now(UTC)
        if left > timedelta(0):
            asked = f"{title_of(self.role)}, {self.target} {self.cadence}"
            self._notify(context, f"Not answered yet: {asked}, until {until:%Y-%m-%d %H:%M} UTC")
            raise TaskAwaitingInput(method_name="execute_complete", kwargs={"invalid": invalid}, timeout=left)
        return f"no answer from {title_of(self.role)} by {until:%Y-%m-%d %H:%M} UTC"

    def _decided(self, ledger: LedgerSession, question: Question) -> Decision | None:
        from upkeep.gate import decision_store

        signing = settings().maintenance.ledger.signing
        decisions = ledger.with_retry(lambda session: decision_store.decisions(session, question.digest, signing))
        return next((decision for decision in decisions if decision.role == self.role), None)

    # Small things ---------------------------------------------------------------------------------------------

    def _ledger(self) -> LedgerSession:
        from upkeep.gate.apply.ledger_session import LedgerSession

        config = settings().maintenance
        return LedgerSession(trusted(config.ledger.tasks), config.sql, config.ledger.patience_seconds)

    def _task(self, context: Context, question: Question) -> dict[str, Any]:
        ti: Any = context["ti"]
        return {
            **asdict(run_of(context)),
            "task_id": ti.task_id,
            "map_index": ti.map_index,
            "role": self.role,
            "digest": question.digest,
        }

    def _notify(self, context: Context, text: str) -> None:
        ti: Any = context["ti"]
        elsewhere = f"evidence so far: {report_url(ti.dag_id, ti.run_id)} ; in Airflow: {answer_url(ti)}"
        notify(context, f"{text}: {question_url(ti)} ({elsewhere} )")

    def _say(self, text: str) -> str:
        self.log.info("%s", text)
        return text
