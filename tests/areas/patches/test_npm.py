"""Real npm against a small registry on loopback, on a copy of what is checked out."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.registry import Registry
from tests.stages.npm import program
from tests.stages.server import Server
from upkeep.areas.patches import npm
from upkeep.areas.patches.run import Npm
from upkeep.core.findings import Level
from upkeep.ledger.write import LookResult
from upkeep.settings.base import ROOT
from upkeep.settings.patches import Checkout


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry of the test's own that knows what the sandbox's knows."""
    with Registry(0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the sandbox's, with its known old dependencies."""
    return Path(shutil.copytree(ROOT / "sandbox" / "checkout", tmp_path / "checkout"))


@pytest.fixture
def run(checkout: Path, registry: Registry, tmp_path: Path) -> Npm:
    """npm on this checkout, asking this registry."""
    return Npm(Checkout(folder=checkout, registry=registry.url, npm=program(tmp_path), timeout_seconds=60))


def change(file: Path, *replaced: tuple[str, str]) -> None:
    """Replace texts in a file, each of which must be there."""
    text = file.read_text()
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)


def upgrade(checkout: Path) -> None:
    """What a person does: newer versions in both files."""
    change(checkout / "package.json", ("0.0.8", "1.2.8"))
    change(checkout / "package-lock.json", ("4.17.15", "4.17.21"), ("0.0.8", "1.2.8"))


def levels(looked: LookResult) -> dict[str, Level]:
    """Key → level."""
    return {finding.key: finding.level for finding in looked.findings}


@pytest.mark.guide("G16", "fires", "silent")
@pytest.mark.guide("G73", "fires", "silent")
def test_a_vulnerable_package_is_found_until_it_is_upgraded(run: Npm, checkout: Path) -> None:
    """Each by its package, the worst first, with what mends it; then none of two."""
    looked = npm.audit(run)
    assert levels(looked) == {"npm:audit:minimist": Level.WARNING, "npm:audit:lodash": Level.WARNING}
    minimist, lodash = looked.findings
    assert minimist.detail.startswith("critical: Prototype Pollution in minimist; versions")
    assert minimist.remedy.startswith("minimist 1.2.8 fixes it")
    assert lodash.remedy.startswith("npm audit fix fixes it")
    assert {one.subject: one.value for one in looked.samples if one.value} == {"critical": 1, "high": 1}
    upgrade(checkout)
    looked = npm.audit(run)
    assert levels(looked) == {"npm:audit": Level.OK}
    assert looked.findings[0].detail == "none of 2 packages has a known vulnerability"


@pytest.mark.guide("G74", "fires", "silent")
def test_an_outdated_package_is_found_until_it_is_upgraded(run: Npm, checkout: Path) -> None:
    """The current version is the lock's: nothing is installed in the copy."""
    looked = npm.outdated(run)
    assert [finding.detail for finding in looked.findings] == [
        "0.0.8, the latest is 1.2.8 (major)",
        "4.17.15, the latest is 4.17.21 (patch)",
    ]
    assert {one.subject: one.value for one in looked.samples if one.value} == {"major": 1, "patch": 1}
    upgrade(checkout)
    assert levels(npm.outdated(run)) == {"npm:outdated": Level.OK}


@pytest.mark.guide("G74", "fires", "silent")
@pytest.mark.parametrize("kind", ["devDependencies", "optionalDependencies"])
def test_a_dependency_for_development_is_outdated_too(run: Npm, checkout: Path, kind: str) -> None:
    """npm itself says nothing of one that is not installed: nothing is, in the copy."""
    change(checkout / "package.json", ('"dependencies"', f'"{kind}"'))
    assert set(levels(npm.outdated(run))) == {"npm:outdated:minimist", "npm:outdated:lodash"}
    upgrade(checkout)
    assert levels(npm.outdated(run)) == {"npm:outdated": Level.OK}


@pytest.mark.guide("G74", "fires", "silent")
def test_a_dependency_that_the_registry_does_not_know_is_unknown(run: Npm, checkout: Path, registry: Registry) -> None:
    """npm passes over a 404 in silence; once the registry knows it, all are at their latest."""
    upgrade(checkout)
    registry.packages = {name: versions for name, versions in registry.packages.items() if name != "lodash"}
    (finding,) = npm.outdated(run).findings
    assert (finding.key, finding.level, finding.detail) == ("npm:outdated:unseen", Level.UNKNOWN, "1: lodash")
    registry.packages = {**registry.packages, "lodash": ("4.17.21",)}
    assert levels(npm.outdated(run)) == {"npm:outdated": Level.OK}


@pytest.mark.guide("G73", "holds")
def test_an_audit_that_the_registry_refuses_is_unknown_and_the_rest_goes_on(run: Npm, registry: Registry) -> None:
    """405 at both of its endpoints is not "clean"; outdated asks another."""
    registry.audits = False
    (finding,) = npm.audit(run).findings
    assert (finding.key, finding.level) == ("npm:audit", Level.UNKNOWN)
    assert "405" in finding.detail
    assert Level.UNKNOWN not in levels(npm.outdated(run)).values()


@pytest.mark.guide("G74", "holds")
def test_a_registry_that_is_away_is_unknown(run: Npm) -> None:
    """Nobody listens there: neither says that all is well."""
    config = run.config.model_copy(update={"registry": "http://127.0.0.1:1/"})
    for look in (npm.audit, npm.outdated):
        (finding,) = look(Npm(config)).findings
        assert finding.level is Level.UNKNOWN, finding


def hostile(checkout: Path, elsewhere: str) -> None:
    """What somebody may commit who wants npm to run or to fetch something."""
    touch = f"touch '{checkout.parent}/ran'"
    manifest: dict[str, Any] = json.loads((checkout / "package.json").read_text())
    manifest["scripts"] = dict.fromkeys(("preinstall", "install", "postinstall", "preaudit", "prepare"), touch)
    manifest["dependencies"] |= {
        "of-git": f"git+{elsewhere}/a.git",
        "of-url": f"{elsewhere}/b.tgz",
        "of-file": "file:../elsewhere",
    }
    (checkout / "package.json").write_text(json.dumps(manifest))
    lock = json.loads((checkout / "package-lock.json").read_text())
    lock["packages"][""]["dependencies"] = manifest["dependencies"]
    lock["packages"] |= {
        "node_modules/of-git": {
            "version": "1.0.0",
            "resolved": f"git+{elsewhere}/a.git#{'a' * 40}",
            "hasInstallScript": True,
        },
        "node_modules/of-url": {"version": "1.0.0", "resolved": f"{elsewhere}/b.tgz", "hasInstallScript": True},
        "node_modules/of-file": {"resolved": "../elsewhere", "link": True},
        "../elsewhere": {"version": "1.0.0", "scripts": {"postinstall": touch}},
    }
    lock["packages"]["node_modules/lodash"]["resolved"] = f"{elsewhere}/lodash/-/lodash-4.17.15.tgz"
    (checkout / "package-lock.json").write_text(json.dumps(lock))
    (checkout / ".npmrc").write_text(
        f"registry={elsewhere}/\nignore-scripts=false\nnode-options=--require={checkout}/evil.js\n"
        f"script-shell={checkout}/evil.sh\ngit={checkout}/evil.sh\n"
    )
    (checkout / "evil.sh").write_text(f"#!/bin/sh\n{touch}\n")
    (checkout / "evil.sh").chmod(0o755)
    (checkout / "evil.js").write_text(f"require('fs').writeFileSync('{checkout.parent}/ran', '')")


@pytest.mark.guide("G16", "holds")
def test_a_hostile_checkout_runs_nothing_and_is_asked_nowhere_else(run: Npm, checkout: Path) -> None:
    """.npmrc, scripts, git, URL and file dependencies: the same packages are found, and what was not seen is said."""
    with Server() as elsewhere:
        hostile(checkout, elsewhere.url)
        audited, outdated = npm.audit(run), npm.outdated(run)
        assert elsewhere.connections == 0
    assert not (checkout.parent / "ran").exists()
    assert levels(audited) == {
        "npm:audit:minimist": Level.WARNING,
        "npm:audit:lodash": Level.WARNING,
        "npm:lock:foreign": Level.ADVISORY,
    }
    assert audited.findings[-1].detail == "3: of-file, of-git, of-url"
    assert set(levels(outdated)) == {"npm:outdated:minimist", "npm:outdated:lodash"}


def test_the_checkout_is_left_as_it_was(run: Npm, checkout: Path) -> None:
    """npm writes nowhere but in its own temporary folder."""
    before = {file: file.read_bytes() for file in checkout.rglob("*")}
    npm.audit(run)
    npm.outdated(run)
    assert {file: file.read_bytes() for file in checkout.rglob("*")} == before
