"""A sandbox with FAB's users: what it says of itself, and that config calls people by their numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from sandbox import commands, fab
from sandbox.config import MAINTENANCE, write_config
from sandbox.processes import SandboxError
from sandbox.stack import environment, open_sandbox

MANAGER = "AIRFLOW__CORE__AUTH_MANAGER"


def test_whose_users_is_kept_and_config_has_their_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual sandbox has the simple auth manager and names; the other one FAB's, and the numbers of its database."""
    usual = open_sandbox(tmp_path / "usual")
    monkeypatch.setenv(fab.USERS, fab.FAB)
    other = open_sandbox(tmp_path / "fab")
    monkeypatch.delenv(fab.USERS)
    assert open_sandbox(tmp_path / "fab") == other
    assert MANAGER not in environment(usual) and environment(other)[MANAGER].endswith("FabAuthManager")
    (other.folder / fab.NUMBERS).write_text(json.dumps({"admin": "1", "operator": "2", "dora": "4"}))
    for one in (usual, other):
        write_config(one, pinned=False)
    people = [
        yaml.safe_load((one.folder / "config" / MAINTENANCE).read_text(encoding="utf-8"))["people"]
        for one in (usual, other)
    ]
    assert (people[0]["dora"], people[1]["dora"], people[1]["admin"]) == ({}, {"id": "4"}, {"id": "1"})


@pytest.mark.parametrize(
    ("made_with", "asked", "says"),
    [
        ("ldap", "ldap", "UPKEEP_SANDBOX_USERS: found 'ldap', expected simple or fab"),
        ("", fab.FAB, "was made with simple"),
        (fab.FAB, "", "found no apache-airflow-providers-fab. `make fab-attacks` has it"),
    ],
    ids=["unknown", "another", "no-provider"],
)
def test_what_cannot_be_brought_up_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_with: str, asked: str, says: str
) -> None:
    """Users of a kind that nobody knows, of another one than the sandbox was made with, no provider."""
    monkeypatch.setenv("UPKEEP_SANDBOX", str(tmp_path))
    monkeypatch.setenv(fab.USERS, made_with)
    open_sandbox()
    monkeypatch.setenv(fab.USERS, asked)
    monkeypatch.setattr(fab, "find_spec", lambda name: None)
    with pytest.raises(SandboxError, match=says):
        commands.up()
