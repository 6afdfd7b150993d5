"""How an attempt ended, by what the kind says of the catalogue before and after; every branch of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stages.plans import action
from upkeep.gate.apply.execution import outcome_of
from upkeep.gate.attempts import DONE, ELSEWHERE, NOT_DONE, PARTLY
from upkeep.gate.kind import ActionKind

ACTION = action()


def kind(done: bool, partly: str | None = None, elsewhere: str | None = None, leaves: bool = False) -> ActionKind:
    """A kind that says this of whatever it is shown; what is None it cannot say at all."""
    optional: dict[str, Any] = {"leftovers": lambda *_: []} if leaves else {}
    optional |= {} if partly is None else {"partly": lambda *_: partly}
    optional |= {} if elsewhere is None else {"elsewhere": lambda *_: elsewhere}
    return ActionKind(
        ACTION.kind, "G59", (), lambda _: ([], 0), lambda *_: {}, lambda *_: "", lambda *_: done, **optional
    )


@pytest.mark.parametrize(
    ("one", "failed", "ended"),
    [
        (kind(done=True), False, (DONE, "")),
        (kind(done=True), True, (NOT_DONE, "")),  # the server rolled it back: somebody else did it
        (kind(done=True, leaves=True), True, (DONE, "")),
        (kind(done=True, partly="a half", elsewhere="there"), False, (DONE, "")),
        (kind(done=False), False, (NOT_DONE, "")),
        (kind(done=False, partly="a half", elsewhere="there"), False, (PARTLY, "a half")),
        (kind(done=False, partly="a half", elsewhere="there"), True, (PARTLY, "a half")),
        (kind(done=False, partly="", elsewhere="there"), False, (ELSEWHERE, "there")),
        (kind(done=False, partly="", elsewhere=""), False, (NOT_DONE, "")),
        (kind(done=False, elsewhere="there"), True, (NOT_DONE, "")),
        (kind(done=False, elsewhere="there", leaves=True), True, (ELSEWHERE, "there")),
    ],
)
def test_an_attempt_ends_in_what_is_known_of_it(one: ActionKind, failed: bool, ended: tuple[str, str]) -> None:
    """Done before half done before elsewhere; of a statement that failed only what leaves something may have run."""
    assert outcome_of(one, ACTION, {}, {}, failed=failed) == ended
