"""The sandbox's configuration over the shipped one, and a sandbox of an older version."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sandbox.config import (
    ARCHIVES,
    CADENCES,
    DAGS,
    STATISTICS_DAYS,
    WATCH_SECONDS,
    chosen,
    rewrite_config,
    take_over_settings,
    use_windows,
    window_variables,
    write_config,
)
from sandbox.ports import PORTS
from sandbox.processes import SandboxError
from sandbox.stack import HOLDERS, LOGINS, ROOT, USERS, Sandbox, open_sandbox
from upkeep.areas.documents import look as judging
from upkeep.areas.documents.reading import look_at_all
from upkeep.core.findings import Level
from upkeep.ledger.migrations.upgrade import upgrade
from upkeep.settings.load import Settings, settings

WEEKLY, WEEKLY_MINUTES = window_variables("weekly")


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox of which nothing runs, and an environment without a test calendar."""
    for name in (
        STATISTICS_DAYS,
        WATCH_SECONDS,
        ARCHIVES,
        *(name for cadence in CADENCES for name in window_variables(cadence)),
    ):
        monkeypatch.delenv(name, raising=False)
    return open_sandbox(tmp_path)


def read(sandbox: Sandbox) -> Settings:
    """The configuration as Airflow's processes read it now."""
    settings.cache_clear()
    return settings(sandbox.folder / "config")


def test_a_sandbox_has_places_for_archives_unless_it_is_to_have_none(sandbox: Sandbox) -> None:
    """Folders that are there, and archived alerts are deleted; without them the weekly window asks nobody."""
    write_config(sandbox, pinned=False)
    retention = read(sandbox).retention
    folders = [location.path for location in retention.locations.values()]
    assert all(folder and folder.is_dir() for folder in folders) and len(set(folders)) == 3
    assert [name for name, one in retention.classes.items() if one.delete] == ["performance_alerts"]
    write_config(sandbox, pinned=False, given={ARCHIVES: "no"})
    retention = read(sandbox).retention
    assert {location.path for location in retention.locations.values()} == {None}
    assert not any(one.delete for one in retention.classes.values())


def test_each_of_the_guides_roles_has_a_person_who_can_log_in(sandbox: Sandbox) -> None:
    """Those who answer, those who may ask, a channel, the backups; and it is valid."""
    write_config(sandbox, pinned=False)
    config = read(sandbox).maintenance
    assert {name: config.roles[role].users for name, role in HOLDERS.items()} == {name: (name,) for name in HOLDERS}
    assert set(config.people) == {"admin", "operator", *HOLDERS}
    assert set(config.people) <= set(USERS) <= set(sandbox.passwords)
    assert {USERS[name] for name in HOLDERS} == {"user"}
    assert config.approval.slack == "upkeep_slack"
    assert config.targets["primary"].backups is not None
    assert (config.targets["primary"].system_identifier, config.ledger.identity) == (None, None)
    assert config.windows["weekly"].cron == "0 3 * * 0"
    assert config.cost is not None and config.cost.currency == "EUR"
    assert read(sandbox).exceptions == ()


def test_its_documents_have_something_to_be_found(sandbox: Sandbox) -> None:
    """A guide whose review is overdue, with a dead link of each kind; its runbook's one link leads somewhere."""
    write_config(sandbox, pinned=False)
    config = read(sandbox).maintenance
    readings = look_at_all(config.documents, config.http, 20.0)
    found = judging.judge(readings, config.documents.review_days, date(2026, 11, 25)).findings
    guide, runbook = (document.path for document in config.documents.reviewed)
    assert [(one.key.removeprefix(f"document:{guide}"), one.level) for one in found if guide in one.key] == [
        ("", Level.WARNING),
        (":link:'templates/incident-report.md'", Level.ADVISORY),
        (":link:'http://127.0.0.1:9/status'", Level.ADVISORY),
        (":links", Level.OK),
    ]
    assert [(one.key.removeprefix(f"document:{runbook}"), one.level) for one in found if runbook in one.key] == [
        ("", Level.WARNING),
        (":links", Level.OK),
    ]


def test_a_test_calendar_comes_from_the_environment_and_goes_with_it(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window minutes away, of a length; without them the guide's Sunday again."""
    monkeypatch.setenv(WEEKLY, "*/10 * * * *")
    monkeypatch.setenv(WEEKLY_MINUTES, "4")
    write_config(sandbox, pinned=False)
    weekly = read(sandbox).maintenance.windows["weekly"]
    assert (weekly.cron, weekly.length_minutes) == ("*/10 * * * *", 4)
    monkeypatch.setenv(WEEKLY, "")
    monkeypatch.delenv(WEEKLY_MINUTES)
    write_config(sandbox, pinned=False)
    weekly = read(sandbox).maintenance.windows["weekly"]
    assert (weekly.cron, weekly.length_minutes) == ("0 3 * * 0", 120)


def test_a_test_calendar_holds_for_a_targets_own_windows_too(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wants a window minutes away gets it, though the target has one at a time of its own; its others stay."""
    monkeypatch.setenv(WEEKLY, "*/10 * * * *")
    own = {name: {"cron": "30 6 * * 0", "length_minutes": 5} for name in ("weekly", "daily")}
    content = {"windows": {name: dict(own["weekly"]) for name in CADENCES}, "targets": {"primary": {"windows": own}}}
    use_windows(content, chosen())
    expected = {"cron": "*/10 * * * *", "length_minutes": 5}
    assert (content["windows"]["weekly"], own["weekly"]) == (expected, expected)
    assert own["daily"] == content["windows"]["daily"] == {"cron": "30 6 * * 0", "length_minutes": 5}


def test_how_old_statistics_must_be_comes_from_the_environment(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise what is shipped holds, and a young sandbox proposes no unused index."""
    write_config(sandbox, pinned=False)
    assert read(sandbox).maintenance.indexes.statistics_days == 30
    monkeypatch.setenv(STATISTICS_DAYS, "0")
    write_config(sandbox, pinned=False)
    assert read(sandbox).maintenance.indexes.statistics_days == 0


def test_the_configuration_can_be_changed_in_place(sandbox: Sandbox) -> None:
    """What a test of the gate does: a person leaves a role while an answer is awaited."""
    write_config(sandbox, pinned=False)

    def leave(content: dict[str, Any]) -> None:
        content["roles"]["dba"]["users"].remove("dora")

    rewrite_config(sandbox, leave)
    assert read(sandbox).maintenance.roles["dba"].users == ()
    assert read(sandbox).maintenance.roles["devops"].users == ("omar",)
    assert not list((sandbox.folder / "config").glob("*.new"))


def test_a_sandbox_of_an_older_version_gets_what_it_lacks_and_keeps_the_rest(sandbox: Sandbox) -> None:
    """New logins and ports are drawn once; old ones stay, whatever the file's version knew."""
    file = sandbox.folder / "sandbox.json"
    old = json.loads(file.read_text())
    for name in ("upkeep_maintain", *HOLDERS):
        del old["passwords"][name]
    del old["ports"]["slack"]
    file.write_text(json.dumps(old))
    found = open_sandbox(sandbox.folder)
    assert set(found.ports) == set(PORTS)
    assert set(found.passwords) == {"postgres", "supervisor", "redis", *LOGINS, *USERS}
    assert len(set(found.ports.values())) == len(PORTS)
    assert old["passwords"].items() <= found.passwords.items()
    assert old["ports"].items() <= found.ports.items()
    assert (found.jwt_secret, found.fernet_key) == (sandbox.jwt_secret, sandbox.fernet_key)
    assert found.signing_key == sandbox.signing_key
    assert open_sandbox(sandbox.folder) == found


@pytest.fixture
def served(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox with its server, an empty platform and a ledger: enough to pin them."""
    sandbox.cluster.init()
    server = sandbox.cluster.start()
    try:
        with psycopg.connect(sandbox.cluster.dsn("postgres"), autocommit=True) as opened:
            opened.execute("CREATE DATABASE platform")
            opened.execute("CREATE DATABASE upkeep")
        upgrade(lambda: psycopg.connect(sandbox.cluster.dsn("upkeep")))
        yield sandbox
    finally:
        sandbox.cluster.stop(server)
        shutil.rmtree(sandbox.cluster.directory())


def test_other_settings_on_a_running_sandbox_are_taken_over_or_refused(
    served: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed one holds and is said; one left out stays and is said; another folder of DAGs needs a restart."""
    write_config(served, pinned=True)
    monkeypatch.setenv(STATISTICS_DAYS, "0")
    take_over_settings(served)
    assert f"{STATISTICS_DAYS} was not set and is 0" in capsys.readouterr().out
    assert read(served).maintenance.indexes.statistics_days == 0
    take_over_settings(served)
    assert capsys.readouterr().out == ""
    monkeypatch.setenv(WEEKLY_MINUTES, "4")
    monkeypatch.delenv(STATISTICS_DAYS)
    take_over_settings(served)
    assert f"{STATISTICS_DAYS} is still 0" in capsys.readouterr().out
    assert read(served).maintenance.indexes.statistics_days == 0
    assert read(served).maintenance.windows["weekly"].length_minutes == 4
    assert read(served).maintenance.targets["primary"].system_identifier is not None
    monkeypatch.setenv(DAGS, "/elsewhere")
    with pytest.raises(SandboxError, match="is /elsewhere, but the sandbox was started with the DAGs of this clone"):
        take_over_settings(served)


@pytest.mark.parametrize("command", [["upkeep", "check"], ["status"], ["fault"], ["heal"]])
def test_what_only_looks_makes_no_sandbox(tmp_path: Path, command: list[str]) -> None:
    """It says that there is none, and what makes one; the catalogue of faults is shown all the same."""
    folder = tmp_path / "none"
    environ = {**os.environ, "UPKEEP_SANDBOX": str(folder)}
    argv = [sys.executable, "-m", "sandbox", *command]
    done = subprocess.run(argv, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
    if command == ["fault"]:
        assert done.returncode == 0 and "failed-logins" in done.stdout
    else:
        assert (done.returncode, done.stderr.strip()) == (1, f"found no sandbox in {folder}; `make demo` makes one")
    assert not folder.exists()
