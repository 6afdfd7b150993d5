"""docker-compose.yaml as a text: valid, pinned, with every secret named. `make compose` really brings it up."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from sandbox.twin.keys import Keys, at_the_gateway
from upkeep.settings.base import ROOT

FILE = ROOT / "docker-compose.yaml"
#: The compose specification's own, of 2026-06-23 (170098b).
SCHEMA = ROOT / "tests" / "stages" / "vendor" / "compose-spec.json"
TEXT = FILE.read_text(encoding="utf-8")
CONTENT: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = CONTENT["services"]
WRITTEN = (".env", "connections.env")
#: Command of Upkeep → what its service must have: of its own environment, or all that connections.env holds.
NEEDS = {
    "grants target": "UPKEEP_CONFIG",
    "grants maintain": "connections.env",
    "ledger keygen": "UPKEEP_CONFIG",
    "check": "connections.env",
    "overdue": "AIRFLOW_CONN_UPKEEP_LEDGER_DASHBOARD",
    "acknowledge": "AIRFLOW_CONN_UPKEEP_LEDGER",
    "backfill": "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "alerts": "AIRFLOW_CONN_UPKEEP_LEDGER",
    "archive": "connections.env",
}
#: Those of `so too` in docs/compose.md, beside the command that they go with.
TOO = {"overdue": ("acknowledge", "backfill"), "alerts": ("archive",)}


def problems(content: dict[str, Any]) -> list[str]:
    """What the specification's schema has against a compose file."""
    validator = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    return [error.message for error in validator.iter_errors(content)]


def made(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """make_env.py, run as the README says, in a clone of its own."""
    (folder / "compose").mkdir(exist_ok=True)
    script = shutil.copy(ROOT / "compose" / "make_env.py", folder / "compose")
    command = [sys.executable, "-I", str(script), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def variables(file: Path) -> dict[str, str]:
    """Name → value of a file of variables; comments are none."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value.strip("'") for name, value in (line.split("=", 1) for line in lines)}


def test_it_is_a_compose_file() -> None:
    """The specification's schema has nothing against it, and would have: a word of ours in a service is refused."""
    assert problems(CONTENT) == []
    wrong = copy.deepcopy(CONTENT)
    wrong["services"]["worker"]["resstart"] = "always"
    assert any("resstart" in problem for problem in problems(wrong))


def test_every_secret_is_drawn_and_none_has_a_default(tmp_path: Path) -> None:
    """What the file cannot do without is in .env as it is written; what may be left out belongs to the sandbox."""
    assert made(tmp_path).returncode == 0
    drawn = variables(tmp_path / ".env")
    needed = set(re.findall(r"\$\{(\w+):\?", TEXT))
    assert needed == set(drawn)
    assert all(len(value) >= 32 for value in drawn.values()) and len(set(drawn.values())) == len(drawn)
    optional = set(re.findall(r"\$\{(\w+):-", TEXT))
    assert {name for name in optional if re.search("PASSWORD|SECRET|KEY", name)} == {
        "SANDBOX_PASSWORD",
        "SANDBOX_JWT_SECRET",
        "SANDBOX_SECRET_KEY",
    }
    assert variables(tmp_path / "connections.env") == {}
    for name in WRITTEN:
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_with_the_sandbox_connections_are_filled_in(tmp_path: Path) -> None:
    """All that the file asks for is there, and the functions' key is one that their gateway takes."""
    assert made(tmp_path, "--sandbox").returncode == 0
    drawn = variables(tmp_path / ".env")
    optional = set(re.findall(r"\$\{(\w+):-", TEXT))
    assert set(re.findall(r"\$\{(\w+)", TEXT)) - optional <= set(drawn)
    assert {name for name in optional if name.startswith("SANDBOX_")} <= set(drawn)
    assert drawn["COMPOSE_PROFILES"] in SERVICES["functions"]["profiles"]
    assert drawn["UPKEEP_CONFIG"] in str(SERVICES["worker"]["volumes"])
    connections = variables(tmp_path / "connections.env")
    key = json.loads(connections["AIRFLOW_CONN_UPKEEP_FUNCTIONS"])["password"]
    keys = Keys(jwt_secret=drawn["SANDBOX_JWT_SECRET"], secret_key=drawn["SANDBOX_SECRET_KEY"])
    assert at_the_gateway({"authorization": f"Bearer {key}"}, keys) is None
    assert at_the_gateway({"authorization": f"Bearer {key[:-4]}aaaa"}, keys) is not None


@pytest.mark.parametrize("there", WRITTEN)
def test_what_is_there_is_not_overwritten(tmp_path: Path, there: str) -> None:
    """The databases know these passwords: it says so, with the way to start over, and writes neither file."""
    (tmp_path / there).write_text("kept")
    done = made(tmp_path)
    assert (done.returncode, f"found {there}, expected neither" in done.stderr) == (1, True), done.stderr
    assert "docker compose down --volumes" in done.stderr
    assert [name for name in WRITTEN if (tmp_path / name).exists()] == [there]
    assert (tmp_path / there).read_text() == "kept"


def test_an_unknown_word_is_refused(tmp_path: Path) -> None:
    """Nothing is written for a word that means nothing."""
    done = made(tmp_path, "--sandobx")
    assert (done.returncode, done.stderr) == (2, "found '--sandobx', expected nothing or --sandbox\n")
    assert not any((tmp_path / name).exists() for name in WRITTEN)


def test_git_and_the_image_take_no_secrets() -> None:
    """Both files are ignored by git, and the image takes named folders alone."""
    ignored = subprocess.run(["git", "check-ignore", *WRITTEN], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ignored.stdout.split() == list(WRITTEN)
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_every_image_and_package_is_pinned() -> None:
    """Each image has a version, Airflow's that of the lock; both locks want the same of what they share."""
    images = {str(service["image"]) for service in SERVICES.values()} - {"upkeep:local"}
    assert len(images) == 2
    for image in images:  # a minor version and its Debian: another one may sort text otherwise
        assert re.fullmatch(r"\w+:\d+\.\d+-bookworm", image), image
    locks = [(ROOT / name).read_text() for name in ("requirements.txt", "compose/requirements.txt")]
    # The image's Python is 3.11: what the universal lock keeps for newer ones is not for it.
    pins = re.compile(r"^([a-z0-9-]+)(?:\[\w+\])?==(\S+) (?!; python_full_version >=)", re.MULTILINE)
    pinned = [dict(pins.findall(lock)) for lock in locks]
    assert f"FROM apache/airflow:slim-{pinned[0]['apache-airflow']}-python3.11" in (ROOT / "Dockerfile").read_text()
    shared = pinned[0].keys() & pinned[1].keys()
    assert len(shared) > 50
    assert {name: pinned[0][name] for name in shared} == {name: pinned[1][name] for name in shared}


def test_tasks_have_no_owners_password() -> None:
    """Owners' passwords are for the step that prepares; Airflow's metadata, with people's answers, is no worker's."""

    def having(*variables: str) -> set[str]:
        found = {name: json.dumps(service.get("environment")) for name, service in SERVICES.items()}
        return {name for name, text in found.items() if any(f"${{{one}" in text for one in variables)}

    assert having("POSTGRES_PASSWORD", "LEDGER_OWNER_PASSWORD", "ADMIN_PASSWORD") == {"postgres", "prepare"}
    airflows = {"prepare", "api-server", "scheduler", "dag-processor", "triggerer"}
    assert having("AIRFLOW_DATABASE_PASSWORD", "JWT_SECRET") == airflows
    assert {name for name, one in SERVICES.items() if "env_file" in one} == {"prepare", "triggerer", "worker"}


def told() -> list[tuple[str, list[str]]]:
    """(service, words) of each command that docs/compose.md has a reader run inside a container."""
    page = (ROOT / "docs" / "compose.md").read_text(encoding="utf-8")
    found = re.findall(r"docker compose (?:run|exec)((?: --?[a-zA-Z-]+)*) ([a-z-]+) ([^`>\n]+)", page)
    return [(service, words.split()) for _, service, words in found]


def test_what_a_reader_runs_in_a_container_has_what_it_needs_there() -> None:
    """Each service is one of the file's; each command of Upkeep is one, and its service has its Connections."""
    ran = set()
    for service, words in told():
        assert service in SERVICES, (service, words)
        if words[:3] != ["python", "-m", "upkeep"]:
            owner = {"airflow": "api-server", "psql": "postgres", "pg_dumpall": "postgres"}
            assert owner[words[0]] == service, (service, words)
            continue
        command = next(name for name in NEEDS if " ".join(words[3:]).startswith(name))
        for one in (command, *TOO.get(command, ())):
            has = {*SERVICES[service]["environment"], *SERVICES[service].get("env_file", ())}
            assert NEEDS[one] in has, f"{one} in {service}: expected {NEEDS[one]}"
            ran.add(one)
    assert ran == set(NEEDS)


@pytest.mark.parametrize("command", ["grants target", "ledger keygen"])
def test_what_comes_before_any_connection_runs_without_one(tmp_path: Path, command: str) -> None:
    """As the page has it, with what `docker compose run --no-deps worker` starts with: no Connection, no metadata."""
    (words,) = (words for _, words in told() if " ".join(words[3:]).startswith(command))
    environ = {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(tmp_path),
        "UPKEEP_CONFIG": str(ROOT / "config"),
        "PYTHONPATH": str(ROOT / "plugins"),
    }
    done = subprocess.run(
        [sys.executable, *words[1:]], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = {"grants target": "GRANT CONNECT ON DATABASE", "ledger keygen": "AIRFLOW_CONN_UPKEEP_SIGNING="}
    assert expected[command] in done.stdout
    assert not re.search(r"<\w+>|found none", done.stdout), "nothing is left to fill in"
