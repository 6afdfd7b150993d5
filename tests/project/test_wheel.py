"""The wheel is enough: installed without the checkout, it runs a deployment that ``init`` has written."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.postgres import Cluster
from tests.stages import ledger
from tests.stages.wheels import build, environment, install
from upkeep.ledger.migrations.upgrade import head
from upkeep.settings.base import ROOT

#: Where a wheel has what a checkout has.
PLACES = {
    "plugins/upkeep": "upkeep",
    "include/sql": "upkeep/_shipped/include/sql",
    "config": "upkeep/_shipped/config",
    "dags": "upkeep/_shipped/dags",
    "docs": "upkeep/_shipped/docs",
}
#: What of them is for readers of the repository alone.
LEFT_OUT = ("docs/coverage.md", "docs/images/")
DAGS = {f"maintenance_{name}" for name in ("alerts", "daily", "monthly", "weekly")}
#: What finds its files and its own package by where it was imported from.
FINDS = """
import upkeep
from pathlib import Path
from upkeep.areas.retention import reread
from upkeep.areas.retention.local_store import LocalStore
from upkeep.wires import queries
print(upkeep.__file__)
print(queries.source("database/connections"), len(queries.load("database/connections")))
try:
    reread.read(LocalStore(Path("nowhere")), "no.parquet")
except reread.NotAsWritten as error:
    print(error)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build(tmp_path_factory.mktemp("dist"))


@dataclass(frozen=True)
class Installed:
    """A second environment with the wheel, and what stands beside it; the checkout is not on its path."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> Installed:
        """The environment without the wheel."""
        (folder / "empty").mkdir()
        environment(folder / "venv")
        return cls(folder)

    def install(self, wheel: Path) -> None:
        """The wheel, over the one that may be there."""
        install(wheel, self.folder / "venv" / "bin" / "python")

    @property
    def deployment(self) -> Path:
        """The folder that `init` writes."""
        return self.folder / "deployment"

    def environment(self, config: bool = True) -> dict[str, str]:
        """A clean Airflow home with the deployment's DAGs."""
        ours = ("AIRFLOW", "UPKEEP", "PYTHON")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return {
            **kept,
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.deployment / "dags"),
            **({"UPKEEP_CONFIG": str(self.deployment / "config")} if config else {}),
        }

    def run(
        self, program: str, *arguments: str, environ: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A program of this environment, run from a folder that holds nothing."""
        argv = [str(self.folder / "venv" / "bin" / program), *arguments]
        return subprocess.run(
            argv,
            env=environ or self.environment(),
            cwd=self.folder / "empty",
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel alone, and the deployment that `init` writes."""
    found = Installed.made(tmp_path_factory.mktemp("installed"))
    found.install(wheel)
    done = found.run("upkeep", "init", str(found.deployment))
    assert done.returncode == 0, done.stderr
    return found


def files(folder: Path) -> Iterator[Path]:
    """The files of a folder but for compiled ones."""
    return (file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def test_it_holds_what_the_checkout_holds(wheel: Path) -> None:
    """Each module, statement, template, static file, migration, schema, config and DAG, to the byte, and no other."""
    expected = {"upkeep_plugin.py": (ROOT / "plugins/upkeep_plugin.py").read_bytes()}
    for here, there in PLACES.items():
        expected |= {
            f"{there}/{file.relative_to(ROOT / here)}": file.read_bytes()
            for file in files(ROOT / here)
            if not str(file.relative_to(ROOT)).startswith(LEFT_OUT)
        }
    with zipfile.ZipFile(wheel) as opened:
        found = {name: opened.read(name) for name in opened.namelist() if ".dist-info/" not in name}
    assert sorted(found) == sorted(expected)
    assert found == expected
    suffixes = {Path(name).suffix for name in found}
    assert suffixes >= {".py", ".sql", ".html", ".css", ".js", ".mako", ".yaml", ".json"}


def test_a_second_build_is_the_same(wheel: Path, tmp_path: Path) -> None:
    """To the byte: whoever builds a commit again can compare."""
    assert build(tmp_path).read_bytes() == wheel.read_bytes()


def test_each_commit_has_its_own(tmp_path: Path) -> None:
    """Without Git too: what is built later is installed over what is there; a clean commit's version names it."""
    checkout = tmp_path / "checkout"
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        checkout.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, checkout)
    for name in ("plugins", "include", "config", "dags", "docs"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "environment").mkdir()
    there = Installed.made(tmp_path / "environment")
    for number in (1, 2):
        with (checkout / "plugins/upkeep/__init__.py").open("a") as file:
            file.write(f"\nBUILT = {number}\n")
        there.install(build(tmp_path / f"{number}", checkout))
        assert there.run("python", "-c", "import upkeep; print(upkeep.BUILT)").stdout == f"{number}\n"
    git = ["git", "-C", checkout, "-c", "user.name=Upkeep", "-c", "user.email=upkeep@upkeep.invalid"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    commit = subprocess.run([*git, "log", "-1", "--format=%ct"], capture_output=True, text=True, check=True).stdout
    minute = f"{datetime.fromtimestamp(int(commit), UTC):%Y%m%d%H%M}"
    assert f"+{minute}.g{head[:12]}-" in build(tmp_path / "clean", checkout).name, "of a later commit a later version"
    (checkout / "plugins/upkeep/more.py").touch()
    assert "+c" in build(tmp_path / "changed", checkout).name


def test_it_is_built_by_what_is_locked() -> None:
    """Who builds it with another tool takes the same backend as `make wheel`."""
    (required,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert f"\n{required} \\\n" in (ROOT / "requirements-dev.txt").read_text()


def test_it_finds_its_own_files(installed: Installed) -> None:
    """Its statements, and itself in a process that it starts."""
    done = installed.run("python", "-c", FINDS)
    package, statement, archive = done.stdout.splitlines()
    assert package.startswith(str(installed.folder))
    assert re.fullmatch(r"include/sql/database/connections\.sql [1-9]\d+", statement)
    assert archive.startswith("no.parquet: ")
    assert "No module" not in archive


def test_init_leaves_what_is_there(installed: Installed, tmp_path: Path) -> None:
    """Twice is harmless; a file with another content is named, kept and a reason for exit code 1."""
    first, second = (installed.run("upkeep", "init", str(tmp_path / "new")) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0)
    assert f"export UPKEEP_CONFIG={tmp_path}/new/config\n" in second.stdout
    shipped = [file for folder in ("dags", "config") for file in files(ROOT / folder)]
    for done, said in ((first, "written"), (second, "the same")):
        names = re.findall(rf"^{said} +(\S+)$", done.stdout, re.MULTILINE)
        assert sorted(names) == sorted(f"{tmp_path}/new/{file.relative_to(ROOT)}" for file in shipped)
    changed, gone = (tmp_path / "new" / name for name in ("dags/maintenance_daily.py", "config/routing.yaml"))
    changed.write_text("# mine\n")
    gone.unlink()
    third = installed.run("upkeep", "init", str(tmp_path / "new"))
    assert third.returncode == 1
    done = re.findall(r"^(?:kept|written) .*$", third.stdout, re.MULTILINE)
    assert done == [f"kept      {changed}", f"written   {gone}"]
    (compare,) = re.findall(r"^  diff (\S+) (\S+)$", third.stdout, re.MULTILINE)
    assert compare[0] == str(changed)
    assert Path(compare[1]).read_bytes() == (ROOT / "dags/maintenance_daily.py").read_bytes()
    assert changed.read_text() == "# mine\n"


def test_init_brings_an_older_versions_files_up(installed: Installed, tmp_path: Path) -> None:
    """A generated schema is replaced; a DAG file that is not shipped any more is named, another's is not."""
    installed.run("upkeep", "init", str(tmp_path))
    schema = tmp_path / "config/schema/routing.json"
    schema.write_text("{}\n")
    (tmp_path / "dags/maintenance_yearly.py").write_text("import upkeep\n")
    (tmp_path / "dags/maintenance_of_the_lift.py").touch()
    done = installed.run("upkeep", "init", str(tmp_path))
    assert done.returncode == 0
    assert f"replaced  {schema}\n" in done.stdout
    assert schema.read_bytes() == (ROOT / "config/schema/routing.json").read_bytes()
    assert f"\n  {tmp_path}/dags/maintenance_yearly.py\n" in done.stdout
    assert "lift" not in done.stdout


def test_init_says_what_to_do_next(installed: Installed, tmp_path: Path) -> None:
    """Each thing that an installation needs, by the page that is there; one's own DAGs stay where they are."""
    said = installed.run("upkeep", "init", str(tmp_path)).stdout
    for named in (
        "ledger upgrade",
        "ledger keygen",
        "--print-identity",
        "people and roles",
        "pools set upkeep_mutations 1",
    ):
        assert named in said
    assert "where this Airflow has no other DAGs:\n  export AIRFLOW__CORE__DAGS_FOLDER=" in said
    (page,) = re.findall(r"section 3 of (\S+) on", said)
    assert "\n## 3. " in Path(page).read_text(encoding="utf-8")
    (folder,) = re.findall(r"are in (\S+)\.$", said, re.MULTILINE)
    assert (Path(folder) / "audit.md").is_file()


def test_a_file_that_could_not_be_written_whole_is_not_there(installed: Installed, tmp_path: Path) -> None:
    """A full disk, here a limit of one kilobyte: the file is named, nothing half is left, the next run completes it."""
    upkeep = installed.folder / "venv/bin/upkeep"
    argv = ["bash", "-c", 'ulimit -f 1; exec "$@"', "bash", upkeep, "init", tmp_path / "new"]
    full = subprocess.run(argv, env=installed.environment(), capture_output=True, text=True, check=False)
    assert full.returncode == 2
    assert re.fullmatch(rf"{tmp_path}/new/\S+: File too large; expected .*\n", full.stderr)
    for file in files(tmp_path / "new"):
        assert file.read_bytes() == (ROOT / file.relative_to(tmp_path / "new")).read_bytes()
    assert installed.run("upkeep", "init", str(tmp_path / "new")).returncode == 0


def test_init_writes_where_nobody_reads(installed: Installed, tmp_path: Path) -> None:
    """Its output cut off, as by `| head`: each file is there, and no traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    argv = [installed.folder / "venv/bin/upkeep", "init", tmp_path]
    done = subprocess.run(argv, env=installed.environment(), stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")
    shipped = {file.relative_to(ROOT) for folder in ("dags", "config") for file in files(ROOT / folder)}
    assert {file.relative_to(tmp_path) for file in files(tmp_path)} == shipped


def test_a_file_is_for_whom_the_umask_lets(installed: Installed, tmp_path: Path) -> None:
    """Airflow's processes may run as another user than who writes the files."""
    installed.run("upkeep", "init", str(tmp_path))
    (tmp_path / "mine").touch()
    assert (tmp_path / "config/maintenance.yaml").stat().st_mode == (tmp_path / "mine").stat().st_mode


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("", "found '', expected the path of a folder"),
        ("{here}/file", "found {here}/file, which is no folder; expected one, or a path where nothing is yet"),
        ("{here}/file/below", "{here}/file/below/dags: Not a directory; expected a file or folder that can be written"),
        ("/proc/upkeep", "/proc/upkeep: No such file or directory; expected a file or folder that can be written"),
        ("{package}/deployment", "inside the package, which an upgrade replaces; expected another folder"),
        ("{here}/taken", "{here}/taken/dags/maintenance_alerts.py: Is a directory; expected a file or folder"),
        ("{here}/linked", "{here}/linked/dags/maintenance_alerts.py: found a link to /nowhere, where nothing is"),
        ("{here}/folder", "{here}/folder/dags: found a link to /nowhere, where nothing is"),
        ("{here}/into", "{here}/into/dags, inside the package, which an upgrade replaces; expected another folder"),
    ],
)
def test_init_refuses(installed: Installed, tmp_path: Path, folder: str, said: str) -> None:
    """What is no folder, cannot be written, or goes with the next upgrade; nothing is written there."""
    (tmp_path / "file").touch()
    (tmp_path / "taken/dags/maintenance_alerts.py").mkdir(parents=True)
    (package,) = (installed.folder / "venv").glob("lib/python*/site-packages/upkeep")
    for link, to in (
        ("linked/dags/maintenance_alerts.py", "/nowhere"),
        ("folder/dags", "/nowhere"),
        ("into/dags", package),
    ):
        (tmp_path / link).parent.mkdir(parents=True)
        (tmp_path / link).symlink_to(to)
    names = {"here": str(tmp_path), "package": str(package)}
    before = sorted(tmp_path.rglob("*"))
    done = installed.run("upkeep", "init", folder.format(**names))
    assert done.returncode == 2
    assert said.format(**names) in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(tmp_path.rglob("*")) == before
    assert not (package / "deployment").exists()


def test_airflow_finds_dags_and_plugin(installed: Installed) -> None:
    """On a clean home: the four DAGs without an import error, and the plugin with its pages, by its entry point."""
    migrated = installed.run("python", "-m", "airflow", "db", "migrate")
    assert migrated.returncode == 0, migrated.stderr
    listed = installed.run("python", "-m", "airflow", "dags", "list", "--local", "--output", "plain")
    assert set(re.findall(r"^(maintenance_\w+) ", listed.stdout, re.MULTILINE)) == DAGS, listed.stderr
    assert "Failed to load" not in listed.stdout + listed.stderr
    plugins = installed.run("python", "-m", "airflow", "plugins", "--output", "json")
    (plugin,) = json.loads(plugins.stdout)
    assert plugin["name"] == "upkeep"
    assert plugin["source"].startswith("upkeep==")
    assert [app["url_prefix"] for app in plugin["fastapi_apps"]] == ["/upkeep"]


@pytest.mark.parametrize("config", [True, False], ids=["init's", "the package's own"])
def test_check_says_what_is_missing(installed: Installed, config: bool) -> None:
    """The Connections, and a config of the deployment's own where Upkeep was not told of one."""
    done = installed.run("upkeep", "check", environ=installed.environment(config))
    assert done.returncode == 1
    assert "Connection 'upkeep_ledger': found none; expected one of type postgres" in done.stdout
    if config:
        assert re.search(rf"^configuration in {installed.deployment}/config .*  yes$", done.stdout, re.MULTILINE)
    else:
        assert re.search(r"^configuration in \S+/upkeep/_shipped/config .*  NO$", done.stdout, re.MULTILINE)
        assert "expected UPKEEP_CONFIG to name the folder that `upkeep init DIR` wrote" in done.stdout


def test_it_makes_the_ledger(installed: Installed, cluster: Cluster) -> None:
    """By its own migrations, as the owner, up to the newest revision."""
    book = ledger.drawn(cluster)
    try:
        ledger.create(book)
        connections = {
            name: value
            for name, value in book.environment(installed.folder).items()
            if name.startswith("AIRFLOW_CONN_")
        }
        done = installed.run("upkeep", "ledger", "upgrade", environ=installed.environment() | connections)
        assert done.returncode == 0, done.stderr
        assert f"is at revision {head()}." in done.stdout
        assert book.ask("SELECT count(*) FROM upkeep.windows") == [(0,)]
    finally:
        book.drop()
