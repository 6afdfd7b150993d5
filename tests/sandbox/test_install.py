"""docs/install.md is enough: its own commands, on a clean Airflow home, against a server that knows nothing of Upkeep.

The packages are those that the tests run with; a second installation of them is the one thing that is not repeated.
"""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import yaml

from sandbox import target
from sandbox.postgres import HOST, Cluster, bin_dir
from tests.stages.twin import LEGACY_KEY, running
from upkeep.settings.base import ROOT

PAGE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")

#: What a person writes into config/maintenance.yaml: the page's people, and what the page's command prints.
EDIT = """
import sys, yaml
from pathlib import Path
file, people, key, pins = (Path(one) for one in sys.argv[1:])
content = yaml.safe_load(file.read_text())
content |= yaml.safe_load(people.read_text())
printed = dict(line.split(": ") for line in pins.read_text().splitlines())
content["targets"]["primary"]["system_identifier"] = printed["targets.primary.system_identifier"].strip('"')
content["ledger"]["identity"] = printed["ledger.identity"]
text = key.read_text()
content["ledger"]["signing"]["keys"] = yaml.safe_load(text[text.index("ledger:") :])["ledger"]["signing"]["keys"]
file.write_text(yaml.safe_dump(content))
"""


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language, in the page's order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def script(folder: Path, home: Path) -> str:
    """The page's commands in one shell, each block's output in a file; a person's edits between."""
    lines = ["set -euo pipefail"]
    for number, block in enumerate(blocks("bash")):
        lines.append(f"{{\n{block}}} > {folder}/{number}.out")
        if "keygen" in block:
            key = f"{folder}/{number}.out"
            lines.append(f"export \"$(grep -o 'AIRFLOW_CONN_UPKEEP_SIGNING=.*' {key} | tr -d \\')\"")
        if "--print-identity" in block:
            config, people = home / "config" / "maintenance.yaml", folder / "people.yaml"
            lines.append(f"python {folder}/edit.py {config} {people} {key} {folder}/{number}.out")
    return "\n".join(lines)


def variables(cluster: Cluster, folder: Path, url: str) -> dict[str, str]:
    """What the page leaves to whoever installs: where the servers are, and passwords."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "UPKEEP", "PYTHONPATH"))
    }
    admin = f"postgresql://postgres:{cluster.password}@{HOST}:{cluster.port}"
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}:{bin_dir()}:{os.environ['PATH']}",
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "CLONE": str(ROOT),
        "PLATFORM": f"{admin}/platform",
        "PLATFORM_HOST": HOST,
        "PLATFORM_PORT": str(cluster.port),
        "PLATFORM_DATABASE": "platform",
        "LEDGER_SERVER": f"{admin}/postgres",
        "LEDGER_HOST": HOST,
        "LEDGER_PORT": str(cluster.port),
        "FUNCTIONS_URL": url,
        "FUNCTIONS_KEY": LEGACY_KEY,
        **{name: secrets.token_hex(12) for name in ("READ_PASSWORD", "MAINTAIN_PASSWORD", "LEDGER_PASSWORD")},
    }


def prepare(cluster: Cluster) -> str:
    """A platform with the guide's tables, and none of Upkeep's roles; returns the login of its functions."""
    passwords = {role: secrets.token_hex(12) for role in target.ROLES}
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as opened:
        opened.execute("CREATE DATABASE platform")
    with psycopg.connect(cluster.dsn("platform"), autocommit=True) as opened:
        target.load(opened, passwords)
        for role in ("upkeep_read", "upkeep_maintain"):
            opened.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
        opened.execute("SELECT count(*) FROM application_logs WHERE id = 1")
    return cluster.dsn("platform", "functions_twin", passwords["functions_twin"])


def test_the_page_is_enough_to_install_from(new_cluster: Callable[[], Cluster], tmp_path: Path) -> None:
    """Its blocks end with a check that misses nothing, and with four DAGs that Airflow imports without an error."""
    cluster = new_cluster()
    server = cluster.start()
    try:
        functions = prepare(cluster)
        (tmp_path / "edit.py").write_text(EDIT)
        (people,) = blocks("yaml")
        (tmp_path / "people.yaml").write_text(people)
        assert set(yaml.safe_load(people)) == {"people", "roles"}
        with running(functions, tmp_path) as twin:
            environ = variables(cluster, tmp_path, twin.url)
            text = script(tmp_path, tmp_path / "airflow")
            argv = ["bash", "-c", text]
            done = subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
        said = {file.stem: file.read_text() for file in tmp_path.glob("*.out")}
    finally:
        cluster.stop(server)
    last = said[max(said, key=int)]
    assert done.returncode == 0, f"{done.stdout}{done.stderr[-3000:]}{last}"
    assert len(said) == len(blocks("bash"))
    assert "No data found" in last
    assert all(f"maintenance_{cadence}" in last for cadence in ("daily", "alerts", "weekly", "monthly"))
    check = last[last.index("WHAT  ") :]
    assert not re.search(r"  NO$", check, re.MULTILINE), check
    off = re.findall(r"^(\S.*?)  .*  off$", check, re.MULTILINE)
    young = {"primary: indexes that nothing uses", "primary: foreign keys and large tables without an index"}
    asked_for_nothing = {
        "primary: dropping indexes that can go (upkeep_target_maintain)",
        "Slack, where those who must answer are notified",
    }
    assert set(off) == young | asked_for_nothing, check
