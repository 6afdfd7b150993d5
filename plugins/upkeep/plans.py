"""Plans: mutations as data, their digest, and the form that shows them to the people who decide. Pure.

A plan's digest is the SHA-256 of its RFC 8785 canonical JSON; inside are integers and strings only. Predictions
are part of it, measurements stand beside it. What a reviewer sees is made from these two and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import rfc8785

#: Actions of one plan; the rest waits for the next window.
MOST_ACTIONS = 200

#: The requester of a run that nobody asked for.
SCHEDULE = "the schedule"

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_TIMES = ("due", "not_before", "not_after")


@dataclass(frozen=True)
class Action:
    """One mutation: what would run, on what, who must agree, what is predicted.

    ``schema``, ``table``, ``oid`` and ``shape`` are the preconditions: what is changed (a table, an index, a threshold)
    must still be this one. ``needs`` are ids of actions of the same plan that must be done first, ``undo`` is the
    statement that takes it back. Times in milliseconds; ``predicted_bytes`` is the room that it gives back.
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

    def __post_init__(self) -> None:
        _check_types(self)
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

    ``requested_by`` is Airflow's name for who asked, or ``SCHEDULE``. ``left_out`` counts candidates above the cap.
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
    content: dict[str, Any] = asdict(plan)
    for name in _TIMES:
        content[name] = content[name].astimezone(UTC).strftime(_TIME)
    content["outside"] = "yes" if plan.outside else "no"
    return rfc8785.dumps(content).decode()


def digest(text: str) -> str:
    """SHA-256 of a canonical text, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse(text: str) -> Plan:
    """The plan of a canonical text. Raises ValueError when the text is not its own canonical form."""
    try:
        plan = _plan(json.loads(text))
    except (TypeError, KeyError) as error:
        raise ValueError(f"found no plan ({error}), expected the text that was planned") from None
    if canonical(plan) != text:
        raise ValueError("found a plan that is not in its canonical form, expected the text that was planned")
    return plan


def _plan(content: Any) -> Plan:
    for name in _TIMES:
        content[name] = datetime.strptime(content[name], _TIME).replace(tzinfo=UTC)
    content["outside"] = content["outside"] == "yes"
    content["actions"] = tuple(
        Action(**{**action, "roles": tuple(action["roles"]), "needs": tuple(action["needs"])})
        for action in content["actions"]
    )
    return Plan(**content)


# The form -----------------------------------------------------------------------------------------------------


def subject(plan: Plan, role_title: str) -> str:
    """The form's title; it holds nothing that the database named."""
    count = len(plan.actions)
    return f"{plan.target} {plan.cadence}: {count} action{'s' if count != 1 else ''}, asked of the {role_title}"


def when(plan: Plan) -> str:
    """When the plan would run, as the form's first line says it."""
    begin, end = plan.not_before.astimezone(UTC), plan.not_after.astimezone(UTC)
    if plan.outside:
        return f"OUTSIDE THE CALENDAR — would run until {end:%A %Y-%m-%d %H:%M} UTC"
    until = f"–{end:%H:%M}" if begin.date() == end.date() else f" – {end:%A %Y-%m-%d %H:%M}"
    return f"{begin:%A %Y-%m-%d %H:%M}{until} UTC"


def body(
    plan: Plan,
    role: str,
    measured: Mapping[str, Mapping[str, Any]],
    checklist: Iterable[Mapping[str, Any]] = (),
) -> str:
    """The form's Markdown for one role: when, who asked, each action that this role decides on, the checklist.

    ``measured`` holds what was seen when the plan was drawn up, by action id; a row of the checklist has ``guide``,
    ``title``, ``state`` and ``evidence``.
    """
    lines = [
        f"**{when(plan)}**",
        "",
        f"Asked by {code(plan.requested_by)} · database {code(plan.database)} · plan {digest(canonical(plan))[:12]}",
        "",
    ]
    for action in plan.actions:
        if role in action.roles:
            lines += _shown(action, measured.get(action.id, {}))
    if plan.left_out:
        lines += ["", f"{plan.left_out} more candidates wait for the next window: a plan holds {MOST_ACTIONS} actions."]
    lines += _checklist(list(checklist))
    lines += ["", "*Approve* lets exactly the actions left in the list below run; take out what should not."]
    if plan.outside:
        lines += ["Approving is the override that lets them run outside the calendar."]
    return "\n".join(lines)


def _shown(action: Action, measured: Mapping[str, Any]) -> list[str]:
    takes = f"takes about {seconds(action.predicted_ms)}, lock {prose(action.lock)}"
    said = [
        f"- **{prose(action.id)}** · {code(action.statement)}",
        f"  - {prose(action.because)}; {takes}, needs {_names(action.roles)}",
    ]
    if measured:
        seen = (f"{prose(name)} {plain(value)}" for name, value in sorted(measured.items()))
        said.append(f"  - seen: {', '.join(seen)}")
    if action.undo:
        said.append(f"  - takes it back: {code(action.undo)}")
    if action.needs:
        said.append(f"  - only after {_names(action.needs)}")
    return said


def _checklist(rows: list[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    said = [
        f"- **{prose(row['guide'])}** {prose(row['title'])}: {prose(row['state'])}"
        + (f" · {code(row['evidence'])}" if row["evidence"] else "")
        for row in rows
    ]
    return ["", "Checklist; mark below what you have reviewed, it decides nothing:", "", *said]


def _names(names: Iterable[str]) -> str:
    return ", ".join(prose(name) for name in names)


def seconds(milliseconds: int) -> str:
    """A duration for people."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    return f"{milliseconds / 1000:.0f} s" if milliseconds < 120_000 else f"{milliseconds / 60_000:.0f} min"


def plain(value: Any) -> str:
    """A measured value: numbers with separators, text as code."""
    return f"{value:,}" if isinstance(value, int | float) else code(str(value))


# Text that Markdown cannot take for anything else. Escaping would not do: GFM looks for addresses (www., @) after
# it has removed the backslashes, so whatever is not of these words and signs becomes a code span.
_PROSE = re.compile(r"(?!\d+[.)])[A-Za-z0-9](?:[A-Za-z0-9,;%()]| (?=\S)|(?<=\d)\.(?=\d)|(?<=\w)[_-](?=[A-Za-z0-9]))*")


def prose(text: str) -> str:
    """Our own words as they are; anything that might mean something in Markdown as code."""
    return text if _PROSE.fullmatch(text) else code(text)


def code(text: str) -> str:
    """Text from elsewhere as a Markdown code span that it cannot leave, with everything invisible made visible."""
    return f"`{visible(text).replace('`', _spelled('`')) or '⟨empty⟩'}`"


# The brackets that spell a character out, and those that look like them.
_BRACKETS = "\u27e8\u27e9\u2329\u232a\u3008\u3009\u276c\u276d\u2770\u2771\u29fc\u29fd\u2039\u203a"
# Blank to the eye though Unicode calls them letters or symbols: Hangul fillers (NFKC knows them), Braille, a note head.
_FILLERS = ("\u1160", "\u115f")
_BLANK = "\u2800\U0001d159"


def visible(text: str) -> str:
    """Text that no other text looks like, letters of other scripts apart; what would hide is spelled ⟨U+XXXX⟩.

    Spelled out are control, bidi and zero-width characters, newlines, spaces that Markdown or HTML would drop, marks
    (they overlay each other and their neighbours) and the brackets of the spelling itself; and all but ASCII in a
    text with a canonical equivalent (UAX 15), or with right-to-left letters beside digits: there two orders look the
    same (UAX 9).
    """
    ascii_only = not unicodedata.is_normalized("NFC", text) or _reordered(text)
    shown = "".join(
        _spelled(character) if _hidden(character) or (ascii_only and not character.isascii()) else character
        for character in text
    )
    return re.sub(r"\A | \Z|(?<= ) ", _spelled(" "), shown)


def _hidden(character: str) -> bool:
    category = unicodedata.category(character)
    return (
        category[0] in "CM"
        or category in ("Zl", "Zp")
        or (category == "Zs" and character != " ")
        or character in _BRACKETS + _BLANK
        or unicodedata.normalize("NFKC", character) in _FILLERS
    )


def _reordered(text: str) -> bool:
    classes = {unicodedata.bidirectional(character) for character in text}
    return bool(classes & {"R", "AL", "AN"}) and bool(classes & {"EN", "AN"})


def _spelled(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"
