"""Azurite, Microsoft's own emulator of Azure Blob Storage, on loopback; and its containers, seen by Microsoft's SDK.

It is installed once below ``.cache`` by npm from the lock in ``tests/azurite``, and run by the same node.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient, StandardBlobTier, generate_container_sas

from sandbox.npm_postgres import ROOT
from sandbox.ports import free_port
from tests.stages import npm

LOCK = ROOT / "tests" / "azurite"
#: The account that every Azurite has, with the key that Microsoft publishes.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
#: What Upkeep is given: read, create, list. What nobody should give it.
LEAST, MOST = "rcl", "rcwdl"
PATIENCE_SECONDS = 60


def _installed() -> list[str]:
    """How Azurite's Blob service is started. CI requires it; elsewhere its absence counts as not run."""
    lock = hashlib.sha256((LOCK / "package-lock.json").read_bytes()).hexdigest()[:16]
    final = ROOT / ".cache" / "azurite" / lock
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=final.parent) as folder, (final.parent / "lock").open("w") as busy:
        program = npm.program(Path(folder))
        fcntl.flock(busy, fcntl.LOCK_EX)  # tests that run side by side install it once
        if not final.is_dir():
            unpacked = Path(folder) / "unpacked"
            shutil.copytree(LOCK, unpacked)
            argv = [program, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
            done = subprocess.run(argv, cwd=unpacked, capture_output=True, text=True, check=False)
            if done.returncode:
                said = f"npm could not install Azurite: {(done.stderr or done.stdout)[-300:]}"
                if os.environ.get("CI") != "true":
                    pytest.skip(said)
                pytest.fail(said)
            unpacked.rename(final)
        found = re.search(r"^export PATH=(\S+):", Path(program).read_text(errors="replace"), re.MULTILINE)
    node = f"{found[1]}/node" if found else str(shutil.which("node"))
    return [node, str(final / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js")]


@dataclass(frozen=True)
class Azurite:
    """A running one: the account's URL, and the folder with the blobs' bytes."""

    url: str
    folder: Path

    def container(self, name: str) -> Bucket:
        """A new container."""
        client = BlobServiceClient(self.url, credential=KEY, api_version="2025-11-05").create_container(name)
        return Bucket(self, name, client)


@dataclass(frozen=True)
class Bucket:
    """A container as its owner sees it, by the account's key."""

    azurite: Azurite
    name: str
    client: ContainerClient

    def sas(self, permissions: str = LEAST, hours: float = 1) -> str:
        """A SAS of the container."""
        until = datetime.now(UTC) + timedelta(hours=hours)
        return str(generate_container_sas(ACCOUNT, self.name, account_key=KEY, permission=permissions, expiry=until))

    def names(self) -> list[str]:
        """All its blobs."""
        return sorted(self.client.list_blob_names())

    def read(self, name: str) -> bytes:
        """A blob's bytes."""
        return bytes(self.client.download_blob(name).readall())

    def write(self, name: str, content: bytes) -> None:
        """Write a blob, over what is there."""
        self.client.upload_blob(name, content, overwrite=True)

    def tier(self, name: str, tier: StandardBlobTier) -> None:
        """Move a blob to a tier, as a rule of the account would."""
        self.client.get_blob_client(name).set_standard_blob_tier(tier)

    @contextmanager
    def rotten(self, name: str) -> Iterator[None]:
        """Within the block a byte in the blob's middle is another one on the disk; the service knows nothing."""
        content = self.read(name)
        for file in (self.azurite.folder / "__blobstorage__").iterdir():
            if (at := file.read_bytes().find(content)) >= 0:
                break
        else:
            raise AssertionError(f"found no file with the bytes of {name}")
        at += len(content) // 2
        with file.open("r+b") as opened:
            for change in (1, None):
                opened.seek(at)
                opened.write(bytes([content[len(content) // 2] ^ (change or 0)]))
                opened.flush()
                if change:
                    yield


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """One for the session."""
    folder, port = tmp_path_factory.mktemp("azurite"), free_port()
    argv = [*_installed(), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)]
    argv += ["--silent", "--disableTelemetry"]
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, cwd=folder, stdout=log, stderr=log) as process:
        try:
            end = time.monotonic() + PATIENCE_SECONDS
            while not _answers(port):
                assert process.poll() is None and time.monotonic() < end, (folder / "log").read_text()
                time.sleep(0.05)
            yield Azurite(f"http://127.0.0.1:{port}/{ACCOUNT}", folder)
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
    except OSError as why:
        return hasattr(why, "code")  # it refuses, so it is there
    return True
