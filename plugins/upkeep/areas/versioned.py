"""A value that people approve as a version in the ledger: what thresholds and baselines share.

An action of such a kind adds a row to the ledger and changes no target. Its ``schema`` is the target, ``table`` the
subject, ``oid`` the version in force when it was planned, ``shape`` that version's statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from upkeep.core.text import visible
from upkeep.gate.plans.model import Action, Proposal
from upkeep.gate.proposing import Proposals, ProposalSources
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

#: A row in the ledger; predicted like any other "at once".
_PREDICTED_MS = 50


def action(
    kind: str, target: str, subject: str, statement: str, old: str, version: int, roles: tuple[str, ...], because: str
) -> Action:
    """The action that puts a statement in force in place of ``old``, which is of this version."""
    return Action(
        id="",
        kind=kind,
        verb="set",
        statement=statement,
        schema=target,
        table=subject,
        oid=version,
        shape=old,
        roles=roles,
        because=because,
        lock="none",
        predicted_ms=_PREDICTED_MS,
        predicted_bytes=0,
        undo=old,
    )


def proposals(in_ledger: Callable[..., list[Proposal]], sources: ProposalSources) -> Proposals:
    """What a plan would put in force. Raises NotAsked."""
    with sources.remembering() as session:
        found = in_ledger(session, sources.name, sources.settings, sources.taken, sources.now)
    return found, len(found)


def not_planned(proposals: Iterable[Proposal], kind: str, taken: Iterable[Action]) -> list[Proposal]:
    """Those about subjects that no action in ``taken`` is about: another plan in force still has these to do."""
    planned = {(action.schema, action.table) for action in taken if action.kind == kind}
    return [one for one in proposals if (one.action.schema, one.action.table) not in planned]


# What apply asks of a kind ------------------------------------------------------------------------------------


def newest(rows: Iterable[Row], action: Action) -> int:
    """The newest version among an action's own rows, 0 without any: what ``was_done`` compares."""
    own = (row["version"] for row in rows if (row["action_id"], row["statement"]) == (action.id, action.statement))
    return max(own, default=0)


def obstacle(action: Action, subject: str, now: Row | None) -> str:
    """Why a statement about this subject may not be put in force; empty when it may."""
    if subject != action.table:
        return f"its statement is about {subject}, its precondition about {visible(action.table)}"
    if now is None or now["version"] != action.oid:
        version = now and now["version"]
        return f"version {version} is in force for {subject} by now, the plan was drawn up on {action.oid}"
    return ""


def write(name: str, session: Session, action: Action, digest: str) -> None:
    """Add the next version by this statement of ``include/sql``; once for each action, however often it is called."""
    row = {
        "target": action.schema,
        "subject": action.table,
        "statement": action.statement,
        "digest": digest,
        "action_id": action.id,
    }
    session.rows(queries.load(name), row)


def was_done(action: Action, before: Mapping[str, Any], after: Row | None) -> bool:
    """Whether a row of this action's was added since ``before``. It is in force once its receipt says so too."""
    return after is not None and after["newest"] > before["newest"]
