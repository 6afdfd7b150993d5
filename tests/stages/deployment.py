"""What tests share of check."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from sandbox.postgres import HOST
from sandbox.twin import keys
from upkeep.settings.base import ROOT

SECRET = "a-secret-of-the-tests-that-is-at-least-32-bytes-long"
SECRET_KEY = keys.secret_key()
LEGACY_KEY = keys.legacy_key(SECRET)


@contextmanager
def twin(dsn: str, folder: Path) -> Iterator[str]:
    """A functions twin as a process, ended with the block; yields its address."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "UPKEEP_TWIN_PORT": str(port),
        "UPKEEP_TWIN_DSN": dsn,
        "UPKEEP_TWIN_JWT_SECRET": SECRET,
        "UPKEEP_TWIN_SECRET_KEY": SECRET_KEY,
    }
    log_file, url = folder / "twin.log", f"http://{HOST}:{port}"
    with log_file.open("wb") as log:
        argv = [sys.executable, "-m", "sandbox.twin"]
        process = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 120
        while not _answers(url):
            assert process.poll() is None and time.monotonic() < deadline, log_file.read_text()
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/openapi.json", timeout=5).ok
    except requests.ConnectionError:
        return False
