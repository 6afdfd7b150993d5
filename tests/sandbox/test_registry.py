"""The sandbox's npm registry as a process, and the npm that its configuration names."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox import npm
from sandbox.config import write_config
from sandbox.programs import PROGRAMS
from sandbox.registry import ADVISORIES, BULK, PORT
from sandbox.stack import ROOT, open_sandbox
from upkeep.areas.patches.files import read_files
from upkeep.settings.load import settings


@pytest.fixture
def url(port: int) -> Iterator[str]:
    """A running one's address; it ends by SIGTERM with code 0."""
    argv = [sys.executable, "-m", "sandbox.registry"]
    environ = {**os.environ, PORT: str(port), "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}
    process = subprocess.Popen(argv, env=environ, cwd="/", stderr=subprocess.DEVNULL)
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
    try:
        while True:
            try:
                ask("GET", address)
                break
            except (requests.ConnectionError, requests.Timeout):
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def ask(method: str, url: str, **options: Any) -> requests.Response:
    """One request, whatever proxy the environment names."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, timeout=10, **options)


def test_it_answers_what_npm_asks_and_refuses_the_rest(url: str) -> None:
    """Documents and advisories; what it does not know is 404, another endpoint 405, nonsense 400."""
    document = ask("GET", f"{url}/lodash").json()
    assert document["dist-tags"]["latest"] == "4.17.21"
    assert ask("GET", f"{url}/left-pad").status_code == 404
    told = ask("POST", f"{url}{BULK}", json={"minimist": ["0.0.8"], "left-pad": ["1.0.0"]}).json()
    assert [advisory["id"] for advisory in told["minimist"]] == [number for number, *_ in ADVISORIES["minimist"]]
    assert set(told) == {"minimist"}
    assert ask("POST", f"{url}/-/npm/v1/security/audits/quick", json={}).status_code == 405
    for body in (b"{", b"1"):
        assert ask("POST", f"{url}{BULK}", data=body).status_code == 400


def test_the_sandboxs_configuration_leads_to_it(tmp_path: Path) -> None:
    """It is one of the supervised programs; folder, registry and npm are this sandbox's; the lock is readable."""
    sandbox = open_sandbox(tmp_path)
    write_config(sandbox, pinned=False)
    settings.cache_clear()
    checkout = settings(tmp_path / "config").target("primary").checkout
    assert checkout is not None
    assert "registry" in PROGRAMS
    assert checkout.registry == f"http://127.0.0.1:{sandbox.ports['registry']}/"
    assert checkout.npm == npm.program(sandbox.folder)
    assert read_files(checkout.folder).locked == {"lodash": "4.17.15", "minimist": "0.0.8"}


def test_the_wheels_npm_starts_without_another_node(tmp_path: Path) -> None:
    """With nothing but a shell's own PATH; without the wheel it is the machine's by name."""
    program = npm.program(tmp_path)
    if program == "npm":
        found = shutil.which("npm")
        assert found or os.environ.get("CI") != "true", "CI requires npm: install sandbox/requirements.txt"
        return
    done = subprocess.run(
        [program, "--version"],
        env={"PATH": "/nowhere", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout.partition(".")[0]) >= 7
