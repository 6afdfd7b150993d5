"""A sandbox whose tasks run on two Celery workers, behind two schedulers and a Redis, instead of in one scheduler.

As docker-compose.yaml has it, but as bare processes: each can be killed, starved and cut off by itself. Airflow's own
clocks for what has died are minutes to a day; here some are shorter, and say so, for a test to see them run out.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.stack import Sandbox

#: Environment of the first ``up``: ``CeleryExecutor`` in place of ``LocalExecutor``. The sandbox keeps it.
EXECUTOR = "UPKEEP_SANDBOX_EXECUTOR"
LOCAL, CELERY = "LocalExecutor", "CeleryExecutor"

WORKERS = ("worker-1", "worker-2")
SCHEDULERS = ("scheduler", "scheduler-2")

#: Tasks at once on one worker, as in docker-compose.yaml.
CONCURRENCY = 4

#: What a worker's processes know it by; Airflow notes it with each task as its host.
WORKER = "UPKEEP_SANDBOX_WORKER"


def host() -> str:
    """The name under which a process tells Airflow where it runs: a worker's own, for all share one machine."""
    return os.environ.get(WORKER, "sandbox")


def chosen() -> str:
    """The executor that the environment asks for; empty when it says nothing."""
    return os.environ.get(EXECUTOR, "")


def drawn() -> str:
    """What a sandbox is made with: what is asked for where there is such a thing; ``up`` refuses the rest."""
    return chosen() if chosen() in (LOCAL, CELERY) else LOCAL


def obstacle(kept: str) -> str:
    """Why a sandbox of the executor ``kept`` cannot be brought up as the environment asks; empty when it can."""
    wanted = chosen() or kept
    if wanted not in (LOCAL, CELERY):
        return f"{EXECUTOR}: found {wanted!r}, expected {LOCAL} or {CELERY}"
    if wanted != kept:
        return (
            f"{EXECUTOR} is {wanted}, but the sandbox was made with {kept}: `make down` and remove its folder first, "
            "or leave the variable out"
        )
    if kept == CELERY and not _redis_server():
        return f"{EXECUTOR} is {CELERY}: found no redis-server. Run: sudo apt-get install redis-server"
    return ""


def _redis_server() -> str | None:
    return shutil.which("redis-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def variables(sandbox: Sandbox) -> dict[str, str]:
    """Airflow's settings, without their prefix, for the CeleryExecutor."""
    database = f"airflow:{sandbox.passwords['airflow']}@127.0.0.1:{sandbox.ports['postgres']}/airflow"
    return {
        "CORE__EXECUTOR": CELERY,
        "CORE__HOSTNAME_CALLABLE": f"{__name__}.host",
        "CELERY__BROKER_URL": broker(sandbox),
        "CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2://{database}",
        "CELERY__WORKER_CONCURRENCY": str(CONCURRENCY),
        # Workers load no plugin by themselves; what they import before they fork tasks, no task imports anew.
        "CELERY__EXTRA_CELERY_CONFIG": '{"imports": ["upkeep_plugin"]}',
        # Seconds until a task whose worker died counts as dead; by default 300.
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
        # Seconds until a task that no worker has taken is queued anew; by default 600. A queue may lose it.
        "SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
        "SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "15",
    }


def broker(sandbox: Sandbox) -> str:
    """The queue's URL, with its password."""
    return f"redis://:{sandbox.passwords['redis']}@127.0.0.1:{sandbox.ports['redis']}/0"


def programs(python: str) -> Mapping[str, tuple[str, ...]]:
    """What runs in place of the one scheduler, in this order; Redis comes before all."""
    scheduler = (python, "-m", "airflow", "scheduler", "--skip-serve-logs")
    worker = (python, "-m", "airflow", "celery", "worker", "--skip-serve-logs", "--without-mingle", "--without-gossip")
    return {
        **dict.fromkeys(SCHEDULERS, scheduler),
        **{name: (*worker, "--celery-hostname", name) for name in WORKERS},
    }


def redis(sandbox: Sandbox) -> tuple[str, ...]:
    """Redis as docker-compose.yaml runs it: what is queued is on disk."""
    sandbox.queue.mkdir(exist_ok=True)
    lines = {
        "bind": "127.0.0.1",
        "port": str(sandbox.ports["redis"]),
        "requirepass": sandbox.passwords["redis"],
        "dir": f'"{sandbox.queue}"',
        "appendonly": "yes",
        "save": '""',
    }
    file = sandbox.folder / "redis.conf"
    with open(file, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as opened:
        opened.writelines(f"{name} {value}\n" for name, value in lines.items())
    return (_redis_server() or "redis-server", str(file))
