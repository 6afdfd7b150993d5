"""The sandbox's processes: supervisord and what it runs, Airflow's REST API, waiting, and what may be left over."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import re
import subprocess
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import psutil
import requests

from sandbox.ports import is_free
from sandbox.postgres import identity
from sandbox.programs import supervisor_config
from sandbox.stack import PYTHON, Sandbox, environment

#: What supervisord's log says of its own start and of each program it started, in the log's local time.
_STARTED = re.compile(r"^(.{19}),\d{3} INFO (?:supervisord started|spawned: '[^']+') with pid (\d+)$", re.MULTILINE)


class SandboxError(RuntimeError):
    """The sandbox cannot go on; the message says what was found, and where to look."""


def need_ports(sandbox: Sandbox) -> None:
    """Raise SandboxError, naming it, when a port of this sandbox is taken by another program."""
    for name, port in sandbox.ports.items():
        if not is_free(port):
            raise SandboxError(
                f"port {port}, kept for {name}, is taken by another program. End that program, or "
                f"`rm -r {sandbox.folder}` to start over on other ports."
            )


def supervise(sandbox: Sandbox) -> None:
    """Start supervisord with nothing running yet. Raises SandboxError with what it said."""
    file = sandbox.folder / "supervisord.conf"
    with open(file, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as opened:
        opened.write(supervisor_config(sandbox))
    command = [PYTHON, "-m", "supervisor.supervisord", "-c", str(file)]
    done = subprocess.run(command, env=environment(sandbox), cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        raise SandboxError(f"supervisord did not start:\n{done.stdout}{done.stderr}")
    wait("supervisord", lambda: running(sandbox), 30, lambda: tail(sandbox, "supervisord"))


@contextlib.contextmanager
def alone(sandbox: Sandbox) -> Iterator[None]:
    """One ``up`` or ``down`` of a sandbox at a time: another one waits for it, and says so."""
    with (sandbox.folder / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another call is starting or stopping this sandbox; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def need_own(sandbox: Sandbox, name: str) -> None:
    """Raise SandboxError unless the port kept for a part is listened on by a process of this sandbox.

    Whoever sends a password or a key asks this first: another program may have taken the port.
    """
    if not is_own(sandbox, name):
        raise SandboxError(
            f"port {sandbox.ports[name]}, kept for {name}, is listened on by another program or by nobody: no login is "
            f"sent there. End that program, or `make down` and `rm -r {sandbox.folder}` to start over on other ports."
        )


def is_own(sandbox: Sandbox, name: str) -> bool:
    """Whether a process that this sandbox started, under its own user, listens on the port kept for a part."""
    users = {os.getuid(), identity().uid}
    return any(_listens(process, sandbox.ports[name], users) for process in leftovers(sandbox))


def _listens(process: psutil.Process, port: int, users: set[int]) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        return process.uids().real in users and any(
            one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in process.net_connections("inet")
        )
    return False


def ask(sandbox: Sandbox, method: str, *arguments: object) -> Any:
    """One call of supervisord's XML-RPC interface. Raises SandboxError, sending nothing, when another one is there."""
    need_own(sandbox, "supervisor")
    address = f"127.0.0.1:{sandbox.ports['supervisor']}"
    with xmlrpc.client.ServerProxy(f"http://sandbox:{sandbox.passwords['supervisor']}@{address}/RPC2") as proxy:
        return getattr(proxy.supervisor, method)(*arguments)


def running(sandbox: Sandbox) -> bool:
    """Whether this sandbox's supervisord answers."""
    try:
        return bool(ask(sandbox, "getState")["statename"] == "RUNNING")
    except (SandboxError, OSError, xmlrpc.client.Error, http.client.HTTPException):
        return False


def launch(sandbox: Sandbox, name: str) -> None:
    """Have supervisord start one program; one that runs already is left alone."""
    try:
        ask(sandbox, "startProcess", name, False)
    except xmlrpc.client.Fault as fault:
        if fault.faultString.startswith("ALREADY_STARTED"):
            return
        raise SandboxError(f"{name} did not start: {fault.faultString}\n{tail(sandbox, name)}") from None


class Rest:
    """Airflow's REST API as somebody who logs in with a password, whatever auth manager it has."""

    def __init__(self, base: str, user: str, password: str) -> None:
        self.base, self.session = base, requests.Session()
        self.session.trust_env = False
        login = {"username": user, "password": password}
        answer = self.session.post(f"{base}/auth/token", json=login, timeout=60)
        answer.raise_for_status()
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """One call of ``/api/v2/…`` or of any other path that starts with a slash."""
        return self.session.request(method, f"{self.base}{path}", timeout=60, **kwargs)

    def get(self, path: str) -> Any:
        """The JSON of a GET. Raises requests.HTTPError on anything but success."""
        answer = self.request("GET", path)
        answer.raise_for_status()
        return answer.json()


class Api(Rest):
    """The same as one of the sandbox's users."""

    def __init__(self, sandbox: Sandbox, user: str) -> None:
        need_own(sandbox, "airflow")
        super().__init__(sandbox.url, user, sandbox.passwords[user])


def healthy(sandbox: Sandbox) -> bool:
    """Whether the port is this sandbox's Airflow's, and that says that each of its parts is."""
    if not is_own(sandbox, "airflow"):
        return False
    try:
        parts = requests.get(f"{sandbox.url}/api/v2/monitor/health", timeout=5).json()
    except (requests.RequestException, ValueError):
        return False
    names = ("metadatabase", "scheduler", "triggerer", "dag_processor")
    return all((parts.get(name) or {}).get("status") == "healthy" for name in names)


def wait(what: str, ready: Callable[[], Any], seconds: float, excuse: Callable[[], str]) -> Any:
    """What ``ready`` returns within a second of its being something.

    Raises SandboxError with the excuse after too many seconds.
    """
    deadline, pause = time.monotonic() + seconds, 0.1
    while not (found := ready()):
        if time.monotonic() > deadline:
            raise SandboxError(f"waited {seconds:.0f} s for {what}, in vain:\n{excuse()}")
        time.sleep(pause)
        pause = min(1.0, 1.2 * pause)  # looking at all processes takes processor time from what is waited for
    return found


def tail(sandbox: Sandbox, name: str, lines: int = 25) -> str:
    """The last lines of a program's log, with its name."""
    file = sandbox.folder / "logs" / f"{name}.log"
    if not file.exists():
        return f"({file} does not exist)"
    return f"{file} ends with:\n" + "\n".join(file.read_text(errors="replace").splitlines()[-lines:])


def end_leftovers(sandbox: Sandbox) -> None:
    """End what a supervisor or a scheduler that was killed left behind; its workers wait for work for ever."""
    end(leftovers(sandbox))
    wait("leftovers to end", lambda: not leftovers(sandbox), 60, lambda: names(sandbox))


def end(found: list[psutil.Process]) -> None:
    """End each of the processes, whichever of them end by themselves meanwhile: a backend goes with its server."""
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            print(f"  ending PID {process.pid}, left over: {process.name()}")
            process.terminate()
    for process in psutil.wait_procs(found, timeout=15)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def leftovers(sandbox: Sandbox) -> list[psutil.Process]:
    """Processes that this sandbox started: they work in its own folder, PostgreSQL's and Redis in theirs.

    Airflow renames its processes and with that overwrites their environment, so nothing there could mark them. Its
    workers also hide their folder from everybody but root (PR_SET_DUMPABLE): their process group gives them away.
    """
    homes = {str(sandbox.processes), str(sandbox.cluster.directory()), str(sandbox.queue)}
    groups = _groups(sandbox, homes)
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and (_is_in(process, homes) or _is_of(process, groups)):
                found.append(process)
    return found


def _is_in(process: psutil.Process, homes: set[str]) -> bool:
    with contextlib.suppress(psutil.AccessDenied):
        return process.cwd() in homes
    return False


def _is_of(process: psutil.Process, groups: dict[tuple[int, int], float]) -> bool:
    """Whether a process is of our own user, in a program's session and group, and not older than that program."""
    born = groups.get((os.getsid(process.pid), os.getpgid(process.pid)))
    return born is not None and process.uids().real == os.getuid() and process.create_time() >= born


def _groups(sandbox: Sandbox, homes: set[str]) -> dict[tuple[int, int], float]:
    """(session, process group) of each program that supervisord says it started, and when it did.

    A session is its supervisord's PID and a group its program's; the kernel gives neither number to a new process as
    long as somebody is in it. A PID that is another program's by now stands for nothing of ours any more.
    """
    file = sandbox.folder / "logs" / "supervisord.log"
    found: dict[tuple[int, int], float] = {}
    session = 0
    for said in _STARTED.finditer(file.read_text(errors="replace") if file.exists() else ""):
        when, pid = datetime.fromisoformat(said[1]).timestamp(), int(said[2])
        if "supervisord started" in said[0]:
            session = pid
        elif not _is_of_others(session, homes, when) and not _is_of_others(pid, homes, when):
            # psutil adds a start to the time of boot, which the kernel gives in whole seconds, rounded down.
            found[session, pid] = when - 1
    return found


def _is_of_others(pid: int, homes: set[str], when: float) -> bool:
    """Whether a PID of the log lives and works elsewhere; a zombie works nowhere.

    A program that hides its folder from an ordinary user is known by the user and by not being younger than the log.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        try:
            return process.cwd() not in {*homes, ""}
        except psutil.AccessDenied:
            return bool(process.uids().real != os.getuid() or process.create_time() > when + 2)
    except psutil.NoSuchProcess:
        return False


def names(sandbox: Sandbox) -> str:
    """Leftovers by PID and command line, for a message."""
    said = []
    for process in leftovers(sandbox):
        with contextlib.suppress(psutil.Error):
            said.append(f"{process.pid} {' '.join(process.cmdline()[:6])}")
    return ", ".join(said)
