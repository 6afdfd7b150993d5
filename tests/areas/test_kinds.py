"""The kinds of action against config: each has its approvers, and nothing else has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stages.config import MAIN
from tests.stages.config import config as config  # noqa: PLC0414  # a fixture
from tests.stages.plans import action
from upkeep.areas.kinds import NAMES, kinds, with_roles
from upkeep.gate.kind import kind_of
from upkeep.settings.base import ConfigError
from upkeep.settings.load import settings


def refusal(folder: Path, old: str, new: str) -> str:
    """The message after one change of the shipped file, which must be possible."""
    text = (folder / MAIN).read_text()
    assert old in text
    (folder / MAIN).write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        with_roles(settings(folder).maintenance)
    return str(caught.value)


def test_the_names_are_those_of_the_kinds_in_their_order() -> None:
    """What DAGs are parsed by says the same as what carries the kinds out."""
    assert tuple(kinds()) == NAMES


def test_an_action_of_a_kind_that_is_gone_names_those_that_there_are() -> None:
    """As a plan that a later version stored holds one."""
    assert kind_of(kinds(), action()).name == "optimise"
    with pytest.raises(
        LookupError, match="found kind 'polish', expected one of: archive, baselines, canary, delete, indexes, missing"
    ):
        kind_of(kinds(), action(kind="polish"))


WITHOUT = f"expected a list of roles for each of {sorted(NAMES)}, or a default for those that are not named"


def test_a_kind_of_action_without_roles_and_without_a_default_is_refused(config: Path) -> None:
    """Setting, what was found, what was expected: kinds that are named do not stand for the others."""
    assert refusal(config, "    default: [", "    #default: [") == (
        f"config/maintenance.yaml: approval.roles: found ['archive', 'baselines', 'delete', 'thresholds'], {WITHOUT}"
    )


def test_a_kind_of_action_that_is_none_is_refused(config: Path) -> None:
    """A word that nobody proposes would read as an approval that there is."""
    said = refusal(config, "    default: [dba, devops]", "    default: [dba, devops]\n    drop: [dba]")
    found = ["archive", "baselines", "default", "delete", "drop", "thresholds"]
    assert said == f"config/maintenance.yaml: approval.roles: found {found}, {WITHOUT}"


@pytest.mark.parametrize("left", [None, *NAMES])
def test_each_kind_by_its_own_name_needs_no_default(config: Path, left: str | None) -> None:
    """All of them are enough, all but one are not: whichever it is."""
    named = "".join(f"    {name}: [security]\n" for name in NAMES if name != left)
    text = (config / MAIN).read_text()
    start, end = text.index("    default: ["), text.index("  closed_response_minutes")
    (config / MAIN).write_text(text[:start] + named + text[end:])
    if left is None:
        approval = with_roles(settings(config).maintenance).approval
        assert {approval.roles_of(name) for name in NAMES} == {("security",)}
    else:
        with pytest.raises(ConfigError, match=r"approval\.roles: found "):
            with_roles(settings(config).maintenance)


def test_the_shipped_approvers(config: Path) -> None:
    """What changes the database needs those who run it, what changes the judging those who answer for it."""
    approval = with_roles(settings(config).maintenance).approval
    expected = {name: ("lead" if kind.write else "dba", "devops") for name, kind in kinds().items()}
    expected["archive"] = expected["delete"] = ("dba", "security")
    assert {name: approval.roles_of(name) for name in kinds()} == expected
