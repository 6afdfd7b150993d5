"""Backups that Supabase keeps: the list over a real connection, and what is said of it (G99)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.stages.config import MAIN
from tests.stages.config import config as config  # noqa: PLC0414  # a fixture
from tests.stages.server import Answer, Server, answer, silence
from tests.stages.twin import SECRET_KEY, running
from upkeep.areas.backups import drill, managed, sources
from upkeep.areas.look import Sources
from upkeep.core.findings import Finding, Level, NotCollected
from upkeep.ledger.write import LookResult
from upkeep.settings.load import settings

OK, ADVISORY, WARNING, CRITICAL, UNKNOWN = Level.OK, Level.ADVISORY, Level.WARNING, Level.CRITICAL, Level.UNKNOWN
GOOD = {"completion": OK, "age": OK, "integrity": UNKNOWN}
TOKEN = "sbp_0123456789abcdef"


@dataclass(frozen=True)
class Http:
    """A Connection's fields, as Airflow has them."""

    host: str
    password: str
    port: int | None = None
    schema: str = ""


def given(config: Path, url: str, token: str = TOKEN) -> Sources:
    """What the inspections of a target are given whose backups Supabase keeps, behind a Connection to this address."""
    file = config / MAIN
    section = "    managed_backups: {connection: upkeep_supabase, project: abcdefghijklmnopqrst}\n"
    file.write_text(file.read_text().replace("    # backups:", f"{section}    # backups:"))
    found = settings(config)
    short = found.maintenance.http.model_copy(update={"total_timeout_seconds": 5.0})
    maintenance = found.maintenance.model_copy(update={"http": short})
    unused: Any = None

    def connection(name: str, kind: str) -> Http:
        assert (name, kind) == ("upkeep_supabase", "http")
        return Http(url, token)

    ways: list[Any] = [unused] * 5
    quick = type(found)(**{**vars(found), "maintenance": maintenance})
    return Sources("primary", unused, "newest_backup", quick, *ways, connection, unused, unused, frozenset(), [], 0)


def listed(*backups: tuple[str, float], **more: Any) -> str:
    """An answer: each backup's state, and how many hours ago it was."""
    now = datetime.now(UTC)
    found = [
        {"is_physical_backup": True, "status": status, "inserted_at": (now - timedelta(hours=hours)).isoformat()}
        for status, hours in backups
    ]
    return json.dumps({"region": "eu-west-1", "walg_enabled": True, "pitr_enabled": True, "backups": found, **more})


@pytest.fixture
def look(config: Path) -> Any:
    """Looks at what a server answers; the requests that came are kept."""

    def at(*answers: Answer, token: str = TOKEN) -> tuple[LookResult, Server]:
        with Server(*answers, methods=("GET",)) as server:
            return sources.verify(given(config, server.url, token)), server

    return at


def levels(looked: LookResult) -> dict[str, Level]:
    """Aspect → level."""
    return {finding.key.removeprefix("backups:managed:"): finding.level for finding in looked.findings}


def found(looked: LookResult, aspect: str) -> Finding:
    """The finding of one aspect."""
    return next(finding for finding in looked.findings if finding.key == f"backups:managed:{aspect}")


@pytest.mark.guide("G99", "silent")
def test_a_young_backup_is_ok_and_its_bytes_are_not_collected(look: Any) -> None:
    """One request with the token; what no backup covers is named, and why integrity is not known."""
    looked, server = look(answer("200 OK", listed(("COMPLETED", 30), ("COMPLETED", 6))))
    assert levels(looked) == GOOD
    (request,) = server.received
    assert request.line == "GET /v1/projects/abcdefghijklmnopqrst/database/backups HTTP/1.1"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert found(looked, "completion").detail.startswith("2 completed, the newest ")
    assert "files of Storage, settings of Auth outside the database, code of functions" in looked.findings[0].detail
    assert "hands out no bytes" in found(looked, "integrity").detail
    assert "restore the newest into a new project" in found(looked, "integrity").remedy
    (sample,) = looked.samples
    assert 6 <= sample.value < 6.5


@pytest.mark.guide("G99", "fires", "silent")
@pytest.mark.parametrize(
    ("backups", "expected"),
    [
        ((("COMPLETED", 26.5),), GOOD | {"age": WARNING}),
        ((("COMPLETED", 51),), GOOD | {"age": CRITICAL}),
        ((("COMPLETED", -2),), GOOD | {"age": UNKNOWN}),
        ((("FAILED", 2), ("COMPLETED", 12)), GOOD | {"unfinished": WARNING}),
        ((("PENDING", 2), ("COMPLETED", 12)), GOOD | {"unfinished": ADVISORY}),
        ((("FAILED", 12), ("COMPLETED", 2)), GOOD),
        ((("FAILED", 2),), {"completion": CRITICAL}),
        ((), {"completion": CRITICAL}),
    ],
)
def test_the_newest_completed_one_is_judged(
    look: Any, backups: tuple[tuple[str, float], ...], expected: dict[str, Level]
) -> None:
    """By its age; a later one that failed is a warning, and none that is completed is critical."""
    looked, _ = look(answer("200 OK", listed(*backups)))
    assert levels(looked) == expected


@pytest.mark.guide("G99", "fires", "silent")
def test_a_flag_proves_nothing(look: Any) -> None:
    """``pitr_enabled`` with null backups is critical."""
    looked, _ = look(answer("200 OK", listed(backups=None)))
    assert levels(looked) == {"completion": CRITICAL}
    assert "a flag proves nothing" in looked.findings[0].detail


@pytest.mark.guide("G99", "silent")
def test_recovery_to_a_moment_counts_by_its_newest_physical_backup(look: Any) -> None:
    """Seconds since the epoch."""
    physical = {"latest_physical_backup_date_unix": int(datetime.now(UTC).timestamp()) - 3600}
    looked, _ = look(answer("200 OK", listed(backups=None, physical_backup_data=physical)))
    assert levels(looked) == GOOD


@pytest.mark.guide("G99", "fires", "silent")
def test_a_moment_to_recover_to_hides_no_backup_that_failed(look: Any) -> None:
    """All that are listed failed: there is no completed one, and a later one that failed is named."""
    physical = {"latest_physical_backup_date_unix": int(datetime.now(UTC).timestamp())}
    looked, _ = look(answer("200 OK", listed(("FAILED", 2), ("FAILED", 26), physical_backup_data=physical)))
    assert levels(looked) == {"completion": CRITICAL}
    looked, _ = look(answer("200 OK", listed(("FAILED", 2), ("COMPLETED", 12), physical_backup_data=physical)))
    assert levels(looked) == GOOD | {"unfinished": WARNING}


@pytest.mark.guide("G99", "fires")
@pytest.mark.parametrize(
    ("said", "why"),
    [
        (answer("401 Unauthorized", "{}"), "answered 401: the token is not valid"),
        (answer("403 Forbidden", "{}"), "answered 403: the token is not valid"),
        (answer("404 Not Found", "{}"), "answered 404, expected 200"),
        (answer("302 Found", Location="http://127.0.0.1:1/"), "answered 302, expected 200"),
        (answer("200 OK", "<html>"), "its answer is not as documented: its body"),
        (answer("200 OK", '{"backups": [{"status": "COMPLETED"}]}'), "backups.0.inserted_at: Field required"),
        (answer("200 OK", '{"backups": [' + " " * 1_000_001 + "]}"), "a list of more than 1,000,000 bytes"),
        (silence, "no answer within 5 s"),
    ],
)
def test_what_is_not_a_list_is_not_collected(look: Any, said: Answer, why: str) -> None:
    """UNKNOWN with the reason, which does not hold the token."""
    looked, _ = look(said)
    assert levels(looked) == {"completion": UNKNOWN}
    assert why in looked.findings[0].detail
    assert TOKEN not in str(looked)


def test_without_a_token_nothing_is_asked(look: Any) -> None:
    """The reason says what was expected."""
    looked, server = look(answer("200 OK", listed(("COMPLETED", 1))), token="")
    assert levels(looked) == {"completion": UNKNOWN}
    assert "expected an access token" in looked.findings[0].detail
    assert server.received == []


def test_a_token_goes_nowhere_without_tls(config: Path) -> None:
    """But to this machine itself."""
    looked = sources.verify(given(config, "http://supabase.example"))
    assert levels(looked) == {"completion": UNKNOWN}
    assert "over which no token is sent" in looked.findings[0].detail


@pytest.mark.guide("G101", "G102", "fires")
def test_restoration_and_drill_are_a_persons_deed(config: Path) -> None:
    """Both are NOT COLLECTED, with what to do and where to say so."""
    about = given(config, "https://api.supabase.com")
    for look_at in (sources.restore, drill.inspect):
        with pytest.raises(NotCollected, match="restore the newest into a new project") as caught:
            look_at(about)
        assert "in the monthly attestation of recovery" in str(caught.value)


@pytest.mark.guide("G99", "silent")
def test_the_twin_lists_as_the_platform_does(config: Path, tmp_path: Path) -> None:
    """The sandbox's base backups, for whoever has its secret key; a backup under way is pending."""
    for name, age, finished in (("old", 9, True), ("new", 3, True), ("coming", 1, False)):
        folder = tmp_path / "base" / name
        folder.mkdir(parents=True)
        began = datetime.now(UTC) - timedelta(hours=age)
        label = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)"
        (folder / "backup_label").write_text(f"{label}\nSTART TIME: {began:%Y-%m-%d %H:%M:%S} UTC\n")
        if finished:
            (folder / "backup_manifest").touch()
    with running("host=none", tmp_path, UPKEEP_TWIN_BACKUPS=str(tmp_path / "base")) as twin:
        looked = sources.verify(given(config, twin.url, SECRET_KEY))
        assert levels(looked) == GOOD | {"unfinished": ADVISORY}
        assert 3 <= looked.samples[0].value < 3.5
        where = managed.http_address(twin.url, None, "")
        with pytest.raises(managed.Unreachable, match="answered 401"):
            managed.ask(where, "ref", "wrong", settings(config).maintenance.http)
