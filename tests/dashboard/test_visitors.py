"""Who a visitor of the pages is: the one person of config whose number and name Airflow shows alike."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from tests.stages.pages import config_with
from upkeep.settings.approval import Person

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

    from upkeep.dashboard.visitors import visitors


class Login(BaseUser):
    """Somebody whom an auth manager numbers."""

    def __init__(self, number: str, name: str) -> None:
        self.number, self.name = number, name

    def get_id(self) -> str:
        return self.number

    def get_name(self) -> str:
        return self.name


@pytest.mark.guide("G52", "holds")
@pytest.mark.parametrize(
    ("number", "name", "person"),
    [("dora", "dora", "dora"), ("7", "omar", "omar"), ("7", "dora", ""), ("dora", "omar", ""), ("8", "omar", "")],
)
def test_a_login_is_a_persons_by_number_and_name_alike(tmp_path: Path, number: str, name: str, person: str) -> None:
    """A run's requester is known by name: a number that has come to be another's makes nobody two people."""
    config = config_with(tmp_path, "primary")
    people = config.maintenance.model_copy(update={"people": {"dora": Person(), "omar": Person(id="7")}})
    who = visitors(config, lambda _, __, dags: frozenset(dags), lambda: people)
    found = who(Login(number, name))
    assert (found.person, bool(found.roles), found.name) == (person, bool(person), name)
