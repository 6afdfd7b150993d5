"""Mutations as data, and the digest of a plan. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

from upkeep.core.windows import Run
from upkeep.gate import canonical as canonical_text

#: Actions of one plan; the rest waits for the next window.
MOST_ACTIONS = 200

#: The requester of a run that nobody asked for.
SCHEDULE = "the schedule"

#: The version of an action's body that this code writes. Plans of an older Upkeep carry none, which is 1.
ACTION_VERSION = 2
#: A field of an action that came later → the version that it came with: older bodies are read, and written, without it.
_SINCE = {"version": 2}

_TIMES = ("due", "not_before", "not_after")


@dataclass(frozen=True)
class Action:
    """One mutation: what would run, on what, who must agree, what is predicted.

    ``schema``, ``table``, ``oid`` and ``shape`` are the preconditions: what is changed (a table, an index, a threshold)
    must still be this one. ``needs`` are ids of actions of the same plan that must be done first, ``undo`` is the
    statement that takes it back. Times in milliseconds; ``predicted_bytes`` is the room that it gives back,
    less than 0 what it takes.
    ``version`` is that of its body: which fields it has in the canonical text.
    """

    id: str
    kind: str
    verb: str
    statement: str
    schema: str
    table: str
    oid: int
    shape: str
    roles: tuple[str, ...]
    because: str
    lock: str
    predicted_ms: int
    predicted_bytes: int
    needs: tuple[str, ...] = ()
    undo: str = ""
    version: int = ACTION_VERSION

    def __post_init__(self) -> None:
        _check_types(self)
        if not 1 <= self.version <= ACTION_VERSION:
            raise ValueError(
                f"found action {self.id!r} of version {self.version}, expected one up to {ACTION_VERSION}: "
                "a newer Upkeep has written it"
            )
        if not self.roles:
            raise ValueError(f"found action {self.id!r} that nobody has to approve, expected at least one role")


@dataclass(frozen=True)
class Proposal:
    """An action that a kind proposes, its id not given yet, and what was measured: shown beside it, not hashed."""

    action: Action
    measured: Mapping[str, Any] = field(default_factory=dict)


def numbered(proposals: Iterable[Proposal]) -> tuple[tuple[Action, ...], dict[str, dict[str, Any]]]:
    """The proposals of a plan as actions with ids from 1 on, and what was measured by id."""
    named = {str(number): proposal for number, proposal in enumerate(proposals, 1)}
    actions = tuple(replace(proposal.action, id=key) for key, proposal in named.items())
    return actions, {key: dict(proposal.measured) for key, proposal in named.items()}


@dataclass(frozen=True)
class Plan:
    """All actions of one run with the time in which they may run; see ``digest``.

    ``requested_by`` is Airflow's name for who asked, or ``SCHEDULE``. ``left_out`` counts candidates above the cap,
    ``failed`` names each kind that could not propose, with why: "indexes: a lock was not free …".
    ``instance`` says which run of that id it is; it is inside the digest, and empty only in plans of an older Upkeep.
    """

    target: str
    cadence: str
    dag_id: str
    run_id: str
    due: datetime
    requested_by: str
    database: str
    not_before: datetime
    not_after: datetime
    outside: bool
    actions: tuple[Action, ...]
    left_out: int = 0
    failed: tuple[str, ...] = ()
    instance: str = ""

    @property
    def run(self) -> Run:
        """The run that it is for, and no other of that id."""
        return Run(self.dag_id, self.run_id, self.instance)

    def __post_init__(self) -> None:
        _check_types(self)
        ids = [action.id for action in self.actions]
        if len(set(ids)) < len(ids):
            raise ValueError(f"found actions {ids} with one id twice, expected an id of its own for each")
        if len(ids) > MOST_ACTIONS:
            raise ValueError(f"found {len(ids)} actions, expected at most {MOST_ACTIONS}")

    @property
    def roles(self) -> tuple[str, ...]:
        """Every role that some action needs, sorted."""
        return tuple(sorted({role for action in self.actions for role in action.roles}))

    def ids_for(self, role: str) -> tuple[str, ...]:
        """The actions that a role has to decide on, in the plan's order."""
        return tuple(action.id for action in self.actions if role in action.roles)

    @property
    def shortest(self) -> timedelta:
        """The shortest predicted action."""
        return timedelta(milliseconds=min((action.predicted_ms for action in self.actions), default=0))


#: What a field holds, by its annotation; a float or a boolean where a number stands would be written in two ways.
_HOLDS: dict[str, Callable[[Any], bool]] = {
    "int": lambda found: type(found) is int,
    "str": lambda found: isinstance(found, str),
    "bool": lambda found: isinstance(found, bool),
    "datetime": lambda found: isinstance(found, datetime) and found.tzinfo is not None,
    "tuple[str, ...]": lambda found: isinstance(found, tuple) and all(isinstance(item, str) for item in found),
    "tuple[Action, ...]": lambda found: isinstance(found, tuple) and all(isinstance(item, Action) for item in found),
}


def _check_types(row: Action | Plan) -> None:
    """Raises ValueError for a field that holds something else than it says, such as a time without a zone."""
    for one in fields(row):
        found = getattr(row, one.name)
        if not _HOLDS[str(one.type)](found):
            raise ValueError(f"found {one.name} {str(found)[:100]!r}, expected {one.type}")


def canonical(plan: Plan) -> str:
    """The plan as RFC 8785 canonical JSON."""
    content: dict[str, Any] = asdict(plan) | {"outside": "yes" if plan.outside else "no"}
    # plans from before there were such fields keep their text, and so their digest
    content["actions"] = [
        {name: value for name, value in action.items() if _SINCE.get(name, 1) <= action["version"]}
        for action in content["actions"]
    ]
    return canonical_text.write(content, optional=("failed", "instance"))


def digest(text: str) -> str:
    """SHA-256 of a canonical text, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse(text: str) -> Plan:
    """The plan of a canonical text. Raises ValueError when the text is not its own canonical form."""
    return canonical_text.read(text, "plan", _TIMES, _plan, canonical)


def _plan(content: dict[str, Any]) -> Plan:
    content["outside"] = content["outside"] == "yes"
    content["failed"] = tuple(content.get("failed", ()))
    content["actions"] = tuple(
        Action(**{"version": 1, **action, "roles": tuple(action["roles"]), "needs": tuple(action["needs"])})
        for action in content["actions"]
    )
    return Plan(**content)
