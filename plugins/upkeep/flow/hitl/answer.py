"""What an answer to a question decides: by whom, in time, and about which of the things that were shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from upkeep.settings.load import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from upkeep.flow.hitl.question import Question
    from upkeep.gate.permits import Decision, FormLabels


def decision_of(
    event: Mapping[str, Any],
    question: Question,
    role: str,
    shown: Mapping[str, Any],
    approvals: Callable[[], set[tuple[str, str]]],
) -> Decision:
    """The decision of an answer, as Airflow's trigger hands it on. Raises InvalidAnswer when it decides nothing.

    ``approvals`` gives (person, role) of every yes in the run so far; it is asked only for an answer in good order.
    """
    from upkeep.gate.permits import Decision, InvalidAnswer, approved_ids, comment_of, reviewed_of

    config, user = settings().maintenance, event.get("responded_by_user")
    name, number = str((user or {}).get("name") or "nobody"), str((user or {}).get("id") or "")
    if (person := config.person_by_id(number)) not in (None, name):
        raise InvalidAnswer(
            f"found an answer by {name!r}, whose number {number!r} is {person!r} in config/maintenance.yaml: people, "
            "expected there the name and the id that Airflow has for one user"
        )
    if person is None or person not in config.holders(role):
        raise InvalidAnswer(f"found an answer by {name}, expected one by a {title_of(role)}")
    responded = _moment(event["responded_at"])
    if not responded < question.not_after:
        raise InvalidAnswer(f"found an answer at {responded}, expected one before {question.not_after}")
    params = event.get("params_input") or {}
    options = event.get("chosen_options") or [""]
    option = options[0] if len(options) == 1 else str(options)
    approved = approved_ids(option, params, shown["action_ids"], question.labels)
    given = approvals()
    if approved and any(other == person and other_role != role for other, other_role in given):
        raise InvalidAnswer(f"found a second yes by {person}, who said it for another role, expected another person")
    return Decision(role, person, approved, responded, comment_of(params), reviewed_of(params, question.rows))


def sentence_of(decision: Decision, labels: FormLabels) -> str:
    """Who decided what, and when."""
    what = f"{labels.did} {', '.join(sorted(decision.approved))}" if decision.approved else labels.refused
    return f"{decision.person} as {decision.role} {what} at {decision.responded_at:%Y-%m-%d %H:%M:%S} UTC"


def title_of(role: str) -> str:
    """A role's title in words; its name where config does not know it."""
    roles = settings().maintenance.roles
    return roles[role].title if role in roles else role


def _moment(value: Any) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
