"""The layers of docs/adr/0001 hold for every module there is: a forbidden import is seen wherever it is put."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.coverage_table import ROOT

#: Package → an import that must not stand in it.
UPWARDS = {
    "core": "from upkeep.settings.load import settings",
    "settings": "from upkeep.wires import queries",
    "wires": "from upkeep.ledger import read",
    "ledger": "from upkeep.gate import decision_store",
    "gate": "from upkeep.areas import kinds",
    "areas": "from upkeep.report import model",
    "report": "from upkeep.areas import kinds",
    "flow": "from upkeep.cli import main",
    "dashboard": "from upkeep.cli import main",
    "cli": "from upkeep.dashboard import app",
}
BELOW_AIRFLOW = ("core", "settings", "wires", "ledger", "gate", "areas", "report")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scratch copy of what the linter reads."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name in ("plugins", "sandbox"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def lint(folder: Path) -> str:
    """What the linter says of a folder, empty when it keeps all contracts."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder / "plugins"), str(folder)))}
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@contextmanager
def planted(folder: Path, lines: Mapping[str, str]) -> Iterator[None]:
    """A new module with a line in each of some packages; they go again."""
    modules = {folder / "plugins/upkeep" / package / "newcomer.py": line for package, line in lines.items()}
    for module, line in modules.items():
        module.write_text(f"{line}\n")
    try:
        yield
    finally:
        for module in modules:
            module.unlink()


def test_the_copy_keeps_all_contracts(copy: Path) -> None:
    """Before anything is planted."""
    assert lint(copy) == ""


def test_a_forbidden_import_is_seen_in_each_package(copy: Path) -> None:
    """A module that nobody listed anywhere is in its package's layer, below Airflow, and in its area."""
    lines = {package: f"{line}\nfrom airflow.sdk import DAG" for package, line in UPWARDS.items()}
    lines["areas/costs"] = "from upkeep.areas.patches import npm"
    with planted(copy, lines):
        said = lint(copy)
    for package in UPWARDS:
        assert f"upkeep.{package}.newcomer -> upkeep." in said, package
        assert (f"upkeep.{package}.newcomer -> airflow" in said) == (package in BELOW_AIRFLOW), package
    assert "upkeep.areas.costs.newcomer -> upkeep.areas.patches.npm" in said


def test_a_new_package_needs_a_layer(copy: Path) -> None:
    """What is in no layer could import anything."""
    package = copy / "plugins/upkeep/evidence"
    package.mkdir()
    (package / "__init__.py").write_text("")
    try:
        assert "upkeep.evidence" in lint(copy)
    finally:
        shutil.rmtree(package)
