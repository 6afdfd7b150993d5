"""Faults that last as long as a process holds something in the target: connections, an open transaction.

``python -m sandbox.holding NAME`` is that process.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import psycopg

from sandbox.stack import PYTHON, Sandbox, environment, open_sandbox

#: Rows and sessions of a fault carry this, so that healing finds them again.
MARK = "planted by the sandbox"
PATIENCE_SECONDS = 30.0
LEFT = 7  # connections that saturation leaves to others

Change = Callable[[Sandbox], None]


def start(name: str) -> Change:
    """Start a process that holds something in the target until it is ended."""

    def change(sandbox: Sandbox) -> None:
        if _holder(sandbox, name):
            return
        log = (sandbox.folder / "logs" / f"fault-{name}.log").open("wb")
        with log:
            holder = subprocess.Popen(
                [PYTHON, "-m", "sandbox.holding", name],
                env={**environment(sandbox), "UPKEEP_SANDBOX": str(sandbox.folder)},
                cwd=sandbox.processes,  # `down` ends what works here
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _pid_file(sandbox, name).write_text(str(holder.pid))
        ready = _pid_file(sandbox, name).with_suffix(".ready")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not ready.exists():
            if holder.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"fault {name} could not be planted: see {log.name}")
            time.sleep(0.1)

    return change


def end(name: str) -> Change:
    """End that process, if it runs."""

    def change(sandbox: Sandbox) -> None:
        if holder := _holder(sandbox, name):
            holder.terminate()
            psutil.wait_procs([holder], timeout=PATIENCE_SECONDS)
        for file in (_pid_file(sandbox, name), _pid_file(sandbox, name).with_suffix(".ready")):
            file.unlink(missing_ok=True)

    return change


def _pid_file(sandbox: Sandbox, name: str) -> Path:
    return sandbox.folder / f"fault-{name}.pid"


def _holder(sandbox: Sandbox, name: str) -> psutil.Process | None:
    """The running holder, known by its PID and its command line; a PID may have gone to somebody else meanwhile."""
    file = _pid_file(sandbox, name)
    try:
        process = psutil.Process(int(file.read_text()))
        return process if process.cmdline()[-2:] == ["sandbox.holding", name] else None
    except (OSError, ValueError, psutil.Error):
        return None


def _hold_connections(sandbox: Sandbox) -> list[psycopg.Connection[Any]]:
    """All connections that clients can have but a few, which the checks need to see it."""
    held: list[psycopg.Connection[Any]] = []
    try:
        while True:
            held.append(psycopg.connect(sandbox.dsn("platform", "app"), application_name=MARK))
    except psycopg.OperationalError as refused:
        print(f"after {len(held)} connections: {refused}", flush=True)
    for _ in range(LEFT):
        held.pop().close()
    return held


def _hold_transaction(sandbox: Sandbox) -> list[psycopg.Connection[Any]]:
    """One transaction that has written and is not ended."""
    opened = psycopg.connect(sandbox.dsn("platform", "app"), application_name=MARK)
    opened.execute(
        "UPDATE user_consents SET updated_at = now() WHERE id = (SELECT min(id::text)::uuid FROM user_consents)"
    )
    return [opened]


HOLDERS: Mapping[str, Callable[[Sandbox], list[psycopg.Connection[Any]]]] = {
    "connection-saturation": _hold_connections,
    "long-transaction": _hold_transaction,
}


def hold(name: str) -> None:
    """Hold what a fault holds until this process is ended; a file says when it is in place."""
    sandbox = open_sandbox()
    held = HOLDERS[name](sandbox)
    _pid_file(sandbox, name).with_suffix(".ready").touch()
    print(f"holding {len(held)} connections", flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    hold(sys.argv[1])
