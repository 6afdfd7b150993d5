"""The kinds of action against config: each has its approvers, and nothing else has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stages.config import MAIN
from tests.stages.config import config as config  # noqa: PLC0414  # a fixture
from upkeep.areas.kinds import NAMES, kinds, with_roles
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


@pytest.mark.parametrize("kind", NAMES)
def test_a_kind_of_action_without_its_roles_is_refused(config: Path, kind: str) -> None:
    """Setting, what was found, what was expected: whichever it is."""
    rest = sorted(name for name in NAMES if name != kind)
    assert refusal(config, f"    {kind}: [", f"    #{kind}: [") == (
        f"config/maintenance.yaml: approval.roles: found {rest}, expected a list of roles for exactly {sorted(NAMES)}"
    )


def test_a_kind_of_action_that_is_none_is_refused(config: Path) -> None:
    """A word that nobody proposes would read as an approval that there is."""
    said = refusal(config, "    optimise: [dba, devops]", "    drop: [dba]\n    optimise: [dba, devops]")
    assert said == (
        f"config/maintenance.yaml: approval.roles: found {sorted([*NAMES, 'drop'])}, "
        f"expected a list of roles for exactly {sorted(NAMES)}"
    )


def test_the_shipped_approvers(config: Path) -> None:
    """What changes the database needs those who run it, what changes the judging those who answer for it."""
    expected = {name: ("lead" if kind.write else "dba", "devops") for name, kind in kinds().items()}
    assert with_roles(settings(config).maintenance).approval.roles == expected
