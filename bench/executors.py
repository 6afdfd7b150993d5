"""What a task costs on Celery beside the LocalExecutor, what one and two workers carry out, and the memory it takes.

Sandboxes of their own, one after the other. Tasks are empty: what an executor adds to a task is seen best where that
does nothing else. Processor time is that of the processes that work for tasks, with those that they started and that
have ended; two schedulers and two workers are counted with what they do between tasks.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from bench.measure import Result, size
from bench.window import PATIENCE_SECONDS, unpause
from sandbox import distributed, processes
from sandbox.processes import Api, wait
from sandbox.stack import PARALLELISM, Sandbox, open_sandbox
from upkeep.settings.base import ROOT

GOAL = 1.3
TASKS, ROUNDS = size((40, 2), (2, 1))
BURST, DAILY = "burst", "maintenance_daily"
ENDED = ("success", "failed")
#: What works for a task; the dag-processor and the triggerer do the same whatever runs.
WORKING = {"postgres", "redis", "api-server", *distributed.SCHEDULERS, *distributed.WORKERS}
#: What Upkeep needs beside the platform that it looks at.
NEEDED = {"postgres", "api-server", "dag-processor", "scheduler", "triggerer"}
#: What of a sandbox a daily window can do without; the functions are the platform's.
SPARED = ("workload", "slack", "sms", "mail", "registry")


def run() -> Result:
    """The LocalExecutor, then as little as works, then Celery with two workers and with one."""
    need_redis()
    with _sandbox(distributed.LOCAL) as local:
        demo = _memory(local)
        processes.ask(local, "stopProcess", "workload")  # it is at the server that counts here
        here = _bursts(local)
    with _sandbox(distributed.LOCAL, **{PARALLELISM: "1"}) as small:
        for name in SPARED:
            processes.ask(small, "stopProcess", name)
        before, most = _in_a_daily_window(small)
    with _sandbox(distributed.CELERY) as celery:
        large = _memory(celery)
        processes.ask(celery, "stopProcess", "workload")
        two = _bursts(celery)
        processes.ask(celery, "stopProcess", distributed.WORKERS[-1])
        one = _bursts(celery)
    ratio = two.seconds / here.seconds
    return Result(
        "processor time of an empty task on Celery, by that on the LocalExecutor",
        f"{ratio:.2f}; two workers {two.per_minute:.0f} tasks a minute, one {one.per_minute:.0f}, "
        f"the LocalExecutor {here.per_minute:.0f}",
        f"at most {GOAL}",
        ratio <= GOAL,
        (
            f"LocalExecutor, 8 at once: {here}",
            f"Celery, 2 workers of {distributed.CONCURRENCY}: {two}",
            f"Celery, 1 worker of {distributed.CONCURRENCY}: {one}",
            f"memory (PSS) of what `make demo` starts, after its daily window: {demo}",
            f"the same on Celery: {large}",
            f"as little as works, {', '.join(sorted(NEEDED))} with one task at a time: "
            f"{before:.0f} MB before a daily window, {most:.0f} MB at most in it",
            f"load of the machine, mean of the last 15 minutes: {os.getloadavg()[2]:.1f} on {os.cpu_count()} cores",
        ),
    )


def need_redis() -> None:
    """End with what to type where there is no Redis, before minutes of measuring."""
    if why := distributed.obstacle(distributed.CELERY):
        raise SystemExit(why)


@contextlib.contextmanager
def _sandbox(executor: str, **variables: str) -> Iterator[Sandbox]:
    """A sandbox of an executor with the daily window and the empty tasks, after its first window."""
    with tempfile.TemporaryDirectory() as name:
        folder, dags = Path(name) / "sandbox", Path(name) / "dags"
        dags.mkdir()
        shutil.copy(ROOT / "dags" / f"{DAILY}.py", dags)
        (dags / "graphs.json").write_text(json.dumps({BURST: {f"task_{n}": [] for n in range(TASKS)}}))
        shutil.copy(ROOT / "bench" / "dags" / "empty_windows.py", dags)
        environ = {**os.environ, "UPKEEP_SANDBOX": str(folder), "UPKEEP_SANDBOX_DAGS": str(dags)}
        environ |= {distributed.EXECUTOR: executor, **variables}
        command = [sys.executable, "-m", "sandbox"]
        try:
            subprocess.run([*command, "up"], env=environ, cwd=ROOT, check=True)
            yield open_sandbox(folder)
        finally:
            subprocess.run([*command, "down"], env=environ, cwd=ROOT, check=True)


# Processor time -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Burst:
    """Tasks that all may run at once: seconds of processor time of each, and how many ended in a minute."""

    seconds: float
    per_minute: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s of processor time a task, {self.per_minute:.0f} tasks a minute"


def _bursts(sandbox: Sandbox) -> Burst:
    """The mean of some bursts; the sandbox's daily window has filled caches."""
    api = Api(sandbox, "admin")
    found = [_burst(sandbox, api) for _ in range(ROUNDS)]
    return Burst(sum(one.seconds for one in found) / ROUNDS, sum(one.per_minute for one in found) / ROUNDS)


def _burst(sandbox: Sandbox, api: Api) -> Burst:
    before = _processor_seconds(sandbox)
    tasks = _carried_out(api, BURST)
    used = _processor_seconds(sandbox) - before
    began = min(datetime.fromisoformat(one["start_date"]) for one in tasks)
    ended = max(datetime.fromisoformat(one["end_date"]) for one in tasks)
    return Burst(used / len(tasks), 60 * len(tasks) / (ended - began).total_seconds())


def _processor_seconds(sandbox: Sandbox) -> float:
    """Of what works for tasks, with all that it started and that has ended."""
    total = 0.0
    for info in processes.ask(sandbox, "getAllProcessInfo"):
        if info["name"] in WORKING and info["statename"] == "RUNNING":
            main = psutil.Process(info["pid"])
            for process in (main, *main.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    total += sum(process.cpu_times()[:4])  # its own, and of its children that it has waited for
    return total


def _carried_out(api: Api, dag: str) -> list[dict[str, Any]]:
    """A run's tasks once it has ended well."""
    unpause(api, dag)
    answer = api.request("POST", f"/api/v2/dags/{dag}/dagRuns", json={"logical_date": None})
    answer.raise_for_status()
    path = f"/api/v2/dags/{dag}/dagRuns/{quote(answer.json()['dag_run_id'], safe='')}"
    wait(f"the run of {dag}", lambda: api.get(path)["state"] in ENDED, PATIENCE_SECONDS, lambda: api.get(path)["state"])
    assert (state := api.get(path)["state"]) == "success", f"the run of {dag} ended as {state}"
    found: list[dict[str, Any]] = api.get(f"{path}/taskInstances?limit=100")["task_instances"]
    return found


# Memory ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Memory:
    """Megabytes of proportional set size by program: what several processes share counts once."""

    programs: dict[str, float]

    def of(self, names: Collection[str]) -> float:
        """The sum of some programs."""
        return sum(self.programs.get(name, 0.0) for name in names)

    def __str__(self) -> str:
        largest = sorted(self.programs.items(), key=lambda item: -item[1])
        each = ", ".join(f"{name} {megabytes:.0f}" for name, megabytes in largest)
        return f"{self.of(self.programs):.0f} MB ({each})"


def _memory(sandbox: Sandbox) -> Memory:
    """What the programs of a sandbox take now, each with all that it has started."""
    found = {"supervisord": _pss(psutil.Process(processes.ask(sandbox, "getPID")))}
    for info in processes.ask(sandbox, "getAllProcessInfo"):
        if info["statename"] == "RUNNING":
            main = psutil.Process(info["pid"])
            found[info["name"]] = sum(map(_pss, (main, *main.children(recursive=True))))
    return Memory(found)


def _pss(process: psutil.Process) -> float:
    """Megabytes; 0 of one that has ended. Raises PermissionError for ordinary users: workers hide it."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return int(re.findall(r"^Pss: +(\d+) kB$", text, re.MULTILINE)[0]) / 1024


def _in_a_daily_window(sandbox: Sandbox) -> tuple[float, float]:
    """Megabytes of what Upkeep needs before a daily window, and the most in it."""
    before = _memory(sandbox).of(NEEDED)
    seen = [before]
    with ThreadPoolExecutor(1) as beside:
        window = beside.submit(_carried_out, Api(sandbox, "admin"), DAILY)
        while not window.done():
            seen.append(_memory(sandbox).of(NEEDED))
            time.sleep(0.5)
        window.result()
    return before, max(seen)
