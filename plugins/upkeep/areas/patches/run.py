"""npm, run on a copy of the two files within limits of time and size."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from upkeep.areas.patches.base import LOCK, MANIFEST, MAX_SAID, MOST_BYTES, NotRun
from upkeep.areas.patches.files import Files
from upkeep.settings.patches import Checkout

#: Seconds between the end of npm's output and its own.
LAST_MOMENT = 2.0


class Npm:
    """npm, run in a temporary folder with nothing of this process's environment but PATH."""

    def __init__(self, config: Checkout) -> None:
        self.config = config
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def program(self) -> str | None:
        """Where npm is, None when there is none."""
        return shutil.which(self.config.npm)

    def run(self, files: Files, command: str) -> str:
        """What ``npm <command> --json`` says of these files. Raises NotRun."""
        if (program := self.program) is None:
            raise NotRun(f"found no program {self.config.npm!r}, expected npm")
        with tempfile.TemporaryDirectory(prefix="upkeep-npm-", ignore_cleanup_errors=True) as place:
            folder = Path(place)
            checkout = folder / "checkout"
            for made in (checkout, folder / "home"):
                made.mkdir()
            (checkout / MANIFEST).write_bytes(files.flat if command == "outdated" else files.manifest)
            (checkout / LOCK).write_bytes(files.lock)
            words = ["--json", "--ignore-scripts", f"--registry={self.config.registry}", f"--prefix={checkout}"]
            if command == "audit":
                words.append("--package-lock-only")
            with (folder / "errors").open("w+b") as errors:
                self._process = subprocess.Popen(
                    [program, command, *words],
                    cwd=checkout,
                    env=_environment(program, folder),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    start_new_session=True,
                )
                try:
                    output = self._collect(self._process)
                finally:
                    self.kill()
                errors.seek(0)
                said = errors.read(10 * MAX_SAID).decode("utf-8", "replace").strip()
            if not output.strip():
                raise NotRun(f"npm ended with {self._process.returncode} and said nothing: {said[:MAX_SAID]}")
            return output.decode("utf-8", "replace")

    def kill(self) -> None:
        """End npm and all that it started."""
        process = self._process
        if process is not None and process.returncode is None:
            # Not reaped before: its number cannot have become another group's.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _collect(self, process: subprocess.Popen[bytes]) -> bytes:
        """All that it writes until it ends, within the limits of time and size."""
        assert process.stdout is not None  # noqa: S101  a pipe was asked for
        deadline, output = time.monotonic() + self.config.timeout_seconds, bytearray()
        with process.stdout as stream, selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while True:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise NotRun(f"npm had not ended after {self.config.timeout_seconds:g} s and was killed")
                chunk = os.read(stream.fileno(), 1 << 16)
                output += chunk
                if len(output) > MOST_BYTES:
                    raise NotRun(f"npm said more than {MOST_BYTES} bytes and was killed")
                if not chunk:
                    break
        _wait_for_its_end(process.pid)
        return bytes(output)


def _wait_for_its_end(pid: int) -> None:
    """Give it a moment after its output's end, and leave it unreaped, so that its group can still be ended safely."""
    patience = time.monotonic() + LAST_MOMENT
    while time.monotonic() < patience and not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
        time.sleep(0.01)


def _environment(program: str, folder: Path) -> dict[str, str]:
    user, everyone, git = (str(folder / f"no-{name}") for name in ("user", "global", "git"))  # none of them exists
    return {
        "PATH": os.pathsep.join((str(Path(program).parent), os.environ.get("PATH", os.defpath))),
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        "NPM_CONFIG_CACHE": str(folder / "cache"),
        "NPM_CONFIG_USERCONFIG": user,
        "NPM_CONFIG_GLOBALCONFIG": everyone,
        "NPM_CONFIG_GIT": git,  # a dependency from git is not fetched
        "NPM_CONFIG_UPDATE_NOTIFIER": "false",
        "NPM_CONFIG_LOGLEVEL": "error",
        "NPM_CONFIG_FETCH_RETRIES": "1",
        "NPM_CONFIG_FETCH_RETRY_MINTIMEOUT": "1000",
    }
