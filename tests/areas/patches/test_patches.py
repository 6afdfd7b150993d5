"""npm's answers and the files it is given: what is vulnerable, clean, not looked at, and what is hostile."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upkeep.areas.patches import npm
from upkeep.areas.patches.answers import NpmAudit, Versions, read_audit, read_outdated
from upkeep.areas.patches.base import MOST_BYTES, NotRun
from upkeep.areas.patches.files import Files, read_files
from upkeep.areas.patches.run import Npm
from upkeep.core.findings import Finding, Level
from upkeep.settings.patches import Checkout

#: What npm 11 says, as recorded, cut to what matters.
COUNTS = {"info": 0, "low": 0, "moderate": 0, "high": 1, "critical": 1, "total": 2}
LODASH = {
    "name": "lodash",
    "severity": "high",
    "isDirect": True,
    "via": [{"source": 1106913, "name": "lodash", "title": "Command Injection in lodash", "severity": "high"}],
    "effects": [],
    "range": "<=4.17.20",
    "nodes": ["node_modules/lodash"],
    "fixAvailable": True,
}
MINIMIST = {
    "name": "minimist",
    "severity": "critical",
    "isDirect": False,
    "via": [{"title": "Prototype Pollution in minimist"}, "mkdirp"],
    "range": "<0.2.4",
    "fixAvailable": {"name": "minimist", "version": "1.2.8", "isSemVerMajor": True},
}
VULNERABLE = {
    "auditReportVersion": 2,
    "vulnerabilities": {"lodash": LODASH, "minimist": MINIMIST},
    "metadata": {"vulnerabilities": COUNTS, "dependencies": {"prod": 3, "total": 2}},
}
CLEAN = {
    "auditReportVersion": 2,
    "vulnerabilities": {},
    "metadata": {"vulnerabilities": dict.fromkeys(COUNTS, 0), "dependencies": {"prod": 3, "total": 2}},
}
NOT_ALLOWED = {
    "message": "405 Method Not Allowed - POST http://127.0.0.1:4873/-/npm/v1/security/audits/quick",
    "method": "POST",
    "statusCode": 405,
    "error": {"summary": "", "detail": ""},
}
NO_LOCK = {"error": {"code": "ENOLOCK", "summary": "This command requires an existing lockfile.", "detail": "Try"}}


def test_vulnerable_is_read_the_worst_first() -> None:
    """Each package with its severity, whether it is a direct dependency, its advisories, and what mends it."""
    audit = read_audit(json.dumps(VULNERABLE))
    assert audit.packages == 2
    first, second = audit.vulnerabilities
    assert (first.package, first.severity, first.direct) == ("minimist", "critical", False)
    assert (first.titles, first.fix) == (("Prototype Pollution in minimist", "through mkdirp"), "minimist 1.2.8")
    assert (second.package, second.severity, second.fix) == ("lodash", "high", "npm audit fix")


def test_clean_is_read() -> None:
    """An answer with counts of nothing, of so many packages."""
    assert read_audit(json.dumps(CLEAN)) == NpmAudit((), 2)


@pytest.mark.parametrize(
    ("said", "reason"),
    {
        "the endpoint is missing": (json.dumps(NOT_ALLOWED), "status 405; 405 Method Not Allowed"),
        "an error of npm": (json.dumps(NO_LOCK), "ENOLOCK; This command requires"),
        "an error without words": ('{"error": {"summary": "", "detail": ""}}', "an error without words"),
        "words": ("npm ERR! oh no", "found no JSON"),
        "cut off": ('{"vulnerabilities": {', "found no JSON"),
        "a list": ("[]", "JSON of type list"),
        "nothing in it": ("{}", "without vulnerabilities and their counts"),
        "no counts": ('{"vulnerabilities": {}}', "without vulnerabilities and their counts"),
        "counts that differ": (
            json.dumps({**VULNERABLE, "vulnerabilities": {}}),
            "found 0 vulnerabilities, but a count",
        ),
        "an unknown severity": (
            json.dumps({**VULNERABLE, "vulnerabilities": {"a": {"severity": "dire"}, "b": LODASH}}),
            "no known severity of 'a'",
        ),
        "no package that it looked at": (
            json.dumps({**CLEAN, "metadata": {**CLEAN["metadata"], "dependencies": {"total": 0}}}),  # type: ignore[dict-item]
            "found 0 packages that it looked at",
        ),
        "no number of packages": (
            json.dumps({**CLEAN, "metadata": {**CLEAN["metadata"], "dependencies": {}}}),  # type: ignore[dict-item]
            "found None packages that it looked at",
        ),
        "nested without end": ('{"a":' * 100_000, "found no JSON"),
    }.values(),
)
def test_an_audit_that_did_not_run_is_never_clean(said: str, reason: str) -> None:
    """Whatever the exit code was: the shape decides, and the reason is said."""
    with pytest.raises(NotRun) as caught:
        read_audit(said)
    assert reason in str(caught.value)


def of(locked: dict[str, str]) -> Files:
    """A checkout whose direct dependencies are locked so."""
    return Files(b"", b"", b"", locked, tuple(locked), (), ())


def test_outdated_takes_the_current_version_from_the_lock() -> None:
    """Nothing is installed in the copy, so npm names every dependency: what is at its latest is left out."""
    said = {
        "lodash": {"wanted": "4.17.21", "latest": "4.17.21", "dependent": "p"},
        "minimist": {"wanted": "0.0.8", "latest": "1.2.8", "dependent": "p"},
        "error": {"wanted": "7.0.2", "latest": "10.4.0", "dependent": "p"},
        "odd": [{"current": "1.0.0", "wanted": "1.0.0", "latest": "1.0.1"}],
    }
    locked = {"lodash": "4.17.21", "minimist": "0.0.8", "error": "10.3.0"}
    found = read_outdated(json.dumps(said), of(locked))
    assert found.unseen == ()
    assert [(one.package, one.current, one.latest, one.lag) for one in found.outdated] == [
        ("minimist", "0.0.8", "1.2.8", "major"),
        ("error", "10.3.0", "10.4.0", "minor"),
        ("odd", "1.0.0", "1.0.1", "patch"),
    ]
    assert read_outdated("{}", of({})) == Versions((), ())


def test_a_dependency_that_npm_does_not_name_was_not_looked_at() -> None:
    """It passes over what the registry does not know; an alias is told with what it stands for, and is seen."""
    locked = {"lodash": "4.17.21", "mine": "1.0.0", "@private/one": "1.0.0"}
    said = {"mine:lodash@^1": {"wanted": "1.0.0", "latest": "1.0.0"}, "lodash": {"latest": "4.17.21"}}
    assert read_outdated(json.dumps(said), of(locked)) == Versions((), ("@private/one",))


@pytest.mark.parametrize("said", [json.dumps(NOT_ALLOWED), "", '{"lodash": 1}', '{"lodash": {"wanted": "1.0.0"}}'])
def test_outdated_that_did_not_run_is_never_up_to_date(said: str) -> None:
    """An error, nothing, or a package without its latest version."""
    with pytest.raises(NotRun):
        read_outdated(said, of({}))


# The files ------------------------------------------------------------------------------------------------------

MANIFEST: dict[str, Any] = {"name": "p", "version": "1.0.0", "dependencies": {"lodash": "^4.17.15"}}
LOCK: dict[str, Any] = {"lockfileVersion": 3, "packages": {"": {}, "node_modules/lodash": {"version": "4.17.15"}}}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small one, whole."""
    (tmp_path / "package.json").write_text(json.dumps(MANIFEST))
    (tmp_path / "package-lock.json").write_text(json.dumps(LOCK))
    return tmp_path


def test_the_files_of_a_checkout(checkout: Path) -> None:
    """Their bytes, and the versions of the direct dependencies."""
    files = read_files(checkout)
    assert (files.locked, files.missing, files.foreign) == ({"lodash": "4.17.15"}, (), ())
    assert json.loads(files.lock) == LOCK


def _lock(content: object) -> Callable[[Path], object]:
    return lambda folder: (folder / "package-lock.json").write_text(json.dumps(content))


def _large(folder: Path) -> None:
    with (folder / "package-lock.json").open("r+b") as opened:
        opened.truncate(50_000_000)


def _linked(folder: Path) -> None:
    (folder / "package.json").unlink()
    (folder / "package.json").symlink_to("/etc/passwd")


def _piped(folder: Path) -> None:
    (folder / "package.json").unlink()
    os.mkfifo(folder / "package.json")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    {
        "no lock": (lambda folder: (folder / "package-lock.json").unlink(), "package-lock.json"),
        "no manifest": (lambda folder: (folder / "package.json").unlink(), "found no"),
        "of npm 6": (_lock({"lockfileVersion": 1, "dependencies": {}}), "found lockfileVersion 1, expected one of"),
        "of a later npm": (_lock({**LOCK, "lockfileVersion": 4}), "found lockfileVersion 4"),
        "of no version": (_lock({"packages": {}}), "found lockfileVersion None"),
        "of a version that is true": (_lock({**LOCK, "lockfileVersion": True}), "found lockfileVersion True"),
        "without packages": (_lock({"lockfileVersion": 3}), "found no list of packages"),
        "with packages of nonsense": (_lock({"lockfileVersion": 3, "packages": {"a": 1}}), "found no list of packages"),
        "a list": (_lock([]), "JSON of type list"),
        "no JSON": (lambda folder: (folder / "package-lock.json").write_text("<<<<<<< HEAD"), "found no JSON"),
        "no text": (lambda folder: (folder / "package-lock.json").write_bytes(b"\xff\xfe\xff"), "found no JSON"),
        "50 MB": (_large, f"found more than {MOST_BYTES} bytes"),
        "a link": (_linked, "cannot be read"),
        "a pipe": (_piped, "no regular file"),
        "odd dependencies": (
            lambda folder: (folder / "package.json").write_text('{"dependencies": ["lodash"]}'),
            "found dependencies of type list",
        ),
    }.values(),
)
@pytest.mark.guide("G16", "holds")
def test_files_that_npm_is_not_given(checkout: Path, spoil: Callable[[Path], object], reason: str) -> None:
    """Each is one UNKNOWN finding of the audit and one of outdated, with its reason; npm is never started."""
    spoil(checkout)
    config = Checkout(folder=checkout, registry="http://127.0.0.1:1/", npm="/bin/false")
    for look, key in ((npm.audit, "npm:audit"), (npm.outdated, "npm:outdated")):
        (finding,) = look(Npm(config)).findings
        assert (finding.key, finding.level) == (key, Level.UNKNOWN)
        assert finding.detail.startswith("not collected: ")
        assert reason in finding.detail


# Findings -------------------------------------------------------------------------------------------------------


def fake(folder: Path, script: str, *, seconds: float = 20) -> Npm:
    """A program in npm's place."""
    program = folder / "fake-npm"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Npm(Checkout(folder=folder, registry="http://127.0.0.1:1/", npm=str(program), timeout_seconds=seconds))


def said(folder: Path, answer: object, code: int = 1) -> Npm:
    """A program in npm's place that says this and exits so."""
    (folder / "answer").write_text(json.dumps(answer))
    return fake(folder, f"cat '{folder}/answer'; exit {code}")


def levels(findings: tuple[Finding, ...]) -> dict[str, Level]:
    """Key → level."""
    return {finding.key: finding.level for finding in findings}


@pytest.mark.guide("G73", "fires", "silent")
def test_the_exit_code_decides_nothing(checkout: Path) -> None:
    """The same answer with 0 and with 1 is the same finding; an error with 0 is UNKNOWN."""
    for code in (0, 1):
        looked = npm.audit(said(checkout, VULNERABLE, code))
        assert levels(looked.findings) == {"npm:audit:minimist": Level.WARNING, "npm:audit:lodash": Level.WARNING}
        assert {one.subject: one.value for one in looked.samples}["critical"] == 1
        assert levels(npm.audit(said(checkout, CLEAN, code)).findings) == {"npm:audit": Level.OK}
        assert levels(npm.audit(said(checkout, NOT_ALLOWED, code)).findings) == {"npm:audit": Level.UNKNOWN}


def test_many_vulnerable_packages_are_cut(checkout: Path) -> None:
    """The worst fifty, and one finding for the rest, as bad as the worst of it."""
    many = {f"p{number:03}": {**LODASH, "severity": "low"} for number in range(60)}
    answer = {
        **VULNERABLE,
        "vulnerabilities": many,
        "metadata": {**CLEAN["metadata"], "vulnerabilities": {"total": 60}},
    }  # type: ignore[dict-item]
    findings = npm.audit(said(checkout, answer)).findings
    assert len(findings) == npm.SHOWN + 1
    assert (findings[-1].key, findings[-1].level) == ("npm:audit:more", Level.ADVISORY)
    assert findings[-1].detail.startswith("10 more")


@pytest.mark.guide("G74", "fires", "silent")
def test_a_major_lag_is_said_until_it_is_gone(checkout: Path) -> None:
    """The lock's version beside the latest; none once they are the same."""
    answer = {"lodash": {"wanted": "4.17.21", "latest": "5.0.0", "dependent": "checkout"}}
    (finding,) = npm.outdated(said(checkout, answer)).findings
    assert (finding.key, finding.level) == ("npm:outdated:lodash", Level.ADVISORY)
    assert finding.detail == "4.17.15, the latest is 5.0.0 (major)"
    assert "package.json allows 4.17.21" in finding.remedy
    current = {"lodash": {**answer["lodash"], "latest": "4.17.15"}}
    assert levels(npm.outdated(said(checkout, current)).findings) == {"npm:outdated": Level.OK}


@pytest.mark.guide("G74", "fires", "silent")
def test_outdated_that_names_nothing_is_never_up_to_date(checkout: Path) -> None:
    """No word of a dependency, or no dependency at all, is UNKNOWN; until npm names each."""
    (finding,) = npm.outdated(said(checkout, {})).findings
    assert (finding.key, finding.level, finding.detail) == ("npm:outdated:unseen", Level.UNKNOWN, "1: lodash")
    current = {"lodash": {"wanted": "4.17.15", "latest": "4.17.15"}}
    assert levels(npm.outdated(said(checkout, current)).findings) == {"npm:outdated": Level.OK}
    (checkout / "package.json").write_text('{"name": "p"}')
    (finding,) = npm.outdated(said(checkout, {})).findings
    assert finding.level is Level.UNKNOWN and "found no dependency from a registry" in finding.detail


def test_what_the_audit_cannot_know_is_said(checkout: Path) -> None:
    """A dependency that the lock lacks, and one from git, a file or a URL: "clean" is of the others."""
    manifest = {**MANIFEST, "devDependencies": {"jest": "1"}}
    (checkout / "package.json").write_text(json.dumps(manifest))
    strangers = {
        "node_modules/of-git": {"version": "1.0.0", "resolved": "git+ssh://git@127.0.0.1/a.git#abc"},
        "node_modules/a/node_modules/of-url": {"version": "1.0.0", "resolved": "http://127.0.0.1/a.tgz"},
        "node_modules/of-file": {"resolved": "../elsewhere", "link": True},
        "node_modules/usual": {"version": "1.0.0", "resolved": "https://example.org/usual/-/usual-1.0.0.tgz"},
    }
    _lock({**LOCK, "packages": {**LOCK["packages"], **strangers}})(checkout)
    findings = npm.audit(said(checkout, CLEAN, 0)).findings
    assert levels(findings) == {
        "npm:audit": Level.OK,
        "npm:lock:missing": Level.WARNING,
        "npm:lock:foreign": Level.ADVISORY,
    }
    assert [finding.detail for finding in findings[1:]] == ["1: jest", "3: of-file, of-git, of-url"]


# Running --------------------------------------------------------------------------------------------------------


def test_npm_inherits_no_secret_and_nothing_but_the_two_files(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the environment of the task nor what lies beside the two files."""
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_LEDGER", "S3CRET")
    monkeypatch.setenv("NODE_OPTIONS", "--require ./evil.js")
    (checkout / ".npmrc").write_text("registry=http://127.0.0.1:9/\n")
    text = fake(checkout, 'env; echo "in:"; ls -A; echo "words: $*"').run(read_files(checkout), "audit")
    assert "S3CRET" not in text
    assert "NODE_OPTIONS" not in text
    assert "\nin:\npackage-lock.json\npackage.json\n" in text
    assert "--ignore-scripts --registry=http://127.0.0.1:1/" in text
    assert f"HOME={Path.home()}\n" not in text


def ended(pid: int) -> bool:
    """Whether a process is gone, or waits for nothing but being looked at."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(")")[2].split()[0] == "Z"


def test_npm_that_hangs_is_ended_with_all_it_started(checkout: Path) -> None:
    """By its process group, and the reason is said."""
    npm_that_hangs = fake(checkout, f"sleep 300 & echo $! > '{checkout}/child'; wait", seconds=4)
    with pytest.raises(NotRun, match="had not ended after 4 s"):
        npm_that_hangs.run(read_files(checkout), "audit")
    child = int((checkout / "child").read_text())
    deadline = time.monotonic() + 60  # a signal that was sent takes a busy machine a moment
    while not ended(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_npm_that_never_stops_talking_is_ended(checkout: Path) -> None:
    """A cap on what is kept of it."""
    with pytest.raises(NotRun, match="said more than"):
        fake(checkout, "exec yes").run(read_files(checkout), "audit")


def test_npm_that_says_nothing_or_is_absent(checkout: Path) -> None:
    """What it wrote to standard error is the reason; without a program its name is."""
    with pytest.raises(NotRun, match="said nothing: Segmentation"):
        fake(checkout, "echo Segmentation fault >&2; exit 139").run(read_files(checkout), "audit")
    absent = Npm(Checkout(folder=checkout, registry="http://127.0.0.1:1/", npm="/no/npm"))
    assert absent.program is None
    with pytest.raises(NotRun, match="found no program '/no/npm'"):
        absent.run(read_files(checkout), "audit")
