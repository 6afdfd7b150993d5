"""Log rows that are due: archived in one weekly window, deleted in the next, brought back (G15, G66)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.config import RETENTION, rewrite_config
from sandbox.stack import HOLDERS
from tests.e2e.attacks import Attacks
from tests.e2e.conftest import Running

CLASS = TABLE = "performance_alerts"


@pytest.fixture
def weekly(running: Running, tmp_path: Path) -> Iterator[Attacks]:
    """Alerts have a place for their archives and may be deleted; afterwards neither."""
    found = Attacks(running)
    file = running.sandbox.folder / "config" / RETENTION
    before = file.read_text()

    def archived(config: dict[str, Any]) -> None:
        config["locations"]["local"]["path"] = str(tmp_path)
        config["classes"][CLASS]["delete"] = True

    rewrite_config(running.sandbox, archived, RETENTION)
    yield found
    file.write_text(before)
    found.end()


def rows(weekly: Attacks, table: str = TABLE) -> set[str]:
    """Each row of a table, whole."""
    with weekly.target() as admin:
        return {row for (row,) in admin.execute(f"SELECT t::text FROM {table} t").fetchall()}


def one_window(weekly: Attacks, kind: str) -> list[dict[str, Any]]:
    """A weekly window in which two people let be done to alerts what ``kind`` says, and nothing else: those actions."""
    run = weekly.trigger(conf={"groups": ["logs"]})
    weekly.asked(run, "dba", "security")
    wanted = [
        one["id"]
        for one in weekly.plan(run)["actions"]
        if one["kind"] == kind and one["table"].startswith(f"{TABLE} (")  # with class and period behind it
    ]
    assert wanted
    for person, role in HOLDERS.items():
        state = weekly.until(run, f"approve.{role}", "awaiting_input", "skipped", "success")["state"]
        if role in ("dba", "security"):
            assert weekly.answer(run, role, user=person, actions=wanted, comment=None).status_code == 200
        elif state == "awaiting_input":
            weekly.asked(run, role)
            assert weekly.answer(run, role, "Reject", user=person).status_code == 200
    assert weekly.finish(run) == "success"
    return [one for one in weekly.report(run)["gate"]["actions"] if one["id"] in wanted]


@pytest.mark.guide("G15", "G66", "holds")
def test_due_alerts_are_archived_then_deleted_and_come_back_identical(weekly: Attacks) -> None:
    """In two windows, each after two people said yes; after the first one no row is gone."""
    before = rows(weekly)
    archived = one_window(weekly, "archive")
    assert len(archived) > 1 and {one["state"] for one in archived} == {"done"}
    assert before <= rows(weekly)
    deleted = one_window(weekly, "delete")
    assert len(deleted) == len(archived) and {one["state"] for one in deleted} == {"done"}
    gone = before - rows(weekly)
    names = [line.split()[1] for line in weekly.upkeep("archive", "find").stdout.splitlines()]
    assert len(names) == len(archived)
    back = set()
    for number, name in enumerate(names):
        restored = weekly.upkeep("archive", "restore", name, "--into", f"public.brought_back_{number}")
        assert restored.returncode == 0, restored.stderr
        back |= rows(weekly, f"brought_back_{number}")
        weekly.drop(f"brought_back_{number}")
    assert back == gone and len(gone) > 100
    assert weekly.upkeep("archive", "verify").returncode == 0
