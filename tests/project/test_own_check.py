"""docs/own-check.md is done as it stands, in a copy of the repository, and runs on a real PostgreSQL."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stages.index_looks import bare as bare  # noqa: PLC0414  # a fixture of the next one
from tests.stages.index_looks import platform as platform  # noqa: PLC0414  # the fixture
from tests.stages.platform import Platform
from upkeep.settings.base import ROOT

FENCE = re.compile(r"^```(sql|python|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`((?:include|plugins|dags)/[\w/.]+)`")
#: The check by its name in the registry, on the database of the environment.
LOOK = """
import os, psycopg
from datetime import UTC, datetime
from upkeep.areas.look import Look
from upkeep.areas.registry import find
from upkeep.settings.load import settings
from upkeep.wires import database
config, connect = settings(), lambda: psycopg.connect(os.environ["DSN"])
with database.session(connect, config.maintenance.sql, read_only=True) as session:
    for one in find("sequences").look(Look(session, config, datetime.now(UTC))).findings:
        print(one.level, one.key, one.detail)
"""
#: The ids of the daily window's tasks, as Airflow would parse them.
TASKS = """
import runpy
dag = runpy.run_path("dags/maintenance_daily.py")["maintenance_daily"]("primary")
print(*dag.task_ids)
"""


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with what the page says."""
    folder = tmp_path_factory.mktemp("own")
    for name in ("plugins", "include", "config", "dags"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    page = (ROOT / "docs" / "own-check.md").read_text()
    for fence in FENCE.finditer(page):
        file = folder / FILE.findall(page[: fence.start()])[-1]
        if fence[1] != "diff":
            assert not file.exists()
            file.write_text(fence[2])
            continue
        was, becomes = (line[1:] + "\n" for line in fence[2].splitlines())
        text = file.read_text()
        assert text.count(f"\n{was}") == 1, was
        file.write_text(text.replace(f"\n{was}", f"\n{becomes}"))
    return folder


def run(folder: Path, program: str, **environment: str) -> list[str]:
    """What a program prints that sees this copy alone."""
    environ = {
        **os.environ,
        "PYTHONPATH": str(folder / "plugins"),
        "UPKEEP_CONFIG": str(folder / "config"),
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_page_is_as_short_as_it_says() -> None:
    """Twenty lines, empty ones and markup apart."""
    lines = [
        line
        for kind, text in FENCE.findall((ROOT / "docs" / "own-check.md").read_text())
        for line in text.splitlines()
        if line.strip() and not (kind == "diff" and line.startswith("-"))
    ]
    assert len(lines) <= 20


def test_its_finding_appears_and_disappears(copied: Path, platform: Platform) -> None:
    """A sequence near its end is a warning, one that may not be read is unknown, and one with numbers left is ok."""
    platform.sql("CREATE SEQUENCE numbers AS smallint; SELECT setval('numbers', 30000)")
    look = lambda: run(copied, LOOK, DSN=platform.reader)  # noqa: E731  # the same look each time
    assert look() == ["unknown sequence:public.numbers not collected: the role may not read it"]
    platform.sql("GRANT SELECT ON SEQUENCE numbers TO {role}", role=platform.role)
    assert look() == ["warning sequence:public.numbers 91.6 % of its numbers are used"]
    platform.sql("ALTER SEQUENCE numbers AS bigint")
    assert look() == ["ok sequences numbers are left"]


def test_its_window_runs_it(copied: Path) -> None:
    """In the group of the database."""
    (*_, tasks) = run(copied, TASKS)
    assert "database.sequences" in tasks.split()
