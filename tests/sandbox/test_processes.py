"""What a killed scheduler leaves behind is found although it hides its folder, and nothing else is taken for it."""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest

from sandbox.processes import end, end_leftovers, leftovers
from sandbox.stack import Sandbox, open_sandbox

#: supervisord, the scheduler in a group of its own, and its worker, whose folder nobody may look up.
FAMILY = """
import ctypes, os, time
scheduler = os.fork()
if scheduler == 0:
    os.setpgid(0, 0)
    worker = os.fork()
    if worker == 0:
        os.chdir("/")
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
        print(os.getsid(0), os.getppid(), os.getpid(), flush=True)
time.sleep(600)
"""


@dataclass(frozen=True)
class Family:
    """PIDs; the worker's folder is ``/``, as good as hidden for whoever looks for the sandbox's."""

    supervisord: int
    scheduler: int
    worker: psutil.Process


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """A sandbox's folder; nothing of it runs."""
    sandbox = open_sandbox(tmp_path)
    for folder in (sandbox.processes, sandbox.folder / "logs"):
        folder.mkdir()
    return sandbox


@pytest.fixture
def family(sandbox: Sandbox) -> Iterator[Family]:
    """The three, alive."""
    command = [sys.executable, "-c", FAMILY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=sandbox.processes, start_new_session=True) as started:
        assert started.stdout is not None
        session, scheduler, worker = map(int, started.stdout.readline().split())
        family = Family(session, scheduler, psutil.Process(worker))
        try:
            yield family
        finally:
            kill(family)
            if family.worker.is_running():
                family.worker.kill()


def kill(family: Family) -> None:
    """kill -9 of supervisord and the scheduler, which leaves the worker behind."""
    for pid in (family.supervisord, family.scheduler):
        if psutil.pid_exists(pid) and os.getsid(pid) == family.supervisord:
            os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid) for pid in (family.supervisord,) if psutil.pid_exists(pid)], timeout=10)


def log(sandbox: Sandbox, family: Family, *, age: timedelta = timedelta(0)) -> None:
    """What supervisord would have written of the family, so long after it was born."""
    when = datetime.fromtimestamp(family.worker.create_time()) + age
    (sandbox.folder / "logs" / "supervisord.log").write_text(
        f"{when:%Y-%m-%d %H:%M:%S},501 INFO supervisord started with pid {family.supervisord}\n"
        f"{when:%Y-%m-%d %H:%M:%S},684 INFO spawned: 'scheduler' with pid {family.scheduler}\n"
    )


def test_a_worker_that_hides_its_folder_is_found_and_ended(sandbox: Sandbox, family: Family) -> None:
    """After kill -9 of its supervisord and its scheduler the process group says whose it was."""
    log(sandbox, family)
    kill(family)
    assert leftovers(sandbox) == [family.worker]
    end_leftovers(sandbox)
    assert not family.worker.is_running()


def test_one_that_ends_by_itself_does_not_save_the_others(family: Family) -> None:
    """A backend goes with its server while leftovers are ended one by one; those after it are ended all the same."""
    kill(family)
    with subprocess.Popen([sys.executable, "-c", ""]) as short:
        gone = psutil.Process(short.pid)
    end([gone, family.worker])
    assert not family.worker.is_running()


def test_what_no_log_names_is_nobodys_leftover(sandbox: Sandbox, family: Family) -> None:
    """Without a log, and with one of other PIDs, a stranger's group is left alone."""
    kill(family)
    assert leftovers(sandbox) == []
    log(sandbox, Family(family.supervisord, family.supervisord, family.worker))
    assert leftovers(sandbox) == []
    log(sandbox, Family(family.scheduler, family.scheduler, family.worker))
    assert leftovers(sandbox) == []


def test_what_is_older_than_the_program_is_not_its_own(sandbox: Sandbox, family: Family) -> None:
    """A group of that number which was there before supervisord spoke is a stranger's."""
    kill(family)
    log(sandbox, family, age=timedelta(minutes=1))
    assert leftovers(sandbox) == []


def test_a_pid_that_is_another_program_by_now_stands_for_nothing(sandbox: Sandbox, family: Family) -> None:
    """While the log's PIDs live in another folder than the sandbox's, their group is a stranger's."""
    log(sandbox, family)
    elsewhere = open_sandbox(sandbox.folder / "another")
    (elsewhere.folder / "logs").mkdir()
    log(elsewhere, family)
    assert {process.pid for process in leftovers(sandbox)} == {family.supervisord, family.scheduler, family.worker.pid}
    assert leftovers(elsewhere) == []


def hide() -> None:
    """What Airflow does to its workers: an ordinary user may look up neither folder nor environment."""
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)


def hidden_family(sandbox: Sandbox) -> tuple[int, int, int]:
    """supervisord, a scheduler that hides itself, and its worker; nobody reaps the scheduler. Returns their PIDs."""
    reading, writing = os.pipe()
    supervisord = os.fork()
    if supervisord == 0:
        os.setsid()
        os.chdir(sandbox.processes)
        scheduler = os.fork()
        if scheduler == 0:
            os.setpgid(0, 0)
            os.chdir("/")
            hide()
            worker = os.fork()
            if worker:
                os.write(writing, f"{os.getpid()} {worker}\n".encode())
        time.sleep(600)
        os._exit(0)
    scheduler, worker = map(int, os.read(reading, 100).split())
    return supervisord, scheduler, worker


def found_by_an_ordinary_user(sandbox: Sandbox) -> tuple[bool, bool]:
    """Whether the worker is found while its scheduler hides, and when that is a zombie."""
    supervisord, scheduler, worker = hidden_family(sandbox)
    try:
        when = datetime.fromtimestamp(psutil.Process(worker).create_time())
        (sandbox.folder / "logs" / "supervisord.log").write_text(
            f"{when:%Y-%m-%d %H:%M:%S},501 INFO supervisord started with pid {supervisord}\n"
            f"{when:%Y-%m-%d %H:%M:%S},684 INFO spawned: 'scheduler' with pid {scheduler}\n"
        )
        alive = worker in {process.pid for process in leftovers(sandbox)}
        os.kill(scheduler, signal.SIGKILL)
        while psutil.Process(scheduler).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.05)
        return alive, worker in {process.pid for process in leftovers(sandbox)}
    finally:
        for pid in (supervisord, scheduler, worker):
            os.kill(pid, signal.SIGKILL)


def test_an_ordinary_user_finds_the_worker_of_a_scheduler_that_hides() -> None:
    """Neither a program that hides its folder nor the zombie of one makes its group a stranger's."""
    folder = Path(tempfile.mkdtemp(prefix="upkeep-ordinary-"))
    reading, writing = os.pipe()
    try:
        sandbox = open_sandbox(folder)
        for part in (sandbox.processes, folder / "logs"):
            part.mkdir()
        nobody = pwd.getpwnam("nobody").pw_uid
        for path in (folder, *folder.iterdir()):
            os.chown(path, nobody if os.getuid() == 0 else -1, -1)
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                if os.getuid() == 0:
                    os.setuid(nobody)
                os.write(writing, repr(found_by_an_ordinary_user(sandbox)).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writing)
        assert os.read(reading, 100).decode() == "(True, True)"
    finally:
        shutil.rmtree(folder)
